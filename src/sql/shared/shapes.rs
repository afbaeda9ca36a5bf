//! Shapes in and out of DuckDB's vectors.

use crate::bbox::Bbox;
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::map::Shape;
use crate::sql_type::SqlType;

/// The type of a box, as `FunctionDoc`s write it.
pub const BOX: &str = "STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE)";

/// Reads a column's shapes. Rows often repeat the row before (a constant above all), which is parsed once.
pub struct Shapes<'a> {
    column: Vector<'a>,
    last: Option<(&'a [u8], Option<Shape>)>,
}

impl<'a> Shapes<'a> {
    pub fn new(column: Vector<'a>) -> Shapes<'a> {
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

/// Writes a shape, or NULL.
///
/// # Errors
/// As [`Shape::wkb`].
pub fn write(out: &Vector<'_>, row: usize, shape: Option<&Shape>) -> Result<()> {
    match shape {
        Some(shape) => out.set_bytes(row, &shape.wkb()?),
        None => out.set_null(row, &SqlType::Geometry(None)),
    }
    Ok(())
}

/// The corners of a row of a box column, in the order of [`BOX`]; `None` when one is NULL.
pub fn corners(column: &Vector<'_>, row: usize) -> Option<[f64; 4]> {
    let fields = [0, 1, 2, 3].map(|i| column.field(i));
    let whole = !column.is_null(row) && fields.iter().all(|field| !field.is_null(row));
    whole.then(|| fields.map(|field| field.get(row)))
}

pub fn write_box(out: &Vector<'_>, row: usize, bbox: &Bbox) {
    for (i, value) in [bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax].into_iter().enumerate() {
        out.field(i).set(row, value);
    }
}
