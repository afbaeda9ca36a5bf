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
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&short(&self.0))
    }
}

/// Longer names are no names, but definitions.
const LONGEST: usize = 100;

/// A CRS as an error names it, since PROJJSON and WKT are pages long: the name within a definition, in quotes; a code as it is.
pub fn short(definition: &str) -> String {
    let text = definition.trim();
    let quoted = |text: &str| text.split('"').nth(1).map(str::to_string);
    let named = match text.strip_prefix('{') {
        // The first name is the CRS's own: what it stands on follows.
        Some(fields) => fields.split_once("\"name\"").and_then(|(_, rest)| quoted(rest)),
        None if text.contains('[') => quoted(text),
        None => None,
    };
    match named {
        Some(name) => format!("\"{name}\""),
        None if text.len() <= LONGEST => text.to_string(),
        None => format!("{}...", text.chars().take(LONGEST).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_told_by_its_name() {
        let projjson = "{\"type\": \"ProjectedCRS\", \"name\": \"WGS 84 / UTM zone 29N\", \"base_crs\": {\"name\": \"WGS 84\"}}";
        assert_eq!(short(projjson), "\"WGS 84 / UTM zone 29N\"");
        assert_eq!(Crs::new(projjson).to_string(), short(projjson));
        assert_eq!(short("PROJCS[\"sinusoidal\",GEOGCS[\"sphere\"]]"), "\"sinusoidal\"");
        assert_eq!(short("EPSG:32632"), "EPSG:32632");
        assert_eq!(short(&"+x ".repeat(60)).len(), LONGEST + 3);
    }
}
