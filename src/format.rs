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
pub mod parquet;
pub mod tiff;
pub mod vrt;
pub mod zarr;

use crate::affine::Affine;
use crate::dtype::{Dtype, Nodata};
use crate::error::Error;
use crate::files;

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

impl Kind {
    /// What a file's content says of it; `None` when it must be tried as a raster and as a vector file.
    pub fn of_file(path: &str) -> Option<Kind> {
        // The name of one raster inside a file asks for that raster.
        if files::container(path) != path {
            return Some(Kind::Raster);
        }
        if files::is_geodatabase(path) {
            return Some(Kind::Vector);
        }
        let known = Kind::of_magic(&files::magic(path));
        known.or_else(|| array::is_array(path).then_some(Kind::Array))
    }

    /// What a file's first bytes say of it; `None` when several kinds begin so, and the file must be tried.
    pub fn of_magic(magic: &[u8]) -> Option<Kind> {
        const RASTERS: [&[u8]; 8] =
            [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM"];
        // FlatGeobuf, the two parts of a Shapefile that hold geometries, and JSON.
        const VECTORS: [&[u8]; 4] = [b"fgb\x03", b"\0\0\x27\x0a", b"{", b"["];
        let begins = |starts: &[&[u8]]| starts.iter().any(|start| magic.starts_with(start));
        if begins(&RASTERS) {
            Some(Kind::Raster)
        } else if begins(&VECTORS) {
            Some(Kind::Vector)
        } else {
            None
        }
    }
}

/// Why a file does not open as one kind, or as any: it may be of another, for which there are other functions.
pub fn explain(error: Error, path: &str, wanted: Option<Kind>) -> Error {
    if !matches!(error, Error::Unreadable { .. } | Error::NoBands { .. }) {
        return error;
    }
    let other = |what, remedy: String| Error::OtherKind { path: path.into(), what, remedy };
    if files::magic(path).starts_with(b"PAR1") {
        let remedy = format!(
            "Its geometries are drawn by SELECT geo_rasterize(list(geometry), slice) FROM '{path}', and a catalog is any \
             query with columns path, geometry, bbox (geo_bbox(geometry)), t_min and t_max"
        );
        return other("a Parquet file, which is a table to DuckDB", remedy);
    }
    if array::is_array(path) && wanted == Some(Kind::Vector) {
        return other(
            "an array file, and no vector file",
            format!("Read it with read_array('{path}', variable)"),
        );
    }
    let is_vector = || gdal::vector::VectorSource::open(path).is_ok_and(|file| file.layer_count() > 0);
    match wanted {
        Some(Kind::Raster) if is_vector() => other(
            "a vector file, and no raster",
            format!("Draw it on a grid with geo_rasterize('{path}', slice)"),
        ),
        Some(Kind::Vector) if gdal::Raster::open(path, None).is_ok() => other(
            "a raster, and no vector file",
            format!(
                "Read it with read_patch('{path}', win) or read_slice('{path}', slice); geo_polygonize makes shapes of pixels"
            ),
        ),
        _ => error,
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
