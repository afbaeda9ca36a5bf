//! Samples of queries as one batch.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/query_batch.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "query_batch",
    kind: Kind::Macro,
    summary: "Samples of queries as one batch: a row a variable, padded to one shape.",
    parameters: &[Parameter {
        name: "samples",
        types: "VARCHAR",
        given: Given::Required,
        meaning: "A relation by name with `query_id`, `inputs` and `targets`, as `query_samples` gives them: the samples of a batch.",
    }],
    columns: &[
        column("role", "VARCHAR", "`inputs` or `targets`."),
        column("variable", "VARCHAR", "Its name."),
        column(
            "data",
            "FLOAT[]",
            "[sample, row, col], or [sample, step, row, col] of stacks: the samples that have the variable, each with zeros behind its high ends up to the largest; NULL where none has it.",
        ),
        column("shape", "BIGINT[]", "Of `data`."),
        column("lats", "DOUBLE[]", "Those of the first sample."),
        column("lons", "DOUBLE[]", "Those of the first sample."),
        column("kept", "BIGINT[]", "query_id of each sample in `data`."),
        column("dropped", "BIGINT[]", "query_id of each sample that does not have the variable."),
    ],
    nulls: "NULL data, shape, lats and lons of a variable that no sample has. A missing pixel is NULL.",
    errors: &["samples: a variable with and without an axis of steps"],
    examples: &[Example {
        title: "Two sizes in one batch, and a sample without the variable",
        sql: "WITH samples AS (SELECT * FROM (VALUES\n\
              \x20   (7, MAP {'a': {data: [1, 2]::FLOAT[], shape: [1, 2], lats: [0.5::DOUBLE], lons: [0.5::DOUBLE, 1.5]}}),\n\
              \x20   (8, MAP {'a': NULL}),\n\
              \x20   (9, MAP {'a': {data: [3, 4]::FLOAT[], shape: [2, 1], lats: [1.5::DOUBLE, 0.5], lons: [0.5::DOUBLE]}})) AS s(query_id, inputs),\n\
              \x20   (SELECT MAP {}::MAP(VARCHAR, STRUCT(data FLOAT[], shape BIGINT[], lats DOUBLE[], lons DOUBLE[])) AS targets))\n\
              SELECT variable, data, shape, kept, dropped FROM geoquilt.query_batch('samples');",
        rows: &["a\t[1.0, 2.0, 0.0, 0.0, 3.0, 0.0, 4.0, 0.0]\t[2, 2, 2]\t[7, 9]\t[8]"],
    }],
    references: &["OceanTACO: collate_ocean_samples"],
};
