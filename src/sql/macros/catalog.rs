//! The macros that take one catalog: query, extent, coverage, pad, validate, blocks.

use crate::sql::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter, column, named};

pub const CATALOG_QUERY_SQL: &str = include_str!("../../../sql/catalog_query.sql");
pub const CATALOG_EXTENT_SQL: &str = include_str!("../../../sql/catalog_extent.sql");
pub const CATALOG_COVERAGE_SQL: &str = include_str!("../../../sql/catalog_coverage.sql");
pub const CATALOG_PAD_SQL: &str = include_str!("../../../sql/catalog_pad.sql");
pub const CATALOG_VALIDATE_SQL: &str = include_str!("../../../sql/catalog_validate.sql");
pub const SPATIAL_BLOCKS_SQL: &str = include_str!("../../../sql/spatial_blocks.sql");

const CATALOG: Parameter = Parameter {
    name: "catalog",
    types: "VARCHAR",
    given: Given::Required,
    meaning: "A catalog by name: table, view, CTE, temp table, Parquet path, in Python an Arrow table (pandas has no geometry: `ST_GeomFromWKB` first).",
};
const ALL: Column = column("path", "VARCHAR", "With it all columns of the catalog, as they are.");
const AMISS: &str = "catalog: `geometry`, `bbox`, `t_min` or `t_max` is missing or of another type, by name";
const BOX: &str = "STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE)";

