//! `geo_box`: a box as a polygon.

use crate::bbox::Bbox;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::record::Read;
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::crs::CRS84;
use crate::error::Result;
use crate::map::{Shape, project};
use crate::sql::shared::shapes::BOX;

/// The scalar `geo_box`.
pub struct GeoBox;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_box",
    kind: Kind::Scalar,
    summary: "A box as a polygon; one with xmin > xmax crosses the antimeridian.",
    parameters: &[Parameter {
        name: "bbox",
        types: BOX,
        given: Given::Required,
        meaning: "A box. With xmin > xmax it is of longitudes, and becomes two polygons.",
    }],
    columns: &[column("geometry", "GEOMETRY", "A polygon, or a multipolygon of the two halves.")],
    nulls: "NULL for a NULL box, or one with a NULL corner.",
    errors: &["a corner that is not finite, ymin > ymax, or xmin > xmax beyond [-180, 180]"],
    examples: &[Example {
        title: "A box in the Pacific",
        sql: "SELECT geo_box({xmin: 170, ymin: -20, xmax: -175, ymax: -10}) AS geometry;",
        rows: &[
            "MULTIPOLYGON (((-180 -10, -180 -20, -175 -20, -175 -10, -180 -10)), ((170 -10, 170 -20, 180 -20, 180 -10, 170 -10)))",
        ],
    }],
    references: &[],
};

impl ScalarFunction for GeoBox {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let column = input.column(0);
        rows(input, out, |row| Bbox::read(column, row)?.map(shape).transpose())
    }
}

fn shape(Bbox { xmin, ymin, xmax, ymax }: Bbox) -> Result<Shape> {
    let crosses = xmin > xmax && xmin <= 180.0 && xmax >= -180.0;
    let shape = Shape::Box(Bbox::new(xmin, ymin, if crosses { xmax + 360.0 } else { xmax }, ymax)?);
    if crosses { project(&shape, CRS84, CRS84, 2) } else { Ok(shape) }
}
