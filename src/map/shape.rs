//! Shapes on the map: what set algebra over catalogs computes with.
//!
//! Most footprints are axis-aligned boxes, and between two boxes every answer follows from a few comparisons,
//! exactly. So a shape that is its own envelope is known as a box when it is read; all others go to `geo`.

use std::borrow::Cow;

use geo::bool_ops::FillRule;
use geo::orient::{Direction, Orient};
use geo::{
    Area, BooleanOps, BoundingRect, Coord, CoordsIter, Geometry, Intersects, MapCoords, MultiPolygon,
    Polygon, Rect, Relate,
};
use geo_traits::to_geo::ToGeoGeometry;
use geo_traits::{CoordTrait, GeometryTrait, GeometryType, LineStringTrait, MultiPolygonTrait, PolygonTrait};

use crate::bbox::Bbox;
use crate::error::{Error, Result};
use crate::map::geometry;

/// Below this share of the smaller shape's area, an overlay's piece may be a rounding error.
const SLIVER: f64 = 1e-9;

/// A shape that is not empty, all its coordinates finite.
// A variant's line says what its fields are.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A polygon that is its own envelope, with an area.
    Box(Bbox),
    /// Any other area.
    Polygons { polygons: MultiPolygon<f64>, bbox: Bbox },
    /// Points and lines, which have no area.
    Thin { geometry: Geometry<f64>, bbox: Bbox },
}

impl Shape {
    /// Reads WKB; `None` when it is empty.
    ///
    /// # Errors
    /// Bytes that are no WKB, a coordinate that is not finite, or a geometry collection.
    pub fn read(bytes: &[u8]) -> Result<Option<Shape>> {
        geometry::read_with(bytes, |raw| {
            let ring = match raw.as_type() {
                GeometryType::Polygon(polygon) => own_envelope(polygon),
                GeometryType::MultiPolygon(parts) if parts.num_polygons() == 1 => {
                    parts.polygon(0).and_then(|part| own_envelope(&part))
                }
                _ => None,
            };
            match ring {
                Some(bbox) => Ok(Some(Shape::Box(bbox))),
                None => raw.try_to_geometry().map_or(Ok(None), Shape::of),
            }
        })
    }

    /// # Errors
    /// As [`Shape::read`].
    pub fn of(geometry: Geometry<f64>) -> Result<Option<Shape>> {
        geometry::check_finite(&geometry)?;
        let Some(rect) = geometry.bounding_rect() else { return Ok(None) };
        let bbox = Bbox::new(rect.min().x, rect.min().y, rect.max().x, rect.max().y)?;
        Ok(Some(match geometry {
            Geometry::Polygon(polygon) => Shape::Polygons { polygons: MultiPolygon(vec![polygon]), bbox },
            Geometry::MultiPolygon(polygons) => Shape::Polygons { polygons, bbox },
            Geometry::Rect(_) => Shape::Box(bbox),
            Geometry::GeometryCollection(_) => {
                return Err(Error::invalid(
                    "a geometry collection",
                    "a point, a line, a polygon, or several of one kind",
                ));
            }
            geometry => Shape::Thin { geometry, bbox },
        }))
    }

    /// Polygons as an overlay gives them; `None` when there is none.
    fn of_polygons(polygons: MultiPolygon<f64>) -> Option<Shape> {
        if let [one] = polygons.0.as_slice()
            && let Some(bbox) = own_envelope(one)
        {
            return Some(Shape::Box(bbox));
        }
        let bbox = envelope(&polygons)?;
        Some(Shape::Polygons { polygons, bbox })
    }

    /// The envelope.
    pub fn bbox(&self) -> &Bbox {
        match self {
            Shape::Box(bbox) | Shape::Polygons { bbox, .. } | Shape::Thin { bbox, .. } => bbox,
        }
    }

    /// In the square of the coordinates' unit.
    pub fn area(&self) -> f64 {
        match self {
            Shape::Box(bbox) => bbox.width() * bbox.height(),
            Shape::Polygons { polygons, .. } => polygons.unsigned_area(),
            Shape::Thin { .. } => 0.0,
        }
    }