pub static CATALOG_QUERY: FunctionDoc = FunctionDoc {
    name: "catalog_query",
    kind: Kind::Macro,
    summary: "The rows of a catalog that meet a box or a shape, and an interval.",
    parameters: &[
        CATALOG,
        named(
            "bbox",
            "STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE) | DOUBLE[]",
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
    ],
    columns: &[ALL],
    nulls: "Rows with a NULL geometry meet no area. Undated rows (NULL, NULL) meet every interval.",
    errors: &[
        AMISS,
        "bbox: no box and no list of four numbers, a NULL corner, or in disorder; geometry: empty, or given beside a box",
        "crs: PROJ does not know it, the area lies off the globe in degrees, or the catalog's CRS does not reach so far",
        "t_max: before t_min",
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
    ],
    references: &[
        "geopandas.sjoin and IntervalIndex.overlaps(closed = 'both')",
        "docs/decisions.md: set algebra",
    ],
};

pub static CATALOG_EXTENT: FunctionDoc = FunctionDoc {
    name: "catalog_extent",
    kind: Kind::Macro,
    summary: "One row: how many files, the box around them, and their interval.",
    parameters: &[CATALOG],
    columns: &[
        column("n", "BIGINT", "Rows."),
        column("n_undated", "BIGINT", "Those without a time."),
        column("geometry", "GEOMETRY", "The box as a polygon, in the catalog's CRS: to plot."),
        column("bbox", BOX, "Around all footprints."),
        column("t_min", "TIMESTAMP", "The first start."),
        column("t_max", "TIMESTAMP", "The last stop."),
    ],
    nulls: "Of a catalog without a footprint or without a date, those are NULL.",
    errors: &[AMISS],
    examples: &[Example {
        title: "What a folder covers",
        sql: "WITH files AS (FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<date>\\d{8})'))\n\
              SELECT n, bbox, t_min, t_max FROM geoquilt.catalog_extent('files');",
        rows: &[
            "3\t{'xmin': -180.0, 'ymin': -90.0, 'xmax': 180.0, 'ymax': 90.0}\t2018-01-01 00:00:00\t2019-01-01 23:59:59.999999",
        ],
    }],
    references: &[],
};

pub static CATALOG_COVERAGE: FunctionDoc = FunctionDoc {
    name: "catalog_coverage",
    kind: Kind::Macro,
    summary: "How many files lie in each cell of a map and each month, to plot.",
    parameters: &[
        CATALOG,
        named(
            "cell",
            "DOUBLE",
            "10",
            "Side of a cell, in units of the catalog's CRS: degrees in longitude and latitude. Cells begin at multiples of it.",
        ),
        named("every", "VARCHAR", "'month'", "`year`, `month` or `day`."),
    ],
    columns: &[
        column("geometry", "GEOMETRY", "The cell as a polygon, in the catalog's CRS."),
        column("bbox", BOX, "The cell."),
        column("period", "DATE", "First day of the period, UTC; NULL counts the undated rows."),
        column(
            "n",
            "BIGINT",
            "Rows whose footprint shares an area with the cell and whose interval meets the period. Periods come in order, cells from the south-west.",
        ),
    ],
    nulls: "Rows with a NULL geometry are not counted.",
    errors: &[AMISS, "cell: not above 0", "every: none of the periods"],
    examples: &[Example {
        title: "Files of each year by quarter of the globe",
        sql: "WITH files AS (FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<date>\\d{8})'))\n\
              SELECT period, count(*) AS cells, max(n) AS files FROM geoquilt.catalog_coverage('files', cell := 90, every := 'year') GROUP BY period ORDER BY period;",
        rows: &["2018-01-01\t8\t2", "2019-01-01\t8\t1"],
    }],
    references: &[],
};

pub static CATALOG_PAD: FunctionDoc = FunctionDoc {
    name: "catalog_pad",
    kind: Kind::Macro,
    summary: "A catalog with every interval made longer at both ends.",
    parameters: &[
        CATALOG,
        Parameter {
            name: "pad",
            types: "INTERVAL",
            given: Given::Required,
            meaning: "By how much, `INTERVAL 3 DAY`: rows that are loosely of one time then meet in catalog_intersect.",
        },
    ],
    columns: &[
        ALL,
        column("t_min", "TIMESTAMP", "Earlier by the pad."),
        column("t_max", "TIMESTAMP", "Later by the pad."),
    ],
    nulls: "Undated rows stay undated.",
    errors: &[AMISS, "pad: below zero, or NULL"],
    examples: &[Example {
        title: "Pair files of neighbouring days",
        sql: "WITH files AS (FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<date>\\d{8})')),\n\
              \x20    loose AS (FROM geoquilt.catalog_pad('files', INTERVAL 1 DAY))\n\
              SELECT parse_filename(path) AS file, parse_filename(right_path) AS other FROM geoquilt.catalog_intersect('loose', 'files') WHERE path < right_path;",
        rows: &["sst_20180101.tif\tsst_20180102.tif"],
    }],
    references: &["docs/examples.md: SAR and optical"],
};

pub static CATALOG_VALIDATE: FunctionDoc = FunctionDoc {
    name: "catalog_validate",
    kind: Kind::Macro,
    summary: "What is wrong with a catalog, one row a problem; none when it is sound.",
    parameters: &[CATALOG],
    columns: &[
        column(
            "row",
            "BIGINT",
            "Place of the row, from 0; NULL for a problem of the whole relation, and those come first.",
        ),
        column("path", "VARCHAR", "The row's file."),
        column("column", "VARCHAR", "The column that is amiss."),
        column(
            "problem",
            "VARCHAR",
            "A missing column or one of another type; a NULL or empty geometry; a box that is not the envelope; xmin > xmax; t_min > t_max, or one of them alone; a path that is NULL or stands twice; an unknown schema_version.",
        ),
    ],
    nulls: "A relation of any columns is taken; rows are checked as far as its columns go.",
    errors: &[],
    examples: &[Example {
        title: "A file that is catalogued twice",
        sql: "WITH file AS (FROM geo_catalog_build('test/data/small/sst_20180101.tif')), files AS (FROM file UNION ALL FROM file)\n\
              SELECT \"row\", \"column\", problem FROM geoquilt.catalog_validate('files');",
        rows: &["0\tpath\tstands in 2 rows", "1\tpath\tstands in 2 rows"],
    }],
    references: &[],
};

pub static SPATIAL_BLOCKS: FunctionDoc = FunctionDoc {
    name: "spatial_blocks",
    kind: Kind::Macro,
    summary: "A catalog with the equal-area block that each row's centre lies in.",
    parameters: &[
        CATALOG,
        Parameter {
            name: "size",
            types: "DOUBLE",
            given: Given::Required,
            meaning: "Side of a block in kilometres, 0.1 to 40000, in the cylindrical equal-area grid EPSG:6933.",
        },
    ],
    columns: &[
        ALL,
        column(
            "block",
            "BIGINT",
            "Number of the block. Split folds by it (`block % 5`), never by row: neighbours then stay together. Footprints near an edge may reach into the next block; choose blocks much larger than footprints.",
        ),
    ],
    nulls: "NULL for a row with a NULL or empty geometry.",
    errors: &[AMISS, "size: outside 0.1 to 40000"],
    examples: &[Example {
        title: "Whole-globe files have one centre",
        sql: "WITH files AS (FROM geo_catalog_build('test/data/small/sst*.tif'))\n\
              SELECT block, count(*) AS files FROM geoquilt.spatial_blocks('files', 1000) GROUP BY block;",
        rows: &["262\t3"],
    }],
    references: &["EPSG:6933: NSIDC EASE-Grid 2.0 Global", "docs/examples.md: folds"],
};
