//! `geo_box_levels`: how large a box is beside the cells of a grid.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::map::cells::{CellGrid, Extent};
use crate::sql::shared::shapes::{BOX, corners};
use crate::sql_type::SqlType;

pub struct GeoBoxLevels;

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

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_box_levels",
    kind: Kind::Scalar,
    summary: "The levels of a box in a grid of space-time cells, as bits to gather.",
    parameters: &BOX_PARAMETERS,
    columns: &[column(
        "bits",
        "BIGINT",
        "One bit of 0 to 9 for its size in space, and one of 16 to 25 for its length in time.",
    )],
    nulls: "NULL for a NULL box or grid; a NULL time is open.",
    errors: &[],
    examples: &[Example {
        title: "A box as wide as three cells is of level 1, an instant of level 0",
        sql: "SELECT bin(geo_box_levels({xmin: 0, ymin: 0, xmax: 3, ymax: 1}, 0, 0, {xmin: 0, ymin: 0, t_min: 0, cell: 1, step: 1})) AS bits;",
        rows: &["10000000000000010"],
    }],
    references: &["docs/decisions.md: joins of catalogs"],
};

impl ScalarFunction for GeoBoxLevels {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: Vector<'_>) -> Result<()> {
        for row in 0..input.rows() {
            match extent(input, row).zip(grid(input, row)) {
                Some((extent, grid)) => out.set(row, CellGrid::pack(grid.levels(&extent))),
                None => out.set_null(row, &SqlType::BigInt),
            }
        }
        Ok(())
    }
}

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
