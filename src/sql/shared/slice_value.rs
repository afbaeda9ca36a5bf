//! A slice as SQL has it: a struct whose resolution is derived.

use crate::bbox::Bbox;
use crate::bridge::args::number;
use crate::bridge::record::{Timestamp, Typed, record};
use crate::bridge::vector::Vector;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::slice::Slice;
use crate::value::Value;

/// The fields of a slice.
pub struct SliceRow {
    bbox: Bbox,
    crs: String,
    t_min: Option<Timestamp>,
    t_max: Option<Timestamp>,
    width: i64,
    height: i64,
}
record! {
    SliceRow {
        bbox: Bbox,
        crs: String,
        t_min: Option<Timestamp>,
        t_max: Option<Timestamp>,
        width: i64,
        height: i64,
    }
}

/// The type of a slice's column or parameter, as `geo_slice` gives it.
pub const SLICE: &str = SliceRow::TYPE;

impl SliceRow {
    /// A slice under the name of its CRS that the user gave.
    pub fn new(slice: &Slice, crs: &str) -> SliceRow {
        SliceRow {
            bbox: slice.bbox,
            crs: crs.to_string(),
            t_min: slice.t_min.map(Timestamp),
            t_max: slice.t_max.map(Timestamp),
            width: slice.width.into(),
            height: slice.height.into(),
        }
    }
}

/// A slice as `geo_slice` makes it, under the name of its CRS that the user gave; `None` where it, or any field but its
/// times, is NULL.
///
/// # Errors
/// A value of another form, a box without area, or fewer than 1 x 1 pixels.
pub fn of_value(value: &Value) -> Result<Option<(Slice, String)>> {
    let field = |value: &Value, name: &str| match value {
        Value::Struct(fields) => fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()),
        _ => None,
    };
    if *value == Value::Null {
        return Ok(None);
    }
    if let Some(problem) = mistaken(value) {
        return Err(problem);
    }
    let of = |name: &str| field(value, name).ok_or_else(|| none(value));
    let (corners, crs, width, height) = (of("bbox")?, of("crs")?, of("width")?, of("height")?);
    let corner = |name: &str| field(&corners, name).as_ref().and_then(number);
    let time = |name: &str| match field(value, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(_)) => Err(none(value)),
        Some(time) => time.time().map(|time| Some(time.start)).ok_or_else(|| none(value)),
    };
    let times = (time("t_min")?, time("t_max")?);
    if [&crs, &width, &height].contains(&&Value::Null) {
        return Ok(None);
    }
    let (Value::Text(crs), Some(width), Some(height)) = (crs, width.whole(), height.whole()) else {
        return Err(none(value));
    };
    let corners = (corner("xmin"), corner("ymin"), corner("xmax"), corner("ymax"));
    let (Some(xmin), Some(ymin), Some(xmax), Some(ymax)) = corners else { return Ok(None) };
    check_crs(&crs)?;
    let bbox = Bbox { xmin, ymin, xmax, ymax };
    let slice = Slice::new(bbox, Crs::new(&crs), times, height, width)?;
    Ok(Some((slice, crs)))
}

/// The slice in a row of an argument that comes as it is: see [`of_value`].
///
/// # Errors
/// As [`of_value`].
pub fn read(slices: &Vector<'_>, row: usize) -> Result<Option<(Slice, String)>> {
    of_value(&Value::of(slices, row))
}

fn none(value: &Value) -> Error {
    Error::invalid(value, "a slice, as geo_slice makes it")
}

/// A box or a geometry in place of a slice, or a field that no slice has.
fn mistaken(value: &Value) -> Option<Error> {
    let make = |shape: &str| {
        let remedy = format!("Make a slice of it: geo_slice({shape}, resolution, 'EPSG:...')");
        Some(Error::conflict(format!("{value} is no slice: it has no pixels yet"), remedy))
    };
    let known = ["bbox", "crs", "t_min", "t_max", "width", "height"];
    match value {
        Value::Struct(fields) if fields.iter().any(|(name, _)| name == "xmin") => {
            make("{xmin: ..., ymin: ..., xmax: ..., ymax: ...}")
        }
        Value::Struct(fields) if fields.iter().any(|(name, _)| !known.contains(&name.as_str())) => {
            Some(none(value))
        }
        Value::Geometry(..) | Value::Bytes(_) | Value::Other(_) => make("geometry"),
        _ => None,
    }
}

fn check_crs(crs: &str) -> Result<()> {
    match crs.trim().is_empty() {
        true => Err(Error::invalid("\"\"", "a CRS such as 'EPSG:32629'")),
        false => Ok(()),
    }
}
