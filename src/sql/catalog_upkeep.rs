//! Macros that keep a catalog: the latest row of each file, and the columns of this version.

use crate::sql::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};

pub const CATALOG_LATEST_SQL: &str = include_str!("../../sql/catalog_latest.sql");
pub const CATALOG_MIGRATE_SQL: &str = include_str!("../../sql/catalog_migrate.sql");

pub static CATALOG_LATEST: FunctionDoc = FunctionDoc {
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

pub static CATALOG_MIGRATE: FunctionDoc = FunctionDoc {
    name: "catalog_migrate",
    kind: Kind::Macro,
    summary: "Brings a catalog of an earlier schema version to this one.",
    parameters: &[Parameter {
        name: "catalog",
        types: "VARCHAR",
        given: Given::Required,
        meaning: "A relation by name, of schema version 0 or 1. Version 0 has no `schema_version`: rasters only, without `variables`, `time_var`, `n_times`, `t_step` and `layers`.",
    }],
    columns: &[
        column(
            "path",
            "VARCHAR",
            "All columns of geo_catalog_build, in its order, follow; others are left out.",
        ),
        column("kind", "VARCHAR", "`raster` where the catalog has no such column."),
        column("schema_version", "INTEGER", "1"),
    ],
    nulls: "What version 0 did not tell is NULL; `attributes` is then empty.",
    errors: &[
        "a row of a later schema version",
        "a column that every version has is missing: path, geometry, bbox, t_min, t_max, crs, transform, width, height, bands",
    ],
    examples: &[Example {
        title: "A catalog of version 0",
        sql: "WITH old AS (SELECT * EXCLUDE (variables, time_var, n_times, t_step, layers, schema_version)\n\
              \x20            FROM geo_catalog_build('test/data/small/sst_2018*.tif'))\n\
              SELECT parse_filename(path) AS file, kind, width, time_var, schema_version FROM geoquilt.catalog_migrate('old');",
        rows: &["sst_20180101.tif\traster\t36\tNULL\t1", "sst_20180102.tif\traster\t36\tNULL\t1"],
    }],
    references: &["docs/decisions.md: the catalog"],
};
