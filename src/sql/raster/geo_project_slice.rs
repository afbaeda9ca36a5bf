//! `geo_project_slice`: a slice in another CRS.

use crate::bridge::args::number;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::map::footprint::running_box;
use crate::projection;
use crate::slice::Slice;
use crate::sql::shared::slice_value::{self, SLICE, SliceRow};
use crate::value::Value;

/// The scalar `geo_project_slice`.
pub struct GeoProjectSlice;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_project_slice",
    kind: Kind::Scalar,
    summary: "A slice in another CRS: the box around it, and as fine pixels.",
    parameters: &[
        Parameter {
            name: "slice",
            types: SLICE,
            given: Given::AsItIs,
            meaning: "As `geo_slice` makes it. Its times are kept.",
        },
        Parameter { name: "crs", types: "VARCHAR", given: Given::Required, meaning: "The CRS wanted." },
        Parameter { name: "options", types: "STRUCT", given: Given::Optional, meaning: "The keys below." },
        Parameter {
            name: "resolution",
            types: "DOUBLE | DOUBLE[]",
            given: Given::Option("as fine"),
            meaning: "Width of a pixel, or [width, height], in units of `crs`. Without it, square pixels of which as many lie along the diagonal as of the slice's own: GDAL's suggestion.",
        },
    ],
    columns: &[Column {
        name: "slice",
        types: SLICE,
        meaning: "The upper left corner of the box around its outline, and whole pixels from there; over the antimeridian the box runs on beyond 180.",
    }],
    nulls: "NULL for a NULL slice or CRS.",
    errors: &[
        "a CRS that PROJ does not know, or that does not reach the slice",
        "a resolution of zero or below, or wider than the box",
    ],
    examples: &[Example {
        title: "Ten kilometres of UTM zone 29 in degrees",
        sql: "SELECT s.width, s.height, round(s.bbox.xmin, 4) AS xmin, round((s.bbox.xmax - s.bbox.xmin) / s.width, 6) AS pixel FROM (\n\
              \x20   SELECT geo_project_slice(geo_slice({xmin: 500000, ymin: 4000000, xmax: 510000, ymax: 4010000}, 100, 'EPSG:32629'), 'EPSG:4326') AS s);",
        rows: &["110\t89\t-9.0\t0.001012"],
    }],
    references: &["GDALSuggestedWarpOutput; rasterio.warp.calculate_default_transform"],
};

impl ScalarFunction for GeoProjectSlice {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Option<(f64, f64)>;

    fn bind(call: Call) -> Result<Option<(f64, f64)>> {
        let args = call.options()?;
        let bad = |value: &Value| {
            args.blame("resolution")(Error::invalid(value, "one number, or [width, height] of a pixel"))
        };
        Ok(match args.get("resolution") {
            None => None,
            Some(value) => {
                let sides = match value {
                    Value::List(sides) => sides.iter().map(number).collect::<Option<Vec<f64>>>(),
                    side => number(side).map(|side| vec![side, side]),
                };
                match sides.as_deref() {
                    Some([x, y]) => Some((*x, *y)),
                    _ => return Err(bad(value)),
                }
            }
        })
    }

    fn call(asked: &Option<(f64, f64)>, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let blame =
            |parameter: &'static str| move |error: Error| error.at(format!("geo_project_slice({parameter})"));
        let (slices, names) = (input.column(0), input.column(1));
        rows(input, out, |row| {
            if names.is_null(row) {
                return Ok(None);
            }
            let Some((slice, _)) = slice_value::read(slices, row).map_err(blame("slice"))? else {
                return Ok(None);
            };
            let name = names.str(row)?.trim();
            let crs = Crs::new(name);
            projection::crs_facts(crs.as_str()).map_err(blame("crs"))?;
            let bbox = running_box(&slice.bbox, slice.crs.as_str(), crs.as_str()).map_err(blame("crs"))?;
            let resolution = match asked {
                Some(resolution) => *resolution,
                None => as_fine(&slice, crs.as_str()).map_err(blame("crs"))?,
            };
            let times = (slice.t_min, slice.t_max);
            let made = Slice::at_resolution(bbox, crs, times, resolution).map_err(blame("resolution"))?;
            Ok(Some(SliceRow::new(&made, name)))
        })
    }
}

/// The side of square pixels of which as many lie along the image of the diagonal as along the diagonal.
fn as_fine(slice: &Slice, to: &str) -> Result<(f64, f64)> {
    let bbox = &slice.bbox;
    let mut ends = [(bbox.xmin, bbox.ymax), (bbox.xmax, bbox.ymin)];
    projection::project(slice.crs.as_str(), to, &mut ends)?;
    let [(x0, y0), (x1, y1)] = ends;
    let mut across = x1 - x0;
    if projection::crs_facts(to)?.geographic {
        // Over the antimeridian the diagonal runs on.
        across = (across + 180.0).rem_euclid(360.0) - 180.0;
    }
    let side = across.hypot(y1 - y0) / f64::from(slice.width).hypot(f64::from(slice.height));
    if !(side.is_finite() && side > 0.0) {
        let what = slice.bbox.to_string();
        return Err(Error::Unprojectable { what, from: slice.crs.to_string(), to: to.into() });
    }
    Ok((side, side))
}
