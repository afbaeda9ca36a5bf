//! Paths, globs, URLs and side files: from what the user names to files on disk or behind a URL.

pub mod failure;
pub mod ranges;
pub mod reader;
pub mod remote;

use std::borrow::Cow;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Absence, Cause, Error, Lack, Result};
use crate::kept::{Kept, Shared};

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
    if remote::is_url(pattern) {
        // A question mark or a bracket may be part of a URL; a star hardly is.
        if pattern.contains('*') {
            return Err(Error::RemoteGlob { pattern: pattern.into() });
        }
        paths.push(pattern.to_string());
        return Ok(());
    }
    let home = home(pattern);
    let is_glob = pattern.contains(['*', '?', '[']) && !Path::new(&*home).exists() && !is_subdataset(pattern);
    if !is_glob {
        paths.push(home.into_owned());
        return Ok(());
    }
    let bad = |e: glob::PatternError| Error::Unparsed {
        value: pattern.into(),
        noun: "a glob pattern",
        reason: Cause::worded(e.msg, e),
    };
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
    let before = paths.len();
    let found = matches(&home, options).map_err(bad)?;
    let mut names: Vec<&str> = found.iter().filter_map(|path| path.to_str()).collect();
    names.sort_unstable();
    for path in &found {
        if path.to_str().is_some_and(|name| is_side_file(name, &names)) {
            continue;
        }
        if path.is_dir() && !is_store(path) && std::fs::read_dir(path).is_ok() {
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

/// Files of several parts, by the extension that names the whole: what a reader needs, and what it can do without.
pub const PARTS: [(&str, &[&str], &[&str]); 3] = [
    ("shp", &["shx", "dbf", "prj", "cpg"], &["qix", "qpj", "sbn", "sbx"]),
    ("tab", &["dat", "map", "id"], &["ind"]),
    ("mif", &["mid"], &[]),
];

/// A part of another file among `names`, which are sorted: `a.tif.aux.xml` belongs to `a.tif` by a longer name, and by
/// another extension `a.dbf` to `a.shp` and `a.tfw` to `a.tif`.
fn is_side_file(name: &str, names: &[&str]) -> bool {
    const LONGER: [&str; 5] = [".aux.xml", ".xml", ".ovr", ".msk", ".hdr"];
    let whole = |end: &&str| name.strip_suffix(end).filter(|whole| names.binary_search(whole).is_ok());
    if LONGER.iter().find_map(whole).is_some_and(|whole| !Path::new(whole).is_dir()) {
        return true;
    }
    let Some((stem, end)) = name.rsplit_once('.') else { return false };
    let end = end.to_ascii_lowercase();
    let stem = format!("{stem}.");
    let from = names.partition_point(|other| *other < stem.as_str());
    let others = names.get(from..).unwrap_or_default().iter();
    let mut ends = others.map_while(|other| other.strip_prefix(&stem)).filter(|whole| !whole.contains('.'));
    ends.any(|whole| is_part(&end, &whole.to_ascii_lowercase()))
}

/// Whether a file of one extension belongs to that of another.
fn is_part(end: &str, whole: &str) -> bool {
    const OF_RASTERS: [&str; 3] = ["prj", "wld", "hdr"];
    let mut parts = PARTS.iter().filter(|(name, ..)| *name == whole);
    if parts.any(|(_, needed, more)| needed.contains(&end) || more.contains(&end)) {
        return true;
    }
    // A world file is named by the first and the last letter, or by all of it: tif, tfw, tifw.
    let letters = (whole.chars().next(), whole.chars().next_back());
    let is_world = letters.0.zip(letters.1).is_some_and(|(first, last)| end == format!("{first}{last}w"));
    let is_raster = !["dbf", "prj", "wld", "hdr"].contains(&whole);
    is_raster && (is_world || end == format!("{whole}w") || OF_RASTERS.contains(&end))
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
        walk(&root, &mut |path| {
            if wanted.matches_path_with(path, options) {
                found.push(path.to_path_buf());
            }
        });
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path)) {
    let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(shown) else { return };
    for entry in entries.flatten() {
        let path = folder.join(entry.file_name());
        visit(&path);
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !is_store(&path) {
            walk(&path, visit);
        }
    }
}

/// The path with `~/` as the user's home folder, as a shell has it.
pub fn home(path: &str) -> Cow<'_, str> {
    match path.strip_prefix("~/").map(|rest| (rest, std::env::var("HOME"))) {
        Some((rest, Ok(home))) => Cow::Owned(format!("{home}/{rest}")),
        _ => Cow::Borrowed(path),
    }
}

