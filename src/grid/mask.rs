//! The share of land in any box or geometry, under a mask in any CRS.

use std::sync::Arc;

use geo::MultiPolygon;

use crate::affine::Affine;
use crate::bbox::Bbox;
use crate::crs::Crs;
use crate::dtype::Pixel;
use crate::dtype::with_dtype;
use crate::error::{Bounds, Error, Result};
use crate::format::gdal;
use crate::grid::land::{Fractions, LandRule, SummedRows, Trust, count};
use crate::map::Footprint;
use crate::projection;
use crate::read::patch::{PatchOptions, PatchRequest};
use crate::read::source::Source;
use crate::window::Window;
use crate::workers::go_on;

/// What to do about the part of a box that the mask does not cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Say so.
    Error,
    /// Count the pixels that there are.
    Ignore,
}

/// The rules by their names.
pub const OUTSIDE: [(&str, Outside); 2] = [("error", Outside::Error), ("ignore", Outside::Ignore)];

/// A land mask, open.
pub struct Mask {
    source: Arc<Source>,
    rule: LandRule,
    transform: Affine,
    crs: String,
    geographic: bool,
    /// Sums of all its pixels, for many boxes.
    sums: Option<SummedRows>,
}

/// Masks of more pixels than this are read box by box.
const MAX_SUMMED: usize = 1 << 28;

impl Mask {
    /// # Errors
    /// The mask is no georeferenced raster.
    pub fn open(path: &str, rule: LandRule) -> Result<Mask> {
        let source = Source::open(path)?;
        let (transform, crs) = source.header().georeference(path)?;
        let geographic = projection::crs_facts(&crs)?.geographic;
        Ok(Mask { source, rule, transform, crs, geographic, sums: None })
    }

    /// Reads all pixels once, so that each box after that costs the same.
    ///
    /// # Errors
    /// Pixels that cannot be decoded.
    pub fn summed(mut self) -> Result<Mask> {
        let header = self.source.header();
        let (height, width) = (header.height, header.width);
        if height.saturating_mul(width) <= MAX_SUMMED {
            let all: Vec<i64> = (0..height as i64).collect();
            self.sums =
                Some(SummedRows::build(&self.source, self.rule, &all, (height, width), Trust::Named)?);
        }
        Ok(self)
    }

    fn extent(&self) -> Result<Bbox> {
        let header = self.source.header();
        Ok(self.transform.bbox(&Window::whole(header.height, header.width)?))
    }

    /// Counts the mask's pixels whose centres lie in a box, half-open. On a globe the box may reach
    /// beyond the antimeridian. `total` is 0 when it holds no centre.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], or pixels that cannot be decoded.
    pub fn in_box(&self, bbox: &Bbox, crs: &str, outside: Outside) -> Result<Fractions> {
        if !same_crs(crs, &self.crs) {
            let shape = Footprint::project(bbox, crs, &self.crs, self.geographic, 21)?;
            return self.in_polygons(&shape.polygons, &shape.bbox, bbox, outside);
        }
        let extent = self.extent()?;
        let mut sum = Fractions::default();
        let mut covered = 0.0;
        for (_, piece) in self.turns(bbox, &extent) {
            let (ymin, ymax) = (piece.ymin.max(extent.ymin), piece.ymax.min(extent.ymax));
            let (xmin, xmax) = (piece.xmin.max(extent.xmin), piece.xmax.min(extent.xmax));
            if xmin < xmax && ymin < ymax {
                covered += (xmax - xmin) * (ymax - ymin);
                sum = sum.plus(self.count(&self.centres_in(&piece), None, 0.0)?);
            }
        }
        let area = bbox.width() * bbox.height();
        if outside == Outside::Error && covered < area * (1.0 - 1e-9) {
            return Err(self.uncovered(bbox)?);
        }
        Ok(sum)
    }

    /// As [`Mask::in_box`] of a box that the mask covers and has pixels in. What lies beyond the poles is not asked for, as half a
    /// cell of a grid does whose points lie on them.
    ///
    /// # Errors
    /// As [`Mask::in_box`], or no pixel of the mask has its centre in the box.
    pub fn in_covered(&self, bbox: &Bbox, crs: &str) -> Result<Fractions> {
        let mut asked = *bbox;
        if self.geographic && same_crs(crs, &self.crs) {
            (asked.ymin, asked.ymax) = (bbox.ymin.max(-90.0), bbox.ymax.min(90.0));
        }
        let found = self.in_box(&asked, crs, Outside::Error)?;
        if found.total > 0 {
            return Ok(found);
        }
        let problem = format!("the mask has no pixel in the {bbox}");
        Err(Error::conflict(problem, "Give a finer mask, or larger boxes"))
    }

    /// As [`Mask::in_box`] for a polygon or multipolygon (WKB in `crs`); `None` when it is empty.
    ///
    /// # Errors
    /// As [`Mask::in_box`], or a geometry without area.
    pub fn in_geometry(&self, wkb: &[u8], crs: &str, outside: Outside) -> Result<Option<Fractions>> {
        let from = if same_crs(crs, &self.crs) { self.crs.as_str() } else { crs };
        match projection::geometry::project_geometry(wkb, from, &self.crs)? {
            None => Ok(None),
            Some((wkb, bbox)) => self.in_wkb(&wkb, &bbox, &bbox, outside).map(Some),
        }
    }

    fn in_polygons(
        &self,
        shape: &MultiPolygon<f64>,
        bbox: &Bbox,
        asked: &Bbox,
        outside: Outside,
    ) -> Result<Fractions> {
        self.in_wkb(&crate::map::geometry::polygons_wkb(shape)?, bbox, asked, outside)
    }

