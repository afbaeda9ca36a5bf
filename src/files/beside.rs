//! What lies beside a file: its side files, the parts of files that come in several, and the names in its folder.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::error::{Cause, Error, Result};
use crate::files::location::{Address, Location};
use crate::files::sight::{Stamp, stamp_of};
use crate::kept::{Kept, Shared};

/// Files of several parts, by the extension that names the whole: what a reader needs, and what it can do without.
pub const PARTS: [(&str, &[&str], &[&str]); 3] = [
    ("shp", &["shx", "dbf", "prj", "cpg"], &["qix", "qpj", "sbn", "sbx"]),
    ("tab", &["dat", "map", "id"], &["ind"]),
    ("mif", &["mid"], &[]),
];

/// A part of another file among `names`, which are sorted: `a.tif.aux.xml` belongs to `a.tif` by a longer name, and by
/// another extension `a.dbf` to `a.shp` and `a.tfw` to `a.tif`.
pub fn is_side_file(name: &str, names: &[&str]) -> bool {
    const LONGER: [&str; 5] = [".aux.xml", ".xml", ".ovr", ".msk", ".hdr"];
    let whole = |end: &&str| name.strip_suffix(end).filter(|whole| names.binary_search(whole).is_ok());
    if LONGER.iter().find_map(whole).is_some_and(|whole| !Path::new(whole).is_dir()) {
        return true;
    }
    let Some((stem, end)) = name.rsplit_once('.') else { return false };
    let end = end.to_ascii_lowercase();
    // Most names are no part by their own extension: where a folder's files are numbered by it, `run.0001`, each would be
    // held against all.
    if !may_be_part(&end) {
        return false;
    }
    let stem = format!("{stem}.");
    let from = names.partition_point(|other| *other < stem.as_str());
    let others = names.get(from..).unwrap_or_default().iter();
    let mut ends = others.map_while(|other| other.strip_prefix(&stem)).filter(|whole| !whole.contains('.'));
    ends.any(|whole| is_part(&end, &whole.to_ascii_lowercase()))
}

/// Whether there is an extension to whose file one of this extension belongs.
fn may_be_part(end: &str) -> bool {
    let of_several =
        |(_, needed, more): &(&str, &[&str], &[&str])| needed.contains(&end) || more.contains(&end);
    end.ends_with('w') || OF_RASTERS.contains(&end) || PARTS.iter().any(of_several)
}

/// Extensions of what gives a place to a raster of any other.
const OF_RASTERS: [&str; 3] = ["prj", "wld", "hdr"];

