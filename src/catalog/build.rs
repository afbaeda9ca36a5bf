//! Building a catalog: headers in parallel, rows in order, and what has not changed taken over.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::catalog::name::NameFacts;
use crate::catalog::previous::{Fetcher, Kept, Previous, RowId};
use crate::catalog::{BuildOptions, Builder, Detail, Entry, Wanted};
use crate::error::{Error, Result};
use crate::files::Sight;
use crate::format::{Kind, LayerName};
use crate::on_error::OnError;
use crate::progress::Progress;
use crate::value::Value;
use crate::workers::Ordered;

/// Files whose rows are fetched from an earlier catalog at a time.
const PORTION: usize = 16_384;

/// A file and what was found in it.
pub struct Outcome {
    pub path: String,
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
enum Seen {
    Done(Result<Found>),
    Unchanged(RowId, NameFacts),
}

/// A build under way: an iterator over files in the order of the paths.
pub struct Build {
    seen: Ordered<(String, Seen)>,
    builder: Arc<Builder>,
    previous: Option<(Arc<Previous>, Fetcher)>,
    /// Kinds of which a kept row was made again.
    probed: Vec<Value>,
    ready: VecDeque<Result<Outcome>>,
    progress: Arc<Progress>,
}

/// Reads headers in parallel and gives each file's row, or its error, in the order of `paths`.
///
/// # Errors
/// The operating system gives no thread, or the earlier catalog can not be used.
pub fn build(paths: Arc<Vec<String>>, options: BuildOptions, threads: usize) -> Result<Build> {
    let progress = Arc::new(Progress::start("geo_catalog_build", Some(paths.len() as u64)));
    let previous = match options.previous.as_slice() {
        [] => None,
        parts => Some(Arc::new(Previous::open(parts, &options)?)),
    };
    let builder = Arc::new(Builder::new(options));
    let worker = (builder.clone(), previous.clone(), progress.clone());
    // What waits for the reader is bounded by number: a header takes a few KB at most.
    let jobs = (0..paths.len()).map(|i| Ok((1, i)));
    let seen = Ordered::start(jobs, threads, 4096, move |i| {
        let (builder, previous, progress) = &worker;
        let path = paths.get(i).cloned().unwrap_or_default();
        let seen = builder.see(&path, previous.as_deref());
        let is_error = matches!(seen, Seen::Done(Err(_)));
        progress.count(is_error);
        match seen {
            Seen::Done(Err(error)) if builder.options.on_error == OnError::Fail => Err(error),
            seen => Ok((path, seen)),
        }
    })?;
    let previous = previous.map(|previous| (previous, Fetcher::default()));
    Ok(Build { seen, builder, previous, probed: Vec::new(), ready: VecDeque::new(), progress })
}

impl Builder {
    fn see(&self, path: &str, previous: Option<&Previous>) -> Seen {
        let sight = match Sight::at(path) {
            Ok(sight) => sight,
            Err(error) => return Seen::Done(Err(error)),
        };
        let facts = match self.name_facts(path) {
            Ok(facts) => facts,
            Err(error) => return Seen::Done(Err(error)),
        };
        match previous.and_then(|previous| previous.find(path, &sight.stamp())) {
            Some(row) => Seen::Unchanged(row, facts),
            None => Seen::Done(self.entry(&sight, facts).map(|entry| Found::Made(Box::new(entry)))),
        }
    }

    /// A row of an array or a vector file does not tell every parameter that it was made with: the first of each
    /// kind is made again. A file that can not be read now tells nothing.
    ///
    /// # Errors
    /// [`Error::BadCatalog`], when the row comes out otherwise.
    fn probe(&self, kept: &Kept, facts: NameFacts, path: &str, catalog: &str) -> Result<()> {
        let Ok(entry) = Sight::at(path).and_then(|sight| self.entry(&sight, facts)) else {
            return Ok(());
        };
        let text = |text: &str| Value::Text(text.into());
        let (mut variables, mut time_var, mut layers) = (Vec::new(), Value::Null, Vec::new());
        match &entry.place.detail {
            Detail::Array(array) => {
                variables = array.variables.iter().map(|v| v.name.clone()).collect();
                time_var = array.time_var.as_deref().map_or(Value::Null, text);
            }
            Detail::Vector { layers: found } => layers = found.iter().map(|l| l.name.clone()).collect(),
            Detail::Raster { .. } => {}
        }
        let times = entry
            .interval
            .map_or((Value::Null, Value::Null), |i| (Value::Timestamp(i.start), Value::Timestamp(i.stop)));
        let same = [
            ("kind", kept.value("kind") == text(entry.place.detail.kind().name())),
            ("variables", names_in(kept, "variables") == variables),
            ("layer", names_in(kept, "layers") == layers),
            ("time_var", kept.value("time_var") == time_var),
            ("filename_regex or date_format", (kept.value("t_min"), kept.value("t_max")) == times),
        ];
        match same.iter().find(|(_, same)| !same) {
            Some((parameter, _)) => Err(built_with_another(parameter, path, catalog)),
            None => Ok(()),
        }
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
                Some(Ok((path, Seen::Done(found)))) => self.ready.push_back(Ok(Outcome { path, found })),
                Some(Ok((path, Seen::Unchanged(..)))) => return Err(Error::Bug(format!("{path} was kept"))),
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
            Seen::Unchanged(row, _) => Some(*row),
            Seen::Done(_) => None,
        });
        let rows = fetcher.fetch(previous, wanted.collect())?;
        for (path, seen) in portion {
            let found = match seen {
                Seen::Done(found) => found,
                Seen::Unchanged(row, facts) => match rows.get(&row) {
                    Some(kept) if kept.value("path") == Value::Text(path.clone()) => {
                        let catalog = previous.name(row);
                        check(kept, &facts, &self.builder.options, &path, catalog)?;
                        let kind = kept.value("kind");
                        if kind != Value::Text(Kind::Raster.name().into()) && !self.probed.contains(&kind) {
                            self.probed.push(kind);
                            self.builder.probe(kept, facts, &path, catalog)?;
                        }
                        self.progress.count_reused();
                        Ok(Found::Kept(kept.clone()))
                    }
                    // Two paths of one hash: the file is read.
                    _ => {
                        let sight = Sight::at(&path);
                        let entry = sight.and_then(|sight| self.builder.entry(&sight, facts));
                        entry.map(|entry| Found::Made(Box::new(entry)))
                    }
                },
            };
            self.ready.push_back(Ok(Outcome { path, found }));
        }
        self.ready.extend(failure.map(Err));
        Ok(())
    }
}