    fn in_wkb(&self, wkb: &[u8], bbox: &Bbox, asked: &Bbox, outside: Outside) -> Result<Fractions> {
        let extent = self.extent()?;
        let (dx, dy) = (self.transform.0[1].abs() * 1e-6, self.transform.0[5].abs() * 1e-6);
        let turns = self.turns(bbox, &extent);
        let whole_turn = self.geographic && extent.width() >= 360.0 - dx;
        let within = |b: &Bbox| extent.xmin - dx <= b.xmin && b.xmax <= extent.xmax + dx;
        let covers = (whole_turn || turns.iter().any(|(_, turned)| within(turned)))
            && extent.ymin - dy <= bbox.ymin
            && bbox.ymax <= extent.ymax + dy;
        if !covers && outside == Outside::Error {
            return Err(self.uncovered(asked)?);
        }
        let mut sum = Fractions::default();
        for (turn, turned) in turns {
            sum = sum.plus(self.count(&self.centres_in(&turned), Some(wkb), turn)?);
        }
        Ok(sum)
    }

    fn uncovered(&self, bbox: &Bbox) -> Result<Error> {
        let extent = format!("{} in {}", self.extent()?, Crs::new(&self.crs));
        Ok(Error::out_of_range(bbox, Bounds::Mask { path: self.source.path().into(), extent }))
    }

    /// The box, and on a globe the same box one turn to each side, where it may meet the mask; each with the
    /// degrees that it was turned by.
    fn turns(&self, bbox: &Bbox, extent: &Bbox) -> Vec<(f64, Bbox)> {
        let turned = |turn: f64| (turn, Bbox { xmin: bbox.xmin + turn, xmax: bbox.xmax + turn, ..*bbox });
        let turns = if self.geographic { vec![-360.0, 0.0, 360.0] } else { vec![0.0] };
        let meets = |(_, b): &(f64, Bbox)| b.xmin < extent.xmax && b.xmax > extent.xmin;
        turns.into_iter().map(turned).filter(meets).collect()
    }

    /// Rows and columns whose centres lie in a box: `[ceil(a - 0.5), ceil(b - 0.5))`.
    fn centres_in(&self, bbox: &Bbox) -> (i64, i64, i64, i64) {
        let (row_a, col_a) = self.transform.row_col(bbox.xmin, bbox.ymax);
        let (row_b, col_b) = self.transform.row_col(bbox.xmax, bbox.ymin);
        let header = self.source.header();
        let first = |a: f64, b: f64, n: usize| ((a.min(b) - 0.5).ceil().max(0.0) as i64).min(n as i64);
        let end = |a: f64, b: f64, n: usize| ((a.max(b) - 0.5).ceil().max(0.0) as i64).min(n as i64);
        (
            first(row_a, row_b, header.height),
            end(row_a, row_b, header.height),
            first(col_a, col_b, header.width),
            end(col_a, col_b, header.width),
        )
    }

    /// Counts the pixels of a range of rows and columns: all, or those inside a geometry that was turned.
    fn count(
        &self,
        (top, bottom, left, right): &(i64, i64, i64, i64),
        wkb: Option<&[u8]>,
        turn: f64,
    ) -> Result<Fractions> {
        let (height, width) = (bottom - top, right - left);
        if height <= 0 || width <= 0 {
            return Ok(Fractions::default());
        }
        if let (Some(sums), None) = (&self.sums, wkb) {
            return Ok(sums.fractions(&Window::new(*top, *left, height, width)?));
        }
        let dtype = self.source.header().bands.first().map(|b| b.dtype);
        let dtype = dtype.ok_or_else(|| Error::Bug("a mask without bands".into()))?;
        // Strips, so that a box the size of the world takes no more memory than a small one.
        let strip = ((1 << 22) / width).clamp(1, height);
        let mut sum = Fractions::default();
        for first in (*top..*bottom).step_by(strip as usize) {
            go_on()?;
            let window = Window::new(first, *left, strip.min(bottom - first), width)?;
            let inside = match wkb {
                Some(wkb) => {
                    // The geometry stays where it is, and the mask is turned back.
                    let mut grid = self.transform.of_window(&window);
                    grid.0[0] -= turn;
                    Some(gdal::rasterize(wkb, &grid, window.height as usize, window.width as usize)?)
                }
                None => None,
            };
            let part = with_dtype!(dtype, T => self.count_window::<T>(&window, inside.as_deref()))?;
            sum = sum.plus(part);
        }
        Ok(sum)
    }

    fn count_window<T: Pixel>(&self, window: &Window, inside: Option<&[u8]>) -> Result<Fractions> {
        let mut pixels = vec![T::default(); window.area()];
        let options = PatchOptions::default();
        let request = PatchRequest {
            source: &self.source,
            window: *window,
            bands: &[1],
            beside: &[],
            options: &options,
        };
        let gaps = request.read(&mut pixels)?;
        let Some(inside) = inside else { return Ok(count(&pixels, &gaps, self.rule)) };
        let mut invalid = vec![false; pixels.len()];
        for gap in gaps {
            if let Some(cells) = invalid.get_mut(gap) {
                cells.fill(true);
            }
        }
        let mut sum = Fractions::default();
        for ((pixel, invalid), _) in
            pixels.iter().zip(invalid).zip(inside).filter(|(_, inside)| **inside != 0)
        {
            sum.total += 1;
            let invalid = invalid || pixel.f64().is_nan();
            sum.invalid += u64::from(invalid);
            sum.land += u64::from(!invalid && self.rule.is_land(*pixel));
        }
        Ok(sum)
    }
}

/// `EPSG:4326` and `OGC:CRS84` differ in axis order alone, and coordinates here are always (x, y).
fn same_crs(a: &str, b: &str) -> bool {
    Crs::new(a) == Crs::new(b)
}
