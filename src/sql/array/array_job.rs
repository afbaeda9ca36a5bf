//! A read of one array as a whole: what the scalar `read_array` and its stream over a registry share.

use crate::dtype::with_pixels;
use crate::dtype::{Dtype, Pixel, Pixels};
use crate::error::{Error, Result};
use crate::format::array::Variable;
use crate::read::array_plan::{Opened, Part};
use crate::read::array_slice::{GridTarget, map_dims, read_onto};
use crate::read::gaps::Gaps;
use crate::read::values::{Decoding, decode};
use crate::sql::array::selection::{Coordinates, Request, coordinates, shape};
use crate::value::Value;

/// What is read, and what comes of it.
pub struct ArrayJob {
    parts: Vec<Part>,
    decoding: Decoding,
    onto: Option<GridTarget>,
    dims: Vec<String>,
    shape: Vec<u64>,
    /// How many values.
    pub values: usize,
}

impl ArrayJob {
    /// # Errors
    /// As [`Request::parts`].
    pub fn new(paths: &[String], variable: &str, request: &Request, opened: &mut Opened) -> Result<ArrayJob> {
        let (onto, parts) = (request.onto()?, request.parts(paths, variable, opened)?);
        let (mut dims, mut shape) = shape(&parts)?;
        if let Some(GridTarget { slice, .. }) = &onto {
            dims.extend(["y".to_string(), "x".to_string()]);
            shape.extend([u64::from(slice.height), u64::from(slice.width)]);
        }
        let values = shape.iter().fold(1, |values: u64, size| values.saturating_mul(*size));
        let values = usize::try_from(values).unwrap_or(usize::MAX);
        Ok(ArrayJob { parts, decoding: request.decoding, onto, dims, shape, values })
    }

    /// Sizes of the dimensions that stay.
    pub fn shape(&self) -> Vec<usize> {
        self.shape.iter().map(|size| usize::try_from(*size).unwrap_or(usize::MAX)).collect()
    }

    /// Takes the fill value away, so that gaps are told instead.
    pub fn take_fill(&mut self) -> Option<f64> {
        self.decoding.fill.take()
    }

    /// The variable's name.
    ///
    /// # Errors
    /// [`Error::Bug`].
    pub fn variable(&self) -> Result<&str> {
        self.parts.first().map_or(Ok(""), |part| part.metadata().map(|variable| variable.name.as_str()))
    }

    /// The type that holds the values of all files as they are: each one's own, or a float where they were scaled or
    /// resampled.
    ///
    /// # Errors
    /// A variable that holds no numbers, or files whose types differ.
    pub fn dtype(&self) -> Result<Dtype> {
        let mut found = None;
        for part in &self.parts {
            let dtype = natural(part, &self.decoding, self.onto.as_ref())?;
            if found.is_some_and(|found| found != dtype) {
                let problem =
                    format!("\"{}\" has {dtype} values, and the files before it others", part.source.path());
                return Err(Error::conflict(problem, "Ask for float32 or float64"));
            }
            found = Some(dtype);
        }
        found.ok_or_else(|| Error::Bug("nothing to read".into()))
    }

    /// Reads the values into `out`, row-major; gives the runs of it without one.
    ///
    /// # Errors
    /// Chunks that cannot be decoded; a whole number that `T` is a float and does not hold.
    pub fn read<T: Pixel>(&self, out: &mut [T], threads: usize) -> Result<Gaps> {
        let (mut all, mut done) = (Gaps::new(), 0);
        for part in &self.parts {
            let short = || Error::Bug("more values than were planned".into());
            let (count, gaps) = match &self.onto {
                Some(onto) => {
                    let planes = read_onto(part, onto, &self.decoding, threads)?;
                    if onto.resampling.is_selection() && onto.merge.is_selection() {
                        self.check_float::<T>(part, || planes.beyond_float())?;
                    }
                    self.check_range::<T>(part, || planes.above_float())?;
                    let out = out.get_mut(done..done + planes.len()).ok_or_else(short)?;
                    (planes.len(), planes.write(0, self.decoding.fill, out)?)
                }
                None => {
                    let pixels = part.source.read(part.variable, &part.runs(), threads)?;
                    let out = out.get_mut(done..done + pixels.len()).ok_or_else(short)?;
                    let gaps = decode(&pixels, part.metadata()?, &self.decoding, out)?;
                    self.check_float::<T>(part, || {
                        beyond_float(&pixels, part.metadata().ok()?, &self.decoding)
                    })?;
                    self.check_range::<T>(part, || {
                        above_float(&pixels, part.metadata().ok()?, &self.decoding)
                    })?;
                    (pixels.len(), gaps)
                }
            };
            all.extend(gaps.into_iter().map(|gap| gap.start + done..gap.end + done));
            done += count;
        }
        Ok(all)
    }

