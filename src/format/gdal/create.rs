//! New rasters: GeoTIFFs whole or part by part, and PNGs.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gdal::errors::GdalError;
use gdal::raster::{Buffer, GdalType, RasterCreationOptions};
use gdal::{Dataset, Driver, DriverManager, Metadata};

use crate::affine::Affine;
use crate::dtype::{Dtype, Nodata, Pixels};
use crate::dtype::{with_dtype, with_pixels};
use crate::error::{Error, Result};
use crate::format::gdal::burn::progress;
use crate::format::gdal::{start, system};
use crate::projection::library::{failure_of, reason};
use crate::projection::spatial_ref;
use crate::workers::is_interrupted;

/// What a raster is, and what its file is to say of it.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    /// The type of its pixels.
    pub dtype: Dtype,
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
    /// A mask says which pixels are none.
    pub masked: bool,
    /// Scale and offset: what a pixel stands for is `pixel * scale + offset`.
    pub scaling: Option<(f64, f64)>,
    /// Names of bands; none, or one each.
    pub names: &'a [String],
    /// What the file says of itself.
    pub tags: &'a [(String, String)],
}

/// How a file is laid out.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// A Cloud Optimized GeoTIFF; else blocks that may be written in place.
    pub cloud: bool,
    /// As GDAL names it.
    pub compression: &'static str,
    /// Rows and columns of a block.
    pub block: usize,
    /// How overviews are made, as GDAL names it; `None` makes none.
    pub overviews: Option<&'static str>,
    /// Threads that compress.
    pub threads: usize,
    /// The least and the greatest pixel, mean and deviation of each band are told.
    pub statistics: bool,
}

/// Writes pixels in the order [band, row, col] into a file.
///
/// # Errors
/// The CRS is unknown, or the file cannot be written.
pub fn whole(
    path: &Path,
    head: &Head<'_>,
    pixels: &Pixels,
    valid: Option<&[u8]>,
    layout: &Layout,
) -> Result<()> {
    start();
    let failed = failing(path);
    let mut memory = in_memory(head, pixels, &failed)?;
    describe(&mut memory, head, &failed)?;
    if let (true, Some(valid)) = (head.masked, valid) {
        write_mask(&memory, (0, 0), (head.width, head.height), valid.to_vec()).map_err(&failed)?;
    }
    writing(path, || copy(&memory, path, head, layout, &failed))
}

/// Writes pixels in the order [band, row, col] into a PNG, which has neither transform nor CRS.
///
/// # Errors
/// The file cannot be written.
pub fn picture(path: &Path, head: &Head<'_>, pixels: &Pixels) -> Result<()> {
    start();
    let failed = failing(path);
    let mut memory = in_memory(head, pixels, &failed)?;
    describe(&mut memory, head, &failed)?;
    let driver = DriverManager::get_driver_by_name("PNG").map_err(&failed)?;
    writing(path, || {
        let file = memory.create_copy(&driver, path, &RasterCreationOptions::new()).map_err(&failed)?;
        file.close().map_err(&failed)
    })
}

/// A raster that is written part by part, in a file of its own beside the one that it becomes.
pub struct Draft {
    dataset: Dataset,
    path: PathBuf,
}

/// Rows and columns of a draft's blocks.
pub const DRAFT_BLOCK: (usize, usize) = (64, 256);

impl Draft {
    /// Begins a draft, in which no pixel was written: blocks that never are take no room.
    ///
    /// # Errors
    /// The CRS is unknown, or the file cannot be written.
    pub fn new(path: &Path, head: &Head<'_>) -> Result<Draft> {
        start();
        let failed = failing(path);
        let mut options = RasterCreationOptions::new();
        let (rows, cols) = DRAFT_BLOCK;
        for (key, value) in [
            ("TILED", "YES".into()),
            ("BLOCKXSIZE", cols.to_string()),
            ("BLOCKYSIZE", rows.to_string()),
            ("SPARSE_OK", "TRUE".into()),
            ("INTERLEAVE", "BAND".into()),
            ("BIGTIFF", "IF_SAFER".to_string()),
        ] {
            options.set_name_value(key, &value).map_err(&failed)?;
        }
        let driver = DriverManager::get_driver_by_name("GTiff").map_err(&failed)?;
        let (width, height, bands) = (head.width, head.height, head.bands);
        writing(path, || {
            let mut dataset = with_dtype!(head.dtype, T => {
                driver.create_with_band_type_with_options::<T, _>(path, width, height, bands, &options).map_err(&failed)?
            });
            describe(&mut dataset, head, &failed)?;
            Ok(Draft { dataset, path: path.into() })
        })
    }

