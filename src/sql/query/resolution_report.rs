//! What a query's box holds of each variable, and what is asked for.

use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::sql::query::query_samples::{CATALOG, QUERIES, SIZES};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/resolution_report.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "resolution_report",
    kind: Kind::Macro,
    summary: "How many pixels a query's box holds of each variable, and how many are asked.",
    parameters: &[CATALOG, QUERIES, SIZES],
    columns: &[
        column("variable", "VARCHAR", "Each of the catalog, sorted."),
        column("native_resolution", "DOUBLE[]", "Height and width of a pixel, by the first file."),
        column(
            "native_pixels",
            "BIGINT[]",
            "Rows and columns of the mean box of the queries, halves to even.",
        ),
        column("asked_pixels", "BIGINT[]", "Those of `sizes`, else the variable's own."),
        column("ratio", "DOUBLE[]", "asked / native: above 1 pixels are made up, below 1 detail is lost."),
    ],
    nulls: "NULL of a variable whose files have no transform.",
    errors: &["catalog or queries: not there, or a column is missing"],
    examples: &[Example {
        title: "Boxes of 40 degrees",
        sql: "WITH files AS (SELECT *, 'sst' AS variable FROM geo_catalog_build('test/data/small/sst*.tif')),\n\
              \x20    queries AS (FROM geo_eval_queries(size := 40, t_min := '2018-01-01', t_max := '2018-01-01', bbox := {xmin: -80, ymin: -40, xmax: 80, ymax: 40}))\n\
              FROM geoquilt.resolution_report('files', 'queries', sizes := {'default': [64, 64]});",
        rows: &["sst\t[10.0, 10.0]\t[4, 4]\t[64, 64]\t[16.0, 16.0]"],
    }],
    references: &["OceanTACO: resolution summary"],
};
