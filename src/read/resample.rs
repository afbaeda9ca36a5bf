//! Nearest and bilinear over positions that are known, where GDAL's warper would do just that: a slice that lies whole
//! inside a raster and is no coarser than it. Everything else is GDAL's own (`format/gdal/warp.rs`).
//!
//! The arithmetic is GDAL's, in its order (gdalwarpkernel.cpp, GWKBilinearResampleNoMasks4SampleT and
//! GWKCheckAndComputeSrcOffsets), so that which of the two answers is not to be seen in the pixels.

use crate::dtype::{Dtype, Pixel};
use crate::error::{Error, Result};
use crate::format::gdal::warp::{Grid, Positions, Warped, positions};
use crate::resampling::{Resampling, Warp};
use crate::window::Window;

/// GDAL splits what takes more memory than 64 MiB, and with it the rows along which it interpolates positions.
const MOST_BYTES: usize = 16 << 20;

/// Warps one band, or gives `None` where that is for GDAL. `nodata` is the value that stands for no pixel.
///
/// # Errors
/// As the warper.
pub fn quick<T: Pixel>(
    from: &Grid<'_>,
    to: &Grid<'_>,
    how: &Warp,
    nodata: Option<T>,
    image: &dyn Fn(&Window, &mut [T]) -> Result<()>,
) -> Result<Option<Warped<T>>> {
    let bilinear = match how.resampling {
        Resampling::Nearest => false,
        Resampling::Bilinear => true,
        _ => return Ok(None),
    };
    let area = to.height.saturating_mul(to.width);
    if area.saturating_mul(size_of::<T>()) > MOST_BYTES {
        return Ok(None);
    }
    let Some(positions) = positions(from, to, how.tolerance)? else { return Ok(None) };
    let Some(reach) = Reach::of(&positions) else { return Ok(None) };
    // Coarser than the raster, GDAL widens its kernels.
    if bilinear && (to.width < 2 || to.height < 2 || !reach.is_finer_than_source(to)) {
        return Ok(None);
    }
    let Some(window) = reach.window(from, area) else { return Ok(None) };
    let mut source = vec![T::default(); window.area()];
    image(&window, &mut source)?;
    let warped = if bilinear {
        interpolate(&positions, &window, &source, nodata)
    } else {
        pick(&positions, &window, &source, nodata)
    };
    warped.map(Some).ok_or_else(|| Error::Bug("a pixel beyond the window that was read".into()))
}

/// The least and the greatest column and row among positions.
struct Reach {
    x: (f64, f64),
    y: (f64, f64),
}

impl Reach {
    fn of(positions: &Positions) -> Option<Reach> {
        let extent = |values: &[f64]| {
            let start = (f64::INFINITY, f64::NEG_INFINITY);
            values.iter().fold(start, |(low, high), v| (low.min(*v), high.max(*v)))
        };
        let (x, y) = (extent(&positions.x), extent(&positions.y));
        [x.0, x.1, y.0, y.1].iter().all(|v| v.is_finite()).then_some(Reach { x, y })
    }

    /// Each side has at least as many pixels as it covers of the source. Positions are of centres, half a pixel inside.
    fn is_finer_than_source(&self, to: &Grid<'_>) -> bool {
        let (width, height) = (to.width as f64, to.height as f64);
        let edges = (width / (width - 1.0)).max(height / (height - 1.0));
        (self.x.1 - self.x.0) * edges <= width && (self.y.1 - self.y.0) * edges <= height
    }

    /// What is read of the source; `None` where that leaves it, or is much more than is asked for, as for a slice
    /// over the raster's ends.
    fn window(&self, from: &Grid<'_>, area: usize) -> Option<Window> {
        const MARGIN: f64 = 2.0;
        let (left, right) = ((self.x.0 - MARGIN).floor(), (self.x.1 + MARGIN).ceil());
        let (top, bottom) = ((self.y.0 - MARGIN).floor(), (self.y.1 + MARGIN).ceil());
        let inside = left >= 0.0 && top >= 0.0 && right <= from.width as f64 && bottom <= from.height as f64;
        if !inside || (right - left) * (bottom - top) > 16.0 * area as f64 + 4096.0 {
            return None;
        }
        Window::new(top as i64, left as i64, (bottom - top) as i64, (right - left) as i64).ok()
    }
}

/// The pixel that each position lies in.
fn pick<T: Pixel>(
    positions: &Positions,
    window: &Window,
    source: &[T],
    nodata: Option<T>,
) -> Option<Warped<T>> {
    let (left, top, width) = (window.col_off as f64, window.row_off as f64, window.width as usize);
    let mut pixels = Vec::with_capacity(positions.x.len());
    for (x, y) in positions.x.iter().zip(&positions.y) {
        // Positions are inside, so cutting off is rounding down, and costs no call.
        let (col, row) = ((x - left + 1e-10) as u32 as usize, (y - top + 1e-10) as u32 as usize);
        pixels.push(*source.get(row * width + col)?);
    }
    let valid = match nodata {
        Some(nodata) => pixels.iter().map(|v| u8::from(!v.is(nodata))).collect(),
        None => vec![1; pixels.len()],
    };
    Some(Warped { pixels, valid })
}