    /// Writes rows of a band, from the left edge on.
    ///
    /// # Errors
    /// The disk is full, say.
    pub fn write(&mut self, band: usize, row: usize, width: usize, pixels: Pixels) -> Result<()> {
        let failed = failing(&self.path);
        let rows = pixels.len() / width.max(1);
        writing(&self.path, || {
            let mut band = self.dataset.rasterband(band + 1).map_err(&failed)?;
            with_pixels!(pixels, pixels => {
                let mut buffer = Buffer::new((width, rows), pixels);
                band.write((0, row as isize), (width, rows), &mut buffer)
            })
            .map_err(&failed)
        })
    }

    /// Writes rows of the mask: 255 where there is a pixel.
    ///
    /// # Errors
    /// As [`Draft::write`].
    pub fn write_mask(&mut self, row: usize, width: usize, valid: Vec<u8>) -> Result<()> {
        let rows = valid.len() / width.max(1);
        writing(&self.path, || {
            write_mask(&self.dataset, (0, row as isize), (width, rows), valid).map_err(failing(&self.path))
        })
    }

    /// Makes of the draft the file that it is to be.
    ///
    /// # Errors
    /// As [`Draft::write`].
    pub fn finish(mut self, path: &Path, head: &Head<'_>, layout: &Layout) -> Result<()> {
        let failed = failing(&self.path);
        writing(path, || {
            self.dataset.flush_cache().map_err(&failed)?;
            copy(&self.dataset, path, head, layout, &failed)
        })
    }
}

/// How GDAL's errors tell of a file that could not be written.
fn failing(path: &Path) -> impl Fn(GdalError) -> Error + use<> {
    let name = path.to_string_lossy().into_owned();
    move |e| Error::unwritable(&name, reason(&e, &name))
}

/// Runs work that writes a file, and fails where the system did not take all that was written.
fn writing<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    match system::writing(work) {
        (Ok(_) | Err(Error::Unwritable { .. }), Some(error)) => {
            Err(Error::unwritable(path.to_string_lossy(), error))
        }
        (done, _) => done,
    }
}

fn write_mask(
    dataset: &Dataset,
    corner: (isize, isize),
    size: (usize, usize),
    valid: Vec<u8>,
) -> std::result::Result<(), GdalError> {
    let band = dataset.rasterband(1)?;
    let mut mask = band.open_mask_band()?;
    mask.write(corner, size, &mut Buffer::new(size, valid))
}

/// A copy of a dataset as a GeoTIFF: bands apart, and overviews by halves down to one block.
fn copy(
    dataset: &Dataset,
    path: &Path,
    head: &Head<'_>,
    layout: &Layout,
    failed: &dyn Fn(GdalError) -> Error,
) -> Result<()> {
    if layout.statistics {
        for band in 1..=head.bands {
            // They become the band's metadata, which is copied; a band without a pixel has none.
            let _ = dataset.rasterband(band).and_then(|band| band.get_statistics(true, false));
        }
    }
    let float = head.dtype.is_float();
    let mut settings = vec![
        ("COMPRESS", layout.compression.to_string()),
        ("INTERLEAVE", "BAND".into()),
        ("BIGTIFF", "IF_SAFER".into()),
        ("NUM_THREADS", layout.threads.to_string()),
    ];
    let predictor = layout.compression != "NONE";
    if layout.cloud {
        settings.push(("BLOCKSIZE", layout.block.to_string()));
        settings.push(("PREDICTOR", if predictor { "YES" } else { "NO" }.into()));
        settings
            .push(("OVERVIEWS", if layout.overviews.is_some() { "IGNORE_EXISTING" } else { "NONE" }.into()));
        settings.push(("OVERVIEW_RESAMPLING", layout.overviews.unwrap_or("NEAREST").into()));
    } else {
        settings.push(("TILED", "YES".into()));
        settings.push(("BLOCKXSIZE", layout.block.to_string()));
        settings.push(("BLOCKYSIZE", layout.block.to_string()));
        let predictor = if !predictor {
            "1"
        } else if float {
            "3"
        } else {
            "2"
        };
        settings.push(("PREDICTOR", predictor.into()));
    }
    let mut options = RasterCreationOptions::new();
    for (key, value) in &settings {
        options.set_name_value(key, value).map_err(failed)?;
    }
    let driver =
        DriverManager::get_driver_by_name(if layout.cloud { "COG" } else { "GTiff" }).map_err(failed)?;
    within_file(|| {
        let mut file = copied(dataset, &driver, path, &options, failed)?;
        if let (false, Some(method)) = (layout.cloud, layout.overviews) {
            let (mut levels, mut side, mut factor) = (Vec::new(), head.height.max(head.width), 2);
            while side > layout.block {
                levels.push(factor);
                (side, factor) = (side.div_ceil(2), factor * 2);
            }
            if !levels.is_empty() {
                build_overviews(&mut file, method, &levels, failed)?;
            }
        }
        // What was not written yet fails here.
        file.close().map_err(failed)
    })
}

