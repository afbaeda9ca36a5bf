//! Shapes from one CRS to another: edges densified, cut at the antimeridian, closed over a pole.

use geo::{
    BoundingRect, Contains, Coord, Geometry, LineString, MapCoords, MultiLineString, MultiPolygon, Point,
    Polygon, Translate,
};

use crate::error::{Error, Result};
use crate::map::Shape;
use crate::map::footprint::{split, unroll};
use crate::projection;

/// How far, in degrees or as a share of the shape's size, a point may come back from a projection that it
/// went through: beyond, the projection does not reach so far.
const ROUND_TRIP: f64 = 1e-6;

/// The image of a shape in another CRS. Its edges get as many points as if each side of its envelope had
/// `densify`, since a straight edge seldom stays straight. On a globe, what crosses the antimeridian is cut
/// there, and what goes around a pole is closed over it.
///
/// # Errors
/// A CRS that PROJ does not know; [`Error::Unprojectable`] when a point has no image, or one so distorted
/// that it does not lead back.
pub fn project(shape: &Shape, from: &str, to: &str, densify: usize) -> Result<Shape> {
    let globe = projection::crs_facts(from)?.geographic;
    if projection::same_crs(from, to)? {
        return if globe { on_the_globe(shape) } else { Ok(shape.clone()) };
    }
    let journey = Journey {
        from,
        to,
        from_globe: globe,
        to_globe: projection::crs_facts(to)?.geographic,
        step: (shape.bbox().width() + shape.bbox().height()) / (2 * densify.max(2) - 2) as f64,
        size: shape.bbox().width().max(shape.bbox().height()),
    };
    let image = match shape.geometry() {
        Geometry::Point(point) => {
            Geometry::Point(journey.points(&[point])?.into_iter().next().unwrap_or(point))
        }
        Geometry::MultiPoint(points) => Geometry::MultiPoint(journey.points(&points.0)?.into()),
        Geometry::LineString(line) => Geometry::MultiLineString(journey.lines(&[line])?),
        Geometry::MultiLineString(lines) => Geometry::MultiLineString(journey.lines(&lines.0)?),
        Geometry::Rect(rect) => journey.polygons(&[rect.to_polygon()])?,
        Geometry::Polygon(polygon) => journey.polygons(&[polygon])?,
        Geometry::MultiPolygon(polygons) => journey.polygons(&polygons.0)?,
        _ => {
            return Err(Error::invalid("the geometry", "a point, a line, a polygon, or several of one kind"));
        }
    };
    Shape::of(image)?.ok_or_else(|| journey.lost())
}

/// Longitudes run on for three turns and no further: numbers beyond are none.
const MOST_DEGREES: f64 = 3.0 * 360.0;

/// A shape in longitudes that run on beyond 180 (from 0 to 360, say), cut into the parts within [-180, 180].
fn on_the_globe(shape: &Shape) -> Result<Shape> {
    let bbox = shape.bbox();
    if bbox.xmin >= -180.0 && bbox.xmax <= 180.0 {
        return Ok(shape.clone());
    }
    if bbox.xmin < -MOST_DEGREES || bbox.xmax > MOST_DEGREES {
        let value = format!("a geometry from {} to {} degrees east", bbox.xmin, bbox.xmax);
        return Err(Error::invalid(value, format!("between -{MOST_DEGREES} and {MOST_DEGREES}")));
    }
    let image = match shape.geometry() {
        Geometry::Rect(rect) => Geometry::MultiPolygon(split(&rect.to_polygon())),
        Geometry::Polygon(polygon) => Geometry::MultiPolygon(split(&polygon)),
        Geometry::MultiPolygon(polygons) => {
            Geometry::MultiPolygon(MultiPolygon(polygons.iter().flat_map(split).collect()))
        }
        Geometry::LineString(line) => Geometry::MultiLineString(cut_lines(MultiLineString(vec![line]))),
        Geometry::MultiLineString(lines) => Geometry::MultiLineString(cut_lines(lines)),
        points => points.map_coords(|c| Coord { x: (c.x + 180.0).rem_euclid(360.0) - 180.0, y: c.y }),
    };
    Shape::of(image)?.ok_or_else(|| Error::Bug("a shape lost on the globe".into()))
}