    /// The shape as a geometry of `geo`.
    pub fn geometry(&self) -> Geometry<f64> {
        match self {
            Shape::Box(bbox) => Geometry::Rect(rect(bbox)),
            Shape::Polygons { polygons, .. } => match polygons.0.as_slice() {
                [one] => Geometry::Polygon(one.clone()),
                _ => Geometry::MultiPolygon(polygons.clone()),
            },
            Shape::Thin { geometry, .. } => geometry.clone(),
        }
    }

    fn polygons(&self) -> Option<Cow<'_, MultiPolygon<f64>>> {
        match self {
            Shape::Box(bbox) => Some(Cow::Owned(MultiPolygon(vec![rect(bbox).to_polygon()]))),
            Shape::Polygons { polygons, .. } => Some(Cow::Borrowed(polygons)),
            Shape::Thin { .. } => None,
        }
    }

    /// True when the two share a point: touching counts.
    pub fn intersects(&self, other: &Shape) -> bool {
        let (a, b) = (self.bbox(), other.bbox());
        if a.xmin > b.xmax || b.xmin > a.xmax || a.ymin > b.ymax || b.ymin > a.ymax {
            return false;
        }
        match (self, other) {
            (Shape::Box(_), Shape::Box(_)) => true,
            (Shape::Box(outer), inner) | (inner, Shape::Box(outer)) if holds(outer, inner.bbox()) => true,
            _ => self.geometry().intersects(&other.geometry()),
        }
    }

    /// What the two share, where that has an area: shapes that only touch share nothing.
    pub fn intersection(&self, other: &Shape) -> Option<Shape> {
        if !boxes_overlap(self.bbox(), other.bbox()) {
            return None;
        }
        match (self, other) {
            (Shape::Box(a), Shape::Box(b)) => Some(Shape::Box(Bbox {
                xmin: a.xmin.max(b.xmin),
                ymin: a.ymin.max(b.ymin),
                xmax: a.xmax.min(b.xmax),
                ymax: a.ymax.min(b.ymax),
            })),
            (Shape::Thin { .. }, _) | (_, Shape::Thin { .. }) => None,
            // A box that holds the other's envelope cuts nothing off.
            (Shape::Box(outer), inner) | (inner, Shape::Box(outer)) if holds(outer, inner.bbox()) => {
                Some(inner.clone())
            }
            _ => self.overlay(other),
        }
    }

    fn overlay(&self, other: &Shape) -> Option<Shape> {
        let (a, b) = (self.polygons()?, other.polygons()?);
        let grid = Grid::of(&[self.bbox(), other.bbox()], [a.as_ref(), b.as_ref()]);
        let shared = Shape::of_polygons(grid.snap(&a.intersection(b.as_ref())))?;
        // The overlay rounds to a grid: what is as small as its rounding is asked of exact predicates.
        let sure = shared.area() > SLIVER * self.area().min(other.area());
        (sure || a.relate(b.as_ref()).matches("T********").unwrap_or(false)).then_some(shared)
    }

    /// What is left of this shape without the others, where that has an area.
    pub fn difference(&self, others: &[Shape]) -> Option<Shape> {
        let cut: Vec<&Shape> = others.iter().filter(|o| boxes_overlap(self.bbox(), o.bbox())).collect();
        if cut.iter().any(|o| matches!(o, Shape::Box(outer) if holds(outer, self.bbox()))) {
            return None;
        }
        // What only touches takes nothing, and what has no area has none to lose.
        let cut: Vec<Polygon<f64>> = cut
            .into_iter()
            .filter(|o| o.intersection(self).is_some())
            .filter_map(|o| o.polygons().map(Cow::into_owned))
            .flatten()
            .collect();
        let Some(whole) = self.polygons().filter(|_| !cut.is_empty()) else { return Some(self.clone()) };
        let cut = MultiPolygon(cut).orient(Direction::Default);
        let grid = Grid::of(&[self.bbox(), &envelope(&cut)?], [whole.as_ref(), &cut]);
        // One overlay, whose others may overlap each other: a second would round the edges of the first.
        let left = whole.orient(Direction::Default).difference_with_fill_rule(&cut, FillRule::NonZero);
        let mut left = grid.snap(&left);
        let smallest = SLIVER * self.area();
        left.0.retain(|part| part.unsigned_area() > smallest);
        Shape::of_polygons(left)
    }

    /// As little-endian WKB.
    ///
    /// # Errors
    /// A geometry that cannot be written, which is a defect.
    pub fn wkb(&self) -> Result<Vec<u8>> {
        match self {
            Shape::Box(bbox) => geometry::write(&Geometry::Polygon(rect(bbox).to_polygon())),
            _ => geometry::write(&self.geometry()),
        }
    }
}

