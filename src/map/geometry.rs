//! A geometry on the plane, in the order (x, y), read from and written as WKB.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use geo::line_measures::Euclidean;
use geo::{
    BoundingRect, Coord, CoordsIter, Densify, Geometry, LineString, MapCoordsInPlace, MultiPoint,
    MultiPolygon, Polygon,
};
use geo_traits::to_geo::ToGeoGeometry;
use wkb::reader::Wkb;

use crate::bbox::Bbox;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::projection;

/// The geometry of a WKB; `None` when it is empty. Only x and y are kept.
///
/// # Errors
/// Bytes that are no WKB, a curve, or a coordinate that is not finite.
pub fn read(bytes: &[u8]) -> Result<Option<Geometry<f64>>> {
    let Some(shape) = read_with(bytes, |wkb| Ok(wkb.try_to_geometry()))? else { return Ok(None) };
    if shape.coords_count() == 0 {
        return Ok(None);
    }
    check_finite(&shape)?;
    Ok(Some(shape))
}

/// What `work` makes of a WKB as it stands in its bytes.
///
/// # Errors
/// Bytes that are no WKB, or a curve; what `work` returns.
pub fn read_with<T>(bytes: &[u8], work: impl FnOnce(&Wkb<'_>) -> Result<T>) -> Result<T> {
    let bad = |reason: &str| Error::invalid("the geometry", format!("WKB without curves ({reason})"));
    let run = || {
        let wkb = wkb::reader::read_wkb(bytes).map_err(|e| bad(&e.to_string()))?;
        work(&wkb)
    };
    // The library reads the points of a multipoint late, and panics over one that is cut or no point.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(bad("its parts do not fit together")))
}

/// # Errors
/// A coordinate that is not finite.
pub fn check_finite(shape: &Geometry<f64>) -> Result<()> {
    match shape.coords_iter().all(|c| c.x.is_finite() && c.y.is_finite()) {
        true => Ok(()),
        false => Err(Error::invalid("the geometry", "one of finite coordinates")),
    }
}

/// A geometry as little-endian WKB.
///
/// # Errors
/// A geometry that cannot be written, which is a defect.
pub fn write(shape: &Geometry<f64>) -> Result<Vec<u8>> {
    let options = wkb::writer::WriteOptions { endianness: wkb::Endianness::LittleEndian };
    // As many as a box takes.
    let mut bytes = Vec::with_capacity(96);
    wkb::writer::write_geometry(&mut bytes, shape, &options)
        .map_err(|e| Error::Bug(format!("a geometry cannot be written: {e}")))?;
    Ok(bytes)
}

/// Polygons as WKB: a polygon where one is enough.
///
/// # Errors
/// As [`write`].
pub fn polygons_wkb(shape: &MultiPolygon<f64>) -> Result<Vec<u8>> {
    match shape.0.as_slice() {
        [one] => write(&Geometry::Polygon(one.clone())),
        _ => write(&Geometry::MultiPolygon(shape.clone())),
    }
}

/// The box around a shape; `None` for an empty one.
pub fn envelope(shape: &Geometry<f64>) -> Option<Bbox> {
    let rect = shape.bounding_rect()?;
    Bbox::new(rect.min().x, rect.min().y, rect.max().x, rect.max().y).ok()
}

/// The polygons of a polygonal geometry.
///
/// # Errors
/// A geometry that holds a point or a line, which has no area.
pub fn polygons(shape: Geometry<f64>) -> Result<Vec<Polygon<f64>>> {
    let mut found = Vec::new();
    let mut rest = vec![shape];
    while let Some(shape) = rest.pop() {
        match shape {
            Geometry::Polygon(polygon) => found.push(polygon),
            Geometry::MultiPolygon(parts) => found.extend(parts.0),
            Geometry::GeometryCollection(parts) => rest.extend(parts.0),
            other => {
                return Err(Error::invalid(name(&other), "a polygon or a multipolygon, which has an area"));
            }
        }
    }
    Ok(found)
}

/// SQL's name of a geometry's type.
pub fn name(shape: &Geometry<f64>) -> &'static str {
    match shape {
        Geometry::Point(_) => "POINT",
        Geometry::Line(_) | Geometry::LineString(_) => "LINESTRING",
        Geometry::Polygon(_) | Geometry::Rect(_) | Geometry::Triangle(_) => "POLYGON",
        Geometry::MultiPoint(_) => "MULTIPOINT",
        Geometry::MultiLineString(_) => "MULTILINESTRING",
        Geometry::MultiPolygon(_) => "MULTIPOLYGON",
        Geometry::GeometryCollection(_) => "GEOMETRYCOLLECTION",
    }
}

