//! A slice as SQL has it: a struct whose resolution is derived.

use crate::bbox::Bbox;
use crate::bridge::record::{Read, Timestamp, Typed, record};
use crate::bridge::vector::Vector;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::slice::Slice;

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

/// The slice in a row of a vector of type [`SLICE`]; `None` where it, or any field but its times, is NULL.
///
/// # Errors
/// A box without area, or fewer than 1 x 1 pixels.
pub fn read(slices: &Vector<'_>, row: usize) -> Result<Option<Slice>> {
    let Some(SliceRow { bbox, crs, t_min, t_max, width, height }) = SliceRow::read(slices, row)? else {
        return Ok(None);
    };
    if crs.trim().is_empty() {
        return Err(Error::invalid("\"\"", "a CRS such as 'EPSG:32629'"));
    }
    let times = (t_min.map(|t| t.0), t_max.map(|t| t.0));
    Slice::new(bbox, Crs::new(&crs), times, height.into(), width.into()).map(Some)
}
