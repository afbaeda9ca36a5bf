//! NetCDF, HDF5 and GRIB through GDAL's multidimensional interface.
//!
//! The crate lends arrays only as long as their group, so the C interface is called here. None of the three
//! libraries is safe to enter from two threads: every call holds [`HDF5`](super::HDF5).

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use gdal::cpl::CslStringList;
use gdal::{Dataset, DatasetOptions, GdalOpenFlags};
use gdal_sys as c;

use crate::dtype::{Dtype, Nodata, Pixel, Pixels};
use crate::error::{Error, Result};
use crate::files::{Address, Location, Sight, Stamp};
use crate::format::array::{ArrayFile, ArrayHeader, Attribute, Variable};
use crate::format::gdal::{guard, start, vsi};
use crate::format::grib::{self, Messages};
use crate::format::magic::sniff;
use crate::format::{classic, heap};
use crate::kept::Kept;
use crate::projection::library::reason;
use crate::with_dtype;

/// Above these a file is damaged: links of HDF5 may lead back to a group above.
const MAX_GROUPS: usize = 4096;
const MAX_VARIABLES: usize = 65_536;

/// An open NetCDF, HDF5 or GRIB file.
pub struct MdimFile {
    location: Location,
    header: Arc<ArrayHeader>,
    /// Of a GRIB file.
    messages: Messages,
    open: Arc<Mutex<Open>>,
    /// Where it is read from; after the dataset, which is closed first.
    place: vsi::Place,
}

/// Where the values of each variable are.
enum Source {
    Array(Array),
    /// GRIB's valid time stands in an attribute; here it is a scalar variable.
    Scalar(f64),
}

struct Open {
    sources: Vec<Source>,
    /// `None` once the file was closed.
    dataset: Option<Dataset>,
    /// Where fields share messages, variables that were read, each with the file opened anew for it.
    apart: Kept<usize, Open>,
}

/// Variables of one file that are open apart.
const MAX_APART: usize = 16;

impl Open {
    /// Arrays first, then the file. The caller holds [`HDF5`](super::HDF5), since closing enters the libraries too.
    fn close(&mut self) {
        self.apart.drain().for_each(|mut open| open.close());
        self.sources.clear();
        drop(self.dataset.take());
    }
}

/// A local file, in the state that it was opened in.
struct Live {
    place: PathBuf,
    stamp: Stamp,
    open: Weak<Mutex<Open>>,
}

static LIVE: Mutex<Vec<Live>> = Mutex::new(Vec::new());

/// Closes what is open of a file's earlier states: while one is, GDAL (by its name) and HDF5 (by its inode) would give
/// that one again. Gives its place and its state now, which may be another than before the lock was waited for; nothing
/// for a remote file. The caller holds [`HDF5`](super::HDF5).
pub(super) fn close_earlier(location: &Location) -> Result<Option<(PathBuf, Stamp)>> {
    let Address::Local(file) = location.address() else { return Ok(None) };
    let Ok(place) = std::fs::canonicalize(file) else { return Ok(None) };
    let stamp = Sight::of(location.container())?.stamp();
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|file| {
        let Some(open) = file.open.upgrade() else { return false };
        let earlier = file.place == place && file.stamp != stamp;
        if earlier {
            open.lock().unwrap_or_else(PoisonError::into_inner).close();
        }
        !earlier
    });
    Ok(Some((place, stamp)))
}

// SAFETY: GDAL's handles are bound to no thread, and each is used under the file's mutex and HDF5.
unsafe impl Send for Open {}

/// A reference of GDAL's that is counted.
struct Array(c::GDALMDArrayH);
struct Group(c::GDALGroupH);
struct Type(c::GDALExtendedDataTypeH);

impl Drop for Array {
    fn drop(&mut self) {
        // SAFETY: the handle came from GDAL and is released once.
        unsafe { c::GDALMDArrayRelease(self.0) }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: the handle came from GDAL and is released once.
        unsafe { c::GDALGroupRelease(self.0) }
    }
}

