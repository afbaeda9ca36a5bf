//! `geo_slice`: a box, a resolution, a CRS and an interval, as the grid that reads fill; or the grid of a read.

use crate::affine::Affine;
use crate::bbox::Bbox;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::record::text;
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::{Holds, Vector};
use crate::crs::{CRS84, Crs};
use crate::error::{Error, Result};
use crate::interval::Interval;
use crate::map::footprint;
use crate::projection;
use crate::slice::Slice;
use crate::sql::shared::crs::asked_crs;
use crate::sql::shared::shapes::{self, BOX};
use crate::sql::shared::slice_value::{SLICE, SliceRow};
use crate::sql::shared::windows::{self, WIN};
use crate::value::Value;
use crate::window::Window;

/// The scalar `geo_slice`.
pub struct GeoSlice;

const TIME: &str = "TIMESTAMP | DATE | VARCHAR";
/// Shape, resolution and CRS.
const REQUIRED: usize = 3;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_slice",
    kind: Kind::Scalar,
    summary: "Makes a slice, the grid that reads fill, from a box and a resolution.",
    parameters: &[
        Parameter {
            name: "shape",
            types: text![BOX, " | ", WIN, " | GEOMETRY | VARCHAR | BIGINT[]"],
            given: Given::AsItIs,
            meaning: "The area: a box, or a geometry (WKT too), whose envelope is taken. A point, or a side of no length, becomes one pixel, in whose middle it lies. A lon/lat box with xmin > xmax crosses the antimeridian. Or the pixels of a grid that is there: the `shape` of a read, `[height, width]` of a catalog's row, or a window of it.",
        },
        Parameter {
            name: "resolution",
            types: "DOUBLE | DOUBLE[]",
            given: Given::Required,
            meaning: "Width of a pixel, or [width, height], in units of `crs`. A slice of one pixel has the box's own size. Of a grid that is there, its `transform`: GDAL's six numbers.",
        },
        Parameter {
            name: "crs",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "CRS of the slice: a code such as `EPSG:32629`, WKT or PROJJSON.",
        },
        Parameter {
            name: "t_min",
            types: TIME,
            given: Given::Optional,
            meaning: "Start of the interval, UTC, inside; NULL is open. A DATE, or text that names a day, a month or a year, stands for the whole of it.",
        },
        Parameter {
            name: "t_max",
            types: TIME,
            given: Given::Optional,
            meaning: "Its stop, inside, so that a day is meant to its end; NULL is open, and left out it is `t_min`.",
        },
        Parameter {
            name: "options",
            types: "STRUCT",
            given: Given::Optional,
            meaning: "The keys below, constant for the query; they may follow `crs` at once.",
        },
        Parameter {
            name: "shape_crs",
            types: "VARCHAR",
            given: Given::Option("crs"),
            meaning: "CRS of the shape where it is not the slice's (a geometry type's own CRS needs no word, but takes one that says the same): its outline is projected, and the slice is the box around it.",
        },
        Parameter {
            name: "aligned",
            types: "BOOLEAN",
            given: Given::Option("false"),
            meaning: "Grow the box to multiples of the resolution, as gdalwarp -tap and odc-geo do. Otherwise the upper left corner is kept, each side is rounded to whole pixels (halves to even), and the right and lower edges move, as in rasterio.merge.",
        },
    ],
    columns: &[Column {
        name: "slice",
        types: SLICE,
        meaning: "The box as rounded, and its pixels; the resolution is box / pixels. A box over the antimeridian runs on beyond 180.",
    }],
    nulls: "NULL for a NULL or empty shape, resolution or CRS; a NULL time leaves the interval open on that side.",
    errors: &[
        "a resolution of zero or below, or wider than the box",
        "NaN corners, text that is not WKT, or degrees where the CRS counts in metres",
        "a CRS that PROJ does not know, or a shape that it cannot project",
        "a shape of pixels without a transform, or with one that is rotated, or whose rows run north or columns west",
        "an interval that ends before it starts, or a time that is none",
        "shape_crs that is not the CRS of the geometry's type",
    ],
    examples: &[
        Example {
            title: "A box that is not a whole number of pixels: its upper left stays",
            sql: "SELECT s.width, s.height, s.bbox.xmin, s.bbox.ymin, s.bbox.xmax, s.bbox.ymax FROM (\n\
                  \x20   SELECT geo_slice({xmin: 500003, ymin: 4000000, xmax: 500104, ymax: 4000096}, 10, 'EPSG:32629') AS s);",
            rows: &["10\t10\t500003.0\t3999996.0\t500103.0\t4000096.0"],
        },
        Example {
            title: "An area in degrees on a metric grid, aligned to it, for June",
            sql: "SELECT s.width, s.height, s.bbox.xmin, s.bbox.ymax, s.t_max FROM (\n\
                  \x20   SELECT geo_slice({xmin: -9, ymin: 36, xmax: -8.9, ymax: 36.1}, 100, 'EPSG:32629',\n\
                  \x20       '2023-06-01', '2023-06-30', {shape_crs: 'OGC:CRS84', aligned: true}) AS s);",
            rows: &["91\t112\t500000.0\t3995100.0\t2023-06-30 23:59:59.999999"],
        },
        Example {
            title: "One pixel of 100 m around a place",
            sql: "SELECT s.width, s.height, round(s.bbox.xmin) AS xmin, round(s.bbox.xmax) AS xmax FROM (\n\
                  \x20   SELECT geo_slice('POINT (-9 36)', 100, 'EPSG:32629', {shape_crs: 'OGC:CRS84'}) AS s);",
            rows: &["1\t1\t499950.0\t500050.0"],
        },
        Example {
            title: "The grid of a file, from its row in a catalog",
            sql: "SELECT s.width, s.height, s.bbox.xmin, s.bbox.ymax, s.crs FROM (\n\
                  \x20   SELECT geo_slice([height, width], transform, crs) AS s FROM geo_catalog_build('test/data/small/land.tif'));",
            rows: &["36\t18\t-180.0\t90.0\tEPSG:4326"],
        },
        Example {
            title: "A window of a file as a slice, which any other file can be read onto",
            sql: "SELECT geo_slice({row_off: 3, col_off: 16, height: 2, width: 3}, transform, crs).bbox AS bbox FROM geo_catalog_build('test/data/small/land.tif');",
            rows: &["{'xmin': -20.0, 'ymin': 40.0, 'xmax': 10.0, 'ymax': 60.0}"],
        },
    ],
    references: &["rasterio.merge.merge: bounds and res", "odc.geo.geobox.GeoBox.from_bbox: anchor = 'edge'"],
};

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    /// How many times were given: none, `t_min`, or both.
    times: usize,
    /// Where it is not the slice's own.
    shape_crs: Option<Crs>,
    aligned: bool,
    /// The shape is a window.
    is_window: bool,
}

