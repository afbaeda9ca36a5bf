//! From paths, globs and URLs to the files that they name.

use std::path::{Path, PathBuf};

use crate::error::{Absence, Cause, Error, Result};
use crate::files::beside::is_side_file;
use crate::files::location::Location;
use crate::files::sight::is_one_file;

/// Expands paths, globs and lists of them, in the order given; a glob's matches are sorted. A path with
/// glob characters that exists as it stands is taken as it stands, and so is a URL. Directories among a glob's matches
/// are passed over, unless they are Zarr stores; `**` does not look into a store. Side files of another match are passed
/// over too ([`is_side_file`]).
/// A glob that matches nothing is an error.
///
/// # Errors
/// [`Error::Absent`], [`Error::Unparsed`], [`Error::RemoteGlob`], [`Error::Invalid`] for an empty path.
pub fn expand(patterns: &[String]) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for pattern in patterns {
        expand_one(pattern, &mut paths)?;
    }
    Ok(paths)
}

fn expand_one(pattern: &str, paths: &mut Vec<String>) -> Result<()> {
    if pattern.is_empty() {
        return Err(Error::invalid("\"\"", "a path, a glob such as 'data/**/*.tif', or a list of those"));
    }
    if pattern.contains('\0') {
        return Err(Error::invalid(format!("{pattern:?}"), "a path without zero bytes"));
    }
    let location = Location::parse(pattern);
    let is_single = location.is_url() || location.is_subdataset();
    if location.is_url() && !location.is_subdataset() && pattern.contains('*') {
        // A question mark or a bracket may be part of a URL; a star hardly is.
        return Err(Error::RemoteGlob { pattern: pattern.into() });
    }
    if is_single || !pattern.contains(['*', '?', '[']) || Path::new(location.text()).exists() {
        paths.push(location.text().to_string());
        return Ok(());
    }
    let bad = |e: glob::PatternError| Error::Unparsed {
        value: pattern.into(),
        noun: "a glob pattern",
        reason: Cause::worded(e.msg, e),
    };
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
    let before = paths.len();
    let found = matches(location.text(), options).map_err(bad)?;
    let mut names: Vec<&str> = found.iter().filter_map(|path| path.to_str()).collect();
    names.sort_unstable();
    for path in &found {
        if path.to_str().is_some_and(|name| is_side_file(name, &names)) {
            continue;
        }
        if path.is_dir() && !is_one_file(path) && std::fs::read_dir(path).is_ok() {
            continue;
        }
        match path.to_str() {
            Some(path) => paths.push(path.to_string()),
            None => {
                let shown = path.to_string_lossy().into_owned();
                return Err(Error::unreadable(shown, "its name is not UTF-8"));
            }
        }
    }
    if paths.len() == before {
        return Err(Error::Absent { path: pattern.into(), how: Absence::Glob });
    }
    Ok(())
}

