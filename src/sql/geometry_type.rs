//! GEOMETRY types that carry a CRS.
//!
//! The C API can not make one, but a query's column has one, and queries run at LOAD alone. So the types of
//! the CRSs that catalogs are built in are fetched then and kept: plain memory, with no tie to a database.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use duckdb::ffi;

use crate::crs::{CRS84, Crs};
use crate::error::{Error, Result};
use crate::format::gdal;
use crate::sql::callback;
use crate::sql::chunk::LogicalType;

/// Each type inside a list type, whose child DuckDB copies out: a logical type has no copy of its own.
static KNOWN: Mutex<Option<HashMap<String, LogicalType>>> = Mutex::new(None);

/// The CRSs that a catalog can be built in: lon/lat, every WGS 84 / UTM zone, and the grids in common use.
pub fn catalog_crs() -> Vec<String> {
    let others = [
        3857, 3395, 3031, 3413, 3995, 3976, 6931, 6932, 6933, 8857, 3035, 3034, 5070, 102008, 2154, 27700,
        28992, 2056, 31370, 3006, 3067, 25828, 25829, 25830, 25831, 25832, 25833, 25834, 25835, 25836, 25837,
        3577, 7845, 2193, 3978, 4258, 4269, 4283, 7844,
    ];
    let utm = (1..=60).flat_map(|zone| [32600 + zone, 32700 + zone]);
    let codes = others.into_iter().chain(utm).map(|code: u32| match code {
        102_008 => "ESRI:102008".to_string(),
        code => format!("EPSG:{code}"),
    });
    std::iter::once(CRS84.to_string()).chain(codes).collect()
}

/// The type for a CRS of [`catalog_crs`].
pub fn with_crs(crs: &str) -> Option<LogicalType> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let list = known.as_ref()?.get(crs)?;
    // SAFETY: the list type is live, and its child is a new handle that we own.
    Some(unsafe { LogicalType::from_raw(ffi::duckdb_list_type_child_type(list.raw())) })
}

/// # Errors
/// [`Error::Conflict`] with what would work.
pub fn check(crs: &Crs) -> Result<()> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.as_ref().is_some_and(|map| map.contains_key(crs.as_str())) {
        return Ok(());
    }
    Err(Error::conflict(
        format!("\"{crs}\" is no CRS that a catalog can be built in"),
        "One of: OGC:CRS84, EPSG:326xx and EPSG:327xx (UTM), EPSG:3857, 3031, 3413, 3035, 6933, 8857, 5070, \
         and the others that geoquilt_version() lists",
    ))
}

/// Fetches the types, once for the process.
///
/// # Errors
/// DuckDB or PROJ does not know a CRS of ours.
///
/// # Safety
/// `connection` is live.
pub unsafe fn load(connection: ffi::duckdb_connection) -> Result<()> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.is_some() {
        return Ok(());
    }
    let names = catalog_crs();
    let mut columns = Vec::with_capacity(names.len());
    for name in &names {
        // GeoParquet needs the whole definition; OGC:CRS84 is the one that DuckDB can spell out itself.
        let definition = if name == CRS84 { name.clone() } else { gdal::crs_facts(name)?.projjson.clone() };
        columns.push(format!("ST_SetCRS('POINT EMPTY'::GEOMETRY, '{}')", definition.replace('\'', "''")));
    }
    let sql = format!("SELECT {}", columns.join(", "));
    // SAFETY: the result is live inside the closure; each type is a new handle that we own.
    let types = unsafe {
        callback::query(connection, &sql, |result| {
            let column = |i: usize| {
                let geometry = LogicalType::from_raw(ffi::duckdb_column_logical_type(result, i as u64));
                LogicalType::from_raw(ffi::duckdb_create_list_type(geometry.raw()))
            };
            (0..names.len()).map(column).collect::<Vec<_>>()
        })?
    };
    *known = Some(names.into_iter().zip(types).collect());
    Ok(())
}
