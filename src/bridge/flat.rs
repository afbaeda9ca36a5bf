//! Whether the numbers of a vector lie one after another in memory, where they can be read as they are.
//!
//! The C interface does not tell, and copies number by number. What it lets one see: DuckDB 2 refuses the data of a vector
//! that chooses among another's, and DuckDB 1 gives it no mask of NULLs. One value that stands for all shows neither; but when
//! it is sliced it stays what it is, where a flat vector begins to choose. All this is looked at on vectors of our own, which
//! refer to the one in question. The first time one of each kind is made: where the engine at hand shows other signs than
//! these, no vector counts as flat.

#![allow(unsafe_code)]

use std::sync::OnceLock;

use duckdb::ffi;

use crate::bridge::guarded;
use crate::bridge::logical_type::LogicalType;

/// By what a vector that chooses is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// Its data are refused.
    Data,
    /// It has no mask, not even when it is to get one.
    Mask,
}

static SIGN: OnceLock<Option<Sign>> = OnceLock::new();

/// A vector of our own.
struct Own(ffi::duckdb_vector);

impl Own {
    fn new(ty: &LogicalType) -> Own {
        // SAFETY: the type is live; the vector is destroyed once, by the guard.
        Own(unsafe { ffi::duckdb_create_vector(ty.raw(), 4) })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // SAFETY: it is ours, and destroyed once.
        unsafe { ffi::duckdb_destroy_vector(&mut self.0) }
    }
}

/// A selection of one row.
struct One(ffi::duckdb_selection_vector);

impl One {
    fn new(row: u32) -> One {
        // SAFETY: the selection has room for one row, and is destroyed once, by the guard.
        unsafe {
            let chosen = ffi::duckdb_create_selection_vector(1);
            ffi::duckdb_selection_vector_get_data_ptr(chosen).write(row);
            One(chosen)
        }
    }
}

impl Drop for One {
    fn drop(&mut self) {
        // SAFETY: it is ours, and destroyed once.
        unsafe { ffi::duckdb_destroy_selection_vector(self.0) }
    }
}

/// Whether the numbers of a vector lie one after another; false where that cannot be told.
///
/// # Safety
/// The vector is live, and of numbers.
pub(super) unsafe fn is_flat(vector: ffi::duckdb_vector) -> bool {
    let sign = SIGN.get_or_init(|| [Sign::Data, Sign::Mask].into_iter().find(|sign| tells(*sign)));
    // SAFETY: the caller vouches for the vector.
    sign.is_some_and(|sign| unsafe { looks_flat(vector, sign) })
}

/// # Safety
/// As [`is_flat`].
unsafe fn looks_flat(vector: ffi::duckdb_vector, sign: Sign) -> bool {
    // SAFETY: the vectors are live, of one type, and those that change are ours.
    unsafe {
        let ty = LogicalType::from_raw(ffi::duckdb_vector_get_column_type(vector));
        let (looked_at, sliced, first) = (Own::new(&ty), Own::new(&ty), One::new(0));
        let by_mask = sign == Sign::Mask;
        guarded::is_plain(looked_at.0, vector, by_mask)
            && guarded::slice(sliced.0, vector, first.0)
            && !guarded::is_plain(looked_at.0, sliced.0, by_mask)
    }
}

/// Whether a sign is right on a vector of each kind, and looking changes none.
fn tells(sign: Sign) -> bool {
    // SAFETY: all that is made here is ours; the vector that is written has room for four numbers.
    unsafe {
        let ty = LogicalType::from_raw(ffi::duckdb_create_logical_type(ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER));
        let [flat, choosing, twice, same] = std::array::from_fn(|_| Own::new(&ty));
        ffi::duckdb_vector_get_data(flat.0).cast::<[i32; 4]>().write([1, 2, 3, 4]);
        let mut seven = ffi::duckdb_create_int32(7);
        ffi::duckdb_vector_reference_value(same.0, seven);
        ffi::duckdb_destroy_value(&mut seven);
        let (second, first) = (One::new(1), One::new(0));
        guarded::slice(choosing.0, flat.0, second.0)
            && guarded::slice(twice.0, choosing.0, first.0)
            && looks_flat(flat.0, sign)
            && [&choosing, &twice, &same].into_iter().all(|vector| !looks_flat(vector.0, sign))
            && ffi::duckdb_vector_get_validity(flat.0).is_null()
            && ffi::duckdb_vector_get_data(flat.0).cast::<[i32; 4]>().read() == [1, 2, 3, 4]
    }
}
