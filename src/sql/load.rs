//! LOAD: registers every function on the database that loads the extension, and lets go of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use duckdb::ffi;

use crate::error::{Error, Result};
use crate::format::gdal;
use crate::sql::{FUNCTIONS, callback, geometry_type, replacement, settings};

/// The oldest C API that geoquilt runs on.
const MINIMUM: &str = "v1.5.6";

/// What DuckDB calls at LOAD: `geoquilt_init_c_api`.
///
/// # Safety
/// DuckDB gives live pointers.
pub unsafe fn entry(info: ffi::duckdb_extension_info, access: *const ffi::duckdb_extension_access) -> bool {
    // SAFETY: the pointers are DuckDB's, live for the call.
    let work = || unsafe { load(info, access) };
    let result =
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Error::Bug(callback::said(&panic))));
    match result {
        Ok(loaded) => loaded,
        Err(error) => {
            let message = callback::message(&format!("geoquilt: {error}"));
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
) -> Result<bool> {
    let missing = |what: &str| Error::Bug(format!("DuckDB gives no {what}"));
    // SAFETY: as `entry`; the connection is closed here whatever happens, since one that stayed would keep the
    // user's database file locked after they close it.
    unsafe {
        let initialised = ffi::duckdb_rs_extension_api_init(info, access, MINIMUM);
        if !initialised.map_err(|e| Error::Bug(e.to_string()))? {
            // DuckDB is older than the API asked for, and has said so itself.
            return Ok(false);
        }
        let get_database = (*access).get_database.ok_or_else(|| missing("get_database"))?;
        let database = get_database(info);
        if database.is_null() {
            return Ok(false);
        }
        let mut connection = std::ptr::null_mut();
        if ffi::duckdb_connect(*database, &mut connection) != ffi::DuckDBSuccess {
            return Err(missing("connection"));
        }
        let result = register(connection);
        ffi::duckdb_disconnect(&mut connection);
        result?;
        replacement::register(*database);
        Ok(true)
    }
}

/// # Safety
/// `connection` is live.
unsafe fn register(connection: ffi::duckdb_connection) -> Result<()> {
    gdal::start();
    // SAFETY: the caller's connection.
    unsafe {
        settings::register(connection)?;
        geometry_type::load(connection)?;
        let home = macro_home(connection)?;
        for function in FUNCTIONS {
            if let Some(register) = function.register {
                register(connection)?;
            }
            if let Some(sql) = function.sql {
                callback::run(connection, &sql.replace("geoquilt.main.", &format!("{home}.main.")))?;
            }
        }
    }
    Ok(())
}

/// Macros live in a database of their own, in memory: nothing is written into the user's. One of the user's
/// that is named geoquilt, as `duckdb geoquilt.db` makes it, keeps its name, and the macros move next door.
///
/// # Safety
/// `connection` is live.
unsafe fn macro_home(connection: ffi::duckdb_connection) -> Result<&'static str> {
    let taken =
        "SELECT count(*) FROM duckdb_databases() WHERE database_name = 'geoquilt' AND path IS NOT NULL";
    // SAFETY: the caller's connection, and a result of one row and one column.
    unsafe {
        let taken = callback::query(connection, taken, |result| ffi::duckdb_value_int64(result, 0, 0))?;
        let home = if taken == 0 { "geoquilt" } else { "geoquilt_macros" };
        callback::run(
            connection,
            &format!("ATTACH IF NOT EXISTS ':memory:' AS {home} (READ_WRITE, HIDDEN)"),
        )?;
        Ok(home)
    }
}
