//! `geo_intersects`: whether two geometries share a point.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::sql::shared::shapes::Shapes;

/// The scalar `geo_intersects`.
pub struct GeoIntersects;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_intersects",
    kind: Kind::Scalar,
    summary: "True when two geometries share a point: touching counts.",
    parameters: &[
        Parameter { name: "a", types: "GEOMETRY", given: Given::Required, meaning: "A geometry." },
        Parameter { name: "b", types: "GEOMETRY", given: Given::Required, meaning: "One in the same CRS." },
    ],
    columns: &[column("intersects", "BOOLEAN", "By the shapes themselves, not by their boxes.")],
    nulls: "NULL for a NULL or empty geometry.",
    errors: &["a coordinate that is not finite, or a geometry collection"],
    examples: &[Example {
        title: "Two boxes that share a corner, and a triangle beside its own box",
        sql: "SELECT geo_intersects(geo_box({xmin: 0, ymin: 0, xmax: 1, ymax: 1}), geo_box({xmin: 1, ymin: 1, xmax: 2, ymax: 2})) AS corner,\n\
              \x20      geo_intersects('POLYGON ((0 0, 4 0, 0 4, 0 0))'::GEOMETRY, 'POINT (3 3)'::GEOMETRY) AS beside;",
        rows: &["true\tfalse"],
    }],
    references: &["https://docs.rs/geo: Intersects, with robust predicates"],
};

impl ScalarFunction for GeoIntersects {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let (mut left, mut right) = (Shapes::new(input.column(0)), Shapes::new(input.column(1)));
        rows(input, out, |row| match (left.get(row)?, right.get(row)?) {
            (Some(a), Some(b)) => Ok(Some(a.intersects(b))),
            _ => Ok(None),
        })
    }
}
