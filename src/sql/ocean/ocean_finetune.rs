//! The registry of an ocean package for a run of fine-tuning.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::sql::ocean::ocean_grid::{GRID, ROOT};
use crate::sql::ocean::ocean_registry::REGISTRY;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/ocean_finetune.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "ocean_finetune",
    kind: Kind::Macro,
    summary: "A registry for one run: all train rows of hard regions, a share of easy ones.",
    parameters: &[
        ROOT,
        Parameter {
            name: "hard_regions",
            types: "STRUCT(name VARCHAR, xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE, max_land_fraction DOUBLE)[]",
            given: Given::Required,
            meaning: "As `regions` of `hard_sample`; a cap is 0.85 unless given.",
        },
        named("hard_fraction", "DOUBLE", "0.75", "The share of hard rows among those of train, above 0."),
        named(
            "relax_land_filter",
            "BOOLEAN",
            "true",
            "Patches whose centre lies in a hard region are kept up to its cap, too: in train only, so that validation stays what it is.",
        ),
        named("seed", "BIGINT", "7", "Of the draw of easy rows, as in `hard_sample`."),
        GRID[0],
        GRID[1],
        GRID[2],
        GRID[3],
        REGISTRY[0],
        REGISTRY[1],
        REGISTRY[2],
        REGISTRY[3],
        REGISTRY[4],
    ],
    columns: &[
        column(
            "...",
            "ANY",
            "As ocean_registry, in its order; `force_region` of a patch that a hard region lets in is `hard: ` and the region's name.",
        ),
        column("hard", "BOOLEAN", "Whether a train row is hard; NULL of other splits."),
        column("easy_missing", "BIGINT", "How many easy rows fewer than asked for there were."),
    ],
    nulls: "As ocean_registry.",
    errors: &["as ocean_registry and hard_sample: a hard region without a train row, or without a side"],
    examples: &[Example {
        title: "Three quarters from the Indonesian seas",
        sql: "SELECT split, hard, count(*) AS n_rows FROM geoquilt.ocean_finetune('test/data/small/ocean_package', [{name: 'indonesia', xmin: 90, ymin: -15, xmax: 140, ymax: 15}], size := 8, stride := 4)\n\
              GROUP BY ALL ORDER BY ALL;",
        rows: &["rejected\tNULL\t86", "train\tfalse\t5", "train\ttrue\t16", "val\tNULL\t45"],
    }],
    references: &["The production dataset: fine-tuning"],
};
