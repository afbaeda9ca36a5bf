//! SQLite's databases, whose opening the linker sends here (build.rs): GeoPackages hold views, which are programs of whoever
//! wrote the file. One may run for ever, in a call of GDAL's that only counts, so each looks now and then whether its query
//! was interrupted.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::format::gdal::system;
use crate::workers::go_on;

type Database = c_void;

unsafe extern "C" {
    fn __real_sqlite3_open_v2(
        name: *const c_char,
        out: *mut *mut Database,
        flags: c_int,
        files: *const c_char,
    ) -> c_int;
    fn sqlite3_limit(database: *mut Database, what: c_int, most: c_int) -> c_int;
    fn sqlite3_progress_handler(
        database: *mut Database,
        steps: c_int,
        ask: unsafe extern "C" fn(*mut c_void) -> c_int,
        data: *mut c_void,
    );
}

/// Numbers of the library's own header, and what they may be: one step may work on a value of so many bytes, and match
/// a pattern of so many letters, which takes the longer the more stars are in it.
const LIMITS: [(c_int, c_int); 2] = [(0, 256 << 20), (8, 256)];

/// So many steps of SQLite's machine take less than a millisecond.
const STEPS: c_int = 4096;

/// What SQLite asks as it goes; anything but 0 ends the statement.
unsafe extern "C" fn is_to_end(_data: *mut c_void) -> c_int {
    system::contain(1, || c_int::from(go_on().is_err()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_sqlite3_open_v2(
    name: *const c_char,
    out: *mut *mut Database,
    flags: c_int,
    files: *const c_char,
) -> c_int {
    // SAFETY: the library's own call, with a zero-ended name or none; a database that was opened is there until it is closed,
    // and the function asked is of this file.
    unsafe {
        let done = __real_sqlite3_open_v2(name, out, flags, files);
        // PROJ's own tables answer at once, and serve other queries.
        let is_own = !name.is_null() && CStr::from_ptr(name).to_bytes().ends_with(b"proj.db");
        if done == 0 && system::is_reading() && !is_own {
            for (what, most) in LIMITS {
                sqlite3_limit(*out, what, most);
            }
            sqlite3_progress_handler(*out, STEPS, is_to_end, std::ptr::null_mut());
        }
        done
    }
}
