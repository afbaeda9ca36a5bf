//! A box in some CRS, `x` east and `y` north.

use std::fmt;

use crate::error::{Error, Result};

/// `xmin <= xmax` and `ymin <= ymax`, all finite: a box that wraps the antimeridian is two boxes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bbox {
    /// West edge.
    pub xmin: f64,
    /// South edge.
    pub ymin: f64,
    /// East edge.
    pub xmax: f64,
    /// North edge.
    pub ymax: f64,
}

impl Bbox {
    /// # Errors
    /// A coordinate that is not finite, or a minimum above its maximum.
    pub fn new(xmin: f64, ymin: f64, xmax: f64, ymax: f64) -> Result<Bbox> {
        let bbox = Bbox { xmin, ymin, xmax, ymax };
        if ![xmin, ymin, xmax, ymax].iter().all(|v| v.is_finite()) {
            return Err(Error::invalid(bbox, "a box of finite coordinates"));
        }
        if xmin > xmax || ymin > ymax {
            return Err(Error::invalid(bbox, "a box with xmin <= xmax and ymin <= ymax"));
        }
        Ok(bbox)
    }

    /// The smallest box that holds the points; `None` when there is none.
    pub fn envelope(points: impl IntoIterator<Item = (f64, f64)>) -> Option<Bbox> {
        let mut points = points.into_iter();
        let (x, y) = points.next()?;
        let start = Bbox { xmin: x, ymin: y, xmax: x, ymax: y };
        Some(points.fold(start, |b, (x, y)| Bbox {
            xmin: b.xmin.min(x),
            ymin: b.ymin.min(y),
            xmax: b.xmax.max(x),
            ymax: b.ymax.max(y),
        }))
    }

    /// From west to east.
    pub fn width(&self) -> f64 {
        self.xmax - self.xmin
    }

    /// From south to north.
    pub fn height(&self) -> f64 {
        self.ymax - self.ymin
    }

    /// Closed on every side.
    pub fn contains(&self, x: f64, y: f64) -> bool {
        self.xmin <= x && x <= self.xmax && self.ymin <= y && y <= self.ymax
    }

    /// The outline, counter-clockwise from the lower left, closed, with `points` on each edge
    /// (both ends counted): a straight edge seldom stays straight in another CRS.
    pub fn densified_ring(&self, points: usize) -> Vec<(f64, f64)> {
        let corners = [
            (self.xmin, self.ymin),
            (self.xmax, self.ymin),
            (self.xmax, self.ymax),
            (self.xmin, self.ymax),
            (self.xmin, self.ymin),
        ];
        let steps = points.max(2) - 1;
        let mut ring = Vec::with_capacity(4 * steps + 1);
        for pair in corners.windows(2) {
            let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
            for step in 0..steps {
                let share = step as f64 / steps as f64;
                ring.push((x0 + (x1 - x0) * share, y0 + (y1 - y0) * share));
            }
        }
        ring.push(corners[0]);
        ring
    }
}

impl fmt::Display for Bbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "box ({}, {}, {}, {})", self.xmin, self.ymin, self.xmax, self.ymax)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_refuses_nan_infinity_and_disorder() {
        assert!(Bbox::new(f64::NAN, 0.0, 1.0, 1.0).is_err());
        assert!(Bbox::new(0.0, 0.0, f64::INFINITY, 1.0).is_err());
        assert!(Bbox::new(2.0, 0.0, 1.0, 1.0).is_err());
        assert!(Bbox::new(0.0, 0.0, 0.0, 0.0).is_ok());
    }

    #[test]
    fn a_densified_ring_is_closed_and_holds_its_corners() {
        let bbox = Bbox::new(0.0, 0.0, 4.0, 2.0).unwrap();
        for points in [2, 3, 21] {
            let ring = bbox.densified_ring(points);
            assert_eq!(ring.len(), 4 * (points - 1) + 1);
            assert_eq!(ring.first(), ring.last());
            for corner in [(0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (0.0, 2.0)] {
                assert!(ring.contains(&corner));
            }
            assert_eq!(Bbox::envelope(ring), Some(bbox));
        }
    }
}
