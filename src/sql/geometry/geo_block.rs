//! `geo_block`: the block of an equal-area grid that a geometry's centre lies in.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::map::block::{EQUAL_AREA, block};
use crate::sql::shared::shapes::Shapes;

/// The scalar `geo_block`.
pub struct GeoBlock;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_block",
    kind: Kind::Scalar,
    summary: "The block of an equal-area grid of the world that a centre lies in.",
    parameters: &[
        Parameter {
            name: "geometry",
            types: "GEOMETRY",
            given: Given::Required,
            meaning: "Its centroid counts.",
        },
        Parameter {
            name: "crs",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "Its CRS; NULL is `OGC:CRS84`.",
        },
        Parameter {
            name: "size",
            types: "DOUBLE",
            given: Given::Required,
            meaning: "Side of a block in kilometres, 0.1 to 40000, in the cylindrical equal-area grid EPSG:6933.",
        },
    ],
    columns: &[column(
        "block",
        "BIGINT",
        "Number of the block, from the south-west corner of the world row by row; blocks are half-open.",
    )],
    nulls: "NULL for a NULL or empty geometry, or a NULL size.",
    errors: &["size outside 0.1 to 40000", "a CRS that PROJ does not know, or a centre off the Earth"],
    examples: &[Example {
        title: "Two neighbours, and one beyond the sea",
        sql: "SELECT geo_block('POINT (2.3 48.9)'::GEOMETRY, NULL, 1000) AS paris, geo_block('POINT (1.9 47.9)'::GEOMETRY, NULL, 1000) AS orleans,\n\
              \x20      geo_block('POINT (-74 40.7)'::GEOMETRY, NULL, 1000) AS new_york;",
        rows: &["437\t437\t430"],
    }],
    references: &["EPSG:6933: NSIDC EASE-Grid 2.0 Global"],
};

impl ScalarFunction for GeoBlock {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let (mut shapes, crs, sizes) = (Shapes::new(input.column(0)), input.column(1), input.column(2));
        rows(input, out, |row| {
            let Some(shape) = shapes.get(row)?.filter(|_| !sizes.is_null(row)) else { return Ok(None) };
            let size: f64 = sizes.get(row);
            if !(0.1..=40_000.0).contains(&size) {
                let must =
                    format!("the side of a block of {EQUAL_AREA} in kilometres, between 0.1 and 40000");
                return Err(Error::invalid(size, must).at("geo_block(size)"));
            }
            let crs = if crs.is_null(row) { Crs::lon_lat() } else { Crs::new(crs.str(row)?) };
            block(shape, crs.as_str(), size * 1000.0).map(Some)
        })
    }
}
