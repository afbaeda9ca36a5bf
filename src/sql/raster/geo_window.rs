//! `geo_window`: the window of a grid that a slice or a box is.

use crate::affine::Affine;
use crate::bbox::Bbox;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::record::text;
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::sql::shared::shapes::{self, BOX};
use crate::sql::shared::slice_value::{self, SLICE};
use crate::sql::shared::windows::{WIN, WindowRow};
use crate::window::Window;

/// The scalar `geo_window`.
pub struct GeoWindow;

/// How far, in pixels, an edge may lie off the grid: float32 coordinates and sizes of few digits part by hundredths.
const OFF_GRID: f64 = 0.05;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_window",
    kind: Kind::Scalar,
    summary: "The window of a raster's pixels that a slice or a box is.",
    parameters: &[
        Parameter {
            name: "slice",
            types: text![SLICE, " | ", BOX],
            given: Given::AsItIs,
            meaning: "A slice, as `geo_slice` makes it, or a box; in the raster's CRS.",
        },
        Parameter {
            name: "transform",
            types: "DOUBLE[]",
            given: Given::Required,
            meaning: "GDAL's six numbers of the raster, without rotation: a catalog's or a read's `transform`.",
        },
        Parameter { name: "options", types: "STRUCT", given: Given::Optional, meaning: "The keys below." },
        Parameter {
            name: "round",
            types: "BOOLEAN",
            given: Given::Option("false"),
            meaning: "Move each edge to the nearest line of the grid (halves to even), however far; a window keeps one pixel at least.",
        },
    ],
    columns: &[Column {
        name: "win",
        types: WIN,
        meaning: "Its rows and columns. It may lie beyond the raster, whose size is not asked. The way back is `geo_slice(win, transform, crs)`.",
    }],
    nulls: "NULL for a NULL slice, box or transform, or a NULL in one.",
    errors: &[
        "an edge more than 1/20 pixel off the grid, or a slice of other pixels than the grid's, unless `round`",
        "a transform that is none, or rotated; a box out of order",
    ],
    examples: &[
        Example {
            title: "A box on the grid, and back",
            sql: "SELECT w, geo_slice(w, [-180.0, 10, 0, 90, 0, -10], 'EPSG:4326').bbox.xmin AS xmin FROM (\n\
                  \x20   SELECT geo_window({xmin: -20, ymin: 40, xmax: 10, ymax: 60}, [-180.0, 10, 0, 90, 0, -10]) AS w);",
            rows: &["{'row_off': 3, 'col_off': 16, 'height': 2, 'width': 3}\t-20.0"],
        },
        Example {
            title: "One that lies beside the grid",
            sql: "SELECT geo_window({xmin: -24, ymin: 40, xmax: 13, ymax: 61}, [-180.0, 10, 0, 90, 0, -10], {round: true}) AS w;",
            rows: &["{'row_off': 3, 'col_off': 16, 'height': 2, 'width': 3}"],
        },
    ],
    references: &["rasterio.windows.from_bounds; georeader: window_utils"],
};

/// What a call knows before any row.
pub struct Bound {
    round: bool,
    is_slice: bool,
}

impl ScalarFunction for GeoWindow {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let is_slice = call.fields(0)?.iter().any(|(name, _)| name.eq_ignore_ascii_case("bbox"));
        Ok(Bound { round: call.options()?.flag("round")?.unwrap_or(false), is_slice })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let blame =
            |parameter: &'static str| move |error: Error| error.at(format!("geo_window({parameter})"));
        rows(input, out, |row| {
            if input.column(0).is_null(row) || input.column(1).is_null(row) {
                return Ok(None);
            }
            let Some(terms) = input.column(1).list(row).numbers::<f64>() else { return Ok(None) };
            let affine = Affine::from_terms(&terms).map_err(blame("transform"))?;
            if affine.is_rotated() {
                let must = "a transform without rotation: a box is no window of another";
                return Err(blame("transform")(Error::invalid(format!("{terms:?}"), must)));
            }
            let (bbox, pixels) = if bound.is_slice {
                let slice = slice_value::read(input.column(0), row).map_err(blame("slice"))?;
                let Some((slice, _)) = slice else { return Ok(None) };
                (slice.bbox, Some((slice.height, slice.width)))
            } else {
                let must = "a slice, as geo_slice makes it, or a box {xmin, ymin, xmax, ymax} of numbers";
                let bbox = shapes::corners(input.column(0), row, must).map_err(blame("slice"))?;
                let Some(bbox) = bbox else { return Ok(None) };
                (Bbox::new(bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax).map_err(blame("slice"))?, None)
            };
            window(&bbox, pixels, &affine, bound.round).map_err(blame("slice")).map(Some)
        })
    }
}

fn window(bbox: &Bbox, pixels: Option<(u32, u32)>, affine: &Affine, round: bool) -> Result<WindowRow> {
    let (first, last) = (affine.row_col(bbox.xmin, bbox.ymax), affine.row_col(bbox.xmax, bbox.ymin));
    // The corner of the least row and column, whichever way rows and columns run.
    let rows = (first.0.min(last.0), first.0.max(last.0));
    let cols = (first.1.min(last.1), first.1.max(last.1));
    let off = [rows.0, rows.1, cols.0, cols.1].map(|v| (v - v.round_ties_even()).abs());
    let far = off.into_iter().fold(0.0, f64::max);
    if far > OFF_GRID && !round {
        let problem = format!(
            "the {bbox} is rows {} to {} and columns {} to {} of the grid, {:.2} pixels off it",
            rows.0, rows.1, cols.0, cols.1, far
        );
        return Err(Error::conflict(
            problem,
            "Give {round: true} for the nearest window, or read the slice itself",
        ));
    }
    let whole = |(low, high): (f64, f64)| {
        let (low, high) = (low.round_ties_even(), high.round_ties_even());
        (low as i64, ((high - low) as i64).max(1))
    };
    let ((row_off, height), (col_off, width)) = (whole(rows), whole(cols));
    let window = Window::new(row_off, col_off, height, width)?;
    if let Some((own_height, own_width)) = pixels
        && (own_height, own_width) != (window.height, window.width)
        && !round
    {
        let problem = format!(
            "the slice has {own_height} x {own_width} pixels, and {} x {} of the grid lie under it",
            window.height, window.width
        );
        let remedy = "Give {round: true} for the window under it, or read the slice itself";
        return Err(Error::conflict(problem, remedy));
    }
    Ok(WindowRow::from(&window))
}
