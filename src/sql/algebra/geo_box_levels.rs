//! `geo_box_levels`: how large a box is beside the cells of a grid.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::map::cells::CellGrid;
use crate::sql::shared::cells::{BOX_PARAMETERS, extent, grid};

/// The scalar `geo_box_levels`.
pub struct GeoBoxLevels;

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

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            let covered = extent(input, row)?.zip(grid(input, row)?);
            Ok(covered.map(|(extent, grid)| CellGrid::pack(grid.levels(&extent))))
        })
    }
}
