//! The sample of each row of a registry.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::sql::ocean::ocean_grid::ROOT;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/ocean_sample.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "ocean_sample",
    kind: Kind::Macro,
    summary: "The arrays of a training sample for each row of an ocean package's registry.",
    parameters: &[
        ROOT,
        Parameter {
            name: "registry",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with the columns of `ocean_registry`: a batch of its rows, in any order, as all arrays of 2048 rows stand in memory together (`geoquilt_max_chunk_mb`).",
        },
        named(
            "normalise",
            "BOOLEAN",
            "false",
            "Temperatures as the published model takes them: (kelvin - 289.74267) / 10.93340, missing ones `fill`, or 0. The sea level stays in metres.",
        ),
        named(
            "fill",
            "DOUBLE",
            "NULL",
            "What stands where a value is missing, in `eo`, `x` and `y`; masks are not touched.",
        ),
    ],
    columns: &[
        column(
            "eo",
            "FLOAT[]",
            "[2, row, col]: OSTIA in degrees C, then the sea level in metres; NULL where there is none, all of a channel without a file.",
        ),
        column(
            "x",
            "FLOAT[]",
            "[level, row, col]: the profiles that count to the date, degrees C, the mean of those in a cell.",
        ),
        column("y", "FLOAT[]", "[level, row, col]: GLORYS in degrees C; all NULL without a file."),
        column("x_valid_mask", "BOOLEAN[]", "[level, row, col]: where `x` has a value."),
        column("y_valid_mask", "BOOLEAN[]", "[level, row, col]: where `y` has one."),
        column("x_valid_mask_1d", "BOOLEAN[]", "[1, row, col]: where `x` has one on any level."),
        column("y_valid_mask_1d", "BOOLEAN[]", "[1, row, col]: where `y` has one on any level."),
        column(
            "land_mask",
            "FLOAT[]",
            "[1, row, col]: 1 where the sea is, else 0: where `y` has a value on any level; without a file of GLORYS, where OSTIA has one; without both, where the mask is at most 0.5.",
        ),
        column("date", "DATE", "The row's."),
        column("coords", "DOUBLE[]", "Latitude and longitude of the centre."),
        column("shape", "BIGINT[]", "Levels, rows, columns; `depth_axis` has the levels' depths."),
        column("info", "STRUCT", "The registry's row."),
    ],
    nulls: "As said of each column; no list is NULL.",
    errors: &[
        "root: as geo_ocean_manifest and ocean_profiles",
        "registry: lacks win, date, ostia, glorys, sea_level, argo_from, argo_to, lat_center or lon_center",
        "a raster that does not open; a batch of more than geoquilt_aggregate_mb or geoquilt_max_chunk_mb",
    ],
    examples: &[Example {
        title: "What three samples hold",
        sql: "WITH batch AS (FROM geoquilt.ocean_registry('test/data/small/ocean_package', size := 8, stride := 4) WHERE split = 'val' LIMIT 3)\n\
              SELECT info.patch_id AS patch_id, date, shape, list_count(eo) AS eo, list_count(x) AS x, list_count(y) AS y, list_sum(land_mask) AS sea\n\
              FROM geoquilt.ocean_sample('test/data/small/ocean_package', 'batch');",
        rows: &[
            "65\t2018-01-03\t[4, 8, 8]\t124\t4\t245\t62.0",
            "68\t2018-01-03\t[4, 8, 8]\t122\t4\t244\t61.0",
            "85\t2018-01-03\t[4, 8, 8]\t124\t4\t248\t62.0",
        ],
    }],
    references: &[
        "The production dataset: output contract",
        "PyPI depth-recon: ArgoGeoTIFFGriddedPatchDataset.__getitem__",
    ],
};
