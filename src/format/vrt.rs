//! VRT: which files a virtual raster is made of.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files;

/// A text above this size is no hand-made mosaic: its sources are not followed.
const MAX_TEXT: u64 = 64 << 20;
/// VRTs within VRTs are followed this far; GDAL itself stops at loops.
const MAX_DEPTH: usize = 8;

/// The files that a VRT names, and those that the VRTs among them name; none for another kind of file. `magic`
/// are the first bytes of the file.
///
/// # Errors
/// [`Error::Unreadable`] where one is a pipe or a device, which could be waited for for ever.
pub fn sources(path: &str, magic: &[u8]) -> Result<Vec<PathBuf>> {
    if !magic.starts_with(b"<") {
        return Ok(Vec::new());
    }
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    follow(Path::new(path), 0, &mut seen, &mut found);
    match found.iter().find(|source| files::is_special(source)) {
        None => Ok(found),
        Some(special) => {
            let reason = format!("its source \"{}\" is not a regular file", special.display());
            Err(Error::unreadable(path, reason))
        }
    }
}

fn follow(path: &Path, depth: usize, seen: &mut HashSet<PathBuf>, found: &mut Vec<PathBuf>) {
    let Some(text) = text(path) else { return };
    for source in named(&text, path) {
        if seen.insert(source.clone()) {
            found.push(source.clone());
            if depth < MAX_DEPTH {
                follow(&source, depth + 1, seen, found);
            }
        }
    }
}

/// The text of a VRT; `None` for another kind of file.
fn text(path: &Path) -> Option<String> {
    let named = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("vrt"));
    if files::is_special(path) || !(named || files::magic(path.to_str()?).starts_with(b"<VRTData")) {
        return None;
    }
    let small = std::fs::metadata(path).ok()?.len() <= MAX_TEXT;
    if small { std::fs::read_to_string(path).ok() } else { None }
}

/// The files that elements such as `<SourceFilename relativeToVRT="1">a.tif</SourceFilename>` name.
fn named(text: &str, vrt: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for tag in ["SourceFilename", "SourceDataset"] {
        for part in text.split(&format!("<{tag}")).skip(1) {
            let Some((attributes, rest)) = part.split_once('>') else { continue };
            let Some((name, _)) = rest.split_once('<') else { continue };
            let name = unescape(name.trim());
            let file = files::container(&name);
            let relative = attributes.contains("relativeToVRT=\"1\"");
            let folder = vrt.parent().filter(|_| relative);
            found.push(folder.map_or_else(|| PathBuf::from(file), |folder| folder.join(file)));
        }
    }
    found
}

fn unescape(text: &str) -> String {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    plain.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vrt_names_its_sources_beside_it_and_elsewhere() {
        let text = "<VRTDataset><SourceFilename relativeToVRT=\"1\">b&amp;c.tif</SourceFilename>\
                    <SourceFilename relativeToVRT=\"0\" shared=\"0\">/data/d.tif</SourceFilename>\
                    <SourceDataset>NETCDF:\"/data/e.nc\":tos</SourceDataset></VRTDataset>";
        let names = named(text, Path::new("/maps/a.vrt"));
        assert_eq!(names, ["/maps/b&c.tif", "/data/d.tif", "/data/e.nc"].map(PathBuf::from));
    }

    #[test]
    fn vrts_within_vrts_are_followed_and_a_loop_ends() {
        let dir = std::env::temp_dir().join(format!("geoquilt-vrt-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let of = |name: &str| {
            format!("<VRTDataset><SourceFilename relativeToVRT=\"1\">{name}</SourceFilename></VRTDataset>")
        };
        std::fs::write(dir.join("a.vrt"), of("b.vrt")).unwrap();
        std::fs::write(dir.join("b.vrt"), of("a.vrt") + &of("c.tif")).unwrap();
        let found = sources(&dir.join("a.vrt").to_string_lossy(), b"<VRT").unwrap();
        assert_eq!(found, ["b.vrt", "a.vrt", "c.tif"].map(|name| dir.join(name)));
        assert!(sources(&dir.join("c.tif").to_string_lossy(), b"II*").unwrap().is_empty());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
