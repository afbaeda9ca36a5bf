//! Building a catalog: headers in parallel, rows in order, and what has not changed taken over.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::catalog::built_with::difference;
use crate::catalog::previous::{Fetcher, Kept, Previous, RowId};
use crate::catalog::{BuildOptions, Builder, Entry};
use crate::error::{Error, Result};
use crate::files::{Sight, remote};
use crate::on_error::OnError;
use crate::progress::Progress;
use crate::value::Value;
use crate::workers::Ordered;

/// Files whose rows are fetched from an earlier catalog at a time.
const PORTION: usize = 16_384;

/// A file and what was found in it.
pub struct Outcome {
    /// The file.
    pub path: String,
    /// Its row, or why it has none.
    pub found: Result<Found>,
}

/// A row of a catalog.
pub enum Found {
    /// Made from the file's header.
    Made(Box<Entry>),
    /// Taken from an earlier catalog, since the file has not changed.
    Kept(Kept),
}

/// What a worker finds of a file.
enum Look {
    Done(Result<Found>),
    Unchanged(RowId),
}

/// A build under way: an iterator over files in the order of the paths.
pub struct Build {
    seen: Ordered<(String, Look)>,
    builder: Arc<Builder>,
    previous: Option<(Arc<Previous>, Fetcher)>,
    /// The parameters of this build, as a row tells them.
    built_with: Value,
    ready: VecDeque<Result<Outcome>>,
    progress: Arc<Progress>,
}

/// Reads headers in parallel and gives each file's row, or its error, in the order of `paths`.
///
/// # Errors
/// The operating system gives no thread, or the earlier catalog cannot be used.
pub fn build(paths: Arc<Vec<String>>, options: BuildOptions, threads: usize) -> Result<Build> {
    let progress = Arc::new(Progress::start("geo_catalog_build", Some(paths.len() as u64)));
    let previous = match options.previous.as_slice() {
        [] => None,
        parts => Some(Arc::new(Previous::open(parts)?)),
    };
    let built_with = options.built_with();
    let builder = Arc::new(Builder::new(options));
    let worker = (builder.clone(), previous.clone(), progress.clone());
    // What waits for the reader is bounded by number: a header takes a few KB at most.
    let jobs = (0..paths.len()).map(|i| Ok((1, i)));
    let threads = remote::threads(threads, paths.iter().map(String::as_str));
    let seen = Ordered::start(jobs, threads, 4096, move |i| {
        let (builder, previous, progress) = &worker;
        let path = paths.get(i).cloned().unwrap_or_default();
        let seen = builder.see(&path, previous.as_deref());
        let is_error = matches!(seen, Look::Done(Err(_)));
        progress.count(is_error);
        match seen {
            Look::Done(Err(error)) if builder.options.on_error == OnError::Fail => Err(error),
            seen => Ok((path, seen)),
        }
    })?;
    let previous = previous.map(|previous| (previous, Fetcher::default()));
    Ok(Build { seen, builder, previous, built_with, ready: VecDeque::new(), progress })
}

impl Builder {
    fn see(&self, path: &str, previous: Option<&Previous>) -> Look {
        let sight = match Sight::at(path) {
            Ok(sight) => sight,
            Err(error) => return Look::Done(Err(error)),
        };
        match previous.and_then(|previous| previous.find(path, &sight.stamp())) {
            Some(row) => Look::Unchanged(row),
            None => Look::Done(self.make(&sight)),
        }
    }

    fn make(&self, sight: &Sight) -> Result<Found> {
        let of_name = self.of_name(sight.path())?;
        Ok(Found::Made(Box::new(self.entry(sight, of_name)?)))
    }
}

impl Iterator for Build {
    type Item = Result<Outcome>;

    fn next(&mut self) -> Option<Result<Outcome>> {
        if self.ready.is_empty()
            && let Err(error) = self.portion()
        {
            return Some(Err(error));
        }
        self.ready.pop_front()
    }
}

