//! Formats: a file's header, and a block's pixels.
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
pub mod yaml;
pub mod zarr;

use crate::affine::Affine;
use crate::dtype::{Dtype, Nodata};
use crate::error::{Error, Lack, Result};

/// What a file says of itself, name by name, beyond what its header means: in the file's order.
pub type Tags = Vec<(String, String)>;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Pixels on one grid.
    Raster,
    /// Variables over dimensions.
    Array,
    /// Features.
    Vector,
}

impl Kind {
    /// As a catalog names it.
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
    /// By name.
    Name(String),
    /// From 1.
    Number(i64),
}

/// One layer of a vector file.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// OGC's name: `Polygon`, `MultiPolygon`, `Unknown (any)`.
    pub geometry_type: String,
    /// How many features it holds.
    pub features: u64,
}

/// What a raster's header says, without one pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Who reads it.
    pub driver: String,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// From pixels to the CRS.
    pub transform: Option<Affine>,
    /// Authority code (`EPSG:32629`) where there is one, else PROJJSON.
    pub crs: Option<String>,
    /// In file order.
    pub bands: Vec<Band>,
    /// Rows and columns of the blocks that the file is stored in.
    pub block: (usize, usize),
    /// A block holds the pixels of all bands side by side, so that one decoding gives all of them.
    pub together: bool,
}

impl Header {
    /// Whether two headers say the same to the bit; NaN is equal to itself.
    pub fn same(&self, other: &Header) -> bool {
        let Header { driver, height, width, transform, crs, bands, block, together } = self;
        let same_transform = match (transform, &other.transform) {
            (Some(a), Some(b)) => a.0.iter().zip(&b.0).all(|(a, b)| same_number(*a, *b)),
            (a, b) => a.is_none() && b.is_none(),
        };
        (driver, height, width, crs, block, together)
            == (&other.driver, &other.height, &other.width, &other.crs, &other.block, &other.together)
            && same_transform
            && bands.len() == other.bands.len()
            && bands.iter().zip(&other.bands).all(|(a, b)| a.same(b))
    }

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
    /// The stored type.
    pub dtype: Dtype,
    /// The stored value that is none.
    pub nodata: Option<Nodata>,
    /// `value = pixel * scale + offset`.
    pub scale: Option<f64>,
    /// 0 without it.
    pub offset: Option<f64>,
    /// Of the scaled value.
    pub unit: Option<String>,
    /// A mask band or an alpha band says which pixels are valid, instead of a nodata value.
    pub masked: bool,
    /// The variable of an array file that it is: more than one value may stand for no pixel.
    pub variable: Option<std::sync::Arc<array::Variable>>,
}

impl Band {
    /// As [`Header::same`].
    fn same(&self, other: &Band) -> bool {
        let Band { name, dtype, nodata, scale, offset, unit, masked, variable } = self;
        let same_nodata = match (*nodata, other.nodata) {
            (Some(Nodata::Float(a)), Some(Nodata::Float(b))) => same_number(a, b),
            (a, b) => a == b,
        };
        let same_factor = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => same_number(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        (name, dtype, unit, masked, variable)
            == (&other.name, &other.dtype, &other.unit, &other.masked, &other.variable)
            && same_nodata
            && same_factor(*scale, other.scale)
            && same_factor(*offset, other.offset)
    }
}

/// Zeros of two signs are two numbers, and all NaN are one.
fn same_number(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let band = Band {
            name: Some("sst".into()),
            dtype: Dtype::Float32,
            nodata: Some(Nodata::Float(f64::NAN)),
            scale: Some(f64::NAN),
            offset: Some(0.0),
            unit: None,
            masked: false,
            variable: None,
        };
        Header {
            driver: "GTiff".into(),
            height: 3,
            width: 4,
            transform: Some(Affine([0.0, 1.0, 0.0, 3.0, 0.0, -1.0])),
            crs: Some("EPSG:4326".into()),
            bands: vec![band.clone(), Band { nodata: Some(Nodata::Integer(-1)), ..band }],
            block: (3, 4),
            together: true,
        }
    }

    #[test]
    fn a_header_with_nan_is_the_same_as_itself_and_as_no_other() {
        assert!(header().same(&header()));
        let others: [fn(&mut Header); 17] = [
            |h| h.driver.push('x'),
            |h| h.height = 4,
            |h| h.width = 3,
            |h| h.transform = None,
            |h| h.transform = Some(Affine([-0.0, 1.0, 0.0, 3.0, 0.0, -1.0])),
            |h| h.crs = None,
            |h| h.block = (4, 3),
            |h| h.together = false,
            |h| drop(h.bands.pop()),
            |h| h.bands[0].name = None,
            |h| h.bands[0].dtype = Dtype::Float64,
            |h| h.bands[0].nodata = Some(Nodata::Float(0.0)),
            |h| h.bands[1].nodata = Some(Nodata::Float(-1.0)),
            |h| h.bands[0].scale = None,
            |h| h.bands[1].offset = Some(-0.0),
            |h| h.bands[0].unit = Some("K".into()),
            |h| h.bands[0].masked = true,
        ];
        for (number, change) in others.iter().enumerate() {
            let mut other = header();
            change(&mut other);
            assert!(!header().same(&other) && !other.same(&header()), "change {number}");
        }
    }
}
