//! A slice as SQL has it: a struct whose resolution is derived.

use crate::bbox::Bbox;
use crate::bridge::vector::Vector;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::slice::Slice;

/// The type of a slice's column or parameter, as `geo_slice` gives it.
pub const SLICE: &str = "STRUCT(bbox STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE), crs VARCHAR, t_min TIMESTAMP, t_max TIMESTAMP, width INTEGER, height INTEGER)";

/// The slice in a row of a vector of type [`SLICE`]; `None` where it, or any field but its times, is NULL.
///
/// # Errors
/// A box without area, or fewer than 1 x 1 pixels.
pub fn read(slices: &Vector<'_>, row: usize) -> Result<Option<Slice>> {
    let [corners, crs, t_min, t_max, width, height] = [0, 1, 2, 3, 4, 5].map(|i| slices.field(i));
    let missing = slices.is_null(row) || [&corners, &crs, &width, &height].iter().any(|f| f.is_null(row));
    if missing {
        return Ok(None);
    }
    let Some(bbox) = read_box(&corners, row) else { return Ok(None) };
    let time = |field: &Vector<'_>| (!field.is_null(row)).then(|| field.get::<i64>(row));
    if crs.str(row).trim().is_empty() {
        return Err(Error::invalid("\"\"", "a CRS such as 'EPSG:32629'"));
    }
    let side = |field: &Vector<'_>| i64::from(field.get::<i32>(row));
    let times = (time(&t_min), time(&t_max));
    Slice::new(bbox, Crs::new(crs.str(row)), times, side(&height), side(&width)).map(Some)
}

/// The four corners in a row of a vector of boxes, in any order; `None` where one is NULL.
pub fn read_box(boxes: &Vector<'_>, row: usize) -> Option<Bbox> {
    let corners = [0, 1, 2, 3].map(|i| boxes.field(i));
    if boxes.is_null(row) || corners.iter().any(|corner| corner.is_null(row)) {
        return None;
    }
    let [xmin, ymin, xmax, ymax] = corners.map(|corner| corner.get::<f64>(row));
    Some(Bbox { xmin, ymin, xmax, ymax })
}

/// Writes a slice into a row of a vector of type [`SLICE`], under the name of its CRS that the user gave.
pub fn write(slices: &Vector<'_>, row: usize, slice: &Slice, crs: &str) {
    let [corners, name, t_min, t_max, width, height] = [0, 1, 2, 3, 4, 5].map(|i| slices.field(i));
    let b = &slice.bbox;
    for (i, value) in [b.xmin, b.ymin, b.xmax, b.ymax].into_iter().enumerate() {
        corners.field(i).set(row, value);
    }
    name.set_bytes(row, crs.as_bytes());
    for (field, time) in [(t_min, slice.t_min), (t_max, slice.t_max)] {
        match time {
            Some(time) => field.set(row, time),
            None => field.set_null(row, &crate::sql_type::SqlType::Timestamp),
        }
    }
    width.set(row, slice.width as i32);
    height.set(row, slice.height as i32);
}