/// A row that this call would have made otherwise betrays a catalog that was built with other parameters.
///
/// # Errors
/// [`Error::BadCatalog`], which names the row.
fn check(kept: &Kept, facts: &NameFacts, options: &BuildOptions, path: &str, catalog: &str) -> Result<()> {
    let (interval, attributes) = facts;
    let is_raster = kept.value("kind") == Value::Text(Kind::Raster.name().into());
    let times = (kept.value("t_min"), kept.value("t_max"));
    let same_time = match interval {
        Some(i) => times == (Value::Timestamp(i.start), Value::Timestamp(i.stop)),
        // Other files tell a time of their own.
        None => !is_raster || times == (Value::Null, Value::Null),
    };
    let text = |text: &String| Value::Text(text.clone());
    let pairs = attributes.iter().map(|(key, value)| (text(key), text(value)));
    if !same_time || kept.value("attributes") != Value::Map(pairs.collect()) {
        return Err(built_with_another("filename_regex or date_format", path, catalog));
    }
    if let Some(parameter) = other_choice(kept, options) {
        return Err(built_with_another(parameter, path, catalog));
    }
    let expected = 4 * (options.densify.max(2) - 1) + 1;
    match ring_points(&kept.value("geometry"), &kept.value("bbox")).filter(|_| is_raster) {
        // A raster that reaches beyond the edge of the world has a plain box of five points.
        None | Some(5) => Ok(()),
        Some(points) if points == expected => Ok(()),
        Some(points) => {
            let theirs = (points.saturating_sub(1)) / 4 + 1;
            let problem =
                format!("was built with densify := {theirs}, and this call has {}", options.densify);
            let remedy = "Give the same densify, or leave previous out".into();
            Err(Error::BadCatalog { path: catalog.into(), problem, remedy })
        }
    }
}

fn built_with_another(parameter: &str, path: &str, catalog: &str) -> Error {
    Error::BadCatalog {
        path: catalog.into(),
        problem: format!("was built with another {parameter}: see its row of \"{path}\""),
        remedy: format!("Give the same {}, or leave previous out", parameter.replace(" or ", " and ")),
    }
}

/// The parameter by which this call would choose another part of the file than the row tells of.
fn other_choice(kept: &Kept, options: &BuildOptions) -> Option<&'static str> {
    let kind = kept.value("kind");
    let is = |wanted: Kind| kind == Value::Text(wanted.name().into());
    if matches!(options.kind, Wanted::Only(wanted) if !is(wanted)) {
        return Some("kind");
    }
    if let (Some(wanted), true) = (&options.variables, is(Kind::Array)) {
        let (mut wanted, mut have) = (wanted.clone(), names_in(kept, "variables"));
        wanted.sort_unstable();
        wanted.dedup();
        have.sort_unstable();
        if wanted != have {
            return Some("variables");
        }
    }
    if matches!(&options.time_var, Some(name) if is(Kind::Array) && kept.value("time_var") != Value::Text(name.clone()))
    {
        return Some("time_var");
    }
    let other_layer = |layer: &LayerName| match (layer, names_in(kept, "layers").as_slice()) {
        (LayerName::Name(name), [one]) => name != one,
        (LayerName::Number(_), [_]) => false,
        _ => true,
    };
    (is(Kind::Vector) && options.layer.as_ref().is_some_and(other_layer)).then_some("layer")
}

/// The names of the variables or layers in a row's list of them.
fn names_in(kept: &Kept, column: &str) -> Vec<String> {
    match kept.value(column) {
        Value::List(items) => items.into_iter().filter_map(first_text).collect(),
        _ => Vec::new(),
    }
}

fn first_text(fields: Value) -> Option<String> {
    match fields {
        Value::Struct(fields) => match fields.into_iter().next() {
            Some((_, Value::Text(text))) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// The points of a footprint of one polygon; `None` for one that was cut or closed on a globe.
fn ring_points(geometry: &Value, bbox: &Value) -> Option<usize> {
    let Value::Struct(sides) = bbox else { return None };
    let cut =
        |(_, side): &(String, Value)| matches!(side, Value::Double(v) if v.abs() == 180.0 || v.abs() == 90.0);
    let Value::Bytes(wkb) = geometry else { return None };
    let number = |at: usize| wkb.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    // Little-endian, a polygon, of one ring.
    let is_ring = wkb.first() == Some(&1) && number(1) == Some(3) && number(5) == Some(1);
    if !is_ring || sides.iter().any(cut) { None } else { number(9).map(|points| points as usize) }
}
