//! The levels of an ocean package as a table.

use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/depth_axis.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "depth_axis",
    kind: Kind::Macro,
    summary: "The levels of an ocean package: `depth_axis_m` of its manifest as a table.",
    parameters: &[Parameter {
        name: "root",
        types: "VARCHAR",
        given: Given::Required,
        meaning: "The package's folder.",
    }],
    columns: &[
        Column {
            name: "level",
            types: "BIGINT",
            meaning: "From 0: the first axis of a sample's `x` and `y`, and the bands of a GLORYS raster.",
        },
        Column {
            name: "depth_m",
            types: "DOUBLE",
            meaning: "Metres below the surface, each below the one before it.",
        },
    ],
    nulls: "No row for a NULL root.",
    errors: &["root: as geo_ocean_manifest"],
    examples: &[Example {
        title: "Four levels",
        sql: "FROM geoquilt.depth_axis('test/data/small/ocean_package');",
        rows: &[
            "0\t0.49399998784065247",
            "1\t5.078000068664551",
            "2\t15.8100004196167",
            "3\t29.440000534057617",
        ],
    }],
    references: &["PyPI depth-recon: ArgoGeoTIFFGriddedPatchDataset.depth_axis_m"],
};
