//! One of several parts of a registry.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/shard.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "shard",
    kind: Kind::Macro,
    summary: "The k-th of n parts of a registry, whole files or blocks together.",
    parameters: &[
        Parameter {
            name: "registry",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with `path`, or with a `block` of its own, and `win`: as `patch_registry` gives it.",
        },
        Parameter { name: "k", types: "BIGINT", given: Given::Required, meaning: "Which part, from 0." },
        Parameter { name: "n", types: "BIGINT", given: Given::Required, meaning: "Of how many." },
    ],
    columns: &[column(
        "path",
        "VARCHAR",
        "With it all columns of the registry, rows in its order. A row goes where its block goes, without one where its file goes; parts hold about as many pixels each, and each row is in one part. The same rows give the same parts, whatever their order.",
    )],
    nulls: "A row without a `win` counts as one pixel.",
    errors: &[
        "k: no whole number from 0 to n - 1",
        "n: below 1, or above the files or blocks that there are",
        "registry: a row without both a path and a block",
    ],
    examples: &[Example {
        title: "Three files for two workers",
        sql: "WITH rows AS (SELECT path, win FROM geo_catalog_build('test/data/small/sst*.tif'), (SELECT win FROM geo_patch_grid('test/data/small/land.tif', size := 18)))\n\
              SELECT parse_filename(path) AS file, count(*) AS patches FROM geoquilt.shard('rows', 0, 2) GROUP BY ALL ORDER BY ALL;",
        rows: &["sst_20180101.tif\t2", "sst_20190101.tif\t2"],
    }],
    references: &["torch.utils.data.DataLoader: worker_info"],
};
