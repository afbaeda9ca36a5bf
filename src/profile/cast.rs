//! One profile as a file has it, and what the profiles of a file have in common.

use crate::dtype::Pixel;
use crate::error::{Error, Result};

/// A number as a FLOAT.
///
/// # Errors
/// A finite number that would be infinite as one.
pub fn narrow(value: f64) -> Result<f32> {
    match value.above_float() {
        None => Ok(value as f32),
        Some(value) => {
            let remedy = "Divide such values before, or leave them out: what comes of them is of FLOAT";
            Err(Error::conflict(format!("{value:e} is beyond the largest FLOAT, {:e}", f32::MAX), remedy))
        }
    }
}

/// A profile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cast {
    /// Degrees, -180 to 180.
    pub lon: Option<f64>,
    /// Degrees.
    pub lat: Option<f64>,
    /// Microseconds since 1970, UTC.
    pub time: Option<i64>,
    /// Metres, downwards, level by level, up to the last one that has a depth.
    pub depth: Vec<Option<f64>>,
    /// A value a level, for each variable.
    pub values: Vec<Vec<Option<f32>>>,
    /// A flag a level, for each variable; empty for one without flags.
    pub flags: Vec<Vec<Option<u8>>>,
    /// What else the file tells of each profile.
    pub attributes: Vec<(String, String)>,
}

/// What is asked of files of profiles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wanted {
    /// Names of variables; all without it.
    pub variables: Option<Vec<String>>,
    /// The name of the depths, or pressures, where they are not to be looked for.
    pub depth: Option<String>,
    /// Flags too.
    pub flags: bool,
}

/// A variable of profiles, and whether it has flags.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether it has flags that were asked for.
    pub flagged: bool,
}

/// The profiles of one file, in its order.
pub trait Casts: Send {
    /// The variables, in the order of [`Cast::values`].
    fn columns(&self) -> Vec<Column>;

    /// The next profiles; none after the last one.
    ///
    /// # Errors
    /// What cannot be read, or a place off the globe.
    fn next(&mut self) -> Result<Vec<Cast>>;
}

/// Longitude and latitude as a table has them: both or none, longitudes within [-180, 180].
///
/// # Errors
/// A place off the globe.
pub fn on_globe(
    path: &str,
    profile: u64,
    lon: Option<f64>,
    lat: Option<f64>,
) -> Result<(Option<f64>, Option<f64>)> {
    let known = |degrees: Option<f64>| degrees.filter(|degrees| !degrees.is_nan());
    let (lon, lat) = (known(lon), known(lat));
    let sound = lon.is_none_or(|lon| (-180.0..=360.0).contains(&lon))
        && lat.is_none_or(|lat| (-90.0..=90.0).contains(&lat));
    if !sound {
        let show = |degrees: Option<f64>| degrees.map_or_else(|| "NULL".into(), |d| d.to_string());
        let reason = format!(
            "profile {profile} lies at longitude {}, latitude {}, which is not on the globe",
            show(lon),
            show(lat)
        );
        return Err(Error::unreadable(path, reason));
    }
    Ok((lon.map(|lon| if lon > 180.0 { lon - 360.0 } else { lon }), lat))
}

/// A flag as it is stored: a number, or the character of a digit.
pub fn flag(stored: f64) -> Option<u8> {
    if !(0.0..=255.0).contains(&stored) {
        return None;
    }
    match stored as u8 {
        b' ' | 0xff => None,
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        number => Some(number),
    }
}

/// Whether a name is that of depths, or of pressures: the smaller, the surer.
pub fn depth_name(name: &str) -> Option<(u8, bool)> {
    Some(match name.to_ascii_lowercase().as_str() {
        "deph_corrected" => (0, false),
        "depth" | "deph" | "depths" => (2, false),
        "z" | "deptht" | "depthu" | "depthv" => (3, false),
        "pres" | "pressure" => (5, true),
        name if name.ends_with("_depth") => (4, false),
        _ => return None,
    })
}

/// The names that flags of a variable have.
pub fn flag_names(variable: &str) -> [String; 5] {
    ["_QC", "_qc", "_flag", "_flags", "_quality"].map(|end| format!("{variable}{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longitudes_go_around_and_a_position_is_on_the_globe() {
        let at = |lon, lat| on_globe("a.nc", 7, Some(lon), Some(lat)).map_err(|error| error.to_string());
        assert_eq!(at(350.5, 10.0).unwrap(), (Some(-9.5), Some(10.0)));
        assert_eq!(at(-180.0, 10.0).unwrap().0, Some(-180.0));
        assert_eq!(at(f64::NAN, 10.0).unwrap(), (None, Some(10.0)));
        assert!(at(0.0, 91.0).unwrap_err().contains("profile 7 lies at longitude 0, latitude 91"));
        assert!(at(99999.0, 0.0).is_err());
    }

    #[test]
    fn flags_are_digits_or_numbers() {
        let all = [49.0, 57.0, 4.0, 0.0, 32.0, 255.0, -1.0, f64::NAN, 65.0].map(flag);
        assert_eq!(all, [Some(1), Some(9), Some(4), Some(0), None, None, None, None, Some(65)]);
    }
}