/// How many files this process may have open at once.
pub fn most_open() -> usize {
    // Linux tells it as text. Elsewhere: the least that systems give.
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    soft.and_then(|numbers| numbers.split_whitespace().next()?.parse().ok()).unwrap_or(256)
}

/// GDAL's way to name one raster inside a file, such as `NETCDF:"sst.nc":tos`.
pub fn is_subdataset(path: &str) -> bool {
    path.split_once(':').is_some_and(|(driver, rest)| {
        driver.len() > 2
            && !rest.is_empty()
            && !rest.starts_with("//")
            && driver.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    })
}

/// The file that a subdataset lies in, or the path itself.
pub fn container(path: &str) -> &str {
    if !is_subdataset(path) || Path::new(path).exists() {
        return path;
    }
    let rest = path.split_once(':').map_or(path, |(_, rest)| rest);
    match rest.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
        Some((file, _)) => file,
        None => rest.rsplit_once(':').map_or(rest, |(file, _)| file),
    }
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Microseconds since 1970, UTC; nothing for a remote file, whose file system does not tell.
    pub modified: Option<i64>,
    /// Inode and time of last status change: a copy that keeps size and time is another file all the same. For a
    /// remote file a number of its own in every query, since nothing tells whether it changed in between.
    pub identity: (u64, i64),
}

/// # Errors
/// [`Error::Absent`], [`Error::Unsuited`] for a directory, or [`Error::Unreadable`].
pub fn stamp(path: &str) -> Result<Stamp> {
    let file = container(path);
    if remote::is_url(file) {
        let file = if is_store_url(file) { remote_document(file)? } else { remote::open(file)? };
        return Ok(Stamp { size: file.size(), modified: None, identity: (file.id(), 0) });
    }
    let unreadable = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => Error::absent(path),
        _ => Error::unreadable(path, Cause::worded(lower(&e.to_string()), e)),
    };
    let mut metadata = std::fs::metadata(file).map_err(unreadable)?;
    if metadata.is_dir() {
        let Some(document) = document(Path::new(file)) else {
            return Err(Error::unsuited(path, Lack::Directory));
        };
        if !document.ends_with(".zmetadata") {
            return store_stamp(Path::new(file)).map_err(unreadable);
        }
        metadata = std::fs::metadata(document).map_err(unreadable)?;
    }
    // Reading a pipe or a device could wait, or go on, for ever.
    if !metadata.is_file() {
        return Err(Error::unreadable(path, "it is not a regular file"));
    }
    Ok(stamp_of(&metadata))
}

fn stamp_of(metadata: &std::fs::Metadata) -> Stamp {
    let modified = metadata.modified().ok().and_then(|time| match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).ok(),
        Err(before) => i64::try_from(before.duration().as_micros()).ok().map(|t| -t),
    });
    Stamp { size: metadata.len(), modified, identity: identity(metadata) }
}

/// The side files of which any raster may have metadata and a validity mask, whether they are there or may come.
pub fn own_side_files(path: &str) -> Vec<PathBuf> {
    let file = Path::new(container(path));
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else { return Vec::new() };
    [".aux.xml", ".msk"].iter().map(|end| file.with_file_name(format!("{name}{end}"))).collect()
}

/// The side files that can change what a raster says of itself: [`own_side_files`], and those that give a place to
/// a raster without one, in small letters and in capitals: world file, MapInfo table, projection, header of a raw file.
pub fn side_files(path: &str) -> Vec<PathBuf> {
    let mut sides = own_side_files(path);
    let file = Path::new(container(path));
    let own = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let mut ends: Vec<String> = ["wld", "tab", "prj", "hdr"].map(String::from).into();
    // A world file is named by the first and the last letter of the extension, or by all of it: tif, tfw, tifw.
    if let (Some(first), Some(last)) = (own.chars().next(), own.chars().next_back()) {
        ends.extend([format!("{first}{last}w"), format!("{own}w")]);
    }
    for end in ends {
        sides
            .extend([end.to_ascii_lowercase(), end.to_ascii_uppercase()].map(|end| file.with_extension(end)));
    }
    sides
}

