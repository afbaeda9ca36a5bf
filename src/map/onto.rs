//! Geometries onto a slice: in its CRS, and on a globe at each turn at which they meet it.

use geo::{Coord, CoordsIter, Geometry, MapCoords, Translate};

use crate::bbox::Bbox;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::map::footprint::running_box;
use crate::map::geometry;
use crate::projection;
use crate::slice::Slice;

/// From one CRS onto a slice. What lies more than four times the slice's size away is cut off before it is projected:
/// much of the globe has no image in a CRS made for one part of it.
pub struct SliceProjection<'a> {
    slice: &'a Slice,
    from: &'a Crs,
    /// The slice's box in `from`; on a globe it may run on over the antimeridian.
    within: Option<Bbox>,
    turns: &'static [f64],
    /// The slice counts in degrees.
    globe: bool,
    from_globe: bool,
}

impl<'a> SliceProjection<'a> {
    /// # Errors
    /// A CRS that PROJ does not know.
    pub fn new(slice: &'a Slice, from: &'a Crs) -> Result<SliceProjection<'a>> {
        let from_globe = projection::crs_facts(from.as_str())?.geographic;
        let globe = projection::crs_facts(slice.crs.as_str())?.geographic;
        let within = match *from == slice.crs {
            true => Some(slice.bbox),
            // Where the slice has no image, nothing can be left out.
            false => running_box(&slice.bbox, slice.crs.as_str(), from.as_str()).ok(),
        };
        let turns: &[f64] = if from_globe && within.is_some() { &[0.0, -360.0, 360.0] } else { &[0.0] };
        Ok(SliceProjection { slice, from, within, turns, globe, from_globe })
    }

    /// The slice's box a turn away, and a margin for what its straight sides leave out.
    pub fn near(&self, turn: f64) -> Option<Bbox> {
        let b = self.within?;
        Some(grow(&Bbox { xmin: b.xmin - turn, xmax: b.xmax - turn, ..b }, 0.25))
    }

    /// The turns, in degrees, at which a geometry may meet the slice.
    pub fn turns(&self) -> &'static [f64] {
        self.turns
    }

    /// The parts of a geometry in the slice's CRS; none when it is far away.
    ///
    /// # Errors
    /// A geometry that cannot be projected.
    pub fn lay(&self, shape: &Geometry<f64>) -> Result<Vec<Geometry<f64>>> {
        self.turns.iter().filter_map(|turn| self.lay_at(shape, *turn).transpose()).collect()
    }

    /// A geometry in the slice's CRS, moved by `turn` degrees where both are on a globe; `None` when it lies elsewhere.
    ///
    /// # Errors
    /// As [`SliceProjection::lay`].
    pub fn lay_at(&self, shape: &Geometry<f64>, turn: f64) -> Result<Option<Geometry<f64>>> {
        let near = self.near(turn);
        let meets =
            |e: Bbox, b: &Bbox| e.xmin <= b.xmax && e.xmax >= b.xmin && e.ymin <= b.ymax && e.ymax >= b.ymin;
        if let Some(near) = &near
            && !geometry::envelope(shape).is_some_and(|own| meets(own, near))
        {
            return Ok(None);
        }
        let mut laid = if *self.from == self.slice.crs {
            shape.clone()
        } else {
            let far = near.as_ref().map(|near| grow(near, 4.0));
            let fits = far.is_none_or(|far| geometry::envelope(shape).is_some_and(|own| holds(&far, &own)));
            match (self.project(shape, fits), near) {
                (Ok(whole), _) => whole,
                (Err(error), None) => return Err(error),
                (Err(_), Some(near)) => {
                    // Cut, an edge would bend elsewhere: points along it keep it where it was.
                    let Some(part) = geometry::clip(shape, &near) else { return Ok(None) };
                    self.project(&geometry::densify(&part, near.width().max(near.height()) / 64.0), true)?
                }
            }
        };
        if self.globe && self.from_globe && turn != 0.0 {
            laid = laid.translate(turn, 0.0);
        }
        Ok(Some(laid))
    }

    fn project(&self, shape: &Geometry<f64>, fits: bool) -> Result<Geometry<f64>> {
        if !fits {
            return Err(Error::Unprojectable {
                what: "the geometry".into(),
                from: self.from.to_string(),
                to: self.slice.crs.to_string(),
            });
        }
        let mut laid = shape.clone();
        geometry::project(&mut laid, self.from.as_str(), self.slice.crs.as_str())?;
        Ok(if self.globe { self.unwrap(&laid, shape) } else { laid })
    }

    /// Longitudes that run on as they did before, or, from a plane, around the slice.
    fn unwrap(&self, shape: &Geometry<f64>, before: &Geometry<f64>) -> Geometry<f64> {
        let centre = (self.slice.bbox.xmin + self.slice.bbox.xmax) / 2.0;
        let nearest = |x: f64, to: f64| x + ((to - x) / 360.0).round() * 360.0;
        if !self.from_globe {
            return shape.map_coords(|c| Coord { x: nearest(c.x, centre), y: c.y });
        }
        let olds: Vec<f64> = before.coords_iter().map(|c| c.x).collect();
        let index = std::cell::Cell::new(0);
        shape.map_coords(|c| {
            let old = olds.get(index.replace(index.get() + 1)).copied().unwrap_or(c.x);
            Coord { x: nearest(c.x, old), y: c.y }
        })
    }
}

fn holds(b: &Bbox, other: &Bbox) -> bool {
    b.contains(other.xmin, other.ymin) && b.contains(other.xmax, other.ymax)
}

/// A box with a margin of a share of its own size on each side.
fn grow(b: &Bbox, share: f64) -> Bbox {
    let (dx, dy) = (b.width() * share, b.height() * share);
    Bbox { xmin: b.xmin - dx, ymin: b.ymin - dy, xmax: b.xmax + dx, ymax: b.ymax + dy }
}
