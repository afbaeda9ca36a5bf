//! One band of a raster on a slice's grid: copied where the pixels already lie on it, else warped.

use crate::affine::Affine;
use crate::dtype::{Dtype, Pixel};
use crate::error::{Error, Result};
use crate::format::Header;
use crate::format::gdal::warp::{self, Grid, Pixels, Resampling, Rule, Warped};
use crate::format::gdal::{crs_facts, project, same_crs};
use crate::read::patch::{PatchOptions, read_patch};
use crate::read::resample;
use crate::read::source::Source;
use crate::slice::Slice;
use crate::window::Window;

/// How the pixels of one file come onto a slice's grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Warp {
    pub resampling: Resampling,
    /// In pixels of the file; 0 projects every pixel.
    pub tolerance: f64,
    /// `pixel * scale + offset`, computed before any resampling, in float64.
    pub scaled: bool,
    /// The type in which pixels are weighed and rounded; `None` is the band's own.
    pub dtype: Option<Dtype>,
}

/// Stands for no pixel while scaled values are warped: NaN may be a value of the file.
const NONE: f64 = f64::MIN;

/// How far pixels may lie beside the slice's and still be the same, in pixels.
const ALIGNED: f64 = 1e-5;

/// One band (from 1) on the slice's grid; `None` when the file does not touch the slice.
///
/// # Errors
/// No CRS or geotransform, no transformation between the two CRSs, or blocks that can not be decoded.
pub fn band_onto<T: Pixel>(
    source: &Source,
    band: usize,
    slice: &Slice,
    how: &Warp,
) -> Result<Option<Warped<T>>> {
    match aligned_windows(source, slice)? {
        Some(windows) => copy(source, band, slice, &windows, how.scaled),
        None => warped(source, band, slice, how),
    }
}

