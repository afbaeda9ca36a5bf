//! CF: what the variables of an array file mean. Which are coordinates, of what, and where and when they lie.
//!
//! The conventions (<https://cfconventions.org>) are read from an [`ArrayHeader`] and the values of coordinates alone;
//! whatever library opened the file.

pub mod axis;
pub mod grid;
pub mod mapping;
mod sphere;
pub mod time;

pub use axis::{Axes, Coordinate, axes, data_variables};
pub use grid::{Cells, Grid, cells, grid};
pub use mapping::{Mapping, mapping};
pub use time::{Calendar, TimeUnits};

use std::sync::Arc;

use crate::dtype::with_pixels;
use crate::dtype::{Dtype, Pixel, Pixels};
use crate::error::{Error, Lack, Result};
use crate::files::Sight;
use crate::format::Header;
use crate::format::array::{ArrayFile, ArrayHeader, Variable};
use crate::format::gdal::hidden;
use crate::format::open;
use crate::interval::Interval;

/// No coordinate that is read whole has more values: a damaged header may.
const MAX_VALUES: u64 = 1 << 24;

/// All values of a coordinate, row-major: `stored * scale + offset`, NaN where it holds none.
///
/// # Errors
/// The variable holds no numbers, more than 2^24 values, or cannot be read.
pub fn values(file: &dyn ArrayFile, variable: usize) -> Result<Vec<f64>> {
    let metadata = metadata(file.header(), variable)?;
    Ok(decode(&whole(file, variable)?, metadata))
}

/// Stored values as numbers: `stored * scale + offset`, NaN where there is none.
pub fn decode(pixels: &Pixels, variable: &Variable) -> Vec<f64> {
    let (scale, offset) = (variable.scale.unwrap_or(1.0), variable.offset.unwrap_or(0.0));
    with_pixels!(pixels, stored => {
        let missing = fills(variable, stored);
        let value = |v: f64| v * scale + offset;
        stored.iter().map(|v| if missing.iter().any(|m| v.is(*m)) { f64::NAN } else { value(v.f64()) }).collect()
    })
}

/// The stored values that stand for none, in the type of `like`. A `valid_range` is none of a coordinate's business: files tell
/// -180 to 180 and count to 360.
fn fills<T: Pixel>(variable: &Variable, _like: &[T]) -> Vec<T> {
    variable.missing()
}

fn whole(file: &dyn ArrayFile, variable: usize) -> Result<Pixels> {
    let metadata = metadata(file.header(), variable)?;
    if metadata.len() > MAX_VALUES {
        return Err(Error::values(
            file.path(),
            &metadata.name,
            format!("a coordinate of {} values is above {MAX_VALUES}", metadata.len()),
        ));
    }
    let dims = metadata.shape.len();
    file.read(variable, &vec![0; dims], &metadata.shape, &vec![1; dims])
}

fn metadata(header: &ArrayHeader, variable: usize) -> Result<&Variable> {
    header.variables.get(variable).ok_or_else(|| Error::Bug(format!("no variable {variable}")))
}

/// A raster's header with what CF tells of the variable that it is: how its values are packed and which stand for none, and a
/// CRS where GDAL finds none, since longitudes and latitudes need no grid mapping. A variable whose longitudes run down the
/// rows has no place as a picture: GDAL takes its columns for them.
pub fn completed(header: &Arc<Header>, sight: &Sight) -> Arc<Header> {
    let arrays = ["netCDF", "HDF5", "HDF5Image"].contains(&header.driver.as_str());
    let Some((file, variable)) = arrays.then(|| variable_of(sight)).flatten() else { return header.clone() };
    let found = file.header();
    let Some(metadata) = found.variables.get(variable).filter(|metadata| metadata.dtype.is_some()) else {
        return header.clone();
    };
    let mut whole = (**header).clone();
    whole.bands = whole.bands.iter().map(|band| hidden::of_variable(band, metadata)).collect();
    let axes = axes(found, variable);
    if axes.x_dim().zip(axes.y_dim()).is_some_and(|(x, y)| x < y) {
        whole.transform = None;
    }
    if whole.crs.is_none() && whole.transform.is_some() {
        let mapping = mapping(found, variable, &axes).ok().flatten();
        whole.crs = mapping.filter(|mapping| mapping.factor == 1.0).map(|mapping| mapping.crs);
    }
    Arc::new(whole)
}

