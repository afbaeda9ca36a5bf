//! `geo_difference`: what is left of a geometry without others.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::map::Shape;
use crate::sql::shared::shapes::Shapes;

/// The scalar `geo_difference`.
pub struct GeoDifference;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_difference",
    kind: Kind::Scalar,
    summary: "What is left of a geometry without others, where that has an area.",
    parameters: &[
        Parameter {
            name: "a",
            types: "GEOMETRY",
            given: Given::Required,
            meaning: "A polygon or multipolygon.",
        },
        Parameter {
            name: "others",
            types: "GEOMETRY[]",
            given: Given::Required,
            meaning: "Geometries in the same CRS, taken away together; NULL and empty ones take nothing.",
        },
    ],
    columns: &[column(
        "geometry",
        "GEOMETRY",
        "A polygon or a multipolygon; NULL when nothing is left. Points and lines stay whole.",
    )],
    nulls: "NULL for a NULL or empty geometry. A NULL list takes nothing.",
    errors: &["a coordinate that is not finite, or a geometry collection"],
    examples: &[Example {
        title: "A box without its right half",
        sql: "SELECT geo_bbox(geo_difference(geo_box({xmin: 0, ymin: 0, xmax: 4, ymax: 2}), [geo_box({xmin: 2, ymin: -1, xmax: 9, ymax: 9})])) AS rest;",
        rows: &["{'xmin': 0.0, 'ymin': 0.0, 'xmax': 2.0, 'ymax': 2.0}"],
    }],
    references: &["https://docs.rs/geo: BooleanOps", "geopandas.overlay(how = 'difference')"],
};

impl ScalarFunction for GeoDifference {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let (mut shapes, lists) = (Shapes::new(input.column(0)), input.column(1));
        rows(input, out, |row| match shapes.get(row)? {
            Some(shape) => Ok(shape.difference(&others(lists, row)?)),
            None => Ok(None),
        })
    }
}

fn others(lists: &Vector<'_>, row: usize) -> Result<Vec<Shape>> {
    if lists.is_null(row) {
        return Ok(Vec::new());
    }
    let list = lists.list(row);
    let mut shapes = Shapes::new(list.items());
    let mut others = Vec::with_capacity(list.rows().len());
    for index in list.rows() {
        others.extend(shapes.get(index)?.cloned());
    }
    Ok(others)
}
