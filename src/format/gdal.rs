//! GDAL: the one room that names it. GDAL's (x, y) order of sizes and blocks stays in here.
//!
//! HDF5 and netCDF are not safe to enter from two threads, even on two files, so every call that can
//! reach them holds [`HDF5`]. All other drivers are entered freely, one handle to a thread at a time.

pub mod burn;
#[cfg(target_os = "linux")]
mod calls;
pub mod create;
mod dataset;
mod deflate;
mod drivers;
pub mod features;
#[cfg(target_os = "linux")]
mod hdf5;
pub mod hidden;
mod libtiff;
pub mod mdim;
mod netcdf;
#[cfg(target_os = "linux")]
mod sqlite;
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
mod system;
mod tags;
pub mod vector;
mod vsi;
pub mod warp;

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use gdal::errors::GdalError;
use gdal::raster::{ColorInterpretation, GdalDataType, GdalType, RasterBand};
use gdal::spatial_ref::SpatialRef;
use gdal::{Dataset, DatasetOptions, DriverManager, GdalOpenFlags, Metadata};

use crate::affine::Affine;
use crate::dtype::with_dtype;
use crate::dtype::{Dtype, Nodata, Pixel, Pixels};
use crate::error::{Cause, Error, Lack, Part, Result};
use crate::files::remote::RemoteFile;
use crate::files::{Address, Location, Sight, door};
use crate::format::gdal::hidden::Fields;
use crate::format::gdal::system::ReadOnly;
use crate::format::gdal::vsi::GdalFile;
use crate::format::geotiff::directory;
use crate::format::magic::sniff;
use crate::format::tiff::{CODECS, Packed, PackedBlocks, Predictor};
use crate::format::{Band, Header, classic, grib, vrt};
use crate::kept::Shared;
use crate::memory::ask_room;
use crate::projection::library::{self, cause, reason};
use crate::projection::name_of;
use crate::window::Window;

static HDF5: Mutex<()> = Mutex::new(());

/// A block above this many bytes is refused: no real file has one, a damaged header may.
const MAX_BLOCK_BYTES: usize = 1 << 30;
/// Spellings of CRSs whose names are kept.
const KNOWN_NAMES: usize = 4096;

/// Must run once before any other call; later calls do nothing.
pub fn start() {
    static START: Once = Once::new();
    START.call_once(|| {
        library::start();
        // Blocks are kept by read::block_cache, so GDAL's own cache need hold only what is in hand.
        // Faults of a mapped remote file would be served on a thread without a session, which never ends.
        for (key, value) in [
            ("GDAL_CACHEMAX", "64"),
            ("GDAL_PAM_ENABLED", "YES"),
            ("GDAL_NUM_THREADS", "1"),
            ("CPL_ENABLE_USERFAULTFD", "NO"),
            // ZSTD is only unpacked (libtiff.rs), and the COG driver would pack its overviews in it on the way.
            ("COG_TMP_COMPRESSION", "LZW"),
        ] {
            // These keys and values hold no zero byte, the one thing that could be refused.
            let _ = gdal::config::set_config_option(key, value);
        }
        netcdf::never_lock();
        DriverManager::register_all();
        drivers::keep();
        vsi::install();
        libtiff::install();
        deflate::install();
    });
}

/// GDAL's version and the short names of its drivers.
pub fn version() -> (String, Vec<String>) {
    start();
    let mut drivers: Vec<String> = DriverManager::all().map(|d| d.short_name()).collect();
    drivers.sort_unstable();
    (gdal::version::VersionInfo::release_name(), drivers)
}

/// Rasters opened since the process began.
pub fn rasters_opened() -> u64 {
    OPENED.load(Relaxed)
}

static OPENED: AtomicU64 = AtomicU64::new(0);

/// True when any of these options of GDAL is set, in the environment or in its own file.
pub fn any_option(names: &[&str]) -> bool {
    start();
    names.iter().any(|name| gdal::config::get_config_option(name, "").is_ok_and(|value| !value.is_empty()))
}

