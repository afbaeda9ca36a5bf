//! Slices drawn over a catalog.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::sql::shared::catalogs::{ALL, AMISS, CATALOG};
use crate::sql::shared::slice_value::SLICE;
use crate::sql::shared::windows::WIN;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/patch_sample.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "patch_sample",
    kind: Kind::Macro,
    summary: "Draws slices over a catalog, uniform in place and time, rows by their weight.",
    parameters: &[
        CATALOG,
        Parameter {
            name: "n",
            types: "BIGINT",
            given: Given::Required,
            meaning: "How many slices are drawn. A row may be drawn again, and a place too.",
        },
        Parameter {
            name: "size",
            types: "BIGINT | BIGINT[]",
            given: Given::Required,
            meaning: "Height and width of a patch in pixels: one number, or [rows, cols].",
        },
        named(
            "resolution",
            "DOUBLE | DOUBLE[]",
            "the file's",
            "Width of a pixel, or [width, height], in units of `crs`: the grid is then one of its own, from the upper left corner of the footprint's box. Rows whose files have no pixels, such as vector files, need it.",
        ),
        named("crs", "VARCHAR", "the file's", "CRS of the slices; one of your own needs a resolution."),
        named(
            "weight",
            "VARCHAR",
            "'area'",
            "How likely a row is: by the `area` of its footprint (in EPSG:6933), each as likely as any other (`uniform`), or by the numbers of a column that is named, 0 or above.",
        ),
        named(
            "seed",
            "BIGINT",
            "7",
            "Seed of the draw: NumPy's streams. The rows are those of the seed on every machine, whatever the order of the catalog.",
        ),
        named(
            "t",
            "VARCHAR",
            "'row'",
            "`row`: a slice has the interval of its row; `uniform`: an instant of it, each as likely as any other.",
        ),
    ],
    columns: &[
        column("patch_id", "BIGINT", "Number of the draw, from 0."),
        column(
            "slice",
            SLICE,
            "A place of the footprint, which no slice leaves, each as likely as any other: on the file's own pixels, or anywhere where `resolution` is given. (A footprint in another CRS than its file's has chords for edges, which a slice may cross by half a pixel.)",
        ),
        column("win", WIN, "The same as a window of the file; NULL where `resolution` is given."),
        column(
            "left_out",
            "STRUCT(too_small BIGINT, no_footprint BIGINT, no_weight BIGINT)",
            "How many rows of the catalog could not be drawn, by cause; the same in each row.",
        ),
        ALL,
    ],
    nulls: "An undated row, or one that is open at an end, gives slices with its own interval, whatever `t` says.",
    errors: &[
        AMISS,
        "an empty catalog, or one of which no footprint holds a patch",
        "weight: no column, or one with text, negative numbers, NaN, or zeros alone",
        "size, resolution, crs, as geoquilt.patch_slices; n or seed below 0; t: no such word",
    ],
    examples: &[Example {
        title: "Four slices over three files, two times as likely in the last",
        sql: "CREATE TEMP TABLE files AS SELECT *, CASE WHEN path LIKE '%2019%' THEN 4 ELSE 1 END AS liking\n\
              FROM geo_catalog_build('test/data/small/sst_*.tif', filename_regex := '_(?P<date>\\d{8})');\n\
              SELECT patch_id, parse_filename(path) AS file, win.row_off, win.col_off, slice.t_min::DATE AS day\n\
              FROM geoquilt.patch_sample('files', 4, 6, weight := 'liking', t := 'uniform');",
        rows: &[
            "0\tsst_20190101.tif\t11\t23\t2019-01-01",
            "1\tsst_20190101.tif\t3\t8\t2019-01-01",
            "2\tsst_20190101.tif\t9\t30\t2019-01-01",
            "3\tsst_20180102.tif\t6\t6\t2018-01-02",
        ],
    }],
    references: &[
        "torchgeo.samplers.RandomGeoSampler; georeader: random_geo_sampler",
        "numpy.random.Generator.choice, integers",
    ],
};
