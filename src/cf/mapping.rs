//! Grid mappings: the CRS of a variable's x and y (CF 5.6 and Appendix F).

use crate::cf::axis::{Axes, listed};
use crate::crs::CRS84;
use crate::error::Result;
use crate::format::array::{ArrayHeader, Attribute, Variable};
use crate::projection;

/// The CRS that x and y are in.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// Authority code, or PROJJSON where it has none.
    pub crs: String,
    /// What x and y are multiplied by to be in the CRS's own unit: 1000 for kilometres in a CRS of metres.
    pub factor: f64,
    /// The CRS's unit is degrees: longitudes and latitudes, or those of a rotated pole.
    pub degrees: bool,
    /// x and y say that they are of a projection, and the CRS is none: right only where their numbers can be degrees.
    pub doubtful: bool,
}

/// The CRS of a variable's one-dimensional x and y, `None` when the file tells none: by its `grid_mapping`, by a WKT of
/// its own, by the file's only mapping, or OGC:CRS84 when x and y are longitudes and latitudes.
///
/// # Errors
/// A mapping that neither GDAL nor PROJ can turn into a CRS.
pub fn mapping(header: &ArrayHeader, variable: usize, axes: &Axes) -> Result<Option<Mapping>> {
    let (Some(data), Some(x)) = (header.variables.get(variable), &axes.x) else { return Ok(None) };
    let Some(x) = header.variables.get(x.variable) else { return Ok(None) };
    let lon_lat = axes.lon.is_some() && axes.x == axes.lon && axes.y == axes.lat;
    let unit = x.unit.as_deref().unwrap_or_default();
    let Some(attributes) = attributes(header, data, x) else {
        return Ok(lon_lat.then(crs84));
    };
    if let Some((definition, height)) = geostationary(attributes) {
        let crs = projection::crs_of(&definition)?;
        let factor = match angle(unit) {
            Some(radians) => radians * height,
            None => length(unit).unwrap_or(1.0),
        };
        return Ok(Some(Mapping { crs: crs.name, factor, degrees: false, doubtful: false }));
    }
    let mut pairs: Vec<(String, String)> =
        attributes.iter().filter_map(|(key, value)| Some((key.clone(), plain(value)?))).collect();
    secant_cone(&mut pairs);
    let crs = projection::cf_crs(&pairs)?;
    let degrees = crs.metres.is_none();
    let projected = x.text("standard_name").is_some_and(|name| name.starts_with("projection_x"));
    match crs.metres {
        // The mapping describes other coordinates than these.
        Some(_) if lon_lat => return Ok(Some(crs84())),
        None if projected && (axes.lon.is_some() || axes.lat.is_some()) => return Ok(None),
        _ => {}
    }
    let factor = match crs.metres {
        Some(metres) => length(unit).map_or(1.0, |length| length / metres),
        None => angle(unit).filter(|_| unit.starts_with("rad")).map_or(1.0, f64::to_degrees),
    };
    Ok(Some(Mapping { crs: crs.name, factor, degrees, doubtful: degrees && projected }))
}

/// Longitudes and latitudes as they are.
pub fn crs84() -> Mapping {
    Mapping { crs: CRS84.to_string(), factor: 1.0, degrees: true, doubtful: false }
}

/// The attributes that a CRS follows from.
fn attributes<'h>(
    header: &'h ArrayHeader,
    data: &'h Variable,
    x: &Variable,
) -> Option<&'h [(String, Attribute)]> {
    let tells = |variable: &&Variable| is_mapping(&variable.attributes);
    let mut named = listed(header, data, "grid_mapping").into_iter().filter_map(|i| header.variables.get(i));
    // `crsA: x y crsB: lat lon`: the mapping whose list names this x.
    let extended = data.text("grid_mapping").filter(|text| text.contains(':')).and_then(|text| {
        let mut current = None;
        for word in text.split_ascii_whitespace() {
            match word.strip_suffix(':') {
                Some(name) => current = header.resolve(&data.name, name),
                None if word == x.short_name() => return current,
                None => {}
            }
        }
        None
    });
    if let Some(variable) = extended.and_then(|index| header.variables.get(index)).filter(tells) {
        return Some(&variable.attributes);
    }
    if let Some(variable) = named.find(tells) {
        return Some(&variable.attributes);
    }
    if is_mapping(&data.attributes) {
        return Some(&data.attributes);
    }
    let mut others = header.variables.iter().filter(|v| v.dims.is_empty()).filter(tells);
    match (others.next(), others.next()) {
        (Some(only), None) => Some(&only.attributes),
        _ => None,
    }
}