/// A shape that was cut at the antimeridian, put together again: its longitudes run on beyond 180.
pub fn run_on(shape: &Shape) -> Shape {
    match shape {
        Shape::Polygons { polygons, .. } => together(polygons)
            .and_then(|parts| Shape::of(Geometry::MultiPolygon(parts)).ok().flatten())
            .unwrap_or_else(|| shape.clone()),
        shape => shape.clone(),
    }
}

/// Parts on both sides of the antimeridian beside each other: those west of Greenwich are moved one turn east. `None`
/// where they are not, or one part alone goes around the world.
pub(super) fn together(parts: &MultiPolygon<f64>) -> Option<MultiPolygon<f64>> {
    let whole = parts.bounding_rect()?;
    if whole.min().x != -180.0 || whole.max().x != 180.0 {
        return None;
    }
    let turn = |part: &Polygon<f64>| {
        part.bounding_rect().map_or(0.0, |r| if r.max().x <= 0.0 { 360.0 } else { 0.0 })
    };
    let east = MultiPolygon(parts.iter().map(|part| part.translate(turn(part), 0.0)).collect());
    east.bounding_rect().is_some_and(|r| r.width() < whole.width()).then_some(east)
}

struct Journey<'a> {
    from: &'a str,
    to: &'a str,
    from_globe: bool,
    to_globe: bool,
    /// The longest edge that stays whole.
    step: f64,
    size: f64,
}

