//! Lists of pixels as numbers, row by row, and numbers as lists: what functions over pixels share.

use std::fmt;
use std::ops::Range;

use bytemuck::Pod;

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Given, Parameter};
use crate::bridge::pieces::{Nulls, Pieces};
use crate::bridge::vector::{Plain, Vector};
use crate::dtype::with_dtype;
use crate::dtype::{Dtype, Pixel};
use crate::error::{Error, Load, Result};
use crate::limits::Limits;
use crate::read::gaps::GapsBuilder;
use crate::sql_type::SqlType;
use crate::value::Value;
use crate::workers::go_on;

/// The types of data that functions over pixels take.
pub const DATA: &str = "FLOAT[] | DOUBLE[] | TINYINT[] | UTINYINT[] | SMALLINT[] | USMALLINT[] | INTEGER[] | UINTEGER[] | BIGINT[] | UBIGINT[] | HUGEINT[] | UHUGEINT[]";
/// What each function that works in doubles refuses.
pub const INEXACT: &str =
    "a whole number that DOUBLE does not hold exactly, as some beyond 2^53 are, or beyond BIGINT and UBIGINT";

/// The pixels that a function over them takes.
pub const PIXELS: Parameter = Parameter {
    name: "data",
    types: DATA,
    given: Given::Required,
    meaning: "Pixels in the order [band, row, col].",
};
/// Their shape.
pub const SHAPE: Parameter = Parameter {
    name: "shape",
    types: "BIGINT[]",
    given: Given::Required,
    meaning: "Bands, rows, columns; two numbers are rows and columns of one band.",
};

/// A row's shape, and what it asks for; `None` where it asks for nothing.
pub type Asked<T> = Option<([usize; 3], T)>;

/// What each row of `(data, shape, third)` asks for: its shape, and what `read` makes of the third argument; `None` where one
/// of the three is NULL.
///
/// # Errors
/// A shape that does not fit, or what `read` says.
pub fn asked<T>(
    input: &Input<'_>,
    data: &Pieces<'_>,
    function: &str,
    mut read: impl FnMut(usize, [usize; 3]) -> Result<T>,
) -> Result<Vec<Asked<T>>> {
    let of_row = |row: usize| {
        if (0..3).any(|i| input.column(i).is_null(row)) {
            return Ok(None);
        }
        let shape = shape(input.column(1), row, data.length(row));
        let shape = shape.map_err(|error| error.at(format!("{function}(shape)")))?;
        Ok(Some((shape, read(row, shape)?)))
    };
    (0..input.rows()).map(of_row).collect()
}

/// The pixels of a row.
#[derive(Debug, Default)]
pub struct Row {
    /// As doubles; anything where there is none.
    pub values: Vec<f64>,
    /// Which are there; empty where all are.
    pub valid: Vec<bool>,
}

impl Row {
    /// Whether a pixel is there.
    #[inline]
    pub fn has(&self, index: usize) -> bool {
        self.valid.is_empty() || self.valid[index]
    }

    /// Makes ready for another row.
    pub fn clear(&mut self) {
        self.values.clear();
        self.valid.clear();
    }

    /// Adds a pixel.
    pub fn push(&mut self, value: Option<f64>) {
        if value.is_none() && self.valid.is_empty() {
            self.valid.resize(self.values.len(), true);
        }
        self.values.push(value.unwrap_or_default());
        if !self.valid.is_empty() || value.is_none() {
            self.valid.push(value.is_some());
        }
    }

    /// Reads the list of a row.
    ///
    /// # Errors
    /// A whole number that a double does not hold: see [`exact`].
    pub fn read(&mut self, data: &mut Pieces<'_>, row: usize) -> Result<()> {
        self.clear();
        self.values.reserve(data.length(row));
        with_dtype!(data.dtype(), T => data.each::<T>(row, |values, nulls| self.add(values, nulls)))
    }

