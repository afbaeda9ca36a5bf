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
