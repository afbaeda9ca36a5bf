//! Shapes in and out of DuckDB's vectors.

use crate::bbox::Bbox;
use crate::bridge::record::{Typed, record};
use crate::bridge::rows::Cell;
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::map::Shape;

record! { Bbox { xmin: f64, ymin: f64, xmax: f64, ymax: f64 } }

/// The type of a box, as `FunctionDoc`s write it.
pub const BOX: &str = Bbox::TYPE;

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
