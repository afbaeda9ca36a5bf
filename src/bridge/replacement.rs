//! Replacement scans: a name in FROM that is no table becomes a call of a function.
//!
//! DuckDB asks only where a name is no table, with nothing but the name.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use duckdb::ffi;

use crate::bridge::text::text;
use crate::bridge::value::RawValue;
use crate::error::Result;

/// The name of the table function that reads a name in FROM, if one does.
pub type Choice = fn(&str) -> Option<&'static str>;

unsafe extern "C" fn replace(
    info: ffi::duckdb_replacement_scan_info,
    name: *const c_char,
    choice: *mut c_void,
) {
    // SAFETY: DuckDB gives a live name and what was registered, and copies the function's name and the parameter.
    let work = || unsafe {
        let choice = &*choice.cast::<Choice>();
        let Ok(name) = CStr::from_ptr(name).to_str() else { return Ok(()) };
        if let Some(function) = choice(name) {
            ffi::duckdb_replacement_scan_set_function_name(info, text(function)?.as_ptr());
            let path = RawValue(ffi::duckdb_create_varchar_length(name.as_ptr().cast(), name.len() as u64));
            ffi::duckdb_replacement_scan_add_parameter(info, path.0);
        }
        Result::Ok(())
    };
    // A name that makes no C text, or a panic, leaves the name to DuckDB, which says that there is no such table.
    let _ = catch_unwind(AssertUnwindSafe(work));
}

unsafe extern "C" fn drop_choice(choice: *mut c_void) {
    // SAFETY: DuckDB gives back once what was registered.
    unsafe { drop(Box::from_raw(choice.cast::<Choice>())) }
}

/// # Safety
/// `database` is live.
pub unsafe fn register(database: ffi::duckdb_database, choice: Choice) {
    let choice = Box::into_raw(Box::new(choice)).cast();
    // SAFETY: the choice lives until DuckDB drops it.
    unsafe { ffi::duckdb_add_replacement_scan(database, Some(replace), choice, Some(drop_choice)) }
}