impl Journey<'_> {
    fn lost(&self) -> Error {
        Error::Unprojectable { what: "the geometry".into(), from: self.from.into(), to: self.to.into() }
    }

    /// # Errors
    /// As [`project`].
    fn image(&self, points: &mut [(f64, f64)]) -> Result<()> {
        let source = points.to_vec();
        projection::project(self.from, self.to, points)?;
        if points.iter().any(|(x, _)| x.is_nan()) {
            return Err(self.lost());
        }
        if self.to_globe {
            return Ok(());
        }
        let mut back = points.to_vec();
        projection::project(self.to, self.from, &mut back)?;
        let far = |((x0, y0), (x1, y1)): (&(f64, f64), &(f64, f64))| {
            if self.from_globe {
                // A whole turn is no distance, and at a pole every longitude is one point.
                let east = (x1 - x0 + 180.0).rem_euclid(360.0) - 180.0;
                let distance = (east * y0.to_radians().cos()).hypot(y1 - y0);
                distance.is_nan() || distance > ROUND_TRIP
            } else {
                let distance = (x1 - x0).hypot(y1 - y0);
                distance.is_nan() || distance > ROUND_TRIP * self.size.max(1.0)
            }
        };
        if source.iter().zip(&back).any(far) { Err(self.lost()) } else { Ok(()) }
    }

    /// Refuses a line that a projection tears: where the image jumps, the middle of an edge lands beside one of
    /// its ends, and not between them.
    fn check_unbroken(&self, source: &[(f64, f64)], image: &[(f64, f64)]) -> Result<()> {
        let between = |(x0, y0): (f64, f64), (x1, y1): (f64, f64)| ((x0 + x1) / 2.0, (y0 + y1) / 2.0);
        let halves = |line: &[(f64, f64)]| -> Vec<(f64, f64)> {
            line.iter().zip(line.iter().skip(1)).map(|(a, b)| between(*a, *b)).collect()
        };
        let mut middles = halves(source);
        projection::project(self.from, self.to, &mut middles)?;
        let edges = image.iter().zip(image.iter().skip(1));
        let torn = edges.zip(halves(image)).zip(middles).any(|(((a, b), middle), (x, y))| {
            let distance = (x - middle.0).hypot(y - middle.1);
            distance.is_nan() || distance > 0.3 * (b.0 - a.0).hypot(b.1 - a.1) + 1e-3
        });
        if torn { Err(self.lost()) } else { Ok(()) }
    }

    fn points(&self, points: &[Point<f64>]) -> Result<Vec<Point<f64>>> {
        let mut image: Vec<(f64, f64)> = points.iter().map(|p| p.x_y()).collect();
        self.image(&mut image)?;
        Ok(image.into_iter().map(Point::from).collect())
    }

    /// A line or a ring with its edges cut to `step`, projected, its longitudes run on.
    fn line(&self, line: &LineString<f64>) -> Result<Vec<(f64, f64)>> {
        let mut points = Vec::with_capacity(line.0.len());
        for edge in line.lines() {
            let length = edge.dx().abs().max(edge.dy().abs());
            let pieces =
                if self.step > 0.0 { (length / self.step).ceil().clamp(1.0, 10_000.0) as usize } else { 1 };
            for piece in 0..pieces {
                let share = piece as f64 / pieces as f64;
                points.push((edge.start.x + edge.dx() * share, edge.start.y + edge.dy() * share));
            }
        }
        points.extend(line.0.last().map(|c| c.x_y()));
        let source = points.clone();
        self.image(&mut points)?;
        if self.from_globe && !self.to_globe {
            self.check_unbroken(&source, &points)?;
        }
        if self.to_globe && self.from_globe {
            // Longitudes already ran without a jump, though perhaps from 0 to 360.
            for (point, (lon, _)) in points.iter_mut().zip(&source) {
                point.0 += ((lon - point.0) / 360.0).round() * 360.0;
            }
        } else if self.to_globe {
            unroll(&mut points);
        }
        Ok(points)
    }

    fn lines(&self, lines: &[LineString<f64>]) -> Result<MultiLineString<f64>> {
        let image = lines.iter().map(|l| self.line(l).map(LineString::from)).collect::<Result<Vec<_>>>()?;
        let image = MultiLineString(image);
        Ok(if self.to_globe { cut_lines(image) } else { image })
    }

    fn polygons(&self, polygons: &[Polygon<f64>]) -> Result<Geometry<f64>> {
        let mut image = Vec::with_capacity(polygons.len());
        for polygon in polygons {
            let mut outer = self.line(polygon.exterior())?;
            if self.to_globe {
                self.close_over_pole(polygon, &mut outer)?;
            }
            let mut inner = Vec::new();
            for hole in polygon.interiors() {
                let mut ring = self.line(hole)?;
                if let (true, Some(first)) = (self.to_globe, ring.first().copied()) {
                    // A hole stands on its polygon's turn of the globe.
                    let turn = shared_turn(&outer, first);
                    ring.iter_mut().for_each(|point| point.0 += turn);
                }
                inner.push(LineString::from(ring));
            }
            let polygon = Polygon::new(LineString::from(outer), inner);
            match self.to_globe {
                true => image.extend(split(&polygon)),
                false => image.push(polygon),
            }
        }
        Ok(Geometry::MultiPolygon(MultiPolygon(image)))
    }

    /// A ring that goes once around is closed over the pole that its polygon holds.
    fn close_over_pole(&self, polygon: &Polygon<f64>, ring: &mut Vec<(f64, f64)>) -> Result<()> {
        let (Some(&first), Some(&last)) = (ring.first(), ring.last()) else { return Ok(()) };
        if self.from_globe || (last.0 - first.0).abs() <= 180.0 {
            return Ok(());
        }
        let mut north = [(0.0, 90.0)];
        projection::project(self.to, self.from, &mut north)?;
        let [(x, y)] = north;
        let pole = if polygon.contains(&Point::new(x, y)) { 90.0 } else { -90.0 };
        ring.extend([(last.0, pole), (first.0, pole), first]);
        Ok(())
    }
}

/// The whole turns to add to a point's longitude so that it lies within a ring's.
fn shared_turn(ring: &[(f64, f64)], (lon, _): (f64, f64)) -> f64 {
    let low = ring.iter().map(|p| p.0).fold(f64::INFINITY, f64::min);
    let high = ring.iter().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max);
    (((low + high) / 2.0 - lon) / 360.0).round() * 360.0
}

