//! What the graphs of points say alike of their parameters and their edges.

use crate::bridge::doc::{Column, Given, Parameter, column, named};

/// The points.
pub(super) const POINTS: Parameter = Parameter {
    name: "points",
    types: "VARCHAR",
    given: Given::Required,
    meaning: "A relation by name with `id`, each once, and coordinates as `lon` and `lat`, `x` and `y`, or a `geometry` of points. Rows without are left out.",
};
/// Whose neighbours are wanted.
pub(super) const ANCHORS: Parameter = named(
    "anchors",
    "VARCHAR",
    "NULL",
    "A relation of that form whose neighbours are wanted; the points themselves unless given.",
);
/// How far it is.
pub(super) const METRIC: Parameter = named(
    "metric",
    "VARCHAR",
    "'sphere'",
    "`sphere`: coordinates are degrees, and distances kilometres along great circles, on a radius of 6371.0088 km; `plane`: straight lines in the units of the coordinates.",
);
/// Loops.
pub(super) const OWN: Parameter = named("own", "BOOLEAN", "false", "A point is a neighbour of its own.");
/// The edges.
pub(super) const EDGES: &[Column] = &[
    column("source", "ANY", "The anchor's id."),
    column("target", "ANY", "The neighbour's id."),
    column(
        "distance",
        "DOUBLE",
        "Between the two. Edges come anchor by anchor in the order of ids, the nearest first, of equal distances the smaller id.",
    ),
];
/// Rows that are no points.
pub(super) const NULLS: &str = "A row whose id or coordinate is NULL is no point.";
