//! Steps of time among the bands of a raster that is a variable of an array file.

use crate::cf;
use crate::error::{Error, Result};
use crate::files::Location;
use crate::read::array::ArraySource;
use crate::read::patch::{BandName, PatchOptions, band_numbers, check_nodata};
use crate::read::source::Source;

/// The bands (from 1) that are read of a raster: those asked for, among those of one step of time where one is meant.
///
/// # Errors
/// A band that there is not; a step of a raster that is no variable over time, or beyond its axis.
pub fn bands_at(source: &Source, options: &PatchOptions, step: Option<u64>) -> Result<Vec<usize>> {
    let Some(step) = step else { return band_numbers(source, options) };
    let own = bands_of_step(source, step)?;
    let Some(wanted) = &options.bands else {
        check_nodata(source, &own, options)?;
        return Ok(own);
    };
    let of_step = |name: &BandName| {
        let number = match name {
            BandName::Number(number) => usize::try_from(*number).ok(),
            BandName::Name(_) => None,
        };
        number.and_then(|number| own.get(number.checked_sub(1)?).copied()).ok_or_else(|| {
            let problem = format!(
                "step {step} of \"{}\" has {} bands, and others are asked for",
                source.path(),
                own.len()
            );
            Error::conflict(problem, "Bands are numbered from 1 within a step")
        })
    };
    let numbers = wanted.iter().map(of_step).collect::<Result<Vec<usize>>>()?;
    check_nodata(source, &numbers, options)?;
    Ok(numbers)
}

/// The bands of one step: GDAL counts through all dimensions before the two on the map, the last one fastest.
fn bands_of_step(source: &Source, step: u64) -> Result<Vec<usize>> {
    let no_time = || {
        let problem = format!(
            "a row names step {step} of \"{}\", whose bands are no steps of a time axis",
            source.path()
        );
        Error::conflict(
            problem,
            "Read the rows of array files as arrays, and those of rasters without a step",
        )
    };
    let header = source.header();
    let path = Location::parse(source.path());
    let array = ArraySource::open(path.container().text()).map_err(|_| no_time())?;
    let all = || (1..=header.bands.len()).collect();
    let Some(variable) = header.bands.first().and_then(|band| band.variable.as_ref()) else {
        // Bands that are not told apart are all of one time, where there is but one.
        return if step == 0 && has_one_time(&array)? { Ok(all()) } else { Err(no_time()) };
    };
    let index = array.header().variable(array.path(), &variable.name)?;
    let axes = array.axes(index)?;
    let over = variable.shape.len().saturating_sub(2);
    let time = match axes.time.as_ref().map(|time| time.dims.as_slice()) {
        Some(&[dim]) if dim < over => dim,
        Some([]) if step == 0 => return Ok(all()),
        _ => return Err(no_time()),
    };
    let size = |dims: &[u64]| dims.iter().map(|size| *size as usize).product::<usize>();
    let (before, rest) = variable.shape.split_at(time);
    let (before, times, after) = (
        size(before),
        rest.first().map_or(0, |n| *n as usize),
        size(rest.get(1..over - time).unwrap_or_default()),
    );
    if before.saturating_mul(times).saturating_mul(after) != header.bands.len() {
        return Err(no_time());
    }
    let step = usize::try_from(step).ok().filter(|step| *step < times).ok_or_else(|| {
        let problem = format!("\"{}\" has {times} steps of time, and a row names step {step}", source.path());
        Error::conflict(problem, "Steps count from 0")
    })?;
    let bands =
        (0..before).flat_map(|outer| (0..after).map(move |inner| (outer * times + step) * after + inner + 1));
    Ok(bands.collect())
}

fn has_one_time(array: &ArraySource) -> Result<bool> {
    let header = array.header();
    for index in cf::data_variables(header) {
        let shape = header.variables.get(index).map(|variable| variable.shape.as_slice()).unwrap_or_default();
        let dims = array.axes(index)?.time.as_ref().map(|time| time.dims.clone()).unwrap_or_default();
        if dims.iter().any(|dim| shape.get(*dim) != Some(&1)) {
            return Ok(false);
        }
    }
    Ok(true)
}
