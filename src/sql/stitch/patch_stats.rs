//! `geoquilt.patch_stats`: statistics of the training pixels of a registry.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::sql::stitch::stats::{MERGEABLE, STATS};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/patch_stats.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "patch_stats",
    kind: Kind::Macro,
    summary: "Statistics of the pixels of a registry's rows, of the training rows unless told.",
    parameters: &[
        Parameter {
            name: "registry",
            types: "TABLE",
            given: Given::Required,
            meaning: "Rows with `path`, `win` and `split`, such as `geoquilt.patch_registry` gives: a table, view, CTE or Parquet file, by name.",
        },
        named("split", "VARCHAR", "'train'", "The rows that count: those whose `split` is this."),
        named(
            "once",
            "BOOLEAN",
            "false",
            "Count each pixel of a file once, however many windows hold it. A window beyond its raster counts nothing then.",
        ),
        MERGEABLE,
    ],
    columns: &[column(
        "stats",
        STATS,
        "An entry a band, as `geoquilt.stats` gives it and `geo_normalise` takes it. A pixel counts as often as windows hold it, unless `once`.",
    )],
    nulls: "NULL where no row has the split.",
    errors: &["what read_patch and geoquilt.stats refuse", "a registry without path, win or split"],
    examples: &[
        Example {
            title: "A registry of three days, two of them to learn from",
            sql: "WITH days AS (SELECT file AS path, {row_off: 0, col_off: 0, height: 18, width: 36} AS win,\n\
              \x20 CASE WHEN file LIKE '%2018%' THEN 'train' ELSE 'val' END AS split FROM glob('test/data/small/sst_*.tif'))\n\
              SELECT stats[1].n AS n, stats[1].min AS least, stats[1].max AS most FROM geoquilt.patch_stats('days');",
            rows: &["1278\t0.0\t40.4375"],
        },
        Example {
            title: "Windows that overlap, and each pixel once",
            sql: "WITH half AS (SELECT path, win, 'train' AS split FROM read_patch('test/data/small/sst_20180101.tif', size := 12, stride := 6))\n\
              SELECT a.stats[1].n AS n, o.stats[1].n AS each_once FROM geoquilt.patch_stats('half') AS a, geoquilt.patch_stats('half', once := true) AS o;",
            rows: &["1422\t639"],
        },
    ],
    references: &["geoquilt.stats"],
};