/// Where the slice lies in a raster whose pixels are the slice's own: one window, or two where a lon/lat slice runs
/// on over the raster's end; none when it lies beside the raster. `None` when the pixels are others.
///
/// # Errors
/// As [`band_onto`].
pub fn aligned_windows(source: &Source, slice: &Slice) -> Result<Option<Vec<Window>>> {
    let (crs, affine) = place(source)?;
    let c = affine.0;
    if affine.is_rotated() || c[1] <= 0.0 || c[5] >= 0.0 || !same_crs(crs, slice.crs.as_str())? {
        return Ok(None);
    }
    let turns: &[f64] = if crs_facts(crs)?.geographic { &[0.0, 360.0, -360.0] } else { &[0.0] };
    let header = source.header();
    let mut windows = Vec::new();
    for turn in turns {
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

/// A raster's CRS and geotransform, without which its pixels have no place.
fn place(source: &Source) -> Result<(&str, Affine)> {
    let header: &Header = source.header();
    let path = || source.path().to_string();
    let crs = header.crs.as_deref().ok_or_else(|| Error::NoCrs { path: path() })?;
    let affine = header.transform.ok_or_else(|| Error::NoTransform { path: path() })?;
    Ok((crs, affine))
}

fn copy<T: Pixel>(
    source: &Source,
    band: usize,
    slice: &Slice,
    windows: &[Window],
    scaled: bool,
) -> Result<Option<Warped<T>>> {
    let mut all: Option<Warped<T>> = None;
    let options = PatchOptions { scaled, ..PatchOptions::default() };
    for window in windows {
        let mut part = Warped { pixels: vec![T::default(); slice.area()], valid: vec![1; slice.area()] };
        for gap in read_patch(source, window, &[band], &options, &mut part.pixels)? {
            if let Some(places) = part.valid.get_mut(gap) {
                places.fill(0);
            }
        }
        match &mut all {
            None => all = Some(part),
            Some(all) => {
                let cells =
                    all.pixels.iter_mut().zip(&mut all.valid).zip(part.pixels.iter().zip(&part.valid));
                for ((pixel, valid), (new, there)) in cells {
                    if *valid == 0 && *there != 0 {
                        (*pixel, *valid) = (*new, 1);
                    }
                }
            }
        }
    }
    Ok(all)
}

fn warped<T: Pixel>(source: &Source, band: usize, slice: &Slice, how: &Warp) -> Result<Option<Warped<T>>> {
    let (crs, affine) = place(source)?;
    let header = source.header();
    let no_band = || Error::Bug(format!("no band {band}"));
    let facts = header.bands.get(band.wrapping_sub(1)).ok_or_else(no_band)?;
    let shift = if meets_the_ends(source, slice)? { header.width / 2 } else { 0 };
    let affine =
        Affine([affine.x(shift as f64), affine.0[1], affine.0[2], affine.0[3], affine.0[4], affine.0[5]]);
    let from = Grid { crs, affine, height: header.height, width: header.width };
    let to = Grid {
        crs: slice.crs.as_str(),
        affine: slice.affine(),
        height: slice.height as usize,
        width: slice.width as usize,
    };
    // A scaled pixel is no longer comparable with the file's nodata value, so gaps get a value of their own.
    let fill = how.scaled.then_some(NONE);
    let options = PatchOptions { scaled: how.scaled, fill, ..PatchOptions::default() };
    let nodata = match fill {
        Some(fill) => Some(T::of(fill)),
        None => facts.nodata.filter(|_| !facts.masked).and_then(T::nodata),
    };
    let image = |window: &Window, out: &mut [T]| -> Result<()> {
        around(window, header.width, shift, out, |part, out| {
            read_patch(source, part, &[band], &options, out).map(|_| ())
        })
    };
    let mask = |window: &Window, out: &mut [u8]| -> Result<()> {
        around(window, header.width, shift, out, |part, out| {
            let mut pixels = vec![T::default(); out.len()];
            out.fill(255);
            for gap in read_patch(source, part, &[band], &options, &mut pixels)? {
                if let Some(places) = out.get_mut(gap) {
                    places.fill(0);
                }
            }
            Ok(())
        })
    };
    if !facts.masked
        && let Some(quick) = resample::quick(&from, &to, how, nodata, &image)?
    {
        return Ok(Some(quick));
    }
    let by_mask = facts.masked && nodata.is_none();
    let pixels = Pixels { image: &image, mask: by_mask.then_some(&mask as &warp::Fetch<'_, u8>) };
    let rule = Rule { resampling: how.resampling, tolerance: how.tolerance, nodata };
    warp::warp(&from, &to, &rule, &pixels)
}

/// Whether a file that goes once around the globe begins and ends within the slice. Its columns are then handed to
/// the warper from the opposite side on, so that pixels are weighed over its ends as anywhere else. A slice of half a
/// globe or more has such a line somewhere, wherever the columns begin.
fn meets_the_ends(source: &Source, slice: &Slice) -> Result<bool> {
    let (crs, affine) = place(source)?;
    let width = source.header().width as f64;
    let turn = affine.0[1] * width;
    if affine.is_rotated() || (turn - 360.0).abs() > 1e-6 * affine.0[1] || !crs_facts(crs)?.geographic {
        return Ok(false);
    }
    let b = &slice.bbox;
    let (x, y) = ((b.xmin + b.xmax) / 2.0, (b.ymin + b.ymax) / 2.0);
    let mut points = vec![(x, y)];
    points.extend(b.densified_ring(5));
    project(slice.crs.as_str(), crs, &mut points)?;
    let Some(&(centre, _)) = points.first() else { return Ok(false) };
    if points.iter().any(|(lon, _)| lon.is_nan()) {
        return Ok(false);
    }
    // Longitudes from the slice's centre, each the short way around.
    let from_centre = |lon: f64| lon - centre - ((lon - centre) / 360.0).round() * 360.0;
    let (west, east) = if slice_is_geographic(slice)? {
        (b.xmin - centre, b.xmax - centre)
    } else {
        let reach = points.iter().map(|(lon, _)| from_centre(*lon));
        reach.fold((0.0f64, 0.0f64), |(west, east), lon| (west.min(lon), east.max(lon)))
    };
    // The widest of the kernels, with pixels as wide as the slice's where those are the wider.
    let margin = 10.0 * affine.0[1].max((east - west) / f64::from(slice.width));
    if east - west > 180.0 {
        return Ok(false);
    }
    let end = from_centre(affine.0[0]);
    Ok([end - 360.0, end, end + 360.0].iter().any(|end| west - margin <= *end && *end <= east + margin))
}

fn slice_is_geographic(slice: &Slice) -> Result<bool> {
    Ok(crs_facts(slice.crs.as_str())?.geographic)
}

/// Reads a window of a raster whose columns are counted from `shift` on, around its end.
fn around<P: Copy + Default>(
    window: &Window,
    columns: usize,
    shift: usize,
    out: &mut [P],
    read: impl Fn(&Window, &mut [P]) -> Result<()>,
) -> Result<()> {
    let (columns, start) = (columns as i64, window.col_off + shift as i64);
    if start + i64::from(window.width) <= columns {
        return read(&Window { col_off: start, ..*window }, out);
    }
    if start >= columns {
        return read(&Window { col_off: start - columns, ..*window }, out);
    }
    let first = (columns - start) as u32;
    let parts = [(0, start, first), (first as usize, 0, window.width - first)];
    for (to, col_off, width) in parts {
        let mut part = vec![P::default(); window.height as usize * width as usize];
        read(&Window { col_off, width, ..*window }, &mut part)?;
        for (row, pixels) in out.chunks_mut(window.width as usize).zip(part.chunks(width as usize)) {
            if let Some(places) = row.get_mut(to..to + pixels.len()) {
                places.copy_from_slice(pixels);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raster_read_from_its_middle_goes_around_its_end() {
        let read = |window: &Window, out: &mut [i64]| {
            for (row, line) in out.chunks_mut(window.width as usize).enumerate() {
                for (col, cell) in line.iter_mut().enumerate() {
                    *cell = 100 * (window.row_off + row as i64) + window.col_off + col as i64;
                }
            }
            Ok(())
        };
        let mut out = [0; 8];
        for (col, wanted) in [(0, [5, 6, 7, 8]), (3, [8, 9, 0, 1]), (6, [1, 2, 3, 4])] {
            around(&Window::new(0, col, 2, 4).unwrap(), 10, 5, &mut out, read).unwrap();
            assert_eq!(out[..4], wanted);
            assert_eq!(out[4..], wanted.map(|v| v + 100));
        }
    }
}
