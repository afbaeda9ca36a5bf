//! Which library opens a file, told by its content.

use std::sync::Arc;

use crate::error::{Error, Lack, Other, Result};
use crate::files::{FileKind, Sight};
use crate::format::array::ArrayFile;
use crate::format::gdal::mdim::MdimFile;
use crate::format::gdal::{Raster, vector::VectorSource};
use crate::format::magic::sniff;
use crate::format::{Kind, zarr};

impl Kind {
    /// What a file's content says of it; `None` when it must be tried as a raster and as a vector file.
    pub fn of_file(sight: &Sight) -> Option<Kind> {
        // The name of one raster inside a file asks for that raster.
        if sight.location().is_subdataset() {
            return Some(Kind::Raster);
        }
        match sight.kind() {
            FileKind::Store => Some(Kind::Array),
            FileKind::Geodatabase => Some(Kind::Vector),
            FileKind::File => {
                let known = Kind::of_magic(&sight.magic());
                known.or_else(|| is_array(sight).then_some(Kind::Array))
            }
        }
    }
}

/// Opens an array file of any format, told by its content.
///
/// # Errors
/// The file is absent, not an array file, or damaged.
pub fn open(sight: &Sight) -> Result<Arc<dyn ArrayFile>> {
    match sight.kind() {
        // Of zipped files no other is an array file.
        FileKind::File if !is_zip(sight) => Ok(Arc::new(MdimFile::open(sight)?)),
        _ => Ok(Arc::new(zarr::open(sight)?)),
    }
}

fn is_zip(sight: &Sight) -> bool {
    sight.magic().starts_with(b"PK\x03\x04")
}

/// A file of JPEG 2000, or its bare codestream.
fn is_jpeg2000(magic: &[u8]) -> bool {
    magic.starts_with(b"\0\0\0\x0cjP  ") || magic.starts_with(b"\xff\x4f\xff\x51")
}

/// True when the content is an array file's.
pub fn is_array(sight: &Sight) -> bool {
    match sight.kind() {
        FileKind::Store => true,
        FileKind::Geodatabase => false,
        // Shapefiles come zipped too.
        FileKind::File if is_zip(sight) => zarr::is_zipped_store(sight),
        FileKind::File => sniff(sight.head()).is_some(),
    }
}

/// Why a file does not open as one kind, or as any: it may be of another, for which there are other functions.
pub fn explain(error: Error, sight: &Sight, wanted: Option<Kind>) -> Error {
    let is_empty = matches!(error, Error::Unsuited { lack: Lack::Bands(_), .. });
    if !error.is_unopened() && !is_empty {
        return error;
    }
    let other = |other| Error::unsuited(sight.path(), Lack::Kind(other));
    if sight.magic().starts_with(b"PAR1") {
        return other(Other::Table);
    }
    if is_jpeg2000(&sight.magic()) {
        let reason =
            "it is JPEG 2000, which is not read here: make a GeoTIFF of it first (gdal_translate -of COG)";
        return Error::unreadable(sight.path(), reason);
    }
    // A store, or a zipped one, is nothing else; NetCDF and its kin may be rasters too, and say so themselves.
    let is_store = !matches!(sight.kind(), FileKind::File) || is_zip(sight);
    let is_wanted = wanted == Some(Kind::Vector) || is_store && wanted == Some(Kind::Raster);
    if is_wanted && is_array(sight) {
        return other(Other::Array);
    }
    let is_vector = || VectorSource::open(sight).is_ok_and(|file| file.layer_count() > 0);
    match wanted {
        Some(Kind::Raster) if is_vector() => other(Other::Vector),
        Some(Kind::Vector) if Raster::open(sight, None).is_ok() => other(Other::Raster),
        _ => error,
    }
}
