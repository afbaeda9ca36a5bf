//! One row: how many files, the box around them, and their interval.

use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::sql::shared::catalogs::{AMISS, CATALOG};
use crate::sql::shared::shapes::BOX;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/catalog_extent.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "catalog_extent",
    kind: Kind::Macro,
    summary: "One row: how many files, the box around them, and their interval.",
    parameters: &[CATALOG],
    columns: &[
        column("n", "BIGINT", "Rows."),
        column("n_undated", "BIGINT", "Those without a time."),
        column("geometry", "GEOMETRY", "The box as a polygon, in the catalog's CRS: to plot."),
        column("bbox", BOX, "Around all footprints."),
        column("t_min", "TIMESTAMP", "The first start."),
        column("t_max", "TIMESTAMP", "The last stop."),
    ],
    nulls: "Of a catalog without a footprint or without a date, those are NULL.",
    errors: &[AMISS],
    examples: &[Example {
        title: "What a folder covers",
        sql: "WITH files AS (FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<date>\\d{8})'))\n\
              SELECT n, bbox, t_min, t_max FROM geoquilt.catalog_extent('files');",
        rows: &[
            "3\t{'xmin': -180.0, 'ymin': -90.0, 'xmax': 180.0, 'ymax': 90.0}\t2018-01-01 00:00:00\t2019-01-01 23:59:59.999999",
        ],
    }],
    references: &[],
};
