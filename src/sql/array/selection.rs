//! What a user selects of an array: dimensions by value or by index, as fields of a struct.

use crate::bridge::args::number;
use crate::error::{Error, Result, near, one_of};
use crate::format::hyperslab::index_count;
use crate::read::array_plan::{Opened, Part, plan};
use crate::read::array_slice::{GridTarget, map_dims, with_times};
use crate::read::axis::{Point, Selected, Selection, Wanted};
use crate::read::mosaic::{MERGES, Merge};
use crate::read::values::Decoding;
use crate::resampling::{RESAMPLINGS, Resampling};
use crate::slice::Slice;
use crate::sql::shared::slice_value;
use crate::value::Value;

/// What a path may be.
pub const PATH: &str = "A NetCDF, HDF5 or GRIB file, a Zarr store (a folder or a zip file), a glob, or a list of those: several files are joined along their time, in its order, and are alike in all other coordinates; on a slice, files of one time are merged.";
/// How a variable is named.
pub const VARIABLE: &str = "The variable; one in a group by its path, `ocean/temp`.";
/// What `scaled` means for arrays.
pub const SCALED: &str = "Give `stored * scale_factor + add_offset` (CF), else the stored numbers.";
/// What `masked` means.
pub const MASKED: &str = "NULL where the stored value stands for none: `_FillValue`, every `missing_value`, the fill value of a Zarr store of version 2 (0 in many a mask or class map), NetCDF's own in places that were never written, and whatever lies outside of `valid_range`, or of `valid_min` and `valid_max`; else the stored number.";
/// What `fill` means.
pub const FILL: &str =
    "A number (or 'nan') in place of NULL: a dense list, which reaches NumPy without a copy.";
/// What `isel` takes.
pub const ISEL: &str = "Dimensions by index, from 0, negative from the end: `{time: -1}` one place, `{lat: [10, 19]}` places from one to another, both inside, `{lon: {start: 0, stop: 100, step: 4}}` Python's slice; NULL leaves a dimension whole.";
/// What `sel` takes.
pub const SEL: &str = "Dimensions by value: `{depth: 10}` the nearest place, ties to the larger value; `{time: ['2000-01', '2000-03']}` all places from one value to another, both inside. A time is a TIMESTAMP, a DATE or text; a DATE or text such as '2000-01' stands for the whole of what it says, and alone is an error where several places lie in it. Where the axis has bounds, a time is the place whose interval holds it. Longitudes may be those of -180 to 180 or of 0 to 360, whatever the file has.";
/// What `slice` does.
pub const ONTO: &str = "A slice of `geo_slice`: the dimensions on the map are brought onto its grid, as `y` and `x`, and its times select on the time axis unless `time` is selected. Each pixel is projected exactly, which takes about 0.15 s for a plane of 512 x 512, and twice that by area. For arrays on a regular grid, in degrees or projected.";
/// What `resampling` means beside a slice.
pub const RESAMPLING: &str =
    "GDAL's method for `slice`: `nearest`, `bilinear`, `cubic`, `average`, and the others of `read_slice`.";
/// What `merge` means for files of one time.
pub const MERGES_OF_FILES: &str = "What files of one time become on a slice, as in `read_slice`: `first` has it, in the order of the paths, `last`, `min`, `max`, `sum`, `mean`, or `count`.";
/// What `tolerance` means on an axis.
pub const TOLERANCE: &str = "How far the nearest value may lie, in the axis's units, seconds on a time axis; else half a step beyond the ends.";

/// Puts the parameter's name in front of an error.
fn blame(parameter: &str) -> impl Fn(Error) -> Error + '_ {
    move |error| error.at(format!("read_array({parameter})"))
}

/// A selection and the options beside it: what one row of the scalar, or a call of the table function, asks for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// What is selected on each dimension.
    pub selection: Selection,
    /// How stored values become numbers.
    pub decoding: Decoding,
    /// The grid that the dimensions on the map are brought onto.
    slice: Option<Slice>,
    resampling: Option<Resampling>,
    merge: Option<Merge>,
}