/// Changes all points at once: a projection takes many points faster than one after another.
///
/// # Errors
/// What `change` returns.
pub fn change(shape: &mut Geometry<f64>, change: impl FnOnce(&mut [(f64, f64)]) -> Result<()>) -> Result<()> {
    let mut points: Vec<(f64, f64)> = shape.coords_iter().map(|c| (c.x, c.y)).collect();
    change(&mut points)?;
    let points = RefCell::new(points.into_iter());
    shape.map_coords_in_place(|old| points.borrow_mut().next().map_or(old, |(x, y)| Coord { x, y }));
    Ok(())
}

/// Projects a geometry vertex by vertex.
///
/// # Errors
/// A vertex without an image, or as [`projection::project`].
pub fn project(geometry: &mut Geometry<f64>, from: &str, to: &str) -> Result<()> {
    if from == to {
        return Ok(());
    }
    change(geometry, |points| {
        projection::project(from, to, points)?;
        match points.iter().any(|(x, _)| x.is_nan()) {
            true => Err(Error::Unprojectable {
                what: "the geometry".into(),
                from: Crs::new(from).to_string(),
                to: Crs::new(to).to_string(),
            }),
            false => Ok(()),
        }
    })
}

/// The part of a geometry within a box, as far as drawing within the box is concerned: a polygon that is cut in
/// several pieces comes as one whose pieces hang together along the box's edge. `None` when nothing is inside.
pub fn clip(shape: &Geometry<f64>, bbox: &Bbox) -> Option<Geometry<f64>> {
    let own = envelope(shape)?;
    if own.xmin > bbox.xmax || own.xmax < bbox.xmin || own.ymin > bbox.ymax || own.ymax < bbox.ymin {
        return None;
    }
    if bbox.contains(own.xmin, own.ymin) && bbox.contains(own.xmax, own.ymax) {
        return Some(shape.clone());
    }
    let mut parts: Vec<Geometry<f64>> = match shape {
        Geometry::Polygon(polygon) => {
            clip_polygon(polygon, bbox).map(Geometry::Polygon).into_iter().collect()
        }
        Geometry::MultiPolygon(parts) => {
            parts.iter().filter_map(|p| clip_polygon(p, bbox)).map(Geometry::Polygon).collect()
        }
        Geometry::LineString(line) => clip_line(line, bbox),
        Geometry::MultiLineString(lines) => lines.iter().flat_map(|line| clip_line(line, bbox)).collect(),
        Geometry::MultiPoint(points) => {
            let inside: Vec<_> = points.iter().filter(|p| bbox.contains(p.x(), p.y())).copied().collect();
            (!inside.is_empty()).then_some(Geometry::MultiPoint(MultiPoint(inside))).into_iter().collect()
        }
        Geometry::GeometryCollection(parts) => parts.iter().filter_map(|part| clip(part, bbox)).collect(),
        other => vec![other.clone()],
    };
    match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => Some(Geometry::GeometryCollection(parts.into())),
    }
}

/// The same geometry with points along its edges, none further from the next than `step`.
pub fn densify(shape: &Geometry<f64>, step: f64) -> Geometry<f64> {
    if step.is_nan() || step <= 0.0 {
        return shape.clone();
    }
    match shape {
        Geometry::Polygon(polygon) => Geometry::Polygon(Euclidean.densify(polygon, step)),
        Geometry::MultiPolygon(parts) => Geometry::MultiPolygon(Euclidean.densify(parts, step)),
        Geometry::LineString(line) => Geometry::LineString(Euclidean.densify(line, step)),
        Geometry::MultiLineString(lines) => Geometry::MultiLineString(Euclidean.densify(lines, step)),
        Geometry::GeometryCollection(parts) => Geometry::GeometryCollection(
            parts.iter().map(|part| densify(part, step)).collect::<Vec<_>>().into(),
        ),
        other => other.clone(),
    }
}

