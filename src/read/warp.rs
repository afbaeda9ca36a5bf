//! One band of a raster on a slice's grid: copied where the pixels already lie on it, else warped.

use crate::dtype::{Nodata, Pixel};
use crate::error::{Error, Result};
use crate::format::gdal::warp;
use crate::format::gdal::warp::{Pixels, Rule, Warped};
use crate::read::globe::Globe;
use crate::read::patch::{PatchOptions, PatchRequest};
use crate::read::placement::{Passage, Placement};
use crate::read::resample;
use crate::read::source::Source;
use crate::resampling::Warp;
use crate::window::Window;

/// Stands for no pixel while scaled values are warped: NaN may be a value of the file.
const NONE: f64 = f64::MIN;

/// One band (from 1) on the grid of the slice that was placed for this resampling; `None` when the file does not touch
/// the slice. Bands `beside` it are brought there next.
///
/// # Errors
/// No transformation between the two CRSs, or blocks that cannot be decoded.
pub fn band_onto<T: Pixel>(
    source: &Source,
    band: usize,
    beside: &[usize],
    placement: &Placement<'_>,
    how: &Warp,
) -> Result<Option<Warped<T>>> {
    match placement {
        Placement::Aside => Ok(None),
        Placement::Aligned(windows) => copy(source, (band, beside), windows, how),
        Placement::Warped(passage) => warped(source, (band, beside), passage, how),
    }
}

