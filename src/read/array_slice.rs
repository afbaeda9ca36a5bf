//! An array's grid onto a slice's: plane by plane through GDAL's warper, whatever way its axes run.

use crate::affine::Affine;
use crate::cf::Cells;
use crate::dtype::{Dtype, Pixel};
use crate::error::{Error, Result};
use crate::format::array::Variable;
use crate::format::gdal::warp;
use crate::format::gdal::warp::{Pixels, Rule};
use crate::format::hyperslab::Run;
use crate::interval::Interval;
use crate::projection::{crs_facts, project};
use crate::read::array::ArraySource;
use crate::read::array_plan::Part;
use crate::read::axis::{Point, Selection, Wanted};
use crate::read::gaps::{Gaps, gaps};
use crate::read::globe::TURN;
use crate::read::mosaic::Merge;
use crate::read::placement::Passage;
use crate::read::values::{Decoding, decode};
use crate::resampling::Resampling;
use crate::slice::Slice;
use crate::window::Window;
use crate::workers;

/// How planes come onto a slice.
#[derive(Debug, Clone, PartialEq)]
pub struct GridTarget {
    /// The grid.
    pub slice: Slice,
    /// How a pixel is made of those around it.
    pub resampling: Resampling,
    /// What files of one time become.
    pub merge: Merge,
}

/// Stands for no value while planes are warped: NaN may be a value of the file.
const NONE: f64 = f64::MIN;

/// GDAL takes numbers as far below zero as this for [`NONE`], since their sum with it is infinite.
const LOWEST: f64 = -9e291;

/// The grid of a variable, and the dimensions that its rows and columns are.
struct VariableGrid {
    crs: String,
    affine: Affine,
    rows: usize,
    cols: usize,
    y_dim: usize,
    x_dim: usize,
}

/// The dimensions that lie on the map, rows and columns; a slice replaces them.
///
/// # Errors
/// The variable has no regular grid with a CRS.
pub fn map_dims(source: &ArraySource, variable: usize) -> Result<(usize, usize)> {
    variable_grid(source, variable).map(|grid| (grid.y_dim, grid.x_dim))
}

fn variable_grid(source: &ArraySource, variable: usize) -> Result<VariableGrid> {
    let name = &source.variable(variable)?.name;
    let none = |why: &str| {
        let problem = format!("\"{name}\" of \"{}\" {why}", source.path());
        Error::conflict(problem, "Only arrays on a regular grid, in degrees or projected, come onto a slice")
    };
    let (Cells { grid, .. }, y_dim, x_dim) =
        source.cells(variable)?.ok_or_else(|| none("has no coordinates on the map"))?;
    let affine = grid.transform.ok_or_else(|| none("has cells of different sizes"))?;
    Ok(VariableGrid { crs: grid.crs, affine, rows: grid.height, cols: grid.width, y_dim, x_dim })
}

