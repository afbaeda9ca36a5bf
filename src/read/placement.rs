//! Where a slice lies on a raster: worked out once a file, and handed down to whoever reads it.

use crate::affine::Affine;
use crate::error::{Error, Lack, Result};
use crate::format::gdal::warp::Grid;
use crate::projection::{crs_facts, same_crs};
use crate::read::globe::{Globe, MOST_TURNS, TURN};
use crate::read::source::Source;
use crate::resampling::Resampling;
use crate::slice::Slice;
use crate::window::Window;

/// How far pixels may lie beside the slice's and still be the same, in pixels.
const ALIGNED: f64 = 1e-5;

/// How a slice lies on a raster.
#[derive(Debug)]
pub enum Placement<'a> {
    /// Its pixels would be the slice's own, and it lies beside the slice.
    Aside,
    /// Its pixels are the slice's own, in these windows: one, or one more for each turn of a lon/lat slice that runs on
    /// over the raster's end.
    Aligned(Vec<Window>),
    /// Its pixels are others.
    Warped(Box<Passage<'a>>),
}

/// From a raster's grid to a slice's.
#[derive(Debug)]
pub struct Passage<'a> {
    /// Laid around the globe where the raster goes once around it.
    pub from: Grid<'a>,
    /// The slice's grid.
    pub to: Grid<'a>,
    /// The file's columns laid out around the globe, where it has no ends.
    pub globe: Option<Globe>,
}

impl<'a> Placement<'a> {
    /// # Errors
    /// No CRS or geotransform, a CRS that PROJ does not know, or no transformation between the two.
    pub fn of(source: &'a Source, slice: &'a Slice, resampling: Resampling) -> Result<Placement<'a>> {
        let header = source.header();
        let crs = header.crs.as_deref().ok_or_else(|| Error::unsuited(source.path(), Lack::Crs))?;
        let affine = header.transform.ok_or_else(|| Error::unsuited(source.path(), Lack::Transform))?;
        let size = (header.height, header.width);
        Ok(match aligned_windows(crs, &affine, size, slice)? {
            Some(windows) if windows.is_empty() => Placement::Aside,
            Some(windows) => Placement::Aligned(windows),
            None => Placement::Warped(Box::new(Passage::of(crs, affine, size, slice, resampling)?)),
        })
    }

    /// Whether the raster's pixels are the slice's own, wherever it lies.
    pub fn is_aligned(&self) -> bool {
        !matches!(self, Placement::Warped(_))
    }
}

impl<'a> Passage<'a> {
    /// From a grid of rows and columns.
    ///
    /// # Errors
    /// As [`Globe::of`].
    pub fn of(
        crs: &'a str,
        affine: Affine,
        (height, width): (usize, usize),
        slice: &'a Slice,
        resampling: Resampling,
    ) -> Result<Passage<'a>> {
        let globe = Globe::of(crs, &affine, width, slice, resampling)?;
        let from = match &globe {
            None => Grid { crs, affine, height, width, turn: None },
            Some(globe) => Grid {
                // One that needs no turn is in the slice's CRS, by whatever name.
                crs: if globe.turn.is_none() { slice.crs.as_str() } else { crs },
                affine: globe.affine,
                height,
                width: globe.width,
                turn: globe.turn,
            },
        };
        let to = Grid {
            crs: slice.crs.as_str(),
            affine: slice.affine(),
            height: slice.height as usize,
            width: slice.width as usize,
            turn: None,
        };
        Ok(Passage { from, to, globe })
    }
}

