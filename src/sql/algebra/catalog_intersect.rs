//! Pairs rows of two catalogs that share an area and an interval.

use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::sql::shared::catalogs::{A, AMISS_OF_TWO, B, BBOX, REACH, SPATIAL_ONLY};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/catalog_intersect.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "catalog_intersect",
    kind: Kind::Macro,
    summary: "Pairs rows of two catalogs that share an area and an interval.",
    parameters: &[A, B, SPATIAL_ONLY],
    columns: &[
        column("path", "VARCHAR", "With it all columns of `a`, of which four are the pair's:"),
        column(
            "geometry",
            "GEOMETRY",
            "The area that both share: footprints that only touch are not a pair.",
        ),
        BBOX,
        column(
            "t_min",
            "TIMESTAMP",
            "The later start; the one that is dated, where only one is. With spatial_only that of `a`.",
        ),
        column("t_max", "TIMESTAMP", "The earlier stop: intervals that touch in an instant are a pair."),
        column(
            "right_path",
            "VARCHAR",
            "With it all columns of `b` as they are there, `right_` before each name. Pairs come in no order.",
        ),
    ],
    nulls: "A row with a NULL or empty geometry has no pair. Undated rows (NULL, NULL) meet every interval.",
    errors: &[AMISS_OF_TWO, REACH],
    examples: &[Example {
        title: "Images with the labels that lie under them",
        sql: "WITH images AS (SELECT 'image' AS path, geo_box({xmin: 0, ymin: 0, xmax: 4, ymax: 4}) AS geometry, geo_bbox(geometry) AS bbox, TIMESTAMP '2024-06-01' AS t_min, TIMESTAMP '2024-06-02' AS t_max),\n\
              \x20    labels AS (SELECT 'label' AS path, geo_box({xmin: 3, ymin: 1, xmax: 9, ymax: 2}) AS geometry, geo_bbox(geometry) AS bbox, NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS t_max)\n\
              SELECT path, right_path, bbox, t_max FROM geoquilt.catalog_intersect('images', 'labels');",
        rows: &["image\tlabel\t{'xmin': 3.0, 'ymin': 1.0, 'xmax': 4.0, 'ymax': 2.0}\t2024-06-02 00:00:00"],
    }],
    references: &[
        "geopandas.overlay(how = 'intersection') and IntervalIndex(closed = 'both')",
        "docs/decisions.md: set algebra",
    ],
};
