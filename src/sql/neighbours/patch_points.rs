//! Which points each patch of a grid holds.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/patch_points.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "patch_points",
    kind: Kind::Macro,
    summary: "Which points each patch of a grid holds, and in which of its pixels.",
    parameters: &[
        Parameter {
            name: "grid",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with `patch_id`, `win`, `bbox` and `crs`, as `geo_patch_grid` gives it.",
        },
        Parameter {
            name: "points",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with a `geometry` of points: longitude and latitude unless its type has a CRS.",
        },
    ],
    columns: &[
        column("patch_id", "BIGINT", "The patch."),
        column("row", "BIGINT", "Row of the pixel within the patch, from 0."),
        column(
            "col",
            "BIGINT",
            "Its column. A pixel holds its upper and left edges: a point lies in one patch of those that share no pixel. All columns of `points` follow. Rows come patch by patch.",
        ),
    ],
    nulls: "A point that is NULL lies in no patch.",
    errors: &["a relation without the columns named above", "a point that the grid's CRS does not reach"],
    examples: &[Example {
        title: "Two stations on a global grid",
        sql: "WITH grid AS (FROM geo_patch_grid('test/data/small/land.tif', size := 6)),\n\
              \x20    stations AS (SELECT 'Kiel' AS name, 'POINT (10.2 54.3)'::GEOMETRY AS geometry UNION ALL SELECT 'Suva', 'POINT (178.4 -18.1)'::GEOMETRY)\n\
              SELECT name, patch_id, \"row\", col FROM geoquilt.patch_points('grid', 'stations');",
        rows: &["Kiel\t3\t3\t1", "Suva\t11\t4\t5"],
    }],
    references: &["geopandas.sjoin"],
};
