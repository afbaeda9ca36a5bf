//! Brings a catalog of an earlier schema version to this one.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/catalog_migrate.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "catalog_migrate",
    kind: Kind::Macro,
    summary: "Brings a catalog of an earlier schema version to this one.",
    parameters: &[Parameter {
        name: "catalog",
        types: "VARCHAR",
        given: Given::Required,
        meaning: "A relation by name, of schema version 0, 1 or 2. Version 1 has neither `tags` nor `built_with`. Version 0 has no `schema_version` either: rasters only, without `variables`, `time_var`, `n_times`, `t_step` and `layers`.",
    }],
    columns: &[
        column(
            "path",
            "VARCHAR",
            "All columns of geo_catalog_build, in its order, follow; others are left out.",
        ),
        column("kind", "VARCHAR", "`raster` where the catalog has no such column."),
        column("schema_version", "INTEGER", "2"),
        column("tags", "MAP(VARCHAR, VARCHAR)", "NULL in rows of earlier versions: no file is read."),
        column(
            "built_with",
            "STRUCT",
            "NULL in rows of earlier versions: unknown. A build with `previous` reads their files again.",
        ),
    ],
    nulls: "What an earlier version did not tell is NULL; but `attributes` of version 0 is then empty.",
    errors: &[
        "a row of a later schema version",
        "a column that every version has is missing: path, geometry, bbox, t_min, t_max, crs, transform, width, height, bands",
    ],
    examples: &[Example {
        title: "A catalog of version 0",
        sql: "SELECT parse_filename(path) AS file, kind, width, tags, schema_version, built_with\n\
              FROM geoquilt.catalog_migrate('test/data/small/catalog_0.parquet') LIMIT 2;",
        rows: &["land.tif\traster\t36\tNULL\t2\tNULL", "sst_20180101.tif\traster\t36\tNULL\t2\tNULL"],
    }],
    references: &["docs/decisions.md: the catalog"],
};