/// Where the slice lies in a raster whose pixels are the slice's own: one window, or one more for each turn of a
/// lon/lat slice that runs on over the raster's end; none when it lies beside the raster. `None` when the pixels are others.
///
/// # Errors
/// A CRS that PROJ does not know.
fn aligned_windows(
    crs: &str,
    affine: &Affine,
    (height, width): (usize, usize),
    slice: &Slice,
) -> Result<Option<Vec<Window>>> {
    let c = affine.0;
    if affine.is_rotated() || c[1] <= 0.0 || c[5] >= 0.0 || !same_crs(crs, slice.crs.as_str())? {
        return Ok(None);
    }
    let turns = match crs_facts(crs)?.geographic {
        true => {
            let first = ((affine.x(0.0) - slice.bbox.xmax) / TURN).floor() + 1.0;
            let last = ((affine.x(width as f64) - slice.bbox.xmin) / TURN).ceil() - 1.0;
            first as i64..=last as i64
        }
        false => 0..=0,
    };
    if turns.clone().count() > MOST_TURNS {
        return Ok(None);
    }
    let mut windows = Vec::new();
    for turn in turns.map(|turn| turn as f64 * TURN) {
        let (row, col) = affine.row_col(slice.bbox.xmin + turn, slice.bbox.ymax);
        let (row_end, col_end) = affine.row_col(slice.bbox.xmax + turn, slice.bbox.ymin);
        let (row_off, col_off) = (row.round(), col.round());
        let far = |at: f64, whole: f64| (at - whole).abs() > ALIGNED;
        if far(row, row_off)
            || far(col, col_off)
            || far(row_end, row_off + f64::from(slice.height))
            || far(col_end, col_off + f64::from(slice.width))
        {
            // Where a whole turn is not a number of pixels, it is for the warper to join the ends.
            return Ok(None);
        }
        let (rows, cols) = (i64::from(slice.height), i64::from(slice.width));
        let Ok(window) = Window::new(row_off as i64, col_off as i64, rows, cols) else { continue };
        if window.clip(height, width).is_some() {
            windows.push(window);
        }
    }
    Ok(Some(windows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbox::Bbox;
    use crate::crs::{CRS84, Crs};

    const UTM: &str = "EPSG:32629";

    fn slice(crs: &str, [xmin, ymin, xmax, ymax]: [f64; 4], height: i64, width: i64) -> Slice {
        Slice::new(Bbox { xmin, ymin, xmax, ymax }, Crs::new(crs), (None, None), height, width).unwrap()
    }

    #[test]
    fn other_pixels_or_another_crs_are_warped() {
        let affine = Affine::north_up(500_000.0, 4_000_000.0, 10.0);
        let of = |affine: &Affine, slice: &Slice| aligned_windows(UTM, affine, (100, 200), slice).unwrap();
        let coarse = slice(UTM, [500_000.0, 3_999_900.0, 500_100.0, 4_000_000.0], 5, 5);
        assert_eq!(of(&affine, &coarse), None);
        let elsewhere = slice("EPSG:32630", [500_000.0, 3_999_900.0, 500_100.0, 4_000_000.0], 10, 10);
        assert_eq!(of(&affine, &elsewhere), None);
        let own = slice(UTM, [500_000.0, 3_999_900.0, 500_100.0, 4_000_000.0], 10, 10);
        assert_eq!(of(&affine, &own).map(|windows| windows.len()), Some(1));
        for turned in [[5e5, 10.0, 0.1, 4e6, 0.0, -10.0], [5e5, 10.0, 0.0, 3.999e6, 0.0, 10.0]] {
            assert_eq!(of(&Affine(turned), &own), None);
        }
    }

    #[test]
    fn the_passage_lays_a_globe_out_and_leaves_another_grid_as_it_is() {
        let degrees = Affine::north_up(-180.0, 90.0, 1.0);
        let plane = slice("EPSG:3857", [1e6, 1e6, 2e6, 2e6], 10, 10);
        let round = Passage::of(CRS84, degrees, (180, 360), &plane, Resampling::Nearest).unwrap();
        assert!(round.globe.is_some() && round.from.turn.is_some());
        assert_eq!((round.from.height, round.from.crs, round.to.width), (180, CRS84, 10));
        assert_eq!(round.to.affine, plane.affine());
        let part = Passage::of(CRS84, degrees, (180, 100), &plane, Resampling::Nearest).unwrap();
        assert!(part.globe.is_none());
        assert_eq!((part.from.affine, part.from.width), (degrees, 100));
    }
}
