//! `geo_footprint_places`: slices drawn in the footprint of a catalog's row.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter, join};
use crate::bridge::record::{Typed, record};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::crs::Crs;
use crate::error::Result;
use crate::random::Pcg64;
use crate::slice::Slice;
use crate::sql::sampling::footprints::{EntryRow, FOOTPRINT, Words, crs_of};
use crate::sql::sampling::patch_sample;
use crate::sql::shared::shapes::Shapes;
use crate::sql::shared::slice_value::SliceRow;
use crate::sql::shared::windows::WindowRow;
use crate::value::Value;
use crate::window::Window;
use crate::workers::go_on;

/// The scalar `geo_footprint_places`.
pub struct GeoFootprintPlaces;

/// A slice that was drawn.
pub struct DrawnSlice {
    draw: i64,
    slice: SliceRow,
    win: Option<WindowRow>,
}
record! { DrawnSlice { draw: i64, slice: SliceRow, win: Option<WindowRow> } }

const TIMES: [(&str, bool); 2] = [("row", false), ("uniform", true)];

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_footprint_places",
    kind: Kind::Scalar,
    summary: "The slices that geoquilt.patch_sample draws in one row.",
    parameters: &join::<{ FOOTPRINT.len() + 1 }>(&[
        &FOOTPRINT,
        &[Parameter {
            name: "draws",
            types: "BIGINT[]",
            given: Given::Required,
            meaning: "Numbers of the draws, from 0. Draw k has the stream `numpy.random.default_rng([seed, k + 1])`: row, column, then the time.",
        }],
    ]),
    columns: &[Column {
        name: "slices",
        types: <Vec<DrawnSlice>>::TYPE,
        meaning: "One a draw; `win` on the file's own grid, NULL on another.",
    }],
    nulls: "NULL for a NULL or empty geometry, or one that no patch fits into, and for draws that are NULL.",
    errors: &["as geoquilt.patch_sample"],
    examples: &[Example {
        title: "Two draws in a global file",
        sql: "SELECT d.draw, d.win.row_off, d.win.col_off FROM (\n\
              \x20   SELECT unnest(geo_footprint_places(geometry, NULL, {path: path, kind: kind, width: width, height: height, transform: transform, crs: crs, t_min: t_min, t_max: t_max},\n\
              \x20       {size: 6, seed: 7}, [0, 1])) AS d FROM geo_catalog_build('test/data/small/land.tif'));",
        rows: &["0\t11\t23", "1\t3\t8"],
    }],
    references: &["numpy.random.default_rng(seed): integers, uniform"],
};

impl ScalarFunction for GeoFootprintPlaces {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let mut shapes = Shapes::new(input.column(0));
        rows(input, out, |row| {
            let words = Words::of(&patch_sample::DOC, &Value::of(input.column(3), row))?;
            let seed = words.seed()?;
            let drawn_time = words.choice("t", "a way to choose times", &TIMES)?.unwrap_or(false);
            let draws = input.column(4);
            let Some(shape) = shapes.get(row)?.filter(|_| !draws.is_null(row)) else { return Ok(None) };
            let Some(draws) = draws.list(row).numbers::<i64>() else { return Ok(None) };
            let crs = crs_of(input.column(1), row)?;
            let entry = EntryRow::of(input.column(2), row)?;
            let Some(ground) = words.ground(shape, crs.as_str(), &entry)? else { return Ok(None) };
            let Some(spots) = ground.spots(words.size) else { return Ok(None) };
            let name = &ground.lattice.crs;
            let (height, width) = (words.size.0 as i64, words.size.1 as i64);
            let one = |draw: i64| -> Result<DrawnSlice> {
                go_on()?;
                let mut rng = Pcg64::member(seed, (draw + 1) as u32);
                let at = spots.draw(&mut rng);
                let times = match entry.times() {
                    (Some(first), Some(last)) if drawn_time && first <= last => {
                        let at = first + rng.integer(last.abs_diff(first)) as i64;
                        (Some(at), Some(at))
                    }
                    times => times,
                };
                let bbox = ground.outline(at, words.size);
                let slice =
                    Slice::new(bbox, Crs::new(name), times, height, width).map_err(words.blame("catalog"))?;
                let window = Window::new(at.0 as i64, at.1 as i64, height, width)?;
                let win = ground.is_raster().then(|| WindowRow::from(&window));
                Ok(DrawnSlice { draw, slice: SliceRow::new(&slice, name), win })
            };
            draws.into_iter().map(one).collect::<Result<Vec<_>>>().map(Some)
        })
    }
}