/// What tells one state of some files from another; one that is not there has a state too.
pub fn state(paths: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        std::fs::metadata(path).ok().map(|metadata| stamp_of(&metadata)).hash(&mut hasher);
    }
    hasher.finish()
}

/// The path is there, and no file or folder: a pipe or a device, which one could wait for for ever.
pub fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// The state of a store whose documents are not all in one: of each of them. What a chunk's own file says, its reader
/// asks.
fn store_stamp(store: &Path) -> std::io::Result<Stamp> {
    const MOST_FOLDERS: usize = 100_000;
    let mut all = Stamp { size: 0, modified: None, identity: (0, 0) };
    let mut add = |document: &Path| {
        let Ok(metadata) = std::fs::metadata(document) else { return false };
        let one = stamp_of(&metadata);
        // Sums, since a folder is listed in any order.
        all.size = all.size.saturating_add(one.size);
        all.modified = all.modified.max(one.modified);
        all.identity.0 = all.identity.0.wrapping_add(one.identity.0.rotate_left(17) ^ one.identity.1 as u64);
        all.identity.1 = all.identity.1.wrapping_add(one.identity.1);
        true
    };
    let documents = ["zarr.json", ".zgroup", ".zarray", ".zattrs", GEODATABASE];
    documents.iter().for_each(|name| {
        add(&store.join(name));
    });
    let (mut groups, mut folders) = (vec![store.to_path_buf()], 0);
    while let Some(group) = groups.pop() {
        for entry in std::fs::read_dir(&group)?.flatten() {
            if folders >= MOST_FOLDERS || entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            folders += 1;
            let folder = entry.path();
            let found = ["zarr.json", ".zgroup", ".zarray", ".zattrs"].map(|name| add(&folder.join(name)));
            // Arrays hold chunks, which may be many.
            let is_group = match found {
                [true, ..] => is_group(&folder.join("zarr.json")),
                [_, group, ..] => group,
            };
            // A link may lead back up.
            if is_group && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                groups.push(folder);
            }
        }
    }
    Ok(all)
}

/// A document of version 3 that is a group's.
fn is_group(document: &Path) -> bool {
    let text = document.to_str().map(|path| head(path, 64 << 10)).unwrap_or_default();
    let text: Vec<u8> = text.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    text.windows(19).any(|part| part == b"\"node_type\":\"group\"")
}

const DOCUMENTS: [&str; 4] = ["zarr.json", ".zmetadata", ".zgroup", ".zarray"];

/// The document that makes a directory a Zarr store, the one that is written last first, or a file geodatabase.
fn document(folder: &Path) -> Option<PathBuf> {
    let documents = DOCUMENTS.into_iter().chain([GEODATABASE]);
    documents.map(|name| folder.join(name)).find(|path| path.is_file())
}

/// The table of tables that each file geodatabase has.
const GEODATABASE: &str = "a00000001.gdbtable";

/// A directory that is a file geodatabase.
pub fn is_geodatabase(path: &str) -> bool {
    Path::new(path).join(GEODATABASE).is_file()
}

/// A directory that is one file to its users: a Zarr store or a file geodatabase.
pub fn is_store(path: &Path) -> bool {
    match path.to_str().filter(|path| remote::is_url(path)) {
        Some(url) => is_store_url(url),
        None => document(path).is_some(),
    }
}

/// A URL that names a Zarr store: a folder can not be told from a file over a network, so its name must.
fn is_store_url(url: &str) -> bool {
    url.trim_end_matches('/').to_ascii_lowercase().ends_with(".zarr")
}

/// The document that makes a URL a Zarr store.
fn remote_document(url: &str) -> Result<Arc<remote::RemoteFile>> {
    let base = url.trim_end_matches('/');
    let mut last = Error::absent(url);
    for name in DOCUMENTS {
        match remote::open(&format!("{base}/{name}")) {
            Err(error @ Error::Absent { .. }) => last = error,
            other => return other,
        }
    }
    Err(last)
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> (u64, i64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.ino(), metadata.ctime().wrapping_mul(1_000_000_000).wrapping_add(metadata.ctime_nsec()))
}

#[cfg(not(unix))]
fn identity(_metadata: &std::fs::Metadata) -> (u64, i64) {
    (0, 0)
}

/// "Permission denied (os error 13)" as the rest of a sentence.
fn lower(reason: &str) -> String {
    let reason = reason.split(" (os error").next().unwrap_or(reason);
    let mut letters = reason.chars();
    letters.next().map_or(String::new(), |c| c.to_lowercase().chain(letters).collect())
}