/// An open raster. One thread uses it at a time.
pub struct Raster {
    dataset: ReadOnly,
    location: Location,
    header: Arc<Header>,
    hdf5: bool,
    /// Where its blocks can be unpacked without GDAL.
    packed: Option<PackedBlocks>,
    /// Of a GRIB file.
    fields: Fields,
    /// Where it is read from; after the dataset, which is closed first.
    gdal_file: GdalFile,
}

impl Raster {
    /// Opens a raster; `siblings` are the names of its side files, where the caller knows them.
    ///
    /// # Errors
    /// The file is absent, no raster, damaged, or has no band.
    pub fn open(sight: &Sight, siblings: Option<&[String]>) -> Result<Raster> {
        Raster::open_as(sight, siblings, None)
    }

    /// Another handle of a raster whose header is known.
    ///
    /// # Errors
    /// As [`Raster::open`].
    pub fn reopen(sight: &Sight, siblings: Option<&[String]>, header: &Arc<Header>) -> Result<Raster> {
        Raster::open_as(sight, siblings, Some(header))
    }

    fn open_as(sight: &Sight, siblings: Option<&[String]>, header: Option<&Arc<Header>>) -> Result<Raster> {
        start();
        let (location, path) = (sight.location(), sight.path());
        vsi::watched(location, || {
            let gdal_file = GdalFile::of(sight, vsi::needs_netcdf)?;
            let magic = gdal_file.magic;
            let resting = at_rest(sight)?;
            // Refuses sources that could be waited for for ever.
            let sources = vrt::sources(sight)?;
            let is_array = match header {
                Some(header) => ["HDF5", "HDF5Image", "netCDF"].contains(&header.driver.as_str()),
                None => matches!(sniff(sight.head()), Some("HDF5" | "netCDF")),
            };
            let hdf5 =
                is_array || sources.iter().any(|source| matches!(source.format, Some("HDF5" | "netCDF")));
            let unreadable = |reason: Cause| Error::unreadable(path, reason);
            if magic.starts_with(b"CDF") {
                classic::check(location).map_err(unreadable)?;
            }
            if header.is_none() {
                sources.iter().try_for_each(|source| sound(source, path))?;
            }
            let messages = magic.starts_with(b"GRIB").then(|| grib::messages(location));
            if messages.as_ref().is_some_and(|messages| messages.second_order) {
                return Err(unreadable(grib::SECOND_ORDER.into()));
            }
            if let Some(reason) = messages.as_ref().and_then(|messages| messages.refusal()) {
                return Err(unreadable(reason.into()));
            }
            let _guard = guard(hdf5);
            if hdf5 {
                mdim::close_earlier(location)?;
            }
            let names: Option<Vec<&str>> = match gdal_file.file_name() {
                Some(name) => Some(vec![name]),
                None => siblings.map(|names| names.iter().map(String::as_str).collect()),
            };
            let drivers = gdal_file.drivers();
            let options = DatasetOptions {
                open_flags: GdalOpenFlags::GDAL_OF_RASTER
                    | GdalOpenFlags::GDAL_OF_READONLY
                    | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR,
                sibling_files: names.as_deref(),
                allowed_drivers: drivers.as_deref(),
                // A valid range hides pixels by our own rule; the sign keeps other drivers from a warning.
                open_options: hdf5.then_some(&["@HONOUR_VALID_RANGE=NO"] as &[&str]).or(resting),
            };
            let dataset = Dataset::open_ex(&gdal_file.name, options)
                .map_err(|e| Error::unreadable(path, cause(e, &gdal_file.name)))?;
            OPENED.fetch_add(1, Relaxed);
            let mut found = match header {
                Some(header) => header.clone(),
                None => Arc::new(read_header(&dataset, path)?),
            };
            let mut fields = Fields::default();
            if let Some(messages) = messages {
                // GDAL's own transform, which the header may have lost, tells how it turned the grid.
                let transform = transform_of(&dataset);
                let mut own = Header { transform, ..(*found).clone() };
                fields = Fields::of(location, messages, &mut own).map_err(unreadable)?;
                found = header.cloned().unwrap_or_else(|| Arc::new(own));
            }
            let packed = packed_blocks(&dataset, location, &magic, gdal_file.remote.clone());
            Ok(Raster {
                dataset: ReadOnly::new(dataset),
                location: location.clone(),
                header: found,
                hdf5,
                packed,
                fields,
                gdal_file,
            })
        })
    }