fn clip_polygon(polygon: &Polygon<f64>, bbox: &Bbox) -> Option<Polygon<f64>> {
    let exterior = clip_ring(polygon.exterior(), bbox)?;
    let interiors = polygon.interiors().iter().filter_map(|ring| clip_ring(ring, bbox)).collect();
    Some(Polygon::new(exterior, interiors))
}

/// Sutherland and Hodgman: the ring is cut at one side of the box after another.
fn clip_ring(ring: &LineString<f64>, bbox: &Bbox) -> Option<LineString<f64>> {
    // How far inside a side a point lies.
    let sides: [fn(&Bbox, &Coord<f64>) -> f64; 4] =
        [|b, c| c.x - b.xmin, |b, c| b.xmax - c.x, |b, c| c.y - b.ymin, |b, c| b.ymax - c.y];
    let mut points = ring.0.clone();
    for side in sides {
        let mut kept = Vec::with_capacity(points.len());
        for pair in points.windows(2) {
            let [a, b] = [pair[0], pair[1]];
            let (da, db) = (side(bbox, &a), side(bbox, &b));
            if da >= 0.0 {
                kept.push(a);
            }
            if (da >= 0.0) != (db >= 0.0) {
                kept.push(between(a, b, da / (da - db)));
            }
        }
        kept.extend(kept.first().copied());
        points = kept;
    }
    (points.len() >= 4).then_some(LineString(points))
}

fn between(a: Coord<f64>, b: Coord<f64>, share: f64) -> Coord<f64> {
    Coord { x: a.x + (b.x - a.x) * share, y: a.y + (b.y - a.y) * share }
}

/// The pieces of a line within a box.
fn clip_line(line: &LineString<f64>, bbox: &Bbox) -> Vec<Geometry<f64>> {
    let mut pieces: Vec<Vec<Coord<f64>>> = Vec::new();
    for pair in line.0.windows(2) {
        let Some((from, to)) = clip_segment(pair[0], pair[1], bbox) else { continue };
        match pieces.last_mut() {
            Some(piece) if piece.last() == Some(&from) => piece.push(to),
            _ => pieces.push(vec![from, to]),
        }
    }
    pieces.into_iter().map(|piece| Geometry::LineString(LineString(piece))).collect()
}