/// The variable of GDAL's name for one, or of a file of one.
fn variable_of(sight: &Sight) -> Option<(Arc<dyn ArrayFile>, usize)> {
    let file = open::open(&sight.container()).ok()?;
    let header = file.header();
    let variable = match sight.location().is_subdataset() {
        false => data_variables(header).into_iter().next(),
        true => sight.location().subdataset().and_then(|name| {
            let name = name.trim_matches('"').trim_start_matches('/');
            // GDAL writes blanks of HDF5's names as underscores.
            let same = |v: &Variable| v.name == name || v.name.replace(' ', "_") == name;
            header.variables.iter().position(same)
        }),
    }?;
    Some((file, variable))
}

/// A time axis, decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeAxis {
    /// Which variable holds it.
    pub variable: usize,
    /// Microseconds since 1970-01-01 UTC in the file's order; `None` where the axis holds no value.
    pub instants: Vec<Option<i64>>,
    /// The same in the file's own calendar: they tell days apart that TIMESTAMP's calendar lacks.
    pub exact: Vec<Option<i64>>,
    /// What a year of its times is.
    pub calendar: Calendar,
    /// Seconds between neighbours, where they are evenly spaced (in the axis's own calendar).
    pub step: Option<f64>,
    /// When each of its values is: from its lower bound up to the upper one, which is outside, where it has bounds; else the
    /// instant.
    pub cells: Vec<Option<Interval>>,
    /// From the first bound up to the last, which is outside (CF 7.1), where the axis has bounds; else from the first instant
    /// to the last. `None` when it has no value at all.
    pub interval: Option<Interval>,
}

/// Decodes a time variable by its units and calendar.
///
/// # Errors
/// [`Error::Unsuited`] when its units or calendar are none of CF's or an instant is outside what TIMESTAMP holds.
pub fn time_axis(file: &dyn ArrayFile, variable: usize) -> Result<TimeAxis> {
    let header = file.header();
    let metadata = metadata(header, variable)?;
    let fail = |problem: String| {
        Error::unsuited(file.path(), Lack::Times { variable: metadata.name.clone(), problem })
    };
    let unit = metadata.unit.as_deref().ok_or_else(|| fail("has no units".into()))?;
    let units = TimeUnits::parse(unit, metadata.text("calendar"))
        .map_err(|e| fail(format!("cannot be decoded: {e}")))?;
    let pixels = whole(file, variable)?;
    let both = instants(&pixels, metadata, &units).map_err(|e| fail(format!("cannot be decoded: {e}")))?;
    let (instants, exact): (Vec<_>, Vec<_>) = both.into_iter().map(Option::unzip).unzip();
    let step = step(&decode(&pixels, metadata), metadata.dtype, 1e-6).map(|step| step * units.seconds());
    let bounds =
        ["bounds", "climatology"].into_iter().flat_map(|name| axis::listed(header, metadata, name)).next();
    let of_bounds = match bounds {
        Some(index) => bounds_of(file, index, &units, metadata).map_err(|e| match e {
            Error::Invalid { .. } => fail(format!("has bounds that cannot be decoded: {e}")),
            other => other,
        })?,
        None => Vec::new(),
    };
    let interval = of_bounds.iter().flatten().copied().reduce(around).or_else(|| span(&instants));
    let instant = |at: &Option<i64>| at.map(|at| Interval { start: at, stop: at });
    let cell = |(i, at)| of_bounds.get(i).copied().flatten().or(instant(at));
    let cells = instants.iter().enumerate().map(cell).collect();
    Ok(TimeAxis { variable, instants, exact, calendar: units.calendar, step, cells, interval })
}