    /// Whether the file is read over a network.
    pub fn is_remote(&self) -> bool {
        self.gdal_file.remote.is_some()
    }

    /// Fetches what blocks of bands lie in, `(band, row, col)`, neighbours in one request. Only a remote TIFF tells
    /// where its blocks lie; of any other file nothing is fetched ahead.
    ///
    /// # Errors
    /// The bytes cannot be read.
    pub fn prefetch(&self, blocks: &[(usize, usize, usize)]) -> Result<()> {
        let Some(remote) = &self.gdal_file.remote else { return Ok(()) };
        match self.stored(blocks)? {
            Some(ranges) => remote.prefetch(ranges),
            None => Ok(()),
        }
    }

    /// Where in the file such blocks lie, without those that are not stored; `None` where the format does not tell.
    ///
    /// # Errors
    /// The bytes that tell it cannot be read.
    pub fn stored(&self, blocks: &[(usize, usize, usize)]) -> Result<Option<Vec<Range<u64>>>> {
        if self.header.driver != "GTiff" && self.header.driver != "COG" {
            return Ok(None);
        }
        vsi::watched(&self.location, || {
            let number = |band: &RasterBand<'_>, key: &str, (row, col): (usize, usize)| {
                band.metadata_item(&format!("{key}_{col}_{row}"), "TIFF")?.parse::<u64>().ok()
            };
            let byte_range = |&(band, row, col): &(usize, usize, usize)| {
                let band = self.dataset.rasterband(band).ok()?;
                let first = number(&band, "BLOCK_OFFSET", (row, col))?;
                Some(first..first.saturating_add(number(&band, "BLOCK_SIZE", (row, col))?))
            };
            Ok(Some(blocks.iter().filter_map(byte_range).collect()))
        })
    }

    /// What the file says of itself.
    pub fn header(&self) -> &Arc<Header> {
        &self.header
    }

    /// Reads from now on as a header says that knows more of the same raster.
    pub fn complete(&mut self, header: &Arc<Header>) {
        self.header = header.clone();
    }

    /// One whole block of each of some bands (from 1), row-major, as stored: blocks at the right and lower edge
    /// hold pixels beyond the raster. Where bands lie together, it is decoded once for all of them.
    ///
    /// # Errors
    /// The pixels cannot be decoded.
    pub fn read_block(&self, bands: &[usize], block_row: usize, block_col: usize) -> Result<Vec<Pixels>> {
        vsi::watched(&self.location, || {
            let _guard = guard(self.hdf5);
            if let Some(pixels) = self.unpack(bands, block_row, block_col) {
                return Ok(pixels);
            }
            // GDAL keeps the block that it decoded last.
            bands.iter().map(|band| self.read_block_by_gdal(*band, block_row, block_col)).collect()
        })
    }

    fn read_block_by_gdal(&self, band: usize, block_row: usize, block_col: usize) -> Result<Pixels> {
        let fail = |reason: Cause| self.unreadable(band, self.block_window(block_row, block_col), reason);
        let (height, width) = self.header.block;
        let Some(metadata) = self.header.bands.get(band.wrapping_sub(1)) else {
            return Err(Error::Bug(format!("no band {band}")));
        };
        let dtype = metadata.dtype;
        if height.saturating_mul(width).saturating_mul(dtype.size()) > MAX_BLOCK_BYTES {
            return Err(fail(format!("its blocks of {height} x {width} pixels are above 1 GiB").into()));
        }
        let raster_band = self.dataset.rasterband(band).map_err(|e| fail(cause(e, &self.gdal_file.name)))?;
        libtiff::forget();
        // GDAL holds the block itself, and its bindings take room for a copy without asking.
        ask_room(2 * height * width * dtype.size(), || "a block and its copy".into())?;
        // Half a float is read as a whole one, by window.
        let own = dtype_of(raster_band.band_type());
        let window = self.block_window(block_row, block_col);
        let pixels: Result<Pixels> = with_dtype!(own.unwrap_or(dtype), T => {
            // A band whose own blocks differ from the first band's is read by window instead.
            let pixels = match own.is_some() && raster_band.block_size() == (width, height) {
                true => raster_band.read_block::<T>((block_col, block_row)).map(|b| b.into_shape_and_vec().1),
                false => self.read_window::<T>(&raster_band, window),
            };
            pixels.map(T::pixels).map_err(|e| fail(libtiff::cause(e, &self.gdal_file.name)))
        });
        let mut pixels = pixels?.by_bits(dtype);
        self.fields.unmask(band, window, width, &mut pixels).map_err(&fail)?;
        hidden::hide(metadata, &mut pixels);
        Ok(pixels)
    }

    /// Packed blocks, past GDAL; `None` where they have to be read by GDAL.
    fn unpack(&self, bands: &[usize], block_row: usize, block_col: usize) -> Option<Vec<Pixels>> {
        let packed = self.packed.as_ref()?;
        if !self.header.together {
            let one = |band: &usize| self.unpack_block(packed, *band, &[0], block_row, block_col);
            return bands.iter().map(|band| one(band)?.pop()).collect();
        }
        let wanted: Option<Vec<usize>> = bands.iter().map(|band| band.checked_sub(1)).collect();
        self.unpack_block(packed, *bands.first()?, &wanted?, block_row, block_col)
    }

    /// One block of the file, and of it some bands, counted from 0.
    fn unpack_block(
        &self,
        packed: &PackedBlocks,
        band: usize,
        wanted: &[usize],
        block_row: usize,
        block_col: usize,
    ) -> Option<Vec<Pixels>> {
        let dtype = self.header.bands.get(band.checked_sub(1)?)?.dtype;
        let samples = if self.header.together { self.header.bands.len() } else { 1 };
        let band = self.dataset.rasterband(band).ok()?;
        let item = |name: &str| band.metadata_item(&format!("{name}_{block_col}_{block_row}"), "TIFF");
        // A block that the file leaves out has no bytes in it.
        let (offset, size) = (item("BLOCK_OFFSET")?.parse().ok()?, item("BLOCK_SIZE")?.parse().ok()?);
        let (height, width) = self.header.block;
        let rows = self.block_window(block_row, block_col).height as usize;
        let rows = if width == self.header.width { rows } else { height };
        let bytes = height.checked_mul(width)?.checked_mul(samples)?.checked_mul(dtype.size())?;
        let block = Packed { offset, size, dtype, samples, block: (height, width), rows };
        if bytes <= MAX_BLOCK_BYTES { packed.read(&block, wanted) } else { None }
    }

    /// A window laid into the upper left of a whole block.
    fn read_window<T: GdalType + Pixel>(
        &self,
        band: &RasterBand<'_>,
        window: Window,
    ) -> gdal::errors::Result<Vec<T>> {
        let (height, width) = (window.height as usize, window.width as usize);
        let origin = (window.col_off as isize, window.row_off as isize);
        let inside = band.read_as::<T>(origin, (width, height), (width, height), None)?;
        let full_width = self.header.block.1;
        let mut pixels = vec![T::default(); self.header.block.0 * full_width];
        for (to, from) in pixels.chunks_mut(full_width).zip(inside.data().chunks(width)) {
            to[..width].copy_from_slice(from);
        }
        Ok(pixels)
    }

    /// GDAL's validity mask over one block: 0 where there is no pixel, row-major over the whole block.
    ///
    /// # Errors
    /// The mask cannot be decoded.
    pub fn read_mask(&self, band: usize, block_row: usize, block_col: usize) -> Result<Pixels> {
        let _guard = guard(self.hdf5);
        let window = self.block_window(block_row, block_col);
        let fail = |e: GdalError| self.unreadable(band, window, libtiff::cause(e, &self.gdal_file.name));
        libtiff::forget();
        vsi::watched(&self.location, || {
            let raster_band = self.dataset.rasterband(band).map_err(fail)?;
            let own = raster_band.mask_flags().map_err(fail)?;
            match alpha(&self.dataset).filter(|alpha| own.is_all_valid() && *alpha != band) {
                Some(alpha) => {
                    let alpha = self.dataset.rasterband(alpha).map_err(fail)?;
                    let shares = self.read_window::<f64>(&alpha, window).map_err(fail)?;
                    Ok(Pixels::UInt8(shares.into_iter().map(|share| u8::from(share != 0.0) * 255).collect()))
                }
                None => {
                    let mask = raster_band.open_mask_band().map_err(fail)?;
                    self.read_window::<u8>(&mask, window).map(Pixels::UInt8).map_err(fail)
                }
            }
        })
    }

    /// The part of the raster that a block covers.
    fn block_window(&self, block_row: usize, block_col: usize) -> Window {
        let (height, width) = self.header.block;
        let (row, col) = (block_row * height, block_col * width);
        Window {
            row_off: row as i64,
            col_off: col as i64,
            height: height.min(self.header.height.saturating_sub(row)) as u32,
            width: width.min(self.header.width.saturating_sub(col)) as u32,
        }
    }

    fn unreadable(&self, band: usize, window: Window, reason: Cause) -> Error {
        // GDAL names a missing source once, to whoever asks first.
        let absent = vrt::absent(&self.location)
            .map(|source| Cause::from(format!("its source \"{}\" does not exist", source.display())));
        let reason = absent.unwrap_or(reason);
        Error::Unreadable {
            path: self.location.text().into(),
            part: Part::Band { band, window: window.to_string() },
            reason,
        }
    }
}

