//! The one connection that there is at LOAD: functions and settings are registered on it, and macros created.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_void};
use std::panic::catch_unwind;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use duckdb::ffi;

use crate::bridge::text::text;
use crate::error::{Error, Result};
use crate::limits;

/// A connection of the database that loads the extension. It is closed when LOAD ends: one that stayed would keep
/// the user's database file locked after they close it.
pub struct Connection {
    raw: ffi::duckdb_connection,
    /// The number of the database, by which its settings are told from another's.
    database: u64,
}

impl Connection {
    /// # Errors
    /// DuckDB gives none.
    ///
    /// # Safety
    /// `database` is live, and outlives the connection.
    pub unsafe fn open(database: ffi::duckdb_database) -> Result<Connection> {
        static DATABASES: AtomicU64 = AtomicU64::new(1);
        let mut raw = std::ptr::null_mut();
        // SAFETY: the caller vouches for the database.
        match unsafe { ffi::duckdb_connect(database, &mut raw) } == ffi::DuckDBSuccess {
            true => Ok(Connection { raw, database: DATABASES.fetch_add(1, Relaxed) }),
            false => Err(Error::Bug("DuckDB gives no connection".into())),
        }
    }

    pub(super) fn raw(&self) -> ffi::duckdb_connection {
        self.raw
    }

    /// The number of the database, as what a function carries: see [`database_of`].
    pub(super) fn database(&self) -> *mut c_void {
        std::ptr::without_provenance_mut(self.database as usize)
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
            let state = ffi::duckdb_query(self.raw, sql.as_ptr(), &mut result);
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

/// Table functions of databases that are open.
static REGISTERED: AtomicUsize = AtomicUsize::new(0);
static WHEN_CLOSED: OnceLock<fn()> = OnceLock::new();

/// Has this called when the last database that loaded the extension is closed.
pub fn when_closed(work: fn()) {
    let _ = WHEN_CLOSED.set(work);
}

/// Has a table function carry the number of its database, as long as that is open.
///
/// # Safety
/// `function` is live, and carries nothing yet.
pub(super) unsafe fn carry(function: ffi::duckdb_table_function, connection: &Connection) {
    REGISTERED.fetch_add(1, Relaxed);
    // SAFETY: the caller's; what is carried is a number, which nobody frees.
    unsafe { ffi::duckdb_table_function_set_extra_info(function, connection.database(), Some(given_back)) }
}

/// What DuckDB calls when it forgets a table function, with its database.
unsafe extern "C" fn given_back(database: *mut c_void) {
    // DuckDB has no room for an error here.
    let _ = catch_unwind(|| limits::forget(database_of(database)));
    if REGISTERED.fetch_sub(1, Relaxed) == 1
        && let Some(work) = WHEN_CLOSED.get()
    {
        let _ = catch_unwind(work);
    }
}

/// The number of the database that a function was registered in.
pub(super) fn database_of(carried: *mut c_void) -> u64 {
    carried.addr() as u64
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: it is owned here, and closed once.
        unsafe { ffi::duckdb_disconnect(&mut self.raw) }
    }
}
