//! Where a raster lies on the map, in the catalog's CRS.

use geo::{BooleanOps, BoundingRect, Coord, LineString, MapCoords, MultiPolygon, Polygon, Rect, Translate};

use crate::bbox::Bbox;
use crate::crs::CRS84;
use crate::error::{Bounds, Error, Result};
use crate::projection;

/// One or more polygons, and the box around them. On a globe nothing crosses the antimeridian: what
/// would is two polygons, and the box then spans all longitudes.
#[derive(Debug, Clone, PartialEq)]
pub struct Footprint {
    /// The shape on the map, cut at the antimeridian.
    pub polygons: MultiPolygon<f64>,
    /// The envelope of the shape.
    pub bbox: Bbox,
}

impl Footprint {
    /// The image of a raster's own box in another CRS, each edge densified with `densify` points.
    ///
    /// # Errors
    /// [`Error::Unprojectable`] when no point of the box has an image.
    pub fn project(bbox: &Bbox, from: &str, to: &str, to_globe: bool, densify: usize) -> Result<Footprint> {
        let mut ring = bbox.densified_ring(densify);
        let source = ring.clone();
        projection::project(from, to, &mut ring)?;
        if ring.iter().any(|(x, _)| x.is_nan()) {
            return envelope_of_visible(bbox, from, to);
        }
        if !to_globe {
            return Footprint::of(MultiPolygon(vec![polygon(&ring)]), from, to);
        }
        let facts = projection::crs_facts(from)?;
        if !facts.geographic && facts.unit == "degree" && bbox.width() > 359.999 {
            return all_around(bbox, from, to);
        }
        if facts.geographic {
            // The file's own longitudes already run without a jump, though perhaps from 0 to 360.
            for (point, (lon, _)) in ring.iter_mut().zip(&source) {
                point.0 += ((lon - point.0) / 360.0).round() * 360.0;
            }
        } else {
            unroll(&mut ring);
        }
        let turn = match (ring.first(), ring.last()) {
            (Some(first), Some(last)) => last.0 - first.0,
            _ => 0.0,
        };
        if turn.abs() > 180.0 {
            close_over_pole(&mut ring, bbox, from, to)?;
        }
        Footprint::of(split(&polygon(&ring)), from, to)
    }

    /// Polygons in lon/lat as they stand in a catalog: cut where they leave [-180, 180]. `crosses` says that
    /// longitudes which jump from one side of the antimeridian to the other run on over it.
    ///
    /// # Errors
    /// Polygons without a point.
    pub fn of_lon_lat(polygons: MultiPolygon<f64>, crosses: bool) -> Result<Footprint> {
        let run_on = |line: &LineString<f64>| {
            let mut ring: Vec<(f64, f64)> = line.0.iter().map(|c| (c.x, c.y)).collect();
            if crosses {
                unroll(&mut ring);
            }
            LineString::from(ring)
        };
        let whole =
            |p: &Polygon<f64>| Polygon::new(run_on(p.exterior()), p.interiors().iter().map(run_on).collect());
        let parts = polygons.iter().flat_map(|p| split(&whole(p)).0).collect();
        Footprint::of(MultiPolygon(parts), CRS84, CRS84)
    }

    /// All of several footprints in one CRS; `None` when there is none.
    pub fn union(mut shapes: Vec<Footprint>) -> Option<Footprint> {
        let mut whole = shapes.pop()?;
        for shape in shapes {
            if shape.polygons != whole.polygons {
                whole.polygons = shape.polygons.union(&whole.polygons);
            }
            let corners = [shape.bbox, whole.bbox].map(|b| [(b.xmin, b.ymin), (b.xmax, b.ymax)]);
            whole.bbox = Bbox::envelope(corners.into_iter().flatten())?;
        }
        Some(whole)
    }

    fn of(polygons: MultiPolygon<f64>, from: &str, to: &str) -> Result<Footprint> {
        let unprojectable =
            || Error::Unprojectable { what: "the footprint".into(), from: from.into(), to: to.into() };
        let rect = polygons.bounding_rect().ok_or_else(unprojectable)?;
        let bbox = Bbox::new(rect.min().x, rect.min().y, rect.max().x, rect.max().y)?;
        Ok(Footprint { polygons, bbox })
    }
}