/// Whether a file of one extension belongs to that of another.
fn is_part(end: &str, whole: &str) -> bool {
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

/// The side files of which any raster may have metadata and a validity mask, whether they are there or may come.
pub fn own_side_files(location: &Location) -> Vec<PathBuf> {
    let file = Path::new(location.file());
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else { return Vec::new() };
    [".aux.xml", ".msk"].iter().map(|end| file.with_file_name(format!("{name}{end}"))).collect()
}

/// The side files that can change what a raster says of itself: [`own_side_files`], and those that georeference
/// a raster, in small letters and in capitals: world file, MapInfo table, projection, header of a raw file.
pub fn side_files(location: &Location) -> Vec<PathBuf> {
    let mut sides = own_side_files(location);
    let file = Path::new(location.file());
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

/// Directory listings, each read once, so that opening a file need not list its directory again.
pub struct Listings {
    folders: Mutex<Kept<PathBuf, Arc<Names>>>,
}

/// Listings that a build keeps: files come folder by folder, from several threads.
const KEPT_LISTINGS: usize = 1024;

impl Default for Listings {
    fn default() -> Listings {
        Listings { folders: Mutex::new(Kept::new(KEPT_LISTINGS)) }
    }
}

impl Listings {
    /// The names beside a file that begin like its stem: `a.tif`, `a.tif.aux.xml`, `a.tfw`, `a.ovr`.
    ///
    /// A remote folder is not listed: a URL stands alone.
    ///
    /// # Errors
    /// [`Error::Unreadable`]: the folder cannot be listed, though it may be.
    pub fn beside(&self, location: &Location) -> Result<Vec<String>> {
        names_beside(location, |folder| {
            let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            folders.get_or_make(folder.to_path_buf(), || list(folder)).cloned().map(Listed::from)
        })
    }
}

/// As [`Listings::beside`], for as long as the process lives: a folder is listed again when it has changed.
///
/// # Errors
/// As there.
pub fn beside(location: &Location) -> Result<Vec<String>> {
    const KEPT_FOLDERS: usize = 64;
    /// A folder that changed so lately may change again within one tick of its clock.
    const SETTLED: i64 = 2_000_000;
    static FOLDERS: Shared<PathBuf, (Stamp, Arc<Names>)> = Shared::new(KEPT_FOLDERS);
    names_beside(location, |folder| {
        let Ok(metadata) = std::fs::metadata(shown(folder)) else { return list(folder).map(Listed::from) };
        // Also by the time of its last status change: a copy may put the other time back.
        let stamp = stamp_of(&metadata);
        let latest = stamp.modified.max(Some(stamp.identity.1 / 1000)).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_micros() as i64);
        if now.saturating_sub(latest) <= SETTLED {
            return lately(folder);
        }
        if let Some((_, names)) = FOLDERS.get(folder).filter(|(then, _)| *then == stamp) {
            return Ok(names.into());
        }
        let listed = FOLDERS.share(folder.to_path_buf(), (stamp, list(folder)?), |(then, _)| *then == stamp);
        Ok(listed.1.into())
    })
}

fn names_beside(
    location: &Location,
    listing: impl FnOnce(&Path) -> io::Result<Listed>,
) -> Result<Vec<String>> {
    let path = match location.address() {
        Address::Url(_) => return Ok(vec![location.file_name().to_string()]),
        Address::Local(path) => path,
    };
    let (Some(folder), Some(stem)) = (path.parent(), path.file_stem().and_then(|s| s.to_str())) else {
        return Ok(Vec::new());
    };
    let Listed { names, is_settled } = match listing(folder) {
        Ok(listed) => listed,
        // Of a folder that may be entered and not listed, the names of side files are tried.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let names = tried(location).into_iter().chain([location.file_name().to_string()]);
            return Ok(names.collect::<BTreeSet<_>>().into_iter().collect());
        }
        Err(error) => {
            let reason = Cause::from(error)
                .within(format!("its folder \"{}\" cannot be listed", shown(folder).display()));
            return Err(Error::unreadable(location.text(), reason));
        }
    };
    let mut like = names.like(stem, location.file_name());
    if !is_settled {
        like.extend(tried(location).into_iter().chain([location.file_name().to_string()]));
        like.sort_unstable();
        like.dedup();
    }
    Ok(like)
}

/// What a folder holds, and whether that is certain: else a file's own side files are to be tried.
struct Listed {
    names: Arc<Names>,
    is_settled: bool,
}

impl From<Arc<Names>> for Listed {
    fn from(names: Arc<Names>) -> Listed {
        Listed { names, is_settled: true }
    }
}

/// The names in a folder, sorted.
struct Names {
    all: Vec<String>,
    /// Those that are not of a series: made where a stem is that of many files.
    single: OnceLock<Vec<String>>,
}

/// More names than this begin like a file's stem only where the files are numbered by their extension.
const MANY: usize = 64;

impl Names {
    /// The names that begin like a stem. Where these are many, those of a series, which differ by digits alone, are left
    /// out, unless they begin like the file's whole name.
    fn like(&self, stem: &str, name: &str) -> Vec<String> {
        let all = beginning(&self.all, stem);
        if all.len() <= MANY {
            return all.to_vec();
        }
        let single = self.single.get_or_init(|| {
            let mut counts: HashMap<String, usize> = HashMap::new();
            self.all.iter().for_each(|name| *counts.entry(undigited(name)).or_default() += 1);
            let is_single = |name: &&String| counts.get(&undigited(name)).is_none_or(|count| *count <= MANY);
            self.all.iter().filter(is_single).cloned().collect()
        });
        let mut like = beginning(&self.all, name).to_vec();
        like.extend_from_slice(beginning(single, stem));
        like.sort_unstable();
        like.dedup();
        like
    }
}