/// GDAL's copy of a dataset, in which a query can be interrupted.
fn copied(
    dataset: &Dataset,
    driver: &Driver,
    path: &Path,
    options: &RasterCreationOptions,
    failed: &dyn Fn(GdalError) -> Error,
) -> Result<Dataset> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|e| failed(e.into()))?;
    let (copy, said) = failure_of(|| {
        // SAFETY: both are open, the name ends with a zero byte, GDAL copies the options, and asks a function of ours.
        unsafe {
            gdal_sys::GDALCreateCopy(
                driver.c_driver(),
                name.as_ptr(),
                dataset.c_dataset(),
                0,
                options.as_ptr(),
                Some(progress),
                std::ptr::null_mut(),
            )
        }
    });
    if copy.is_null() {
        return Err(ended(said, failed));
    }
    // SAFETY: it is open, and nobody else's.
    Ok(unsafe { Dataset::from_c_dataset(copy) })
}

/// Overviews of a file, each by a factor, in which a query can be interrupted.
fn build_overviews(
    file: &mut Dataset,
    method: &str,
    factors: &[i32],
    failed: &dyn Fn(GdalError) -> Error,
) -> Result<()> {
    let method = CString::new(method).map_err(|e| failed(e.into()))?;
    let (state, said) = failure_of(|| {
        // SAFETY: the file is open, the name ends with a zero byte, there are as many factors as is said, and no list of bands
        // stands for all. GDAL asks a function of ours.
        unsafe {
            gdal_sys::GDALBuildOverviews(
                file.c_dataset(),
                method.as_ptr(),
                factors.len() as i32,
                factors.as_ptr().cast_mut(),
                0,
                std::ptr::null_mut(),
                Some(progress),
                std::ptr::null_mut(),
            )
        }
    });
    if state == gdal_sys::CPLErr::CE_None { Ok(()) } else { Err(ended(said, failed)) }
}

/// Why GDAL did not write a file.
fn ended(said: Option<String>, failed: &dyn Fn(GdalError) -> Error) -> Error {
    let msg = said.unwrap_or_default();
    if is_interrupted() {
        Error::Interrupted
    } else {
        failed(GdalError::NullPointer { method_name: "", msg })
    }
}

/// Masks and compressed overviews of a GeoTIFF that this thread writes go into the file itself.
fn within_file<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    const INSIDE: &str = "GDAL_TIFF_INTERNAL_MASK";
    // The key and the values hold no zero byte, the one thing that could be refused.
    let _ = gdal::config::set_thread_local_config_option(INSIDE, "YES");
    let done = work();
    let _ = gdal::config::clear_thread_local_config_option(INSIDE);
    done
}

/// A dataset over the pixels, which are not copied: it must not outlive them.
fn in_memory(head: &Head<'_>, pixels: &Pixels, failed: &dyn Fn(GdalError) -> Error) -> Result<Dataset> {
    let Head { bands, height, width, dtype, .. } = *head;
    if pixels.len() != bands * height * width {
        return Err(Error::Bug(format!("{} pixels of {bands} x {height} x {width}", pixels.len())));
    }
    let driver = DriverManager::get_driver_by_name("MEM").map_err(failed)?;
    let memory = driver.create_with_band_type::<u8, _>("", width, height, 0).map_err(failed)?;
    let kind = with_dtype!(dtype, T => T::gdal_ordinal());
    let first = with_pixels!(pixels, values => values.as_ptr().cast::<u8>());
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
    Ok(memory)
}

/// Writes what a file says of itself.
fn describe(dataset: &mut Dataset, head: &Head<'_>, failed: &dyn Fn(GdalError) -> Error) -> Result<()> {
    if let Some(transform) = head.transform {
        dataset.set_geo_transform(&transform.0).map_err(failed)?;
    }
    if let Some(crs) = head.crs {
        dataset.set_spatial_ref(&spatial_ref(crs)?).map_err(failed)?;
    }
    for (key, value) in head.tags {
        dataset.set_metadata_item(key, value, "").map_err(failed)?;
    }
    for index in 1..=head.bands {
        let mut band = dataset.rasterband(index).map_err(failed)?;
        match (head.nodata, head.dtype) {
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
        if let Some((scale, offset)) = head.scaling {
            band.set_scale(scale).map_err(failed)?;
            band.set_offset(offset).map_err(failed)?;
        }
        if let Some(name) = head.names.get(index - 1) {
            band.set_description(name).map_err(failed)?;
        }
    }
    if head.masked {
        let made = within_file(|| {
            dataset.rasterband(1).and_then(|mut band| band.create_mask_band(true)).map_err(failed)
        });
        made?;
    }
    Ok(())
}
