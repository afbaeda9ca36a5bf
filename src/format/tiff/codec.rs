//! The codecs that blocks of a TIFF are unpacked with here, and what a codec does.

use super::{deflate, lzma, webp, zstd};

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
}

/// A block on its way.
pub(crate) trait Unpack {
    /// Fills `out` with the block's next bytes, and says how many bytes of `input` that took.
    ///
    /// # Errors
    /// Why the block can not be unpacked, or that it ends too early.
    fn fill(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize, String>;
}

/// Every codec.
pub(crate) static CODECS: [Codec; 4] = [
    Codec { name: "DEFLATE", number: 8, whole: Some(deflate::whole), parts: None, predicted: true },
    Codec {
        name: "ZSTD",
        number: 50000,
        whole: Some(zstd::whole),
        parts: Some(zstd::parts),
        predicted: true,
    },
    Codec {
        name: "LZMA",
        number: 34925,
        whole: Some(lzma::whole),
        parts: Some(lzma::parts),
        predicted: true,
    },
    Codec { name: "WEBP", number: 50001, whole: None, parts: Some(webp::parts), predicted: false },
];

/// What a block says that ends before it is full.
pub(super) fn short(missing: usize) -> String {
    format!("the block ends {missing} bytes too early")
}