fn envelope(polygons: &MultiPolygon<f64>) -> Option<Bbox> {
    let rect = polygons.bounding_rect()?;
    Some(Bbox { xmin: rect.min().x, ymin: rect.min().y, xmax: rect.max().x, ymax: rect.max().y })
}

fn rect(bbox: &Bbox) -> Rect<f64> {
    Rect::new(Coord { x: bbox.xmin, y: bbox.ymin }, Coord { x: bbox.xmax, y: bbox.ymax })
}

fn holds(outer: &Bbox, inner: &Bbox) -> bool {
    outer.contains(inner.xmin, inner.ymin) && outer.contains(inner.xmax, inner.ymax)
}

/// True when the two boxes share an area.
fn boxes_overlap(a: &Bbox, b: &Bbox) -> bool {
    a.xmin < b.xmax && b.xmin < a.xmax && a.ymin < b.ymax && b.ymin < a.ymax
}

/// The envelope of a polygon that is its own envelope, with an area: every edge runs along a side, however
/// many points lie on it.
fn own_envelope(polygon: &impl PolygonTrait<T = f64>) -> Option<Bbox> {
    let ring = polygon.exterior().filter(|ring| polygon.num_interiors() == 0 && ring.num_coords() >= 5)?;
    let points = || ring.coords().map(|c| (c.x(), c.y()));
    let bbox = Bbox::envelope(points())?;
    let mut twice_area = 0.0;
    for ((x0, y0), (x1, y1)) in points().zip(points().skip(1)) {
        let along = |a: f64, b: f64, low: f64, high: f64| a == b && (a == low || a == high);
        if !along(x0, x1, bbox.xmin, bbox.xmax) && !along(y0, y1, bbox.ymin, bbox.ymax) {
            return None;
        }
        twice_area += (x0 - bbox.xmin) * (y1 - bbox.ymin) - (x1 - bbox.xmin) * (y0 - bbox.ymin);
    }
    let area = bbox.width() * bbox.height();
    // A ring that goes out and back along the sides has all its edges there too, and no area.
    (area > 0.0 && (twice_area.abs() / 2.0 - area).abs() <= 1e-9 * area).then_some(bbox)
}

/// The coordinates of an overlay's input: the overlay rounds, and what comes back within its rounding of an
/// input coordinate is that coordinate.
struct Grid {
    xs: Vec<f64>,
    ys: Vec<f64>,
    tolerance: f64,
}

