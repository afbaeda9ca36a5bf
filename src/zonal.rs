//! Statistics of a raster's pixels under a polygon.

pub mod coverage;

use std::ops::Range;
use std::sync::Arc;

use geo::{Geometry, MultiPolygon, Polygon, Translate};

use crate::affine::Affine;
use crate::bbox::Bbox;
use crate::crs::Crs;
use crate::error::{Error, Load, Result};
use crate::format::gdal;
use crate::limits::Limits;
use crate::map::geometry;
use crate::projection;
use crate::read::patch::{BandName, PatchOptions, PatchRequest, band_numbers};
use crate::read::source::Source;
use crate::window::Window;
use crate::workers::go_on;

/// How much of a pixel a polygon covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All of it when its centre lies inside, else nothing.
    Center,
    /// All of it when any part lies inside.
    Touched,
    /// The share of its area that lies inside.
    Exact,
}

/// The rules by their names.
pub const COVERAGES: [(&str, Coverage); 3] =
    [("center", Coverage::Center), ("touched", Coverage::Touched), ("exact", Coverage::Exact)];

/// How a zone is counted.
#[derive(Debug, Clone, PartialEq)]
pub struct ZonalOptions {
    /// Which pixels count, and how much.
    pub coverage: Coverage,
    /// The band that is read.
    pub band: BandName,
    /// Values by the header's scale and offset.
    pub scaled: bool,
    /// Keep every pixel: median, majority, minority and variety need them all at once.
    pub keep: bool,
    /// What is kept may take as many bytes as a chunk.
    pub limits: Limits,
}

/// A georeferenced raster, open.
pub struct Layer {
    source: Arc<Source>,
    transform: Affine,
    /// The raster's CRS.
    pub crs: String,
    geographic: bool,
    bands: Vec<usize>,
}

/// The pixels of one zone: each counts with its coverage, and with its weight where there are weights.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Zone {
    /// Sum of coverage.
    pub count: f64,
    /// The smallest value.
    pub min: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
    /// Sum of coverage x weight x value.
    pub sum: f64,
    weight: f64,
    mean: f64,
    squares: f64,
    /// Value and coverage of each pixel.
    kept: Vec<(f64, f64)>,
}

/// Pixels that are looked at in one go.
const STRIP: usize = 1 << 20;

impl Layer {
    /// # Errors
    /// No georeferenced raster, or one without the band.
    pub fn open(path: &str, band: &BandName) -> Result<Layer> {
        let source = Source::open(path)?;
        let (transform, crs) = source.header().georeference(path)?;
        let geographic = projection::crs_facts(&crs)?.geographic;
        let options = PatchOptions { bands: Some(vec![band.clone()]), ..PatchOptions::default() };
        let bands = band_numbers(&source, &options)?;
        Ok(Layer { source, transform, crs, geographic, bands })
    }

    fn extent(&self) -> Result<Bbox> {
        let header = self.source.header();
        Ok(self.transform.bbox(&Window::whole(header.height, header.width)?))
    }

    /// The whole cells under a box, within the raster. An edge on the border of two cells touches both, as `geo_rasterize`
    /// draws it: where touched cells count, those around the box are looked at too.
    fn cells_under(&self, bbox: &Bbox, coverage: Coverage) -> (Range<i64>, Range<i64>) {
        let around = if coverage == Coverage::Touched { 1.0 } else { 0.0 };
        let (row_a, col_a) = self.transform.row_col(bbox.xmin, bbox.ymax);
        let (row_b, col_b) = self.transform.row_col(bbox.xmax, bbox.ymin);
        let header = self.source.header();
        let cells = |a: f64, b: f64, n: usize| {
            let n = n as f64;
            let (first, end) = (a.min(b).floor() - around, a.max(b).ceil() + around);
            (first.clamp(0.0, n) as i64)..(end.clamp(0.0, n) as i64)
        };
        (cells(row_a, row_b, header.height), cells(col_a, col_b, header.width))
    }

    fn read(&self, window: &Window, scaled: bool, out: &mut Vec<f64>) -> Result<()> {
        out.clear();
        out.resize(window.area(), 0.0);
        let options = PatchOptions { scaled, boundless: true, ..PatchOptions::default() };
        let request = PatchRequest {
            source: &self.source,
            window: *window,
            bands: &self.bands,
            beside: &[],
            options: &options,
        };
        let gaps = request.read(out)?;
        for gap in gaps {
            if let Some(cells) = out.get_mut(gap) {
                cells.fill(f64::NAN);
            }
        }
        Ok(())
    }