/// The keys that are no dimension.
pub const OPTIONS: [&str; 9] =
    ["sel", "isel", "slice", "resampling", "merge", "tolerance", "scaled", "masked", "fill"];

/// Reads the scalar's struct: dimensions by value beside the options. `None` when a value is NULL.
///
/// # Errors
/// A value of another form.
pub fn request(value: &Value) -> Result<Option<Request>> {
    let mut request = Request::default();
    Ok(add(&mut request, value)?.then_some(request))
}

/// Adds the scalar's struct to what is asked for; false when a value is NULL.
///
/// # Errors
/// A value of another form.
pub fn add(request: &mut Request, value: &Value) -> Result<bool> {
    let Value::Struct(fields) = value else {
        let must = "a struct such as {time: TIMESTAMP '2000-01-01', isel: {depth: 0}}";
        return Err(blame("selection")(Error::invalid(value, must)));
    };
    for (name, value) in fields {
        if *value == Value::Null || name == "slice" && slice(value).map_err(blame(name))?.is_none() {
            return Ok(false);
        }
        match OPTIONS.contains(&name.as_str()) {
            _ if name == "dtype" => {
                if *value != Value::Text("float32".into()) {
                    let problem = "the scalar gives FLOAT, and no other type";
                    let remedy = "FROM read_array(..., dtype := 'float64') gives the values as that";
                    return Err(blame(name)(Error::conflict(problem, remedy)));
                }
            }
            true => option(request, name, value)?,
            false => {
                let wanted = by_value(value).map_err(|error| match near(name, OPTIONS.into_iter()) {
                    Some(option) => {
                        let problem = format!("\"{name}\" is no option, and no dimension has {value}");
                        Error::conflict(problem, format!("Did you mean \"{option}\"?"))
                    }
                    None => error,
                });
                request.selection.dims.push((name.clone(), wanted.map_err(blame(name))?));
            }
        }
    }
    Ok(true)
}

impl Request {
    /// The slice that planes come onto, and how; `None` without one.
    ///
    /// # Errors
    /// A resampling method without a slice.
    pub fn onto(&self) -> Result<Option<GridTarget>> {
        match (&self.slice, self.resampling) {
            (None, None) if self.merge.is_some() => {
                let problem = "without a slice nothing is merged";
                Err(blame("merge")(Error::conflict(problem, "Give a slice of geo_slice(...) too")))
            }
            (None, None) => Ok(None),
            (None, Some(_)) => {
                let problem = "without a slice nothing is resampled";
                Err(blame("resampling")(Error::conflict(problem, "Give a slice of geo_slice(...) too")))
            }
            (Some(slice), resampling) => {
                let resampling = resampling.unwrap_or(Resampling::Nearest);
                Ok(Some(GridTarget {
                    slice: slice.clone(),
                    resampling,
                    merge: self.merge.unwrap_or(Merge::First),
                }))
            }
        }
    }

    /// What is read of each file. Where it comes onto a slice, the dimensions on the map do not stay.
    ///
    /// # Errors
    /// As [`plan`]; no grid for a slice, or a selection on the map beside one.
    pub fn parts(&self, paths: &[String], variable: &str, opened: &mut Opened) -> Result<Vec<Part>> {
        let (Some(slice), Some(path)) = (&self.slice, paths.first()) else {
            return plan(paths, variable, &self.selection, opened, false);
        };
        let source = opened.get(path)?;
        let selection =
            with_times(&source, source.header().variable(path, variable)?, &self.selection, slice)?;
        let mut parts = plan(paths, variable, &selection, opened, true)?;
        parts.iter_mut().try_for_each(take_map_away)?;
        Ok(parts)
    }
}

