//! The entry point's work: a connection for the time of LOAD, and nothing kept after it.

#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use duckdb::ffi;

use crate::bridge::call::{message, said, tell, tell_by};
use crate::bridge::connection::Connection;
use crate::bridge::guarded;
use crate::bridge::interrupt;
use crate::bridge::replacement::{self, Choice};
use crate::bridge::text::text;
use crate::error::{Error, Result};

/// The oldest C API that geoquilt runs on.
const MINIMUM: &str = "v1.5.6";

/// What the extension adds to a database.
pub struct Extension {
    /// Registers functions, settings and macros.
    pub register: fn(&Connection) -> Result<()>,
    /// Which function reads a name in FROM that is no table.
    pub replacement: Choice,
    /// An error as the user reads it.
    pub tell: fn(&Error) -> String,
}

/// What DuckDB calls at LOAD.
///
/// # Safety
/// DuckDB gives live pointers.
pub unsafe fn entry(
    info: ffi::duckdb_extension_info,
    access: *const ffi::duckdb_extension_access,
    extension: &Extension,
) -> bool {
    tell_by(extension.tell);
    // SAFETY: the pointers are DuckDB's, live for the call.
    let work = || unsafe { load(info, access, extension) };
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Error::Bug(said(&panic))));
    match result {
        Ok(loaded) => loaded,
        Err(error) => {
            let message = message(&format!("geoquilt: {}", tell(&error)));
            // SAFETY: as above; DuckDB copies the message.
            unsafe {
                if let Some(set_error) = (*access).set_error {
                    set_error(info, message.as_ptr());
                }
            }
            false
        }
    }
}

/// # Safety
/// As [`entry`].
unsafe fn load(
    info: ffi::duckdb_extension_info,
    access: *const ffi::duckdb_extension_access,
    extension: &Extension,
) -> Result<bool> {
    let missing = |what: &str| Error::Bug(format!("DuckDB gives no {what}"));
    // SAFETY: as `entry`.
    unsafe {
        let initialised = ffi::duckdb_rs_extension_api_init(info, access, MINIMUM);
        if !initialised.map_err(|e| Error::Bug(e.to_string()))? {
            // DuckDB is older than the API asked for, and has said so itself.
            return Ok(false);
        }
        guarded::learn(info, access, &text(MINIMUM)?)?;
        let get_database = (*access).get_database.ok_or_else(|| missing("get_database"))?;
        let database = get_database(info);
        if database.is_null() {
            return Ok(false);
        }
        let connection = Connection::open(*database)?;
        interrupt::learn(&connection);
        (extension.register)(&connection)?;
        replacement::register(*database, extension.replacement);
        Ok(true)
    }
}