impl ScalarFunction for GeoSlice {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let args = call.options()?;
        let shape_crs = asked_crs(&args, "shape_crs", call.crs(0)?)?;
        let times = call.arguments() - REQUIRED - usize::from(call.options_index()?.is_some());
        let is_window = call.fields(0)?.iter().any(|(name, _)| name.eq_ignore_ascii_case("row_off"));
        Ok(Bound { times, shape_crs, aligned: args.flag("aligned")?.unwrap_or(false), is_window })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| Ok(slice(bound, input, row)?.map(|(slice, crs)| SliceRow::new(&slice, crs))))
    }
}

fn blame(parameter: &'static str) -> impl Fn(Error) -> Error {
    move |error| error.at(format!("geo_slice({parameter})"))
}

/// The slice of one row, and the user's own name of its CRS.
fn slice<'a>(bound: &Bound, input: &'a Input<'_>, row: usize) -> Result<Option<(Slice, &'a str)>> {
    let names = input.column(2);
    if (0..REQUIRED).any(|i| input.column(i).is_null(row)) {
        return Ok(None);
    }
    let name = names.str(row)?.trim();
    let crs = Crs::new(name);
    let facts = projection::crs_facts(crs.as_str()).map_err(blame("crs"))?;
    let time = |index: usize, name: &'static str| match index < bound.times {
        true => interval(input.column(REQUIRED + index), row).map_err(blame(name)),
        false => Ok(None),
    };
    let first = time(0, "t_min")?;
    let last = if bound.times > 1 { time(1, "t_max")? } else { first };
    let (t_min, t_max) = (first.map(|first| first.start), last.map(|last| last.stop));
    crate::slice::check_times(t_min, t_max).map_err(blame("t_max"))?;
    let times = (t_min, t_max);
    let sides = match input.column(1).holds() == Holds::List {
        true => input.column(1).list(row).numbers::<f64>(),
        false => Some(vec![input.column(1).get::<f64>(row)]),
    };
    let Some(sides) = sides else { return Ok(None) };
    if bound.is_window {
        let window = windows::read(input.column(0), row).map_err(blame("shape"))?;
        let Some(window) = window else { return Ok(None) };
        return grid(bound, Ok(window), &sides, crs, times).map(|slice| Some((slice, name)));
    }
    if let Some(pixels) = pixels(input.column(0), row).map_err(blame("shape"))? {
        let Some(pixels) = pixels else { return Ok(None) };
        let window = match *pixels.as_slice() {
            [height, width] | [_, height, width] => Window::new(0, 0, height, width).ok(),
            _ => None,
        };
        let must = "[rows, columns] or [bands, rows, columns], at least 1 x 1 pixels";
        let window = window.ok_or_else(|| blame("shape")(Error::invalid(format!("{pixels:?}"), must)));
        return grid(bound, window, &sides, crs, times).map(|slice| Some((slice, name)));
    }
    let resolution = match *sides.as_slice() {
        [side] => (side, side),
        [x, y] => (x, y),
        _ => {
            let bad = Error::invalid(format!("{sides:?}"), "one number, or [width, height] of a pixel");
            return Err(blame("resolution")(bad));
        }
    };
    let Some(bbox) = area(bound, input, row, &crs).map_err(blame("shape"))? else { return Ok(None) };
    footprint::check_units(&bbox, crs.as_str(), &facts).map_err(blame("shape"))?;
    let make = if bound.aligned { Slice::aligned } else { Slice::at_resolution };
    let slice = make(bbox, crs, times, resolution).map_err(blame("resolution"))?;
    Ok(Some((slice, name)))
}

