//! Formats: a file's header, and a block's pixels. One file names each library.

pub mod gdal;
pub mod parquet;

use crate::affine::Affine;
use crate::dtype::{Dtype, Nodata};

/// What a raster's header says, without one pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    pub driver: String,
    pub height: usize,
    pub width: usize,
    pub transform: Option<Affine>,
    /// Authority code (`EPSG:32629`) where there is one, else PROJJSON.
    pub crs: Option<String>,
    pub bands: Vec<Band>,
    /// Rows and columns of the blocks that the file is stored in.
    pub block: (usize, usize),
}

/// What a band's header says.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// The band's own description, or NULL.
    pub name: Option<String>,
    pub dtype: Dtype,
    pub nodata: Option<Nodata>,
    /// `value = pixel * scale + offset`.
    pub scale: Option<f64>,
    pub offset: Option<f64>,
    pub unit: Option<String>,
    /// A mask band or an alpha band says which pixels are valid, instead of a nodata value.
    pub masked: bool,
}
