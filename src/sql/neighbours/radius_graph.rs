//! The edges from each point to all within a distance.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/radius_graph.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "radius_graph",
    kind: Kind::Macro,
    summary: "The edges from each point to all within a distance.",
    parameters: &[
        Parameter {
            name: "points",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A relation by name with `id`, each once, and coordinates as `lon` and `lat`, `x` and `y`, or a `geometry` of points. Rows without are left out.",
        },
        Parameter {
            name: "radius",
            types: "DOUBLE",
            given: Given::Required,
            meaning: "The distance, itself inside: kilometres on the sphere.",
        },
        named(
            "anchors",
            "VARCHAR",
            "NULL",
            "A relation of that form whose neighbours are wanted; the points themselves unless given.",
        ),
        named(
            "metric",
            "VARCHAR",
            "'sphere'",
            "`sphere`: coordinates are degrees, and distances kilometres along great circles, on a radius of 6371.0088 km; `plane`: straight lines in the units of the coordinates.",
        ),
        named("own", "BOOLEAN", "false", "A point is a neighbour of its own."),
    ],
    columns: &[
        column("source", "ANY", "The anchor's id."),
        column("target", "ANY", "The neighbour's id."),
        column(
            "distance",
            "DOUBLE",
            "Between the two. Edges come anchor by anchor in the order of ids, the nearest first, of equal distances the smaller id.",
        ),
    ],
    nulls: "A row whose id or coordinate is NULL is no point.",
    errors: &[
        "points: an id in several rows; no `id`",
        "radius: not above 0",
        "metric: neither `sphere` nor `plane`",
        "a latitude beyond 90 degrees, or a coordinate that is not finite",
    ],
    examples: &[Example {
        title: "All within 200 km",
        sql: "WITH stations AS (SELECT i AS id, 10.0 + i * i AS lon, 54.0 AS lat FROM range(4) t(i))\n\
              SELECT source, target, round(distance, 1) AS km FROM geoquilt.radius_graph('stations', 200);",
        rows: &["0\t1\t65.4", "1\t0\t65.4", "1\t2\t196.1", "2\t1\t196.1"],
    }],
    references: &[
        "scipy.spatial.cKDTree",
        "Bentley, Multidimensional binary search trees, 1975; Guttman, R-trees, 1984",
    ],
};
