//! A slice as SQL has it: a struct whose resolution is derived.

use crate::bbox::Bbox;
use crate::bridge::args::number;
use crate::bridge::record::{Read, Timestamp, Typed, record};
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
    width: i32,
    height: i32,
}
record! {
    SliceRow {
        bbox: Bbox,
        crs: String,
        t_min: Option<Timestamp>,
        t_max: Option<Timestamp>,
        width: i32,
        height: i32,
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
            width: slice.width as i32,
            height: slice.height as i32,
        }
    }
}

/// A slice as `geo_slice` makes it, under the name of its CRS that the user gave; `None` where it, or any field but its
/// times, is NULL.
///
/// # Errors
/// A value of another form, a box without area, or fewer than 1 x 1 pixels.
pub fn of_value(value: &Value) -> Result<Option<(Slice, String)>> {
    let must = "a slice, as geo_slice makes it";
    let field = |value: &Value, name: &str| match value {
        Value::Struct(fields) => fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()),
        _ => None,
    };
    if *value == Value::Null {
        return Ok(None);
    }
    let of = |name: &str| field(value, name).ok_or_else(|| Error::invalid(value, must));
    let (corners, crs, width, height) = (of("bbox")?, of("crs")?, of("width")?, of("height")?);
    let corner = |name: &str| field(&corners, name).as_ref().and_then(number);
    let time = |name: &str| match field(value, name) {
        Some(Value::Timestamp(t)) => Some(t),
        _ => None,
    };
    let (Value::Text(crs), Value::Int(width), Value::Int(height)) = (crs, width, height) else {
        return Ok(None);
    };
    let corners = (corner("xmin"), corner("ymin"), corner("xmax"), corner("ymax"));
    let (Some(xmin), Some(ymin), Some(xmax), Some(ymax)) = corners else { return Ok(None) };
    check_crs(&crs)?;
    let bbox = Bbox { xmin, ymin, xmax, ymax };
    let slice = Slice::new(bbox, Crs::new(&crs), (time("t_min"), time("t_max")), height, width)?;
    Ok(Some((slice, crs)))
}

/// The slice in a row of a vector of type [`SLICE`]; `None` where it, or any field but its times, is NULL.
///
/// # Errors
/// A box without area, or fewer than 1 x 1 pixels.
pub fn read(slices: &Vector<'_>, row: usize) -> Result<Option<Slice>> {
    let Some(SliceRow { bbox, crs, t_min, t_max, width, height }) = SliceRow::read(slices, row)? else {
        return Ok(None);
    };
    check_crs(&crs)?;
    let times = (t_min.map(|t| t.0), t_max.map(|t| t.0));
    Slice::new(bbox, Crs::new(&crs), times, height.into(), width.into()).map(Some)
}

fn check_crs(crs: &str) -> Result<()> {
    match crs.trim().is_empty() {
        true => Err(Error::invalid("\"\"", "a CRS such as 'EPSG:32629'")),
        false => Ok(()),
    }
}
