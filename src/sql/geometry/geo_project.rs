//! `geo_project`: a geometry in another CRS.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::map::project;
use crate::sql::shared::shapes::Shapes;

/// The scalar `geo_project`.
pub struct GeoProject;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_project",
    kind: Kind::Scalar,
    summary: "Projects a geometry: edges densified, cut at the antimeridian, poles closed.",
    parameters: &[
        Parameter {
            name: "geometry",
            types: "GEOMETRY",
            given: Given::Required,
            meaning: "A point, a line, a polygon, or several of one kind; (x, y) order, longitude first.",
        },
        Parameter {
            name: "from",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "Its CRS, in any spelling that PROJ knows: `ST_CRS(geometry)` of a column with one.",
        },
        Parameter {
            name: "to",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "The CRS wanted. The same CRS, however spelt, leaves the geometry as it is.",
        },
        Parameter { name: "options", types: "STRUCT", given: Given::Optional, meaning: "The keys below." },
        Parameter {
            name: "densify",
            types: "BIGINT",
            given: Given::Option("21"),
            meaning: "Points along each side of the envelope, 2 to 10000: longer edges are cut first.",
        },
    ],
    columns: &[column(
        "geometry",
        "GEOMETRY",
        "In `to`. Longitudes lie within [-180, 180]: what crosses 180 is two polygons.",
    )],
    nulls: "NULL for a NULL or empty geometry, or a NULL CRS.",
    errors: &[
        "a CRS that PROJ does not know",
        "a point without an image, or one so distorted that it does not lead back: the projection does not reach so far",
        "a coordinate that is not finite, or a geometry collection",
    ],
    examples: &[Example {
        title: "A scene of UTM zone 1 lies on both sides of the antimeridian",
        sql: "SELECT geo_bbox(geo_project(geo_box({xmin: 130000, ymin: 0, xmax: 330000, ymax: 200000}), 'EPSG:32601', 'OGC:CRS84')).xmax AS xmax;",
        rows: &["180.0"],
    }],
    references: &["docs/decisions.md: footprints"],
};

impl ScalarFunction for GeoProject {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = usize;

    fn bind(call: Call) -> Result<usize> {
        let args = call.options()?;
        Ok(args.integer("densify", 2, 10_000)?.unwrap_or(21) as usize)
    }

    fn call(densify: &usize, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let mut shapes = Shapes::new(input.column(0));
        let (from, to) = (input.column(1), input.column(2));
        rows(input, out, |row| {
            let given = !from.is_null(row) && !to.is_null(row);
            let Some(shape) = shapes.get(row)?.filter(|_| given) else { return Ok(None) };
            let (from, to) = (Crs::new(from.str(row)?), Crs::new(to.str(row)?));
            project(shape, from.as_str(), to.as_str(), *densify).map(Some).map_err(|e| named(e, &from))
        })
    }
}

/// Says which of the two CRSs it was.
fn named(error: Error, from: &Crs) -> Error {
    match &error {
        Error::BadCrs { value, .. } if value == from.as_str() => error.at("geo_project(from)"),
        Error::BadCrs { .. } => error.at("geo_project(to)"),
        _ => error,
    }
}
