//! Which pixels of a raster stand for none, where GDAL's one nodata value does not say it: variables of array files, by
//! their attributes, and GRIB's bit maps.

use std::cell::RefCell;

use crate::affine::Affine;
use crate::dtype::with_pixels;
use crate::dtype::{Dtype, Nodata, Pixel, Pixels};
use crate::error::ReasonResult;
use crate::files::Location;
use crate::format::array::Variable;
use crate::format::grib::{Field, Messages};
use crate::format::{Band, Header};
use crate::window::Window;

/// What GDAL writes where a bit map says that there is no value.
const HIDDEN: f64 = 9999.0;

/// The fields of a GRIB file, one for each band.
#[derive(Default)]
pub struct Fields {
    location: Option<Location>,
    all: Vec<Field>,
    /// Columns by which GDAL turned the grid, so that it begins at the date line.
    turned: u64,
    /// The bit map of the band that was read last.
    last: RefCell<Option<(usize, Vec<bool>)>>,
}

impl Fields {
    /// Puts a header right by the messages.
    ///
    /// # Errors
    /// A damaged message, grids that have no rows and columns, bands on several grids.
    pub fn of(location: &Location, messages: Messages, header: &mut Header) -> ReasonResult<Fields> {
        if let Some(reason) = messages.refusal() {
            return Err(reason.into());
        }
        // GDAL counts otherwise where it passes over messages: then nothing is known of one of them.
        if messages.fields.len() != header.bands.len() {
            return Ok(Fields::default());
        }
        let all = messages.fields;
        let Some(grid) = Messages::one_grid(&all).map_err(|problem| problem.after("as a raster it"))? else {
            return Ok(Fields::default());
        };
        let turned =
            header.transform.map_or(0, |transform| turned(&transform, grid.first_longitude(), header.width));
        let correction = grid.correction()?;
        if correction.west > 0 || correction.north != 0 || correction.latitudes.is_some() {
            // Its rows are no even steps, or it begins elsewhere: read_array lays it where it belongs.
            header.transform = None;
        }
        for (band, field) in header.bands.iter_mut().zip(&all) {
            let plain = band.nodata.is_none() || band.nodata == Some(Nodata::Float(HIDDEN));
            if plain && field.has_bitmap() {
                band.nodata = Some(Nodata::Float(f64::NAN));
            }
        }
        Ok(Fields { location: Some(location.clone()), all, turned, last: RefCell::default() })
    }

    /// Makes NaN of the pixels of a block that have no value by the bit map of their band (from 1). Blocks are `width` wide.
    ///
    /// # Errors
    /// The bit map cannot be read.
    pub fn unmask(&self, band: usize, window: Window, width: usize, pixels: &mut Pixels) -> ReasonResult<()> {
        let (Some(field), Pixels::Float64(values)) = (self.all.get(band.wrapping_sub(1)), pixels) else {
            return Ok(());
        };
        if !field.has_bitmap() || !values.contains(&HIDDEN) {
            return Ok(());
        }
        let mut last = self.last.borrow_mut();
        if last.as_ref().is_none_or(|(known, _)| *known != band) {
            let present = self.location.as_ref().map_or(Ok(None), |location| field.present(location))?;
            *last = Some((band, present.unwrap_or_default()));
        }
        let Some((_, present)) = last.as_ref() else { return Ok(()) };
        let (rows, cols) = (field.grid.height, field.grid.width.max(1));
        for (at, value) in values.iter_mut().enumerate().filter(|(_, value)| **value == HIDDEN) {
            let row = window.row_off as u64 + (at / width.max(1)) as u64;
            let col = (window.col_off as u64 + (at % width.max(1)) as u64 + self.turned) % cols;
            // GDAL's rows run from the north.
            let index = rows.checked_sub(row + 1).map(|row| (row * cols + col) as usize);
            if !index.and_then(|index| present.get(index)).copied().unwrap_or(true) {
                *value = f64::NAN;
            }
        }
        Ok(())
    }
}

fn turned(transform: &Affine, first: f64, width: usize) -> u64 {
    let [x0, dx, ..] = transform.0;
    if !first.is_finite() || (dx * width as f64 - 360.0).abs() > dx.abs() / 4.0 {
        return 0;
    }
    let columns = (x0 + dx / 2.0 - first) / dx;
    (columns.round() as i64).rem_euclid(width.max(1) as i64) as u64
}

/// A band as the variable that it is says: its sign, its scale, and all that stands for no pixel.
pub fn of_variable(band: &Band, variable: &Variable) -> Band {
    let mut band = band.clone();
    if let Some(dtype) = variable.dtype.filter(|dtype| dtype.with_sign(true) == band.dtype.with_sign(true)) {
        band.dtype = dtype;
    }
    (band.scale, band.offset) = (variable.scale, variable.offset);
    band.nodata = variable.nodata.or(band.nodata).or_else(|| spare(band.dtype, variable));
    band.variable = Some(std::sync::Arc::new(variable.clone()));
    band
}

/// A pixel that the variable does not have, for those that stand for none.
fn spare(dtype: Dtype, variable: &Variable) -> Option<Nodata> {
    crate::dtype::with_dtype!(dtype, T => {
        let absent = variable.absent::<T>();
        let candidates = [Nodata::Float(f64::NAN), least(dtype), greatest(dtype)];
        let outside = |value: &Nodata| T::nodata(*value).is_some_and(|value| absent.holds(value) || value.f64().is_nan());
        (!absent.is_empty()).then(|| candidates.into_iter().find(outside)).flatten()
    })
}

fn least(dtype: Dtype) -> Nodata {
    let half = 1i128 << (8 * dtype.size() - 1);
    Nodata::Integer(if dtype.with_sign(true) == dtype { -half } else { 0 })
}

fn greatest(dtype: Dtype) -> Nodata {
    let half = 1i128 << (8 * dtype.size() - 1);
    Nodata::Integer(if dtype.with_sign(true) == dtype { half - 1 } else { 2 * half - 1 })
}

/// Gives every pixel that stands for none the band's nodata.
pub fn hide(band: &Band, pixels: &mut Pixels) {
    let (Some(variable), Some(nodata)) = (&band.variable, band.nodata) else { return };
    fn all<T: Pixel>(values: &mut [T], variable: &Variable, nodata: Nodata) {
        let (absent, Some(nodata)) = (variable.absent::<T>(), T::nodata(nodata)) else { return };
        if absent.any(values) {
            values.iter_mut().filter(|value| absent.holds(**value)).for_each(|value| *value = nodata);
        }
    }
    with_pixels!(pixels, values => all(values, variable, nodata));
}