/// The first bytes of a file, which tell its format; zeros where it can not be read.
pub fn magic(path: &str) -> [u8; 8] {
    let mut bytes = [0; 8];
    // A shorter file leaves zeros, which match no format.
    for (byte, read) in bytes.iter_mut().zip(head(path, 8)) {
        *byte = read;
    }
    bytes
}

/// Up to `n` bytes from a file's beginning; none when it can not be read.
pub fn head(path: &str, n: u64) -> Vec<u8> {
    use std::io::Read;
    let mut bytes = Vec::new();
    if remote::is_url(container(path)) {
        if is_store_url(container(path)) {
            return bytes;
        }
        // A file that can not be read says so when it is opened.
        return remote::open(container(path)).and_then(|file| file.head(n)).unwrap_or_default();
    }
    if let Ok(file) = std::fs::File::open(container(path)) {
        // What was read before an error is all there is to see.
        let _ = file.take(n).read_to_end(&mut bytes);
    }
    bytes
}

/// A text above this many bytes is refused: taken apart it would need many times as much memory.
const MAX_TEXT_BYTES: u64 = 1 << 30;

/// A whole text file.
///
/// # Errors
/// As [`stamp`], or a file that is no UTF-8 or above 1 GiB.
pub fn text(path: &str) -> Result<String> {
    use std::io::Read;
    let unreadable = |reason: Cause| Error::unreadable(path, reason);
    if stamp(path)?.size > MAX_TEXT_BYTES {
        return Err(unreadable("it is above 1 GiB: split it, or use Parquet".into()));
    }
    let mut text = String::new();
    let read = reader::Reader::open(path).and_then(|file| file.cursor().read_to_string(&mut text));
    read.map(|_| text).map_err(|e| unreadable(Cause::worded(lower(&e.to_string()), e)))
}

/// Directory listings, each read once, so that opening a file need not list its directory again.
pub struct Listings {
    folders: Mutex<Kept<PathBuf, Arc<Vec<String>>>>,
}

/// Listings that a build keeps: files come folder by folder, from several threads.
const KEPT_LISTINGS: usize = 1024;

impl Default for Listings {
    fn default() -> Listings {
        Listings { folders: Mutex::new(Kept::new(KEPT_LISTINGS)) }
    }
}

impl Listings {
    /// The names beside `path` that begin like its stem: `a.tif`, `a.tif.aux.xml`, `a.tfw`, `a.ovr`.
    ///
    /// A remote folder is not listed: a URL stands alone.
    pub fn beside(&self, path: &str) -> Vec<String> {
        names_beside(path, |folder| {
            let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            let Ok(names) = folders.get_or_make(folder.to_path_buf(), || Ok::<_, Infallible>(list(folder)));
            names.clone()
        })
    }
}

/// As [`Listings::beside`], for as long as the process lives: a folder is listed again when it has changed.
pub fn beside(path: &str) -> Vec<String> {
    const KEPT_FOLDERS: usize = 64;
    /// A folder that changed so lately may change again within one tick of its clock.
    const SETTLED: i64 = 2_000_000;
    static FOLDERS: Shared<PathBuf, (Stamp, Arc<Vec<String>>)> = Shared::new(KEPT_FOLDERS);
    names_beside(path, |folder| {
        let Ok(metadata) = std::fs::metadata(shown(folder)) else { return list(folder) };
        // Also by the time of its last status change: a copy may put the other time back.
        let stamp = stamp_of(&metadata);
        let latest = stamp.modified.max(Some(stamp.identity.1 / 1000)).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_micros() as i64);
        if now.saturating_sub(latest) <= SETTLED {
            return list(folder);
        }
        if let Some((_, names)) = FOLDERS.get(folder).filter(|(then, _)| *then == stamp) {
            return names;
        }
        FOLDERS.share(folder.to_path_buf(), (stamp, list(folder)), |(then, _)| *then == stamp).1
    })
}

fn names_beside(path: &str, listing: impl FnOnce(&Path) -> Arc<Vec<String>>) -> Vec<String> {
    if remote::is_url(container(path)) {
        return container(path).rsplit('/').next().map(String::from).into_iter().collect();
    }
    let path = Path::new(container(path));
    let (Some(folder), Some(stem)) = (path.parent(), path.file_stem().and_then(|s| s.to_str())) else {
        return Vec::new();
    };
    let names = listing(folder);
    let from = names.partition_point(|name| name.as_str() < stem);
    names.get(from..).unwrap_or_default().iter().take_while(|name| name.starts_with(stem)).cloned().collect()
}