impl Drop for Type {
    fn drop(&mut self) {
        // SAFETY: the handle came from GDAL and is released once.
        unsafe { c::GDALExtendedDataTypeRelease(self.0) }
    }
}

impl MdimFile {
    /// # Errors
    /// The file is absent, damaged, or none of the three formats.
    pub fn open(sight: &Sight) -> Result<MdimFile> {
        start();
        vsi::watched(sight.location(), || MdimFile::open_now(sight))
    }

    fn open_now(sight: &Sight) -> Result<MdimFile> {
        let (location, path) = (sight.location(), sight.path());
        let unreadable = |reason: String| Error::unreadable(path, reason);
        let format =
            sniff(sight.head()).ok_or_else(|| unreadable("it is not a NetCDF, HDF5 or GRIB file".into()))?;
        match format {
            "netCDF" => classic::check(location).map_err(unreadable)?,
            "HDF5" => heap::check(location).map_err(unreadable)?,
            _ => {}
        }
        // The netCDF library reads no virtual file: NetCDF classic comes whole, HDF5 and GRIB in ranges.
        let place = vsi::Place::of(sight, |_, magic| magic.starts_with(b"CDF"))?;
        // GDAL knows 64-bit-data files (CDF-5) only when told that they are netCDF.
        let cdf5 = format == "netCDF" && place.magic.starts_with(b"CDF\x05");
        let name = if cdf5 { format!("NETCDF:{}", place.name) } else { place.name.clone() };
        let _guard = guard(true);
        let local = close_earlier(location)?;
        let _as_stored = AsStored::new();
        let mut last = "GDAL gave no reason".to_string();
        // The netCDF library reads any HDF5 file, and knows the dimensions that are attached to its arrays.
        let drivers: &[&str] = match format {
            "HDF5" if place.without_netcdf => &["HDF5"],
            "HDF5" => &["netCDF", "HDF5"],
            format => &[format],
        };
        for driver in drivers {
            match open_with(&name, driver, path) {
                Ok((dataset, root)) => {
                    let file = MdimFile::read_header(location, dataset, &root, format, place)?;
                    if let Some((place, stamp)) = local {
                        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
                        live.push(Live { place, stamp, open: Arc::downgrade(&file.open) });
                    }
                    return Ok(file);
                }
                Err(reason) => last = reason,
            }
        }
        Err(unreadable(last))
    }

    fn read_header(
        location: &Location,
        dataset: Dataset,
        root: &Group,
        format: &str,
        place: vsi::Place,
    ) -> Result<MdimFile> {
        let messages = if format == "GRIB" { grib::messages(location) } else { Messages::default() };
        let (mut header, sources) =
            tree(root, format).map_err(|reason| Error::unreadable(location.text(), reason))?;
        let phony = |variable: &Variable| variable.dims.iter().all(|dim| dim.starts_with("phony_dim_"));
        header.driver = match format {
            // A netCDF-4 file names its dimensions; HDF5 alone need not.
            "HDF5" if !header.variables.iter().all(phony) => "netCDF".to_string(),
            other => other.to_string(),
        };
        let open = Open { sources, dataset: Some(dataset), apart: Kept::new(MAX_APART) };
        let (header, open) = (Arc::new(header), Arc::new(Mutex::new(open)));
        Ok(MdimFile { location: location.clone(), header, messages, open, place })
    }

    /// The file once more: GDAL keeps the last field by its message alone, and gives it for all fields in that.
    fn apart(&self) -> std::result::Result<Open, String> {
        let _as_stored = AsStored::new();
        let (dataset, root) = open_with(&self.place.name, "GRIB", self.path())?;
        let (_, sources) = tree(&root, "GRIB")?;
        Ok(Open { sources, dataset: Some(dataset), apart: Kept::new(MAX_APART) })
    }
}

impl Drop for MdimFile {
    fn drop(&mut self) {
        let _guard = guard(true);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).close();
    }
}

impl ArrayFile for MdimFile {
    fn path(&self) -> &str {
        self.location.text()
    }

    fn header(&self) -> &Arc<ArrayHeader> {
        &self.header
    }

