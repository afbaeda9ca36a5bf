//! What a selection names in an array file: its axes are read, and its dimensions found by name.

use std::sync::Arc;

use crate::cf::{self, TimeAxis};
use crate::dtype::Dtype;
use crate::error::{Error, Lack, Result, one_of};
use crate::read::array::ArraySource;
use crate::read::axis::{Axis, Selected, Selection, resolve};

/// The axis of each dimension of a variable, where it has one.
///
/// # Errors
/// Coordinates that cannot be read or decoded.
pub fn axes(source: &ArraySource, variable: usize) -> Result<Vec<Option<Arc<Axis>>>> {
    let metadata = source.variable(variable)?;
    (0..metadata.dims.len()).map(|dim| axis_of(source, variable, dim)).collect()
}

fn axis_of(source: &ArraySource, variable: usize, dim: usize) -> Result<Option<Arc<Axis>>> {
    let (header, metadata) = (source.header(), source.variable(variable)?);
    let (Some(name), Some(size)) = (metadata.dims.get(dim), metadata.shape.get(dim)) else { return Ok(None) };
    let along =
        |index: &usize| header.variables.get(*index).is_some_and(|v| v.dtype.is_some() && v.shape == [*size]);
    let own = header.resolve(&metadata.name, name).filter(along).filter(|_| !metadata.unnamed.contains(&dim));
    let own = own.filter(|index| header.variables.get(*index).is_some_and(|v| v.dims == [name.as_str()]));
    let axes = source.axes(variable)?;
    let along_dim = |c: &cf::Coordinate| c.dims == [dim] && along(&c.variable);
    // NEMO's own time_counter has no units, and its time stands beside it.
    let time = axes.time.as_ref().filter(|c| along_dim(c));
    let others = [&axes.x, &axes.y, &axes.lon, &axes.lat, &axes.vertical];
    let other = || others.into_iter().flatten().find(|c| along_dim(c)).map(|c| c.variable);
    let Some(index) = time.map(|c| c.variable).or(own).or_else(other) else { return Ok(None) };
    source.axis(index, || read_axis(source, index)).map(Some)
}

/// The time axis of a variable: its own, where it holds times itself.
///
/// # Errors
/// A variable without a time axis, or whose times cannot be decoded.
pub fn time_axis(source: &ArraySource, variable: usize) -> Result<TimeAxis> {
    let metadata = source.variable(variable)?;
    let index = match metadata.unit.as_deref().is_some_and(cf::TimeUnits::is_time) {
        true => Some(variable),
        false => source.axes(variable)?.time.as_ref().map(|time| time.variable),
    };
    let lack = || Lack::Times { variable: metadata.name.clone(), problem: "has no time axis".into() };
    let index = index.ok_or_else(|| Error::unsuited(source.path(), lack()))?;
    cf::time_axis(&*source.file()?, index)
}

/// The indices that a selection names on each dimension of a variable.
///
/// # Errors
/// A dimension that the variable does not have, a dimension named twice, values or indices outside.
pub fn select(source: &ArraySource, variable: usize, selection: &Selection) -> Result<Vec<Selected>> {
    let metadata = source.variable(variable)?;
    let mut selected: Vec<Option<Selected>> = vec![None; metadata.dims.len()];
    for (name, wanted) in &selection.dims {
        let dim = dimension(source, variable, name)?;
        let (Some(slot), Some(&size)) = (selected.get_mut(dim), metadata.shape.get(dim)) else {
            return Err(Error::Bug(format!("no dimension {dim}")));
        };
        if slot.is_some() {
            let problem = format!("dimension \"{}\" is selected twice", metadata.dims[dim]);
            return Err(Error::conflict(problem, "Select it once, by value or by index"));
        }
        let axis = axis_of(source, variable, dim)?;
        *slot = Some(resolve(&metadata.dims[dim], size, axis.as_deref(), wanted, selection.tolerance)?);
    }
    let whole = |(slot, &size): (Option<Selected>, &u64)| slot.unwrap_or_else(|| Selected::all(size));
    Ok(selected.into_iter().zip(&metadata.shape).map(whole).collect())
}

