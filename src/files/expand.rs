//! From paths, globs and URLs to the files that they name.

use std::path::{Path, PathBuf};

use crate::error::{Absence, Cause, Error, Result};
use crate::files::beside::is_side_file;
use crate::files::door;
use crate::files::location::Location;
use crate::files::sight::is_one_file;
use crate::workers::go_on;

/// Expands paths, globs and lists of them, in the order given; a glob's matches are sorted. A path with
/// glob characters that exists as it stands is taken as it stands, and so is a URL. Directories among a glob's matches
/// are passed over, unless they are Zarr stores, or the glob asks for an extension (`*.tif`, `*.zarr`), so that whoever
/// reads it tells that it is none; `**` does not look into a store. Side files of another match are passed
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
    if is_single || !pattern.contains(['*', '?', '[']) {
        paths.push(location.text().to_string());
        return Ok(());
    }
    // What is there is no business of who may not read it.
    door::permit(fixed(location.text()), pattern)?;
    if Path::new(location.text()).exists() {
        paths.push(location.text().to_string());
        return Ok(());
    }
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
    let before = paths.len();
    let found = matches(location.text(), options)?;
    let mut names: Vec<&str> = found.iter().filter_map(|path| path.to_str()).collect();
    names.sort_unstable();
    let last = location.text().rsplit(['*', '?', ']', '/']).next().unwrap_or_default();
    let is_extension = last.contains('.');
    for path in &found {
        if path.to_str().is_some_and(|name| is_side_file(name, &names)) {
            continue;
        }
        if !is_extension && path.is_dir() && !is_one_file(path) && std::fs::read_dir(path).is_ok() {
            continue;
        }
        // A name that is not UTF-8 is passed on as it is shown: whoever opens it tells of that file, and of no other.
        paths.push(path.to_string_lossy().into_owned());
    }
    if paths.len() == before {
        return Err(Error::Absent { path: pattern.into(), how: Absence::Glob });
    }
    Ok(())
}

/// The folder that a pattern looks into, as far as it has no wildcards.
fn fixed(pattern: &str) -> &Path {
    let before = pattern.split(['*', '?', '[']).next().unwrap_or_default();
    let folder =
        before.rsplit_once('/').map_or(".", |(folder, _)| if folder.is_empty() { "/" } else { folder });
    Path::new(folder)
}

/// What a pattern matches, sorted. Under `**` linked folders are not entered, as in DuckDB: a link that leads
/// back up would never end. A folder that may not be listed is passed on by name, to be reported.
fn matches(pattern: &str, options: glob::MatchOptions) -> Result<Vec<PathBuf>> {
    let bad = |e: glob::PatternError| Error::Unparsed {
        value: pattern.into(),
        noun: "a glob pattern",
        reason: Cause::worded(e.msg, e),
    };
    let wanted = glob::Pattern::new(pattern).map_err(bad)?;
    let Some((before, _)) = pattern.split_once("**") else {
        let start = if pattern.starts_with('/') { "/" } else { "" };
        let mut found = vec![PathBuf::from(start)];
        let mut parts = pattern.split('/').filter(|part| !part.is_empty()).peekable();
        while let Some(part) = parts.next() {
            let wanted = glob::Pattern::new(part).map_err(bad)?;
            found = within(found, part, |name| wanted.matches_with(name, options), parts.peek().is_some())?;
        }
        return Ok(found);
    };
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
        below(&root, |path| wanted.matches_with(&path.to_string_lossy(), options), &mut found)?;
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// What one part of a pattern names in some folders, in order. All but the last part name folders.
fn within(
    folders: Vec<PathBuf>,
    part: &str,
    wanted: impl Fn(&str) -> bool,
    goes_on: bool,
) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in folders {
        let is_here = folder.as_os_str().is_empty();
        if part == "." && is_here {
            found.push(folder);
            continue;
        }
        if !part.contains(['*', '?', '[']) {
            found.extend(Some(folder.join(part)).filter(|path| path.exists()));
            continue;
        }
        let entries = match std::fs::read_dir(if is_here { Path::new(".") } else { &folder }) {
            Ok(entries) => entries,
            Err(error) => {
                found.extend(unlisted(folder, error)?);
                continue;
            }
        };
        let mut names = Vec::new();
        for entry in entries {
            go_on()?;
            let name = entry.map_err(|error| Error::unreadable(folder.to_string_lossy(), error))?.file_name();
            if wanted(&name.to_string_lossy()) && (!goes_on || folder.join(&name).is_dir()) {
                names.push(name);
            }
        }
        names.sort_unstable();
        found.extend(names.into_iter().map(|name| folder.join(name)));
    }
    Ok(found)
}

/// What is wanted of everything below a folder, in no order; stores are not looked into, and links are not followed.
fn below(root: &Path, wanted: impl Fn(&Path) -> bool, found: &mut Vec<PathBuf>) -> Result<()> {
    let is_here = root.as_os_str().is_empty();
    let start = if is_here { Path::new(".") } else { root };
    let shown = |path: PathBuf| match path.strip_prefix(".") {
        Ok(own) if is_here => own.to_path_buf(),
        _ => path,
    };
    let mut entries = walkdir::WalkDir::new(start).min_depth(1).into_iter();
    while let Some(entry) = entries.next() {
        go_on()?;
        match entry {
            Ok(entry) => {
                if entry.file_type().is_dir() && is_one_file(entry.path()) {
                    entries.skip_current_dir();
                }
                let path = shown(entry.into_path());
                if wanted(&path) {
                    found.push(path);
                }
            }
            Err(error) => {
                let path = error.path().map(Path::to_path_buf).unwrap_or_default();
                if let Some(error) = error.into_io_error() {
                    found.extend(unlisted(shown(path), error)?);
                }
            }
        }
    }
    Ok(())
}

/// A folder that could not be listed: one that may not be listed is passed on by name, one that is gone by now holds
/// nothing.
///
/// # Errors
/// [`Error::Unreadable`] where it should have been possible, as when the process has too many files open.
fn unlisted(folder: PathBuf, error: std::io::Error) -> Result<Option<PathBuf>> {
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Ok(None),
        std::io::ErrorKind::PermissionDenied => Ok(Some(folder)),
        _ => Err(Error::unreadable(folder.to_string_lossy(), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Lack;
    use crate::files::sight::Sight;

    #[test]
    fn a_glob_is_sorted_and_skips_folders_without_the_extension_and_an_empty_one_is_an_error() {
        let dir = std::env::temp_dir().join(format!("geoquilt-glob-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("sub.tif")).unwrap();
        for name in ["b.tif", "a.tif", "sub.tif/c.tif", ".hidden.tif", "x[1].tif"] {
            std::fs::write(dir.join(name), b"").unwrap();
        }
        let at = |name: &str| dir.join(name).to_string_lossy().into_owned();
        let flat = expand(&[at("*.tif")]).unwrap();
        assert_eq!(flat, [at("a.tif"), at("b.tif"), at("sub.tif"), at("x[1].tif")]);
        assert_eq!(expand(&[at("*")]).unwrap(), [at("a.tif"), at("b.tif"), at("x[1].tif")]);
        let deep = expand(&[at("**/*.tif")]).unwrap();
        assert_eq!(deep, [at("a.tif"), at("b.tif"), at("sub.tif"), at("sub.tif/c.tif"), at("x[1].tif")]);
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
        // A store without its document.
        assert_eq!(expand(&[at("*.zarr")]).unwrap(), [at("plain.zarr")]);
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
