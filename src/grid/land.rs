//! Land under every window of a mask, from one pass over its pixels.

use std::ops::Range;

use crate::dtype::with_dtype;
use crate::dtype::{Dtype, Pixel};
use crate::error::{Error, Result};
use crate::read::patch::{PatchOptions, PatchRequest};
use crate::read::source::Source;
use crate::window::Window;
use crate::workers::go_on;

/// Which pixels of a mask are land.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LandRule {
    /// Above one half: 1 is land, 0 is not.
    AboveHalf,
    /// Equal to this value.
    Equals(f64),
}

impl LandRule {
    /// Whether a mask's pixel is land.
    pub fn is_land<T: Pixel>(self, pixel: T) -> bool {
        match self {
            LandRule::AboveHalf => pixel.f64() > 0.5,
            LandRule::Equals(value) => pixel.f64() == value,
        }
    }
}

/// Counts of pixels in a window: those with nodata, of NaN, or beyond the mask are invalid, and not land.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fractions {
    /// Pixels of land.
    pub land: u64,
    /// Pixels without a value.
    pub invalid: u64,
    /// All pixels.
    pub total: u64,
}

impl Fractions {
    /// Their share.
    pub fn land(&self) -> f64 {
        self.land as f64 / self.total as f64
    }

    /// Their share.
    pub fn invalid(&self) -> f64 {
        self.invalid as f64 / self.total as f64
    }

    /// The share of what is neither.
    pub fn ocean(&self) -> f64 {
        1.0 - self.land() - self.invalid()
    }

    /// The two together.
    #[must_use]
    pub fn plus(self, other: Fractions) -> Fractions {
        Fractions {
            land: self.land + other.land,
            invalid: self.invalid + other.invalid,
            total: self.total + other.total,
        }
    }
}

/// Counts one run of mask pixels; `gaps` are its invalid pixels.
pub fn count<T: Pixel>(pixels: &[T], gaps: &[Range<usize>], rule: LandRule) -> Fractions {
    let land = |cells: &[T]| cells.iter().filter(|p| rule.is_land(**p)).count() as u64;
    let nan = |cells: &[T]| cells.iter().filter(|p| p.f64().is_nan()).count() as u64;
    let cells = |gap: &Range<usize>| pixels.get(gap.clone()).unwrap_or_default();
    let gone: u64 = gaps.iter().map(|gap| gap.len() as u64 - nan(cells(gap))).sum();
    let not_land: u64 = gaps.iter().map(|gap| land(cells(gap))).sum();
    let invalid = gone + nan(pixels);
    Fractions { land: land(pixels) - not_land, invalid, total: pixels.len() as u64 }
}

/// Whether a raster that land is counted on is known to be a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Somebody named it as one: its pixels are what they are.
    Named,
    /// Nobody did: it must look like one.
    Unnamed,
}

/// What the pixels of a mask look like: shares of land, or 0 and one other number.
#[derive(Debug, Default)]
struct Looks {
    /// The first number above 1.
    other: Option<f64>,
    /// The first number between 0 and 1, with 1.
    share: Option<f64>,
}

impl Looks {
    /// Looks at each pixel that differs from the one before it: masks hold long runs.
    ///
    /// # Errors
    /// As [`Looks::see`].
    fn see_all<'a, T: Pixel>(&mut self, pixels: impl Iterator<Item = &'a T>, path: &str) -> Result<()> {
        let mut before = None;
        for pixel in pixels {
            if before.replace(*pixel) != Some(*pixel) {
                self.see(pixel.f64(), path)?;
            }
        }
        Ok(())
    }

    /// # Errors
    /// A pixel that no mask has.
    fn see(&mut self, pixel: f64, path: &str) -> Result<()> {
        let strange = match pixel {
            0.0 => false,
            share if share > 0.0 && share <= 1.0 => {
                self.share.get_or_insert(share);
                self.other.is_some()
            }
            other if other > 1.0 => *self.other.get_or_insert(other) != other || self.share.is_some(),
            _ => true,
        };
        if !strange {
            return Ok(());
        }
        let beside =
            self.other.filter(|other| *other != pixel).or(self.share.filter(|share| *share != pixel));
        let beside = beside.map(|beside| format!(" beside {beside}")).unwrap_or_default();
        let problem = format!(
            "no mask is named, and \"{path}\" does not look like one: it holds {pixel}{beside}, and a mask has numbers from 0 to 1, or 0 and one other"
        );
        let remedy = format!(
            "Name one, such as 'land_mask.tif', or '{path}' itself where its pixels above 0.5 are land"
        );
        Err(Error::conflict(problem, remedy))
    }
}