    /// Reads a part of the list of a row, of some thousand pixels at most.
    ///
    /// # Errors
    /// As [`Row::read`].
    pub fn read_part(&mut self, data: &mut Pieces<'_>, row: usize, part: Range<usize>) -> Result<()> {
        self.clear();
        with_dtype!(data.dtype(), T => data.part::<T>(row, part, |values, nulls| self.add(values, nulls)))
    }

    fn add<T: Pixel>(&mut self, values: &[T], nulls: Nulls<'_>) -> Result<()> {
        exact(values, nulls)?;
        let before = self.values.len();
        self.values.extend(values.iter().map(|value| value.f64()));
        if !nulls.none() {
            self.valid.resize(before, true);
            self.valid.extend((0..values.len()).map(|i| !nulls.is_null(i)));
        } else if !self.valid.is_empty() {
            self.valid.resize(self.values.len(), true);
        }
        Ok(())
    }

    /// Which pixels are there, where not all are.
    pub fn mask(&self) -> Option<&[bool]> {
        if self.valid.is_empty() { None } else { Some(&self.valid) }
    }
}

/// Looks whether doubles hold some numbers. What works in doubles asks this of whole numbers of 64 bits, so that none is
/// rounded without a word.
///
/// # Errors
/// The first that they do not hold.
pub fn exact<T: Pixel>(values: &[T], nulls: Nulls<'_>) -> Result<()> {
    if !matches!(T::DTYPE, Dtype::Int64 | Dtype::UInt64) {
        return Ok(());
    }
    let there = values.iter().enumerate().filter(|(index, _)| !nulls.is_null(*index));
    match there.map(|(_, value)| value).find_map(|value| value.beyond_double()) {
        None => Ok(()),
        Some(value) => {
            let problem = format!("a pixel of {value}, which DOUBLE does not hold exactly");
            let remedy = "Take an offset off the pixels, or cast them, data::DOUBLE[], to have them rounded";
            Err(Error::conflict(problem, remedy))
        }
    }
}

/// FLOAT[], or DOUBLE[] for data that need it.
///
/// # Errors
/// A type that does not parse, which is a defect.
pub fn list_type(arguments: &[SqlType]) -> Result<SqlType> {
    let item = arguments.first().and_then(SqlType::item).and_then(SqlType::dtype);
    let wide = item.is_some_and(|dtype| dtype.worked_out() == Dtype::Float64);
    Ok(if wide { SqlType::Double.list() } else { SqlType::Float.list() })
}

/// A shape as an error tells it, one that holds NULL too.
pub fn given(shape: &Vector<'_>, row: usize) -> String {
    match shape.list(row).numbers::<i64>() {
        Some(sides) => told(&sides),
        None => Value::of(shape, row).to_string(),
    }
}

/// A shape as an error tells it: its first sizes, of one that is far too long.
pub fn told<T: fmt::Debug>(shape: &[T]) -> String {
    const MOST: usize = 12;
    match shape.get(..MOST) {
        Some(first) if shape.len() > MOST => {
            let first: Vec<String> = first.iter().map(|side| format!("{side:?}")).collect();
            format!("[{}, ... {} in all]", first.join(", "), shape.len())
        }
        _ => format!("{shape:?}"),
    }
}

/// Bands, rows and columns of a row's pixels.
///
/// # Errors
/// A shape that is none, or that does not have so many values.
pub fn shape(shape: &Vector<'_>, row: usize, length: usize) -> Result<[usize; 3]> {
    let sides = shape.list(row).numbers::<i64>().unwrap_or_default();
    let found: Option<Vec<usize>> = sides.iter().map(|side| usize::try_from(*side).ok()).collect();
    let found = match found.as_deref() {
        Some([rows, cols]) => Some([1, *rows, *cols]),
        // Times count as bands.
        Some([lead @ .., rows, cols]) if !lead.is_empty() => {
            let bands = lead.iter().try_fold(1usize, |n, side| n.checked_mul(*side));
            bands.map(|bands| [bands, *rows, *cols])
        }
        _ => None,
    };
    let found = found
        .ok_or_else(|| Error::invalid(given(shape, row), "[bands, rows, columns], as a read gives it"))?;
    if found.iter().try_fold(1usize, |n, side| n.checked_mul(*side)) == Some(length) {
        return Ok(found);
    }
    let problem = format!("{length} values for the shape {}", told(&sides));
    Err(Error::conflict(problem, "Give data and shape of the same read"))
}