/// The box around a box's image in another CRS. On a globe it runs on over the antimeridian, beyond 180.
///
/// # Errors
/// [`Error::Unprojectable`] when some point of the outline has no image.
pub fn running_box(bbox: &Bbox, from: &str, to: &str) -> Result<Bbox> {
    if from == to {
        return Ok(*bbox);
    }
    let unprojectable = || Error::Unprojectable { what: bbox.to_string(), from: from.into(), to: to.into() };
    let mut ring = bbox.densified_ring(21);
    projection::project(from, to, &mut ring)?;
    if ring.iter().any(|(x, _)| x.is_nan()) {
        return Err(unprojectable());
    }
    if projection::crs_facts(to)?.geographic {
        unroll(&mut ring);
        if ring.first().zip(ring.last()).is_some_and(|(first, last)| (last.0 - first.0).abs() > 180.0) {
            close_over_pole(&mut ring, bbox, from, to)?;
        }
    }
    Bbox::envelope(ring).ok_or_else(unprojectable)
}

/// Refuses a box in degrees that reaches beyond the poles by more than `slack`: its numbers are a picture's pixels or metres.
///
/// # Errors
/// There is no such latitude.
pub fn check_latitudes(path: &str, bbox: &Bbox, crs: &str, slack: f64) -> Result<()> {
    let reach = 90.0 + slack + 1e-6;
    if bbox.ymin >= -reach && bbox.ymax <= reach || !projection::crs_facts(crs)?.geographic {
        return Ok(());
    }
    let problem = format!(
        "\"{path}\" says that its numbers are degrees ({}), and its latitudes would reach from {} to {}",
        crate::crs::Crs::new(crs),
        bbox.ymin,
        bbox.ymax
    );
    Err(Error::conflict(
        problem,
        "They are none, but pixels of a picture, or the metres of a projection: give the file the CRS that they are in",
    ))
}

/// Refuses a box whose numbers cannot be in the units of its CRS: degrees on a metric grid, metres on a globe.
///
/// # Errors
/// A box that reaches beyond the globe, or one that looks like degrees far from where its CRS is used.
pub fn check_units(bbox: &Bbox, crs: &str, facts: &projection::CrsFacts) -> Result<()> {
    let looks_like_degrees =
        bbox.xmin >= -720.0 && bbox.xmax <= 720.0 && bbox.ymin >= -90.0 && bbox.ymax <= 90.0;
    let foreign = || {
        let (crs, unit) = (crate::crs::Crs::new(crs).to_string(), facts.unit.clone());
        Error::out_of_range(bbox, Bounds::Unit { crs, unit, geographic: facts.geographic })
    };
    if facts.geographic && !looks_like_degrees {
        return Err(foreign());
    }
    if facts.geographic || !looks_like_degrees {
        return Ok(());
    }
    let Some(used) = facts.area_of_use else { return Ok(()) };
    let mut centre = [((bbox.xmin + bbox.xmax) / 2.0, (bbox.ymin + bbox.ymax) / 2.0)];
    projection::project(crs, crate::crs::CRS84, &mut centre)?;
    let [(x, y)] = centre;
    let turns = [x, x + 360.0];
    if turns.iter().any(|x| used.contains(*x, y)) {
        return Ok(());
    }
    Err(foreign())
}

fn polygon(ring: &[(f64, f64)]) -> Polygon<f64> {
    Polygon::new(LineString::from(ring.to_vec()), Vec::new())
}

/// Makes longitudes run on where they jump from one side of the antimeridian to the other.
pub(super) fn unroll(ring: &mut [(f64, f64)]) {
    let mut shift = 0.0;
    let mut before = None;
    for point in ring {
        if let Some(last) = before {
            let step: f64 = point.0 - last;
            shift -= (step / 360.0).round() * 360.0;
        }
        before = Some(point.0);
        point.0 += shift;
    }
}

