//! Patches of one canvas into a GeoTIFF, stitched as they come.
//!
//! Rows of patches in the order of their first row need a band of the canvas: once the bound is reached, what lies above
//! the patch in hand is written and given up. Until then any order will do.

use std::sync::Arc;

use crate::dtype::Pixel;
use crate::dtype::with_dtype;
use crate::error::{Error, Load, Result};
use crate::format::gdal::create::Draft;
use crate::stitch::canvas::Span;
use crate::stitch::field::{Field, Plan, Strip};
use crate::stitch::tile::{ROWS, Told};
use crate::write::geotiff::Options;
use crate::write::staging::Staging;

/// The most pixels of a canvas, all bands together: a file of more would be written for hours.
const MOST: usize = 1 << 38;

/// A file under way, and the part of its field that is not written yet.
pub struct Patches {
    staging: Staging,
    options: Arc<Options>,
    /// The rest of the field.
    pub field: Field,
    draft: Option<Draft>,
    /// Strips that are written.
    done: usize,
    /// Bytes that the field may take.
    limit: usize,
}

impl Patches {
    /// Nothing is laid yet.
    ///
    /// # Errors
    /// A canvas of more than two axes, which a GeoTIFF does not have, or of too many pixels.
    pub fn new(staging: Staging, plan: Arc<Plan>, options: Arc<Options>, limit: usize) -> Result<Patches> {
        if !plan.canvas.lead.is_empty() {
            let problem = format!("a canvas {} in a GeoTIFF", plan.canvas);
            return Err(Error::conflict(
                problem,
                "Its axes are rows and columns; other axes may be its bands",
            ));
        }
        if plan.canvas.pixels() > MOST {
            let problem = format!("a canvas {} in one file, which may have {MOST} pixels", plan.canvas);
            return Err(Error::conflict(problem, "Write a file for each part of it"));
        }
        Ok(Patches { staging, options, field: Field::new(plan), draft: None, done: 0, limit })
    }

    /// Looks whether a patch may still be laid.
    ///
    /// # Errors
    /// Rows that it lies on are written.
    pub fn check(&self, span: &Span) -> Result<()> {
        let last = (self.done * ROWS) as i64;
        if span.window.row_off.max(0) >= last {
            return Ok(());
        }
        let problem = format!(
            "{span} comes after the rows above {last} were written to stay within geoquilt_aggregate_mb"
        );
        Err(Error::conflict(problem, "ORDER BY win.row_off, or raise the setting"))
    }

    /// Makes room after a patch was laid, where the bound is reached.
    ///
    /// # Errors
    /// The rows of the patch themselves take more, or the file cannot be written.
    pub fn settle(&mut self, span: &Span) -> Result<()> {
        if self.field.bytes() <= self.limit {
            return Ok(());
        }
        self.write_to(usize::try_from(span.window.row_off).unwrap_or(0) / ROWS)?;
        let needed = self.field.bytes();
        if needed <= self.limit {
            return Ok(());
        }
        let load = Load::Band { canvas: self.field.plan().canvas.to_string() };
        Err(Error::TooLarge { load, needed: needed as u64, limit: self.limit as u64 })
    }

    /// Writes the strips before one.
    fn write_to(&mut self, end: usize) -> Result<()> {
        let plan = self.field.plan();
        let canvas = plan.canvas.clone();
        let shape = [self.field.out_bands(), canvas.height, canvas.width];
        let head = self.options.head(shape, canvas.transform, canvas.crs.as_deref())?;
        let mut draft = match self.draft.take() {
            Some(draft) => draft,
            None => Draft::new(&self.staging.beside("draft.tif"), &head)?,
        };
        let mut strip = Strip::default();
        for index in self.done..end {
            let mut valid: Option<Vec<bool>> = None;
            for band in 0..shape[0] {
                // What was never written is no pixel in the file either.
                if !self.field.lies_on((band, 0), index) && self.options.packing.nodata.is_some() {
                    continue;
                }
                self.field.strip((band, 0), index, Told::Value, &mut strip);
                with_dtype!(head.dtype, T => self.write_band::<T>(&mut draft, band, index, &strip))?;
                if head.masked {
                    match &valid {
                        Some(first) if *first != strip.laid => return Err(differing_masks()),
                        _ => valid = Some(strip.laid.clone()),
                    }
                }
            }
            if let Some(valid) = valid {
                let valid = valid.iter().map(|valid| if *valid { 255 } else { 0 }).collect();
                draft.write_mask(index * ROWS, canvas.width, valid)?;
            }
            self.field.forget(index);
        }
        self.draft = Some(draft);
        self.done = self.done.max(end);
        Ok(())
    }

    fn write_band<T: Pixel>(
        &self,
        draft: &mut Draft,
        band: usize,
        index: usize,
        strip: &Strip,
    ) -> Result<()> {
        let values = strip.values.iter().zip(&strip.laid).map(|(value, laid)| laid.then_some(*value));
        let pixels = self.options.packing.pack::<T>(values)?;
        draft.write(band, index * ROWS, self.field.plan().canvas.width, T::pixels(pixels))
    }

    /// Writes the rest, and puts the file in its place.
    ///
    /// # Errors
    /// No patch was laid, or the file cannot be written.
    pub fn finish(mut self) -> Result<()> {
        if self.field.bands() == 0 {
            let problem = "the query has no patch";
            return Err(Error::conflict(problem, "A file without a pixel is not written"));
        }
        self.write_to(self.field.strips())?;
        let canvas = self.field.plan().canvas.clone();
        let shape = [self.field.out_bands(), canvas.height, canvas.width];
        let head = self.options.head(shape, canvas.transform, canvas.crs.as_deref())?;
        if let Some(draft) = self.draft.take() {
            draft.finish(&self.staging.path(), &head, &self.options.layout)?;
        }
        self.staging.commit()
    }
}

/// One mask serves all bands.
pub fn differing_masks() -> Error {
    let problem = "bands that are NULL at different pixels, for which a file has one mask";
    Error::conflict(problem, "Name a value that no pixel has by NODATA").at("geotiff(MASK)")
}
