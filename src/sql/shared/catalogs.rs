//! What functions over catalogs say alike of their parameters, columns and errors.

use crate::bridge::doc::{Column, Given, Parameter, column, named};
use crate::sql::shared::shapes::BOX;

/// The catalog that a macro reads.
pub const CATALOG: Parameter = Parameter {
    name: "catalog",
    types: "VARCHAR",
    given: Given::Required,
    meaning: "A catalog by name: table, view, CTE, temp table, Parquet path, in Python an Arrow table (pandas has no geometry: `ST_GeomFromWKB` first).",
};
/// The columns of a macro that passes rows on.
pub const ALL: Column = column("path", "VARCHAR", "With it all columns of the catalog, as they are.");
/// The error of a relation that is no catalog.
pub const AMISS: &str =
    "catalog: `geometry`, `bbox`, `t_min` or `t_max` is missing or of another type, by name";
/// The first of two catalogs.
pub const A: Parameter = Parameter {
    name: "a",
    types: "VARCHAR",
    given: Given::Required,
    meaning: "A catalog by name: table, view, CTE, temp table, Parquet path, in Python an Arrow table (pandas has no geometry: `ST_GeomFromWKB` first). Its CRS is the result's.",
};
/// The second of two catalogs.
pub const B: Parameter = Parameter {
    name: "b",
    types: "VARCHAR",
    given: Given::Required,
    meaning: "Another catalog by name. One in another CRS is projected to that of `a`, footprint by footprint.",
};
/// Whether times count.
pub const SPATIAL_ONLY: Parameter =
    named("spatial_only", "BOOLEAN", "false", "Pair by place alone, whatever the times.");
/// The box beside a geometry.
pub const BBOX: Column = column("bbox", BOX, "Envelope of `geometry`.");
/// The error of a footprint beyond a CRS.
pub const REACH: &str = "b: a footprint that the CRS of a cannot map";
/// The error of two relations of which one is no catalog.
pub const AMISS_OF_TWO: &str =
    "a or b: `geometry`, `bbox`, `t_min` or `t_max` is missing or of another type, by name";
