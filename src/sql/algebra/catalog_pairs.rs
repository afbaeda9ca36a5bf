//! Which boxes of two relations overlap in space and meet in time.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/catalog_pairs.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "catalog_pairs",
    kind: Kind::Macro,
    summary: "Which boxes of two relations overlap in space and meet in time.",
    parameters: &[
        Parameter {
            name: "a",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with `place` (any key), `bbox`, and `t_min`, `t_max` as BIGINT microseconds, NULL where open.",
        },
        Parameter { name: "b", types: "VARCHAR", given: Given::Required, meaning: "Another." },
    ],
    columns: &[
        column("a_place", "ANY", "Key of the row of `a`."),
        column("b_place", "ANY", "Key of the row of `b`. Pairs come in no order, each once."),
    ],
    nulls: "A row with a NULL box has no pair; a NULL time is open.",
    errors: &[],
    examples: &[Example {
        title: "Two boxes that overlap, and one that only touches",
        sql: "WITH a AS (SELECT 1 AS place, {xmin: 0.0, ymin: 0.0, xmax: 2.0, ymax: 2.0} AS bbox, NULL::BIGINT AS t_min, NULL::BIGINT AS t_max),\n\
              \x20    b AS (SELECT unnest([10, 20]) AS place, {xmin: unnest([1.0, 2.0]), ymin: 1.0, xmax: 3.0, ymax: 3.0} AS bbox, 0::BIGINT AS t_min, 9::BIGINT AS t_max)\n\
              FROM geoquilt.catalog_pairs('a', 'b');",
        rows: &["1\t10"],
    }],
    references: &["docs/decisions.md: joins of catalogs"],
};
