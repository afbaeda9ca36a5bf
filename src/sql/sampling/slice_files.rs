//! The files of each slice, by place and time.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::sql::shared::catalogs::{AMISS, CATALOG};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/slice_files.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "slice_files",
    kind: Kind::Macro,
    summary: "The files that lie under each slice and within its interval.",
    parameters: &[
        Parameter {
            name: "slices",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with a column `slice`, as `geoquilt.patch_slices`, `geoquilt.patch_sample` or `geo_slice` give it, in any CRS, also in several.",
        },
        CATALOG,
    ],
    columns: &[
        column(
            "paths",
            "VARCHAR[]",
            "The files that share an area with the slice and an instant with its interval, sorted by `t_min`, then by path; an open end meets everything. All columns of `slices` stand before it, and its rows stay in their order.",
        ),
        column("times", "TIMESTAMP[]", "`t_min` of each: what `read_series(paths, times, slice)` takes."),
    ],
    nulls: "A NULL slice, or one without files, keeps its row, with empty lists.",
    errors: &[
        AMISS,
        "slices: no column `slice`",
        "catalog: no column `path`",
        "a slice that the catalog's CRS does not reach",
    ],
    examples: &[Example {
        title: "Two slices, of which one has the year 2018 alone",
        sql: "WITH files AS (FROM geo_catalog_build('test/data/small/sst_*.tif', filename_regex := '_(?P<date>\\d{8})')),\n\
              \x20    asked AS (SELECT 'all' AS name, geo_slice({xmin: 0, ymin: 0, xmax: 20, ymax: 20}, 1, 'EPSG:4326') AS slice\n\
              \x20              UNION ALL SELECT '2018', geo_slice({xmin: 0, ymin: 0, xmax: 200000, ymax: 200000}, 1000, 'EPSG:6933', '2018', '2018'))\n\
              SELECT name, list_transform(paths, lambda p: parse_filename(p)) AS files, times[1] AS first FROM geoquilt.slice_files('asked', 'files');",
        rows: &[
            "all\t[sst_20180101.tif, sst_20180102.tif, sst_20190101.tif]\t2018-01-01 00:00:00",
            "2018\t[sst_20180101.tif, sst_20180102.tif]\t2018-01-01 00:00:00",
        ],
    }],
    references: &["georeader: load(catalog, slice); docs/decisions.md: joins of catalogs"],
};