    fn read(&self, variable: usize, start: &[u64], count: &[u64], step: &[u64]) -> Result<Pixels> {
        let Some(facts) = self.header.variables.get(variable) else {
            return Err(Error::Bug(format!("no variable {variable}")));
        };
        let fail = |reason: String| Error::values(self.path(), &facts.name, reason);
        let Some(dtype) = facts.dtype else {
            return Err(fail(format!("its values are not numbers but {}", facts.dtype_name)));
        };
        let n = facts.check_slab(start, count, step).map_err(fail)?;
        let _guard = guard(true);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.dataset.is_none() {
            let reason = "it was replaced while it was read";
            return Err(Error::unreadable(self.path(), reason));
        }
        let mut sources = &open.sources;
        // Coordinates have one dimension.
        if facts.dims.len() > 1 {
            if self.messages.second_order {
                return Err(fail(grib::SECOND_ORDER.into()));
            }
            if self.messages.shared {
                sources = &open.apart.get_or_make(variable, || self.apart().map_err(fail))?.sources;
            }
        }
        match sources.get(variable) {
            Some(Source::Scalar(value)) => Ok(Pixels::Float64(vec![*value; n])),
            Some(Source::Array(array)) => vsi::watched(&self.location, || {
                with_dtype!(dtype, T => read::<T>(array, start, count, step, n, self.path()).map_err(|reason| {
                    fail(match self.messages.foreign {
                        Some(packing) => format!("{reason}; its file has fields packed as {packing}, which this GDAL has no library for"),
                        None => reason,
                    })
                }))
            }),
            None => Err(Error::Bug(format!("no source {variable}"))),
        }
    }
}

/// HDF5 locks a file as long as it is open, and files stay open for the next query: nobody could write one anew. An
/// environment that says HDF5_USE_FILE_LOCKING is heeded.
pub fn never_lock() {
    unsafe extern "C" {
        fn H5open() -> c_int;
        /// What the environment said: -1 is nothing, 0 no locks.
        static mut use_locks_env_g: c_int;
    }
    // SAFETY: `start` runs once, before any other call of HDF5 here; opening the library reads the environment.
    unsafe {
        H5open();
        if use_locks_env_g == -1 {
            use_locks_env_g = 0;
        }
    }
}

fn read<T: Pixel + gdal::raster::GdalType>(
    array: &Array,
    start: &[u64],
    count: &[u64],
    step: &[u64],
    n: usize,
    path: &str,
) -> std::result::Result<Pixels, String> {
    let mut values: Vec<T> = Vec::new();
    values.try_reserve_exact(n).map_err(|_| format!("{n} values do not fit in memory"))?;
    values.resize(n, T::default());
    if n > 0 {
        let counts: Vec<usize> = count.iter().map(|v| *v as usize).collect();
        let steps: Vec<i64> = step.iter().map(|v| *v as i64).collect();
        // SAFETY: the buffer holds the product of the counts, laid out densely, which is what GDAL writes when
        // no strides are given; the slices have one number for each dimension.
        let done = unsafe {
            let ty = Type(c::GDALExtendedDataTypeCreate(T::gdal_ordinal()));
            c::CPLErrorReset();
            c::GDALMDArrayRead(
                array.0,
                start.as_ptr(),
                counts.as_ptr(),
                steps.as_ptr(),
                std::ptr::null(),
                ty.0,
                values.as_mut_ptr().cast::<c_void>(),
                values.as_ptr().cast::<c_void>(),
                std::mem::size_of_val(values.as_slice()),
            )
        };
        if done != 1 {
            return Err(last_error(path));
        }
    }
    Ok(T::pixels(values))
}

/// What a file holds, GRIB in the words of CF.
fn tree(root: &Group, format: &str) -> std::result::Result<(ArrayHeader, Vec<Source>), String> {
    let mut reader = Reader { header: ArrayHeader::default(), sources: Vec::new(), groups: 0 };
    reader.header.attributes = group_attributes(root);
    reader.walk(root, "", 0)?;
    let Reader { mut header, mut sources, .. } = reader;
    if format == "GRIB" {
        grib_as_cf(&mut header, &mut sources);
    }
    Ok((header, sources))
}

