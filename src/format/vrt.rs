//! VRT: which files a virtual raster is made of.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use crate::error::{Error, Result};
use crate::files::sight::head;
use crate::files::{Address, Location, Sight, door};
use crate::format::magic::sniff;

/// As many of a source's first bytes tell what it is.
const HEAD: u64 = 2056;
/// A text above this size is no hand-made mosaic: its sources are not followed.
const MAX_TEXT: u64 = 64 << 20;
/// VRTs within VRTs are followed this far; GDAL itself stops at loops.
const MAX_DEPTH: usize = 8;

/// The files that a VRT names, and those that the VRTs among them name; none for another kind of file, nor for one
/// behind a URL.
///
/// # Errors
/// [`Error::Unreadable`] where one is a pipe or a device, which could be waited for for ever.
pub fn sources(sight: &Sight) -> Result<Vec<Source>> {
    let path = match sight.location().address() {
        Address::Local(path) if sight.magic().starts_with(b"<") => path,
        _ => return Ok(Vec::new()),
    };
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    follow(look(path).0, path, 0, &mut seen, &mut found);
    for source in &found {
        if let Some(reason) = door::hindrance(&source.path) {
            let reason = format!("its source \"{}\" cannot be read: {reason}", source.path.display());
            return Err(Error::unreadable(sight.path(), reason));
        }
    }
    Ok(found)
}

/// The first file that a VRT names, or a VRT within it, and that is not there. A name of GDAL's own file systems, or behind
/// a URL, may be anywhere.
pub fn absent(location: &Location) -> Option<PathBuf> {
    let path = match location.address() {
        Address::Local(path) => path,
        Address::Url(_) => return None,
    };
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    follow(look(path).0, path, 0, &mut seen, &mut found);
    let elsewhere = |source: &Path| {
        let name = source.to_string_lossy();
        name.is_empty() || name.contains("/vsi") || name.contains("://") || name.contains(":/")
    };
    found.into_iter().map(|source| source.path).find(|source| !elsewhere(source) && !source.exists())
}

/// A file that a virtual raster is made of.
#[derive(Debug, PartialEq)]
pub struct Source {
    /// As the virtual raster names it, seen from its folder.
    pub path: PathBuf,
    /// Of an array file, as [`sniff`] names it.
    pub format: Option<&'static str>,
}

fn follow(
    text: Option<Vec<u8>>,
    path: &Path,
    depth: usize,
    seen: &mut HashSet<PathBuf>,
    found: &mut Vec<Source>,
) {
    let Some(text) = text else { return };
    for source in named(&text, path) {
        if seen.insert(source.clone()) {
            let (text, format) = look(&source);
            found.push(Source { path: source.clone(), format });
            if depth < MAX_DEPTH {
                follow(text, &source, depth + 1, seen, found);
            }
        }
    }
}

/// The text of a VRT, `None` for another kind of file, and the format of an array file.
fn look(path: &Path) -> (Option<Vec<u8>>, Option<&'static str>) {
    if door::hindrance(path).is_some() {
        return (None, None);
    }
    let head = head(path, HEAD).unwrap_or_default();
    let named = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("vrt"));
    if !named && !head.starts_with(b"<VRTData") {
        return (None, sniff(&head));
    }
    let small = std::fs::metadata(path).is_ok_and(|found| found.len() <= MAX_TEXT);
    (if small { std::fs::read(path).ok() } else { None }, None)
}

/// The files that elements such as `<SourceFilename relativeToVRT="1">a.tif</SourceFilename>` name, as far as the text
/// is XML. Like GDAL it takes names in any case, and a yes in several words.
fn named(text: &[u8], vrt: &Path) -> Vec<PathBuf> {
    let mut reader = Reader::from_reader(text);
    let config = reader.config_mut();
    (config.check_end_names, config.allow_unmatched_ends, config.allow_dangling_amp) = (false, true, true);
    let mut found = Vec::new();
    // The element that names a source: whether it is relative, and the name as far as it was read.
    let mut open: Option<(bool, String)> = None;
    while let Ok(event) = reader.read_event() {
        let more = match event {
            Event::Eof => break,
            Event::Start(element) => {
                if is_source(element.name().as_ref()) {
                    open = Some((is_relative(&element), String::new()));
                }
                continue;
            }
            Event::End(element) => {
                if is_source(element.name().as_ref())
                    && let Some((relative, name)) = open.take()
                {
                    let location = Location::written(name.trim());
                    let folder = vrt.parent().filter(|_| relative);
                    found.push(
                        folder.map_or_else(|| PathBuf::from(location.file()), |f| f.join(location.file())),
                    );
                }
                continue;
            }
            Event::Text(text) => text.decode().unwrap_or_default().into_owned(),
            Event::CData(text) => text.decode().unwrap_or_default().into_owned(),
            Event::GeneralRef(entity) => match entity.resolve_char_ref() {
                Ok(Some(letter)) => letter.to_string(),
                _ => {
                    let name = entity.decode().unwrap_or_default();
                    resolve_predefined_entity(&name).unwrap_or_default().to_string()
                }
            },
            _ => continue,
        };
        if let Some((_, name)) = &mut open {
            name.push_str(&more);
        }
    }
    found
}