/// All names in a folder, sorted.
fn list(folder: &Path) -> Arc<Vec<String>> {
    let entries = std::fs::read_dir(shown(folder)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Arc::new(names)
}

/// The folder of a bare name is the one that the process works in.
fn shown(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subdataset_names_its_file() {
        assert_eq!(container("NETCDF:\"/a b/sst.nc\":tos"), "/a b/sst.nc");
        assert_eq!(container("HDF5:x.h5://group/a"), "x.h5");
        assert_eq!(container("/data/a.tif"), "/data/a.tif");
        assert!(!is_subdataset("C:/data/a.tif") && !is_subdataset("a:b"));
    }

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
        assert!(matches!(stamp(&at("sub.tif")), Err(Error::Unsuited { lack: Lack::Directory, .. })));
        assert!(matches!(stamp(&at("none.tif")), Err(Error::Absent { .. })));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_part_of_another_match_is_no_file_of_its_own() {
        let files = "a.tif a.tif.aux.xml a.tif.ovr a.tfw a.prj b.shp b.shx b.dbf b.shp.xml c.dbf c.prj d.xml e.tiff \
                     e.tifw f.TIF f.TFW g.tab g.dat g.id a.b.shp a.b.cpg ab.dbf h.tfw i.hdr i.x.tif";
        let mut names: Vec<&str> = files.split_whitespace().collect();
        names.sort_unstable();
        let kept: Vec<&str> = names.iter().filter(|name| !is_side_file(name, &names)).copied().collect();
        let whole =
            "a.b.shp a.tif ab.dbf b.shp c.dbf c.prj d.xml e.tiff e.tifw f.TIF g.tab h.tfw i.hdr i.x.tif";
        assert_eq!(kept.join(" "), whole);
    }

    #[cfg(unix)]
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
    fn a_side_file_that_comes_or_changes_is_seen() {
        let dir = std::env::temp_dir().join(format!("geoquilt-sides-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let sides = side_files(&dir.join("a.tif").to_string_lossy());
        for name in ["a.tif.aux.xml", "a.tif.msk", "a.tfw", "a.TFW", "a.tifw", "a.WLD", "a.tab", "a.prj"] {
            let before = state(&sides);
            std::fs::write(dir.join(name), b"1").unwrap();
            let written = state(&sides);
            std::fs::write(dir.join(name), b"12").unwrap();
            let changed = state(&sides);
            assert!(before != written && written != changed && changed == state(&sides), "{name}");
        }
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
        assert!(stamp(&at("a/cube.zarr")).is_ok_and(|stamp| stamp.size == 4));
        assert!(matches!(stamp(&at("plain.zarr")), Err(Error::Unsuited { lack: Lack::Directory, .. })));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn home_is_where_a_shell_finds_it() {
        assert_eq!(home("~user/a.tif"), "~user/a.tif");
        assert_eq!(home("a/~/b.tif"), "a/~/b.tif");
        if let Ok(folder) = std::env::var("HOME") {
            assert_eq!(home("~/a.tif"), format!("{folder}/a.tif"));
        }
        assert!(most_open() >= 16);
    }

    #[test]
    fn a_url_is_taken_as_it_stands_and_a_glob_over_urls_is_refused() {
        let url = "https://host/a[1].tif?key=value".to_string();
        assert_eq!(expand(std::slice::from_ref(&url)), Ok(vec![url]));
        assert!(matches!(expand(&["s3://bucket/*.tif".into()]), Err(Error::RemoteGlob { .. })));
        assert_eq!(container("HDF5:\"https://h/a.h5\"://v"), "https://h/a.h5");
    }

    #[test]
    fn only_names_that_begin_like_the_stem_are_side_files() {
        let dir = std::env::temp_dir().join(format!("geoquilt-beside-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for name in ["a.tif", "a.tif.aux.xml", "a.tfw", "ab.tif", "b.tif"] {
            std::fs::write(dir.join(name), b"").unwrap();
        }
        let beside = Listings::default().beside(&dir.join("a.tif").to_string_lossy());
        assert_eq!(beside, ["a.tfw", "a.tif", "a.tif.aux.xml", "ab.tif"]);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