/// A ring that goes once around holds a pole: it is closed over the pole that lies in the box.
fn close_over_pole(ring: &mut Vec<(f64, f64)>, bbox: &Bbox, from: &str, to: &str) -> Result<()> {
    let [north, _] = holds_poles(bbox, from, to)?;
    let pole = if north { 90.0 } else { -90.0 };
    if let (Some(&first), Some(&last)) = (ring.first(), ring.last()) {
        ring.extend([(last.0, pole), (first.0, pole), first]);
    }
    Ok(())
}

/// Whether a box of another CRS holds the north and the south pole.
fn holds_poles(bbox: &Bbox, from: &str, to: &str) -> Result<[bool; 2]> {
    let mut poles = [(0.0, 90.0), (0.0, -90.0)];
    projection::project(to, from, &mut poles)?;
    // Longitudes of a rotated pole may count from 0 or from -180.
    let turns: &[f64] =
        if projection::crs_facts(from)?.unit == "degree" { &[0.0, 360.0, -360.0] } else { &[0.0] };
    Ok(poles.map(|(x, y)| turns.iter().any(|turn| bbox.contains(x + turn, y))))
}

/// The band that a grid all around a rotated pole covers, as a box over all longitudes: its outline is no ring.
fn all_around(bbox: &Bbox, from: &str, to: &str) -> Result<Footprint> {
    let [north, south] = holds_poles(bbox, from, to)?;
    let seen = envelope_of_visible(bbox, from, to)?.bbox;
    let (ymin, ymax) = (if south { -90.0 } else { seen.ymin }, if north { 90.0 } else { seen.ymax });
    let band = Bbox::new(-180.0, ymin, 180.0, ymax)?;
    Footprint::of(MultiPolygon(vec![polygon(&band.densified_ring(2))]), from, to)
}

/// Cuts a polygon with running longitudes into the parts within [-180, 180].
pub(super) fn split(whole: &Polygon<f64>) -> MultiPolygon<f64> {
    let Some(rect) = whole.bounding_rect() else { return MultiPolygon(Vec::new()) };
    if rect.min().x >= -180.0 && rect.max().x <= 180.0 {
        return MultiPolygon(vec![whole.clone()]);
    }
    let globe = Rect::new(Coord { x: -180.0, y: -90.0 }, Coord { x: 180.0, y: 90.0 }).to_polygon();
    let first = ((rect.min().x - 180.0) / 360.0).ceil() as i32;
    let last = ((rect.max().x + 180.0) / 360.0).floor() as i32;
    // A box turned twice around the globe repeats itself; three turns cover every real file.
    let turns = first..=last.min(first + 2);
    let mut parts = MultiPolygon(Vec::new());
    for turn in turns {
        let part = whole.translate(-360.0 * f64::from(turn), 0.0).intersection(&globe);
        parts = if parts.0.is_empty() { part } else { parts.union(&part) };
    }
    // Points on the antimeridian come back from the cut within a rounding error of it.
    MultiPolygon(parts.0.iter().map(snap).collect())
}

fn snap(part: &Polygon<f64>) -> Polygon<f64> {
    let near = |c: Coord<f64>| {
        let x = if (c.x.abs() - 180.0).abs() < 1e-6 { c.x.signum() * 180.0 } else { c.x };
        let y = if (c.y.abs() - 90.0).abs() < 1e-6 { c.y.signum() * 90.0 } else { c.y };
        Coord { x, y }
    };
    part.map_coords(near)
}

