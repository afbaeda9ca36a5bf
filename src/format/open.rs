//! Which library opens a file, told by its content.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Lack, Other, Result};
use crate::files;
use crate::format::array::ArrayFile;
use crate::format::gdal::mdim::MdimFile;
use crate::format::gdal::{Raster, vector::VectorSource};
use crate::format::magic::sniff;
use crate::format::{Kind, zarr};

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
        known.or_else(|| is_array(path).then_some(Kind::Array))
    }
}

/// Opens an array file of any format, told by its content.
///
/// # Errors
/// The file is absent, not an array file, or damaged.
pub fn open(path: &str) -> Result<Arc<dyn ArrayFile>> {
    if is_zarr(path) {
        return Ok(Arc::new(zarr::open(path)?));
    }
    Ok(Arc::new(MdimFile::open(path)?))
}

/// A Zarr store: a directory of one, or a zip file, which no other array file is.
pub fn is_zarr(path: &str) -> bool {
    files::is_store(Path::new(path)) || files::magic(path).starts_with(b"PK\x03\x04")
}

/// True when the content is an array file's.
pub fn is_array(path: &str) -> bool {
    if files::is_store(Path::new(path)) {
        return true;
    }
    if files::magic(path).starts_with(b"PK\x03\x04") {
        // Shapefiles come zipped too.
        return zarr::open(path).is_ok();
    }
    sniff(path).is_some()
}

/// Why a file does not open as one kind, or as any: it may be of another, for which there are other functions.
pub fn explain(error: Error, path: &str, wanted: Option<Kind>) -> Error {
    let is_empty = matches!(error, Error::Unsuited { lack: Lack::Bands(_), .. });
    if !error.is_unopened() && !is_empty {
        return error;
    }
    let other = |other| Error::unsuited(path, Lack::Kind(other));
    if files::magic(path).starts_with(b"PAR1") {
        return other(Other::Table);
    }
    if is_array(path) && wanted == Some(Kind::Vector) {
        return other(Other::Array);
    }
    let is_vector = || VectorSource::open(path).is_ok_and(|file| file.layer_count() > 0);
    match wanted {
        Some(Kind::Raster) if is_vector() => other(Other::Vector),
        Some(Kind::Vector) if Raster::open(path, None).is_ok() => other(Other::Raster),
        _ => error,
    }
}
