//! What an error says of a CRS beside its name.

use crate::crs::short;

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
    fn another_body_is_told() {
        assert_eq!(
            elsewhere(MARS).as_deref(),
            Some("\"Equirectangular MARS\" is of a body with a radius of 3396 km, and not of the Earth")
        );
        assert_eq!(elsewhere(&MARS.replace("3396190", "6378137")), None);
        assert_eq!(elsewhere("EPSG:4326"), None);
    }
}
