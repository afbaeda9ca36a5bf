//! The one connection that there is at LOAD: functions and settings are registered on it, and macros created.

#![allow(unsafe_code)]

use std::ffi::CStr;

use duckdb::ffi;

use crate::bridge::text::text;
use crate::error::{Error, Result};

/// A connection of the database that loads the extension. It is closed when LOAD ends: one that stayed would keep
/// the user's database file locked after they close it.
pub struct Connection(ffi::duckdb_connection);

impl Connection {
    /// # Errors
    /// DuckDB gives none.
    ///
    /// # Safety
    /// `database` is live, and outlives the connection.
    pub unsafe fn open(database: ffi::duckdb_database) -> Result<Connection> {
        let mut raw = std::ptr::null_mut();
        // SAFETY: the caller vouches for the database.
        match unsafe { ffi::duckdb_connect(database, &mut raw) } == ffi::DuckDBSuccess {
            true => Ok(Connection(raw)),
            false => Err(Error::Bug("DuckDB gives no connection".into())),
        }
    }

    pub(super) fn raw(&self) -> ffi::duckdb_connection {
        self.0
    }

    /// Runs a statement whose result does not matter.
    ///
    /// # Errors
    /// What DuckDB says of it.
    pub fn run(&self, sql: &str) -> Result<()> {
        self.query(sql, |_| ())
    }

    /// The whole number that a query of one row and one column gives.
    ///
    /// # Errors
    /// What DuckDB says of it.
    pub fn number(&self, sql: &str) -> Result<i64> {
        // SAFETY: the result is live; DuckDB gives 0 for what is no number.
        self.query(sql, |result| unsafe { ffi::duckdb_value_int64(result, 0, 0) })
    }

    /// Runs a query and looks at its result.
    ///
    /// # Errors
    /// What DuckDB says of it.
    pub(super) fn query<T>(&self, sql: &str, look: impl FnOnce(&mut ffi::duckdb_result) -> T) -> Result<T> {
        let sql = text(sql)?;
        // SAFETY: the result is initialised by DuckDB whatever the outcome, and destroyed here.
        unsafe {
            let mut result = std::mem::zeroed();
            let state = ffi::duckdb_query(self.0, sql.as_ptr(), &mut result);
            let answer = if state == ffi::DuckDBSuccess {
                Ok(look(&mut result))
            } else {
                let error = ffi::duckdb_result_error(&mut result);
                let said = if error.is_null() {
                    String::new()
                } else {
                    CStr::from_ptr(error).to_string_lossy().into_owned()
                };
                Err(Error::Bug(format!("{said} in {}", sql.to_string_lossy())))
            };
            ffi::duckdb_destroy_result(&mut result);
            answer
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: it is owned here, and closed once.
        unsafe { ffi::duckdb_disconnect(&mut self.0) }
    }
}
