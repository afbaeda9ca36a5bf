//! Replacement scans: `FROM 'scene.tif'` and `FROM 'cube.nc'` become calls of our table functions.
//!
//! DuckDB asks only where a name is no table, with nothing but the name. Suffixes that DuckDB reads itself (csv,
//! parquet, json) are not ours. A raster is read block by block; an array file has to hold one variable with data.

use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use duckdb::ffi;

use crate::cf::axis as cf;
use crate::error::{Error, Result};
use crate::files;
use crate::read::array::ArraySource;
use crate::sql::callback::message;
use crate::sql::chunk::text;
use crate::sql::value::RawValue;

/// What a suffix stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// `read_blocks(path)`.
    Blocks,
    /// `read_array(path, variable)`.
    Array,
}

const SCANS: [(&str, Scan); 12] = [
    (".tif", Scan::Blocks),
    (".tiff", Scan::Blocks),
    (".vrt", Scan::Blocks),
    (".png", Scan::Blocks),
    (".jpg", Scan::Blocks),
    (".jpeg", Scan::Blocks),
    (".img", Scan::Blocks),
    (".asc", Scan::Blocks),
    (".nc", Scan::Array),
    (".nc4", Scan::Array),
    (".h5", Scan::Array),
    (".zarr", Scan::Array),
];

/// How a path, a glob or a URL is read, by its suffix in any case.
pub fn scan(name: &str) -> Option<Scan> {
    let lower = name.trim_end_matches('/').to_lowercase();
    SCANS.iter().find(|(suffix, _)| lower.ends_with(suffix)).map(|(_, scan)| *scan)
}

/// The function, and its arguments.
fn call(name: &str, scan: Scan) -> Result<(&'static str, Vec<String>)> {
    match scan {
        Scan::Blocks => Ok(("read_blocks", vec![name.into()])),
        Scan::Array => Ok(("read_array", vec![name.into(), variable(name).map_err(|e| e.at("read_array"))?])),
    }
}

/// The one variable with data of an array file; of several files, the first tells.
fn variable(name: &str) -> Result<String> {
    let paths = files::expand(&[name.to_string()])?;
    let first = paths.first().ok_or_else(|| Error::EmptyGlob { pattern: name.into() })?;
    let source = ArraySource::open(first)?;
    let header = source.header();
    let data = cf::data_variables(header).into_iter().filter_map(|place| header.variables.get(place));
    let names: Vec<String> = data.map(|variable| variable.name.clone()).collect();
    match names.as_slice() {
        [one] => Ok(one.clone()),
        _ => {
            let problem = format!("\"{first}\" holds {} variables with data", names.len());
            let remedy = format!("FROM read_array('{name}', ...) reads one of them: {}", names.join(", "));
            Err(Error::conflict(problem, remedy))
        }
    }
}

unsafe extern "C" fn replace(info: ffi::duckdb_replacement_scan_info, name: *const c_char, _: *mut c_void) {
    // SAFETY: DuckDB gives a live name, and copies the function's name, the parameters and the error.
    let work = || unsafe {
        let Some((name, scan)) = CStr::from_ptr(name).to_str().ok().and_then(|n| Some((n, scan(n)?))) else {
            return;
        };
        match call(name, scan) {
            Ok((function, arguments)) => {
                let Ok(function) = text(function) else { return };
                ffi::duckdb_replacement_scan_set_function_name(info, function.as_ptr());
                for argument in arguments {
                    let length = argument.len() as u64;
                    let raw = RawValue(ffi::duckdb_create_varchar_length(argument.as_ptr().cast(), length));
                    ffi::duckdb_replacement_scan_add_parameter(info, raw.0);
                }
            }
            Err(error) => {
                ffi::duckdb_replacement_scan_set_error(info, message(&error.to_string()).as_ptr());
            }
        }
    };
    // A panic leaves the name to DuckDB, which says that there is no such table.
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
            assert_eq!(scan(name), Some(Scan::Blocks), "{name}");
        }
        for name in ["cube.nc", "/data/CUBE.NC4", "a.zarr", "a.zarr/", "data/*.h5"] {
            assert_eq!(scan(name), Some(Scan::Array), "{name}");
        }
        for name in ["a.csv", "a.parquet", "a.json", "a.tif.csv", "tif", "scene.tifx", "a.ncx", ""] {
            assert_eq!(scan(name), None, "{name}");
        }
    }
}
