//! Values drawn at random, the same ones for a seed: every generator of the Rust tests stands here.

use geo::{
    Coord, Geometry, GeometryCollection, LineString, MultiLineString, MultiPoint, MultiPolygon, Point,
    Polygon,
};

use crate::random::Pcg64;
use crate::window::Window;

/// A stream of drawn values.
pub struct Draw(Pcg64);

impl Draw {
    pub fn new(seed: u64) -> Draw {
        Draw(Pcg64::new(seed))
    }

    /// A whole number of `0 .. n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }

    /// A whole number of `low ..= high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as usize) as i64
    }

    /// A number of `low .. high`.
    pub fn number(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * ((self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64)
    }

    pub fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// A window that meets a raster of `height` x `width`, often partly outside.
    pub fn window(&mut self, height: usize, width: usize) -> Window {
        let mut side = |whole: usize| {
            let size = self.between(1, whole as i64 + 4);
            (self.between(1 - size, whole as i64 - 1), size)
        };
        let ((row, rows), (col, cols)) = (side(height), side(width));
        Window::new(row, col, rows, cols).unwrap()
    }

    fn coord(&mut self) -> Coord<f64> {
        // Round numbers beside those that take all digits.
        let mut axis = |reach: f64| match self.chance(3) {
            true => self.between(-3, 3) as f64,
            false => self.number(-reach, reach),
        };
        Coord { x: axis(180.0), y: axis(90.0) }
    }

    fn line(&mut self) -> LineString<f64> {
        let points = self.between(2, 7);
        LineString((0..points).map(|_| self.coord()).collect())
    }

    fn polygon(&mut self) -> Polygon<f64> {
        let holes = self.below(3);
        let mut ring = || {
            let points = self.between(3, 7);
            LineString((0..points).map(|_| self.coord()).collect())
        };
        Polygon::new(ring(), (0..holes).map(|_| ring()).collect())
    }

    /// A geometry of any kind, valid or not, none of it empty.
    pub fn geometry(&mut self) -> Geometry<f64> {
        let several = self.between(1, 3);
        match self.below(7) {
            0 => Geometry::Point(Point(self.coord())),
            1 => Geometry::LineString(self.line()),
            2 => Geometry::Polygon(self.polygon()),
            3 => Geometry::MultiPoint(MultiPoint((0..several).map(|_| Point(self.coord())).collect())),
            4 => Geometry::MultiLineString(MultiLineString((0..several).map(|_| self.line()).collect())),
            5 => Geometry::MultiPolygon(MultiPolygon((0..several).map(|_| self.polygon()).collect())),
            _ => {
                let parts = (0..several).map(|_| Geometry::Polygon(self.polygon())).collect::<Vec<_>>();
                Geometry::GeometryCollection(GeometryCollection(parts))
            }
        }
    }
}
