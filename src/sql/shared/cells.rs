//! A box in space and time, and the grid of cells that it is laid on, as `geo_box_levels` and `geo_box_cells` take
//! them.

use crate::bbox::Bbox;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Given, Parameter};
use crate::bridge::record::{Read, Typed, record};
use crate::error::Result;
use crate::map::cells::{CellGrid, Extent};
use crate::sql::shared::shapes::BOX;

/// A grid as SQL has it: its lowest corner, and the widths of its smallest cells in space and in time.
struct CellGridRow {
    xmin: f64,
    ymin: f64,
    t_min: f64,
    cell: f64,
    step: f64,
}
record! { CellGridRow { xmin: f64, ymin: f64, t_min: f64, cell: f64, step: f64 } }

/// What `geo_box_levels` and `geo_box_cells` both take.
pub const BOX_PARAMETERS: [Parameter; 4] = [
    Parameter { name: "bbox", types: BOX, given: Given::Required, meaning: "A box." },
    Parameter {
        name: "t_min",
        types: "BIGINT",
        given: Given::Required,
        meaning: "Start in microseconds; NULL is open.",
    },
    Parameter {
        name: "t_max",
        types: "BIGINT",
        given: Given::Required,
        meaning: "Stop in microseconds; NULL is open.",
    },
    Parameter {
        name: "grid",
        types: CellGridRow::TYPE,
        given: Given::Required,
        meaning: "The corner at or below every box, and the width of the smallest cells in space and in time: at least 1/65535 of the whole.",
    },
];

/// The box of the first three arguments; `None` when it is NULL.
///
/// # Errors
/// As [`Read::read`].
pub fn extent(input: &Input<'_>, row: usize) -> Result<Option<Extent>> {
    let Some(Bbox { xmin, ymin, xmax, ymax }) = Bbox::read(input.column(0), row)? else { return Ok(None) };
    let time = |column: usize, open: f64| {
        let column = input.column(column);
        if column.is_null(row) { open } else { column.get::<i64>(row) as f64 }
    };
    let (start, stop) = (time(1, f64::NEG_INFINITY), time(2, f64::INFINITY));
    Ok(Some(Extent { low: [xmin, ymin, start], high: [xmax, ymax, stop] }))
}

/// The grid of the fourth argument; `None` when it, or a field of it, is NULL.
///
/// # Errors
/// As [`Read::read`].
pub fn grid(input: &Input<'_>, row: usize) -> Result<Option<CellGrid>> {
    let row = CellGridRow::read(input.column(3), row)?;
    Ok(row.map(|row| CellGrid { low: [row.xmin, row.ymin, row.t_min], cell: [row.cell, row.cell, row.step] }))
}
