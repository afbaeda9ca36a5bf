//! Formats: a file's header, and a block's pixels. One file names each library.
//!
//! A file is one of three kinds: a raster (bands on one grid), an array file (named variables on named
//! dimensions: NetCDF, HDF5, GRIB, Zarr) or a vector file (layers of features).

pub mod array;
pub mod classic;
pub mod gdal;
pub mod geotiff;
pub mod grib;
pub mod heap;
pub mod hyperslab;
pub mod magic;
pub mod open;
pub mod parquet;
pub mod tiff;
pub mod vrt;
pub mod zarr;

use crate::affine::Affine;
use crate::dtype::{Dtype, Nodata};
use crate::error::{Error, Lack, Result};

/// What a file says of itself, name by name, beyond what its header means: in the file's order.
pub type Tags = Vec<(String, String)>;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Raster,
    Array,
    Vector,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Raster => "raster",
            Kind::Array => "array",
            Kind::Vector => "vector",
        }
    }
}

/// Which layer of a vector file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LayerName {
    Name(String),
    /// From 1.
    Number(i64),
}

/// One layer of a vector file.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    pub name: String,
    /// OGC's name: `Polygon`, `MultiPolygon`, `Unknown (any)`.
    pub geometry_type: String,
    pub features: u64,
}

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

impl Header {
    /// The transform and CRS of a raster that lies north-up (or south-up) on the map.
    ///
    /// # Errors
    /// [`Error::Unsuited`]: no transform, a rotated one, or no CRS.
    pub fn georeference(&self, path: &str) -> Result<(Affine, String)> {
        let transform = self.transform.ok_or_else(|| Error::unsuited(path, Lack::Transform))?;
        if transform.is_rotated() {
            return Err(Error::unsuited(path, Lack::Rotated(transform.0)));
        }
        let crs = self.crs.clone().ok_or_else(|| Error::unsuited(path, Lack::Crs))?;
        Ok((transform, crs))
    }
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
    /// The variable of an array file that it is: more than one value may stand for no pixel.
    pub variable: Option<std::sync::Arc<array::Variable>>,
}
