//! The macros that take two catalogs: intersect, union, difference, and the join under them.

use crate::sql::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter, column, named};

pub const CATALOG_PAIRS_SQL: &str = include_str!("../../../sql/catalog_pairs.sql");
pub const CATALOG_INTERSECT_SQL: &str = include_str!("../../../sql/catalog_intersect.sql");
pub const CATALOG_UNION_SQL: &str = include_str!("../../../sql/catalog_union.sql");
pub const CATALOG_DIFFERENCE_SQL: &str = include_str!("../../../sql/catalog_difference.sql");

const A: Parameter = Parameter {
    name: "a",
    types: "VARCHAR",
    given: Given::Required,
    meaning: "A catalog by name: table, view, CTE, temp table, Parquet path, in Python an Arrow table (pandas has no geometry: `ST_GeomFromWKB` first). Its CRS is the result's.",
};
const B: Parameter = Parameter {
    name: "b",
    types: "VARCHAR",
    given: Given::Required,
    meaning: "Another catalog by name. One in another CRS is projected to that of `a`, footprint by footprint.",
};
const SPATIAL_ONLY: Parameter =
    named("spatial_only", "BOOLEAN", "false", "Pair by place alone, whatever the times.");
const BBOX: Column =
    column("bbox", "STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE)", "Envelope of `geometry`.");
const AMISS: &str = "a or b: `geometry`, `bbox`, `t_min` or `t_max` is missing or of another type, by name";
const REACH: &str = "b: a footprint that the CRS of a can not map";

pub static CATALOG_PAIRS: FunctionDoc = FunctionDoc {
    name: "catalog_pairs",
    kind: Kind::Macro,
    summary: "Which boxes of two relations overlap in space and meet in time.",
    parameters: &[
        Parameter {
            name: "a",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with `place` (any key), `bbox`, and `t_min`, `t_max` as BIGINT microseconds, NULL where open.",
        },
        Parameter { name: "b", types: "VARCHAR", given: Given::Required, meaning: "Another." },
    ],
    columns: &[
        column("a_place", "ANY", "Key of the row of `a`."),
        column("b_place", "ANY", "Key of the row of `b`. Pairs come in no order, each once."),
    ],
    nulls: "A row with a NULL box has no pair; a NULL time is open.",
    errors: &[],
    examples: &[Example {
        title: "Two boxes that overlap, and one that only touches",
        sql: "WITH a AS (SELECT 1 AS place, {xmin: 0.0, ymin: 0.0, xmax: 2.0, ymax: 2.0} AS bbox, NULL::BIGINT AS t_min, NULL::BIGINT AS t_max),\n\
              \x20    b AS (SELECT unnest([10, 20]) AS place, {xmin: unnest([1.0, 2.0]), ymin: 1.0, xmax: 3.0, ymax: 3.0} AS bbox, 0::BIGINT AS t_min, 9::BIGINT AS t_max)\n\
              FROM geoquilt.catalog_pairs('a', 'b');",
        rows: &["1\t10"],
    }],
    references: &["docs/decisions.md: joins of catalogs"],
};

pub static CATALOG_INTERSECT: FunctionDoc = FunctionDoc {
    name: "catalog_intersect",
    kind: Kind::Macro,
    summary: "Pairs rows of two catalogs that share an area and an interval.",
    parameters: &[A, B, SPATIAL_ONLY],
    columns: &[
        column("path", "VARCHAR", "With it all columns of `a`, of which four are the pair's:"),
        column("geometry", "GEOMETRY", "The area that both share: footprints that only touch are no pair."),
        BBOX,
        column(
            "t_min",
            "TIMESTAMP",
            "The later start; the one that is dated, where only one is. With spatial_only that of `a`.",
        ),
        column("t_max", "TIMESTAMP", "The earlier stop: intervals that touch in an instant are a pair."),
        column(
            "right_path",
            "VARCHAR",
            "With it all columns of `b` as they are there, `right_` before each name. Pairs come in no order.",
        ),
    ],
    nulls: "A row with a NULL or empty geometry has no pair. Undated rows (NULL, NULL) meet every interval.",
    errors: &[AMISS, REACH],
    examples: &[Example {
        title: "Images with the labels that lie under them",
        sql: "WITH images AS (SELECT 'image' AS path, geo_box({xmin: 0, ymin: 0, xmax: 4, ymax: 4}) AS geometry, geo_bbox(geometry) AS bbox, TIMESTAMP '2024-06-01' AS t_min, TIMESTAMP '2024-06-02' AS t_max),\n\
              \x20    labels AS (SELECT 'label' AS path, geo_box({xmin: 3, ymin: 1, xmax: 9, ymax: 2}) AS geometry, geo_bbox(geometry) AS bbox, NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS t_max)\n\
              SELECT path, right_path, bbox, t_max FROM geoquilt.catalog_intersect('images', 'labels');",
        rows: &["image\tlabel\t{'xmin': 3.0, 'ymin': 1.0, 'xmax': 4.0, 'ymax': 2.0}\t2024-06-02 00:00:00"],
    }],
    references: &[
        "geopandas.overlay(how = 'intersection') and IntervalIndex(closed = 'both')",
        "docs/decisions.md: set algebra",
    ],
};

