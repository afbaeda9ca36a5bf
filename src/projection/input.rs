//! Texts that name a CRS: a text is never taken for the name of a file to look into, a code is nothing but a code, and
//! the files that a definition does name, PROJ's grids, are looked at first.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::path::{Path, PathBuf};

use gdal::cpl::CslStringList;
use gdal::spatial_ref::SpatialRef;
use gdal_sys as c;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::files::door;
use crate::projection::library::failure_of;

/// The CRS that a text names: a code, WKT, PROJJSON or PROJ's own spelling.
///
/// # Errors
/// [`Error::BadCrs`], and [`Error::Invalid`] for a CRS of heights or of three dimensions from the Earth's centre.
pub(crate) fn parse(definition: &str) -> Result<SpatialRef> {
    let bad = |reason: String| Error::BadCrs { value: definition.into(), reason: reason.into() };
    if !is_whole_code(definition) {
        return Err(bad(String::new()));
    }
    // PROJ opens some files while it parses. Codes name none, and they are nearly all that comes.
    let may_name_files = definition.contains(['+', '{', '[']);
    if may_name_files {
        let document = serde_json::from_str(definition).unwrap_or(Value::Null);
        let mut texts = vec![definition];
        collect("", &document, &mut texts);
        if let Some(reason) = hindrance(texts) {
            return Err(bad(reason));
        }
    }
    let (srs, failure) = failure_of(|| import(definition));
    let srs = srs.ok_or_else(|| bad(failure.unwrap_or_default()))?;
    let has_no_places = if srs.is_geocentric() {
        Some("geocentric")
    } else if srs.is_vertical() && !srs.is_compound() {
        Some("vertical")
    } else {
        None
    };
    if let Some(kind) = has_no_places {
        let name = srs.name().unwrap_or_default();
        let must = format!("a projected or geographic coordinate reference system; \"{name}\" is {kind}");
        return Err(Error::invalid(format!("\"{definition}\""), must));
    }
    if may_name_files
        && let Ok(projjson) = srs.to_projjson()
        && let Ok(value) = serde_json::from_str(&projjson)
    {
        let mut texts = Vec::new();
        collect("", &value, &mut texts);
        if let Some(reason) = hindrance(texts) {
            return Err(bad(reason));
        }
    }
    Ok(srs)
}

fn import(definition: &str) -> Option<SpatialRef> {
    let text = CString::new(definition).ok()?;
    let mut options = CslStringList::new();
    options.set_name_value("ALLOW_FILE_ACCESS", "NO").ok()?;
    options.set_name_value("ALLOW_NETWORK_ACCESS", "NO").ok()?;
    // A dictionary is a file too, which the option forgets.
    let starts =
        |word: &str| definition.trim_start().get(..word.len()).is_some_and(|s| s.eq_ignore_ascii_case(word));
    if starts("DICT:") {
        return None;
    }
    let srs = SpatialRef::new().ok()?;
    // SAFETY: the CRS, the text and the options are alive; GDAL keeps neither of the two.
    let code = unsafe { c::OSRSetFromUserInputEx(srs.to_c_hsrs(), text.as_ptr(), options.as_ptr()) };
    (code == c::OGRErr::OGRERR_NONE).then_some(srs)
}

/// False for an EPSG code, or a code of WMS, with more behind its number: GDAL reads the number and no further. PROJ itself
/// parses two codes in one, and a code with an epoch.
fn is_whole_code(definition: &str) -> bool {
    let text = definition.trim();
    let Some((authority, code)) = text.split_once(':') else { return true };
    let is = |name: &str| authority.eq_ignore_ascii_case(name);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is("EPSG") || is("EPSGA") {
        return digits(code) || code.contains(['+', '@']) && code.starts_with(|c: char| c.is_ascii_digit());
    }
    let number = |text: &str| text.trim().parse::<f64>().is_ok_and(f64::is_finite);
    !is("AUTO") || code.split(',').all(number)
}

/// The texts of a document that may name a file: values of parameters, and PROJ's own spelling, which stands in names.
fn collect<'a>(key: &str, value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) if key == "value" || text.contains('=') || text.starts_with("PROJ ") => {
            texts.push(text);
        }
        Value::Array(items) => items.iter().for_each(|item| collect(key, item, texts)),
        Value::Object(members) => members.iter().for_each(|(key, item)| collect(key, item, texts)),
        _ => {}
    }
}