/// A time axis's bounds, when they are two for each of its values; else nothing.
fn bounds_of(
    file: &dyn ArrayFile,
    index: usize,
    units: &TimeUnits,
    axis: &Variable,
) -> Result<Vec<Option<Interval>>> {
    let bounds = metadata(file.header(), index)?;
    if bounds.dtype.is_none() || bounds.shape.split_last() != Some((&2, axis.shape.as_slice())) {
        return Ok(Vec::new());
    }
    // Bounds take the axis's units, unless they say their own.
    let own = bounds.unit.as_deref().filter(|unit| TimeUnits::is_time(unit));
    let own = own
        .map(|unit| TimeUnits::parse(unit, bounds.text("calendar").or(axis.text("calendar"))))
        .transpose()?;
    let pixels = whole(file, index)?;
    let instants = instants(&pixels, bounds, own.as_ref().unwrap_or(units))?;
    // The upper bound of a cell is the lower one of the next and no part of it; a cell of no length is an instant.
    let cell = |pair: &[Option<(i64, i64)>]| match pair {
        [Some((a, _)), Some((b, _))] if a != b => Some(Interval { start: *a.min(b), stop: *a.max(b) - 1 }),
        [Some((a, _)), Some(_)] => Some(Interval { start: *a, stop: *a }),
        _ => None,
    };
    Ok(instants.chunks(2).map(cell).collect())
}

fn around(a: Interval, b: Interval) -> Interval {
    Interval { start: a.start.min(b.start), stop: a.stop.max(b.stop) }
}

fn span(instants: &[Option<i64>]) -> Option<Interval> {
    let known = || instants.iter().flatten().copied();
    Some(Interval { start: known().min()?, stop: known().max()? })
}

/// Instants, and the same in the calendar of the units.
type Instants = Vec<Option<(i64, i64)>>;

fn instants(pixels: &Pixels, variable: &Variable, units: &TimeUnits) -> Result<Instants> {
    let plain = variable.scale.is_none() && variable.offset.is_none();
    with_pixels!(pixels, stored => {
        let missing = fills(variable, stored);
        let (scale, offset) = (variable.scale.unwrap_or(1.0), variable.offset.unwrap_or(0.0));
        stored.iter().map(|v| {
            if missing.iter().any(|m| v.is(*m)) || v.f64().is_nan() {
                return Ok(None);
            }
            match v.integer() {
                // NumPy's NaT, which xarray writes without a fill value that says so.
                Some(whole) if whole == i128::from(i64::MIN) => return Ok(None),
                Some(whole) if plain => units.decode_integer(whole),
                _ => units.decode_exact(v.f64() * scale + offset),
            }.map(Some)
        }).collect()
    })
}

/// The one distance between neighbours; `None` when they differ by more than `slack`, a share of it, and the precision of
/// the stored type. Floats of single precision cannot say more than their digits: what is even within these is even, as long
/// as they tell neighbours well apart.
pub fn step(values: &[f64], dtype: Option<Dtype>, slack: f64) -> Option<f64> {
    let (first, last) = (values.first()?, values.last()?);
    let n = values.len().checked_sub(1).filter(|n| *n > 0)?;
    let step = (last - first) / n as f64;
    let largest = first.abs().max(last.abs());
    let single = dtype == Some(Dtype::Float32);
    let epsilon = if single { f64::from(f32::EPSILON) } else { f64::EPSILON };
    let own = if single { epsilon * largest } else { 0.0 };
    let slack = (step.abs() * 1e-3).min(step.abs() * slack + 2.0 * epsilon * largest).max(own);
    let even = |(i, v): (usize, &f64)| (v - (first + step * i as f64)).abs() <= slack;
    let told = step != 0.0 && step.is_finite() && own <= step.abs() / 4.0;
    (told && values.iter().enumerate().all(even)).then_some(step)
}
