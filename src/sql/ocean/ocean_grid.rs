//! The patch grid of an ocean package.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/ocean_grid.sql");

/// The package's folder.
pub const ROOT: Parameter = Parameter {
    name: "root",
    types: "VARCHAR",
    given: Given::Required,
    meaning: "The package's folder, a constant.",
};
/// What a grid is made by.
pub const GRID: [Parameter; 4] = [
    named("size", "BIGINT", "128", "Rows and columns of a patch."),
    named(
        "stride",
        "BIGINT",
        "32",
        "Rows and columns from one patch to the next; the last of an axis is moved inward.",
    ),
    named("max_land_fraction", "DOUBLE", "0.3", "Patches with a larger share of land are rejected."),
    named(
        "regions",
        "STRUCT(name VARCHAR, xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE, max_land_fraction DOUBLE)[]",
        "ocean_regions()",
        "Regions with a cap of their own, as `force_include` of `geo_patch_grid`; `[]` for none.",
    ),
];

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "ocean_grid",
    kind: Kind::Macro,
    summary: "The patch grid of an ocean package, over its land mask.",
    parameters: &[
        ROOT,
        GRID[0],
        GRID[1],
        GRID[2],
        GRID[3],
        named("include_rejected", "BOOLEAN", "false", "Give rejected patches too, with their status."),
    ],
    columns: &[column(
        "...",
        "ANY",
        "As geo_patch_grid gives them over the mask. It does not depend on any date.",
    )],
    nulls: "NULL for regions is not given; a NULL root is an error.",
    errors: &[
        "root: as geo_ocean_manifest",
        "max_land_fraction: rejects all patches; size: larger than the mask; regions: as force_include of geo_patch_grid",
    ],
    examples: &[Example {
        title: "Kept, forced and rejected",
        sql: "SELECT status, force_region, count(*) AS patches\n\
              FROM geoquilt.ocean_grid('test/data/small/ocean_package', size := 8, stride := 2, include_rejected := true) GROUP BY ALL ORDER BY ALL;",
        rows: &[
            "forced\tbaltic\t6",
            "forced\thudson_bay\t6",
            "forced\tmediterranean\t1",
            "forced\tred_sea\t4",
            "kept\tNULL\t450",
            "rejected\tNULL\t373",
        ],
    }],
    references: &["PyPI depth-recon: _build_land_mask_patch_table"],
};
