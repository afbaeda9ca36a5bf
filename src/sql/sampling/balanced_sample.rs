//! Rows whose classes are even together.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/balanced_sample.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "balanced_sample",
    kind: Kind::Macro,
    summary: "Takes rows whose classes sum to shares as even as they can be.",
    parameters: &[
        Parameter {
            name: "relation",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name. Its rows are counted in the order in which they come.",
        },
        Parameter {
            name: "fractions",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "The name of a column of MAPs from class to share, as `geo_class_fractions` gives them.",
        },
        Parameter {
            name: "n",
            types: "BIGINT",
            given: Given::Required,
            meaning: "How many rows are taken, none of them twice.",
        },
        named(
            "seed",
            "BIGINT",
            "7",
            "Seed of the rows that the search begins with: another one takes other rows.",
        ),
    ],
    columns: &[
        column(
            "reached",
            "MAP(VARCHAR, DOUBLE)",
            "What was reached, the same in each row: the share of each class in the sum of all. The columns of the relation stand before it, and its rows in their order.",
        ),
        column(
            "off_even",
            "DOUBLE",
            "The largest departure of a class from an even share, as a part of that: 0.01 is one percent, which is reached where the rows allow it.",
        ),
    ],
    nulls: "A row whose MAP is NULL or empty is never taken.",
    errors: &[
        "fractions: no column (those that are there are listed), no MAP, or a share that is negative, NaN or infinite",
        "n: NULL, below 1, or above the rows that have classes; a negative seed",
    ],
    examples: &[Example {
        title: "Patches half of land and half of sea",
        sql: "CREATE TEMP TABLE patches AS SELECT patch_id, win, geo_class_fractions('test/data/small/land.tif', win) AS fractions\n\
              FROM geo_patch_grid('test/data/small/land.tif', size := 6, stride := 1);\n\
              SELECT count(*) AS patches, any_value(reached) AS reached, any_value(off_even) < 0.01 AS even FROM geoquilt.balanced_sample('patches', 'fractions', 40);",
        rows: &["40\t{0=0.5, 1=0.5}\ttrue"],
    }],
    references: &["torch.utils.data.WeightedRandomSampler, which weighs whole samples"],
};