/// Rows and columns of the file stay no dimensions of their own: a slice replaces them.
fn take_map_away(part: &mut Part) -> Result<()> {
    let (y, x) = map_dims(&part.source, part.variable)?;
    for dim in [y, x] {
        let variable = part.metadata()?;
        let name = variable.dims.get(dim).cloned().unwrap_or_default();
        let whole = variable.shape.get(dim).map(|size| Selected::all(*size));
        let Some(selected) = part.selected.get_mut(dim) else { continue };
        if Some(&*selected) != whole.as_ref() {
            let problem = format!("dimension \"{name}\" is selected, and a slice takes its place");
            return Err(blame("slice")(Error::conflict(problem, "Select there by the slice's box alone")));
        }
        selected.kept = false;
    }
    part.also.iter_mut().try_for_each(take_map_away)
}

/// A slice, as `geo_slice` makes it; `None` where a field but its times is NULL.
fn slice(value: &Value) -> Result<Option<Slice>> {
    Ok(slice_value::of_value(value)?.map(|(slice, _)| slice))
}

/// Reads one option of either form.
///
/// # Errors
/// A value of another form.
pub fn option(request: &mut Request, name: &str, value: &Value) -> Result<()> {
    let flag = || match value {
        Value::Bool(flag) => Ok(*flag),
        other => Err(blame(name)(Error::invalid(other, "true or false"))),
    };
    match name {
        "scaled" => request.decoding.scaled = flag()?,
        "masked" => request.decoding.masked = flag()?,
        "fill" => {
            request.decoding.fill = Some(match value {
                Value::Text(text) if text.eq_ignore_ascii_case("nan") => f64::NAN,
                other => {
                    number(other).ok_or_else(|| blame(name)(Error::invalid(other, "a number, or 'nan'")))?
                }
            });
        }
        "slice" => {
            let null = || Error::invalid("NULL", "a slice, as geo_slice makes it");
            let read = slice(value).and_then(|slice| slice.ok_or_else(null));
            request.slice = Some(read.map_err(blame(name))?);
        }
        "resampling" => {
            let choice = match value {
                Value::Text(text) => one_of(text, "a resampling method", &RESAMPLINGS),
                other => Err(Error::invalid(other, "a resampling method such as 'bilinear'")),
            };
            request.resampling = Some(choice.map_err(blame(name))?);
        }
        "merge" => {
            let choice = match value {
                Value::Text(text) => one_of(text, "a rule for merging", &MERGES),
                other => Err(Error::invalid(other, "a rule for merging such as 'mean'")),
            };
            request.merge = Some(choice.map_err(blame(name))?);
        }
        "tolerance" => {
            let distance = number(value).filter(|v| v.is_finite() && *v >= 0.0);
            let bad = || blame(name)(Error::invalid(value, "a distance of at least 0, in the axis's units"));
            request.selection.tolerance = Some(distance.ok_or_else(bad)?);
        }
        _ => {
            let Value::Struct(fields) = value else {
                return Err(blame(name)(Error::invalid(value, "a struct with a field for each dimension")));
            };
            let read: fn(&Value) -> Result<Wanted> = if name == "isel" { by_index } else { by_value };
            for (dim, value) in fields {
                // An index that is NULL selects nothing: the dimension stays whole.
                if name == "isel" && *value == Value::Null {
                    continue;
                }
                let wanted = read(value).map_err(blame(&format!("{name}.{dim}")))?;
                request.selection.dims.push((dim.clone(), wanted));
            }
        }
    }
    Ok(())
}

fn by_value(value: &Value) -> Result<Wanted> {
    let must = "a number, a time, or two of them as [lowest, highest]";
    let one = |value: &Value| value.time().map(Point::Time).or_else(|| number(value).map(Point::Number));
    let wanted = match value {
        Value::List(items) => match items.as_slice() {
            [from, to] => one(from).zip(one(to)).map(|(from, to)| Wanted::Between(from, to)),
            _ => None,
        },
        value => one(value).map(Wanted::At),
    };
    wanted.ok_or_else(|| Error::invalid(value, must))
}

