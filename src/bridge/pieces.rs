//! Long lists of numbers, as they lie in memory or some thousand at a time.
//!
//! DuckDB flattens a column but not what is in its lists: a child may be one value for all items, or items of
//! another vector. Then a piece is a copy, small enough to stay in the processor's cache.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ops::Range;

use duckdb::ffi;

use crate::bridge::flat::is_flat;
use crate::bridge::logical_type::LogicalType;
use crate::bridge::vector::{Plain, Vector, Wide};
use crate::dtype::{Dtype, Nodata, Pixel};
use crate::error::{Error, Result};
use crate::sql_type::SqlType;
use crate::workers::go_on;

/// Numbers in a piece.
const LENGTH: usize = 8192;

/// The lists of one column.
pub struct Pieces<'a> {
    child: ffi::duckdb_vector,
    column: &'a Vector<'a>,
    dtype: Dtype,
    /// The numbers have 128 bits, with a sign or without, and are read as ones of 64.
    wide: Option<Signed>,
    lie: Lie,
}

/// Whether numbers of 128 bits have a sign.
#[derive(Clone, Copy)]
struct Signed(bool);

/// Where numbers are read.
enum Lie {
    /// There is no list: the column is of NULLs that were given no type.
    Nowhere,
    /// The items of all lists lie one after another, with their mask of NULLs.
    Flat(*const c_void, *const u64),
    /// Room for a copy.
    Copied(ffi::duckdb_vector, ffi::duckdb_selection_vector),
}

/// Which numbers of a piece are NULL: a mask, and the bit of the first.
#[derive(Clone, Copy)]
pub struct Nulls<'a>(Option<(&'a [u64], usize)>);

impl Nulls<'_> {
    /// Whether none is.
    pub fn none(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a number is NULL.
    #[inline]
    pub fn is_null(&self, index: usize) -> bool {
        self.0.is_some_and(|(words, first)| {
            let bit = first + index;
            words[bit / 64] >> (bit % 64) & 1 == 0
        })
    }
}

/// Whether bits `from .. to` of a mask are all set.
fn all_set(words: &[u64], from: usize, to: usize) -> bool {
    let mut bit = from;
    while bit < to {
        let end = to.min((bit / 64 + 1) * 64);
        let ones = u64::MAX >> (64 - (end - bit)) << (bit % 64);
        if words[bit / 64] & ones != ones {
            return false;
        }
        bit = end;
    }
    true
}