/// The numbers of a shape of pixels, none where one of them is NULL; `None` of a shape that is no list.
fn pixels(shapes: &Vector<'_>, row: usize) -> Result<Option<Option<Vec<i64>>>> {
    // A struct is looked at as it lies.
    if matches!(shapes.holds(), Holds::Geometry | Holds::Text | Holds::Struct) {
        return Ok(None);
    }
    let value = Value::of(shapes, row);
    let Value::List(sides) = &value else { return Ok(None) };
    if sides.contains(&Value::Null) {
        return Ok(Some(None));
    }
    let sides: Option<Vec<i64>> = sides.iter().map(Value::whole).collect();
    sides.map(|sides| Some(Some(sides))).ok_or_else(|| Error::invalid(value, "whole numbers of pixels"))
}

/// What a time stands for; `None` where it is NULL.
fn interval(times: &Vector<'_>, row: usize) -> Result<Option<Interval>> {
    let must = "a TIMESTAMP, a DATE, or text such as '2023-06', '2023-06-30' or '2023-06-30 12:00:00'";
    match Value::of(times, row) {
        Value::Null => Ok(None),
        value => value.time().map(Some).ok_or_else(|| Error::invalid(value, must)),
    }
}

/// The grid of these pixels under this transform. A slice's rows run south and its columns east: a grid that runs another way is
/// refused, since what is drawn on the slice would lie flipped beside its pixels.
fn grid(
    bound: &Bound,
    window: Result<Window>,
    terms: &[f64],
    crs: Crs,
    times: (Option<i64>, Option<i64>),
) -> Result<Slice> {
    if bound.shape_crs.is_some() || bound.aligned {
        let problem = "a shape of pixels is a grid already";
        return Err(Error::conflict(problem, "Leave shape_crs and aligned out").at("geo_slice(options)"));
    }
    let window = window?;
    let affine = Affine::from_terms(terms).map_err(blame("resolution"))?;
    if affine.is_rotated() {
        let must = "a transform without rotation: a slice's rows run along x";
        return Err(blame("resolution")(Error::invalid(format!("{terms:?}"), must)));
    }
    let [_, dx, _, _, _, dy] = affine.0;
    if dx < 0.0 || dy > 0.0 {
        let way = if dy > 0.0 {
            format!("rows run north (a pixel's height is {dy})")
        } else {
            format!("columns run west (a pixel's width is {dx})")
        };
        let problem = format!(
            "the grid's {way}, and a slice's run south and east: beside its pixels, what is drawn on the slice would lie flipped"
        );
        let remedy = "Read the pixels onto a slice too (read_slice, or read_array with slice), over the same cells: geo_slice([height, width], [least x, pixel width, 0, greatest y, 0, -pixel height], crs)";
        return Err(blame("resolution")(Error::conflict(problem, remedy)));
    }
    Slice::new(affine.bbox(&window), crs, times, window.height.into(), window.width.into())
        .map_err(blame("resolution"))
}

/// The shape's box in the slice's CRS.
fn area(bound: &Bound, input: &Input<'_>, row: usize, crs: &Crs) -> Result<Option<Bbox>> {
    let from = bound.shape_crs.as_ref().unwrap_or(crs).as_str();
    let shape = input.column(0);
    if matches!(shape.holds(), Holds::Geometry | Holds::Text) {
        let Some(wkb) = shapes::wkb(shape, row)? else { return Ok(None) };
        return projection::geometry::geometry_envelope(&wkb, from, crs.as_str());
    }
    let must =
        "a box {xmin, ymin, xmax, ymax} of numbers, a geometry or its WKT, or [height, width] of a grid";
    let Some(mut bbox) = shapes::corners(shape, row, must)? else { return Ok(None) };
    let from_globe = from == CRS84 || projection::crs_facts(from)?.geographic;
    if from_globe && bbox.xmin > bbox.xmax {
        bbox.xmax += 360.0;
    }
    let bbox = Bbox::new(bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax)?;
    footprint::running_box(&bbox, from, crs.as_str()).map(Some)
}
