//! What is wrong with a catalog, one row a problem; none when it is sound.

use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::sql::shared::catalogs::CATALOG;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/catalog_validate.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "catalog_validate",
    kind: Kind::Macro,
    summary: "What is wrong with a catalog, one row a problem; none when it is sound.",
    parameters: &[CATALOG],
    columns: &[
        column(
            "row",
            "BIGINT",
            "Place of the row, from 0; NULL for a problem of the whole relation, and those come first.",
        ),
        column("path", "VARCHAR", "The row's file."),
        column("column", "VARCHAR", "The column that is amiss."),
        column(
            "problem",
            "VARCHAR",
            "A missing column or one of another type; a NULL or empty geometry; a box that is not the envelope; xmin > xmax; t_min > t_max, or one of them alone; a path that is NULL or stands twice; an unknown schema_version.",
        ),
    ],
    nulls: "A relation of any columns is taken; rows are checked as far as its columns go.",
    errors: &[],
    examples: &[Example {
        title: "A file that is catalogued twice",
        sql: "WITH file AS (FROM geo_catalog_build('test/data/small/sst_20180101.tif')), files AS (FROM file UNION ALL FROM file)\n\
              SELECT \"row\", \"column\", problem FROM geoquilt.catalog_validate('files');",
        rows: &["0\tpath\tstands in 2 rows", "1\tpath\tstands in 2 rows"],
    }],
    references: &[],
};