fn by_index(value: &Value) -> Result<Wanted> {
    let must = "a whole number, two as [first, last], or {start: ..., stop: ..., step: ...}";
    let bad = || Error::invalid(value, must);
    match value {
        Value::Int(index) => Ok(Wanted::Index(*index)),
        Value::List(items) => match items.as_slice() {
            [Value::Int(first), Value::Int(last)] => Ok(Wanted::Indices(*first, *last)),
            _ => Err(bad()),
        },
        Value::Struct(fields) => {
            let (mut start, mut stop, mut step) = (None, None, 1);
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("start", Value::Int(n)) => start = Some(*n),
                    ("stop", Value::Int(n)) => stop = Some(*n),
                    ("step", Value::Int(n)) if *n > 0 => step = *n,
                    ("start" | "stop", Value::Null) => {}
                    _ => return Err(bad()),
                }
            }
            Ok(Wanted::Steps { start, stop, step })
        }
        _ => Err(bad()),
    }
}

/// The coordinates of a read.
#[derive(Debug, Default)]
pub struct Coordinates {
    /// Of each dimension that has them, but the time.
    pub numbers: Vec<(String, Vec<f64>)>,
    /// Of the time axis, where there is one.
    pub times: Option<Vec<Option<i64>>>,
}

/// The coordinates of a read; over several files, of the parts one after another on their first dimension.
pub fn coordinates(parts: &[Part]) -> Coordinates {
    let Coordinates { mut numbers, mut times } = Coordinates::default();
    let Some(first) = parts.first() else { return Coordinates { numbers, times } };
    let main = first.time();
    for (dim, selected) in first.selected.iter().enumerate() {
        let Some(axis) = first.axes.get(dim).and_then(Option::as_ref) else { continue };
        let name = first.metadata().ok().and_then(|v| v.dims.get(dim)).cloned().unwrap_or_default();
        let joined = || parts.iter().filter_map(|p| Some((p.axes.get(dim)?.as_ref()?, p.selected.get(dim)?)));
        let is_time = axis.instants.is_some() && (main == Some(dim) || main.is_none() && times.is_none());
        if is_time {
            times = Some(joined().flat_map(|(axis, s)| axis.instants_at(s).unwrap_or_default()).collect());
        } else if dim == 0 {
            numbers.push((name, joined().flat_map(|(axis, s)| axis.values_at(s)).collect()));
        } else {
            numbers.push((name, axis.values_at(selected)));
        }
    }
    Coordinates { numbers, times }
}

/// Names and sizes of the dimensions that stay, over parts that follow each other on the first.
///
/// # Errors
/// Parts that do not fit together.
pub fn shape(parts: &[Part]) -> Result<(Vec<String>, Vec<u64>)> {
    let Some(first) = parts.first() else { return Err(Error::Bug("nothing to read".into())) };
    let variable = first.metadata()?;
    let dims: Vec<usize> = first.kept().collect();
    let mut counts: Vec<u64> =
        dims.iter().filter_map(|&dim| first.selected.get(dim)).map(|s| index_count(&s.runs)).collect();
    for part in parts.iter().skip(1) {
        let other: Vec<usize> = part.kept().collect();
        let sizes: Vec<u64> = part.counts();
        let joins = first.time() == Some(0) && dims.first() == Some(&0) && other == dims;
        let fits = dims.iter().skip(1).zip(counts.iter().skip(1)).all(|(&d, n)| sizes.get(d) == Some(n));
        if !(joins && fits) {
            let problem = format!(
                "\"{}\" of \"{}\" and of \"{}\" do not follow each other in time",
                variable.name,
                first.source.path(),
                part.source.path()
            );
            return Err(Error::conflict(
                problem,
                "Files are joined along a time that is their first dimension, and are alike on all others",
            ));
        }
        if let (Some(count), Some(more)) = (counts.first_mut(), sizes.first()) {
            *count = count.saturating_add(*more);
        }
    }
    let name = |dim: &usize| variable.dims.get(*dim).cloned().unwrap_or_default();
    Ok((dims.iter().map(name).collect(), counts))
}