    /// Weights lie on the very pixels of the raster, whose rows and columns they may hold more or fewer of.
    fn offset_to(&self, weights: &Layer) -> Result<(i64, i64)> {
        let problem = |what: &str| {
            Err(Error::conflict(
                format!(
                    "\"{}\" and \"{}\" differ in their {what}",
                    weights.source.path(),
                    self.source.path()
                ),
                "Weights must lie on the raster's own grid: read_slice puts both onto one",
            ))
        };
        if Crs::new(&weights.crs) != Crs::new(&self.crs) {
            return problem("CRS");
        }
        let (a, b) = (&self.transform.0, &weights.transform.0);
        let far = |x: f64, y: f64| (x - y).abs() > 1e-9 * x.abs();
        if far(a[1], b[1]) || far(a[5], b[5]) {
            return problem("pixel size");
        }
        let (row, col) = weights.transform.row_col(a[0], a[3]);
        if (row - row.round()).abs() > 1e-4 || (col - col.round()).abs() > 1e-4 {
            return problem("pixel edges");
        }
        Ok((row.round() as i64, col.round() as i64))
    }
}

/// Counts the pixels of one band under polygons in the raster's CRS. On a globe they may lie a turn away from the
/// raster. Pixels that are nodata, masked or NaN, or have no weight, are not counted.
///
/// # Errors
/// Weights on another grid, pixels that cannot be decoded, or too many to keep.
pub fn zone(
    layer: &Layer,
    weights: Option<&Layer>,
    polygons: Vec<Polygon<f64>>,
    options: &ZonalOptions,
) -> Result<Zone> {
    let polygons = MultiPolygon(polygons);
    let Some(bbox) = geometry::envelope(&Geometry::MultiPolygon(polygons.clone())) else {
        return Ok(Zone::default());
    };
    let extent = layer.extent()?;
    let turns: &[f64] = if layer.geographic { &[-360.0, 0.0, 360.0] } else { &[0.0] };
    let mut zone = Zone::default();
    for turn in turns {
        let bbox = Bbox { xmin: bbox.xmin + turn, xmax: bbox.xmax + turn, ..bbox };
        // An edge on the raster's own border touches its outermost cells.
        let aside = match options.coverage {
            Coverage::Touched => bbox.xmin > extent.xmax || bbox.xmax < extent.xmin,
            Coverage::Center | Coverage::Exact => bbox.xmin >= extent.xmax || bbox.xmax <= extent.xmin,
        };
        if aside {
            continue;
        }
        let polygons = if *turn == 0.0 { polygons.clone() } else { polygons.translate(*turn, 0.0) };
        zone.add_polygons(layer, weights, &polygons, &bbox, options)?;
    }
    Ok(zone)
}

impl Zone {
    fn add_polygons(
        &mut self,
        layer: &Layer,
        weights: Option<&Layer>,
        polygons: &MultiPolygon<f64>,
        bbox: &Bbox,
        options: &ZonalOptions,
    ) -> Result<()> {
        let offset = weights.map(|weights| layer.offset_to(weights)).transpose()?;
        let (rows, cols) = layer.cells_under(bbox, options.coverage);
        if rows.is_empty() || cols.is_empty() {
            return Ok(());
        }
        let width = (cols.end - cols.start) as usize;
        let strip = (STRIP / width).max(1);
        let (mut pixels, mut weight_pixels) = (Vec::new(), Vec::new());
        for top in rows.clone().step_by(strip) {
            go_on()?;
            let height = (strip as i64).min(rows.end - top);
            let window = Window::new(top, cols.start, height, width as i64)?;
            let covered = cover(polygons, &layer.transform.of_window(&window), &window, options.coverage)?;
            let Some((window, covered)) = trim(&window, &covered)? else { continue };
            layer.read(&window, options.scaled, &mut pixels)?;
            if let (Some(weights), Some((row, col))) = (weights, offset) {
                let there = Window { row_off: window.row_off + row, col_off: window.col_off + col, ..window };
                weights.read(&there, true, &mut weight_pixels)?;
            }
            self.add(&covered, &pixels, weights.map(|_| weight_pixels.as_slice()), options)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        covered: &[f64],
        pixels: &[f64],
        weights: Option<&[f64]>,
        options: &ZonalOptions,
    ) -> Result<()> {
        for (i, (&cover, &value)) in covered.iter().zip(pixels).enumerate() {
            let weight = weights.map_or(1.0, |w| w.get(i).copied().unwrap_or(f64::NAN));
            if cover == 0.0 || value.is_nan() || weight.is_nan() {
                continue;
            }
            self.count += cover;
            self.min = Some(self.min.map_or(value, |min| min.min(value)));
            self.max = Some(self.max.map_or(value, |max| max.max(value)));
            let weight = cover * weight;
            self.sum += weight * value;
            // West 1979, so that one pass is as exact as two.
            self.weight += weight;
            if self.weight != 0.0 {
                let step = value - self.mean;
                self.mean += step * weight / self.weight;
                self.squares += weight * step * (value - self.mean);
            }
            if options.keep {
                self.kept.push((value, cover));
            }
        }
        let bytes = self.kept.len().saturating_mul(16);
        options.limits.allow(bytes, || Load::Zone)
    }

    /// The mean, weighed by coverage and weights.
    pub fn mean(&self) -> Option<f64> {
        (self.weight != 0.0).then(|| self.sum / self.weight)
    }

    /// Of the population, as numpy.std.
    pub fn std(&self) -> Option<f64> {
        (self.weight != 0.0).then(|| (self.squares / self.weight).max(0.0).sqrt())
    }

    /// The sum, weighed by coverage and weights.
    pub fn sum(&self) -> Option<f64> {
        (self.count > 0.0).then_some(self.sum)
    }

    /// The value with half of the coverage on each side, interpolated between its neighbours: numpy.median where
    /// all pixels are covered alike.
    pub fn median(&mut self) -> Option<f64> {
        self.kept.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        weighted_median(&self.kept)
    }

    /// Each value and its coverage, values ascending.
    fn values(&mut self) -> Vec<(f64, f64)> {
        self.kept.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut values: Vec<(f64, f64)> = Vec::new();
        for &(value, cover) in &self.kept {
            match values.last_mut() {
                Some(last) if last.0 == value => last.1 += cover,
                _ => values.push((value, cover)),
            }
        }
        values
    }

    /// The most common value, the least common one, and how many values there are. Of equally common ones, the
    /// greatest is the majority and the smallest the minority.
    pub fn common(&mut self) -> (Option<f64>, Option<f64>, u64) {
        let values = self.values();
        let most = values.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|v| v.0);
        let least = values.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map(|v| v.0);
        (most, least, values.len() as u64)
    }
}

