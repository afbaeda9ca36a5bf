//! A name for a registry, made of contents and parameters.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/registry_key.sql");

/// Of each parameter that `patch_registry` has too.
const AS_GIVEN: &str = "As `patch_registry` takes it; of a relation the rows count.";

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "registry_key",
    kind: Kind::ScalarMacro,
    summary: "A name for a registry, made of contents and of every parameter.",
    parameters: &[
        Parameter {
            name: "grid",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "As `patch_registry` takes it; all its rows and columns count, whatever their order.",
        },
        Parameter {
            name: "dates",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "As `patch_registry` takes it; all its rows and columns count.",
        },
        named("val_year", "INTEGER | INTEGER[]", "NULL", AS_GIVEN),
        named("val_fraction", "DOUBLE", "0.2", AS_GIVEN),
        named("test_year", "INTEGER | INTEGER[]", "NULL", AS_GIVEN),
        named("test_fraction", "DOUBLE", "0", AS_GIVEN),
        named("folds", "BIGINT", "NULL", AS_GIVEN),
        named("block", "DOUBLE", "NULL", AS_GIVEN),
        named("min_gap", "DOUBLE", "NULL", AS_GIVEN),
        named("coverage", "VARCHAR", "NULL", AS_GIVEN),
        named("coverage_by", "VARCHAR", "'day'", AS_GIVEN),
        named("require_support", "STRUCT", "NULL", AS_GIVEN),
        named("support_in", "VARCHAR", "NULL", AS_GIVEN),
        named("include_rejected", "BOOLEAN", "false", AS_GIVEN),
        named("seed", "BIGINT", "7", AS_GIVEN),
        named(
            "contents",
            "ANY",
            "NULL",
            "What else the name is to depend on, such as `geo_content_hash` of a mask and of the files.",
        ),
    ],
    columns: &[column(
        "key",
        "VARCHAR",
        "A SHA-256 in hexadecimal. The same contents and parameters have the same key on every machine and engine; instants of a TIMESTAMPTZ are written in the session's time zone.",
    )],
    nulls: "A parameter that is NULL is not given.",
    errors: &["grid, dates, coverage or support_in: a relation that is not there"],
    examples: &[Example {
        title: "Another seed is another registry",
        sql: "WITH grid AS (FROM geo_patch_grid('test/data/small/land.tif', size := 18)),\n\
              \x20    days AS (SELECT DATE '2018-01-01' AS date)\n\
              SELECT geoquilt.registry_key('grid', 'days') = geoquilt.registry_key('grid', 'days', seed := 7) AS same,\n\
              \x20      geoquilt.registry_key('grid', 'days') = geoquilt.registry_key('grid', 'days', seed := 8) AS other;",
        rows: &["true\tfalse"],
    }],
    references: &["FIPS 180-4: SHA-256"],
};
