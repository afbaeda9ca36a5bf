//! One place at two dates.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/patch_pairs.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "patch_pairs",
    kind: Kind::Macro,
    summary: "Pairs of rows of one place, two dates apart: an anchor and its positive.",
    parameters: &[
        Parameter {
            name: "registry",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A registry by name, whose places are its `patch_id`, in one `split` where it has that column; or a catalog, whose places are its boxes: the scenes of one tile. It has `t_min`.",
        },
        Parameter {
            name: "min_interval",
            types: "INTERVAL",
            given: Given::Required,
            meaning: "The `t_min` of the two lie at least as far apart; above zero.",
        },
        named(
            "max_interval",
            "INTERVAL",
            "NULL",
            "And at most so far, inside; without it, any distance serves.",
        ),
        named(
            "n",
            "BIGINT",
            "NULL",
            "How many pairs are drawn, each as likely as any other and at most once, in either direction; without it all come, the earlier row first.",
        ),
        named("seed", "BIGINT", "7", "Seed of the draw: `numpy.random.default_rng(seed).choice`."),
    ],
    columns: &[
        column("pair_id", "BIGINT", "Number of the pair, from 0, as it was drawn."),
        column(
            "gap",
            "INTERVAL",
            "From the anchor to the positive: negative where that is the earlier. All columns of the anchor's row follow, and then those of the positive's, as `positive_` and their name.",
        ),
    ],
    nulls: "A row without a place, or whose `t_min` is NULL or infinite, has no pair.",
    errors: &[
        "min_interval: not above zero; max_interval: below it",
        "n: above the pairs that there are (each counts in both directions)",
        "a relation without `t_min`",
    ],
    examples: &[Example {
        title: "A patch of January 2018 and the same a year later",
        sql: "CREATE TEMP TABLE grid AS FROM geo_patch_grid('test/data/small/sst_20180101.tif', size := 9);\n\
              CREATE TEMP TABLE files AS FROM geo_catalog_build('test/data/small/sst_*.tif', filename_regex := '_(?P<date>\\d{8})');\n\
              CREATE TEMP TABLE registry AS FROM geoquilt.patch_registry('grid', 'files', val_fraction := 0);\n\
              SELECT patch_id, date, positive_date FROM geoquilt.patch_pairs('registry', INTERVAL 300 DAY, n := 2);",
        rows: &["7\t2019-01-01\t2018-01-01", "5\t2018-01-01\t2019-01-01"],
    }],
    references: &["SimCLR and its kin: temporal positives"],
};
