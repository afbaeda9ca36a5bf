//! A slice: where, when, how fine and in which CRS one wants data, whatever the files are.

use std::fmt;

use crate::affine::Affine;
use crate::bbox::Bbox;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::interval::Interval;

/// A north-up grid of `height` x `width` pixels over a box, and a closed interval of time.
///
/// The resolution is derived: `box / pixels` along each axis. Row 0 lies at `ymax`, column 0 at `xmin`.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// In units of `crs`, (x, y). A lon/lat box that crosses the antimeridian runs on beyond 180.
    pub bbox: Bbox,
    /// The CRS of the box.
    pub crs: Crs,
    /// Microseconds since 1970, UTC, both inside; `None` is open.
    pub t_min: Option<i64>,
    /// Its last microsecond, inside.
    pub t_max: Option<i64>,
    /// Rows of pixels.
    pub height: u32,
    /// Columns of pixels.
    pub width: u32,
}

/// How far a box may miss a whole number of pixels and still count as one: coordinates are seldom exact.
const SLACK: f64 = 1e-6;

impl Slice {
    /// # Errors
    /// A box without area, fewer than 1 x 1 pixels, or an interval that ends before it starts.
    pub fn new(
        bbox: Bbox,
        crs: Crs,
        times: (Option<i64>, Option<i64>),
        height: i64,
        width: i64,
    ) -> Result<Slice> {
        let bbox = Bbox::new(bbox.xmin, bbox.ymin, bbox.xmax, bbox.ymax)?;
        if bbox.width() <= 0.0 || bbox.height() <= 0.0 {
            return Err(Error::invalid(bbox, "a box with an area"));
        }
        let side = |n: i64| u32::try_from(n).ok().filter(|n| (1..=i32::MAX as u32).contains(n));
        let (Some(height), Some(width)) = (side(height), side(width)) else {
            let size = format!("a slice of {height} x {width} pixels");
            return Err(Error::invalid(size, "at least 1 x 1 pixels, and sides that an INTEGER holds"));
        };
        check_times(times.0, times.1)?;
        Ok(Slice { bbox, crs, t_min: times.0, t_max: times.1, height, width })
    }

    /// From a resolution, (x, y) in units of the CRS. The upper left corner of the box is kept, each side is
    /// rounded to the nearest whole number of pixels, and the right and lower edge move there. This is what
    /// rasterio.merge and gdalwarp -tr do.
    ///
    /// A side of no length becomes one pixel, in whose middle it lies.
    ///
    /// # Errors
    /// A resolution that is not positive, or wider than the box.
    pub fn at_resolution(
        bbox: Bbox,
        crs: Crs,
        times: (Option<i64>, Option<i64>),
        resolution: (f64, f64),
    ) -> Result<Slice> {
        let (xres, yres) = resolution;
        check_resolution(&bbox, resolution)?;
        // Halves go to the even number, as Python's round does.
        let width = (bbox.width() / xres).round_ties_even().max(1.0);
        let height = (bbox.height() / yres).round_ties_even().max(1.0);
        let half = |side: f64, res: f64| if side > 0.0 { 0.0 } else { res / 2.0 };
        let (xmin, ymax) = (bbox.xmin - half(bbox.width(), xres), bbox.ymax + half(bbox.height(), yres));
        let bbox = Bbox { xmin, xmax: xmin + width * xres, ymin: ymax - height * yres, ymax };
        Slice::new(bbox, crs, times, height as i64, width as i64)
    }

    /// As [`Slice::at_resolution`], on the grid whose edges are the multiples of the resolution: the box grows to
    /// whole pixels of it on every side. This is gdalwarp -tap, and odc-geo's default.
    ///
    /// # Errors
    /// A resolution that is not positive, or wider than the box.
    pub fn aligned(
        bbox: Bbox,
        crs: Crs,
        times: (Option<i64>, Option<i64>),
        resolution: (f64, f64),
    ) -> Result<Slice> {
        check_resolution(&bbox, resolution)?;
        let down = |v: f64, res: f64| (v / res + SLACK).floor();
        let up = |v: f64, res: f64| (v / res - SLACK).ceil();
        let (xres, yres) = resolution;
        let (left, lower) = (down(bbox.xmin, xres), down(bbox.ymin, yres));
        let (right, upper) = (up(bbox.xmax, xres).max(left + 1.0), up(bbox.ymax, yres).max(lower + 1.0));
        let bbox = Bbox { xmin: left * xres, ymin: lower * yres, xmax: right * xres, ymax: upper * yres };
        Slice::new(bbox, crs, times, (upper - lower) as i64, (right - left) as i64)
    }