fn is_mapping(attributes: &[(String, Attribute)]) -> bool {
    const KEYS: [&str; 4] = ["grid_mapping_name", "crs_wkt", "spatial_ref", "grid_north_pole_longitude"];
    attributes.iter().any(|(key, value)| {
        KEYS.contains(&key.as_str()) && !matches!(value, Attribute::Text(text) if text.trim().is_empty())
    })
}

/// A cone that touches at one parallel is written as one that cuts at it twice: GDAL takes the touching one right only
/// when its origin lies on that parallel, which also is the origin when none is told.
fn secant_cone(pairs: &mut Vec<(String, String)>) {
    let find = |key: &str| pairs.iter().position(|(k, _)| k == key);
    let is_cone = pairs.iter().any(|(k, v)| k == "grid_mapping_name" && v == "lambert_conformal_conic");
    let Some(at) = find("standard_parallel").filter(|_| is_cone) else { return };
    let origin = find("latitude_of_projection_origin");
    let Some((_, parallel)) = pairs.get_mut(at).filter(|(_, value)| !value.contains([',', ' '])) else {
        return;
    };
    let once = parallel.clone();
    *parallel = format!("{once},{once}");
    if origin.is_none() {
        pairs.push(("latitude_of_projection_origin".into(), once));
    }
}

/// A number without digits that it does not need, numbers with commas between.
fn plain(value: &Attribute) -> Option<String> {
    let list = |texts: Vec<String>| (!texts.is_empty()).then(|| texts.join(","));
    match value {
        Attribute::Text(_) | Attribute::Texts(_) => value.text().map(str::to_string),
        Attribute::Integers(values) => list(values.iter().map(i64::to_string).collect()),
        Attribute::Numbers(values) => list(values.iter().map(f64::to_string).collect()),
    }
}

/// PROJ's text of a geostationary view, and the satellite's height in metres: its angles, as which x and y are often
/// given, become PROJ's metres by that height.
fn geostationary(attributes: &[(String, Attribute)]) -> Option<(String, f64)> {
    let find = |name: &str| attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let number = |name: &str| find(name).and_then(Attribute::number);
    if find("grid_mapping_name")?.text()? != "geostationary" {
        return None;
    }
    let height = number("perspective_point_height").unwrap_or(35_785_831.0);
    let lon = number("longitude_of_projection_origin").unwrap_or(0.0);
    // The instrument's fixed angle axis is the other one than the sweep's.
    let sweep = match (
        find("sweep_angle_axis").and_then(Attribute::text),
        find("fixed_angle_axis").and_then(Attribute::text),
    ) {
        (Some(sweep), _) => sweep,
        (None, Some("x")) => "y",
        (None, Some("y")) => "x",
        _ => "y",
    };
    let major = number("semi_major_axis").or_else(|| number("earth_radius")).unwrap_or(6_378_137.0);
    let flattened = number("inverse_flattening").filter(|f| *f > 0.0).map(|f| major * (1.0 - 1.0 / f));
    let wgs84 = number("semi_major_axis")
        .or_else(|| number("earth_radius"))
        .is_none()
        .then_some(6_356_752.314_245_179);
    let minor = number("semi_minor_axis").or(flattened).or(wgs84).unwrap_or(major);
    let (east, north) = (number("false_easting").unwrap_or(0.0), number("false_northing").unwrap_or(0.0));
    let text = format!(
        "+proj=geos +h={height} +lon_0={lon} +sweep={sweep} +a={major} +b={minor} +x_0={east} +y_0={north} +units=m +no_defs +type=crs"
    );
    Some((text, height))
}

/// Radians in an angle's unit.
fn angle(unit: &str) -> Option<f64> {
    Some(match unit {
        "rad" | "radian" | "radians" => 1.0,
        "mrad" | "milliradian" | "milliradians" => 1e-3,
        "urad" | "µrad" | "microradian" | "microradians" => 1e-6,
        "degree" | "degrees" | "deg" => 1f64.to_radians(),
        _ => return None,
    })
}

/// Metres in a length's unit.
fn length(unit: &str) -> Option<f64> {
    Some(match unit {
        "m" | "metre" | "metres" | "meter" | "meters" => 1.0,
        "km" | "kilometre" | "kilometres" | "kilometer" | "kilometers" | "1000 m" => 1000.0,
        "cm" | "centimetre" | "centimeter" => 0.01,
        "US_survey_foot" | "US_survey_feet" => 1200.0 / 3937.0,
        "foot" | "feet" | "ft" => 0.3048,
        _ => return None,
    })
}
