//! Blocks of equal area: folds that keep neighbours together.

use geo::{Area, Centroid, Geometry};

use crate::crs::CRS84;
use crate::error::{Error, Result};
use crate::map::project::{project, together};
use crate::map::{Shape, geometry};
use crate::projection;

/// The cylindrical equal-area grid of the EASE-Grid 2.0, in metres.
pub const EQUAL_AREA: &str = "EPSG:6933";
/// Half the width and half the height of the world in it.
const HALF: (f64, f64) = (17_367_530.445_161_5, 7_342_230.136_498_7);

/// The block that holds a shape's centre: blocks of `size` metres on a side are numbered from the south-west
/// corner of the world, row by row.
///
/// # Errors
/// A CRS that PROJ does not know, or a centre that lies nowhere on Earth.
pub fn block(shape: &Shape, crs: &str, size: f64) -> Result<i64> {
    let lost = || Error::Unprojectable { what: "a centre".into(), from: crs.into(), to: EQUAL_AREA.into() };
    let mut point = [centre(shape, projection::crs_facts(crs)?.geographic).ok_or_else(lost)?];
    projection::project(crs, EQUAL_AREA, &mut point)?;
    let [(x, y)] = point;
    if x.is_nan() {
        return Err(lost());
    }
    let columns = (2.0 * HALF.0 / size).ceil();
    // A centre on the rim of the world belongs to the last block.
    let rows = (2.0 * HALF.1 / size).ceil();
    let block =
        |value: f64, half: f64, count: f64| ((value + half) / size).floor().clamp(0.0, count - 1.0) as i64;
    Ok(block(y, HALF.1, rows) * columns as i64 + block(x, HALF.0, columns))
}

/// Points along each side of a shape before it is projected, as for a catalog's footprints.
const DENSIFY: usize = 21;

/// The area of a shape on the ground, in square metres of [`EQUAL_AREA`]: by way of longitudes and latitudes, where a shape is cut
/// at the antimeridian and closed over a pole.
///
/// # Errors
/// A CRS that PROJ does not know, or one that does not reach so far.
pub fn area(shape: &Shape, crs: &str) -> Result<f64> {
    let globe = project(shape, crs, CRS84, DENSIFY)?;
    let mut image = match globe.geometry() {
        Geometry::Rect(rect) => Geometry::Polygon(rect.to_polygon()),
        geometry => geometry,
    };
    let step = (globe.bbox().width() + globe.bbox().height()) / (2 * DENSIFY) as f64;
    image = geometry::densify(&image, step);
    geometry::project(&mut image, CRS84, EQUAL_AREA)?;
    Ok(image.unsigned_area())
}

/// The centroid. A shape that was cut at the antimeridian is put together again first.
fn centre(shape: &Shape, globe: bool) -> Option<(f64, f64)> {
    let geometry = shape.geometry();
    if let (Geometry::MultiPolygon(parts), true) = (&geometry, globe)
        && let Some(east) = together(parts)
    {
        let (x, y) = east.centroid()?.x_y();
        return Some(((x + 180.0).rem_euclid(360.0) - 180.0, y));
    }
    geometry.centroid().map(|c| c.x_y())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbox::Bbox;

    fn of(bbox: [f64; 4]) -> i64 {
        let [xmin, ymin, xmax, ymax] = bbox;
        let shape = Shape::Box(Bbox::new(xmin, ymin, xmax, ymax).unwrap());
        let shape = project(&shape, "OGC:CRS84", "OGC:CRS84", 2).unwrap();
        block(&shape, "OGC:CRS84", 1_000_000.0).unwrap()
    }

    #[test]
    fn blocks_are_numbered_from_the_south_west() {
        assert_eq!(of([-180.0, -90.0, -179.0, -89.0]), 0);
        assert_eq!(of([179.0, -90.0, 180.0, -89.0]), 34);
        assert_eq!(of([-180.0, 89.0, -179.0, 90.0]), 14 * 35);
    }

    #[test]
    fn the_area_of_the_globe_is_that_of_the_ellipsoid() {
        let all = Shape::Box(Bbox::new(-180.0, -90.0, 180.0, 90.0).unwrap());
        // 510,065,622 square kilometres of WGS 84.
        assert!((area(&all, "OGC:CRS84").unwrap() / 510_065_621_724_000.0 - 1.0).abs() < 1e-6);
        let tile = Shape::Box(Bbox::new(500_000.0, 0.0, 600_000.0, 100_000.0).unwrap());
        assert!((area(&tile, "EPSG:32632").unwrap() / 1e10 - 1.0).abs() < 1e-3);
    }

    #[test]
    fn a_shape_on_the_antimeridian_has_its_centre_there() {
        assert_eq!(of([-180.0, -90.0, 180.0, 90.0]), 7 * 35 + 17);
        assert_eq!(of([179.0, -1.0, 183.0, 0.0]), of([-179.5, -1.0, -178.5, 0.0]));
        assert_eq!(of([176.0, -1.0, 181.0, 0.0]), of([178.0, -1.0, 179.0, 0.0]));
    }
}
