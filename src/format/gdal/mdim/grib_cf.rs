//! GRIB's grids and valid times in the words of CF, so that the rest need know nothing of GRIB; and what GDAL takes for
//! granted about both put right by the messages themselves.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::dtype::{Dtype, Nodata, Pixels};
use crate::error::ReasonResult;
use crate::files::Location;
use crate::format::array::{ArrayHeader, Attribute, Variable};
use crate::format::grib::{Correction, Field, Messages};

/// What GDAL writes where a bit map says that there is no value.
const HIDDEN: f64 = 9999.0;
/// Bit maps of fields that were just read.
const KEPT: usize = 8;

/// The fields of a file, by the variable that they belong to.
#[derive(Default)]
pub(crate) struct Fields {
    pub shared: bool,
    pub second_order: bool,
    pub foreign: Option<&'static str>,
    all: Vec<Field>,
    /// Of each variable of the header: its fields, one for each time.
    of: Vec<Option<Range<usize>>>,
    present: Mutex<Vec<(usize, Arc<Vec<bool>>)>>,
}

impl Fields {
    /// Makes NaN of the cells of a hyperslab that have no value by a bit map.
    ///
    /// # Errors
    /// The bit map cannot be read.
    pub(crate) fn unmask(
        &self,
        variable: usize,
        pixels: &mut Pixels,
        (start, count, step): (&[u64], &[u64], &[u64]),
        location: &Location,
    ) -> ReasonResult<()> {
        let (Some(Some(fields)), Pixels::Float64(values)) = (self.of.get(variable), pixels) else {
            return Ok(());
        };
        let (&[y0, x0], &[rows, cols], &[dy, dx]) = (last_two(start), last_two(count), last_two(step)) else {
            return Ok(());
        };
        let (first, by) = match (start.len(), start, step) {
            (3, [first, ..], [by, ..]) => (*first as usize, *by as usize),
            _ => (0, 1),
        };
        for (plane, values) in values.chunks_mut(((rows * cols) as usize).max(1)).enumerate() {
            let number = fields.start + first + plane * by;
            let Some(field) = self.all.get(number).filter(|field| field.has_bitmap()) else { continue };
            if !values.contains(&HIDDEN) {
                continue;
            }
            let present = self.present(number, field, location)?;
            for (at, value) in values.iter_mut().enumerate().filter(|(_, value)| **value == HIDDEN) {
                let (row, col) = (y0 + at as u64 / cols * dy, x0 + at as u64 % cols * dx);
                if !present.get((row * field.grid.width + col) as usize).copied().unwrap_or(true) {
                    *value = f64::NAN;
                }
            }
        }
        Ok(())
    }

    fn present(&self, number: usize, field: &Field, location: &Location) -> ReasonResult<Arc<Vec<bool>>> {
        let lock = || self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, present)) = lock().iter().find(|(known, _)| *known == number) {
            return Ok(present.clone());
        }
        let present = Arc::new(field.present(location)?.unwrap_or_default());
        let mut kept = lock();
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((number, present.clone()));
        Ok(present)
    }
}

fn last_two(numbers: &[u64]) -> &[u64] {
    numbers.get(numbers.len().saturating_sub(2)..).unwrap_or_default()
}

/// Coordinates that do not lie where GDAL lays them.
pub(crate) struct Moved {
    /// The variable that they are.
    pub variable: usize,
    /// By how many steps they lie further along.
    pub by: f64,
    /// What they are, where they are no even steps.
    pub values: Option<Vec<f64>>,
}

