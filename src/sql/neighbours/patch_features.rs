//! Which features each patch of a grid meets.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/patch_features.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "patch_features",
    kind: Kind::Macro,
    summary: "Which features each patch of a grid meets.",
    parameters: &[
        Parameter {
            name: "grid",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with `patch_id`, `bbox` and `crs`, as `geo_patch_grid` gives it.",
        },
        Parameter {
            name: "features",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with a `geometry`: longitude and latitude unless its type has a CRS.",
        },
    ],
    columns: &[column(
        "patch_id",
        "BIGINT",
        "The patch. All columns of `features` follow. They meet where they share a point, edges included, in longitude and latitude, with edges densified. Rows come patch by patch.",
    )],
    nulls: "A feature that is NULL or empty meets no patch.",
    errors: &[
        "a relation without the columns named above",
        "a shape that cannot be projected to longitude and latitude",
    ],
    examples: &[Example {
        title: "The patches that a sea meets",
        sql: "WITH grid AS (FROM geo_patch_grid('test/data/small/land.tif', size := 6)),\n\
              \x20    seas AS (SELECT 'Baltic' AS name, geo_box({xmin: 9, ymin: 53, xmax: 31, ymax: 66}) AS geometry)\n\
              SELECT patch_id, name FROM geoquilt.patch_features('grid', 'seas');",
        rows: &["3\tBaltic"],
    }],
    references: &["geopandas.sjoin(predicate='intersects')"],
};
