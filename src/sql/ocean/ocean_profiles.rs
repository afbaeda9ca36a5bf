//! The profiles of an ocean package.

use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::sql::ocean::ocean_grid::ROOT;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/ocean_profiles.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "ocean_profiles",
    kind: Kind::Macro,
    summary: "The profiles of an ocean package on its levels, in degrees Celsius.",
    parameters: &[ROOT],
    columns: &[
        column("profile_id", "BIGINT", "Number in the store, from 0."),
        column("path", "VARCHAR", "The store that the manifest names as `argo.path`."),
        column("lon", "DOUBLE", "Degrees."),
        column("lat", "DOUBLE", "Degrees."),
        column("date", "DATE", "`profile_date`; NULL where that is not a day, as 0."),
        column("row", "BIGINT", "`grid_row`: the row of the package's grid that it lies in."),
        column("col", "BIGINT", "`grid_col`."),
        column("depth", "DOUBLE[]", "Metres, as the store has them."),
        column(
            "temp",
            "FLOAT[]",
            "A value a level of `depth_axis`, degrees C, decoded in FLOAT as NumPy does; NULL where `argo_temp_valid` is false.",
        ),
    ],
    nulls: "A profile without a value on any level has a list of NULLs.",
    errors: &[
        "root: as geo_ocean_manifest",
        "a store that lacks argo_temp_kelvin_uint8, argo_temp_valid, profile_date, grid_row, grid_col or glorys_depth, or has another number of levels than depth_axis_m",
    ],
    examples: &[Example {
        title: "Two profiles",
        sql: "SELECT profile_id, date, \"row\", col, [round(t::DOUBLE, 2) FOR t IN temp] AS temp\n\
              FROM geoquilt.ocean_profiles('test/data/small/ocean_package') WHERE list_count(temp) = 4 LIMIT 2;",
        rows: &[
            "6\t2017-12-28\t32\t37\t[16.0, 15.55, 15.25, 14.95]",
            "7\t2018-01-06\t26\t4\t[29.31, 29.76, 29.31, 28.87]",
        ],
    }],
    references: &["PyPI depth-recon: ArgoGeoTIFFProfileStore.load_temperature_profiles"],
};
