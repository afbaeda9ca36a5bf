//! A CRS as an error names it: PROJJSON and WKT are pages long.

/// Longer names are no names, but definitions.
const LONGEST: usize = 100;

/// The name within a definition, in quotes; a code as it is.
pub(super) fn short(definition: &str) -> String {
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

/// What is said of a CRS of another body than the Earth.
pub(super) fn elsewhere(definition: &str) -> Option<String> {
    /// Ellipsoids of the Earth and its spheres lie within, in metres.
    const EARTH: std::ops::Range<f64> = 6.2e6..6.5e6;
    let rest = ["\"semi_major_axis\"", "\"radius\""].iter().find_map(|key| definition.split_once(key))?.1;
    let start = rest.find(|c: char| c.is_ascii_digit())?;
    let digits: String = rest.get(start..)?.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let radius = digits.parse::<f64>().ok().filter(|radius| !EARTH.contains(radius))?;
    Some(format!(
        "{} is of a body with a radius of {:.0} km, and not of the Earth",
        short(definition),
        radius / 1000.0
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARS: &str = "{\"$schema\": \"https://proj.org/schemas/v0.7/projjson.schema.json\", \"type\": \"ProjectedCRS\", \
        \"name\": \"Equirectangular MARS\", \"base_crs\": {\"name\": \"GCS_Mars_2000\", \"datum\": {\"ellipsoid\": \
        {\"name\": \"Mars_2000\", \"semi_major_axis\": 3396190, \"inverse_flattening\": 169.89}}}}";

    #[test]
    fn a_definition_is_told_by_its_name() {
        assert_eq!(short(MARS), "\"Equirectangular MARS\"");
        assert_eq!(short("PROJCS[\"sinusoidal\",GEOGCS[\"sphere\"]]"), "\"sinusoidal\"");
        assert_eq!(short("EPSG:32632"), "EPSG:32632");
        assert_eq!(short(&"+x ".repeat(60)).len(), LONGEST + 3);
    }

    #[test]
    fn another_body_is_told() {
        assert_eq!(
            elsewhere(MARS).as_deref(),
            Some("\"Equirectangular MARS\" is of a body with a radius of 3396 km, and not of the Earth")
        );
        assert_eq!(elsewhere(&MARS.replace("3396190", "6378137")), None);
        assert_eq!(elsewhere("EPSG:4326"), None);
    }
}
