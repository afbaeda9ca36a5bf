//! `st_land_fraction`: the share of land under a box or a geometry.

use std::sync::Arc;

use crate::bbox::Bbox;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::record::text;
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::{Holds, Vector};
use crate::error::{Error, Result};
use crate::grid::land::{Fractions, LandRule};
use crate::grid::mask::{Mask, OUTSIDE, Outside};
use crate::kept::Shared;
use crate::map::geometry;
use crate::projection;
use crate::sql::shared::crs::{CallCrs, crs_of_call};
use crate::sql::shared::shapes::{self, BOX};

/// The scalar `st_land_fraction`.
pub struct StLandFraction;

static DOC: FunctionDoc = FunctionDoc {
    name: "st_land_fraction",
    kind: Kind::Scalar,
    summary: "Share of land among a mask's pixels inside a box or a geometry.",
    parameters: &[
        Parameter {
            name: "shape",
            types: text!["GEOMETRY | ", BOX],
            given: Given::AsItIs,
            meaning: "A polygon or multipolygon (WKT too) in its own CRS, or a box. A lon/lat box with xmin > xmax crosses the antimeridian; so does a geometry that runs on past 180 degrees.",
        },
        Parameter {
            name: "mask",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "The land mask, a raster in any CRS; band 1 is read.",
        },
        Parameter { name: "options", types: "STRUCT", given: Given::Optional, meaning: "The keys below." },
        Parameter {
            name: "crs",
            types: "VARCHAR",
            given: Given::Option("'OGC:CRS84'"),
            meaning: "CRS of a box, or of a geometry whose type has none.",
        },
        Parameter {
            name: "mask_value",
            types: "DOUBLE",
            given: Given::Option("NULL"),
            meaning: "Mask pixels of this value are land; without it, those above 0.5.",
        },
        Parameter {
            name: "outside",
            types: "VARCHAR",
            given: Given::Option("'error'"),
            meaning: "What the mask does not cover: `error`, or `ignore` to take the share of what it does.",
        },
    ],
    columns: &[Column {
        name: "land_fraction",
        types: "DOUBLE",
        meaning: "Land pixels / pixels whose centres lie inside (half-open); nodata and NaN count as not land.",
    }],
    nulls: "NULL for a NULL or empty shape, a NULL mask, and a shape that holds no pixel centre.",
    errors: &[
        "the mask is not a raster, or has no CRS, or a rotated transform",
        "the mask does not cover the shape",
        "the shape is not a polygon, has NaN corners, or cannot be projected",
        "an unknown option",
    ],
    examples: &[Example {
        title: "Land under a box and under the same box as a geometry",
        sql: "SELECT st_land_fraction({xmin: -20, ymin: -20, xmax: 20, ymax: 20}, 'test/data/small/land.tif') AS box,\n\
              \x20      st_land_fraction('POLYGON ((-20 -20, 20 -20, 20 20, -20 20, -20 -20))'::GEOMETRY, 'test/data/small/land.tif') AS polygon;",
        rows: &["0.5\t0.5"],
    }],
    references: &["rasterio.features.rasterize, all_touched = False: pixel-centre rule"],
};

/// A mask for each row would be a strange query, and must still not fill memory.
const KEPT_MASKS: usize = 64;

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    given: CallCrs,
    geographic: bool,
    rule: LandRule,
    outside: Outside,
    masks: Shared<String, Arc<Mask>>,
}

impl ScalarFunction for StLandFraction {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let args = call.options()?;
        let given = crs_of_call(&args, call.crs(0)?)?;
        let geographic = projection::crs_facts(given.crs.as_str())?.geographic;
        let rule = args.number("mask_value")?.map_or(LandRule::AboveHalf, LandRule::Equals);
        let outside =
            args.choice("outside", "a rule for what is outside", &OUTSIDE)?.unwrap_or(Outside::Error);
        Ok(Bound { given, geographic, rule, outside, masks: Shared::new(KEPT_MASKS) })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let (shape, paths) = (input.column(0), input.column(1));
        rows(input, out, |row| {
            let fractions = match input.any_null(row) {
                true => None,
                false => fractions(bound, shape, row, paths.str(row)?)?,
            };
            Ok(fractions.filter(|f| f.total > 0).map(|fractions| fractions.land()))
        })
    }
}

fn fractions(bound: &Bound, shape: &Vector<'_>, row: usize, path: &str) -> Result<Option<Fractions>> {
    let mask = bound.mask(path)?;
    let blame = |e: Error| bound.given.explain(e).at("st_land_fraction(shape)");
    let crs = bound.given.crs.as_str();
    if shape.holds() != Holds::Struct {
        let Some(wkb) = shapes::wkb(shape, row).map_err(blame)? else { return Ok(None) };
        let envelope = geometry::read(&wkb).map_err(blame)?.as_ref().and_then(geometry::envelope);
        bound.given.check(envelope).map_err(blame)?;
        return mask.in_geometry(&wkb, crs, bound.outside).map_err(blame);
    }
    let must = "a box {xmin, ymin, xmax, ymax} of numbers, or a geometry";
    let Some(Bbox { xmin, ymin, mut xmax, ymax }) = shapes::corners(shape, row, must).map_err(blame)? else {
        return Ok(None);
    };
    if bound.geographic && xmin > xmax {
        xmax += 360.0;
    }
    let bbox = Bbox::new(xmin, ymin, xmax, ymax)?;
    bound.given.check(Some(bbox)).map_err(blame)?;
    mask.in_box(&bbox, crs, bound.outside).map(Some).map_err(blame)
}

impl Bound {
    fn mask(&self, path: &str) -> Result<Arc<Mask>> {
        self.masks.get_or_make(path, || Mask::open(path, self.rule).map(Arc::new))
    }
}
