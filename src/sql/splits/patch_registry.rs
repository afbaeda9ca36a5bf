//! Crosses patches with dates and splits them without leaking pixels.

use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter, named};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/patch_registry.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "patch_registry",
    kind: Kind::Macro,
    summary: "Crosses patches with dates and splits them without leaking pixels.",
    parameters: &[
        Parameter {
            name: "grid",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name (table, view, CTE, Parquet path) with `patch_id` and `win`, and `bbox`, `crs` and `is_partial` as `geo_patch_grid` gives them; rows with status `rejected` are left out.",
        },
        Parameter {
            name: "dates",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name: a catalog (`path`, `t_min`, `t_max`) of files on the grid's raster, or any with a column `date`. An array file of the catalog stands for the steps of its time axis (`time_var`), a date each. Of NetCDF and HDF5 files with several variables, build it of one: `geo_catalog_build(..., variables := ['sst'])`.",
        },
        named("val_year", "INTEGER | INTEGER[]", "NULL", "Dates of this year, or of these, are validation."),
        named(
            "val_fraction",
            "DOUBLE",
            "0.2",
            "Without val_year and folds: this share of the patches, drawn by `seed`, is validation on every date; at least one patch is left on each side. 0 for none.",
        ),
        named(
            "test_year",
            "INTEGER | INTEGER[]",
            "NULL",
            "Dates of this year, or of these, are test, whatever the patch.",
        ),
        named("test_fraction", "DOUBLE", "0", "This share of the patches is test, drawn after those of val."),
        named(
            "folds",
            "BIGINT",
            "NULL",
            "Instead of val: patches, or blocks, are dealt to so many folds of about as many patches each.",
        ),
        named(
            "block",
            "DOUBLE",
            "NULL",
            "Side of an equal-area block in kilometres, as in `geo_block`: patches whose centres share one go to one split whole, and those that share pixels with another split are in none.",
        ),
        named(
            "min_gap",
            "DOUBLE",
            "NULL",
            "Metres between the edges of windows: patches nearer than that to those of another split are in none. On the sphere for degrees, else in the CRS's own plane. Test keeps its patches, then val, and train gives way.",
        ),
        named(
            "coverage",
            "VARCHAR",
            "NULL",
            "A relation by name with a column `variable` and times as in `dates`: a date stays when there is a row of it for each variable. An undated row is there at any time.",
        ),
        named(
            "coverage_by",
            "VARCHAR",
            "'day'",
            "`day`: the row's date is that day. `interval`: its interval meets that of the date, as for monthly files.",
        ),
        named(
            "require_support",
            "STRUCT",
            "NULL",
            "Such as `{train: false, val: true}`: rows of that split stay where there is support, a number above 0 or true.",
        ),
        named(
            "support_in",
            "VARCHAR",
            "NULL",
            "A relation by name with `patch_id`, `date` and `support`, which is summed; what it does not name has none. Without it a column `support` of `dates` counts, else one of `grid`.",
        ),
        named(
            "include_rejected",
            "BOOLEAN",
            "false",
            "Rows without coverage or support are given too, as split `rejected`: `GROUP BY split, cause` counts them.",
        ),
        named(
            "seed",
            "BIGINT",
            "7",
            "Seed of the draw: `numpy.random.default_rng(seed).permutation(n)` over the patches by id, or over the blocks by number.",
        ),
    ],
    columns: &[
        Column { name: "patch_id", types: "BIGINT", meaning: "The grid's." },
        Column { name: "date", types: "DATE", meaning: "Day of `t_min`, UTC." },
        Column {
            name: "split",
            types: "VARCHAR",
            meaning: "`train`, `val`, `test`, `buffer` for a patch that lies too near to another split, or `rejected`. With folds all but test train: whoever trains holds a fold out.",
        },
        Column { name: "fold", types: "BIGINT", meaning: "With folds: 0 to k - 1." },
        Column {
            name: "buffer_folds",
            types: "BIGINT[]",
            meaning: "With folds: the other folds that the patch lies too near to. Where fold 2 is held out, `fold <> 2 AND NOT list_contains(buffer_folds, 2)` trains.",
        },
        Column {
            name: "split_by",
            types: "VARCHAR",
            meaning: "What keeps the row from those of other splits, `time` or `place`: `patch_leakage` goes by it.",
        },
        Column {
            name: "cause",
            types: "VARCHAR",
            meaning: "Why a row is in no split: `overlap` or `min_gap` of a buffer, `coverage: ` and the variables that are missing, `support`.",
        },
        Column {
            name: "block",
            types: "BIGINT",
            meaning: "With block: its number. A column of the grid by one of these names gives way.",
        },
        Column { name: "support", types: "DOUBLE", meaning: "What there is of it." },
        Column {
            name: "t_min",
            types: "TIMESTAMP",
            meaning: "Start of the file's interval, UTC; of a step of a cube the step's own, by its bounds.",
        },
        Column { name: "t_max", types: "TIMESTAMP", meaning: "Its stop, inside." },
        Column {
            name: "path",
            types: "VARCHAR",
            meaning: "The file; NULL when `dates` has none. Of a catalog of one variable of NetCDF or HDF5 files, that variable, such as `NETCDF:\"cube.nc\":sst`, which `read_patch` and `read_array` take.",
        },
        Column {
            name: "time",
            types: "TIMESTAMP",
            meaning: "Of a step of an array file's time axis: its time there, UTC.",
        },
        Column {
            name: "isel",
            types: "STRUCT(time BIGINT, y BIGINT[], x BIGINT[])",
            meaning: "Of such a step: its index, and the window's rows and columns as the file stores them, cut at its edges: what `read_array` takes. `FROM read_patch(registry)` reads the bands of that step, rows from north to south.",
        },
        Column {
            name: "win",
            types: "STRUCT(row_off BIGINT, col_off BIGINT, height BIGINT, width BIGINT, step BIGINT)",
            meaning: "The window, with the index of the step that the row is of, where it is one of a cube: `read_patch(path, win)` reads its bands alone. It and all other columns of the grid follow. Rows come date by date, patches by id.",
        },
    ],
    nulls: "A file without a time cannot be split by year; without val_year its date is NULL.",
    errors: &[
        "patches overlap, and neither a year nor block nor min_gap keeps them apart: a split by patch would put the same pixels into train and val",
        "grid: a patch_id stands in several rows, as in a registry; no column `patch_id` or `win`",
        "dates: a file's CRS, pixel size or origin is not the grid's, by 1/20 of a pixel, or a patch that is not `is_partial` goes beyond it",
        "two ways to split: a fraction beside the year of the same split, folds beside val, val_year beside test_fraction, block or min_gap beside years alone",
        "fractions outside [0, 1] or together above 1; folds below 2, or above the patches or blocks that there are; block outside 0.1 to 40000; a negative min_gap or seed",
        "block or min_gap: a grid without `bbox`, or in several CRSs; blocks so large, or a gap so wide, that a split is left empty: with how many patches each has",
        "val_year or test_year: no date, or every date, lies in it; dates: a row that is undated or spans the edge of such a year",
        "coverage: no variable named, or no date of a split that has all of them; require_support: no `support` anywhere, or none in a whole split",
    ],
    examples: &[
        Example {
            title: "Two patches, three dates, validation in 2019",
            sql: "WITH grid AS (FROM geo_patch_grid('test/data/small/land.tif', size := 18)),\n\
                  \x20    files AS (FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<date>\\d{8})'))\n\
                  SELECT patch_id, date, split FROM geoquilt.patch_registry('grid', 'files', val_year := 2019);",
            rows: &[
                "0\t2018-01-01\ttrain",
                "1\t2018-01-01\ttrain",
                "0\t2018-01-02\ttrain",
                "1\t2018-01-02\ttrain",
                "0\t2019-01-01\tval",
                "1\t2019-01-01\tval",
            ],
        },
        Example {
            title: "A split by patch, as NumPy draws it",
            sql: "WITH grid AS (FROM geo_patch_grid('test/data/small/land.tif', size := 6)),\n\
                  \x20    days AS (SELECT DATE '2018-01-01' AS date)\n\
                  SELECT split, list(patch_id ORDER BY patch_id) AS patches FROM geoquilt.patch_registry('grid', 'days') GROUP BY split ORDER BY split;",
            rows: &["train\t[0, 1, 2, 4, 5, 7, 9, 10, 11, 12, 13, 15, 16, 17]", "val\t[3, 6, 8, 14]"],
        },
        Example {
            title: "Blocks of 5000 km, and 200 km between splits",
            sql: "WITH grid AS (FROM geo_patch_grid('test/data/small/land.tif', size := 3, stride := 1)),\n\
                  \x20    days AS (SELECT DATE '2018-01-01' AS date)\n\
                  SELECT split, cause, count(*) AS patches FROM geoquilt.patch_registry('grid', 'days', test_fraction := 0.2, block := 5000, min_gap := 200000) GROUP BY ALL ORDER BY ALL;",
            rows: &[
                "buffer\tmin_gap\t135",
                "buffer\toverlap\t204",
                "test\tNULL\t116",
                "train\tNULL\t44",
                "val\tNULL\t45",
            ],
        },
    ],
    references: &[
        "The production dataset: PyPI depth-recon, dataset_argo_geotiff_gridded.py",
        "docs/decisions.md: splits",
    ],
};