/// The selection that a slice makes: its interval on the time axis, unless the user selects there.
///
/// # Errors
/// As [`crate::read::select::select`].
pub fn with_times(
    source: &ArraySource,
    variable: usize,
    selection: &Selection,
    slice: &Slice,
) -> Result<Selection> {
    let mut selection = selection.clone();
    let Some(time) = source.axes(variable)?.time.as_ref().filter(|time| time.dims.len() == 1) else {
        return Ok(selection);
    };
    for (name, _) in &selection.dims {
        if time.dims == [crate::read::select::dimension(source, variable, name)?] {
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
    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The first whole number, of a variable that holds such, that a FLOAT changes.
    pub fn beyond_float(&self) -> Option<i128> {
        let cells = self.values.iter().zip(&self.valid).filter(|(_, valid)| **valid != 0);
        cells.filter_map(|(value, _)| value.beyond_float()).next()
    }

    /// The first value beyond the largest FLOAT.
    pub fn above_float(&self) -> Option<f64> {
        let cells = self.values.iter().zip(&self.valid).filter(|(_, valid)| **valid != 0);
        cells.filter_map(|(value, _)| value.above_float()).next()
    }

    /// Writes the values from the `from`-th on into `out`, and gives the runs of `out` without one, as
    /// [`decode`] does.
    ///
    /// # Errors
    /// [`Error::Bug`]: there are fewer.
    pub fn write<T: Pixel>(&self, from: usize, fill: Option<f64>, out: &mut [T]) -> Result<Gaps> {
        let range = from..from + out.len();
        let (Some(values), Some(valid)) = (self.values.get(range.clone()), self.valid.get(range)) else {
            return Err(Error::Bug("too few planes".into()));
        };
        for ((to, value), valid) in out.iter_mut().zip(values).zip(valid) {
            *to = T::of(if *valid == 0 { fill.unwrap_or(f64::NAN) } else { *value });
        }
        Ok(if fill.is_some() { Gaps::new() } else { gaps(valid, |valid| *valid == 0) })
    }
}

/// Every plane of a part on the slice's grid, in the order of the part's other dimensions; files of one time are merged.
///
/// # Errors
/// No grid, no transformation between the two CRSs, or chunks that cannot be decoded.
pub fn read_onto(part: &Part, onto: &GridTarget, decoding: &Decoding, threads: usize) -> Result<Planes> {
    let mut done = read_one(part, onto, decoding, threads)?;
    if part.also.is_empty() && onto.merge != Merge::Count {
        return Ok(done);
    }
    let mut counts: Vec<u32> = done.valid.iter().map(|valid| u32::from(*valid != 0)).collect();
    for other in &part.also {
        let layer = read_one(other, onto, decoding, threads)?;
        if layer.len() != done.len() {
            return Err(Error::Bug(format!("{} values beside {}", layer.len(), done.len())));
        }
        let cells = done.values.iter_mut().zip(&mut done.valid).zip(&mut counts);
        for (((value, valid), count), (more, more_valid)) in cells.zip(layer.values.iter().zip(&layer.valid))
        {
            if *more_valid == 0 {
                continue;
            }
            *count += 1;
            *value = match onto.merge {
                _ if *valid == 0 => *more,
                Merge::First | Merge::Count => *value,
                Merge::Last => *more,
                Merge::Min => value.min(*more),
                Merge::Max => value.max(*more),
                Merge::Sum | Merge::Mean => *value + *more,
            };
            *valid = 1;
        }
    }
    for ((value, valid), count) in done.values.iter_mut().zip(&mut done.valid).zip(counts) {
        match onto.merge {
            Merge::Mean if count > 1 => *value /= f64::from(count),
            Merge::Count => (*value, *valid) = (f64::from(count), 1),
            _ => {}
        }
    }
    Ok(done)
}

/// The greatest whole number below which a double holds every other.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Refuses whole numbers of 64 bits that planes, which are doubles, do not hold.
fn check_exact(path: &str, variable: &Variable, values: &[f64]) -> Result<()> {
    if !matches!(variable.dtype, Some(Dtype::Int64 | Dtype::UInt64)) {
        return Ok(());
    }
    match values.iter().find(|value| value.abs() > EXACT && **value != NONE) {
        None => Ok(()),
        Some(value) => {
            let reason = format!(
                "a value near {value} cannot come onto a slice: whole numbers above 2^53 are not told apart there"
            );
            Err(Error::values(path, variable.name.as_str(), reason))
        }
    }
}

/// Refuses numbers that would be taken for none, and puts that which stands for none into the gaps.
fn close_gaps(path: &str, variable: &Variable, values: &mut [f64], gaps: &Gaps) -> Result<()> {
    let mut from = 0;
    for gap in gaps.iter().cloned().chain(std::iter::once(values.len()..values.len())) {
        let there = values.get(from..gap.start).unwrap_or_default();
        if let Some(value) = there.iter().find(|value| value.is_finite() && **value < LOWEST) {
            let reason = format!(
                "a value of {value:e} cannot come onto a slice: numbers below {LOWEST:e} are not told from none there"
            );
            return Err(Error::values(path, variable.name.as_str(), reason));
        }
        from = gap.end;
        if let Some(gap) = values.get_mut(gap) {
            gap.fill(NONE);
        }
    }
    check_exact(path, variable, values)
}

fn read_one(part: &Part, onto: &GridTarget, decoding: &Decoding, threads: usize) -> Result<Planes> {
    let grid = variable_grid(&part.source, part.variable)?;
    let variable = part.metadata()?;
    let slice = &onto.slice;
    let size = (grid.rows, grid.cols);
    let mut passage = Passage::of(&grid.crs, grid.affine, size, slice, onto.resampling)?;
    if passage.globe.is_none() {
        passage.from.affine = turned(&grid, slice)?;
    }
    let Passage { from, to, globe } = passage;
    // An eighth of a cell, rasterio's default, is a long way in degrees.
    let rule = Rule { resampling: onto.resampling, tolerance: 0.0, nodata: Some(NONE) };
    let decoding = Decoding { fill: None, ..*decoding };
    let planes = planes(part, &grid);
    let area = slice.area();
    let count = area.checked_mul(planes.len()).ok_or_else(|| Error::Bug("too many planes".into()))?;
    let mut done = Planes { values: vec![f64::NAN; count], valid: vec![0; count] };
    let pixels = done.values.chunks_mut(area).zip(done.valid.chunks_mut(area));
    let mut jobs: Vec<_> = planes.iter().zip(pixels).collect();
    workers::each(&mut jobs, threads, |(plane, (values, valid))| {
        let image = |window: &Window, out: &mut [f64]| -> Result<()> {
            let (height, width) = (window.height as usize, window.width as usize);
            let mut runs = (*plane).clone();
            let run = |start: i64, count: u32| Run { start: start as u64, count: count.into(), step: 1 };
            let row = run(window.row_off, window.height);
            let cols = match &globe {
                Some(globe) => globe.runs(window.col_off, window.width).map(|(col, n)| run(col, n)).collect(),
                None => vec![run(window.col_off, window.width)],
            };
            if let Some(runs) = runs.get_mut(grid.y_dim) {
                *runs = vec![row];
            }
            if let Some(runs) = runs.get_mut(grid.x_dim) {
                *runs = cols;
            }
            let pixels = part.source.read(part.variable, &runs, 1)?;
            let path = part.source.path();
            if grid.y_dim < grid.x_dim {
                let gaps = decode(&pixels, variable, &decoding, out)?;
                return close_gaps(path, variable, out, &gaps);
            }
            let mut turned = vec![0.0; out.len()];
            let gaps = decode(&pixels, variable, &decoding, &mut turned)?;
            close_gaps(path, variable, &mut turned, &gaps)?;
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

/// The selection of each plane: one index on every dimension that is not on the map.
fn planes(part: &Part, grid: &VariableGrid) -> Vec<Vec<Vec<Run>>> {
    let mut planes: Vec<Vec<Vec<Run>>> = vec![Vec::new()];
    for (dim, selected) in part.selected.iter().enumerate() {
        let choices: Vec<Vec<Run>> = if dim == grid.y_dim || dim == grid.x_dim {
            vec![selected.runs.clone()]
        } else {
            let one = |start| vec![Run { start, count: 1, step: 1 }];
            selected.runs.iter().flat_map(|run| run.indices()).map(one).collect()
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

/// A grid in degrees a whole turn further, so that it lies nearest to the slice.
fn turned(grid: &VariableGrid, slice: &Slice) -> Result<Affine> {
    let mut affine = grid.affine;
    if !crs_facts(&grid.crs)?.geographic {
        return Ok(affine);
    }
    let b = &slice.bbox;
    let mut middle = [((b.xmin + b.xmax) / 2.0, (b.ymin + b.ymax) / 2.0)];
    project(slice.crs.as_str(), &grid.crs, &mut middle)?;
    let [(lon, _)] = middle;
    if lon.is_finite() {
        affine.0[0] += ((lon - affine.x(grid.cols as f64 / 2.0)) / TURN).round() * TURN;
    }
    Ok(affine)
}
