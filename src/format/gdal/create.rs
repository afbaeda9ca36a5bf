//! New rasters.

#![allow(unsafe_code)]

use std::path::Path;

use gdal::errors::GdalError;
use gdal::raster::{GdalType, RasterCreationOptions};
use gdal::{Dataset, DriverManager, Metadata};

use crate::affine::Affine;
use crate::dtype::{Dtype, Nodata, Pixels};
use crate::error::{Error, Result};
use crate::format::gdal::start;
use crate::projection::library::cause;
use crate::projection::spatial_ref;
use crate::{with_dtype, with_pixels};

/// A raster in memory, and what its file is to say of it.
pub struct Raster<'a> {
    /// In the order [band, row, col].
    pub pixels: &'a Pixels,
    /// How many bands.
    pub bands: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// From pixels to the CRS.
    pub transform: Option<Affine>,
    /// The CRS, as PROJ knows it.
    pub crs: Option<&'a str>,
    /// The value that stands for no pixel.
    pub nodata: Option<Nodata>,
    /// Names of bands; none, or one each.
    pub names: &'a [String],
}

/// How a file is laid out.
pub struct Layout {
    /// As GDAL names it.
    pub compression: &'static str,
    /// Rows and columns of a block.
    pub block: usize,
    /// Threads that compress.
    pub threads: usize,
}

/// Writes a Cloud Optimized GeoTIFF: blocks, bands apart, and overviews by halves down to one block; of floats they
/// are means, of whole numbers, which may be classes, single pixels.
///
/// # Errors
/// The CRS is unknown, or the file cannot be written.
pub fn cog(path: &Path, raster: &Raster<'_>, layout: &Layout) -> Result<()> {
    start();
    let name = path.to_string_lossy().into_owned();
    let failed = |e: GdalError| Error::unwritable(&name, cause(e, &name));
    let memory = in_memory(raster, &failed)?;
    let float = matches!(dtype(raster.pixels), Dtype::Float32 | Dtype::Float64);
    let mut options = RasterCreationOptions::new();
    let settings = [
        ("COMPRESS", layout.compression.to_string()),
        ("PREDICTOR", if layout.compression == "NONE" { "NO" } else { "YES" }.into()),
        ("BLOCKSIZE", layout.block.to_string()),
        ("INTERLEAVE", "BAND".into()),
        ("OVERVIEW_RESAMPLING", if float { "AVERAGE" } else { "NEAREST" }.into()),
        ("BIGTIFF", "IF_SAFER".into()),
        ("NUM_THREADS", layout.threads.to_string()),
    ];
    for (key, value) in &settings {
        options.set_name_value(key, value).map_err(failed)?;
    }
    let driver = DriverManager::get_driver_by_name("COG").map_err(failed)?;
    let file = memory.create_copy(&driver, path, &options).map_err(failed)?;
    // What was not written yet fails here.
    file.close().map_err(failed)
}

fn dtype(pixels: &Pixels) -> Dtype {
    fn of<T: crate::dtype::Pixel>(_: &[T]) -> Dtype {
        T::DTYPE
    }
    with_pixels!(pixels, values => of(values))
}

/// A dataset over the pixels, which are not copied: it must not outlive them.
fn in_memory(raster: &Raster<'_>, failed: &dyn Fn(GdalError) -> Error) -> Result<Dataset> {
    let Raster { bands, height, width, .. } = *raster;
    if raster.pixels.len() != bands * height * width {
        return Err(Error::Bug(format!("{} pixels of {bands} x {height} x {width}", raster.pixels.len())));
    }
    let driver = DriverManager::get_driver_by_name("MEM").map_err(failed)?;
    let mut memory = driver.create_with_band_type::<u8, _>("", width, height, 0).map_err(failed)?;
    let dtype = dtype(raster.pixels);
    let kind = with_dtype!(dtype, T => T::gdal_ordinal());
    let first = with_pixels!(raster.pixels, values => values.as_ptr().cast::<u8>());
    for band in 0..bands {
        // The band's pixels lie in the slice, whose length was looked at.
        let at = first.wrapping_add(band * height * width * dtype.size());
        let mut options = gdal::cpl::CslStringList::new();
        options.set_name_value("DATAPOINTER", &format!("{at:p}")).map_err(failed)?;
        // SAFETY: the dataset and the options are alive; GDAL copies the options, and reads the pixels for as long as
        // the dataset is open, which the caller keeps to the life of the slice. It never writes them: the dataset is
        // the source of a copy.
        let state = unsafe { gdal_sys::GDALAddBand(memory.c_dataset(), kind, options.as_ptr()) };
        if state != gdal_sys::CPLErr::CE_None {
            return Err(Error::Bug("a band in memory cannot be made".into()));
        }
    }
    if let Some(transform) = raster.transform {
        memory.set_geo_transform(&transform.0).map_err(failed)?;
    }
    if let Some(crs) = raster.crs {
        memory.set_spatial_ref(&spatial_ref(crs)?).map_err(failed)?;
    }
    for index in 1..=bands {
        let mut band = memory.rasterband(index).map_err(failed)?;
        match (raster.nodata, dtype) {
            (Some(Nodata::Integer(value)), Dtype::UInt64) => {
                band.set_no_data_value_u64(u64::try_from(value).ok())
            }
            (Some(Nodata::Integer(value)), Dtype::Int64) => {
                band.set_no_data_value_i64(i64::try_from(value).ok())
            }
            (Some(value), _) => band.set_no_data_value(Some(value.f64())),
            (None, _) => Ok(()),
        }
        .map_err(failed)?;
        if let Some(name) = raster.names.get(index - 1) {
            band.set_description(name).map_err(failed)?;
        }
    }
    Ok(memory)
}
