//! A catalog with the equal-area block that each row's centre lies in.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
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
    ],
    columns: &[
        ALL,
        column(
            "block",
            "BIGINT",
            "Number of the block. Split folds by it (`block % 5`), never by row: neighbours then stay together. Footprints near an edge may reach into the next block; choose blocks much larger than footprints.",
        ),
    ],
    nulls: "NULL for a row with a NULL or empty geometry.",
    errors: &[AMISS, "size: outside 0.1 to 40000"],
    examples: &[Example {
        title: "Whole-globe files have one centre",
        sql: "WITH files AS (FROM geo_catalog_build('test/data/small/sst*.tif'))\n\
              SELECT block, count(*) AS files FROM geoquilt.spatial_blocks('files', 1000) GROUP BY block;",
        rows: &["262\t3"],
    }],
    references: &["EPSG:6933: NSIDC EASE-Grid 2.0 Global", "docs/examples.md: folds"],
};
