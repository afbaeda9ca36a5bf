//! An array's grid onto a slice's: plane by plane through GDAL's warper, whatever way its axes run.

use std::ops::Range;

use crate::affine::Affine;
use crate::cf;
use crate::dtype::Pixel;
use crate::error::{Error, Result};
use crate::format::gdal::warp::{self, Pixels, Resampling, Rule};
use crate::format::gdal::{crs_facts, project};
use crate::format::hyperslab::Run;
use crate::interval::Interval;
use crate::read::array::ArraySource;
use crate::read::array_plan::Part;
use crate::read::axis::{Point, Selection, Wanted};
use crate::read::values::{Decoding, decode};
use crate::slice::Slice;
use crate::window::Window;
use crate::workers;

/// How planes come onto a slice.
#[derive(Debug, Clone, PartialEq)]
pub struct Onto {
    pub slice: Slice,
    pub resampling: Resampling,
}

/// How far a pixel's place may be interpolated beside the exact one, in cells of the array.
const TOLERANCE: f64 = 0.125;
/// Stands for no value while planes are warped: NaN may be a value of the file.
const NONE: f64 = f64::MIN;
const TURN: f64 = 360.0;

/// The grid of a variable, and the dimensions that its rows and columns are.
struct Place {
    crs: String,
    affine: Affine,
    rows: usize,
    cols: usize,
    y_dim: usize,
    x_dim: usize,
    /// Columns of a whole turn around the globe, where the grid goes all around.
    around: bool,
}

/// The dimensions that lie on the map, rows and columns; a slice takes their place.
///
/// # Errors
/// The variable has no regular grid with a CRS.
pub fn map_dims(source: &ArraySource, variable: usize) -> Result<(usize, usize)> {
    place(source, variable).map(|place| (place.y_dim, place.x_dim))
}

fn place(source: &ArraySource, variable: usize) -> Result<Place> {
    let name = &source.variable(variable)?.name;
    let axes = cf::axes(source.header(), variable);
    let none = |why: &str| {
        let problem = format!("\"{name}\" of \"{}\" {why}", source.path());
        Error::conflict(problem, "Only arrays on a regular grid, in degrees or projected, come onto a slice")
    };
    let grid = cf::grid::grid(&**source.file()?, variable, &axes)?
        .ok_or_else(|| none("has no coordinates on the map"))?;
    let affine = grid.transform.ok_or_else(|| none("has cells of different sizes"))?;
    let (Some(y_dim), Some(x_dim)) = (axes.y_dim(), axes.x_dim()) else {
        return Err(none("has no dimensions on the map"));
    };
    let (turn, n) = (TURN / affine.0[1].abs(), grid.width as f64);
    // Some grids repeat their first columns at the end, which are then left out.
    let repeats = n > turn && (turn - turn.round()).abs() < 0.01;
    let around = crs_facts(&grid.crs)?.geographic && (repeats || (turn - n).abs() < 0.5);
    let cols = if around && repeats { turn.round() as usize } else { grid.width };
    Ok(Place { crs: grid.crs, affine, rows: grid.height, cols, y_dim, x_dim, around })
}

/// The selection that a slice makes: its interval on the time axis, unless the user selects there.
///
/// # Errors
/// As [`crate::read::axis::select`].
pub fn with_times(
    source: &ArraySource,
    variable: usize,
    selection: &Selection,
    slice: &Slice,
) -> Result<Selection> {
    let mut selection = selection.clone();
    let Some(time) = cf::axes(source.header(), variable).time.filter(|time| time.dims.len() == 1) else {
        return Ok(selection);
    };
    for (name, _) in &selection.dims {
        if time.dims == [crate::read::axis::dimension(source, variable, name)?] {
            return Ok(selection);
        }
    }
    if slice.t_min.is_some() || slice.t_max.is_some() {
        let (start, stop) = (slice.t_min.unwrap_or(i64::MIN), slice.t_max.unwrap_or(i64::MAX));
        let point = |at| Point::Time(Interval { start: at, stop: at });
        selection.dims.push(("time".into(), Wanted::Between(point(start), point(stop))));
    }
    Ok(selection)
}

/// Planes on a slice's grid, one after another.
#[derive(Debug, Default)]
pub struct Planes {
    values: Vec<f64>,
    /// 0 where there is no value.
    valid: Vec<u8>,
}

impl Planes {
    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Writes the values from place `from` on into `out`, and gives the runs of `out` without one, as
    /// [`decode`] does.
    ///
    /// # Errors
    /// [`Error::Bug`]: there are fewer.
    pub fn write<T: Pixel>(
        &self,
        from: usize,
        fill: Option<f64>,
        out: &mut [T],
    ) -> Result<Vec<Range<usize>>> {
        let places = from..from + out.len();
        let (Some(values), Some(valid)) = (self.values.get(places.clone()), self.valid.get(places)) else {
            return Err(Error::Bug("too few planes".into()));
        };
        let mut gaps: Vec<Range<usize>> = Vec::new();
        for (place, ((to, value), valid)) in out.iter_mut().zip(values).zip(valid).enumerate() {
            *to = T::of(if *valid == 0 { fill.unwrap_or(f64::NAN) } else { *value });
            match gaps.last_mut() {
                _ if *valid != 0 || fill.is_some() => {}
                Some(last) if last.end == place => last.end += 1,
                _ => gaps.push(place..place + 1),
            }
        }
        Ok(gaps)
    }
}