fn copy<T: Pixel>(
    source: &Source,
    (band, beside): (usize, &[usize]),
    windows: &[Window],
    how: &Warp,
) -> Result<Option<Warped<T>>> {
    let mut all: Option<Warped<T>> = None;
    let options = PatchOptions { scaled: how.scaled, nodata: how.nodata, ..PatchOptions::default() };
    for window in windows {
        let mut part = Warped { pixels: vec![T::default(); window.area()], valid: vec![1; window.area()] };
        let request = PatchRequest { source, window: *window, bands: &[band], beside, options: &options };
        for gap in request.read(&mut part.pixels)? {
            if let Some(pixels) = part.valid.get_mut(gap) {
                pixels.fill(0);
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
    (band, beside): (usize, &[usize]),
    passage: &Passage<'_>,
    how: &Warp,
) -> Result<Option<Warped<T>>> {
    let Passage { from, to, globe } = passage;
    let no_band = || Error::Bug(format!("no band {band}"));
    let metadata = source.header().bands.get(band.wrapping_sub(1)).ok_or_else(no_band)?;
    // A scaled pixel is no longer comparable with the file's nodata value, so gaps get a value of their own.
    let fill = how.scaled.then_some(NONE);
    let options = PatchOptions { scaled: how.scaled, nodata: how.nodata, fill, ..PatchOptions::default() };
    let nodata = match fill {
        Some(fill) => Some(T::of(fill)),
        // A mask's gaps hold those of a nodata value given by hand.
        None => {
            how.nodata.map(Nodata::Float).or(metadata.nodata).filter(|_| !metadata.masked).and_then(T::nodata)
        }
    };
    let bands = [band];
    let of = |part: &Window| PatchRequest { source, window: *part, bands: &bands, beside, options: &options };
    let image = |window: &Window, out: &mut [T]| -> Result<()> {
        around(window, globe.as_ref(), out, |part, out| of(part).read(out).map(|_| ()))
    };
    let mask = |window: &Window, out: &mut [u8]| -> Result<()> {
        around(window, globe.as_ref(), out, |part, out| {
            let mut pixels = vec![T::default(); out.len()];
            out.fill(255);
            for gap in of(part).read(&mut pixels)? {
                if let Some(pixels) = out.get_mut(gap) {
                    pixels.fill(0);
                }
            }
            Ok(())
        })
    };
    if !metadata.masked
        && let Some(quick) = resample::quick(from, to, how, nodata, &image)?
    {
        return Ok(Some(quick));
    }
    let by_mask = metadata.masked && nodata.is_none();
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
            if let Some(span) = row.get_mut(to..to + pixels.len()) {
                span.copy_from_slice(pixels);
            }
        }
        to += width as usize;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbox::Bbox;
    use crate::crs::Crs;
    use crate::error::Lack;
    use crate::resampling::Resampling;
    use crate::slice::Slice;
    use crate::testing::{Folder, RasterSpec};
    use std::sync::Arc;

    const LINE: &str = "6x8 uint8 EPSG:32632 10 strip=2 | count";
    const NEAREST: Warp =
        Warp { resampling: Resampling::Nearest, tolerance: 0.125, scaled: false, nodata: None, dtype: None };

    fn source(line: &str) -> (Folder, Arc<Source>) {
        let folder = Folder::new();
        let source = Source::open(&folder.raster("a.tif", line)).unwrap();
        (folder, source)
    }

    /// The slice of some corners, (xmin, ymin, xmax, ymax), and a size, (height, width).
    fn slice(crs: &str, corners: [f64; 4], size: (i64, i64)) -> Slice {
        let [xmin, ymin, xmax, ymax] = corners;
        let bbox = Bbox::new(xmin, ymin, xmax, ymax).unwrap();
        Slice::new(bbox, Crs::new(crs), (None, None), size.0, size.1).unwrap()
    }

    fn window(row: i64, col: i64, height: i64, width: i64) -> Window {
        Window::new(row, col, height, width).unwrap()
    }

    /// The windows of an aligned slice; `None` where it has to be warped.
    fn windows_of(source: &Source, slice: &Slice) -> Option<Vec<Window>> {
        match Placement::of(source, slice, Resampling::Nearest).unwrap() {
            Placement::Aside => Some(Vec::new()),
            Placement::Aligned(windows) => Some(windows),
            Placement::Warped(_) => None,
        }
    }

    fn onto(source: &Source, slice: &Slice) -> Option<Warped<u8>> {
        let placement = Placement::of(source, slice, Resampling::Nearest).unwrap();
        band_onto(source, 1, &[], &placement, &NEAREST).unwrap()
    }

    #[test]
    fn a_slice_on_the_rasters_own_grid_is_a_window() {
        let (_folder, source) = source(LINE);
        let windows = |corners, size| windows_of(&source, &slice("EPSG:32632", corners, size));
        let inside = Some(vec![window(1, 2, 3, 4)]);
        assert_eq!(windows([20.0, -40.0, 60.0, -10.0], (3, 4)), inside);
        // Within a hundred thousandth of a pixel it is the same, beyond it is not.
        assert_eq!(windows([20.00005, -39.99995, 60.00005, -9.99995], (3, 4)), inside);
        assert_eq!(windows([20.001, -39.999, 60.001, -9.999], (3, 4)), None);
        assert_eq!(windows([25.0, -40.0, 65.0, -10.0], (3, 4)), None);
        assert_eq!(windows([20.0, -40.0, 60.0, -10.0], (6, 8)), None);
        // Over the edge, and beside the raster.
        assert_eq!(windows([-20.0, -20.0, 20.0, 20.0], (4, 4)), Some(vec![window(-2, -2, 4, 4)]));
        assert_eq!(windows([1000.0, -20.0, 1040.0, 20.0], (4, 4)), Some(Vec::new()));
        // It touches, and shares no pixel.
        assert_eq!(windows([80.0, -20.0, 120.0, 20.0], (4, 4)), Some(Vec::new()));
        let other = slice("EPSG:32633", [20.0, -40.0, 60.0, -10.0], (3, 4));
        assert_eq!(windows_of(&source, &other), None);
    }

    #[test]
    fn an_aligned_slice_holds_the_files_pixels_and_none_beside_it() {
        let (_folder, source) = source(LINE);
        let spec = RasterSpec::parse(LINE);
        let over = slice("EPSG:32632", [-20.0, -40.0, 30.0, 10.0], (5, 5));
        let Warped { pixels, valid } = onto(&source, &over).unwrap();
        for (i, (pixel, valid)) in pixels.iter().zip(&valid).enumerate() {
            let (row, col) = (i as i64 / 5 - 1, i as i64 % 5 - 2);
            let read = (*valid != 0).then(|| f64::from(*pixel));
            assert_eq!(read, spec.pixel(0, row, col), "row {row}, col {col}");
        }
        let beside = slice("EPSG:32632", [1000.0, -20.0, 1040.0, 20.0], (4, 4));
        assert!(onto(&source, &beside).is_none());
    }

    #[test]
    fn a_slice_over_the_antimeridian_is_a_window_at_each_end_of_the_globe() {
        let (_folder, source) = source("2x36 uint8 EPSG:4326 10 at=-180,10 | count");
        let crs = source.header().crs.clone().unwrap();
        let over = slice(&crs, [160.0, -10.0, 210.0, 10.0], (2, 5));
        let windows = windows_of(&source, &over).unwrap();
        assert_eq!(windows, [window(0, -2, 2, 5), window(0, 34, 2, 5)]);
        let Warped { pixels, valid } = onto(&source, &over).unwrap();
        assert_eq!(pixels, [34, 35, 0, 1, 2, 70, 71, 36, 37, 38]);
        assert!(valid.iter().all(|valid| *valid != 0));
    }

    #[test]
    fn a_raster_without_a_place_comes_onto_no_slice() {
        let (_folder, source) = source("2x2 uint8 - 10 | count");
        let any = slice("EPSG:32632", [0.0, 0.0, 20.0, 20.0], (2, 2));
        assert!(matches!(
            Placement::of(&source, &any, Resampling::Nearest),
            Err(Error::Unsuited { lack: Lack::Crs, .. })
        ));
    }
}