/// The weighted quantile at one half of sorted (value, weight) pairs: positions `s_i = i w_i + (n - 1) sum(w before i)`
/// run from 0 to `(n - 1) sum(w)`, and values between them are interpolated.
fn weighted_median(sorted: &[(f64, f64)]) -> Option<f64> {
    let last = sorted.last()?;
    let n = sorted.len() as f64;
    let total: f64 = sorted.iter().map(|(_, w)| w).sum();
    let wanted = 0.5 * total * (n - 1.0);
    let mut before = 0.0;
    let mut left: Option<(f64, f64)> = None;
    for (i, &(value, weight)) in sorted.iter().enumerate() {
        let position = i as f64 * weight + (n - 1.0) * before;
        if position > wanted
            && let Some((left_position, left_value)) = left
        {
            return Some(
                left_value + (wanted - left_position) * (value - left_value) / (position - left_position),
            );
        }
        left = Some((position, value));
        before += weight;
    }
    Some(last.0)
}

/// The share of each of a window's pixels that counts, row-major.
fn cover(
    polygons: &MultiPolygon<f64>,
    grid: &Affine,
    window: &Window,
    coverage: Coverage,
) -> Result<Vec<f64>> {
    let size = (window.height as usize, window.width as usize);
    if coverage == Coverage::Exact {
        let cells = |polygon: &Polygon<f64>| coverage::in_cells(polygon, grid);
        return Ok(coverage::fractions(polygons.iter().map(cells), size));
    }
    let wkb = geometry::write(&Geometry::MultiPolygon(polygons.clone()))?;
    let burnt = gdal::burn::burn(&[(wkb, 1)], grid, size, 0, coverage == Coverage::Touched)?;
    Ok(burnt.into_iter().map(f64::from).collect())
}

/// The part of a window around all covered pixels, so that no other block is read; `None` when there is none.
fn trim(window: &Window, covered: &[f64]) -> Result<Option<(Window, Vec<f64>)>> {
    let width = window.width as usize;
    let mut found: Option<(Range<usize>, Range<usize>)> = None;
    for (row, line) in covered.chunks(width).enumerate() {
        let Some(first) = line.iter().position(|c| *c > 0.0) else { continue };
        let last = line.iter().rposition(|c| *c > 0.0).unwrap_or(first);
        let (rows, cols) = found.get_or_insert((row..row + 1, first..last + 1));
        rows.end = row + 1;
        *cols = cols.start.min(first)..cols.end.max(last + 1);
    }
    let Some((rows, cols)) = found else { return Ok(None) };
    let kept = covered.chunks(width).skip(rows.start).take(rows.len());
    let kept = kept.flat_map(|line| line.get(cols.clone()).unwrap_or_default()).copied().collect();
    let (row, col) = (window.row_off + rows.start as i64, window.col_off + cols.start as i64);
    Ok(Some((Window::new(row, col, rows.len() as i64, cols.len() as i64)?, kept)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_equal_weights_is_numpys() {
        let pairs = |values: &[f64]| values.iter().map(|v| (*v, 0.25)).collect::<Vec<_>>();
        assert_eq!(weighted_median(&pairs(&[1.0, 2.0, 10.0])), Some(2.0));
        assert_eq!(weighted_median(&pairs(&[1.0, 2.0, 4.0, 10.0])), Some(3.0));
        assert_eq!(weighted_median(&pairs(&[7.0])), Some(7.0));
        assert_eq!(weighted_median(&[]), None);
    }

    #[test]
    fn a_window_is_trimmed_to_what_is_covered() {
        let window = Window::new(10, 20, 3, 4).unwrap();
        let covered = [0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 1.0, 0.25, 0.0];
        let (inner, kept) = trim(&window, &covered).unwrap().unwrap();
        assert_eq!(inner, Window::new(11, 21, 2, 2).unwrap());
        assert_eq!(kept, [0.5, 0.0, 1.0, 0.25]);
        assert_eq!(trim(&window, &[0.0; 12]).unwrap(), None);
    }
}