/// Every plane of a part on the slice's grid, in the order of the part's other dimensions.
///
/// # Errors
/// No grid, no transformation between the two CRSs, or chunks that can not be decoded.
pub fn read_onto(part: &Part, onto: &Onto, decoding: &Decoding, threads: usize) -> Result<Planes> {
    let place = place(&part.source, part.variable)?;
    let facts = part.facts()?;
    let (affine, first) = turned(&place, &onto.slice)?;
    let from = warp::Grid { crs: &place.crs, affine, height: place.rows, width: place.cols };
    let slice = &onto.slice;
    let to = warp::Grid {
        crs: slice.crs.as_str(),
        affine: slice.affine(),
        height: slice.height as usize,
        width: slice.width as usize,
    };
    let rule = Rule { resampling: onto.resampling, tolerance: TOLERANCE, nodata: Some(NONE) };
    let decoding = Decoding { fill: Some(NONE), ..*decoding };
    let planes = planes(part, &place);
    let area = slice.area();
    let count = area.checked_mul(planes.len()).ok_or_else(|| Error::Bug("too many planes".into()))?;
    let mut done = Planes { values: vec![f64::NAN; count], valid: vec![0; count] };
    let places = done.values.chunks_mut(area).zip(done.valid.chunks_mut(area));
    let mut jobs: Vec<_> = planes.iter().zip(places).collect();
    workers::each(&mut jobs, threads, |(plane, (values, valid))| {
        let image = |window: &Window, out: &mut [f64]| -> Result<()> {
            let (height, width) = (window.height as usize, window.width as usize);
            let mut runs = (*plane).clone();
            let row = Run { start: window.row_off as u64, count: height as u64, step: 1 };
            let cols = around(window.col_off as u64, width as u64, first, place.cols as u64);
            if let Some(runs) = runs.get_mut(place.y_dim) {
                *runs = vec![row];
            }
            if let Some(runs) = runs.get_mut(place.x_dim) {
                *runs = cols;
            }
            let pixels = part.source.read(part.variable, &runs, 1)?;
            if place.y_dim < place.x_dim {
                return decode(&pixels, facts, &decoding, out).map(|_| ());
            }
            let mut turned = vec![0.0; out.len()];
            decode(&pixels, facts, &decoding, &mut turned)?;
            for (at, value) in out.iter_mut().enumerate() {
                *value = turned.get(at % width * height + at / width).copied().unwrap_or(NONE);
            }
            Ok(())
        };
        if let Some(warped) = warp::warp(&from, &to, &rule, &Pixels { image: &image, mask: None })? {
            values.copy_from_slice(&warped.pixels);
            valid.copy_from_slice(&warped.valid);
        }
        Ok(())
    })?;
    Ok(done)
}

/// The selection of each plane: one place on every dimension that is not on the map.
fn planes(part: &Part, place: &Place) -> Vec<Vec<Vec<Run>>> {
    let mut planes: Vec<Vec<Vec<Run>>> = vec![Vec::new()];
    for (dim, selected) in part.selected.iter().enumerate() {
        let choices: Vec<Vec<Run>> = if dim == place.y_dim || dim == place.x_dim {
            vec![selected.runs.clone()]
        } else {
            let one = |start| vec![Run { start, count: 1, step: 1 }];
            selected.runs.iter().flat_map(|run| run.places()).map(one).collect()
        };
        planes = planes
            .iter()
            .flat_map(|plane| {
                choices.iter().map(|choice| plane.iter().cloned().chain([choice.clone()]).collect())
            })
            .collect();
    }
    planes
}

/// The grid a whole number of columns further round, so that the slice lies near its middle, and the column that is
/// then the first. Only quarters of a turn, so that slices near each other share their warper's plan.
fn turned(place: &Place, slice: &Slice) -> Result<(Affine, u64)> {
    let mut affine = place.affine;
    if !crs_facts(&place.crs)?.geographic {
        return Ok((affine, 0));
    }
    let b = &slice.bbox;
    let mut middle = [((b.xmin + b.xmax) / 2.0, (b.ymin + b.ymax) / 2.0)];
    project(slice.crs.as_str(), &place.crs, &mut middle)?;
    let [(lon, _)] = middle;
    if !lon.is_finite() {
        return Ok((affine, 0));
    }
    let [x0, dx, ..] = affine.0;
    let cols = place.cols as f64;
    if !place.around {
        // The turn that brings the grid nearest to the slice.
        affine.0[0] = x0 + ((lon - (x0 + dx * cols / 2.0)) / TURN).round() * TURN;
        return Ok((affine, 0));
    }
    let lon = (lon / 90.0).round() * 90.0;
    let first = ((lon - dx.signum() * TURN / 2.0 - x0) / dx).round();
    affine.0[0] = x0 + first * dx;
    Ok((affine, first.rem_euclid(cols) as u64))
}

/// Columns `from .. from + count` of a grid whose column `first` comes first.
fn around(from: u64, count: u64, first: u64, cols: u64) -> Vec<Run> {
    let start = (from + first) % cols.max(1);
    let before = count.min(cols - start);
    let mut runs = vec![Run { start, count: before, step: 1 }];
    if count > before {
        runs.push(Run { start: 0, count: count - before, step: 1 });
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_go_around_the_globe() {
        let places = |from, count, first| -> Vec<u64> {
            around(from, count, first, 8).into_iter().flat_map(Run::places).collect()
        };
        assert_eq!(places(0, 8, 0), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(places(0, 8, 5), [5, 6, 7, 0, 1, 2, 3, 4]);
        assert_eq!(places(2, 3, 5), [7, 0, 1]);
        assert_eq!(places(4, 2, 5), [1, 2]);
    }
}
