//! The rows of a catalog that meet a box or a shape, and an interval.

use crate::bridge::doc::{Example, FunctionDoc, Kind, named};
use crate::bridge::record::text;
use crate::sql::shared::catalogs::{ALL, AMISS, CATALOG};
use crate::sql::shared::shapes::BOX;
use crate::sql::shared::slice_value::SLICE;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/catalog_query.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "catalog_query",
    kind: Kind::Macro,
    summary: "The rows of a catalog that meet a box or a shape, and an interval.",
    parameters: &[
        CATALOG,
        named(
            "bbox",
            text![BOX, " | DOUBLE[]"],
            "NULL",
            "A box, or its four numbers in that order; of longitudes with xmin > xmax it crosses the antimeridian. Touching counts.",
        ),
        named(
            "crs",
            "VARCHAR",
            "NULL",
            "CRS of `bbox` or `geometry`, which are projected to the catalog's; NULL is that of the geometry's type, or `OGC:CRS84`.",
        ),
        named("t_min", "TIMESTAMP", "NULL", "Start, inside; NULL is open."),
        named(
            "t_max",
            "TIMESTAMP",
            "NULL",
            "Stop, inside; NULL is open. A day without a time of day (`'2023-06-30'`) is meant whole.",
        ),
        named("geometry", "GEOMETRY", "NULL", "Instead of a box: a shape, as a GEOMETRY or as WKT."),
        named(
            "slice",
            SLICE,
            "NULL",
            "Instead of a box, and of times: a slice as `geo_slice` makes it, with its box, its CRS and its interval, so that the files of a read are those that meet what it fills. `t_min` and `t_max` may narrow it.",
        ),
    ],
    columns: &[ALL],
    nulls: "Rows with a NULL geometry meet no area. Undated rows (NULL, NULL) meet every interval.",
    errors: &[
        AMISS,
        "bbox: no box and no list of four numbers, a NULL corner, or in disorder; geometry: empty, or given beside a box",
        "crs: PROJ does not know it, the area lies off the globe in degrees, or the catalog's CRS does not reach so far",
        "t_max: before t_min",
        "slice: beside a box, a geometry or a crs; no slice",
    ],
    examples: &[
        Example {
            title: "A box in UTM metres and a day, of a catalog in longitude and latitude",
            sql: "WITH files AS (FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<date>\\d{8})'))\n\
                  SELECT parse_filename(path) AS file FROM geoquilt.catalog_query('files', bbox := {xmin: 400000, ymin: 4000000, xmax: 600000, ymax: 4200000}, crs := 'EPSG:32632', t_min := '2018-01-02', t_max := '2018-01-02');",
            rows: &["sst_20180102.tif"],
        },
        Example {
            title: "Everything from a day on, that meets a shape",
            sql: "WITH files AS (FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<date>\\d{8})'))\n\
                  SELECT parse_filename(path) AS file FROM geoquilt.catalog_query('files', geometry := 'POLYGON ((0 0, 9 0, 0 9, 0 0))', t_min := '2018-06-01');",
            rows: &["sst_20190101.tif"],
        },
        Example {
            title: "The files that a slice is filled from",
            sql: "WITH files AS (FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<date>\\d{8})'))\n\
                  SELECT parse_filename(path) AS file FROM geoquilt.catalog_query('files', slice := geo_slice({xmin: 0, ymin: 0, xmax: 20, ymax: 20}, 10, 'EPSG:4326', '2018-01-02', '2018-12-31'));",
            rows: &["sst_20180102.tif"],
        },
    ],
    references: &[
        "geopandas.sjoin and IntervalIndex.overlaps(closed = 'both')",
        "docs/decisions.md: set algebra",
    ],
};