/// The rows of a summed-area table that a grid's windows begin and end on, so that memory follows the
/// number of patch rows and not the mask's. Sums wrap at 2^32: a window's own count is right as long as
/// the window has fewer pixels than that.
pub struct SummedRows {
    /// For each mask row edge 0..=height, its line in `sums`, or `u32::MAX` where no window needs it.
    lines: Vec<u32>,
    land: Vec<u32>,
    /// Empty when the mask has no invalid pixel.
    invalid: Vec<u32>,
    height: usize,
    width: usize,
}

/// Sums of a mask above this many bytes are refused: a header may claim any size.
const MAX_SUMS: usize = 4 << 30;

impl SummedRows {
    /// Reads the mask once, row of blocks by row of blocks.
    ///
    /// # Errors
    /// The mask cannot be decoded, is too large or does not look like one, or a window of `size` (rows, columns) holds 2^32 of its pixels or more.
    pub fn build(
        source: &Source,
        rule: LandRule,
        row_starts: &[i64],
        size: (usize, usize),
        trust: Trust,
    ) -> Result<SummedRows> {
        let header = source.header();
        let (height, width) = (header.height, header.width);
        let most = size.0.min(height).saturating_mul(size.1.min(width));
        if u32::try_from(most).is_err() {
            let problem = format!(
                "a window of {} x {} holds {most} pixels of \"{}\", and land is counted in windows of up to {}",
                size.0,
                size.1,
                source.path(),
                u32::MAX
            );
            return Err(Error::conflict(problem, "Give a coarser mask, or a smaller size"));
        }
        // A mark for each row edge, and for each edge that a window has, a sum of land and one of invalid pixels.
        let sums = (2 * row_starts.len()).min(height + 1).saturating_mul(8 * (width + 1));
        let bytes = (4 * (height + 1)).saturating_add(sums);
        if bytes > MAX_SUMS {
            let (path, needed) = (source.path(), bytes >> 20);
            let problem =
                format!("counting land on \"{path}\", {height} x {width} pixels, would take {needed} MiB");
            return Err(Error::conflict(problem, "Give a coarser mask, or a larger stride"));
        }
        let mut lines = vec![u32::MAX; height + 1];
        let edge = |row: i64| row.clamp(0, height as i64) as usize;
        for &start in row_starts {
            for row in [edge(start), edge(start + size.0 as i64)] {
                lines[row] = 0;
            }
        }
        let mut next = 0;
        for line in lines.iter_mut().filter(|p| **p == 0) {
            *line = next;
            next += 1;
        }
        let mut table = SummedRows { lines, land: Vec::new(), invalid: Vec::new(), height, width };
        let band = header.bands.first().map_or(Dtype::Float32, |b| b.dtype);
        with_dtype!(band, T => table.fill::<T>(source, rule, trust, next as usize))?;
        Ok(table)
    }