fn is_source(element: &[u8]) -> bool {
    [&b"SourceFilename"[..], b"SourceDataset"].iter().any(|name| element.eq_ignore_ascii_case(name))
}

/// Whether a source is named as seen from the VRT's folder.
fn is_relative(element: &BytesStart<'_>) -> bool {
    let mut attributes = element.attributes();
    let given = attributes
        .with_checks(false)
        .flatten()
        .find(|a| a.key.as_ref().eq_ignore_ascii_case(b"relativeToVRT"));
    given.and_then(|attribute| attribute.unescape_value().ok()).is_some_and(|value| {
        let value = value.trim().to_ascii_lowercase();
        matches!(value.as_str(), "yes" | "true" | "on")
            || value.parse::<i64>().is_ok_and(|number| number != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<PathBuf> {
        named(text.as_bytes(), Path::new("/maps/a.vrt"))
    }

    #[test]
    fn a_vrt_names_its_sources_beside_it_and_elsewhere() {
        let names = of("<VRTDataset><SourceFilename relativeToVRT=\"1\">b&amp;c.tif</SourceFilename>\
                        <SourceFilename relativeToVRT=\"0\" shared=\"0\">/data/d.tif</SourceFilename>\
                        <SourceDataset>NETCDF:\"/data/e.nc\":tos</SourceDataset></VRTDataset>");
        assert_eq!(names, ["/maps/b&c.tif", "/data/d.tif", "/data/e.nc"].map(PathBuf::from));
    }

    #[test]
    fn a_name_is_the_same_however_xml_writes_it() {
        for element in [
            "<SourceFilename relativeToVRT=\"1\">a b&c.tif</SourceFilename>",
            "<SourceFilename relativeToVRT='1'>a b&amp;c.tif</SourceFilename>",
            "<SourceFilename shared = \"0\" relativeToVRT = '1' >\n  a b&#38;c.tif\n</SourceFilename>",
            "<SourceFilename\n\trelativetovrt=\"true\"><![CDATA[a b&c.tif]]></SourceFilename>",
            "<SourceFilename relativeToVRT=\"1\">a b&#x26;c<!-- not.tif -->.tif</SourceFilename >",
            "<sourcefilename relativeToVRT=\"&#49;\">a&#x20;b&amp;c.tif</SOURCEFILENAME>",
            "<!-- <SourceFilename>x.tif</SourceFilename> --><SourceDataset relativeToVRT='1'>a b&amp;c.tif</SourceDataset>",
            "<SourceFilename a='>' relativeToVRT='1'>a b&amp;c.tif</SourceFilename>",
        ] {
            let names = of(&format!("<?xml version=\"1.0\"?><VRTDataset>{element}</VRTDataset>"));
            assert_eq!(names, [PathBuf::from("/maps/a b&c.tif")], "{element}");
        }
        for absolute in
            ["", "relativeToVRT='0'", "relativeToVRT=''", "relativeToVRT=\"no\"", "x=' relativeToVRT=\"1\"'"]
        {
            let names = of(&format!("<SourceFilename {absolute}>b.tif</SourceFilename>"));
            assert_eq!(names, [PathBuf::from("b.tif")], "{absolute}");
        }
        let elsewhere =
            of("<SourceFilenames>a.tif</SourceFilenames><Description>&lt;SourceFilename&gt;</Description>");
        assert_eq!(elsewhere, Vec::<PathBuf>::new());
    }

    #[test]
    fn of_a_damaged_vrt_the_names_up_to_the_damage_are_known() {
        let whole = "<VRTDataset><SourceFilename>a.tif</SourceFilename><SourceFilename>b.tif</SourceFilename></VRTDataset>";
        for end in 0..=whole.len() {
            let names = of(whole.get(..end).unwrap());
            let known = ["a.tif", "b.tif"].map(PathBuf::from);
            assert!(known.starts_with(&names), "{end}: {names:?}");
        }
        assert_eq!(
            of("<a><SourceFilename>a.tif</SourceFilename><b c=></d>").first(),
            Some(&PathBuf::from("a.tif"))
        );
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
        std::fs::write(dir.join("c.tif"), b"II*\0").unwrap();
        let sources = |name: &str| sources(&Sight::at(&dir.join(name).to_string_lossy()).unwrap()).unwrap();
        let source = |name: &str, format| Source { path: dir.join(name), format };
        let all = [source("b.vrt", None), source("a.vrt", None), source("c.tif", None)];
        assert_eq!(sources("a.vrt"), all);
        std::fs::write(dir.join("c.tif"), b"CDF\x01").unwrap();
        assert_eq!(sources("a.vrt").last(), Some(&source("c.tif", Some("netCDF"))));
        assert!(sources("c.tif").is_empty());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
