//! Rows that cross: the chunk that a table function fills, and the arguments of a scalar.

#![allow(unsafe_code)]

use duckdb::ffi;

use crate::bridge::vector::Vector;
use crate::value::Value;

/// Rows that a table function puts out.
pub struct Chunk<'a> {
    raw: ffi::duckdb_data_chunk,
    /// For each column of the chunk, which of the function's columns it is.
    projection: &'a [usize],
    columns: Vec<Vector<'a>>,
    capacity: usize,
}

impl<'a> Chunk<'a> {
    /// # Safety
    /// `raw` is the live chunk of a callback, whose columns are those of `projection`.
    pub unsafe fn output(raw: ffi::duckdb_data_chunk, projection: &'a [usize]) -> Chunk<'a> {
        // SAFETY: the chunk has a column for each entry of the projection, and is ours to write.
        unsafe {
            let capacity = ffi::duckdb_vector_size() as usize;
            let column = |i| Vector::from_raw(ffi::duckdb_data_chunk_get_vector(raw, i as u64), capacity);
            Chunk { raw, projection, columns: (0..projection.len()).map(column).collect(), capacity }
        }
    }

    /// How many rows fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The vector of one of the function's columns; `None` when the query does not ask for it.
    pub fn column(&mut self, index: usize) -> Option<&mut Vector<'a>> {
        let projected = self.projection.iter().position(|&column| column == index)?;
        self.columns.get_mut(projected)
    }

    /// Writes values into a row, one for each of the function's columns.
    pub fn write(&mut self, row: usize, values: impl IntoIterator<Item = Value>) {
        for (index, value) in values.into_iter().enumerate() {
            if let Some(vector) = self.column(index) {
                value.write(vector, row);
            }
        }
    }

    /// How many rows this chunk holds; 0 ends the scan.
    pub fn set_rows(&mut self, rows: usize) {
        assert!(rows <= self.capacity, "{rows} rows in a chunk of {}", self.capacity);
        // SAFETY: the chunk is alive.
        unsafe { ffi::duckdb_data_chunk_set_size(self.raw, rows as u64) }
    }
}

/// The arguments of a scalar function, one vector each.
pub struct Input<'a> {
    columns: Vec<Vector<'a>>,
    rows: usize,
}

impl<'a> Input<'a> {
    /// # Safety
    /// `raw` is the live input chunk of a callback.
    pub unsafe fn from_raw(raw: ffi::duckdb_data_chunk) -> Input<'a> {
        // SAFETY: the caller vouches for the chunk.
        unsafe {
            let rows = ffi::duckdb_data_chunk_get_size(raw) as usize;
            let count = ffi::duckdb_data_chunk_get_column_count(raw);
            let column = |i| Vector::from_raw(ffi::duckdb_data_chunk_get_vector(raw, i), rows);
            Input { columns: (0..count).map(column).collect(), rows }
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many arguments this call has: trailing ones may have been left out.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// An argument.
    pub fn column(&self, index: usize) -> &Vector<'a> {
        &self.columns[index]
    }

    /// Some argument of the row is NULL.
    pub fn any_null(&self, row: usize) -> bool {
        self.columns.iter().any(|column| column.is_null(row))
    }
}