/// Lines with running longitudes, cut where they cross the antimeridian.
fn cut_lines(lines: MultiLineString<f64>) -> MultiLineString<f64> {
    let mut parts = Vec::new();
    for line in lines {
        let mut part: Vec<Coord<f64>> = Vec::new();
        for edge in line.lines() {
            let mut start = edge.start;
            let side = |lon: f64| ((lon + 180.0) / 360.0).floor();
            if part.is_empty() {
                part.push(start);
            }
            // An edge is far shorter than a turn, so it crosses once at most.
            if side(start.x) != side(edge.end.x) {
                let seam = side(start.x).max(side(edge.end.x)) * 360.0 - 180.0;
                let share = (seam - start.x) / (edge.end.x - start.x);
                start = Coord { x: seam, y: start.y + (edge.end.y - start.y) * share };
                part.push(start);
                parts.push(std::mem::replace(&mut part, vec![start]));
            }
            part.push(edge.end);
        }
        parts.push(part);
    }
    let home = |part: Vec<Coord<f64>>| {
        let line = LineString(part);
        let middle = line.bounding_rect().map_or(0.0, |r| r.center().x);
        let turn = -((middle) / 360.0).round() * 360.0;
        line.map_coords(|c| Coord { x: c.x + turn, y: c.y })
    };
    MultiLineString(parts.into_iter().filter(|p| p.len() > 1).map(home).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbox::Bbox;
    use geo::{Area, CoordsIter};

    fn image(bbox: [f64; 4], from: &str, to: &str) -> Result<Shape> {
        let [xmin, ymin, xmax, ymax] = bbox;
        project(&Shape::Box(Bbox::new(xmin, ymin, xmax, ymax).unwrap()), from, to, 21)
    }

    fn area(shape: &Shape) -> MultiPolygon<f64> {
        match shape.geometry() {
            Geometry::Polygon(p) => MultiPolygon(vec![p]),
            Geometry::MultiPolygon(p) => p,
            Geometry::Rect(r) => MultiPolygon(vec![r.to_polygon()]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_box_beyond_180_is_two() {
        let shape = image([170.0, -10.0, 190.0, 10.0], "OGC:CRS84", "OGC:CRS84").unwrap();
        assert_eq!(area(&shape).0.len(), 2);
        assert_eq!((shape.bbox().xmin, shape.bbox().xmax), (-180.0, 180.0));
        assert!((shape.area() - 400.0).abs() < 1e-9);
    }

    #[test]
    fn there_and_back_is_the_same_place() {
        let utm = image([6.0, 45.0, 7.0, 46.0], "OGC:CRS84", "EPSG:32632").unwrap();
        assert!(utm.geometry().coords_count() > 60);
        let back = project(&utm, "EPSG:32632", "OGC:CRS84", 21).unwrap();
        assert!((back.area() - 1.0).abs() < 1e-6, "{}", back.area());
    }

    #[test]
    fn what_crosses_the_antimeridian_or_a_pole_stays_whole() {
        let scene = image([130_000.0, 0.0, 330_000.0, 200_000.0], "EPSG:32601", "OGC:CRS84").unwrap();
        assert_eq!(area(&scene).0.len(), 2);
        assert!(!area(&scene).contains(&Point::new(0.0, 1.0)));
        let pole = image([-1e6, -1e6, 1e6, 1e6], "EPSG:3413", "OGC:CRS84").unwrap();
        assert!(area(&pole).contains(&Point::new(45.0, 89.0)) && pole.bbox().ymax == 90.0);
        let cap = image([-180.0, 80.0, 180.0, 90.0], "OGC:CRS84", "EPSG:3413").unwrap();
        assert!((area(&cap).unsigned_area() / (std::f64::consts::PI * 1.09e6 * 1.09e6) - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_box_beyond_the_reach_of_a_projection_is_refused() {
        let error = image([-180.0, -80.0, 180.0, 80.0], "OGC:CRS84", "EPSG:32632").unwrap_err();
        assert!(matches!(error, Error::Unprojectable { .. }), "{error}");
    }
}
