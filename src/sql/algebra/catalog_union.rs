//! The rows of two catalogs, by column name.

use crate::bridge::doc::{Example, FunctionDoc, Kind, column, named};
use crate::sql::shared::catalogs::{A, B, BBOX, REACH};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/catalog_union.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "catalog_union",
    kind: Kind::Macro,
    summary: "The rows of two catalogs, by column name.",
    parameters: &[
        A,
        B,
        named("dedupe", "BOOLEAN", "false", "Keep one row a path: that of `a`, and the first."),
    ],
    columns: &[
        column("path", "VARCHAR", "With it every column of either; NULL where the other has none."),
        column("geometry", "GEOMETRY", "In the CRS of `a`."),
        BBOX,
        column("t_min", "TIMESTAMP", "As it was. The rows of `a` come first, in order."),
    ],
    nulls: "Rows with a NULL path are never dropped.",
    errors: &[
        "a or b: `path`, `geometry`, `bbox`, `t_min` or `t_max` is missing or of another type, by name",
        REACH,
    ],
    examples: &[Example {
        title: "Two folders as one, files in both counted once",
        sql: "WITH a AS (FROM geo_catalog_build('test/data/small/sst_2018*.tif')), b AS (FROM geo_catalog_build('test/data/small/sst*.tif'))\n\
              SELECT parse_filename(path) AS file FROM geoquilt.catalog_union('a', 'b', dedupe := true);",
        rows: &["sst_20180101.tif", "sst_20180102.tif", "sst_20190101.tif"],
    }],
    references: &["docs/decisions.md: set algebra"],
};