impl Drop for Raster {
    fn drop(&mut self) {
        // Closing enters the driver too. The dataset itself closes when its field is dropped, after this,
        // so it is swapped for an empty one under the lock.
        if self.hdf5 {
            let _guard = guard(true);
            if let Ok(empty) = DriverManager::get_driver_by_name("MEM").and_then(|d| d.create("", 1, 1, 0)) {
                drop(std::mem::replace(&mut self.dataset, ReadOnly::new(empty)));
            }
        }
    }
}

/// SQLite keeps what was written last in a file beside a database, which it cannot read without one more file: where that is
/// absent it would have to be written, and the driver would give the database without it.
///
/// Gives the options that a database at rest under such a log is opened with. GDAL would come to them by itself, but not once
/// its own functions are added to every database that is opened, as its SQLite driver has them.
///
/// # Errors
/// [`Error::Unreadable`].
fn at_rest(sight: &Sight) -> Result<Option<&'static [&'static str]>> {
    let Address::Local(path) = sight.location().address() else { return Ok(None) };
    if !sight.magic().starts_with(b"SQLite f") {
        return Ok(None);
    }
    // The format's version for readers: 2 is that with a log.
    let logged = crate::files::sight::head(path, 20).is_ok_and(|head| head.get(19) == Some(&2));
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        std::fs::metadata(name).ok()
    };
    match (beside("-wal"), beside("-shm")) {
        (Some(log), None) if log.len() > 0 => {
            let reason = "what was written last stands in its write-ahead log alone: it was not closed where it was written";
            Err(Error::unreadable(sight.path(), reason))
        }
        (Some(log), _) if log.len() > 0 => Ok(None),
        _ => Ok(logged.then_some(&["IMMUTABLE=YES"])),
    }
}