/// While a file is opened, longitudes stay as they are stored: GDAL would turn GRIB's coordinates to -180 to 180, and
/// leave the values of arrays where they are.
struct AsStored;

const TURNS: &str = "GRIB_ADJUST_LONGITUDE_RANGE";

impl AsStored {
    fn new() -> AsStored {
        // The texts hold no zero byte, the one thing that could be refused.
        let _ = gdal::config::set_thread_local_config_option(TURNS, "NO");
        AsStored
    }
}

impl Drop for AsStored {
    fn drop(&mut self) {
        let _ = gdal::config::clear_thread_local_config_option(TURNS);
    }
}

fn open_with(name: &str, driver: &str, path: &str) -> std::result::Result<(Dataset, Group), String> {
    let options = DatasetOptions {
        open_flags: GdalOpenFlags::GDAL_OF_MULTIDIM_RASTER
            | GdalOpenFlags::GDAL_OF_READONLY
            | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR,
        allowed_drivers: Some(&[driver]),
        sibling_files: Some(&[]),
        ..DatasetOptions::default()
    };
    let dataset = Dataset::open_ex(name, options).map_err(|e| reason(&e, path))?;
    // SAFETY: the dataset is open, and the group is checked before it is used.
    let root = unsafe { c::GDALDatasetGetRootGroup(dataset.c_dataset()) };
    if root.is_null() {
        return Err(last_error(path));
    }
    Ok((dataset, Group(root)))
}

/// What GDAL said last on this thread.
fn last_error(path: &str) -> String {
    // SAFETY: GDAL gives a text of its own, which is copied at once.
    let text = unsafe { text(c::CPLGetLastErrorMsg()) }.unwrap_or_default();
    let text = if text.is_empty() { "GDAL gave no reason".to_string() } else { text };
    reason(&gdal::errors::GdalError::NullPointer { method_name: "", msg: text }, path)
}

/// # Safety
/// `text` is null or ends with a zero byte.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// The texts of a list that GDAL gives away, which is freed.
///
/// # Safety
/// `list` is null or a string list that the caller owns.
unsafe fn texts(list: *mut *mut c_char) -> Vec<String> {
    let mut found = Vec::new();
    if !list.is_null() {
        // SAFETY: a string list ends with a null pointer.
        unsafe {
            let mut at = list;
            while !(*at).is_null() {
                found.extend(text(*at));
                at = at.add(1);
            }
            c::CSLDestroy(list);
        }
    }
    found
}

fn show_all() -> CslStringList {
    let mut options = CslStringList::new();
    // The pair holds no zero byte, the one thing that could be refused.
    let _ = options.set_name_value("SHOW_ALL", "YES");
    options
}

/// Gathers variables while it walks through the groups.
struct Reader {
    header: ArrayHeader,
    sources: Vec<Source>,
    groups: usize,
}

impl Reader {
    fn walk(&mut self, group: &Group, prefix: &str, depth: usize) -> std::result::Result<(), String> {
        self.groups += 1;
        if self.groups > MAX_GROUPS || depth > 32 {
            return Err(format!("it has more than {MAX_GROUPS} groups, or groups 32 deep"));
        }
        let options = show_all();
        // SAFETY: the group is open; the list is ours.
        let names = unsafe { texts(c::GDALGroupGetMDArrayNames(group.0, options.as_ptr())) };
        for name in names {
            let Ok(c_name) = CString::new(name.as_str()) else { continue };
            // SAFETY: the group is open and the name ends with a zero byte; null is checked.
            let array = unsafe { c::GDALGroupOpenMDArray(group.0, c_name.as_ptr(), std::ptr::null_mut()) };
            if array.is_null() {
                continue;
            }
            if self.sources.len() >= MAX_VARIABLES {
                return Err(format!("it has more than {MAX_VARIABLES} variables"));
            }
            let array = Array(array);
            self.header.variables.push(variable(&array, format!("{prefix}{name}")));
            self.sources.push(Source::Array(array));
        }
        // SAFETY: the group is open; the list is ours.
        let groups = unsafe { texts(c::GDALGroupGetGroupNames(group.0, std::ptr::null_mut())) };
        for name in groups {
            let Ok(c_name) = CString::new(name.as_str()) else { continue };
            // SAFETY: the group is open and the name ends with a zero byte; null is checked.
            let inner = unsafe { c::GDALGroupOpenGroup(group.0, c_name.as_ptr(), std::ptr::null_mut()) };
            if !inner.is_null() {
                self.walk(&Group(inner), &format!("{prefix}{name}/"), depth + 1)?;
            }
        }
        Ok(())
    }
}

