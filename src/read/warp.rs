//! One band of a raster on a slice's grid: copied where the pixels already lie on it, else warped.

use crate::dtype::Pixel;
use crate::error::{Error, Result};
use crate::format::gdal::warp;
use crate::format::gdal::warp::{Pixels, Rule, Warped};
use crate::read::globe::Globe;
use crate::read::patch::{PatchOptions, read_patch};
use crate::read::placement::{Passage, Placement};
use crate::read::resample;
use crate::read::source::Source;
use crate::resampling::Warp;
use crate::window::Window;

/// Stands for no pixel while scaled values are warped: NaN may be a value of the file.
const NONE: f64 = f64::MIN;

/// One band (from 1) on the grid of the slice that was placed for this resampling; `None` when the file does not touch
/// the slice.
///
/// # Errors
/// No transformation between the two CRSs, or blocks that can not be decoded.
pub fn band_onto<T: Pixel>(
    source: &Source,
    band: usize,
    placement: &Placement<'_>,
    how: &Warp,
) -> Result<Option<Warped<T>>> {
    match placement {
        Placement::Aside => Ok(None),
        Placement::Aligned(windows) => copy(source, band, windows, how.scaled),
        Placement::Warped(passage) => warped(source, band, passage, how),
    }
}

fn copy<T: Pixel>(
    source: &Source,
    band: usize,
    windows: &[Window],
    scaled: bool,
) -> Result<Option<Warped<T>>> {
    let mut all: Option<Warped<T>> = None;
    let options = PatchOptions { scaled, ..PatchOptions::default() };
    for window in windows {
        let mut part = Warped { pixels: vec![T::default(); window.area()], valid: vec![1; window.area()] };
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

fn warped<T: Pixel>(
    source: &Source,
    band: usize,
    passage: &Passage<'_>,
    how: &Warp,
) -> Result<Option<Warped<T>>> {
    let Passage { from, to, globe } = passage;
    let no_band = || Error::Bug(format!("no band {band}"));
    let facts = source.header().bands.get(band.wrapping_sub(1)).ok_or_else(no_band)?;
    // A scaled pixel is no longer comparable with the file's nodata value, so gaps get a value of their own.
    let fill = how.scaled.then_some(NONE);
    let options = PatchOptions { scaled: how.scaled, fill, ..PatchOptions::default() };
    let nodata = match fill {
        Some(fill) => Some(T::of(fill)),
        None => facts.nodata.filter(|_| !facts.masked).and_then(T::nodata),
    };
    let image = |window: &Window, out: &mut [T]| -> Result<()> {
        around(window, globe.as_ref(), out, |part, out| {
            read_patch(source, part, &[band], &options, out).map(|_| ())
        })
    };
    let mask = |window: &Window, out: &mut [u8]| -> Result<()> {
        around(window, globe.as_ref(), out, |part, out| {
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
        && let Some(quick) = resample::quick(from, to, how, nodata, &image)?
    {
        return Ok(Some(quick));
    }
    let by_mask = facts.masked && nodata.is_none();
    let pixels = Pixels { image: &image, mask: by_mask.then_some(&mask as &warp::Fetch<'_, u8>) };
    let rule = Rule { resampling: how.resampling, tolerance: how.tolerance, nodata };
    warp::warp(from, to, &rule, &pixels)
}

/// Reads a window of a raster; of one that is laid around the globe, run by run of its own columns.
fn around<P: Copy + Default>(
    window: &Window,
    globe: Option<&Globe>,
    out: &mut [P],
    read: impl Fn(&Window, &mut [P]) -> Result<()>,
) -> Result<()> {
    let Some(globe) = globe else { return read(window, out) };
    let mut to = 0;
    for (col_off, width) in globe.runs(window.col_off, window.width) {
        let part = Window { col_off, width, ..*window };
        if width == window.width {
            return read(&part, out);
        }
        let mut pixels = vec![P::default(); part.area()];
        read(&part, &mut pixels)?;
        for (row, pixels) in out.chunks_mut(window.width as usize).zip(pixels.chunks(width as usize)) {
            if let Some(places) = row.get_mut(to..to + pixels.len()) {
                places.copy_from_slice(pixels);
            }
        }
        to += width as usize;
    }
    Ok(())
}
