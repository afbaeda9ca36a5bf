//! What one catalog covers and another does not at the same time.

use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::sql::shared::catalogs::{A, AMISS_OF_TWO, B, BBOX, REACH, SPATIAL_ONLY};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/catalog_difference.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "catalog_difference",
    kind: Kind::Macro,
    summary: "What one catalog covers and another does not at the same time.",
    parameters: &[A, B, SPATIAL_ONLY],
    columns: &[
        column("path", "VARCHAR", "With it all columns of `a`, row by row in its order."),
        column(
            "geometry",
            "GEOMETRY",
            "The row's footprint without those of the rows of `b` whose interval meets its own; a row that they cover whole is left out.",
        ),
        BBOX,
        column("t_min", "TIMESTAMP", "As in `a`, like `t_max`."),
    ],
    nulls: "Rows of `a` with a NULL geometry stay. Undated rows meet every interval.",
    errors: &[AMISS_OF_TWO, REACH],
    examples: &[Example {
        title: "What is still to be labelled",
        sql: "WITH images AS (SELECT 'image' AS path, geo_box({xmin: 0, ymin: 0, xmax: 4, ymax: 4}) AS geometry, geo_bbox(geometry) AS bbox, NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS t_max),\n\
              \x20    labels AS (SELECT geo_box({xmin: 3, ymin: 0, xmax: 9, ymax: 9}) AS geometry, geo_bbox(geometry) AS bbox, NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS t_max)\n\
              SELECT path, bbox FROM geoquilt.catalog_difference('images', 'labels');",
        rows: &["image\t{'xmin': 0.0, 'ymin': 0.0, 'xmax': 3.0, 'ymax': 4.0}"],
    }],
    references: &["geopandas.overlay(how = 'difference')", "docs/decisions.md: set algebra"],
};