    /// Refuses whole numbers that a FLOAT changes, as the scalar reads of rasters do: identifiers would become others.
    fn check_float<T: Pixel>(&self, part: &Part, find: impl FnOnce() -> Option<i128>) -> Result<()> {
        let variable = part.metadata()?;
        let wide = variable.dtype.is_some_and(Dtype::is_wide_integer)
            && self.decoding.linear(variable).is_none()
            && T::DTYPE == Dtype::Float32;
        match wide.then(find).flatten() {
            None => Ok(()),
            Some(value) => {
                let reason = format!(
                    "it holds {value}, which FLOAT cannot hold exactly\nFROM read_array(...) gives values in the variable's own type"
                );
                Err(Error::values(part.source.path(), variable.name.as_str(), reason))
            }
        }
    }

    /// Refuses doubles beyond the largest FLOAT, which would be infinite.
    fn check_range<T: Pixel>(&self, part: &Part, find: impl FnOnce() -> Option<f64>) -> Result<()> {
        let variable = part.metadata()?;
        let narrowed = variable.dtype == Some(Dtype::Float64) && T::DTYPE == Dtype::Float32;
        match narrowed.then(find).flatten() {
            None => Ok(()),
            Some(value) => {
                let reason = format!(
                    "it holds {value:e}, which is beyond the largest FLOAT\nFROM read_array(...) gives values in the variable's own type"
                );
                Err(Error::values(part.source.path(), variable.name.as_str(), reason))
            }
        }
    }

    /// Shape, dimensions, coordinates and times.
    pub fn rest(&self) -> [Value; 4] {
        let Coordinates { mut numbers, times } = coordinates(&self.parts);
        if let Some(GridTarget { slice, .. }) = &self.onto {
            let on_map: Vec<String> = self.parts.first().map(map_names).unwrap_or_default();
            numbers.retain(|(name, _)| !on_map.contains(name));
            let [x0, dx, _, y0, _, dy] = slice.affine().0;
            let centres =
                |first: f64, step: f64, n: u32| (0..n).map(|i| first + (f64::from(i) + 0.5) * step).collect();
            numbers.push(("y".into(), centres(y0, dy, slice.height)));
            numbers.push(("x".into(), centres(x0, dx, slice.width)));
        }
        let list = |values: Vec<Value>| Value::List(values);
        let shape = list(self.shape.iter().map(|n| Value::Int(*n as i64)).collect());
        let dims = list(self.dims.iter().map(|dim| Value::Text(dim.clone())).collect());
        let doubles = |values: Vec<f64>| list(values.into_iter().map(Value::Double).collect());
        let coords = Value::Map(
            numbers.into_iter().map(|(dim, values)| (Value::Text(dim), doubles(values))).collect(),
        );
        let time = |t: Option<i64>| t.map_or(Value::Null, Value::Timestamp);
        let times = times.map_or(Value::Null, |times| list(times.into_iter().map(time).collect()));
        [shape, dims, coords, times]
    }
}

/// The type that holds a file's values as they are: the variable's own, or a float where they were scaled or resampled.
///
/// # Errors
/// A variable that holds no numbers.
pub fn natural(part: &Part, decoding: &Decoding, onto: Option<&GridTarget>) -> Result<Dtype> {
    let variable = part.metadata()?;
    let Some(own) = variable.dtype else {
        let reason = format!("its type is {}, and only numbers can be read", variable.dtype_name);
        return Err(Error::values(part.source.path(), &variable.name, reason));
    };
    let as_stored =
        decoding.linear(variable).is_none() && onto.is_none_or(|onto| onto.resampling.is_selection());
    Ok(if as_stored { own } else { own.worked_out() })
}

/// The first value beyond the largest FLOAT that stands for a number.
fn above_float(pixels: &Pixels, variable: &Variable, decoding: &Decoding) -> Option<f64> {
    let Pixels::Float64(values) = pixels else { return None };
    let absent = variable.absent();
    values
        .iter()
        .filter(|value| !decoding.masked || !absent.holds(**value))
        .find_map(|value| value.above_float())
}

/// The first value that a FLOAT changes; those that stand for none count only where they are asked for.
fn beyond_float(pixels: &Pixels, variable: &Variable, decoding: &Decoding) -> Option<i128> {
    with_pixels!(pixels, values => {
        let absent = variable.absent();
        let there = values.iter().filter(|value| !decoding.masked || !absent.holds(**value));
        there.filter_map(|value| value.beyond_float()).next()
    })
}

/// Names of the dimensions that a slice replaced.
fn map_names(part: &Part) -> Vec<String> {
    let (Ok((y, x)), Ok(variable)) = (map_dims(&part.source, part.variable), part.metadata()) else {
        return Vec::new();
    };
    [y, x].into_iter().filter_map(|dim| variable.dims.get(dim).cloned()).collect()
}
