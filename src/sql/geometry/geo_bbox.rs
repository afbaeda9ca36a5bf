//! `geo_bbox`: the envelope of a geometry.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::sql::shared::shapes::{BOX, Shapes};

/// The scalar `geo_bbox`.
pub struct GeoBbox;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_bbox",
    kind: Kind::Scalar,
    summary: "The envelope of a geometry, as the column `bbox` of a catalog has it.",
    parameters: &[Parameter {
        name: "geometry",
        types: "GEOMETRY",
        given: Given::Required,
        meaning: "A point, a line, a polygon, or several of one kind.",
    }],
    columns: &[column("bbox", BOX, "In the geometry's CRS; `xmin <= xmax` always.")],
    nulls: "NULL for a NULL or empty geometry.",
    errors: &["a coordinate that is not finite, or a geometry collection"],
    examples: &[Example {
        title: "Make a catalog of a table of shapes",
        sql: "SELECT geo_bbox('POLYGON ((0 0, 4 1, 2 3, 0 0))'::GEOMETRY) AS bbox;",
        rows: &["{'xmin': 0.0, 'ymin': 0.0, 'xmax': 4.0, 'ymax': 3.0}"],
    }],
    references: &[],
};

impl ScalarFunction for GeoBbox {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let mut shapes = Shapes::new(input.column(0));
        rows(input, out, |row| Ok(shapes.get(row)?.map(|shape| *shape.bbox())))
    }
}
