//! Replacement scans: `FROM 'scene.tif'` becomes a call of one of our table functions.
//!
//! DuckDB asks only where a name is no table, with nothing but the name. Suffixes that DuckDB reads itself (csv,
//! parquet, json) are not ours.

use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use duckdb::ffi;

use crate::error::Result;
use crate::sql::chunk::text;
use crate::sql::value::RawValue;

/// Which function reads a file of which suffix.
const SCANS: [(&str, &str); 17] = [
    (".tif", "read_blocks"),
    (".tiff", "read_blocks"),
    (".vrt", "read_blocks"),
    (".png", "read_blocks"),
    (".jpg", "read_blocks"),
    (".jpeg", "read_blocks"),
    (".img", "read_blocks"),
    (".asc", "read_blocks"),
    (".nc", "read_variables"),
    (".nc4", "read_variables"),
    (".h5", "read_variables"),
    (".hdf5", "read_variables"),
    (".grib", "read_variables"),
    (".grib2", "read_variables"),
    (".grb", "read_variables"),
    (".grb2", "read_variables"),
    (".zarr", "read_variables"),
];

/// The function for a path, a glob or a URL, by its suffix in any case.
pub fn function(name: &str) -> Option<&'static str> {
    let lower = name.trim_end_matches('/').to_lowercase();
    SCANS.iter().find(|(suffix, _)| lower.ends_with(suffix)).map(|(_, function)| *function)
}

unsafe extern "C" fn replace(info: ffi::duckdb_replacement_scan_info, name: *const c_char, _: *mut c_void) {
    // SAFETY: DuckDB gives a live name, and copies the function's name and the parameter.
    let work = || unsafe {
        let Ok(name) = CStr::from_ptr(name).to_str() else { return Ok(()) };
        if let Some(function) = function(name) {
            ffi::duckdb_replacement_scan_set_function_name(info, text(function)?.as_ptr());
            let path = RawValue(ffi::duckdb_create_varchar_length(name.as_ptr().cast(), name.len() as u64));
            ffi::duckdb_replacement_scan_add_parameter(info, path.0);
        }
        Result::Ok(())
    };
    // A name that makes no C text, or a panic, leaves the name to DuckDB, which says that there is no such table.
    let _ = catch_unwind(AssertUnwindSafe(work));
}

/// # Safety
/// `database` is live.
pub unsafe fn register(database: ffi::duckdb_database) {
    // SAFETY: the callback holds no state, so there is nothing to delete.
    unsafe { ffi::duckdb_add_replacement_scan(database, Some(replace), std::ptr::null_mut(), None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_tells_the_function_and_duckdbs_own_are_left_alone() {
        for name in ["scene.tif", "/data/SCENE.TIF", "data/**/*.tiff", "mosaic.Vrt", "a b.png"] {
            assert_eq!(function(name), Some("read_blocks"), "{name}");
        }
        for name in ["cube.zarr", "cube.zarr/", "data/*.nc", "ERA5.GRIB2"] {
            assert_eq!(function(name), Some("read_variables"), "{name}");
        }
        for name in ["a.csv", "a.parquet", "a.json", "a.tif.csv", "tif", "scene.tifx", ""] {
            assert_eq!(function(name), None, "{name}");
        }
    }
}
