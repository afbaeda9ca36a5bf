//! DuckDB's calls that take memory, or refuse: its C interface lets the C++ exceptions out that say there is none, and an exception
//! that reaches Rust ends the process. guarded.cpp calls them and catches; what they say becomes an error of ours, which
//! ends the callback as a panic does and is told by [`contain`](super::call::contain).

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::panic::resume_unwind;
use std::sync::OnceLock;

use duckdb::ffi;

use crate::error::{Error, Result};

type Reserve = unsafe extern "C" fn(ffi::duckdb_vector, ffi::idx_t) -> ffi::duckdb_state;
type Assign = unsafe extern "C" fn(ffi::duckdb_vector, ffi::idx_t, *const c_char, ffi::idx_t);
type Validity = unsafe extern "C" fn(ffi::duckdb_vector);
type Reference = unsafe extern "C" fn(ffi::duckdb_vector, ffi::duckdb_vector);
type Slice = unsafe extern "C" fn(ffi::duckdb_vector, ffi::duckdb_selection_vector, ffi::idx_t);
type Data = unsafe extern "C" fn(ffi::duckdb_vector) -> *mut c_void;
type Mask = unsafe extern "C" fn(ffi::duckdb_vector) -> *mut u64;

unsafe extern "C" {
    fn geoquilt_guarded_reserve(
        call: Reserve,
        vector: ffi::duckdb_vector,
        items: u64,
        words: *mut c_char,
        room: usize,
    ) -> bool;
    fn geoquilt_guarded_assign(
        call: Assign,
        vector: ffi::duckdb_vector,
        row: u64,
        bytes: *const c_char,
        length: u64,
        words: *mut c_char,
        room: usize,
    ) -> bool;
    fn geoquilt_guarded_validity(
        call: Validity,
        vector: ffi::duckdb_vector,
        words: *mut c_char,
        room: usize,
    ) -> bool;
    fn geoquilt_guarded_slice(
        reference: Reference,
        slice: Slice,
        own: ffi::duckdb_vector,
        vector: ffi::duckdb_vector,
        chosen: ffi::duckdb_selection_vector,
    ) -> bool;
    fn geoquilt_guarded_has_data(
        reference: Reference,
        data: Data,
        own: ffi::duckdb_vector,
        vector: ffi::duckdb_vector,
    ) -> bool;
    fn geoquilt_guarded_takes_mask(
        reference: Reference,
        make: Validity,
        mask: Mask,
        own: ffi::duckdb_vector,
        vector: ffi::duckdb_vector,
    ) -> bool;
}

/// DuckDB's own functions: the bindings lend them only through calls from Rust, through which no exception may pass.
struct Calls {
    reserve: Reserve,
    assign: Assign,
    validity: Validity,
    reference: Reference,
    slice: Slice,
    data: Data,
    mask: Mask,
}

static CALLS: OnceLock<Calls> = OnceLock::new();

/// Learns where the calls are, at LOAD.
///
/// # Errors
/// DuckDB has no such function.
///
/// # Safety
/// The pointers are those that DuckDB gave the entry point, and its version was checked.
pub unsafe fn learn(
    info: ffi::duckdb_extension_info,
    access: *const ffi::duckdb_extension_access,
    version: &CStr,
) -> Result<()> {
    let missing = || Error::Bug("DuckDB lacks a function that writes vectors".into());
    // SAFETY: the interface is a struct of DuckDB's that lives as long as the library, of the version asked for.
    let calls = unsafe {
        let get = (*access).get_api.ok_or_else(missing)?;
        let api =
            get(info, version.as_ptr()).cast::<ffi::duckdb_ext_api_v1>().as_ref().ok_or_else(missing)?;
        Calls {
            reserve: api.duckdb_list_vector_reserve.ok_or_else(missing)?,
            assign: api.duckdb_vector_assign_string_element_len.ok_or_else(missing)?,
            validity: api.duckdb_vector_ensure_validity_writable.ok_or_else(missing)?,
            reference: api.duckdb_vector_reference_vector.ok_or_else(missing)?,
            slice: api.duckdb_slice_vector.ok_or_else(missing)?,
            data: api.duckdb_vector_get_data.ok_or_else(missing)?,
            mask: api.duckdb_vector_get_validity.ok_or_else(missing)?,
        }
    };
    let _ = CALLS.set(calls);
    Ok(())
}