/// The four pixels around each position, weighed. A position in a pixel without a value has none; a neighbour without
/// one weighs nothing.
fn interpolate<T: Pixel>(
    positions: &Positions,
    window: &Window,
    source: &[T],
    nodata: Option<T>,
) -> Option<Warped<T>> {
    let (left, top, width) = (window.col_off as f64, window.row_off as f64, window.width as usize);
    let whole = !matches!(T::DTYPE, Dtype::Float32 | Dtype::Float64);
    let round = |value: f64| T::of(if whole { (value + 0.5).floor() } else { value });
    let nodata = nodata.filter(|nodata| source.iter().any(|v| v.is(*nodata)));
    let mut pixels = Vec::with_capacity(positions.x.len());
    let mut valid = vec![1; positions.x.len()];
    for (i, (x, y)) in positions.x.iter().zip(&positions.y).enumerate() {
        let (x, y) = (x - left, y - top);
        // Two pixels inside, so cutting off is rounding down, and costs no call.
        let (col, row) = ((x - 0.5) as u32, (y - 0.5) as u32);
        let (rx, ry) = (1.5 - (x - f64::from(col)), 1.5 - (y - f64::from(row)));
        let at = row as usize * width + col as usize;
        let (upper, lower) = (source.get(at..at + 2)?, source.get(at + width..at + width + 2)?);
        let (&[a, b], &[c, d]) = (upper.first_chunk::<2>()?, lower.first_chunk::<2>()?);
        let Some(nodata) = nodata else {
            let value = (a.f64() * rx + b.f64() * (1.0 - rx)) * ry
                + (c.f64() * rx + d.f64() * (1.0 - rx)) * (1.0 - ry);
            pixels.push(round(value));
            continue;
        };
        let middle = source.get((y + 1e-10) as u32 as usize * width + (x + 1e-10) as u32 as usize)?;
        let cells = [(a, rx * ry), (b, (1.0 - rx) * ry), (c, rx * (1.0 - ry)), (d, (1.0 - rx) * (1.0 - ry))];
        let there = cells.iter().filter(|(v, _)| !v.is(nodata));
        let (sum, weight) =
            there.fold((0.0, 0.0), |(sum, weight), (v, share)| (sum + v.f64() * share, weight + share));
        if middle.is(nodata) || weight < 0.00001 {
            pixels.push(nodata);
            if let Some(valid) = valid.get_mut(i) {
                *valid = 0;
            }
        } else {
            pixels.push(round(if weight == 1.0 { sum } else { sum / weight }));
        }
    }
    Some(Warped { pixels, valid })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(points: &[(f64, f64)]) -> Positions {
        Positions { x: points.iter().map(|p| p.0).collect(), y: points.iter().map(|p| p.1).collect() }
    }

    #[test]
    fn a_plane_is_itself_between_its_pixels() {
        let window = Window::new(10, 20, 5, 6).unwrap();
        let plane = |x: f64, y: f64| 3.0 * x - 2.0 * y;
        let source: Vec<f64> =
            (0..30).map(|i| plane(20.5 + f64::from(i % 6), 10.5 + f64::from(i / 6))).collect();
        let points = [(22.5, 12.5), (22.0, 12.25), (24.75, 13.9), (21.5, 11.5)];
        let warped = interpolate(&at(&points), &window, &source, None).unwrap();
        for (value, (x, y)) in warped.pixels.iter().zip(points) {
            assert!((value - plane(x, y)).abs() < 1e-12);
        }
    }

    #[test]
    fn gaps_weigh_nothing_and_hide_what_lies_in_them() {
        let window = Window::new(0, 0, 2, 2).unwrap();
        let source = [10u8, 20, 0, 40];
        let warped =
            interpolate(&at(&[(0.9, 0.9), (0.6, 1.4), (1.4, 1.4)]), &window, &source, Some(0)).unwrap();
        assert_eq!(warped.valid, [1, 0, 1]);
        // Weights 0.36, 0.24 and 0.16 of the three that are there, 0.24 of the one that is not.
        assert_eq!(warped.pixels[0], ((10.0 * 0.36 + 20.0 * 0.24 + 40.0 * 0.16) / 0.76_f64).round() as u8);
        let nearest = pick(&at(&[(0.2, 0.2), (0.99, 1.01), (1.5, 0.5)]), &window, &source, Some(0)).unwrap();
        assert_eq!((nearest.pixels, nearest.valid), (vec![10, 0, 20], vec![1, 0, 1]));
    }
}
