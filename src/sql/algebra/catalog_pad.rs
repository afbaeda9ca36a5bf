//! A catalog with every interval made longer at both ends.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::sql::shared::catalogs::{ALL, AMISS, CATALOG};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/catalog_pad.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "catalog_pad",
    kind: Kind::Macro,
    summary: "A catalog with every interval made longer at both ends.",
    parameters: &[
        CATALOG,
        Parameter {
            name: "pad",
            types: "INTERVAL",
            given: Given::Required,
            meaning: "By how much, `INTERVAL 3 DAY`: rows that are loosely of one time then meet in catalog_intersect.",
        },
    ],
    columns: &[
        ALL,
        column("t_min", "TIMESTAMP", "Earlier by the pad."),
        column("t_max", "TIMESTAMP", "Later by the pad."),
    ],
    nulls: "Undated rows stay undated.",
    errors: &[AMISS, "pad: below zero, or NULL"],
    examples: &[Example {
        title: "Pair files of neighbouring days",
        sql: "WITH files AS (FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<date>\\d{8})')),\n\
              \x20    loose AS (FROM geoquilt.catalog_pad('files', INTERVAL 1 DAY))\n\
              SELECT parse_filename(path) AS file, parse_filename(right_path) AS other FROM geoquilt.catalog_intersect('loose', 'files') WHERE path < right_path;",
        rows: &["sst_20180101.tif\tsst_20180102.tif"],
    }],
    references: &["docs/examples.md: SAR and optical"],
};
