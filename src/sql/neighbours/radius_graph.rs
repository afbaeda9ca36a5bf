//! The edges from each point to all within a distance.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter};
use crate::sql::neighbours::graphs::{ANCHORS, EDGES, METRIC, NULLS, OWN, POINTS};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/radius_graph.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "radius_graph",
    kind: Kind::Macro,
    summary: "The edges from each point to all within a distance.",
    parameters: &[
        POINTS,
        Parameter {
            name: "radius",
            types: "DOUBLE",
            given: Given::Required,
            meaning: "The distance, itself inside: kilometres on the sphere.",
        },
        ANCHORS,
        METRIC,
        OWN,
    ],
    columns: EDGES,
    nulls: NULLS,
    errors: &[
        "points: an id in several rows; no `id`",
        "radius: NULL, or not above 0",
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
