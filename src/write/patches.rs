//! Patches of one canvas into a file, stitched as they come.
//!
//! Rows of patches in the order of their first row need a band of the canvas: once the bound is reached, what lies above
//! the patch in hand is written and given up. Until then any order will do.

use std::sync::Arc;

use crate::error::{Error, Load, Result};
use crate::stitch::canvas::Span;
use crate::stitch::field::{Field, Plan};
use crate::stitch::tile::ROWS;

/// A file that takes a field strip by strip, from the top.
pub trait Target: Send {
    /// Writes a strip of all bands, once no patch will lie on it.
    ///
    /// # Errors
    /// The file cannot be written.
    fn strip(&mut self, field: &Field, index: usize) -> Result<()>;

    /// Puts the file in its place.
    ///
    /// # Errors
    /// The file cannot be written.
    fn finish(self: Box<Self>, field: &Field) -> Result<()>;
}

/// A file under way, and the part of its field that is not written yet.
pub struct Patches {
    target: Box<dyn Target>,
    /// The rest of the field.
    pub field: Field,
    /// Strips that are written.
    done: usize,
    /// Bytes that the field may take.
    limit: usize,
}

impl Patches {
    /// Nothing is laid yet.
    pub fn new(target: Box<dyn Target>, plan: Arc<Plan>, limit: usize) -> Patches {
        Patches { target, field: Field::new(plan), done: 0, limit }
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
        for index in self.done..end {
            self.target.strip(&self.field, index)?;
            self.field.forget(index);
        }
        self.done = self.done.max(end);
        Ok(())
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
        self.target.finish(&self.field)
    }
}
