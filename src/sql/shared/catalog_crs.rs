//! The CRSs that a catalog can be built in: DuckDB's GEOMETRY types with a CRS are fetched at LOAD alone.

use crate::bridge::connection::Connection;
use crate::bridge::logical_type;
use crate::crs::{CRS84, Crs};
use crate::error::{Error, Result};
use crate::projection::crs_facts;

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

/// Fetches their types.
///
/// # Errors
/// DuckDB or PROJ does not know a CRS of ours.
pub fn load(connection: &Connection) -> Result<()> {
    // GeoParquet needs the whole definition; OGC:CRS84 is the one that DuckDB can spell out itself.
    let defined = |name: String| {
        let definition = if name == CRS84 { name.clone() } else { crs_facts(&name)?.projjson.clone() };
        Ok((name, definition))
    };
    logical_type::load_crs(connection, || catalog_crs().into_iter().map(defined).collect())
}

/// # Errors
/// [`Error::Conflict`] with what would work.
pub fn check(crs: &Crs) -> Result<()> {
    if logical_type::is_known_crs(crs.as_str()) {
        return Ok(());
    }
    Err(Error::conflict(
        format!("\"{crs}\" is not a CRS that a catalog can be built in"),
        "One of: OGC:CRS84, EPSG:326xx and EPSG:327xx (UTM), EPSG:3857, 3031, 3413, 3035, 6933, 8857, 5070, \
         and the others that geoquilt_version() lists",
    ))
}
