//! What lies beside a file: its side files, the parts of files that come in several, and the names in its folder.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

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
    /// The names beside a file that begin like its stem: `a.tif`, `a.tif.aux.xml`, `a.tfw`, `a.ovr`.
    ///
    /// A remote folder is not listed: a URL stands alone.
    ///
    /// # Errors
    /// [`Error::Unreadable`]: the folder cannot be listed, though it may be.
    pub fn beside(&self, location: &Location) -> Result<Vec<String>> {
        names_beside(location, |folder| {
            let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            folders.get_or_make(folder.to_path_buf(), || list(folder)).cloned()
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
    static FOLDERS: Shared<PathBuf, (Stamp, Arc<Vec<String>>)> = Shared::new(KEPT_FOLDERS);
    names_beside(location, |folder| {
        let Ok(metadata) = std::fs::metadata(shown(folder)) else { return list(folder) };
        // Also by the time of its last status change: a copy may put the other time back.
        let stamp = stamp_of(&metadata);
        let latest = stamp.modified.max(Some(stamp.identity.1 / 1000)).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_micros() as i64);
        if now.saturating_sub(latest) <= SETTLED {
            return list(folder);
        }
        if let Some((_, names)) = FOLDERS.get(folder).filter(|(then, _)| *then == stamp) {
            return Ok(names);
        }
        Ok(FOLDERS.share(folder.to_path_buf(), (stamp, list(folder)?), |(then, _)| *then == stamp).1)
    })
}

fn names_beside(
    location: &Location,
    listing: impl FnOnce(&Path) -> io::Result<Arc<Vec<String>>>,
) -> Result<Vec<String>> {
    let path = match location.address() {
        Address::Url(_) => return Ok(vec![location.file_name().to_string()]),
        Address::Local(path) => path,
    };
    let (Some(folder), Some(stem)) = (path.parent(), path.file_stem().and_then(|s| s.to_str())) else {
        return Ok(Vec::new());
    };
    let names = match listing(folder) {
        Ok(names) => names,
        // Of a folder that may be entered and not listed, the names of side files are tried.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let there =
                side_files(location).into_iter().filter(|file| file.exists()).chain([path.to_path_buf()]);
            let names = there.filter_map(|file| Some(file.file_name()?.to_str()?.to_string()));
            return Ok(names.collect::<BTreeSet<_>>().into_iter().collect());
        }
        Err(error) => {
            let reason = Cause::from(error)
                .within(format!("its folder \"{}\" cannot be listed", shown(folder).display()));
            return Err(Error::unreadable(location.text(), reason));
        }
    };
    let from = names.partition_point(|name| name.as_str() < stem);
    Ok(names
        .get(from..)
        .unwrap_or_default()
        .iter()
        .take_while(|name| name.starts_with(stem))
        .cloned()
        .collect())
}

/// All names in a folder, sorted.
fn list(folder: &Path) -> io::Result<Arc<Vec<String>>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(shown(folder))? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(Arc::new(names))
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
