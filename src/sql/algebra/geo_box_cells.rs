//! `geo_box_cells`: the cells by which a join of catalogs is hashed.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::rows::lists;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Result, one_of};
use crate::map::cells::{CellGrid, Side};
use crate::sql::shared::cells::{BOX_PARAMETERS, extent, grid};

/// The scalar `geo_box_cells`.
pub struct GeoBoxCells;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_box_cells",
    kind: Kind::Scalar,
    summary: "Codes of the space-time cells by which a box is joined with others.",
    parameters: &[
        BOX_PARAMETERS[0],
        BOX_PARAMETERS[1],
        BOX_PARAMETERS[2],
        BOX_PARAMETERS[3],
        Parameter {
            name: "others",
            types: "BIGINT",
            given: Given::Required,
            meaning: "`bit_or(geo_box_levels(...))` over the other side's boxes, in the same grid.",
        },
        Parameter {
            name: "side",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "`left` or `right`: the side of the join that the box stands on.",
        },
    ],
    columns: &[column(
        "codes",
        "BIGINT[]",
        "Two boxes that meet have exactly one pair of codes `l`, `r` with `l >> 3 = r >> 3` and `(l | r) & 7 = 7`. Others may have one: compare the boxes.",
    )],
    nulls: "NULL for a NULL box, grid, others or side; a NULL time is open.",
    errors: &["side: neither left nor right"],
    examples: &[Example {
        title: "A box and the cells of a grid that it lies in",
        sql: "SELECT len(geo_box_cells({xmin: 0.5, ymin: 0.5, xmax: 1.5, ymax: 0.9}, 0, 0, {xmin: 0, ymin: 0, t_min: 0, cell: 1, step: 1}, 1 + (1 << 16), 'left')) AS cells;",
        rows: &["2"],
    }],
    references: &["docs/decisions.md: joins of catalogs"],
};

impl ScalarFunction for GeoBoxCells {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let (others, sides) = (input.column(4), input.column(5));
        lists(input, out, |row, codes: &mut Vec<i64>| {
            if others.is_null(row) || sides.is_null(row) {
                return Ok(false);
            }
            let Some((extent, grid)) = extent(input, row)?.zip(grid(input, row)?) else { return Ok(false) };
            let side = side(sides.str(row)?)?;
            grid.codes(&extent, side, CellGrid::unpack(others.get(row)), codes);
            Ok(true)
        })
    }
}

fn side(name: &str) -> Result<Side> {
    one_of(name, "a side", &[("left", Side::Left), ("right", Side::Right)])
        .map_err(|e| e.at("geo_box_cells(side)"))
}