impl<'a> Pieces<'a> {
    /// # Errors
    /// The column is not a list or an array of numbers.
    pub fn of(column: &'a Vector<'a>) -> Result<Pieces<'a>> {
        if column.layout().is(ffi::DUCKDB_TYPE_DUCKDB_TYPE_SQLNULL) {
            let child = std::ptr::null_mut();
            return Ok(Pieces { child, column, dtype: Dtype::Float32, wide: None, lie: Lie::Nowhere });
        }
        let ty = column.layout().ty.sql_type();
        let item = ty.as_ref().and_then(|ty| ty.item());
        let dtype = item.and_then(|item| item.dtype());
        let dtype = dtype.ok_or_else(|| Error::Bug(format!("{ty:?} is not a list of numbers")))?;
        let wide = match item {
            Some(SqlType::HugeInt) => Some(Signed(true)),
            Some(SqlType::UHugeInt) => Some(Signed(false)),
            _ => None,
        };
        // SAFETY: the column is a list or an array, whose child lives as long as it and is asked for its data where they lie
        // flat; what is made here is destroyed by the guard.
        let (child, lie) = unsafe {
            let child = match column.layout().is(ffi::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY) {
                true => ffi::duckdb_array_vector_get_child(column.raw()),
                false => ffi::duckdb_list_vector_get_child(column.raw()),
            };
            let data = is_flat(child).then(|| ffi::duckdb_vector_get_data(child).cast_const());
            // A buffer of Arrow may begin anywhere.
            let data = data.filter(|data| data.addr().is_multiple_of(dtype.size()));
            let lie = match data {
                Some(data) => Lie::Flat(data, ffi::duckdb_vector_get_validity(child)),
                None => {
                    let ty = LogicalType::from_raw(ffi::duckdb_vector_get_column_type(child));
                    let copy = ffi::duckdb_create_vector(ty.raw(), LENGTH as u64);
                    Lie::Copied(copy, ffi::duckdb_create_selection_vector(LENGTH as u64))
                }
            };
            (child, lie)
        };
        Ok(Pieces { child, column, dtype, wide, lie })
    }

    /// The type of the numbers.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Whether a row has no list.
    pub fn is_null(&self, row: usize) -> bool {
        self.column.is_null(row)
    }

    /// How many numbers a row's list has.
    pub fn length(&self, row: usize) -> usize {
        if matches!(self.lie, Lie::Nowhere) { 0 } else { self.column.list_entry(row).1 }
    }

    /// Gives the list of a row to `take`, whole where it lies flat, else piece by piece.
    ///
    /// # Errors
    /// The numbers are of another type than `T`, or what `take` says.
    pub fn each<T: Plain + Pixel>(
        &mut self,
        row: usize,
        mut take: impl FnMut(&[T], Nulls<'_>) -> Result<()>,
    ) -> Result<()> {
        let length = self.length(row);
        let step = if matches!(self.lie, Lie::Flat(..)) { length.max(1) } else { LENGTH };
        for first in (0..length).step_by(step) {
            go_on()?;
            self.part(row, first..(first + step).min(length), &mut take)?;
        }
        Ok(())
    }

    /// Gives a part of the list of a row to `take`: no more numbers than a piece has, unless they lie flat.
    ///
    /// # Errors
    /// As [`Pieces::each`], a part that is none, and a HUGEINT that no whole number of 64 bits is.
    pub fn part<T: Plain + Pixel>(
        &mut self,
        row: usize,
        part: Range<usize>,
        take: impl FnOnce(&[T], Nulls<'_>) -> Result<()>,
    ) -> Result<()> {
        if T::DTYPE != self.dtype {
            return Err(Error::Bug(format!("{} read as {}", self.dtype, T::DTYPE)));
        }
        let Some(signed) = self.wide else { return self.bare(row, part, take) };
        self.bare(row, part, |values: &[Wide], nulls| {
            let narrow = |(index, value): (usize, &Wide)| match nulls.is_null(index) {
                true => Ok(T::default()),
                false => narrowed(*value, signed),
            };
            take(&values.iter().enumerate().map(narrow).collect::<Result<Vec<T>>>()?, nulls)
        })
    }

    /// Gives a part of the list of a row to `take`, as it lies there.
    fn bare<T: Plain>(
        &mut self,
        row: usize,
        part: Range<usize>,
        take: impl FnOnce(&[T], Nulls<'_>) -> Result<()>,
    ) -> Result<()> {
        if matches!(self.lie, Lie::Nowhere) {
            return take(&[], Nulls(None));
        }
        let (offset, length) = self.column.list_entry(row);
        let (from, count) = (offset + part.start, part.len());
        if part.end > length {
            return Err(Error::Bug(format!("{part:?} of a list of {length}")));
        }
        let (values, nulls) = match self.lie {
            _ if count == 0 => (&[][..], None),
            Lie::Nowhere => (&[][..], None),
            Lie::Flat(data, words) => {
                let end = from + count;
                // SAFETY: the child has the row's items, which lie one after another and have the type `T`, aligned as
                // that; a mask has a bit for each.
                let (values, words) = unsafe {
                    let words =
                        (!words.is_null()).then(|| std::slice::from_raw_parts(words, end.div_ceil(64)));
                    (std::slice::from_raw_parts(data.cast::<T>().add(from), count), words)
                };
                (values, words.filter(|words| !all_set(words, from, end)).map(|words| (words, from)))
            }
            Lie::Copied(..) if count > LENGTH => {
                return Err(Error::Bug(format!("{part:?} is more than a piece")));
            }
            // SAFETY: the selection names items of the child that are the row's, and the copy has room for them. Its
            // type is the child's, whose values are those of `T`. A mask has a bit for each value.
            Lie::Copied(copy, chosen) => unsafe {
                let indices = ffi::duckdb_selection_vector_get_data_ptr(chosen);
                let indices = std::slice::from_raw_parts_mut(indices, count);
                for (index, from) in indices.iter_mut().zip(from..) {
                    *index = from as ffi::sel_t;
                }
                ffi::duckdb_vector_copy_sel(self.child, copy, chosen, count as u64, 0, 0);
                let values = ffi::duckdb_vector_get_data(copy).cast::<T>();
                let words = ffi::duckdb_vector_get_validity(copy);
                let words = (!words.is_null()).then(|| std::slice::from_raw_parts(words, count.div_ceil(64)));
                (std::slice::from_raw_parts(values, count), words.map(|words| (words, 0)))
            },
        };
        take(values, Nulls(nulls))
    }
}

/// A number of 128 bits as one of 64.
fn narrowed<T: Pixel>(value: Wide, Signed(signed): Signed) -> Result<T> {
    let digits = || if signed { value.number().to_string() } else { (value.number() as u128).to_string() };
    // Without a sign a number from 2^127 on would seem to be below zero.
    let known = Some(value.number()).filter(|number| signed || *number >= 0);
    known.and_then(|number| T::nodata(Nodata::Integer(number))).ok_or_else(|| {
        let problem =
            format!("a pixel of {}, which no {} is", digits(), if signed { "BIGINT" } else { "UBIGINT" });
        Error::conflict(problem, "Cast the pixels, data::DOUBLE[], to have them rounded")
    })
}

impl Drop for Pieces<'_> {
    fn drop(&mut self) {
        if let Lie::Copied(copy, chosen) = &mut self.lie {
            // SAFETY: both are ours, and destroyed once.
            unsafe {
                ffi::duckdb_destroy_vector(copy);
                ffi::duckdb_destroy_selection_vector(*chosen);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_all_set_or_not() {
        for (from, to) in [(0, 1), (3, 9), (60, 70), (0, 192), (64, 128), (63, 64), (1, 191)] {
            let words = [u64::MAX; 3];
            assert!(all_set(&words, from, to) && all_set(&words, from, from));
            for bit in 0..192 {
                let mut words = words;
                words[bit / 64] &= !(1 << (bit % 64));
                assert_eq!(all_set(&words, from, to), !(from..to).contains(&bit), "{from} {to} {bit}");
                let nulls = Nulls(Some((&words, from)));
                assert!((from..to).all(|at| nulls.is_null(at - from) == (at == bit)));
            }
        }
    }
}