fn variable(array: &Array, name: String) -> Variable {
    let attributes = array_attributes(array);
    let (dims, shape) = dimensions(array);
    let (dtype_name, dtype) = stored_type(array);
    let mut variable = Variable {
        name,
        dims,
        shape,
        dtype_name,
        dtype,
        chunk: chunk(array),
        nodata: dtype.and_then(|dtype| nodata(array, dtype)),
        scale: None,
        offset: None,
        unit: None,
        attributes,
    };
    let number = |name: &str| variable.attribute(name).and_then(Attribute::number);
    let scale = number("scale_factor").filter(|v| *v != 1.0);
    let offset = number("add_offset").filter(|v| *v != 0.0);
    // SAFETY: GDAL lends a text of its own, which is copied at once.
    let of_gdal = || unsafe { text(c::GDALMDArrayGetUnit(array.0)) }.filter(|unit| !unit.is_empty());
    let unit = variable.text("units").map(str::to_string).or_else(of_gdal);
    (variable.scale, variable.offset, variable.unit) = (scale, offset, unit);
    variable
}

fn dimensions(array: &Array) -> (Vec<String>, Vec<u64>) {
    let mut n = 0;
    let mut found = (Vec::new(), Vec::new());
    // SAFETY: GDAL gives an array of n handles, which is given back whole.
    unsafe {
        let dims = c::GDALMDArrayGetDimensions(array.0, &mut n);
        for i in 0..n {
            let dim = *dims.add(i);
            found.0.push(text(c::GDALDimensionGetName(dim)).unwrap_or_default());
            found.1.push(c::GDALDimensionGetSize(dim));
        }
        c::GDALReleaseDimensions(dims, n);
    }
    found
}

fn chunk(array: &Array) -> Option<Vec<u64>> {
    let mut n = 0;
    // SAFETY: GDAL gives an array of n numbers, which is freed after it is copied.
    let sizes = unsafe {
        let sizes = c::GDALMDArrayGetBlockSize(array.0, &mut n);
        let copy: Vec<u64> = (0..n).map(|i| *sizes.add(i)).collect();
        c::VSIFree(sizes.cast::<c_void>());
        copy
    };
    (!sizes.is_empty() && sizes.iter().all(|size| *size > 0)).then_some(sizes)
}

fn stored_type(array: &Array) -> (String, Option<Dtype>) {
    // SAFETY: the handles come from GDAL and live to the end of the block.
    let (class, numeric) = unsafe {
        let ty = Type(c::GDALMDArrayGetDataType(array.0));
        (c::GDALExtendedDataTypeGetClass(ty.0), c::GDALExtendedDataTypeGetNumericDataType(ty.0))
    };
    match class {
        c::GDALExtendedDataTypeClass::GEDTC_STRING => ("str".to_string(), None),
        c::GDALExtendedDataTypeClass::GEDTC_COMPOUND => ("compound".to_string(), None),
        _ => match dtype(numeric) {
            Some(dtype) => (dtype.to_string(), Some(dtype)),
            None => (complex(numeric).to_string(), None),
        },
    }
}

fn dtype(numeric: c::GDALDataType::Type) -> Option<Dtype> {
    use c::GDALDataType as G;
    Some(match numeric {
        G::GDT_Int8 => Dtype::Int8,
        G::GDT_Byte => Dtype::UInt8,
        G::GDT_Int16 => Dtype::Int16,
        G::GDT_UInt16 => Dtype::UInt16,
        G::GDT_Int32 => Dtype::Int32,
        G::GDT_UInt32 => Dtype::UInt32,
        G::GDT_Int64 => Dtype::Int64,
        G::GDT_UInt64 => Dtype::UInt64,
        G::GDT_Float32 => Dtype::Float32,
        G::GDT_Float64 => Dtype::Float64,
        _ => return None,
    })
}

