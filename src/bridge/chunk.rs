//! Rows that cross: the chunk that a table function fills, and the arguments of a scalar.

use duckdb::ffi;

use crate::bridge::vector::Vector;

/// Rows that a table function puts out, or that a scalar function takes in.
pub struct Chunk<'a> {
    raw: ffi::duckdb_data_chunk,
    /// For each column of the chunk, which of the function's columns it is.
    projection: &'a [usize],
    capacity: usize,
}

impl<'a> Chunk<'a> {
    /// # Safety
    /// `raw` is the live chunk of a callback, whose columns are those of `projection`.
    pub unsafe fn output(raw: ffi::duckdb_data_chunk, projection: &'a [usize]) -> Chunk<'a> {
        // SAFETY: no argument.
        let capacity = unsafe { ffi::duckdb_vector_size() } as usize;
        Chunk { raw, projection, capacity }
    }

    /// How many rows fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The vector of one of the function's columns; `None` when the query does not ask for it.
    pub fn column(&self, index: usize) -> Option<Vector<'a>> {
        let place = self.projection.iter().position(|&column| column == index)?;
        // SAFETY: the chunk has a column for each place of the projection.
        unsafe {
            Some(Vector::from_raw(ffi::duckdb_data_chunk_get_vector(self.raw, place as u64), self.capacity))
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

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many arguments this call has: trailing ones may have been left out.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    pub fn column(&self, index: usize) -> Vector<'a> {
        self.columns[index]
    }

    /// Some argument of the row is NULL, or some field of a struct argument among the first `fields`.
    pub fn any_null(&self, row: usize) -> bool {
        self.columns.iter().any(|column| column.is_null(row))
    }
}
