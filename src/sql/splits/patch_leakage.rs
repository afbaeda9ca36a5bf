//! What rows of different splits share.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/patch_leakage.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "patch_leakage",
    kind: Kind::Macro,
    summary: "The pairs of different splits that share pixels or times, or lie too near.",
    parameters: &[
        Parameter {
            name: "registry",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with `split`, places (`bbox` and `crs`, or `win` on one raster) and times (`t_min` and `t_max`, or `date`), as `patch_registry` gives it. Splits `buffer` and `rejected` do not count; where there is a `fold` it is the split.",
        },
        named(
            "min_gap",
            "DOUBLE",
            "NULL",
            "Metres that are to lie between places of different splits, measured as `patch_registry` does.",
        ),
        named(
            "rule",
            "VARCHAR",
            "NULL",
            "What is forbidden: `place`: a place shared, whatever the times; `time`: a time shared, whatever the place; `either`: both shared at once. Unless given, the column `split_by` tells, by `time` where it says so of either row; rows without are `either`.",
        ),
    ],
    columns: &[
        column(
            "cause",
            "VARCHAR",
            "`pixels`: places overlap; `near`: they lie nearer than min_gap; `time`: intervals meet, ends included.",
        ),
        column("split", "VARCHAR", "One split, or `fold 0`."),
        column("other_split", "VARCHAR", "The other."),
        column(
            "patch_id",
            "ANY",
            "Of a shared place: the patch of the one. Each pair of places, and of times, is told once, whatever the number of rows.",
        ),
        column("other_patch_id", "ANY", "The patch of the other."),
        column("t_min", "TIMESTAMP", "Of a shared time: the start of the one's interval."),
        column("other_t_min", "TIMESTAMP", "The start of the other's."),
        column(
            "distance",
            "DOUBLE",
            "Metres between the edges of two places; NULL without a CRS. No row means that the registry is sound.",
        ),
    ],
    nulls: "A row without a split and a fold is passed over. An undated row is of any time.",
    errors: &[
        "registry: no row has a split or a fold",
        "min_gap: below 0, beside rule := 'time', or without `bbox` and `crs`",
        "rule: none of `place`, `time`, `either`",
        "more than 20,000,000 pairs of places",
    ],
    examples: &[
        Example {
            title: "A registry is sound",
            sql: "WITH grid AS (FROM geo_patch_grid('test/data/small/land.tif', size := 3, stride := 1)),\n\
                  \x20    days AS (SELECT DATE '2018-01-01' AS date),\n\
                  \x20    registry AS (FROM geoquilt.patch_registry('grid', 'days', block := 5000, min_gap := 200000))\n\
                  SELECT count(*) AS leaks FROM geoquilt.patch_leakage('registry', min_gap := 200000);",
            rows: &["0"],
        },
        Example {
            title: "Files as patches of their own: two share ground",
            sql: "WITH rows AS (\n\
                  \x20   SELECT i AS patch_id, {xmin: i * 10, ymin: 0, xmax: i * 10 + 12, ymax: 10} AS bbox, 'EPSG:32632' AS crs, CASE WHEN i < 2 THEN 'train' ELSE 'val' END AS split\n\
                  \x20   FROM range(4) t(i))\n\
                  SELECT cause, split, other_split, patch_id, other_patch_id, distance FROM geoquilt.patch_leakage('rows', min_gap := 9, rule := 'place');",
            rows: &[
                "near\ttrain\tval\t0\t2\t8.0",
                "near\ttrain\tval\t1\t3\t8.0",
                "pixels\ttrain\tval\t1\t2\t0.0",
            ],
        },
    ],
    references: &[
        "Roberts et al., Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic structure, 2017",
    ],
};
