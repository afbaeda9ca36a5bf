//! Regions of the production dataset whose patches may hold more land.

use crate::bridge::doc::{Column, Example, FunctionDoc, Kind};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/ocean_regions.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "ocean_regions",
    kind: Kind::Macro,
    summary: "The four regions of the production dataset whose patches may hold more land.",
    parameters: &[],
    columns: &[
        Column {
            name: "name",
            types: "VARCHAR",
            meaning: "`mediterranean`, `baltic`, `red_sea`, `hudson_bay`.",
        },
        Column { name: "xmin", types: "DOUBLE", meaning: "West side, degrees." },
        Column { name: "ymin", types: "DOUBLE", meaning: "South side." },
        Column { name: "xmax", types: "DOUBLE", meaning: "East side." },
        Column { name: "ymax", types: "DOUBLE", meaning: "North side." },
        Column {
            name: "max_land_fraction",
            types: "DOUBLE",
            meaning: "The cap of land of a patch whose centre lies within. For `geo_patch_grid`: `SET VARIABLE regions = (SELECT list(r) FROM geoquilt.ocean_regions() AS r)`, then `force_include := getvariable('regions')`.",
        },
    ],
    nulls: "No value is NULL.",
    errors: &["none"],
    examples: &[Example {
        title: "The preset",
        sql: "FROM geoquilt.ocean_regions();",
        rows: &[
            "mediterranean\t-6.0\t30.0\t37.0\t46.0\t0.6",
            "baltic\t9.0\t53.0\t31.0\t66.0\t0.85",
            "red_sea\t32.0\t12.0\t44.0\t30.0\t0.85",
            "hudson_bay\t-96.0\t50.0\t-74.0\t65.0\t0.95",
        ],
    }],
    references: &["The production dataset: dataset.grid.force_include_regions"],
};