fn complex(numeric: c::GDALDataType::Type) -> &'static str {
    use c::GDALDataType as G;
    match numeric {
        G::GDT_CFloat32 => "complex64",
        G::GDT_CFloat64 => "complex128",
        _ => "unknown",
    }
}

fn nodata(array: &Array, dtype: Dtype) -> Option<Nodata> {
    let mut has = 0;
    // SAFETY: the array is open.
    let value = unsafe {
        match dtype {
            Dtype::Int64 => Nodata::Integer(c::GDALMDArrayGetNoDataValueAsInt64(array.0, &mut has).into()),
            Dtype::UInt64 => Nodata::Integer(c::GDALMDArrayGetNoDataValueAsUInt64(array.0, &mut has).into()),
            _ => Nodata::Float(c::GDALMDArrayGetNoDataValueAsDouble(array.0, &mut has)),
        }
    };
    (has != 0).then_some(value)
}

fn group_attributes(group: &Group) -> Vec<(String, Attribute)> {
    let mut n = 0;
    let options = show_all();
    // SAFETY: the group is open; the list is given back in `attributes`.
    unsafe { attributes(c::GDALGroupGetAttributes(group.0, &mut n, options.as_ptr()), n) }
}

fn array_attributes(array: &Array) -> Vec<(String, Attribute)> {
    let mut n = 0;
    let options = show_all();
    // SAFETY: the array is open; the list is given back in `attributes`.
    unsafe { attributes(c::GDALMDArrayGetAttributes(array.0, &mut n, options.as_ptr()), n) }
}

/// # Safety
/// `list` holds `n` handles that the caller owns; they are released.
unsafe fn attributes(list: *mut c::GDALAttributeH, n: usize) -> Vec<(String, Attribute)> {
    let mut found = Vec::new();
    // SAFETY: the caller's promise.
    unsafe {
        for i in 0..n {
            let handle = *list.add(i);
            let name = text(c::GDALAttributeGetName(handle)).unwrap_or_default();
            found.extend(attribute(handle).map(|value| (name, value)));
        }
        c::GDALReleaseAttributes(list, n);
    }
    found
}

/// # Safety
/// The handle is an open attribute.
unsafe fn attribute(handle: c::GDALAttributeH) -> Option<Attribute> {
    // SAFETY: the caller's promise; every list is freed after it is copied.
    unsafe {
        let ty = Type(c::GDALAttributeGetDataType(handle));
        match c::GDALExtendedDataTypeGetClass(ty.0) {
            c::GDALExtendedDataTypeClass::GEDTC_STRING => {
                let mut found = texts(c::GDALAttributeReadAsStringArray(handle));
                Some(match (found.len(), found.pop()) {
                    (1, Some(one)) => Attribute::Text(one),
                    (_, last) => Attribute::Texts(found.into_iter().chain(last).collect()),
                })
            }
            c::GDALExtendedDataTypeClass::GEDTC_NUMERIC => {
                let mut n = 0;
                match dtype(c::GDALExtendedDataTypeGetNumericDataType(ty.0))? {
                    Dtype::Float32 | Dtype::Float64 | Dtype::UInt64 => {
                        let list = c::GDALAttributeReadAsDoubleArray(handle, &mut n);
                        let copy = (0..n).map(|i| *list.add(i)).collect();
                        c::VSIFree(list.cast::<c_void>());
                        Some(Attribute::Numbers(copy))
                    }
                    _ => {
                        let list = c::GDALAttributeReadAsInt64Array(handle, &mut n);
                        let copy = (0..n).map(|i| *list.add(i)).collect();
                        c::VSIFree(list.cast::<c_void>());
                        Some(Attribute::Integers(copy))
                    }
                }
            }
            _ => None,
        }
    }
}