pub static CATALOG_UNION: FunctionDoc = FunctionDoc {
    name: "catalog_union",
    kind: Kind::Macro,
    summary: "The rows of two catalogs, by column name.",
    parameters: &[
        A,
        B,
        named("dedupe", "BOOLEAN", "false", "Keep one row a path: that of `a`, and the first."),
    ],
    columns: &[
        column("path", "VARCHAR", "With it every column of either; NULL where the other has none."),
        column("geometry", "GEOMETRY", "In the CRS of `a`."),
        BBOX,
        column("t_min", "TIMESTAMP", "As it was. The rows of `a` come first, in order."),
    ],
    nulls: "Rows with a NULL path are never dropped.",
    errors: &[
        "a or b: `path`, `geometry`, `bbox`, `t_min` or `t_max` is missing or of another type, by name",
        REACH,
    ],
    examples: &[Example {
        title: "Two folders as one, files in both counted once",
        sql: "WITH a AS (FROM geo_catalog_build('test/data/small/sst_2018*.tif')), b AS (FROM geo_catalog_build('test/data/small/sst*.tif'))\n\
              SELECT parse_filename(path) AS file FROM geoquilt.catalog_union('a', 'b', dedupe := true);",
        rows: &["sst_20180101.tif", "sst_20180102.tif", "sst_20190101.tif"],
    }],
    references: &["docs/decisions.md: set algebra"],
};

pub static CATALOG_DIFFERENCE: FunctionDoc = FunctionDoc {
    name: "catalog_difference",
    kind: Kind::Macro,
    summary: "What one catalog covers and another does not at the same time.",
    parameters: &[A, B, SPATIAL_ONLY],
    columns: &[
        column("path", "VARCHAR", "With it all columns of `a`, row by row in its order."),
        column(
            "geometry",
            "GEOMETRY",
            "The row's footprint without those of the rows of `b` whose interval meets its own; a row that they cover whole is left out.",
        ),
        BBOX,
        column("t_min", "TIMESTAMP", "As in `a`, like `t_max`."),
    ],
    nulls: "Rows of `a` with a NULL geometry stay. Undated rows meet every interval.",
    errors: &[AMISS, REACH],
    examples: &[Example {
        title: "What is still to be labelled",
        sql: "WITH images AS (SELECT 'image' AS path, geo_box({xmin: 0, ymin: 0, xmax: 4, ymax: 4}) AS geometry, geo_bbox(geometry) AS bbox, NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS t_max),\n\
              \x20    labels AS (SELECT geo_box({xmin: 3, ymin: 0, xmax: 9, ymax: 9}) AS geometry, geo_bbox(geometry) AS bbox, NULL::TIMESTAMP AS t_min, NULL::TIMESTAMP AS t_max)\n\
              SELECT path, bbox FROM geoquilt.catalog_difference('images', 'labels');",
        rows: &["image\t{'xmin': 0.0, 'ymin': 0.0, 'xmax': 3.0, 'ymax': 4.0}"],
    }],
    references: &["geopandas.overlay(how = 'difference')", "docs/decisions.md: set algebra"],
};
