//! A geometry with its CRS in its type.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/geo_set_crs.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "geo_set_crs",
    kind: Kind::ScalarMacro,
    summary: "A geometry with its CRS in its type, in full, as GeoParquet carries it.",
    parameters: &[
        Parameter {
            name: "geometry",
            types: "GEOMETRY",
            given: Given::Required,
            meaning: "In that CRS; a CRS that its type has is replaced.",
        },
        Parameter {
            name: "crs",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A constant: a code such as `EPSG:32629`, WKT or PROJJSON.",
        },
    ],
    columns: &[column(
        "geometry",
        "GEOMETRY",
        "The same geometry, not projected. DuckDB's own `ST_SetCRS` takes a code as it stands, and GeoParquet then loses it.",
    )],
    nulls: "NULL for a NULL geometry.",
    errors: &["crs: a text that PROJ does not know a CRS by, or one that differs from row to row"],
    examples: &[Example {
        title: "Geometries in UTM to GeoParquet",
        sql: "SELECT json_extract_string(ST_CRS(geoquilt.geo_set_crs('POINT (500000 4600000)'::GEOMETRY, 'EPSG:32629')), '$.name') AS crs;",
        rows: &["WGS 84 / UTM zone 29N"],
    }],
    references: &["geopandas.GeoDataFrame.set_crs"],
};