/// GRIB's grid and valid times in the words of CF, so that the rest need know nothing of GRIB.
fn grib_as_cf(header: &mut ArrayHeader, sources: &mut Vec<Source>) {
    const EPOCH: &str = "seconds since 1970-01-01 00:00:00";
    let text = |text: &str| Attribute::Text(text.to_string());
    let mut geographic = false;
    let mut scalars: HashMap<u64, String> = HashMap::new();
    let mut added = Vec::new();
    for (variable, source) in header.variables.iter_mut().zip(sources.iter()) {
        let Source::Array(array) = source else { continue };
        if let Some((wkt, degrees)) = spatial_ref(array) {
            geographic |= degrees;
            variable.attributes.push(("crs_wkt".into(), text(&wkt)));
        }
        let Some(valid) = variable.attribute("validity_time").and_then(Attribute::number) else { continue };
        let names = scalars.len();
        let name = scalars.entry(valid.to_bits()).or_insert_with(|| match names {
            0 => "valid_time".to_string(),
            n => format!("valid_time{}", n + 1),
        });
        variable.attributes.push(("coordinates".into(), text(name)));
        if scalars.len() > names {
            added.push(valid);
        }
    }
    for variable in &mut header.variables {
        if variable.dims.len() != 1 || variable.dims.first() != Some(&variable.name) {
            continue;
        }
        let (axis, standard_name, unit) = match (variable.name.chars().next(), geographic) {
            (Some('X'), true) => ("X", "longitude", "degrees_east"),
            (Some('Y'), true) => ("Y", "latitude", "degrees_north"),
            (Some('X'), false) => ("X", "projection_x_coordinate", "m"),
            (Some('Y'), false) => ("Y", "projection_y_coordinate", "m"),
            (Some('T'), _) => ("T", "time", EPOCH),
            _ => continue,
        };
        variable.unit = Some(unit.to_string());
        let pairs = [("axis", axis), ("standard_name", standard_name), ("units", unit)];
        variable.attributes.extend(pairs.map(|(key, value)| (key.to_string(), text(value))));
    }
    for valid in added {
        let name = scalars.get(&valid.to_bits()).cloned().unwrap_or_default();
        header.variables.push(Variable {
            name,
            dims: Vec::new(),
            shape: Vec::new(),
            dtype_name: "float64".into(),
            dtype: Some(Dtype::Float64),
            chunk: None,
            nodata: None,
            scale: None,
            offset: None,
            unit: Some(EPOCH.into()),
            attributes: vec![("units".into(), text(EPOCH)), ("standard_name".into(), text("time"))],
        });
        sources.push(Source::Scalar(valid));
    }
}

/// The array's own CRS as WKT, and whether its coordinates are degrees.
fn spatial_ref(array: &Array) -> Option<(String, bool)> {
    // SAFETY: the handle is checked before it is copied, and released after.
    let srs = unsafe {
        let handle = c::GDALMDArrayGetSpatialRef(array.0);
        if handle.is_null() {
            return None;
        }
        let srs = gdal::spatial_ref::SpatialRef::from_c_obj(handle).ok();
        c::OSRDestroySpatialReference(handle);
        srs?
    };
    let wkt = wkt2(&srs).or_else(|| srs.to_wkt().ok())?;
    Some((wkt, srs.is_geographic() && !srs.is_derived_geographic()))
}

/// WKT of 2019, which has what the older form lacks, such as a rotated pole.
fn wkt2(srs: &gdal::spatial_ref::SpatialRef) -> Option<String> {
    let mut options = CslStringList::new();
    options.set_name_value("FORMAT", "WKT2_2019").ok()?;
    let mut written: *mut c_char = std::ptr::null_mut();
    // SAFETY: the CRS is alive; the text is ours to free.
    unsafe {
        let code = c::OSRExportToWktEx(srs.to_c_hsrs(), &mut written, options.as_ptr().cast());
        let copy = (code == c::OGRErr::OGRERR_NONE).then(|| text(written)).flatten();
        c::VSIFree(written.cast::<c_void>());
        copy.filter(|wkt| !wkt.is_empty())
    }
}
