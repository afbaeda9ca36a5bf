//! A box on the globe, in degrees.

use std::fmt;

use crate::bbox::Bbox;
use crate::error::{Error, Result};

/// A box. One that crosses the antimeridian runs on beyond 180: `west` is within [-180, 180), `east` behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// West edge.
    pub west: f64,
    /// South edge.
    pub south: f64,
    /// East edge.
    pub east: f64,
    /// North edge.
    pub north: f64,
}

impl Area {
    /// The box that a user gives: `xmin > xmax` crosses the antimeridian.
    ///
    /// # Errors
    /// A number that is not finite or beyond the globe, or a box without an inside.
    pub fn new(xmin: f64, ymin: f64, xmax: f64, ymax: f64) -> Result<Area> {
        let text = || format!("({xmin}, {ymin}, {xmax}, {ymax})");
        let on_globe = |lon: f64| (-180.0..=180.0).contains(&lon);
        if !(on_globe(xmin) && on_globe(xmax)) {
            return Err(Error::invalid(text(), "a box with longitudes between -180 and 180"));
        }
        if !(-90.0 <= ymin && ymin < ymax && ymax <= 90.0) {
            return Err(Error::invalid(text(), "a box with -90 <= ymin < ymax <= 90"));
        }
        let east = if xmin > xmax { xmax + 360.0 } else { xmax };
        if xmin == east {
            return Err(Error::invalid(text(), "a box of some width"));
        }
        Ok(Area { west: xmin, south: ymin, east, north: ymax })
    }

    /// Width and height around a centre, on the globe: cut at the poles, over the antimeridian whole.
    pub fn around((lon, lat): (f64, f64), (width, height): (f64, f64)) -> Area {
        let (south, north) = ((lat - height / 2.0).max(-90.0), (lat + height / 2.0).min(90.0));
        if width >= 360.0 {
            return Area { west: -180.0, south, east: 180.0, north };
        }
        let (mut west, mut east) = (lon - width / 2.0, lon + width / 2.0);
        if west < -180.0 {
            (west, east) = (west + 360.0, east + 360.0);
        } else if west >= 180.0 {
            (west, east) = (west - 360.0, east - 360.0);
        }
        Area { west, south, east, north }
    }

    /// The same, cut at the antimeridian too.
    pub fn clipped((lon, lat): (f64, f64), (width, height): (f64, f64)) -> Area {
        Area {
            west: (lon - width / 2.0).max(-180.0),
            south: (lat - height / 2.0).max(-90.0),
            east: (lon + width / 2.0).min(180.0),
            north: (lat + height / 2.0).min(90.0),
        }
    }

    /// `xmin` and `xmax` as a user has them.
    pub fn longitudes(&self) -> (f64, f64) {
        (self.west, if self.east > 180.0 { self.east - 360.0 } else { self.east })
    }

    /// Runs on beyond 180.
    ///
    /// # Errors
    /// Numbers that are none.
    pub fn bbox(&self) -> Result<Bbox> {
        Bbox::new(self.west, self.south, self.east, self.north)
    }

    /// Intersection over union by degrees, on the plane.
    pub fn overlap_in_degrees(&self, other: &Area) -> f64 {
        let width = self.east.min(other.east) - self.west.max(other.west);
        let height = self.north.min(other.north) - self.south.max(other.south);
        if width <= 0.0 || height <= 0.0 {
            return 0.0;
        }
        let area = |a: &Area| (a.east - a.west) * (a.north - a.south);
        let shared = width * height;
        let union = area(self) + area(other) - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }

    /// Intersection over union by area on the sphere, around the globe.
    pub fn overlap_on_sphere(&self, other: &Area) -> f64 {
        let width: f64 = [-360.0, 0.0, 360.0]
            .iter()
            .map(|turn| ((self.east + turn).min(other.east) - (self.west + turn).max(other.west)).max(0.0))
            .sum();
        let span = |south: f64, north: f64| (sine(north) - sine(south)).max(0.0);
        let shared = width * span(self.south.max(other.south), self.north.min(other.north));
        let area = |a: &Area| (a.east - a.west) * span(a.south, a.north);
        let union = area(self) + area(other) - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (xmin, xmax) = self.longitudes();
        write!(f, "({xmin}, {}, {xmax}, {})", self.south, self.north)
    }
}

/// Of degrees.
pub fn sine(degrees: f64) -> f64 {
    degrees.to_radians().sin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_goes_on_over_the_antimeridian_and_ends_at_the_poles() {
        let area = Area::around((179.0, 88.0), (10.0, 10.0));
        assert_eq!((area.west, area.east, area.south, area.north), (174.0, 184.0, 83.0, 90.0));
        assert_eq!(area.longitudes(), (174.0, -176.0));
        assert_eq!(Area::around((-179.0, 0.0), (10.0, 10.0)).longitudes(), (176.0, -174.0));
        assert_eq!(Area::around((17.0, 0.0), (400.0, 10.0)).longitudes(), (-180.0, 180.0));
        assert_eq!(Area::clipped((179.0, 88.0), (10.0, 10.0)).east, 180.0);
        assert_eq!(Area::new(170.0, -10.0, -170.0, 10.0).unwrap().east, 190.0);
        for (xmin, ymin, xmax, ymax) in
            [(0.0, 0.0, 0.0, 1.0), (0.0, 1.0, 1.0, 1.0), (0.0, 0.0, 181.0, 1.0), (0.0, f64::NAN, 1.0, 1.0)]
        {
            assert!(Area::new(xmin, ymin, xmax, ymax).is_err());
        }
    }

    #[test]
    fn overlap_is_shared_area_over_all_area() {
        let at = |lon, lat| Area::around((lon, lat), (10.0, 10.0));
        assert_eq!(at(0.0, 0.0).overlap_in_degrees(&at(5.0, 0.0)), 1.0 / 3.0);
        assert_eq!(at(0.0, 0.0).overlap_in_degrees(&at(10.0, 0.0)), 0.0);
        for (a, b) in [(178.0, -177.0), (-177.0, 178.0), (0.0, 5.0)] {
            let overlap = at(a, 40.0).overlap_on_sphere(&at(b, 40.0));
            assert!((overlap - 1.0 / 3.0).abs() < 1e-12, "{a} {b} {overlap}");
        }
        assert!((at(179.0, 40.0).overlap_on_sphere(&at(179.0, 40.0)) - 1.0).abs() < 1e-12);
    }
}
