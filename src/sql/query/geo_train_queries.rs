//! `geo_train_queries`: boxes and days of training samples, drawn.

use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, named};
use crate::bridge::table::{Plan, TableFunction};
use crate::error::Result;
use crate::limits::Limits;
use crate::sql::query::query_arguments::{
    BBOX, BBOX_TYPE, MASK, SIZE, T_MAX, T_MIN, UNIT, WINDOW_DAYS, training,
};
use crate::sql::query::query_rows::{Asked, Bound, COLUMNS, Scan};

/// The table function `geo_train_queries`.
pub struct GeoTrainQueries;

/// What the function says of itself.
pub(super) static DOC: FunctionDoc = FunctionDoc {
    name: "geo_train_queries",
    kind: Kind::Table,
    summary: "Draws where and when training samples lie.",
    parameters: &[
        Parameter {
            name: "n",
            types: "BIGINT",
            given: Given::Required,
            meaning: "How many queries, at most 10,000,000.",
        },
        SIZE,
        UNIT,
        named("bbox", BBOX_TYPE, "the globe", BBOX),
        T_MIN,
        T_MAX,
        WINDOW_DAYS,
        named(
            "max_spatial_overlap",
            "DOUBLE",
            "1",
            "Two queries that share a day overlap by no more than this: intersection over union. 1 looks at no overlap.",
        ),
        named("max_land_fraction", "DOUBLE", "0.3", "A box holds no more land than this."),
        MASK,
        named("seed", "BIGINT", "42", "Seed of the draw: NumPy's stream, `numpy.random.default_rng(seed)`."),
        named(
            "mode",
            "VARCHAR",
            "'sphere'",
            "`sphere`: centres evenly by area, boxes whole over the antimeridian (those that reach beyond a pole end there), land by pixel centres, overlap by area on the sphere. `oceantaco`: as the published generator, bit for bit: centres evenly by degrees, boxes cut at the antimeridian, overlap by degrees, land in all cells of a quarter of a degree that a box touches.",
        ),
    ],
    columns: &COLUMNS,
    nulls: "No parameter may be NULL.",
    errors: &[
        "size, t_min or t_max: not given; n or size not above 0; window_days beyond the days from t_min to t_max",
        "bbox: without an inside, or beyond the globe; across the antimeridian under `oceantaco`",
        "mask: not a raster with a CRS, or not as `oceantaco` asks for; it does not cover a box",
        "max_land_fraction without a mask",
        "too few that the land rule and the overlap let through: of 100 n + 10,000 drawn, or 20 n under `oceantaco` (whose published code gives fewer), with the number that each turned away",
    ],
    examples: &[
        Example {
            title: "Three of a hundred, as the published generator draws them",
            sql: "SELECT query_id, bbox.xmin, bbox.ymin, t_min::DATE AS day FROM geo_train_queries(100, size := 10, bbox := {xmin: -80, ymin: 10, xmax: -10, ymax: 55},\n\
                  \x20   t_min := '2023-04-01', t_max := '2023-06-30', mode := 'oceantaco') WHERE query_id IN (0, 14, 18);",
            rows: &[
                "0\t-30.581661323117572\t39.82802218501835\t2023-04-02",
                "14\t-34.921500926893884\t24.9536389472299\t2023-06-10",
                "18\t-20.07062142954446\t42.243402739666195\t2023-05-31",
            ],
        },
        Example {
            title: "Weeks over the Pacific, little land, no two of one week alike",
            sql: "SELECT count(*) AS queries, max(land_fraction) <= 0.1 AS wet, count(*) FILTER (bbox.xmin > bbox.xmax) > 0 AS across\n\
                  FROM geo_train_queries(50, size := 2000, unit := 'km', bbox := {xmin: 140, ymin: -50, xmax: -100, ymax: 50}, t_min := '2020', t_max := '2021',\n\
                  \x20   window_days := 7, max_spatial_overlap := 0.2, max_land_fraction := 0.1, mask := 'test/data/small/land.tif');",
            rows: &["50\ttrue\ttrue"],
        },
    ],
    references: &[
        "OceanTACO: QueryGenerator.generate_training_queries",
        "numpy.random.Generator.uniform, integers (PCG64, SeedSequence)",
    ],
};

impl TableFunction for GeoTrainQueries {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = Scan;

    fn bind(args: &Args, _limits: Limits) -> Result<Plan<Bound>> {
        let (asked, mask) = training(args)?;
        let bound = Bound { asked: Asked::Training(asked), mask };
        Ok(Plan { columns: DOC.schema()?, rows: bound.rows(), bound })
    }

    fn start(bound: &Arc<Bound>, _wanted: &[usize]) -> Result<Scan> {
        bound.scan()
    }

    fn next(scan: &Scan, out: &mut Chunk<'_>) -> Result<()> {
        scan.fill(out)
    }
}