    /// From pixels to the map.
    pub fn affine(&self) -> Affine {
        let (xres, yres) = self.resolution();
        Affine([self.bbox.xmin, xres, 0.0, self.bbox.ymax, 0.0, -yres])
    }

    /// Width and height of a pixel, in units of the CRS.
    pub fn resolution(&self) -> (f64, f64) {
        (self.bbox.width() / f64::from(self.width), self.bbox.height() / f64::from(self.height))
    }

    /// Pixels of one band.
    pub fn area(&self) -> usize {
        (self.width as usize).saturating_mul(self.height as usize)
    }
}

/// # Errors
/// An interval that ends before it starts; an open side fits any other.
pub fn check_times(t_min: Option<i64>, t_max: Option<i64>) -> Result<()> {
    match (t_min, t_max) {
        (Some(start), Some(stop)) if start > stop => {
            Err(Error::invalid(Interval { start, stop }, "an interval with t_min <= t_max"))
        }
        _ => Ok(()),
    }
}

fn check_resolution(bbox: &Bbox, (xres, yres): (f64, f64)) -> Result<()> {
    for res in [xres, yres] {
        if !(res.is_finite() && res > 0.0) {
            return Err(Error::invalid(res, "a resolution above 0, in units of the CRS"));
        }
    }
    let (width, height) = (bbox.width(), bbox.height());
    let too_wide = |res: f64, side: f64| side > 0.0 && res > side * (1.0 + SLACK);
    let or = |side: f64, res: f64| if side > 0.0 { side } else { res };
    if too_wide(xres, width) || too_wide(yres, height) {
        return Err(Error::conflict(
            format!("a resolution of {xres} x {yres} is wider than the {bbox}, which is {width} x {height}"),
            format!(
                "For a slice of one pixel give the box itself, [{}, {}], or a point, which is the middle of one",
                or(width, xres),
                or(height, yres)
            ),
        ));
    }
    Ok(())
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (xres, yres) = self.resolution();
        write!(f, "slice of {} x {} pixels of {xres} x {yres} over {}", self.height, self.width, self.bbox)?;
        write!(f, " in {}", self.crs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(bbox: [f64; 4], res: f64) -> Result<Slice> {
        let [xmin, ymin, xmax, ymax] = bbox;
        Slice::at_resolution(
            Bbox { xmin, ymin, xmax, ymax },
            Crs::new("EPSG:32629"),
            (None, None),
            (res, res),
        )
    }

    #[test]
    fn the_upper_left_is_kept_and_the_far_edges_move_to_whole_pixels() {
        let slice = sized([0.0, 0.0, 104.0, 96.0], 10.0).unwrap();
        assert_eq!((slice.height, slice.width), (10, 10));
        assert_eq!(slice.bbox, Bbox { xmin: 0.0, ymin: -4.0, xmax: 100.0, ymax: 96.0 });
        assert_eq!(slice.affine(), Affine([0.0, 10.0, 0.0, 96.0, 0.0, -10.0]));
    }

    #[test]
    fn an_aligned_slice_grows_to_multiples_of_the_resolution() {
        let bbox = Bbox { xmin: 3.0, ymin: -4.0, xmax: 100.0, ymax: 91.0 };
        let slice = Slice::aligned(bbox, Crs::new("EPSG:32629"), (None, None), (10.0, 10.0)).unwrap();
        assert_eq!(slice.bbox, Bbox { xmin: 0.0, ymin: -10.0, xmax: 100.0, ymax: 100.0 });
        assert_eq!((slice.height, slice.width), (11, 10));
    }

    #[test]
    fn a_box_of_one_pixel_is_a_slice_whatever_its_last_digits() {
        let slice = sized([-3.7038, 40.4168, -3.7028, 40.4178], 0.001).unwrap();
        assert_eq!((slice.height, slice.width), (1, 1));
    }

    #[test]
    fn a_resolution_must_be_positive_and_fit() {
        for res in [0.0, -10.0, f64::NAN, f64::INFINITY, 100.1] {
            assert!(sized([0.0, 0.0, 100.0, 100.0], res).is_err(), "{res}");
        }
    }

    #[test]
    fn a_side_of_no_length_is_one_pixel_around_it() {
        let slice = sized([5.0, 0.0, 5.0, 100.0], 2.0).unwrap();
        assert_eq!((slice.width, slice.height), (1, 50));
        assert_eq!((slice.bbox.xmin, slice.bbox.xmax, slice.bbox.ymin), (4.0, 6.0, 0.0));
    }
}
