//! How much land a query's box holds.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::grid::land::{LandRule, SummedRows, Trust};
use crate::grid::mask::Mask;
use crate::query::Mode;
use crate::query::area::Area;
use crate::read::source::Source;
use crate::window::Window;

/// A mask of land, or none.
pub enum Land {
    /// No box is asked.
    Unasked,
    /// Pixels above 0.5 whose centres lie in a box.
    Mask(Box<Mask>),
    /// A quarter of a degree, the whole globe, as OceanTACO looks at it: every cell that a box touches. And whether rows run
    /// north.
    Quarter(SummedRows, bool),
}

/// Rows and columns of a quarter of a degree.
const ROWS: usize = 720;
const COLS: usize = 1440;
const CELL: f64 = 0.25;

/// Looks whether a mask serves, without its pixels.
///
/// # Errors
/// The mask is not a raster on the globe, or not the one that the mode asks for.
pub fn check(path: &str, mode: Mode) -> Result<()> {
    match mode {
        Mode::Sphere => Mask::open(path, LandRule::AboveHalf).map(|_| ()),
        Mode::OceanTaco => quarter(path).map(|_| ()),
    }
}

/// The raster, and whether its rows run north.
fn quarter(path: &str) -> Result<(Arc<Source>, bool)> {
    let source = Source::open(path)?;
    let header = source.header();
    let (transform, _) = header.georeference(path)?;
    let [west, dx, _, top, _, dy] = transform.0;
    let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    let north_up = near(dy, -CELL) && near(top, 90.0);
    let south_up = near(dy, CELL) && near(top, -90.0);
    let sound = (header.height, header.width) == (ROWS, COLS) && near(west, -180.0) && near(dx, CELL);
    if !(sound && (north_up || south_up)) {
        let problem = format!(
            "\"{path}\" has {} x {} pixels of {dx} degrees from {west}, and mode \"oceantaco\" counts cells of a mask of {ROWS} x {COLS}, a quarter of a degree from -180",
            header.height, header.width
        );
        return Err(Error::conflict(problem, "Give such a mask, or leave the mode at \"sphere\""));
    }
    Ok((source, south_up))
}

impl Land {
    /// Opens a mask and counts its pixels once.
    ///
    /// # Errors
    /// As [`check`], or pixels that cannot be decoded.
    pub fn open(path: &str, mode: Mode) -> Result<Land> {
        if mode == Mode::Sphere {
            return Ok(Land::Mask(Box::new(Mask::open(path, LandRule::AboveHalf)?.summed()?)));
        }
        let (source, south_up) = quarter(path)?;
        let all: Vec<i64> = (0..ROWS as i64).collect();
        let sums = SummedRows::build(&source, LandRule::AboveHalf, &all, (ROWS, COLS), Trust::Named)?;
        Ok(Land::Quarter(sums, south_up))
    }

    /// The share of land of a box; `None` without a mask.
    ///
    /// # Errors
    /// The mask does not cover the box, or has no pixel in it.
    pub fn fraction(&self, area: &Area) -> Result<Option<f64>> {
        match self {
            Land::Unasked => Ok(None),
            Land::Mask(mask) => {
                let found = mask.in_covered(&area.bbox()?, crate::crs::CRS84)?;
                Ok(Some(found.land()))
            }
            Land::Quarter(sums, south_up) => {
                let cell = |degrees: f64, count: usize| ((degrees / CELL) as i64).clamp(0, count as i64 - 1);
                let (west, east) = (cell(area.west + 180.0, COLS), cell(area.east + 180.0, COLS));
                let (south, north) = (cell(area.south + 90.0, ROWS), cell(area.north + 90.0, ROWS));
                let top = if *south_up { south } else { ROWS as i64 - 1 - north };
                let window = Window::new(top, west, north - south + 1, east - west + 1)?;
                Ok(Some(sums.fractions(&window).land()))
            }
        }
    }
}
