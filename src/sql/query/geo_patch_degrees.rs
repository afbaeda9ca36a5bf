//! `geo_patch_degrees`: the size of a patch in degrees.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::record::{Typed, record};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result, one_of};
use crate::query::size::{Size, UNITS};

/// The scalar `geo_patch_degrees`.
pub struct GeoPatchDegrees;

/// Degrees both ways.
struct Degrees {
    lon: f64,
    lat: f64,
}
record! { Degrees { lon: f64, lat: f64 } }

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_patch_degrees",
    kind: Kind::Scalar,
    summary: "Width and height of a square patch in degrees, at a latitude.",
    parameters: &[
        Parameter {
            name: "size",
            types: "DOUBLE",
            given: Given::Required,
            meaning: "Side of the patch, above 0.",
        },
        Parameter { name: "unit", types: "VARCHAR", given: Given::Required, meaning: "`deg` or `km`." },
        Parameter {
            name: "lat",
            types: "DOUBLE",
            given: Given::Required,
            meaning: "Latitude of its centre, -90 to 90 degrees.",
        },
    ],
    columns: &[Column {
        name: "degrees",
        types: Degrees::TYPE,
        meaning: "Of kilometres: lat = size / 111, lon = size / (111 x max(cos(lat), 0.1)).",
    }],
    nulls: "NULL for a NULL argument.",
    errors: &["a size that is not above 0; a unit that is none; a latitude off the globe"],
    examples: &[Example {
        title: "500 km at four latitudes",
        sql: "SELECT lat, round(d.lon, 2) AS lon_deg, round(d.lat, 2) AS lat_deg FROM (SELECT lat, geo_patch_degrees(500, 'km', lat) AS d FROM (VALUES (0), (30), (45), (60)) AS t(lat));",
        rows: &["0\t4.5\t4.5", "30\t5.2\t4.5", "45\t6.37\t4.5", "60\t9.01\t4.5"],
    }],
    references: &["OceanTACO: PatchSize.to_degrees"],
};

impl ScalarFunction for GeoPatchDegrees {
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
            let (value, lat) = (input.column(0).get::<f64>(row), input.column(2).get::<f64>(row));
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::invalid(value, "a size above 0").at("geo_patch_degrees(size)"));
            }
            let unit = one_of(input.column(1).str(row)?, "a unit", &UNITS)
                .map_err(|error| error.at("geo_patch_degrees(unit)"))?;
            if !(-90.0..=90.0).contains(&lat) {
                let must = "a latitude between -90 and 90";
                return Err(Error::invalid(lat, must).at("geo_patch_degrees(lat)"));
            }
            let (lon, lat) = Size { value, unit }.degrees(lat);
            Ok(Some(Degrees { lon, lat }))
        })
    }
}
