//! The name of a coordinate reference system.

use std::fmt;

/// Longitude and latitude on WGS 84, in that order, in degrees: the CRS of a catalog unless told otherwise.
pub const CRS84: &str = "OGC:CRS84";

/// A CRS by authority code (`EPSG:32629`, `OGC:CRS84`) or as PROJJSON. `EPSG:4326` is taken as an alias
/// of `OGC:CRS84`, since every coordinate here is (x, y), longitude first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Crs(String);

impl Crs {
    /// The CRS of a name, in any spelling.
    pub fn new(name: &str) -> Crs {
        match name.trim() {
            "EPSG:4326" | "epsg:4326" | "CRS84" | "WGS84" => Crs(CRS84.to_string()),
            other => Crs(other.to_string()),
        }
    }

    /// Longitude and latitude, in this order.
    pub fn lon_lat() -> Crs {
        Crs(CRS84.to_string())
    }

    /// The name that PROJ is given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Crs {
    /// PROJJSON and WKT are long: only their head is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(60) {
            Some((end, _)) => write!(f, "{}...", &self.0[..end]),
            None => f.write_str(&self.0),
        }
    }
}