impl Build {
    /// The next file; beside an earlier catalog, as many as are worth a walk through it.
    fn portion(&mut self) -> Result<()> {
        let Some((previous, fetcher)) = &mut self.previous else {
            match self.seen.next() {
                Some(Ok((path, Look::Done(found)))) => self.ready.push_back(Ok(Outcome { path, found })),
                Some(Ok((path, Look::Unchanged(..)))) => return Err(Error::Bug(format!("{path} was kept"))),
                Some(Err(error)) => return Err(error),
                None => {}
            }
            return Ok(());
        };
        let mut portion = Vec::new();
        let mut failure = None;
        while portion.len() < PORTION {
            match self.seen.next() {
                Some(Ok(seen)) => portion.push(seen),
                Some(Err(error)) => {
                    failure = Some(error);
                    break;
                }
                None => break,
            }
        }
        let wanted = portion.iter().filter_map(|(_, seen)| match seen {
            Look::Unchanged(row) => Some(*row),
            Look::Done(_) => None,
        });
        let rows = fetcher.fetch(previous, wanted.collect())?;
        for (path, seen) in portion {
            let found = match seen {
                Look::Done(found) => found,
                Look::Unchanged(row) => match rows.get(&row) {
                    Some(kept) if kept.value("path") == Value::Text(path.clone()) => {
                        check(kept, &self.built_with, &path, previous.name(row))?;
                        self.progress.count_reused();
                        Ok(Found::Kept(kept.clone()))
                    }
                    // Two paths of one hash: the file is read.
                    _ => Sight::at(&path).and_then(|sight| self.builder.make(&sight)),
                },
            };
            self.ready.push_back(Ok(Outcome { path, found }));
        }
        self.ready.extend(failure.map(Err));
        Ok(())
    }
}

/// # Errors
/// [`Error::BadCatalog`], where the row was made with other parameters than this build's.
fn check(kept: &Kept, built_with: &Value, path: &str, catalog: &str) -> Result<()> {
    let Some((parameter, theirs, ours)) = difference(&kept.value("built_with"), built_with) else {
        return Ok(());
    };
    Err(Error::BadCatalog {
        path: catalog.into(),
        problem: format!(
            "was built with another {parameter} ({theirs}) than this call has ({ours}): see its row of \"{path}\""
        ),
        remedy: format!("Give the same {parameter}, or leave previous out"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    /// Sixty small rasters, of which every seventh is damaged.
    fn paths(folder: &Folder) -> Arc<Vec<String>> {
        let path = |i: usize| match i % 7 {
            3 => folder.write(&format!("{i}.tif"), b"II*\0 and nothing else"),
            _ => folder.raster(&format!("{i}.tif"), &format!("2x2 uint8 EPSG:32632 10 at={i}00,0 | count")),
        };
        Arc::new((0..60).map(path).collect())
    }

    fn options(on_error: OnError) -> BuildOptions {
        BuildOptions::new(None, "OGC:CRS84", 21, on_error).unwrap()
    }

    #[test]
    fn rows_come_in_the_order_of_the_paths_whatever_the_threads_and_damage_is_told_in_its_place() {
        let folder = Folder::new();
        let paths = paths(&folder);
        for threads in [1, 2, 8] {
            let rows: Vec<Outcome> = build(paths.clone(), options(OnError::Report), threads)
                .unwrap()
                .map(|row| row.unwrap())
                .collect();
            assert!(rows.iter().map(|row| &row.path).eq(paths.iter()));
            for (i, row) in rows.iter().enumerate() {
                assert_eq!(row.found.is_err(), i % 7 == 3, "{}", row.path);
            }
        }
    }

    #[test]
    fn the_first_damaged_file_stops_a_build_that_may_not_fail() {
        let folder = Folder::new();
        let paths = paths(&folder);
        for threads in [1, 8] {
            let rows: Vec<bool> = build(paths.clone(), options(OnError::Fail), threads)
                .unwrap()
                .map(|row| row.is_ok())
                .take(4)
                .collect();
            assert_eq!(rows, [true, true, true, false]);
        }
    }
}