/// What a pattern matches, sorted. Under `**` linked folders are not entered, as in DuckDB: a link that leads
/// back up would never end. A folder that may not be listed is passed on by name, to be reported.
fn matches(
    pattern: &str,
    options: glob::MatchOptions,
) -> std::result::Result<Vec<PathBuf>, glob::PatternError> {
    let Some((before, _)) = pattern.split_once("**") else {
        let found = glob::glob_with(pattern, options)?;
        return Ok(found.map(|entry| entry.unwrap_or_else(|e| e.path().to_path_buf())).collect());
    };
    let wanted = glob::Pattern::new(pattern)?;
    let options = glob::MatchOptions { require_literal_separator: true, ..options };
    // The folders that the part before `**` names, which may hold wildcards of its own.
    let roots = match before.trim_end_matches('/') {
        "" if before.starts_with('/') => vec![PathBuf::from("/")],
        "" => vec![PathBuf::new()],
        root if root.contains(['*', '?', '[']) => matches(root, options)?,
        root => vec![PathBuf::from(root)],
    };
    let mut found = Vec::new();
    for root in roots {
        found.extend(below(&root).filter(|path| wanted.matches_path_with(path, options)));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Everything below a folder, in no order; stores are not looked into, and links are not followed. A folder that may
/// not be listed holds nothing.
fn below(root: &Path) -> impl Iterator<Item = PathBuf> {
    let is_here = root.as_os_str().is_empty();
    let start = if is_here { Path::new(".") } else { root };
    let mut entries = walkdir::WalkDir::new(start).min_depth(1).into_iter();
    std::iter::from_fn(move || {
        loop {
            let Ok(entry) = entries.next()? else { continue };
            if entry.file_type().is_dir() && is_one_file(entry.path()) {
                entries.skip_current_dir();
            }
            let path = entry.into_path();
            return Some(match path.strip_prefix(".") {
                Ok(own) if is_here => own.to_path_buf(),
                _ => path,
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Lack;
    use crate::files::sight::Sight;

    #[test]
    fn a_glob_is_sorted_and_skips_folders_and_an_empty_one_is_an_error() {
        let dir = std::env::temp_dir().join(format!("geoquilt-glob-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("sub.tif")).unwrap();
        for name in ["b.tif", "a.tif", "sub.tif/c.tif", ".hidden.tif", "x[1].tif"] {
            std::fs::write(dir.join(name), b"").unwrap();
        }
        let at = |name: &str| dir.join(name).to_string_lossy().into_owned();
        let flat = expand(&[at("*.tif")]).unwrap();
        assert_eq!(flat, [at("a.tif"), at("b.tif"), at("x[1].tif")]);
        let deep = expand(&[at("**/*.tif")]).unwrap();
        assert_eq!(deep, [at("a.tif"), at("b.tif"), at("sub.tif/c.tif"), at("x[1].tif")]);
        assert_eq!(expand(&[at("x[1].tif")]).unwrap(), [at("x[1].tif")]);
        assert_eq!(expand(&[at("*.nc")]), Err(Error::Absent { path: at("*.nc"), how: Absence::Glob }));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_link_that_leads_back_up_ends_and_repeats_nothing() {
        let dir = std::env::temp_dir().join(format!("geoquilt-loop-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("a")).unwrap();
        std::fs::write(dir.join("a/x.tif"), b"").unwrap();
        for (target, name) in [(".", "a/loop"), ("../a", "a/up")] {
            std::os::unix::fs::symlink(target, dir.join(name)).unwrap();
        }
        let at = |name: &str| dir.join(name).to_string_lossy().into_owned();
        assert_eq!(expand(&[at("**/*.tif")]).unwrap(), [at("a/x.tif")]);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_store_is_one_file_and_is_not_looked_into() {
        let dir = std::env::temp_dir().join(format!("geoquilt-store-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("a/cube.zarr/tos")).unwrap();
        std::fs::create_dir_all(dir.join("plain.zarr")).unwrap();
        for name in ["a/cube.zarr/.zgroup", "a/cube.zarr/tos/.zarray", "a/cube.zarr/tos/x.tif", "a/y.tif"] {
            std::fs::write(dir.join(name), b"{}").unwrap();
        }
        let at = |name: &str| dir.join(name).to_string_lossy().into_owned();
        assert_eq!(expand(&[at("**/*")]).unwrap(), [at("a/cube.zarr"), at("a/y.tif")]);
        assert_eq!(expand(&[at("a/*.zarr")]).unwrap(), [at("a/cube.zarr")]);
        // Both documents, and no chunk.
        assert!(Sight::at(&at("a/cube.zarr")).is_ok_and(|seen| seen.stamp().size == 4));
        assert!(matches!(Sight::at(&at("plain.zarr")), Err(Error::Unsuited { lack: Lack::Directory, .. })));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_tree_of_many_folders_is_walked_to_its_end() {
        let dir = std::env::temp_dir().join(format!("geoquilt-deep-{}", std::process::id()));
        let deep = std::iter::repeat_n("d", 500).fold(dir.clone(), |folder, name| folder.join(name));
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("a.tif"), b"").unwrap();
        std::fs::write(dir.join("d/b.tif"), b"").unwrap();
        let found = expand(&[dir.join("**/*.tif").to_string_lossy().into_owned()]).unwrap();
        assert_eq!(
            found,
            [dir.join("d/b.tif"), deep.join("a.tif")].map(|path| path.to_string_lossy().into_owned())
        );
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_url_is_taken_as_it_stands_and_a_glob_over_urls_is_refused() {
        let url = "https://host/a[1].tif?key=value".to_string();
        assert_eq!(expand(std::slice::from_ref(&url)), Ok(vec![url]));
        assert!(matches!(expand(&["s3://bucket/*.tif".into()]), Err(Error::RemoteGlob { .. })));
        let inner = "HDF5:\"https://h/a*.h5\"://v".to_string();
        assert_eq!(expand(std::slice::from_ref(&inner)), Ok(vec![inner]));
    }
}
