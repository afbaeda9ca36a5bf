//! The slices that a grid cuts of each row of a catalog.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::sql::shared::catalogs::{ALL, AMISS, CATALOG};
use crate::sql::shared::slice_value::SLICE;
use crate::sql::shared::windows::WIN;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/patch_slices.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "patch_slices",
    kind: Kind::Macro,
    summary: "Cuts the footprint of each row of a catalog into slices, patch by patch.",
    parameters: &[
        CATALOG,
        Parameter {
            name: "size",
            types: "BIGINT | BIGINT[]",
            given: Given::Required,
            meaning: "Height and width of a patch in pixels: one number, or [rows, cols].",
        },
        named("stride", "BIGINT | BIGINT[]", "size", "Rows and columns from one patch to the next."),
        named(
            "resolution",
            "DOUBLE | DOUBLE[]",
            "the file's",
            "Width of a pixel, or [width, height], in units of `crs`: the grid is then one of its own, from the upper left corner of the footprint's box. Rows whose files have no pixels, such as vector files, need it.",
        ),
        named("crs", "VARCHAR", "the file's", "CRS of the slices; one of your own needs a resolution."),
        named(
            "edge",
            "VARCHAR",
            "'snap'",
            "Where the last window does not fit, as in `geo_patch_grid`: `drop`, `snap`, `overflow`, `center`, `pad`.",
        ),
    ],
    columns: &[
        column(
            "patch_id",
            "BIGINT",
            "Number of the slice, from 0: rows as the catalog has them, row-major in each.",
        ),
        column("slice", SLICE, "The patch: its box, pixels, CRS, and the interval of its row."),
        column(
            "win",
            WIN,
            "The same as a window of the file, for `read_patch` (of array files north-up, for `isel`); NULL where `resolution` is given.",
        ),
        column("is_partial", "BOOLEAN", "The patch hangs over the footprint's rows and columns."),
        ALL,
    ],
    nulls: "A row with a NULL or empty geometry, or one that covers no pixel, has no slice.",
    errors: &[
        AMISS,
        "size, stride: not one or two whole numbers of at least 1; edge: no rule",
        "a footprint smaller than a patch under edge 'snap'",
        "a file without pixels of its own, or with a rotated transform, and no resolution; a crs without one",
        "a footprint that the file's CRS does not reach",
    ],
    examples: &[
        Example {
            title: "A global file in four patches",
            sql: "WITH files AS (FROM geo_catalog_build('test/data/small/sst_20180101.tif'))\n\
                  SELECT patch_id, slice.bbox.xmin, slice.bbox.ymax, win.row_off, win.col_off FROM geoquilt.patch_slices('files', [9, 18]);",
            rows: &[
                "0\t-180.0\t90.0\t0\t0",
                "1\t0.0\t90.0\t0\t18",
                "2\t-180.0\t0.0\t9\t0",
                "3\t0.0\t0.0\t9\t18",
            ],
        },
        Example {
            title: "Patches of 1000 km over what two files share",
            sql: "CREATE TEMP TABLE image AS FROM geo_catalog_build('test/data/small/sst_20180101.tif');\n\
                  CREATE TEMP TABLE label AS FROM geo_catalog_build('test/data/small/regions.geojson');\n\
                  CREATE TEMP TABLE pairs AS FROM geoquilt.catalog_intersect('image', 'label');\n\
                  SELECT count(*) AS slices FROM geoquilt.patch_slices('pairs', 10, resolution := 100000, crs := 'EPSG:6933', edge := 'drop');",
            rows: &["90"],
        },
    ],
    references: &["torchgeo.samplers.GridGeoSampler; georeader: grid_geo_sampler"],
};
