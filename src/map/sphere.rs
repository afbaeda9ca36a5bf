//! The globe as a sphere: great circles, on the mean radius of the IUGG.

use crate::affine::Affine;
use crate::error::{Load, Result};
use crate::limits::Limits;
use crate::window::Window;
use crate::workers::{STRIDE, go_on};

/// Kilometres from the centre.
pub const RADIUS_KM: f64 = 6371.0088;
/// A degree of a great circle.
pub const KM_OF_DEGREE: f64 = RADIUS_KM * std::f64::consts::PI / 180.0;

/// The point of a unit sphere at a longitude and a latitude in degrees.
pub fn unit(lon: f64, lat: f64) -> [f64; 3] {
    let (sin_lat, cos_lat) = lat.to_radians().sin_cos();
    let (sin_lon, cos_lon) = lon.to_radians().sin_cos();
    [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
}

/// The great-circle distance between two places in degrees, by the haversine.
pub fn km(lon: f64, lat: f64, other_lon: f64, other_lat: f64) -> f64 {
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin();
    let (up, along) = (half(other_lat - lat), half(other_lon - lon));
    let square = up * up + lat.to_radians().cos() * other_lat.to_radians().cos() * along * along;
    2.0 * RADIUS_KM * square.sqrt().min(1.0).asin()
}

/// The chord of a unit sphere under an arc of so many kilometres; the diameter for half a circle and more.
pub fn chord_of_km(km: f64) -> f64 {
    2.0 * (km / RADIUS_KM / 2.0).clamp(0.0, std::f64::consts::FRAC_PI_2).sin()
}

/// Longitude and latitude at a bearing (radians from north, clockwise) and a distance.
pub fn destination(lon: f64, lat: f64, bearing: f64, km: f64) -> (f64, f64) {
    let (sin_arc, cos_arc) = (km / RADIUS_KM).sin_cos();
    let (sin_lat, cos_lat) = lat.to_radians().sin_cos();
    let sin_to = (sin_lat * cos_arc + cos_lat * sin_arc * bearing.cos()).clamp(-1.0, 1.0);
    let turn = (bearing.sin() * sin_arc * cos_lat).atan2(cos_arc - sin_lat * sin_to);
    (lon + turn.to_degrees(), sin_to.asin().to_degrees())
}

/// A grid of longitudes and latitudes.
pub struct Degrees {
    /// From pixels to degrees.
    pub transform: Affine,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// The pixels of a grid within a distance of a place.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cap {
    /// Row, column and kilometres of each, row-major.
    pub cells: Vec<(i64, i64, f64)>,
    /// Windows around them, from west to east: two where the cap crosses the edge of a grid that goes around the globe.
    pub windows: Vec<Window>,
}

/// The pixels whose centres lie within so many kilometres of a longitude and a latitude.
///
/// # Errors
/// More of them than a chunk may take.
pub fn cap(grid: &Degrees, (lon, lat): (f64, f64), radius_km: f64, limits: &Limits) -> Result<Cap> {
    let mut cells = Vec::new();
    let reach = radius_km / KM_OF_DEGREE;
    for row in 0..grid.height {
        let at = grid.transform.y(row as f64 + 0.5);
        if (at - lat).abs() > reach + 1e-9 {
            continue;
        }
        for col in 0..grid.width {
            if col % STRIDE == 0 {
                go_on()?;
                limits.allow(cells.len().saturating_mul(size_of::<(i64, i64, f64)>()), || Load::Chunk)?;
            }
            let distance = km(lon, lat, grid.transform.x(col as f64 + 0.5), at);
            if distance <= radius_km {
                cells.push((row as i64, col as i64, distance));
            }
        }
    }
    let windows = around(&cells, grid.width)?;
    Ok(Cap { cells, windows })
}

/// Windows around runs of columns that hold a pixel: one, or two where both ends of the grid do and what lies between is empty.
fn around(cells: &[(i64, i64, f64)], width: usize) -> Result<Vec<Window>> {
    let mut held = vec![false; width];
    for (_, col, _) in cells {
        if let Some(held) = held.get_mut(*col as usize) {
            *held = true;
        }
    }
    let mut windows = Vec::new();
    let mut from = 0;
    while let Some(first) = (from..width).find(|col| held.get(*col) == Some(&true)) {
        let end = (first..width).find(|col| held.get(*col) == Some(&false)).unwrap_or(width);
        let within = |col: &i64| (first as i64..end as i64).contains(col);
        let rows = || cells.iter().filter(|(_, col, _)| within(col)).map(|(row, _, _)| *row);
        if let (Some(top), Some(bottom)) = (rows().min(), rows().max()) {
            windows.push(Window::new(top, first as i64, bottom - top + 1, (end - first) as i64)?);
        }
        from = end;
    }
    Ok(windows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Pcg64;

    #[test]
    fn chords_arcs_and_destinations_agree() {
        let mut rng = Pcg64::new(1);
        for _ in 0..1000 {
            let (lon, lat) = (rng.uniform(-180.0, 180.0), rng.uniform(-89.0, 89.0));
            let (away, bearing) = (rng.uniform(1.0, 15_000.0), rng.uniform(0.0, std::f64::consts::TAU));
            let (to_lon, to_lat) = destination(lon, lat, bearing, away);
            assert!((km(lon, lat, to_lon, to_lat) - away).abs() < 1e-6);
            let (a, b) = (unit(lon, lat), unit(to_lon, to_lat));
            let chord = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
            assert!((chord - chord_of_km(away)).abs() < 1e-9);
        }
        assert!((km(179.5, 0.0, -179.5, 0.0) - KM_OF_DEGREE).abs() < 1e-9);
        assert!((km(10.0, 90.0, -120.0, 90.0)).abs() < 1e-9);
    }
}
