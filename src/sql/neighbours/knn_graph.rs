//! The edges from each point to its k nearest.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter};
use crate::sql::neighbours::graphs::{ANCHORS, EDGES, METRIC, NULLS, OWN, POINTS};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/knn_graph.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "knn_graph",
    kind: Kind::Macro,
    summary: "The edges from each point to its k nearest.",
    parameters: &[
        POINTS,
        Parameter {
            name: "k",
            types: "BIGINT",
            given: Given::Required,
            meaning: "How many neighbours each anchor has.",
        },
        ANCHORS,
        METRIC,
        OWN,
    ],
    columns: EDGES,
    nulls: NULLS,
    errors: &[
        "points: an id in several rows; no `id`",
        "k: NULL, below 1, or above the number of points that there are",
        "metric: neither `sphere` nor `plane`",
        "a latitude beyond 90 degrees, or a coordinate that is not finite",
    ],
    examples: &[Example {
        title: "The nearest of each",
        sql: "WITH stations AS (SELECT i AS id, 10.0 + i * i AS lon, 54.0 AS lat FROM range(4) t(i))\n\
              SELECT source, target, round(distance, 1) AS km FROM geoquilt.knn_graph('stations', 1);",
        rows: &["0\t1\t65.4", "1\t0\t65.4", "2\t1\t196.1", "3\t2\t326.7"],
    }],
    references: &[
        "scipy.spatial.cKDTree",
        "Bentley, Multidimensional binary search trees, 1975; Guttman, R-trees, 1984",
    ],
};