impl Grid {
    fn of<'a>(boxes: &[&Bbox], parts: impl IntoIterator<Item = &'a MultiPolygon<f64>>) -> Grid {
        let (mut xs, mut ys): (Vec<f64>, Vec<f64>) =
            parts.into_iter().flat_map(CoordsIter::coords_iter).map(|c| (c.x, c.y)).unzip();
        for axis in [&mut xs, &mut ys] {
            axis.sort_unstable_by(f64::total_cmp);
            axis.dedup();
        }
        let extent = boxes.iter().map(|b| b.width().max(b.height())).fold(0.0, f64::max);
        // The overlay works on whole numbers of 30 bits.
        Grid { xs, ys, tolerance: 8.0 * extent / f64::from(1 << 30) }
    }

    fn snap(&self, polygons: &MultiPolygon<f64>) -> MultiPolygon<f64> {
        polygons.map_coords(|c| Coord { x: self.nearest(&self.xs, c.x), y: self.nearest(&self.ys, c.y) })
    }

    fn nearest(&self, axis: &[f64], value: f64) -> f64 {
        let index = axis.partition_point(|v| *v < value);
        let near = [index.checked_sub(1).and_then(|i| axis.get(i)), axis.get(index)];
        let near =
            near.into_iter().flatten().min_by(|a, b| (*a - value).abs().total_cmp(&(*b - value).abs()));
        near.copied().filter(|v| (v - value).abs() <= self.tolerance).unwrap_or(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::{LineString, Point};

    fn boxed(xmin: f64, ymin: f64, xmax: f64, ymax: f64) -> Shape {
        Shape::Box(Bbox::new(xmin, ymin, xmax, ymax).unwrap())
    }

    fn polygon(points: &[(f64, f64)]) -> Shape {
        let polygon = Polygon::new(LineString::from(points.to_vec()), Vec::new());
        Shape::of(Geometry::Polygon(polygon)).unwrap().unwrap()
    }

    fn again(shape: &Shape) -> Shape {
        Shape::read(&shape.wkb().unwrap()).unwrap().unwrap()
    }

    #[test]
    fn a_polygon_that_is_its_own_envelope_is_a_box() {
        let ring = Bbox::new(-3.0, 0.1, 7.0, 0.7).unwrap().densified_ring(21);
        assert_eq!(again(&polygon(&ring)), boxed(-3.0, 0.1, 7.0, 0.7));
        let triangle = polygon(&[(0.0, 0.0), (2.0, 0.0), (0.0, 2.0), (0.0, 0.0)]);
        assert!(matches!(again(&triangle), Shape::Polygons { .. }));
        // Out and back along three sides.
        let fold = [(0., 0.), (1., 0.), (1., 1.), (0., 1.), (1., 1.), (1., 0.), (0., 0.)];
        assert!(!matches!(again(&polygon(&fold)), Shape::Box(_)));
    }

    #[test]
    fn touching_intersects_and_shares_nothing() {
        let a = boxed(0.0, 0.0, 2.0, 2.0);
        for b in [boxed(2.0, 0.0, 3.0, 2.0), boxed(2.0, 2.0, 3.0, 3.0)] {
            assert!(a.intersects(&b) && b.intersects(&a));
            assert_eq!(a.intersection(&b), None);
        }
        let triangle = polygon(&[(2.0, 1.0), (4.0, 0.0), (4.0, 2.0), (2.0, 1.0)]);
        assert!(a.intersects(&triangle));
        assert_eq!(a.intersection(&triangle), None);
        let slanted = polygon(&[(0.0, 2.0), (3.0, 5.0), (0.0, 5.0), (0.0, 2.0)]);
        let below = polygon(&[(0.0, 2.0), (3.0, 2.0), (3.0, 5.0), (0.0, 2.0)]);
        assert!(slanted.intersects(&below));
        assert_eq!(slanted.intersection(&below), None);
        assert!(!a.intersects(&boxed(2.1, 0.0, 3.0, 1.0)));
    }

    #[test]
    fn an_overlay_keeps_the_coordinates_of_its_input() {
        let (third, seventh) = (1.0 / 3.0, 1.0 / 7.0);
        let a = boxed(seventh, third, 2.0 + third, 5.0);
        let l_shape = [(0., 0.), (3., 0.), (3., 1.), (1., 1.), (1., 3.), (0., 3.), (0., 0.)];
        let shared = a.intersection(&polygon(&l_shape)).unwrap();
        assert_eq!(*shared.bbox(), Bbox::new(seventh, third, 2.0 + third, 3.0).unwrap());
        let rest = a.difference(&[boxed(0.0, 0.0, 1.0, 9.0)]).unwrap();
        assert_eq!(rest, boxed(1.0, third, 2.0 + third, 5.0));
        assert_eq!(a.difference(&[boxed(0.0, 0.0, 1.0, 9.0), boxed(1.0, 0.0, 9.0, 9.0)]), None);
        assert_eq!(a.difference(&[boxed(9.0, 9.0, 10.0, 10.0)]), Some(a.clone()));
        let hole = boxed(1.0, 1.0, 2.0, 2.0);
        let ring = a.difference(std::slice::from_ref(&hole)).unwrap();
        assert!((ring.area() - (a.area() - hole.area())).abs() < 1e-12);
    }

    #[test]
    fn a_point_meets_a_box_and_has_no_area() {
        let point = Shape::of(Geometry::Point(Point::new(2.0, 2.0))).unwrap().unwrap();
        let a = boxed(0.0, 0.0, 2.0, 2.0);
        assert!(point.intersects(&a) && a.intersects(&again(&point)));
        assert_eq!(a.intersection(&point), None);
        assert_eq!(point.difference(&[a]), Some(point.clone()));
    }
}
