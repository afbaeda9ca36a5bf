//! Crosses patches with dates and splits them without leaking pixels.

use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};

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
            meaning: "A relation by name: a catalog (`path`, `t_min`, `t_max`) of files on the grid's raster, or any with a column `date`. An array file of the catalog stands for the steps of its time axis (`time_var`), a date each.",
        },
        Parameter {
            name: "val_year",
            types: "INTEGER",
            given: Given::Named("NULL"),
            meaning: "Dates of this year are validation, all others training.",
        },
        Parameter {
            name: "val_fraction",
            types: "DOUBLE",
            given: Given::Named("0.2"),
            meaning: "Without val_year: this share of the patches, drawn by `seed`, is validation on every date; at least one patch is left on each side.",
        },
        Parameter {
            name: "seed",
            types: "BIGINT",
            given: Given::Named("7"),
            meaning: "Seed of the draw: `numpy.random.default_rng(seed).permutation(n)` over the patches by id.",
        },
    ],
    columns: &[
        Column { name: "patch_id", types: "BIGINT", meaning: "The grid's." },
        Column { name: "date", types: "DATE", meaning: "Day of `t_min`, UTC." },
        Column { name: "split", types: "VARCHAR", meaning: "`train` or `val`." },
        Column {
            name: "t_min",
            types: "TIMESTAMP",
            meaning: "Start of the file's interval, UTC; of a step of a cube the step's own, by its bounds.",
        },
        Column { name: "t_max", types: "TIMESTAMP", meaning: "Its stop, inside." },
        Column { name: "path", types: "VARCHAR", meaning: "The file; NULL when `dates` has none." },
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
        "patches overlap and no val_year is given: a split by patch would put the same pixels into train and val",
        "grid: a patch_id stands in several rows, as in a registry; no column `patch_id` or `win`",
        "dates: a file's CRS, pixel size or origin is not the grid's, by 1/20 of a pixel, or a patch that is not `is_partial` goes beyond it",
        "val_fraction outside [0, 1], or given beside val_year",
        "val_year: no date, or every date, lies in that year",
        "val_year, and a file that is undated or spans the edge of that year",
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
    ],
    references: &[
        "The production dataset: PyPI depth-recon, dataset_argo_geotiff_gridded.py",
        "docs/decisions.md: splits",
    ],
};