/// Room for items in a list's child, or the end of the callback.
///
/// # Safety
/// `vector` is a live list vector.
pub(super) unsafe fn reserve(vector: ffi::duckdb_vector, items: usize, bytes: usize) {
    // SAFETY: the caller vouches for the vector, here and below.
    guarded(bytes, |calls, words| unsafe {
        geoquilt_guarded_reserve(calls.reserve, vector, items as u64, words.as_mut_ptr(), words.len())
    });
}

/// Copies bytes into a row of a vector of text, blobs or geometries, or ends the callback.
///
/// # Safety
/// `vector` is a live vector of such a type, and has the row.
pub(super) unsafe fn assign(vector: ffi::duckdb_vector, row: usize, bytes: &[u8]) {
    let (start, length) = (bytes.as_ptr().cast(), bytes.len() as u64);
    // SAFETY: as above; DuckDB copies the bytes.
    guarded(bytes.len(), |calls, words| unsafe {
        let (room, words) = (words.len(), words.as_mut_ptr());
        geoquilt_guarded_assign(calls.assign, vector, row as u64, start, length, words, room)
    });
}

/// Gives a vector a mask of its NULLs, or ends the callback.
///
/// # Safety
/// `vector` is live and flat.
pub(super) unsafe fn ensure_validity(vector: ffi::duckdb_vector, rows: usize) {
    // SAFETY: as above.
    guarded(rows.div_ceil(8), |calls, words| unsafe {
        geoquilt_guarded_validity(calls.validity, vector, words.as_mut_ptr(), words.len())
    });
}

/// Makes a vector of ours the one row of another that is chosen; false where DuckDB refuses.
///
/// # Safety
/// All three are live, the vectors of one type, and the selection has a row.
pub(super) unsafe fn slice(
    own: ffi::duckdb_vector,
    vector: ffi::duckdb_vector,
    chosen: ffi::duckdb_selection_vector,
) -> bool {
    let Some(calls) = CALLS.get() else { return false };
    // SAFETY: the caller vouches for them.
    unsafe { geoquilt_guarded_slice(calls.reference, calls.slice, own, vector, chosen) }
}

/// Whether a vector, looked at through one of ours that refers to it, has data that may be read, or, `by_mask`, takes a
/// mask of NULLs.
///
/// # Safety
/// Both are live, and of one type.
pub(super) unsafe fn is_plain(own: ffi::duckdb_vector, vector: ffi::duckdb_vector, by_mask: bool) -> bool {
    let Some(calls) = CALLS.get() else { return false };
    // SAFETY: as above.
    unsafe {
        match by_mask {
            true => geoquilt_guarded_takes_mask(calls.reference, calls.validity, calls.mask, own, vector),
            false => geoquilt_guarded_has_data(calls.reference, calls.data, own, vector),
        }
    }
}

fn guarded(bytes: usize, call: impl FnOnce(&Calls, &mut [c_char]) -> bool) {
    let mut words = [0; 512];
    let fault = match CALLS.get() {
        Some(calls) if call(calls, &mut words) => return,
        Some(_) => {
            // SAFETY: the words end with a zero, which snprintf writes and which they began as.
            let said = unsafe { CStr::from_ptr(words.as_ptr()) }.to_string_lossy();
            Error::NoRoom { what: "a vector".into(), needed: bytes as u64, reason: message(&said).into() }
        }
        None => Error::Bug("vectors are written before LOAD".into()),
    };
    resume_unwind(Box::new(fault));
}

/// DuckDB's exceptions say what they are as JSON.
fn message(said: &str) -> String {
    let document: Option<serde_json::Value> = serde_json::from_str(said).ok();
    let message = document.as_ref().and_then(|d| d.get("exception_message")?.as_str());
    message.unwrap_or(said).lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_is_told_by_its_message() {
        let json =
            r#"{"exception_type":"Out of Memory","exception_message":"failed to allocate 64.0 MiB\nsecond"}"#;
        assert_eq!(message(json), "failed to allocate 64.0 MiB");
        assert_eq!(message("std::bad_alloc"), "std::bad_alloc");
    }
}
