//! Of the rows of one path, the latest: reads a folder that many writers append to.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/catalog_latest.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "catalog_latest",
    kind: Kind::Macro,
    summary: "Of the rows of one path, the latest: reads a folder that many writers append to.",
    parameters: &[Parameter {
        name: "catalog",
        types: "VARCHAR",
        given: Given::Required,
        meaning: "A relation by name: a table, a view, or Parquet files, as in 'catalog/*.parquet'.",
    }],
    columns: &[
        column("path", "VARCHAR", "Each path once, in order; its row is the one with the latest `modified`."),
        column("modified", "TIMESTAMP", "It and all other columns of the catalog follow."),
    ],
    nulls: "A row without `modified`, as `on_error := 'report'` makes it for a broken file, stands for its path only where no other row does.",
    errors: &["the relation has no path, modified or size"],
    examples: &[Example {
        title: "Two writers saw one file, the second after it had changed",
        sql: "WITH parts AS (\n\
              \x20   SELECT 'a.tif' AS path, 10 AS size, TIMESTAMP '2024-01-01' AS modified UNION ALL\n\
              \x20   SELECT 'a.tif', 12, TIMESTAMP '2024-01-02' UNION ALL\n\
              \x20   SELECT 'b.tif', 10, TIMESTAMP '2024-01-01')\n\
              SELECT path, size FROM geoquilt.catalog_latest('parts');",
        rows: &["a.tif\t12", "b.tif\t10"],
    }],
    references: &["README.md: keeping a catalog"],
};