/// Looks at a source of a virtual raster as at a file of its own.
fn sound(source: &vrt::Source, path: &str) -> Result<()> {
    let location = Location::plain(&source.path.to_string_lossy());
    let said = match source.format {
        Some("netCDF") => classic::check(&location),
        Some("GRIB") => grib::messages(&location).refusal().map_or(Ok(()), |reason| Err(reason.into())),
        _ => Ok(()),
    };
    said.map_err(|reason| Error::unreadable(path, door::part_reason(&source.path, reason.text())))
}

fn guard(needed: bool) -> Option<MutexGuard<'static, ()>> {
    needed.then(|| HDF5.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A GeoTIFF whose blocks can be unpacked without GDAL: little-endian, by one of our codecs, whole bytes, colours as stored.
fn packed_blocks(
    dataset: &Dataset,
    location: &Location,
    magic: &[u8],
    remote: Option<Arc<RemoteFile>>,
) -> Option<PackedBlocks> {
    let little = magic.starts_with(b"II*\0") || magic.starts_with(b"II+\0");
    if !little || cfg!(target_endian = "big") || location.is_subdataset() {
        return None;
    }
    let item = |name: &str| dataset.metadata_item(name, "IMAGE_STRUCTURE");
    let is_known = matches!(item("INTERLEAVE").as_deref(), Some("BAND" | "PIXEL"));
    let is_plain = item("SOURCE_COLOR_SPACE").is_none();
    let name = item("COMPRESSION").filter(|_| is_known && is_plain)?;
    let codec = CODECS.iter().find(|codec| codec.name == name)?;
    let bits = dataset.rasterband(1).ok()?.metadata_item("NBITS", "IMAGE_STRUCTURE");
    // GDAL does not tell it under the old number of deflate, nor for LZMA.
    let number = item("PREDICTOR").or_else(|| own_predictor(location, remote.as_ref()))?;
    let predictor = Predictor::of(&number)?;
    if bits.is_some() { None } else { PackedBlocks::new(location.file(), codec, predictor, remote) }
}

/// The predictor of a TIFF, by its own tag.
fn own_predictor(location: &Location, remote: Option<&Arc<RemoteFile>>) -> Option<String> {
    let found = match remote {
        Some(file) => {
            let whole = |offset, buffer: &mut [u8]| file.read_at(offset, buffer).ok() == Some(buffer.len());
            directory::predictor(file.size(), &|offset, buffer| whole(offset, buffer).then_some(()))
        }
        None => {
            let file = File::open(location.file()).ok()?;
            let size = file.metadata().ok()?.len();
            directory::predictor(size, &|offset, buffer| file.read_exact_at(buffer, offset).ok())
        }
    };
    found.map(|number| number.to_string())
}

fn read_header(dataset: &Dataset, path: &str) -> Result<Header> {
    let (width, height) = dataset.raster_size();
    let count = dataset.raster_count();
    if count == 0 || width == 0 || height == 0 {
        return Err(Error::unsuited(path, Lack::Bands(subdatasets(dataset))));
    }
    // GDAL counts in 32 bits with a sign, which a damaged header may set.
    if width > i32::MAX as usize || height > i32::MAX as usize {
        return Err(Error::unreadable(path, "its size is negative: it is damaged"));
    }
    let transform = transform_of(dataset);
    let mut bands = Vec::with_capacity(count);
    let mut block = (0, 0);
    let alpha = alpha(dataset);
    for index in 1..=count {
        let band = dataset.rasterband(index).map_err(|e| Error::unreadable(path, cause(e, path)))?;
        if index == 1 {
            let (cols, rows) = band.block_size();
            block = (rows, cols);
        }
        let name = band.band_type();
        let dtype = dtype_of(name)
            .or_else(|| warp::is_half(&band).then_some(Dtype::Float32))
            .ok_or_else(|| Error::unsuited(path, Lack::Complex(name.to_string())))?;
        let some = |text: String| (!text.is_empty()).then_some(text);
        let flags = band.mask_flags().ok();
        bands.push(Band {
            name: band.description().ok().and_then(some),
            dtype,
            nodata: nodata(&band, dtype),
            scale: band.scale().filter(|s| *s != 1.0),
            offset: band.offset().filter(|o| *o != 0.0),
            unit: some(band.unit()),
            // NODATA_VALUES tells a pixel of all bands that is none, and is a mask of the whole file.
            masked: flags
                .as_ref()
                .is_some_and(|f| !f.is_all_valid() && (!f.is_nodata() || f.is_per_dataset()))
                || flags.is_some_and(|f| f.is_all_valid()) && alpha.is_some_and(|alpha| alpha != index),
            variable: None,
        });
    }
    let driver = dataset.driver().short_name();
    let interleave = dataset.metadata_item("INTERLEAVE", "IMAGE_STRUCTURE");
    let together = count > 1 && interleave.as_deref() == Some("PIXEL");
    let crs = crs_of_dataset(dataset);
    Ok(Header { driver, height, width, transform, crs, bands, block, together })
}

/// The alpha band (from 1) of a raster, of however many bands: GDAL makes a mask of it only among two or four.
fn alpha(dataset: &Dataset) -> Option<usize> {
    let is_alpha = |index: &usize| {
        let band = dataset.rasterband(*index);
        band.is_ok_and(|band| band.color_interpretation() == ColorInterpretation::AlphaBand)
    };
    (1..=dataset.raster_count()).find(is_alpha)
}

fn transform_of(dataset: &Dataset) -> Option<Affine> {
    dataset.geo_transform().ok().map(Affine).filter(Affine::is_usable)
}

fn nodata(band: &RasterBand<'_>, dtype: Dtype) -> Option<Nodata> {
    match dtype {
        Dtype::Int64 => band.no_data_value_i64().map(|v| Nodata::Integer(v.into())),
        Dtype::UInt64 => band.no_data_value_u64().map(|v| Nodata::Integer(v.into())),
        _ => band.no_data_value().map(Nodata::Float),
    }
}

fn subdatasets(dataset: &Dataset) -> Vec<String> {
    let entries = dataset.metadata_domain("SUBDATASETS").unwrap_or_default();
    let names =
        entries.iter().filter_map(|entry| entry.split_once("_NAME=").map(|(_, name)| name.to_string()));
    names.collect()
}

fn dtype_of(kind: GdalDataType) -> Option<Dtype> {
    Some(match kind {
        GdalDataType::Int8 => Dtype::Int8,
        GdalDataType::UInt8 => Dtype::UInt8,
        GdalDataType::Int16 => Dtype::Int16,
        GdalDataType::UInt16 => Dtype::UInt16,
        GdalDataType::Int32 => Dtype::Int32,
        GdalDataType::UInt32 => Dtype::UInt32,
        GdalDataType::Int64 => Dtype::Int64,
        GdalDataType::UInt64 => Dtype::UInt64,
        GdalDataType::Float32 => Dtype::Float32,
        GdalDataType::Float64 => Dtype::Float64,
        _ => return None,
    })
}

/// The name of the raster's CRS. Files of one series spell it alike, so each spelling is parsed once.
fn crs_of_dataset(dataset: &Dataset) -> Option<String> {
    static NAMES: Shared<String, Option<String>> = Shared::new(KNOWN_NAMES);
    let wkt = dataset.projection();
    if wkt.is_empty() {
        return None;
    }
    if let Some(name) = NAMES.get(&wkt) {
        return name;
    }
    let name = SpatialRef::from_wkt(&wkt).ok().and_then(|mut srs| name_of(&mut srs));
    NAMES.share(wkt, name, |_| true)
}

/// Burns a geometry (WKB, in the grid's CRS) into a grid: 1 where a pixel's centre lies inside.
///
/// # Errors
/// The WKB is no polygonal geometry.
pub fn rasterize(wkb: &[u8], grid: &Affine, height: usize, width: usize) -> Result<Vec<u8>> {
    start();
    let bad = |e: GdalError| Error::invalid("the geometry", format!("polygonal WKB ({})", reason(&e, "")));
    let geometry = gdal::vector::Geometry::from_wkb(wkb).map_err(bad)?;
    let driver = DriverManager::get_driver_by_name("MEM").map_err(bad)?;
    let mut dataset = driver.create_with_band_type::<u8, _>("", width, height, 1).map_err(bad)?;
    dataset.set_geo_transform(&grid.0).map_err(bad)?;
    gdal::raster::rasterize(&mut dataset, &[1], &[geometry], &[1.0], None).map_err(bad)?;
    let band = dataset.rasterband(1).map_err(bad)?;
    let size = (width, height);
    Ok(band.read_as::<u8>((0, 0), size, size, None).map_err(bad)?.into_shape_and_vec().1)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::testing::Folder;

    #[test]
    fn what_gdal_says_of_a_file_that_is_none_is_kept_below() {
        let folder = Folder::new();
        let path = folder.write("a.tif", b"II*\0 and nothing that follows");
        let error = Raster::open(&Sight::at(&path).unwrap(), None).err().unwrap();
        assert!(error.is_unopened(), "{error}");
        assert!(error.source().unwrap().is::<GdalError>(), "{error}");
    }
}