/// Liang and Barsky: the part of a segment within a closed box.
pub fn clip_segment(a: Coord<f64>, b: Coord<f64>, bbox: &Bbox) -> Option<(Coord<f64>, Coord<f64>)> {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let (mut first, mut last) = (0.0f64, 1.0f64);
    for (step, room) in
        [(-dx, a.x - bbox.xmin), (dx, bbox.xmax - a.x), (-dy, a.y - bbox.ymin), (dy, bbox.ymax - a.y)]
    {
        if step == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if step < 0.0 {
            first = first.max(room / step);
        } else {
            last = last.min(room / step);
        }
    }
    let at = |share: f64| match share {
        0.0 => a,
        1.0 => b,
        share => between(a, b, share),
    };
    (first <= last).then_some((at(first), at(last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Draw, damaged};
    use geo::{Area, polygon};

    fn unit() -> Bbox {
        Bbox::new(0.0, 0.0, 1.0, 1.0).unwrap()
    }

    #[test]
    fn a_geometry_comes_back_from_wkb() {
        let shape = Geometry::Polygon(polygon![(x: 0.0, y: 0.0), (x: 2.0, y: 0.0), (x: 0.0, y: 2.0)]);
        assert_eq!(read(&write(&shape).unwrap()).unwrap(), Some(shape));
        assert!(read(b"no wkb").is_err());
    }

    #[test]
    fn a_clipped_polygon_keeps_the_area_inside() {
        let shape = polygon![(x: -1.0, y: -1.0), (x: 3.0, y: -1.0), (x: -1.0, y: 3.0)];
        let inside = clip(&Geometry::Polygon(shape), &unit()).unwrap();
        assert!((inside.unsigned_area() - 1.0).abs() < 1e-12);
        let corner = polygon![(x: 0.5, y: 0.5), (x: 3.0, y: 0.5), (x: 3.0, y: 3.0), (x: 0.5, y: 3.0)];
        assert!((clip(&Geometry::Polygon(corner), &unit()).unwrap().unsigned_area() - 0.25).abs() < 1e-12);
        let far = polygon![(x: 5.0, y: 5.0), (x: 6.0, y: 5.0), (x: 6.0, y: 6.0)];
        assert_eq!(clip(&Geometry::Polygon(far), &unit()), None);
    }

    #[test]
    fn a_line_that_leaves_and_comes_back_is_two_pieces() {
        let line = LineString::from(vec![(0.2, 0.5), (2.0, 0.5), (2.0, 0.7), (0.2, 0.7)]);
        let Some(Geometry::GeometryCollection(pieces)) = clip(&Geometry::LineString(line), &unit()) else {
            panic!("one piece")
        };
        assert_eq!(pieces.len(), 2);
    }

    #[test]
    fn every_geometry_comes_back_from_wkb_as_it_was() {
        let mut draw = Draw::new(11);
        for _ in 0..500 {
            let shape = draw.geometry();
            assert_eq!(read(&write(&shape).unwrap()).unwrap(), Some(shape));
        }
    }

    #[test]
    fn damaged_wkb_is_an_error_or_a_geometry_of_finite_coordinates() {
        let mut draw = Draw::new(12);
        // A panic that is contained reads the program's own symbols for its trace, some 6 MiB of them.
        let most = 32 << 20;
        for _ in 0..20 {
            let bytes = write(&draw.geometry()).unwrap();
            damaged(&bytes, 200, most, |bytes| {
                let Ok(Some(shape)) = read(bytes) else { return false };
                assert!(shape.coords_iter().all(|c| c.x.is_finite() && c.y.is_finite()));
                true
            });
        }
    }

    #[test]
    fn densifying_keeps_every_vertex_and_puts_points_on_the_edges() {
        let mut draw = Draw::new(13);
        for _ in 0..300 {
            let (shape, step) = (draw.geometry(), draw.number(1.0, 200.0));
            let dense = densify(&shape, step);
            assert_eq!(name(&dense), name(&shape));
            let (before, after) = (lines(&shape), lines(&dense));
            assert_eq!(before.len(), after.len());
            for (before, after) in before.iter().zip(&after) {
                let mut rest = after.0.iter();
                assert!(before.0.iter().all(|vertex| rest.any(|c| c == vertex)), "a vertex is gone");
                for pair in after.0.windows(2) {
                    assert!((pair[1].x - pair[0].x).hypot(pair[1].y - pair[0].y) <= step * (1.0 + 1e-9));
                }
                // On the way, and so no longer.
                let length = |line: &LineString<f64>| {
                    line.0.windows(2).map(|p| (p[1].x - p[0].x).hypot(p[1].y - p[0].y)).sum::<f64>()
                };
                assert!((length(after) - length(before)).abs() <= 1e-9 * length(before).max(1.0));
            }
        }
    }

    /// The lines and rings of a geometry.
    fn lines(shape: &Geometry<f64>) -> Vec<LineString<f64>> {
        let rings = |p: &Polygon<f64>| {
            std::iter::once(p.exterior().clone()).chain(p.interiors().iter().cloned()).collect::<Vec<_>>()
        };
        match shape {
            Geometry::LineString(line) => vec![line.clone()],
            Geometry::MultiLineString(lines) => lines.0.clone(),
            Geometry::Polygon(polygon) => rings(polygon),
            Geometry::MultiPolygon(polygons) => polygons.iter().flat_map(rings).collect(),
            Geometry::GeometryCollection(parts) => parts.iter().flat_map(lines).collect(),
            _ => Vec::new(),
        }
    }
}
