//! What a codec of TIFF's blocks does.

use crate::dtype::Dtype;

/// One codec: GDAL's name for it, TIFF's number, and what it does.
pub(crate) struct Codec {
    /// As in GDAL's metadata.
    pub name: &'static str,
    /// The value of the tag.
    pub number: u16,
    /// Fills a block whose bands lie apart in one go; `None` where the bytes do not fill it.
    pub whole: Option<fn(&[u8], &mut [u8]) -> Option<()>>,
    /// Begins a block that libtiff wants bit by bit. GDAL has deflate of its own.
    pub parts: Option<fn(Shape) -> Result<Box<dyn Unpack>, String>>,
    /// Whether pixels may have been turned into differences before.
    pub predicted: bool,
}

/// What a block unpacks to: the last strip of a raster has fewer rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Columns.
    pub width: usize,
    /// Rows, at most.
    pub height: usize,
    /// Samples of a pixel that lie beside each other.
    pub samples: usize,
    /// What they are; `None` for what is no type of pixels.
    pub dtype: Option<Dtype>,
    /// What LERC's blobs are packed in.
    pub within: Within,
}

impl Shape {
    /// How many bytes that is, of values of a size.
    pub(super) fn bytes(self, size: usize) -> Option<usize> {
        self.width.checked_mul(self.height)?.checked_mul(self.samples)?.checked_mul(size)
    }
}

/// What else a block was packed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    /// Nothing.
    Nothing,
    /// Deflate.
    Deflate,
    /// Zstandard.
    Zstd,
}

/// A block on its way.
pub(crate) trait Unpack {
    /// Fills `out` with the block's next bytes, and says how many bytes of `input` that took.
    ///
    /// # Errors
    /// Why the block cannot be unpacked, or that it ends too early.
    fn fill(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize, String>;
}

/// What a block says that ends before it is full.
pub(super) fn short(missing: usize) -> String {
    format!("the block ends {missing} bytes too early")
}
