//! Rows drawn by a column of weights.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/weighted_sample.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "weighted_sample",
    kind: Kind::Macro,
    summary: "Draws rows of any relation, each as likely as a column says.",
    parameters: &[
        Parameter {
            name: "relation",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name. Its rows are counted in the order in which they come.",
        },
        Parameter {
            name: "weight",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "The name of a column of numbers, 0 or above; NULL is 0.",
        },
        Parameter { name: "n", types: "BIGINT", given: Given::Required, meaning: "How many rows are drawn." },
        named(
            "seed",
            "BIGINT",
            "7",
            "Seed of the draw: `numpy.random.default_rng(seed).choice(len(w), n, replace, w / w.sum())`.",
        ),
        named("replace", "BOOLEAN", "false", "A row may be drawn again."),
    ],
    columns: &[column("...", "ANY", "The columns of the relation. Rows come in the order of the draw.")],
    nulls: "A row whose weight is NULL or 0 is not drawn.",
    errors: &[
        "weight: no column (those that are there are listed), text, a negative number, NaN or infinity, or zeros alone",
        "n: NULL, below 0, or without replacement above the rows whose weight is not 0; a negative seed",
    ],
    examples: &[Example {
        title: "Three rows of four, of which one has no weight",
        sql: "WITH scenes AS (SELECT * FROM (VALUES ('a', 1), ('b', 0), ('c', 10), ('d', 3)) v(name, clear))\n\
              SELECT name FROM geoquilt.weighted_sample('scenes', 'clear', 3);",
        rows: &["c", "d", "a"],
    }],
    references: &["numpy.random.Generator.choice; pandas.DataFrame.sample(weights)"],
};
