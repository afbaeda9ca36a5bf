//! `geo_crs_definition`: a CRS as the type of a GEOMETRY tells it.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::crs::{CRS84, Crs};
use crate::error::Result;
use crate::projection;

/// The scalar `geo_crs_definition`.
pub struct GeoCrsDefinition;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_crs_definition",
    kind: Kind::Scalar,
    summary: "The whole definition of a CRS, as GeoParquet and the type of a GEOMETRY tell it.",
    parameters: &[Parameter {
        name: "crs",
        types: "VARCHAR",
        given: Given::Required,
        meaning: "A code such as `EPSG:32629`, WKT or PROJJSON.",
    }],
    columns: &[column(
        "definition",
        "VARCHAR",
        "PROJJSON; `OGC:CRS84` is its own name, which every reader knows.",
    )],
    nulls: "NULL for NULL.",
    errors: &["a text that PROJ does not know a CRS by"],
    examples: &[Example {
        title: "What EPSG:32629 is",
        sql: "SELECT json_extract_string(geo_crs_definition('EPSG:32629'), ['$.name', '$.id.code']) AS crs, geo_crs_definition('EPSG:4326') AS lon_lat;",
        rows: &["[WGS 84 / UTM zone 29N, 32629]\tOGC:CRS84"],
    }],
    references: &["pyproj.CRS.to_json"],
};

impl ScalarFunction for GeoCrsDefinition {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            if input.any_null(row) {
                return Ok(None);
            }
            let crs = Crs::new(input.column(0).str(row)?);
            if crs.as_str() == CRS84 {
                return Ok(Some(CRS84.to_string()));
            }
            let facts =
                projection::crs_facts(crs.as_str()).map_err(|error| error.at("geo_crs_definition(crs)"))?;
            Ok(Some(facts.projjson.clone()))
        })
    }
}
