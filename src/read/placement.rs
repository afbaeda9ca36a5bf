//! Where a slice lies on a raster: worked out once a file, and handed down to whoever reads it.

use crate::affine::Affine;
use crate::error::{Error, Result};
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
    Warped(Passage<'a>),
}

/// From a raster's grid to a slice's.
#[derive(Debug)]
pub struct Passage<'a> {
    /// Laid around the globe where the raster goes once around it.
    pub from: Grid<'a>,
    pub to: Grid<'a>,
    pub globe: Option<Globe>,
}

impl<'a> Placement<'a> {
    /// # Errors
    /// No CRS or geotransform, a CRS that PROJ does not know, or no transformation between the two.
    pub fn of(source: &'a Source, slice: &'a Slice, resampling: Resampling) -> Result<Placement<'a>> {
        let header = source.header();
        let path = || source.path().to_string();
        let crs = header.crs.as_deref().ok_or_else(|| Error::NoCrs { path: path() })?;
        let affine = header.transform.ok_or_else(|| Error::NoTransform { path: path() })?;
        Ok(match aligned_windows(source, crs, &affine, slice)? {
            Some(windows) if windows.is_empty() => Placement::Aside,
            Some(windows) => Placement::Aligned(windows),
            None => {
                let size = (header.height, header.width);
                Placement::Warped(Passage::of(crs, affine, size, slice, resampling)?)
            }
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
    source: &Source,
    crs: &str,
    affine: &Affine,
    slice: &Slice,
) -> Result<Option<Vec<Window>>> {
    let c = affine.0;
    if affine.is_rotated() || c[1] <= 0.0 || c[5] >= 0.0 || !same_crs(crs, slice.crs.as_str())? {
        return Ok(None);
    }
    let header = source.header();
    let turns = match crs_facts(crs)?.geographic {
        true => {
            let first = ((affine.x(0.0) - slice.bbox.xmax) / TURN).floor() + 1.0;
            let last = ((affine.x(header.width as f64) - slice.bbox.xmin) / TURN).ceil() - 1.0;
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
            // Where a whole turn is no number of pixels, it is for the warper to join the ends.
            return Ok(None);
        }
        let (height, width) = (i64::from(slice.height), i64::from(slice.width));
        let Ok(window) = Window::new(row_off as i64, col_off as i64, height, width) else { continue };
        if window.clip(header.height, header.width).is_some() {
            windows.push(window);
        }
    }
    Ok(Some(windows))
}
