//! A box in space and time, and the grid of cells that it is laid on, as `geo_box_levels` and `geo_box_cells` take
//! them.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Given, Parameter};
use crate::map::cells::{CellGrid, Extent};
use crate::sql::shared::shapes::{BOX, corners};

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
        types: "STRUCT(xmin DOUBLE, ymin DOUBLE, t_min DOUBLE, cell DOUBLE, step DOUBLE)",
        given: Given::Required,
        meaning: "The corner at or below every box, and the width of the smallest cells in space and in time: at least 1/65535 of the whole.",
    },
];

/// The box of the first three arguments; `None` when it is NULL.
pub fn extent(input: &Input<'_>, row: usize) -> Option<Extent> {
    let [xmin, ymin, xmax, ymax] = corners(&input.column(0), row)?;
    let time = |column: usize, open: f64| {
        let column = input.column(column);
        if column.is_null(row) { open } else { column.get::<i64>(row) as f64 }
    };
    let (start, stop) = (time(1, f64::NEG_INFINITY), time(2, f64::INFINITY));
    Some(Extent { low: [xmin, ymin, start], high: [xmax, ymax, stop] })
}

/// The grid of the fourth argument; `None` when it, or a field of it, is NULL.
pub fn grid(input: &Input<'_>, row: usize) -> Option<CellGrid> {
    let column = input.column(3);
    let fields = [0, 1, 2, 3, 4].map(|i| column.field(i));
    if column.is_null(row) || fields.iter().any(|field| field.is_null(row)) {
        return None;
    }
    let [x, y, t, cell, step] = fields.map(|field| field.get::<f64>(row));
    Some(CellGrid { low: [x, y, t], cell: [cell, cell, step] })
}
