//! `geo_eval_queries`: boxes and days of evaluation samples, on a lattice.

use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Kind, named};
use crate::bridge::table::{Plan, TableFunction};
use crate::error::Result;
use crate::limits::Limits;
use crate::sql::query::query_arguments::{
    BBOX, BBOX_TYPE, MASK, SIZE, T_MAX, T_MIN, UNIT, WINDOW_DAYS, evaluation,
};
use crate::sql::query::query_rows::{Asked, Bound, COLUMNS, Scan};

/// The table function `geo_eval_queries`.
pub struct GeoEvalQueries;

/// What the function says of itself.
pub(super) static DOC: FunctionDoc = FunctionDoc {
    name: "geo_eval_queries",
    kind: Kind::Table,
    summary: "Lays out where and when evaluation samples lie: one lattice on every date.",
    parameters: &[
        SIZE,
        UNIT,
        named("bbox", BBOX_TYPE, "the globe", BBOX),
        T_MIN,
        T_MAX,
        named("step_days", "BIGINT", "1", "Days from one date to the next, from `t_min` on."),
        WINDOW_DAYS,
        named(
            "spatial_overlap",
            "DOUBLE",
            "0",
            "The share of its side that a box has in common with the next, 0 to 0.99.",
        ),
        named("max_land_fraction", "DOUBLE", "0.5", "A box holds no more land than this."),
        MASK,
        named(
            "mode",
            "VARCHAR",
            "'sphere'",
            "`sphere`, or `oceantaco`: land is counted as in `geo_train_queries`, and an area smaller than a box has no rows.",
        ),
    ],
    columns: &COLUMNS,
    nulls: "No parameter may be NULL.",
    errors: &[
        "size, t_min or t_max: not given; size or step_days not above 0; window_days beyond the days from t_min to t_max",
        "bbox: without an inside, beyond the globe, or smaller than a box; across the antimeridian under `oceantaco`",
        "mask: not a raster with a CRS, or not as `oceantaco` asks for; it does not cover a box; all boxes hold too much land",
        "max_land_fraction without a mask; more than 100,000,000 boxes",
    ],
    examples: &[Example {
        title: "Every week of two months; the last row of boxes is moved back to the edge",
        sql: "SELECT count(*) AS queries, count(DISTINCT bbox) AS boxes, count(DISTINCT t_min) AS dates, max(bbox.ymin) AS last_row, max(t_max) AS \"end\"\n\
              FROM geo_eval_queries(size := 10, bbox := {xmin: -80, ymin: 10, xmax: -10, ymax: 55}, t_min := '2023-07-01', t_max := '2023-08-30', step_days := 7);",
        rows: &["315\t35\t9\t45.0\t2023-08-26 23:59:59.999999"],
    }],
    references: &["OceanTACO: QueryGenerator.generate_eval_queries"],
};

impl TableFunction for GeoEvalQueries {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = Scan;

    fn bind(args: &Args, _limits: Limits) -> Result<Plan<Bound>> {
        let (asked, mask) = evaluation(args)?;
        let bound = Bound { asked: Asked::Evaluation(asked), mask };
        Ok(Plan { columns: DOC.schema()?, rows: bound.rows(), bound })
    }

    fn start(bound: &Arc<Bound>, _wanted: &[usize]) -> Result<Scan> {
        bound.scan()
    }

    fn next(scan: &Scan, out: &mut Chunk<'_>) -> Result<()> {
        scan.fill(out)
    }
}
