//! Text across the C interface.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_void};

use duckdb::ffi;

use crate::error::{Error, Result};

/// # Errors
/// Text with a zero byte.
pub fn text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::invalid(format!("{text:?}"), "text without zero bytes"))
}

/// Text that DuckDB allocated, taken over and freed.
///
/// # Safety
/// `text` is null or a live C string from DuckDB's allocator.
pub unsafe fn take_text(text: *mut c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller vouches for the string; it is freed after the copy.
    unsafe {
        let owned = CStr::from_ptr(text).to_string_lossy().into_owned();
        ffi::duckdb_free(text.cast::<c_void>());
        owned
    }
}
