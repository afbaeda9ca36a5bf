//! The train rows of hard regions, with a share of easy ones.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/hard_sample.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "hard_sample",
    kind: Kind::Macro,
    summary: "All train rows of hard regions, and so many easy ones that the share is met.",
    parameters: &[
        Parameter {
            name: "registry",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with `split`, `lon_center` and `lat_center`, as `patch_registry` gives it.",
        },
        Parameter {
            name: "regions",
            types: "STRUCT(name VARCHAR, xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE, max_land_fraction DOUBLE)[]",
            given: Given::Required,
            meaning: "Closed boxes of longitudes and latitudes, as `force_include` of `geo_patch_grid` takes them; one with xmin > xmax crosses the antimeridian. A row is hard where its centre lies in one whose max_land_fraction, 0.85 unless given, its `land_fraction` does not exceed.",
        },
        named("hard_fraction", "DOUBLE", "0.75", "The share of hard rows among those of train, above 0."),
        named(
            "seed",
            "BIGINT",
            "7",
            "Of the draw of easy rows: `numpy.random.default_rng(seed).choice(easy, n, replace=False)` over them in the registry's order, with n = n_hard * (1 - f) / f, halves to even.",
        ),
        named(
            "train_only",
            "VARCHAR[]",
            "NULL",
            "Names of forced regions that were added for this run: val and test lose the rows whose `force_region` is one of them, but those that are within the common cap of land (`status` is `kept`).",
        ),
    ],
    columns: &[
        column(
            "hard",
            "BOOLEAN",
            "With all columns of the registry, rows in its order: whether a train row is hard. All other splits pass as they are.",
        ),
        column("easy_missing", "BIGINT", "How many easy rows fewer than asked for there were: 0 as a rule."),
    ],
    nulls: "hard is NULL for rows that are not of train.",
    errors: &[
        "regions: none, a side that is missing, or no train row within",
        "hard_fraction: not above 0 and at most 1; seed: below 0",
    ],
    examples: &[Example {
        title: "Three quarters from the far north",
        sql: "WITH grid AS (FROM geo_patch_grid('test/data/small/land.tif', size := 3)),\n\
              \x20    days AS (SELECT DATE '2018-01-01' AS date),\n\
              \x20    registry AS (FROM geoquilt.patch_registry('grid', 'days'))\n\
              SELECT split, hard, count(*) AS patches FROM geoquilt.hard_sample('registry', [{name: 'arctic', xmin: -180, ymin: 60, xmax: 180, ymax: 90}]) GROUP BY ALL ORDER BY ALL;",
        rows: &["train\tfalse\t3", "train\ttrue\t8", "val\tNULL\t14"],
    }],
    references: &["The production dataset: PyPI depth-recon, dataset_argo_geotiff_gridded.py"],
};
