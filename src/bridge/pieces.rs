//! Long lists of numbers, some thousand at a time.
//!
//! DuckDB flattens a column but not what is in its lists: a child may be one value for all items, or items of
//! another vector. So a piece is a copy, small enough to stay in the processor's cache.

#![allow(unsafe_code)]

use std::ops::Range;

use duckdb::ffi;

use crate::bridge::logical_type::LogicalType;
use crate::bridge::vector::{Plain, Vector};
use crate::dtype::{Dtype, Pixel};
use crate::error::{Error, Result};
use crate::workers::go_on;

/// Numbers in a piece.
const LENGTH: usize = 8192;

/// Room for a piece of the lists of one column.
pub struct Pieces<'a> {
    child: ffi::duckdb_vector,
    column: &'a Vector<'a>,
    dtype: Dtype,
    copy: ffi::duckdb_vector,
    chosen: ffi::duckdb_selection_vector,
}

/// Which numbers of a piece are NULL.
#[derive(Clone, Copy)]
pub struct Nulls<'a>(Option<&'a [u64]>);

impl Nulls<'_> {
    /// Whether none is.
    pub fn none(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a number is NULL.
    #[inline]
    pub fn is_null(&self, index: usize) -> bool {
        self.0.is_some_and(|words| words[index / 64] >> (index % 64) & 1 == 0)
    }
}

impl<'a> Pieces<'a> {
    /// # Errors
    /// The column is not a list or an array of numbers.
    pub fn of(column: &'a Vector<'a>) -> Result<Pieces<'a>> {
        let ty = column.layout().ty.sql_type();
        let dtype = ty.as_ref().and_then(|ty| ty.item()).and_then(|item| item.dtype());
        let dtype = dtype.ok_or_else(|| Error::Bug(format!("{ty:?} is not a list of numbers")))?;
        // SAFETY: the column is a list or an array, whose child lives as long as it; what is made here is destroyed by the
        // guard.
        unsafe {
            let child = match column.layout().is(ffi::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY) {
                true => ffi::duckdb_array_vector_get_child(column.raw()),
                false => ffi::duckdb_list_vector_get_child(column.raw()),
            };
            let ty = LogicalType::from_raw(ffi::duckdb_vector_get_column_type(child));
            let copy = ffi::duckdb_create_vector(ty.raw(), LENGTH as u64);
            let chosen = ffi::duckdb_create_selection_vector(LENGTH as u64);
            Ok(Pieces { child, column, dtype, copy, chosen })
        }
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
        self.column.list_entry(row).1
    }

    /// Gives the list of a row to `take`, piece by piece.
    ///
    /// # Errors
    /// The numbers are of another type than `T`, or what `take` says.
    pub fn each<T: Plain + Pixel>(
        &mut self,
        row: usize,
        mut take: impl FnMut(&[T], Nulls<'_>) -> Result<()>,
    ) -> Result<()> {
        let length = self.length(row);
        for first in (0..length).step_by(LENGTH) {
            go_on()?;
            self.part(row, first..(first + LENGTH).min(length), &mut take)?;
        }
        Ok(())
    }

    /// Gives a part of the list of a row to `take`: no more numbers than a piece has.
    ///
    /// # Errors
    /// As [`Pieces::each`], and a part that is none.
    pub fn part<T: Plain + Pixel>(
        &mut self,
        row: usize,
        part: Range<usize>,
        take: impl FnOnce(&[T], Nulls<'_>) -> Result<()>,
    ) -> Result<()> {
        if T::DTYPE != self.dtype {
            return Err(Error::Bug(format!("{} read as {}", self.dtype, T::DTYPE)));
        }
        let (offset, length) = self.column.list_entry(row);
        if part.end > length || part.len() > LENGTH {
            return Err(Error::Bug(format!("{part:?} of a list of {length}")));
        }
        let count = part.len();
        // SAFETY: the selection names items of the child that are the row's, and the copy has room for them. Its
        // type is the child's, whose values are those of `T`. A mask has a bit for each value.
        let (values, nulls) = unsafe {
            let indices = ffi::duckdb_selection_vector_get_data_ptr(self.chosen);
            let indices = std::slice::from_raw_parts_mut(indices, count);
            for (index, from) in indices.iter_mut().zip(offset + part.start..) {
                *index = from as ffi::sel_t;
            }
            ffi::duckdb_vector_copy_sel(self.child, self.copy, self.chosen, count as u64, 0, 0);
            let values = ffi::duckdb_vector_get_data(self.copy).cast::<T>();
            let words = ffi::duckdb_vector_get_validity(self.copy);
            let nulls = (!words.is_null()).then(|| std::slice::from_raw_parts(words, count.div_ceil(64)));
            (std::slice::from_raw_parts(values, count), Nulls(nulls))
        };
        take(values, nulls)
    }
}

impl Drop for Pieces<'_> {
    fn drop(&mut self) {
        // SAFETY: both are ours, and destroyed once.
        unsafe {
            ffi::duckdb_destroy_vector(&mut self.copy);
            ffi::duckdb_destroy_selection_vector(self.chosen);
        }
    }
}
