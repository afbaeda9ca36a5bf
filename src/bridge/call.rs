//! What every callback shares. No panic leaves one: each catches it and reports a defect by name.

#![allow(unsafe_code)]

use std::any::Any;
use std::ffi::{CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use duckdb::ffi;

use crate::bridge::doc::FunctionDoc;
use crate::error::{Error, Result};
use crate::files::remote::{self, Session};
use crate::workers::{Here, fault};

/// Runs a callback's work; a panic becomes a defect's message.
pub(super) fn contain<T>(
    doc: &FunctionDoc,
    work: impl FnOnce() -> Result<T>,
) -> std::result::Result<T, CString> {
    let work = || {
        let _here = Here::enter()?;
        work()
    };
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let words = said(&panic);
        Err(fault(panic, || words))
    });
    result.map_err(|error| message(&tell(&error.at(doc.name))))
}

/// How the extension words its errors; set at LOAD, the same for each.
static TELL: OnceLock<fn(&Error) -> String> = OnceLock::new();

/// Has errors worded by the extension from now on.
pub fn tell_by(words: fn(&Error) -> String) {
    let _ = TELL.set(words);
}

/// An error as the user reads it.
pub fn tell(error: &Error) -> String {
    TELL.get().map_or_else(|| error.to_string(), |words| words(error))
}

/// A message as C text.
pub fn message(message: &str) -> CString {
    CString::new(message.replace('\0', "\\0")).unwrap_or_default()
}

/// What a panic said.
pub fn said(panic: &Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
}

pub(super) unsafe extern "C" fn drop_box<T>(data: *mut c_void) {
    // SAFETY: DuckDB gives back once what `Box::into_raw` gave it. A drop that panics is swallowed, since
    // DuckDB has no room for an error here.
    let _ = catch_unwind(AssertUnwindSafe(|| unsafe { drop(Box::from_raw(data.cast::<T>())) }));
}

/// Runs work that may read through DuckDB's file system.
pub(super) fn reading<T>(session: &Arc<Session>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    remote::within(Some(session.clone()), work)
}

/// # Errors
/// DuckDB refused what was to be registered.
pub(super) fn accepted(state: ffi::duckdb_state, name: &str) -> Result<()> {
    if state == ffi::DuckDBSuccess { Ok(()) } else { Err(Error::Bug(format!("DuckDB refuses {name}"))) }
}
