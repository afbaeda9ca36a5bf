//! Shapes in and out of DuckDB's vectors.

use std::borrow::Cow;

use crate::bbox::Bbox;
use crate::bridge::args::number;
use crate::bridge::record::{Typed, record};
use crate::bridge::rows::Cell;
use crate::bridge::vector::{Holds, Vector};
use crate::error::{Error, Result};
use crate::map::Shape;
use crate::projection::geometry::from_wkt;
use crate::value::Value;

record! { Bbox { xmin: f64, ymin: f64, xmax: f64, ymax: f64 } }

/// The type of a box, as `FunctionDoc`s write it.
pub const BOX: &str = Bbox::TYPE;

/// The geometry in a row of an argument that comes as it is, as WKB; `None` where it is NULL, or empty text.
///
/// # Errors
/// Neither a GEOMETRY nor WKT.
pub fn wkb<'a>(column: &'a Vector<'_>, row: usize) -> Result<Option<Cow<'a, [u8]>>> {
    match column.holds() {
        _ if column.is_null(row) => Ok(None),
        Holds::Geometry => Ok(Some(Cow::Borrowed(column.bytes(row)))),
        Holds::Text => Ok(from_wkt(column.str(row)?)?.map(Cow::Owned)),
        _ => {
            let must = "a GEOMETRY (of WKB by ST_GeomFromWKB), or WKT such as 'POINT (10.3 50.2)'";
            Err(Error::invalid(Value::of(column, row), must))
        }
    }
}

/// The box in a row of an argument that comes as it is, its corners as they are; `None` where it, or one of them, is NULL.
///
/// # Errors
/// A value of another form: `must` says what it may be.
pub fn corners(column: &Vector<'_>, row: usize, must: &str) -> Result<Option<Bbox>> {
    if column.is_null(row) {
        return Ok(None);
    }
    let bad = || Error::invalid(Value::of(column, row), must);
    let fields = column.named_fields(["xmin", "ymin", "xmax", "ymax"]).ok_or_else(bad)?;
    if fields.iter().any(|field| field.is_null(row)) {
        return Ok(None);
    }
    let corners = fields.map(|field| number(&Value::of(field, row)));
    let [Some(xmin), Some(ymin), Some(xmax), Some(ymax)] = corners else { return Err(bad()) };
    Ok(Some(Bbox { xmin, ymin, xmax, ymax }))
}

/// Reads a column's shapes. Rows often repeat the row before (a constant above all), which is parsed once.
pub struct Shapes<'a> {
    column: &'a Vector<'a>,
    last: Option<(&'a [u8], Option<Shape>)>,
}

impl<'a> Shapes<'a> {
    /// The shapes of a GEOMETRY column.
    pub fn new(column: &'a Vector<'a>) -> Shapes<'a> {
        Shapes { column, last: None }
    }

    /// The shape of a row; `None` when it is NULL or empty.
    ///
    /// # Errors
    /// As [`Shape::read`].
    pub fn get(&mut self, row: usize) -> Result<Option<&Shape>> {
        if self.column.is_null(row) {
            return Ok(None);
        }
        let bytes = self.column.bytes(row);
        if self.last.as_ref().is_none_or(|(last, _)| *last != bytes) {
            self.last = Some((bytes, Shape::read(bytes)?));
        }
        Ok(self.last.as_ref().and_then(|(_, shape)| shape.as_ref()))
    }
}

impl Cell for Shape {
    fn write(&self, out: &mut Vector<'_>, row: usize) -> Result<()> {
        out.set_bytes(row, &self.wkb()?);
        Ok(())
    }
}
