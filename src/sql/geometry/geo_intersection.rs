//! `geo_intersection`: what two geometries share.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::sql::shared::shapes::Shapes;

/// The scalar `geo_intersection`.
pub struct GeoIntersection;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_intersection",
    kind: Kind::Scalar,
    summary: "What two geometries share, where that has an area.",
    parameters: &[
        Parameter {
            name: "a",
            types: "GEOMETRY",
            given: Given::Required,
            meaning: "A polygon or multipolygon.",
        },
        Parameter { name: "b", types: "GEOMETRY", given: Given::Required, meaning: "One in the same CRS." },
    ],
    columns: &[column(
        "geometry",
        "GEOMETRY",
        "A polygon or a multipolygon; NULL when the two only touch, or lie apart.",
    )],
    nulls: "NULL for a NULL or empty geometry, and for points and lines, which have no area.",
    errors: &["a coordinate that is not finite, or a geometry collection"],
    examples: &[Example {
        title: "A box and a triangle",
        sql: "SELECT geo_bbox(geo_intersection(geo_box({xmin: 0, ymin: 0, xmax: 2, ymax: 2}), 'POLYGON ((1 1, 9 1, 1 9, 1 1))'::GEOMETRY)) AS shared;",
        rows: &["{'xmin': 1.0, 'ymin': 1.0, 'xmax': 2.0, 'ymax': 2.0}"],
    }],
    references: &[
        "https://docs.rs/geo: BooleanOps; of two boxes the answer is exact",
        "geopandas.overlay(how = 'intersection')",
    ],
};

impl ScalarFunction for GeoIntersection {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let (mut left, mut right) = (Shapes::new(input.column(0)), Shapes::new(input.column(1)));
        rows(input, out, |row| match (left.get(row)?, right.get(row)?) {
            (Some(a), Some(b)) => Ok(a.intersection(b)),
            _ => Ok(None),
        })
    }
}
