//! A catalog with the equal-area block that each row's centre lies in.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::sql::shared::catalogs::{ALL, AMISS, CATALOG};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/spatial_blocks.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "spatial_blocks",
    kind: Kind::Macro,
    summary: "A catalog with the equal-area block that each row's centre lies in.",
    parameters: &[
        CATALOG,
        Parameter {
            name: "size",
            types: "DOUBLE",
            given: Given::Required,
            meaning: "Side of a block in kilometres, 0.1 to 40000, in the cylindrical equal-area grid EPSG:6933.",
        },
        named("folds", "BIGINT", "NULL", "Blocks are dealt to so many folds of about as many rows each."),
        named("seed", "BIGINT", "7", "Blocks of as many rows are dealt in an order drawn by it."),
    ],
    columns: &[
        ALL,
        column(
            "block",
            "BIGINT",
            "Number of the block. Split by it, never by row: neighbours then stay together. Footprints near an edge may reach into the next block; choose blocks much larger than footprints, or split the patches with `patch_registry`, which keeps them apart.",
        ),
        column("fold", "BIGINT", "With folds: 0 to k - 1, one for a block."),
    ],
    nulls: "NULL for a row with a NULL or empty geometry, and the fold without folds.",
    errors: &[
        AMISS,
        "size: outside 0.1 to 40000",
        "folds: below 2, or above the blocks that there are",
        "seed: below 0",
    ],
    examples: &[Example {
        title: "Whole-globe files have one centre",
        sql: "WITH files AS (FROM geo_catalog_build('test/data/small/sst*.tif'))\n\
              SELECT block, count(*) AS files FROM geoquilt.spatial_blocks('files', 1000) GROUP BY block;",
        rows: &["262\t3"],
    }],
    references: &["EPSG:6933: NSIDC EASE-Grid 2.0 Global", "docs/examples.md: folds"],
};
