//! geoquilt: from folders of satellite, model and in-situ files to machine-learning patches, in SQL.
//!
//! Data walks down this list, and no module imports a later one of the walk:
//!
//! - the words: [`bbox`], [`affine`], [`crs`], [`interval`], [`window`], [`slice`], [`dtype`], [`value`],
//!   [`sql_type`], [`limits`], [`memory`], [`resampling`], [`kept`], [`on_error`], [`error`]
//! - [`projection`]: what is known of a CRS, and the way from one to another
//! - [`map`]: geometries and footprints on the globe
//! - [`files`]: from paths and globs to files
//! - [`format`](mod@format): a file's header, and the pixels of a block
//! - [`cf`]: what the variables of an array file mean
//! - [`read`]: windows of files into arrays
//! - [`catalog`]: files into entries
//! - [`grid`]: rasters, masks and boxes into patches, patches and dates into registries
//! - [`time`]: windows of time, and what becomes of their steps
//! - [`query`]: boxes and days of samples
//! - [`label`]: features drawn on a slice's grid
//! - [`zonal`]: the pixels under polygons, in numbers
//! - [`bands`]: bands of pixels into others
//! - [`profile`]: columns of water on one axis of depths, and on a grid
//! - [`stitch`]: many patches into one field, or into a few numbers
//! - [`write`](mod@write): fields into files
//! - [`bridge`]: DuckDB's C API
//! - [`sql`]: the functions of DuckDB over all of it
//! - [`tensor`]: rows of Arrow into batches of tensors, for a program in the same process
//!
//! [`workers`] lends threads to whoever has much to do, [`progress`] tells how far it is, and [`random`] is NumPy's
//! random stream. See `docs/architecture.md`.

pub mod affine;
pub mod bands;
pub mod bbox;
pub mod bridge;
pub mod catalog;
pub mod cf;
pub mod crs;
pub mod dtype;
pub mod error;
pub mod files;
pub mod format;
pub mod grid;
pub mod interval;
pub mod kept;
pub mod label;
pub mod limits;
pub mod map;
pub mod memory;
pub mod on_error;
pub mod profile;
pub mod progress;
pub mod projection;
pub mod query;
pub mod random;
pub mod read;
pub mod resampling;
pub mod slice;
pub mod sql;
pub mod sql_type;
pub mod stitch;
pub mod tensor;
#[cfg(test)]
mod testing;
pub mod time;
pub mod value;
pub mod window;
pub mod workers;
pub mod write;
pub mod zonal;

use duckdb::ffi::{duckdb_extension_access, duckdb_extension_info};

/// The entry point that DuckDB looks for in `geoquilt.duckdb_extension`.
///
/// # Safety
/// Called by DuckDB alone.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn geoquilt_init_c_api(
    info: duckdb_extension_info,
    access: *const duckdb_extension_access,
) -> bool {
    // SAFETY: the pointers are DuckDB's.
    unsafe { bridge::load::entry(info, access, &sql::load::EXTENSION) }
}