/// Writes the list of each row that has a length, as `fill` makes it whole.
///
/// # Errors
/// More than a chunk may take, or what `fill` says.
pub fn write(
    out: &mut Vector<'_>,
    wide: bool,
    lengths: &[Option<usize>],
    limits: &Limits,
    mut fill: impl FnMut(usize, &mut Row) -> Result<()>,
) -> Result<()> {
    let mut numbers = Row::default();
    write_parts(out, wide, lengths, limits, |row, put| {
        numbers.clear();
        fill(row, &mut numbers)?;
        put.put(0, &numbers.values, numbers.mask())
    })
}

/// Where the numbers of a row go, part by part, in any order.
pub trait Put {
    /// Takes the numbers from a place on, and which of them are there.
    ///
    /// # Errors
    /// More than the list has, which is a defect.
    fn put(&mut self, at: usize, values: &[f64], valid: Option<&[bool]>) -> Result<()>;
}

/// A row's list, and what is missing in it.
struct PutInto<'a, T> {
    list: &'a mut [T],
    gaps: GapsBuilder,
    count: usize,
}

impl<T: Pixel> Put for PutInto<'_, T> {
    fn put(&mut self, at: usize, values: &[f64], valid: Option<&[bool]>) -> Result<()> {
        let length = self.list.len();
        let part = self.list.get_mut(at..at + values.len());
        let part = part.ok_or_else(|| Error::Bug(format!("{} numbers at {at} of {length}", values.len())))?;
        part.iter_mut().zip(values).for_each(|(to, value)| *to = T::of(*value));
        self.count += values.len();
        if let Some(valid) = valid {
            self.gaps.add_where(valid, at, |valid| !valid);
        }
        Ok(())
    }
}

/// Writes the list of each row that has a length, as `fill` puts its parts.
///
/// # Errors
/// More than a chunk may take, or what `fill` says.
pub fn write_parts(
    out: &mut Vector<'_>,
    wide: bool,
    lengths: &[Option<usize>],
    limits: &Limits,
    fill: impl FnMut(usize, &mut dyn Put) -> Result<()>,
) -> Result<()> {
    let pixels = lengths.iter().flatten().fold(0usize, |sum, length| sum.saturating_add(*length));
    limits.allow(pixels.saturating_mul(if wide { 8 } else { 4 }), || Load::Chunk)?;
    if wide { typed::<f64>(out, lengths, fill) } else { typed::<f32>(out, lengths, fill) }
}

fn typed<T: Plain + Pod + Pixel>(
    out: &mut Vector<'_>,
    lengths: &[Option<usize>],
    mut fill: impl FnMut(usize, &mut dyn Put) -> Result<()>,
) -> Result<()> {
    let (mut nulls, lists) = out.lists::<T>(lengths);
    let rows = lengths.iter().enumerate().filter(|(_, length)| length.is_some()).map(|(row, _)| row);
    let mut first = 0;
    for (row, list) in rows.zip(lists) {
        go_on()?;
        let mut into = PutInto { list, gaps: GapsBuilder::default(), count: 0 };
        fill(row, &mut into)?;
        let PutInto { list, gaps, count } = into;
        if count != list.len() {
            return Err(Error::Bug(format!("{count} numbers for {}", list.len())));
        }
        nulls.set_runs(first, &gaps.finish());
        first += list.len();
    }
    for (row, length) in lengths.iter().enumerate() {
        if length.is_none() {
            out.set_null(row);
        }
    }
    Ok(())
}

/// A number of a STRUCT by its field; `None` where it is NULL or absent.
pub fn field(fields: &[(String, Value)], name: &str) -> Option<f64> {
    let named = fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
    named.and_then(|(_, value)| crate::bridge::args::number(value))
}