/// Finds the fields of each variable, and the coordinates that lie elsewhere; `arrays` are the variables that GDAL has.
///
/// # Errors
/// The fields of a variable, or of one grid of GDAL's, lie on several grids, or on one that is none.
pub(crate) fn find_fields(
    header: &mut ArrayHeader,
    arrays: &[bool],
    messages: Messages,
) -> ReasonResult<(Fields, Vec<Moved>)> {
    let mut of = Vec::with_capacity(header.variables.len());
    let mut next = 0;
    for (variable, is_array) in header.variables.iter().zip(arrays) {
        let times = match (is_array, variable.shape.as_slice()) {
            (true, [_, _]) => Some(1),
            (true, [times, _, _]) => Some(*times as usize),
            _ => None,
        };
        of.push(times.map(|times| next..next + times));
        next += times.unwrap_or(0);
    }
    let Messages { shared, second_order, foreign, fields: all, .. } = messages;
    let mut fields = Fields { shared, second_order, foreign, all, of: Vec::new(), present: Mutex::default() };
    // GDAL counts otherwise where it passes over messages: then nothing is known of one of them.
    if next != fields.all.len() {
        return Ok((fields, Vec::new()));
    }
    let mut grids: HashMap<[String; 2], Range<usize>> = HashMap::new();
    for (variable, range) in header.variables.iter_mut().zip(&of) {
        let Some(range) = range else { continue };
        let own = fields.all.get(range.clone()).unwrap_or_default();
        Messages::one_grid(own).map_err(|problem| format!("its \"{}\" {problem}", variable.name))?;
        let masked = variable.nodata.is_none() || variable.nodata == Some(Nodata::Float(HIDDEN));
        if masked && own.iter().any(Field::has_bitmap) {
            variable.nodata = Some(Nodata::Float(f64::NAN));
        }
        let [.., y, x] = variable.dims.as_slice() else { continue };
        let known = grids.entry([y.clone(), x.clone()]).or_insert_with(|| range.clone());
        let both = [known.start, range.start];
        let both: Vec<Field> = both.iter().filter_map(|at| fields.all.get(*at).cloned()).collect();
        Messages::one_grid(&both).map_err(|problem| format!("its \"{}\" {problem}", variable.name))?;
    }
    let mut moved = Vec::new();
    for ([y, x], range) in grids {
        let Some(field) = fields.all.get(range.start) else { continue };
        let Correction { west, north, latitudes } = field.grid.correction()?;
        for (dim, by, values) in [(y, north as f64, latitudes), (x, -(west as f64), None)] {
            let own = |v: &Variable| v.name == dim && v.dims.len() == 1;
            if let (Some(variable), true) =
                (header.variables.iter().position(own), by != 0.0 || values.is_some())
            {
                moved.push(Moved { variable, by, values });
            }
        }
    }
    fields.of = of;
    Ok((fields, moved))
}

/// What the coordinates along a dimension are.
#[derive(Clone, Copy)]
pub(crate) enum Counts {
    Degrees,
    /// Degrees of a rotated pole.
    Rotated,
    Metres,
}

/// Grids and valid times in the words of CF, by the CRS of each variable. Gives the valid times that became variables of their
/// own, which stand behind the others.
pub(crate) fn as_cf(header: &mut ArrayHeader, crs: Vec<Option<(String, Counts)>>) -> Vec<f64> {
    const EPOCH: &str = "seconds since 1970-01-01 00:00:00";
    let text = |text: &str| Attribute::Text(text.to_string());
    let mut counts: HashMap<String, Counts> = HashMap::new();
    let mut scalars: HashMap<u64, String> = HashMap::new();
    let mut added = Vec::new();
    for (variable, crs) in header.variables.iter_mut().zip(crs) {
        if let Some((wkt, unit)) = crs {
            counts.extend(variable.dims.iter().map(|dim| (dim.clone(), unit)));
            variable.attributes.push(("crs_wkt".into(), text(&wkt)));
        }
        let Some(valid) = variable.attribute("validity_time").and_then(Attribute::number) else { continue };
        let names = scalars.len();
        let name = scalars.entry(valid.to_bits()).or_insert_with(|| match names {
            0 => "valid_time".to_string(),
            n => format!("valid_time{}", n + 1),
        });
        variable.attributes.push(("coordinates".into(), text(name)));
        if scalars.len() > names {
            added.push(valid);
        }
    }
    for variable in &mut header.variables {
        if variable.dims.len() != 1 || variable.dims.first() != Some(&variable.name) {
            continue;
        }
        let unit = counts.get(&variable.name).copied().unwrap_or(Counts::Metres);
        let (axis, standard_name, unit) = match (variable.name.chars().next(), unit) {
            (Some('X'), Counts::Degrees) => ("X", "longitude", "degrees_east"),
            (Some('Y'), Counts::Degrees) => ("Y", "latitude", "degrees_north"),
            (Some('X'), Counts::Rotated) => ("X", "grid_longitude", "degrees"),
            (Some('Y'), Counts::Rotated) => ("Y", "grid_latitude", "degrees"),
            (Some('X'), Counts::Metres) => ("X", "projection_x_coordinate", "m"),
            (Some('Y'), Counts::Metres) => ("Y", "projection_y_coordinate", "m"),
            (Some('T'), _) => ("T", "time", EPOCH),
            _ => continue,
        };
        variable.unit = Some(unit.to_string());
        let pairs = [("axis", axis), ("standard_name", standard_name), ("units", unit)];
        variable.attributes.extend(pairs.map(|(key, value)| (key.to_string(), text(value))));
    }
    for valid in &added {
        let name = scalars.get(&valid.to_bits()).cloned().unwrap_or_default();
        header.variables.push(Variable {
            name,
            dtype_name: "float64".into(),
            dtype: Some(Dtype::Float64),
            unit: Some(EPOCH.into()),
            attributes: vec![("units".into(), text(EPOCH)), ("standard_name".into(), text("time"))],
            ..Variable::default()
        });
    }
    added
}