/// A dimension by its own name, its coordinate's, or what it is: `time`, `lat`, `lon`, `x`, `y`, `depth`.
///
/// # Errors
/// A name that is none of these; the dimensions are listed.
pub fn dimension(source: &ArraySource, variable: usize, name: &str) -> Result<usize> {
    let metadata = source.variable(variable)?;
    if let Some(dim) = metadata.dims.iter().position(|dim| dim == name) {
        return Ok(dim);
    }
    let axes = source.axes(variable)?;
    let coordinates = [&axes.time, &axes.x, &axes.y, &axes.lon, &axes.lat, &axes.vertical];
    let named = |c: &&cf::Coordinate| {
        source.header().variables.get(c.variable).is_some_and(|v| v.short_name() == name)
    };
    let meant = match name {
        "time" => axes.time.as_ref(),
        "lat" | "latitude" => axes.lat.as_ref(),
        "lon" | "longitude" => axes.lon.as_ref(),
        "x" => axes.x.as_ref(),
        "y" => axes.y.as_ref(),
        "depth" | "level" | "z" => axes.vertical.as_ref(),
        _ => None,
    };
    // Curvilinear rows and columns have no coordinate of one dimension.
    let across = match name {
        "x" if axes.x.is_none() => axes.x_dim(),
        "y" if axes.y.is_none() => axes.y_dim(),
        _ => None,
    };
    if let Some(dim) = across.filter(|_| !coordinates.into_iter().flatten().any(|c| named(&c))) {
        return Ok(dim);
    }
    match coordinates.into_iter().flatten().find(named).or(meant).map(|c| (c, c.dims.as_slice())) {
        Some((_, &[dim])) => Ok(dim),
        Some((coordinate, dims)) if dims.len() > 1 => {
            let array = source.variable(coordinate.variable)?;
            let dims = dims.iter().filter_map(|&dim| metadata.dims.get(dim)).cloned().collect();
            Err(Error::NoAxis { name: array.name.clone(), dims })
        }
        _ => {
            let choices: Vec<(&str, ())> = metadata.dims.iter().map(|dim| (dim.as_str(), ())).collect();
            one_of(name, "a dimension of the variable, nor an option", &choices)?;
            Err(Error::Bug(format!("lost dimension \"{name}\"")))
        }
    }
}

fn read_axis(source: &ArraySource, index: usize) -> Result<Axis> {
    let metadata = source.variable(index)?;
    let file = source.file()?;
    let values = cf::values(&*file, index)?;
    let unit = metadata.unit.clone();
    let (mut instants, mut exact, mut cells, mut undecoded) = (None, None, Vec::new(), None);
    if unit.as_deref().is_some_and(cf::TimeUnits::is_time) {
        match cf::time_axis(&*file, index) {
            Ok(axis) => (instants, exact, cells) = (Some(axis.instants), Some(axis.exact), axis.cells),
            Err(error @ Error::Unsuited { lack: Lack::Times { .. }, .. }) => {
                let hint = "Select by index, or by the numbers that are stored";
                undecoded = Some(Error::conflict(error.to_string(), hint));
            }
            Err(error) => return Err(error),
        }
    }
    let east = ["degrees_east", "degree_east", "degreeE", "degreesE", "degree_E", "degrees_E"];
    let longitude = metadata.text("standard_name") == Some("longitude")
        || unit.as_deref().is_some_and(|unit| east.contains(&unit));
    let single = metadata.dtype == Some(Dtype::Float32);
    let axis = Axis::new(metadata.short_name(), unit, values, instants, longitude, single);
    Ok(axis.in_calendar(exact).in_cells(cells).undecoded(undecoded))
}