/// Corners beyond the edge of the world (a full disk, a world map in an oval) have no image: the box
/// around the points that do stands for the footprint.
fn envelope_of_visible(bbox: &Bbox, from: &str, to: &str) -> Result<Footprint> {
    const STEPS: usize = 65;
    let share = |i: usize| i as f64 / (STEPS - 1) as f64;
    let mut points = Vec::with_capacity(STEPS * STEPS);
    for row in 0..STEPS {
        for col in 0..STEPS {
            points.push((bbox.xmin + bbox.width() * share(col), bbox.ymin + bbox.height() * share(row)));
        }
    }
    projection::project(from, to, &mut points)?;
    let seen = Bbox::envelope(points.into_iter().filter(|(x, _)| !x.is_nan()));
    let unprojectable =
        || Error::Unprojectable { what: "the footprint".into(), from: from.into(), to: to.into() };
    let seen = seen.ok_or_else(unprojectable)?;
    let ring = seen.densified_ring(2);
    Footprint::of(MultiPolygon(vec![polygon(&ring)]), from, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::{Area, Contains, Point};

    fn lon_lat(bbox: [f64; 4], from: &str) -> Footprint {
        let [xmin, ymin, xmax, ymax] = bbox;
        let bbox = Bbox::new(xmin, ymin, xmax, ymax).unwrap();
        Footprint::project(&bbox, from, "OGC:CRS84", true, 21).unwrap()
    }

    #[test]
    fn a_lon_lat_box_stays_itself() {
        let shape = lon_lat([-10.0, 20.0, 30.0, 40.0], "EPSG:4326");
        assert_eq!(shape.bbox, Bbox::new(-10.0, 20.0, 30.0, 40.0).unwrap());
        assert!((shape.polygons.unsigned_area() - 800.0).abs() < 1e-9);
        let world = lon_lat([-180.0, -90.0, 180.0, 90.0], "EPSG:4326");
        assert_eq!(world.bbox, Bbox::new(-180.0, -90.0, 180.0, 90.0).unwrap());
    }

    #[test]
    fn longitudes_from_0_to_360_are_cut_at_180() {
        let shape = lon_lat([170.0, -10.0, 200.0, 10.0], "EPSG:4326");
        assert_eq!(shape.polygons.0.len(), 2);
        assert!((shape.polygons.unsigned_area() - 600.0).abs() < 1e-6);
        assert!(shape.polygons.contains(&Point::new(-170.0, 0.0)));
        assert!(!shape.polygons.contains(&Point::new(0.0, 0.0)));
        let world = lon_lat([0.0, -90.0, 360.0, 90.0], "EPSG:4326");
        assert!((world.polygons.unsigned_area() - 360.0 * 180.0).abs() < 1e-3);
    }

    #[test]
    fn a_utm_scene_on_the_antimeridian_is_two_polygons() {
        // Zone 1, its western edge: from 179.5 east to about 178.6 west.
        let shape = lon_lat([130_000.0, 0.0, 330_000.0, 200_000.0], "EPSG:32601");
        assert_eq!(shape.polygons.0.len(), 2);
        assert_eq!((shape.bbox.xmin, shape.bbox.xmax), (-180.0, 180.0));
        assert!(shape.polygons.contains(&Point::new(179.9, 1.0)));
        assert!(shape.polygons.contains(&Point::new(-179.0, 1.0)));
        assert!(!shape.polygons.contains(&Point::new(0.0, 1.0)));
    }

    #[test]
    fn a_polar_scene_holds_its_pole_and_every_longitude() {
        for (crs, pole) in [("EPSG:3413", 90.0), ("EPSG:3031", -90.0)] {
            let shape = lon_lat([-1e6, -1e6, 1e6, 1e6], crs);
            assert_eq!((shape.bbox.xmin, shape.bbox.xmax), (-180.0, 180.0), "{crs}");
            assert!(shape.bbox.ymin == pole || shape.bbox.ymax == pole, "{crs} {}", shape.bbox);
            for lon in [-179.0, -90.0, 0.0, 45.0, 135.0] {
                assert!(shape.polygons.contains(&Point::new(lon, pole * 0.999)), "{crs} {lon}");
            }
        }
    }

    #[test]
    fn a_disk_beyond_the_limb_keeps_what_is_seen() {
        let geos = "+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=WGS84";
        let shape = lon_lat([-5.5e6, -5.5e6, 5.5e6, 5.5e6], geos);
        assert!(shape.bbox.xmin < -70.0 && shape.bbox.xmax > 70.0 && shape.bbox.ymax > 70.0);
    }
}