    fn fill<T: Pixel>(&mut self, source: &Source, rule: LandRule, trust: Trust, kept: usize) -> Result<()> {
        // Whoever names the value of land knows the raster.
        let mut looks = (trust == Trust::Unnamed && rule == LandRule::AboveHalf).then(Looks::default);
        let stride = self.width + 1;
        let band = source.header().bands.first();
        let is_float = matches!(T::DTYPE, Dtype::Float32 | Dtype::Float64);
        let has_invalid = is_float || band.is_some_and(|b| b.nodata.is_some() || b.masked);
        self.land = Vec::with_capacity(kept * stride);
        let mut land = vec![0u32; stride];
        let mut invalid = vec![0u32; if has_invalid { stride } else { 0 }];
        // Strips of a block's height, and at least 64 rows where blocks are single lines.
        let strip = source.header().block.0.max(64);
        let mut pixels: Vec<T> = Vec::new();
        let mut bad = vec![false; if has_invalid { self.width } else { 0 }];
        self.keep(0, &land, &invalid);
        for top in (0..self.height).step_by(strip) {
            go_on()?;
            let rows = strip.min(self.height - top);
            pixels.resize(rows * self.width, T::default());
            let window = Window::new(top as i64, 0, rows as i64, self.width as i64)?;
            let request =
                PatchRequest { source, window, bands: &[1], beside: &[], options: &PatchOptions::default() };
            let gaps = request.read(&mut pixels)?;
            let mut gaps = gaps.into_iter().peekable();
            for (row, line) in pixels.chunks(self.width).enumerate() {
                if has_invalid {
                    bad.fill(false);
                    let here = row * self.width..(row + 1) * self.width;
                    while let Some(gap) = gaps.peek().cloned().filter(|gap| gap.start < here.end) {
                        let part = gap.start.max(here.start) - here.start..gap.end.min(here.end) - here.start;
                        bad[part].fill(true);
                        if gap.end > here.end {
                            break;
                        }
                        gaps.next();
                    }
                    if is_float {
                        bad.iter_mut().zip(line).for_each(|(bad, pixel)| *bad |= pixel.f64().is_nan());
                    }
                    if let Some(looks) = &mut looks {
                        let there = line.iter().zip(&bad).filter(|(_, bad)| !**bad);
                        looks.see_all(there.map(|(pixel, _)| pixel), source.path())?;
                    }
                    add_line(&mut land, line.iter().zip(&bad).map(|(p, bad)| !bad && rule.is_land(*p)));
                    add_line(&mut invalid, bad.iter().copied());
                } else {
                    if let Some(looks) = &mut looks {
                        looks.see_all(line.iter(), source.path())?;
                    }
                    add_line(&mut land, line.iter().map(|p| rule.is_land(*p)));
                }
                self.keep(top + row + 1, &land, &invalid);
            }
        }
        Ok(())
    }

    fn keep(&mut self, row: usize, land: &[u32], invalid: &[u32]) {
        if self.lines.get(row).is_some_and(|line| *line != u32::MAX) {
            self.land.extend_from_slice(land);
            self.invalid.extend_from_slice(invalid);
        }
    }

    /// The counts under a window whose rows were announced to [`SummedRows::build`].
    pub fn fractions(&self, window: &Window) -> Fractions {
        let total = window.area() as u64;
        let Some(inside) = window.clip(self.height, self.width) else {
            return Fractions { land: 0, invalid: total, total };
        };
        let beyond = total - inside.area() as u64;
        Fractions {
            land: u64::from(self.sum(&self.land, &inside)),
            invalid: beyond + u64::from(self.sum(&self.invalid, &inside)),
            total,
        }
    }

    fn sum(&self, sums: &[u32], inside: &Window) -> u32 {
        let at = |row: i64, col: i64| {
            let line = self.lines.get(row as usize).copied().unwrap_or(u32::MAX) as usize;
            sums.get(line.wrapping_mul(self.width + 1).wrapping_add(col as usize)).copied().unwrap_or(0)
        };
        let (top, bottom, left, right) = (inside.row_off, inside.row_end(), inside.col_off, inside.col_end());
        at(bottom, right)
            .wrapping_sub(at(top, right))
            .wrapping_sub(at(bottom, left))
            .wrapping_add(at(top, left))
    }
}

/// Adds one row of pixels to the running sums of the rows above it.
fn add_line(sums: &mut [u32], marks: impl Iterator<Item = bool>) {
    let mut run = 0u32;
    for (sum, mark) in sums.iter_mut().skip(1).zip(marks) {
        run += u32::from(mark);
        *sum = sum.wrapping_add(run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_leaves_invalid_land_out() {
        let pixels = [1u8, 1, 0, 1, 0];
        let fractions = count(&pixels, &[1..3, 4..5], LandRule::AboveHalf);
        assert_eq!(fractions, Fractions { land: 2, invalid: 3, total: 5 });
        assert_eq!(count(&[7u8, 1], &[], LandRule::Equals(7.0)).land, 1);
        // NaN is invalid, and counted once where it is nodata too.
        let pixels = [f32::NAN, 1.0, f32::NAN, 0.0];
        let fractions = count(&pixels, std::slice::from_ref(&(0..2)), LandRule::AboveHalf);
        assert_eq!(fractions, Fractions { land: 0, invalid: 3, total: 4 });
    }
}