/// Why a file that one of the texts names must not be opened. PROJ names several grids in one text, and has parameters in
/// a method's name: whatever could be the name of a file that is there is looked at.
fn hindrance<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '=' | ',' | '"' | '\'' | '[' | ']');
    let quotes = |c: char| matches!(c, '=' | ',' | '"' | '\'');
    for text in texts {
        for name in text.split(ends).chain(text.split(quotes)).map(str::trim) {
            // `@` stands before a grid that may be absent, and a section's name behind a file of `+init=`.
            let name = name.trim_start_matches('@');
            let file = name.rsplit_once(':').map_or(name, |(file, _)| file);
            for name in [name, file] {
                if let Some(reason) = (!name.is_empty()).then(|| door::hindrance(&path_of(name))).flatten() {
                    return Some(format!("it names the file \"{name}\", and {reason}"));
                }
            }
        }
    }
    None
}

/// Where PROJ looks for a file by a name of its own.
fn path_of(name: &str) -> PathBuf {
    match name.strip_prefix("~/").zip(std::env::var_os("HOME")) {
        Some((rest, home)) => Path::new(&home).join(rest),
        None => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::spatial_ref;
    use crate::testing::Folder;

    #[test]
    fn a_code_is_nothing_but_a_code() {
        for code in ["EPSG:32632", "epsg:32632", "EPSGA:4326", "EPSG:4326+5773", "AUTO:42001,9,45"] {
            assert!(spatial_ref(code).is_ok(), "{code}");
        }
        for code in [
            "EPSG:32632x",
            "EPSG:3263 2",
            "EPSG:4326.5",
            "EPSG:4326 junk",
            "EPSG:+32632",
            "EPSG: 32632",
            "EPSG:",
            "EPSG:x+5773",
            "EPSG:4326+5773x",
            "AUTO:42001x,9,45",
            "ESRI:102001x",
            "urn:ogc:def:crs:EPSG::32632x",
            "OGC:CRS84x",
        ] {
            assert!(matches!(spatial_ref(code), Err(Error::BadCrs { .. })), "{code}");
        }
    }

    #[test]
    fn a_text_that_names_a_file_is_not_looked_into() {
        let folder = Folder::new();
        let file = folder.write("crs.txt", b"EPSG:32632");
        for text in [
            file.clone(),
            format!("DICT:{file},1"),
            format!("dict:{file},1"),
            "/vsistdin/".into(),
            "http://localhost:1/a".into(),
        ] {
            assert!(matches!(spatial_ref(&text), Err(Error::BadCrs { .. })), "{text}");
        }
    }

    #[test]
    fn a_grid_is_a_regular_file() {
        for text in [
            "+proj=longlat +ellps=bessel +nadgrids=/dev/zero +no_defs".to_string(),
            "+proj=longlat +ellps=bessel +nadgrids=@null,@/dev/zero +no_defs".into(),
            "+proj=utm +zone=32 +geoidgrids=/dev/zero +no_defs".into(),
            "+init=/dev/zero:x".into(),
        ] {
            let said = spatial_ref(&text).unwrap_err().to_string();
            assert!(said.contains("it names the file \"/dev/zero\", and it is not a regular file"), "{said}");
        }
        let bound = spatial_ref("+proj=longlat +ellps=bessel +nadgrids=/dev/none +no_defs")
            .unwrap()
            .to_projjson()
            .unwrap();
        for spelt in ["/dev/zero", "\\u002fdev\\u002fzero", "\\/dev\\/zero"] {
            let text = bound.replace("/dev/none", spelt);
            assert!(matches!(spatial_ref(&text), Err(Error::BadCrs { .. })), "{text}");
        }
        assert!(spatial_ref("+proj=longlat +ellps=bessel +nadgrids=@null +no_defs").is_ok());
    }

    #[test]
    fn heights_and_the_earths_centre_are_no_places_on_a_map() {
        for (code, kind) in [
            ("EPSG:5773", "vertical"),
            ("EPSG:4978", "geocentric"),
            ("+proj=geocent +ellps=WGS84", "geocentric"),
        ] {
            let said = spatial_ref(code).unwrap_err().to_string();
            assert!(said.contains(kind) && said.contains("must be a projected or geographic"), "{said}");
        }
        // A place and a height; a place in three dimensions.
        assert!(spatial_ref("EPSG:7415").is_ok() && spatial_ref("EPSG:4979").is_ok());
    }
}
