//! Regions whose patches are kept though they hold more land.

use crate::error::{Error, Result};

/// A box of longitudes and latitudes with a land cap of its own. `xmin > xmax` crosses the antimeridian.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// What a patch of it is named.
    pub name: String,
    /// West edge, degrees.
    pub xmin: f64,
    /// South edge, degrees.
    pub ymin: f64,
    /// East edge, degrees; below `xmin` over the antimeridian.
    pub xmax: f64,
    /// North edge, degrees.
    pub ymax: f64,
    /// The share of land that it allows.
    pub max_land_fraction: f64,
}

/// A longitude in [-180, 180).
pub fn normalize_lon(lon: f64) -> f64 {
    (lon + 180.0).rem_euclid(360.0) - 180.0
}

impl Region {
    /// # Errors
    /// Coordinates that are not finite, latitudes out of order, or a cap outside [0, 1].
    pub fn new(name: String, bounds: [f64; 4], max_land_fraction: f64) -> Result<Region> {
        let [xmin, ymin, xmax, ymax] = bounds;
        let shown = || format!("region \"{name}\" ({xmin}, {ymin}, {xmax}, {ymax})");
        if !bounds.iter().all(|v| v.is_finite()) || ymin > ymax {
            return Err(Error::invalid(shown(), "finite degrees with ymin <= ymax"));
        }
        if !(0.0..=1.0).contains(&max_land_fraction) {
            let value = format!("max_land_fraction {max_land_fraction} of region \"{name}\"");
            return Err(Error::invalid(value, "between 0 and 1"));
        }
        let bring_in = |lon: f64| if (-180.0..=180.0).contains(&lon) { lon } else { normalize_lon(lon) };
        let (xmin, xmax) =
            if xmax - xmin >= 360.0 { (-180.0, 180.0) } else { (bring_in(xmin), bring_in(xmax)) };
        Ok(Region { name, xmin, ymin, xmax, ymax, max_land_fraction })
    }

    /// True when a patch with this centre and land fraction is kept for the region's sake. Closed box.
    pub fn takes(&self, lon: f64, lat: f64, land_fraction: f64) -> bool {
        let lon = normalize_lon(lon);
        let inside = if self.xmin <= self.xmax {
            self.xmin <= lon && lon <= self.xmax
        } else {
            lon >= self.xmin || lon <= self.xmax
        };
        inside && self.ymin <= lat && lat <= self.ymax && land_fraction <= self.max_land_fraction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(bounds: [f64; 4]) -> Region {
        Region::new("r".into(), bounds, 0.6).unwrap()
    }

    #[test]
    fn a_region_is_closed_and_has_a_cap() {
        let med = region([-6.0, 30.0, 37.0, 46.0]);
        assert!(med.takes(-6.0, 30.0, 0.6) && med.takes(37.0, 46.0, 0.0) && med.takes(377.0, 40.0, 0.0));
        assert!(!med.takes(-6.1, 40.0, 0.0) && !med.takes(0.0, 40.0, 0.61));
    }

    #[test]
    fn xmin_above_xmax_crosses_the_antimeridian() {
        for fiji in [region([170.0, -20.0, -170.0, -10.0]), region([170.0, -20.0, 190.0, -10.0])] {
            assert!(
                fiji.takes(179.0, -15.0, 0.0)
                    && fiji.takes(-179.0, -15.0, 0.0)
                    && fiji.takes(180.0, -15.0, 0.0)
            );
            assert!(!fiji.takes(0.0, -15.0, 0.0) && !fiji.takes(-169.0, -15.0, 0.0));
        }
        assert!(region([-180.0, -90.0, 180.0, 90.0]).takes(12.0, 0.0, 0.0));
        assert!(region([0.0, -90.0, 360.0, 90.0]).takes(-12.0, 0.0, 0.0));
    }

    #[test]
    fn bad_regions_are_refused() {
        assert!(Region::new("r".into(), [f64::NAN, 0.0, 1.0, 1.0], 0.5).is_err());
        assert!(Region::new("r".into(), [0.0, 1.0, 1.0, 0.0], 0.5).is_err());
        assert!(Region::new("r".into(), [0.0, 0.0, 1.0, 1.0], 1.5).is_err());
    }
}
