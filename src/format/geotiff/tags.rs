//! The tags of a TIFF by GDAL's names for them: the metadata of its default domain.

use super::directory::{Bytes, Directory, Entry};
use super::text;
use crate::format::Tags;

const TEXTS: [(u16, &str); 7] = [
    (269, "TIFFTAG_DOCUMENTNAME"),
    (270, "TIFFTAG_IMAGEDESCRIPTION"),
    (305, "TIFFTAG_SOFTWARE"),
    (DATE_TIME, "TIFFTAG_DATETIME"),
    (315, "TIFFTAG_ARTIST"),
    (316, "TIFFTAG_HOSTCOMPUTER"),
    (33432, "TIFFTAG_COPYRIGHT"),
];
const X_RESOLUTION: u16 = 282;
const Y_RESOLUTION: u16 = 283;
const RESOLUTION_UNIT: u16 = 296;
const DATE_TIME: u16 = 306;
/// Bytes of a date and a time of day, with the closing zero: libtiff cuts or drops any other number of them.
const DATE_TIME_BYTES: u64 = 20;

/// The tags that TIFF itself has; `None` where GDAL has to be asked.
pub(crate) fn read(bytes: &mut Bytes<'_>, image: &Directory) -> Option<Tags> {
    let mut tags = Tags::new();
    for (tag, name) in TEXTS {
        if let Some(entry) = image.find(tag) {
            if tag == DATE_TIME && entry.count != DATE_TIME_BYTES {
                return None;
            }
            tags.push((name.into(), text(bytes, image, entry)?));
        }
    }
    // libtiff has one mark for both, and makes 0 of the one that is missing.
    if image.has(X_RESOLUTION) != image.has(Y_RESOLUTION) {
        return None;
    }
    for (tag, name) in [(X_RESOLUTION, "TIFFTAG_XRESOLUTION"), (Y_RESOLUTION, "TIFFTAG_YRESOLUTION")] {
        if let Some(entry) = image.find(tag) {
            tags.push((name.into(), general(f64::from(resolution(bytes, image, entry)?))));
        }
    }
    if image.has(RESOLUTION_UNIT) {
        let unit = match image.integer(bytes, RESOLUTION_UNIT)? {
            1 => "1 (unitless)",
            2 => "2 (pixels/inch)",
            3 => "3 (pixels/cm)",
            _ => return None,
        };
        tags.push(("TIFFTAG_RESOLUTIONUNIT".into(), unit.into()));
    }
    Some(tags)
}

/// GDAL keeps it as a float.
fn resolution(bytes: &mut Bytes<'_>, image: &Directory, entry: &Entry) -> Option<f32> {
    let (over, under) = image.rational(bytes, entry)?;
    (under != 0).then(|| (over as f64 / under as f64) as f32)
}

/// C's `%.8g`.
fn general(value: f64) -> String {
    let written = format!("{value:.7e}");
    let (digits, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let short = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    if (-4..8).contains(&exponent) {
        return short(&format!("{value:.*}", (7 - exponent) as usize));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", short(digits), exponent.abs())
}

/// Sets a tag as GDAL does, whose names are equal in any case; `None` for a name whose position in GDAL's list of
/// `NAME=value` is not certain.
pub(crate) fn set(tags: &mut Tags, name: &str, value: String) -> Option<()> {
    let plain = !name.is_empty() && name.trim() == name && !name.contains('=');
    let is_head = |other: &str| {
        let (head, rest) = other.split_at_checked(name.len())?;
        (head.eq_ignore_ascii_case(name) && rest.trim_start_matches(' ').starts_with(':')).then_some(())
    };
    if !plain || tags.iter().any(|(other, _)| is_head(other).is_some()) {
        return None;
    }
    match tags.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
        Some(tag) => *tag = (name.into(), value),
        None => tags.push((name.into(), value)),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_c_writes_them() {
        for (value, text) in [
            (72.0, "72"),
            (0.0, "0"),
            (f64::from(118.110_24_f32), "118.11024"),
            (12_345_678.0, "12345678"),
            (123_456_789.0, "1.2345679e+08"),
            (0.000_1, "0.0001"),
            (0.000_01, "1e-05"),
            (f64::from(0.1_f32), "0.1"),
        ] {
            assert_eq!(general(value), text);
        }
    }

    #[test]
    fn a_name_in_another_case_is_the_same_tag() {
        let mut tags = Tags::new();
        for (name, value) in [("A", "1"), ("b:c", "2"), ("a", "3")] {
            set(&mut tags, name, value.into()).unwrap();
        }
        assert_eq!(tags, [("a".to_string(), "3".to_string()), ("b:c".into(), "2".into())]);
        for name in ["", "x=y", " x", "B"] {
            assert_eq!(set(&mut tags, name, String::new()), None, "{name}");
        }
    }
}