/// Those of some sorted names that begin so.
fn beginning<'a>(names: &'a [String], start: &str) -> &'a [String] {
    let from = names.partition_point(|name| name.as_str() < start);
    let rest = names.get(from..).unwrap_or_default();
    rest.get(..rest.partition_point(|name| name.starts_with(start))).unwrap_or_default()
}

/// A name without its digits.
fn undigited(name: &str) -> String {
    name.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// All names in a folder, sorted.
fn list(folder: &Path) -> io::Result<Arc<Names>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(shown(folder))? {
        all.extend(entry?.file_name().into_string());
    }
    all.sort_unstable();
    Ok(Arc::new(Names { all, single: OnceLock::new() }))
}

/// The names in a folder that is being written to. To list it for each of its files would take the square of their number: one
/// listing serves for ten times as long as it took.
fn lately(folder: &Path) -> io::Result<Listed> {
    const KEPT_FOLDERS: usize = 16;
    /// What is listed quicker is listed again.
    const AT_ONCE: Duration = Duration::from_millis(1);
    static LISTED: Shared<PathBuf, (Instant, Arc<Names>)> = Shared::new(KEPT_FOLDERS);
    let begun = Instant::now();
    if let Some((_, names)) = LISTED.get(folder).filter(|(until, _)| begun < *until) {
        return Ok(Listed { names, is_settled: false });
    }
    let names = list(folder)?;
    let took = begun.elapsed();
    if took > AT_ONCE {
        LISTED.insert(folder.to_path_buf(), (begun + 11 * took, names.clone()));
    }
    Ok(names.into())
}

/// The names of a file's side files that are there.
fn tried(location: &Location) -> Vec<String> {
    let there = side_files(location).into_iter().filter(|file| file.exists());
    there.filter_map(|file| Some(file.file_name()?.to_str()?.to_string())).collect()
}

/// The folder of a bare name is the one that the process works in.
fn shown(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::sight::state;

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

    #[test]
    fn a_side_file_that_comes_or_changes_is_seen() {
        let dir = std::env::temp_dir().join(format!("geoquilt-sides-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let sides = side_files(&Location::parse(&dir.join("a.tif").to_string_lossy()));
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
    fn of_files_numbered_by_their_extension_each_has_its_own_side_files_alone() {
        let numbered = (0..100).map(|n| format!("gfs.t00z.f{n:03}"));
        let mut all: Vec<String> = numbered.clone().chain(numbered.map(|n| n + ".aux.xml")).collect();
        all.extend(["gfs.t00z.prj".into(), "gfs.t00z.wld".into()]);
        all.sort_unstable();
        let names: Vec<&str> = all.iter().map(String::as_str).collect();
        let parts: Vec<&str> = names.iter().filter(|name| is_side_file(name, &names)).copied().collect();
        assert_eq!(parts.len(), 102);
        let names = Names { all, single: OnceLock::new() };
        let like = names.like("gfs.t00z", "gfs.t00z.f012");
        assert_eq!(like, ["gfs.t00z.f012", "gfs.t00z.f012.aux.xml", "gfs.t00z.prj", "gfs.t00z.wld"]);
    }

    #[test]
    fn only_names_that_begin_like_the_stem_are_side_files() {
        let dir = std::env::temp_dir().join(format!("geoquilt-beside-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for name in ["a.tif", "a.tif.aux.xml", "a.tfw", "ab.tif", "b.tif"] {
            std::fs::write(dir.join(name), b"").unwrap();
        }
        let beside =
            Listings::default().beside(&Location::parse(&dir.join("a.tif").to_string_lossy())).unwrap();
        assert_eq!(beside, ["a.tfw", "a.tif", "a.tif.aux.xml", "ab.tif"]);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
