//! What functions over catalogs say alike of their parameters, columns and errors.

use crate::bridge::doc::{Column, Given, Parameter, column, named};

pub const CATALOG: Parameter = Parameter {
    name: "catalog",
    types: "VARCHAR",
    given: Given::Required,
    meaning: "A catalog by name: table, view, CTE, temp table, Parquet path, in Python an Arrow table (pandas has no geometry: `ST_GeomFromWKB` first).",
};
pub const ALL: Column = column("path", "VARCHAR", "With it all columns of the catalog, as they are.");
pub const AMISS: &str =
    "catalog: `geometry`, `bbox`, `t_min` or `t_max` is missing or of another type, by name";
pub const A: Parameter = Parameter {
    name: "a",
    types: "VARCHAR",
    given: Given::Required,
    meaning: "A catalog by name: table, view, CTE, temp table, Parquet path, in Python an Arrow table (pandas has no geometry: `ST_GeomFromWKB` first). Its CRS is the result's.",
};
pub const B: Parameter = Parameter {
    name: "b",
    types: "VARCHAR",
    given: Given::Required,
    meaning: "Another catalog by name. One in another CRS is projected to that of `a`, footprint by footprint.",
};
pub const SPATIAL_ONLY: Parameter =
    named("spatial_only", "BOOLEAN", "false", "Pair by place alone, whatever the times.");
pub const BBOX: Column =
    column("bbox", "STRUCT(xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE)", "Envelope of `geometry`.");
pub const REACH: &str = "b: a footprint that the CRS of a cannot map";
pub const AMISS_OF_TWO: &str =
    "a or b: `geometry`, `bbox`, `t_min` or `t_max` is missing or of another type, by name";
