//! NetCDF, HDF5 and GRIB through GDAL's multidimensional interface.
//!
//! The crate lends arrays only as long as their group, so the C interface is called here. None of the three
//! libraries is safe to enter from two threads: every call holds [`HDF5`](super::HDF5).

#![allow(unsafe_code)]

mod as_stored;
mod grib_cf;

use std::collections::HashSet;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use gdal::cpl::CslStringList;
use gdal::{Dataset, DatasetOptions, GdalOpenFlags};
use gdal_sys as c;

use crate::dtype::with_dtype;
use crate::dtype::{Dtype, Nodata, Pixel, Pixels};
use crate::error::{Cause, Error, ReasonResult, Result};
use crate::files::{Address, Location, Sight, Stamp};
use crate::format::array::{ArrayFile, ArrayHeader, Attribute, Variable};
use crate::format::classic;
use crate::format::gdal::dataset;
use crate::format::gdal::mdim::as_stored::AsStored;
use crate::format::gdal::mdim::grib_cf::{Counts, Fields, Moved};
use crate::format::gdal::netcdf::{self, Letters};
use crate::format::gdal::system::Reading;
use crate::format::gdal::vsi::GdalFile;
use crate::format::gdal::{guard, start, vsi};
use crate::format::grib::{self, Messages};
use crate::format::magic::sniff;
use crate::kept::Kept;
use crate::projection::library::cause;

/// Above these a file is damaged: links of HDF5 may lead back to a group above.
const MAX_GROUPS: usize = 4096;
const MAX_VARIABLES: usize = 65_536;

/// An open NetCDF, HDF5 or GRIB file.
pub struct MdimFile {
    location: Location,
    header: Arc<ArrayHeader>,
    /// Of a GRIB file.
    fields: Fields,
    open: Arc<Mutex<Open>>,
    /// Where it is read from; after the dataset, which is closed first.
    gdal_file: GdalFile,
}

/// Where the values of each variable are.
enum Source {
    /// An array, and the type that GDAL has its values in.
    Array(Array, Option<Dtype>),
    /// Known: GRIB's valid times, which stand in attributes, and its coordinates where GDAL's are none.
    Values(Vec<f64>),
    /// Flags of one character each, which GDAL takes for text.
    Letters(Letters),
    /// An array whose length GDAL loses, and the type that its values are read in.
    Dataset(dataset::Dataset, Dtype),
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
        let _reading = Reading::begin();
        self.apart.drain().for_each(|mut open| open.close());
        self.sources.clear();
        drop(self.dataset.take());
    }
}

/// A local file, in the state that it was opened in.
struct Live {
    path: PathBuf,
    stamp: Stamp,
    open: Weak<Mutex<Open>>,
}

static LIVE: Mutex<Vec<Live>> = Mutex::new(Vec::new());

/// Closes what is open of a file's earlier states: while one is, GDAL (by its name) and HDF5 (by its inode) would give
/// that one again. Gives its path and its state now, which may be another than before the lock was waited for; nothing
/// for a remote file. The caller holds [`HDF5`](super::HDF5).
pub(super) fn close_earlier(location: &Location) -> Result<Option<(PathBuf, Stamp)>> {
    let Address::Local(file) = location.address() else { return Ok(None) };
    let Ok(path) = std::fs::canonicalize(file) else { return Ok(None) };
    let stamp = Sight::of(location.container())?.stamp();
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|file| {
        let Some(open) = file.open.upgrade() else { return false };
        let earlier = file.path == path && file.stamp != stamp;
        if earlier {
            open.lock().unwrap_or_else(PoisonError::into_inner).close();
        }
        !earlier
    });
    Ok(Some((path, stamp)))
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
        let unreadable = |reason: Cause| Error::unreadable(path, reason);
        let format =
            sniff(sight.head()).ok_or_else(|| unreadable("it is not a NetCDF, HDF5 or GRIB file".into()))?;
        if format == "netCDF" {
            classic::check(location).map_err(unreadable)?;
        }
        let messages = if format == "GRIB" { grib::messages(location) } else { Messages::default() };
        if let Some(reason) = messages.refusal() {
            return Err(unreadable(reason.into()));
        }
        // The netCDF library reads no virtual file: NetCDF classic comes whole, HDF5 and GRIB in ranges.
        let gdal_file = GdalFile::of(sight, |_, magic| magic.starts_with(b"CDF"))?;
        // GDAL knows 64-bit-data files (CDF-5) only when told that they are netCDF.
        let cdf5 = format == "netCDF" && gdal_file.magic.starts_with(b"CDF\x05");
        let name = if cdf5 { format!("NETCDF:{}", gdal_file.name) } else { gdal_file.name.clone() };
        let _guard = guard(true);
        let local = close_earlier(location)?;
        let _as_stored = AsStored::new();
        let mut last = Cause::from("GDAL gave no reason");
        // The netCDF library reads any HDF5 file, and knows the dimensions that are attached to its arrays.
        let drivers: &[&str] = match format {
            "HDF5" if gdal_file.without_netcdf => &["HDF5"],
            "HDF5" => &["netCDF", "HDF5"],
            format => &[format],
        };
        for driver in drivers {
            let opened = open_with(&name, driver, path)
                .and_then(|(dataset, root)| Ok((dataset, tree(&root, format, driver)?)));
            match opened {
                Ok((dataset, mut found)) => {
                    // The netCDF library reads such a file wrongly, or not at all.
                    let elsewhere = gdal_file.remote.is_none() && *driver == "netCDF" && format == "HDF5";
                    if elsewhere && netcdf::is_unlike_coordinate(&found.0) {
                        last = "the netCDF library does not read variables named like a dimension".into();
                        continue;
                    }
                    if *driver == "HDF5" {
                        find_lengths(&mut found, &name);
                    }
                    let file = MdimFile::read_header(
                        location,
                        dataset,
                        found,
                        (format, driver, messages),
                        gdal_file,
                    )?;
                    if let Some((path, stamp)) = local {
                        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
                        live.push(Live { path, stamp, open: Arc::downgrade(&file.open) });
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
        (mut header, mut sources): (ArrayHeader, Vec<Source>),
        (format, driver, messages): (&str, &str, Messages),
        gdal_file: GdalFile,
    ) -> Result<MdimFile> {
        let path = location.text();
        let unreadable = |reason: Cause| Error::unreadable(path, reason);
        let mut fields = Fields::default();
        if format == "GRIB" {
            let arrays: Vec<bool> =
                sources.iter().map(|source| matches!(source, Source::Array(..))).collect();
            let (found, moved) = grib_cf::find_fields(&mut header, &arrays, messages).map_err(unreadable)?;
            moved
                .into_iter()
                .try_for_each(|moved| move_to(moved, &mut header, &mut sources, path))
                .map_err(unreadable)?;
            fields = found;
        }
        let phony = |variable: &Variable| variable.unnamed.len() == variable.dims.len();
        header.driver = match format {
            // A netCDF-4 file names its dimensions; HDF5 alone need not.
            "HDF5" if !header.variables.iter().all(phony) => "netCDF".to_string(),
            other => other.to_string(),
        };
        if header.driver == "netCDF" {
            if gdal_file.remote.is_none() && driver == "netCDF" {
                letters(&mut header, &mut sources, &gdal_file.name);
            }
            let unfilled = header.variables.iter_mut().filter(|variable| variable.nodata.is_none());
            unfilled.for_each(|variable| {
                let unwritten = netcdf::never_written(variable);
                *variable = std::mem::take(variable).packed(None, unwritten);
            });
        }
        let open = Open { sources, dataset: Some(dataset), apart: Kept::new(MAX_APART) };
        let (header, open) = (Arc::new(header), Arc::new(Mutex::new(open)));
        Ok(MdimFile { location: location.clone(), header, fields, open, gdal_file })
    }

    /// The file once more: GDAL keeps the last field by its message alone, and gives it for all fields in that.
    fn apart(&self) -> ReasonResult<Open> {
        let _as_stored = AsStored::new();
        let (dataset, root) = open_with(&self.gdal_file.name, "GRIB", self.path())?;
        let (_, sources) = tree(&root, "GRIB", "GRIB")?;
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
        let Some(metadata) = self.header.variables.get(variable) else {
            return Err(Error::Bug(format!("no variable {variable}")));
        };
        let fail = |reason: Cause| Error::values(self.path(), &metadata.name, reason);
        let Some(dtype) = metadata.dtype else {
            return Err(fail(format!("its values are not numbers but {}", metadata.dtype_name).into()));
        };
        let n = metadata.check_slab(start, count, step).map_err(fail)?;
        let _guard = guard(true);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.dataset.is_none() {
            let reason = "it was replaced while it was read";
            return Err(Error::unreadable(self.path(), reason));
        }
        let mut sources = &open.sources;
        // Coordinates have one dimension.
        if metadata.dims.len() > 1 {
            if self.fields.second_order {
                return Err(fail(grib::SECOND_ORDER.into()));
            }
            if self.fields.shared {
                sources = &open.apart.get_or_make(variable, || self.apart().map_err(fail))?.sources;
            }
        }
        match sources.get(variable) {
            Some(Source::Values(values)) => {
                let (start, step) = (start.first().copied().unwrap_or(0), step.first().copied().unwrap_or(1));
                let value = |i: usize| values.get((start + i as u64 * step) as usize).copied();
                Ok(Pixels::Float64((0..n).map(|i| value(i).unwrap_or(f64::NAN)).collect()))
            }
            Some(Source::Letters(letters)) => {
                vsi::watched(&self.location, || letters.read(start, count, step).map_err(fail))
            }
            Some(Source::Dataset(array, native)) => vsi::watched(&self.location, || {
                Ok(array.read(*native, (start, count, step), n).map_err(fail)?.by_bits(dtype))
            }),
            Some(Source::Array(array, native)) => vsi::watched(&self.location, || {
                let pixels = with_dtype!(native.unwrap_or(dtype), T => read::<T>(array, start, count, step, n, self.path()).map_err(|reason| {
                    fail(match self.fields.foreign {
                        Some(packing) => reason.before(format!("its file has fields packed as {packing}, which this GDAL has no library for")),
                        None => reason,
                    })
                }))?;
                let mut pixels = pixels.by_bits(dtype);
                self.fields
                    .unmask(variable, &mut pixels, (start, count, step), &self.location)
                    .map_err(fail)?;
                Ok(pixels)
            }),
            None => Err(Error::Bug(format!("no source {variable}"))),
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
) -> ReasonResult<Pixels> {
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
fn tree(root: &Group, format: &str, driver: &str) -> ReasonResult<(ArrayHeader, Vec<Source>)> {
    let hdf5 = driver == "HDF5";
    let mut reader = Reader { header: ArrayHeader::default(), sources: Vec::new(), groups: 0, hdf5 };
    reader.header.attributes = group_attributes(root);
    reader.walk(root, "", 0)?;
    let Reader { mut header, mut sources, .. } = reader;
    if format == "GRIB" {
        let crs = |source: &Source| match source {
            Source::Array(array, _) => spatial_ref(array),
            _ => None,
        };
        let times = grib_cf::as_cf(&mut header, sources.iter().map(crs).collect());
        sources.extend(times.into_iter().map(|time| Source::Values(vec![time])));
    }
    Ok((header, sources))
}

/// Arrays along a dimension that GDAL takes for empty get the shape that they have.
fn find_lengths((header, sources): &mut (ArrayHeader, Vec<Source>), file: &str) {
    for (variable, source) in header.variables.iter_mut().zip(sources) {
        let Source::Array(array, Some(dtype)) = &*source else { continue };
        if !variable.shape.contains(&0) {
            continue;
        }
        // SAFETY: GDAL lends a text of its own, which is copied at once.
        let path = unsafe { text(c::GDALMDArrayGetFullName(array.0)) }.unwrap_or_default();
        match dataset::Dataset::find(file, &path) {
            Some((found, shape)) if shape.len() == variable.shape.len() && shape != variable.shape => {
                variable.shape = shape;
                *source = Source::Dataset(found, *dtype);
            }
            _ => {}
        }
    }
}

/// Puts coordinates where they lie.
fn move_to(moved: Moved, header: &mut ArrayHeader, sources: &mut [Source], path: &str) -> ReasonResult<()> {
    let (Some(coordinate), Some(source)) =
        (header.variables.get_mut(moved.variable), sources.get_mut(moved.variable))
    else {
        return Ok(());
    };
    let ([n], Source::Array(array, _)) = (coordinate.shape.as_slice(), &*source) else { return Ok(()) };
    let values = match moved.values.filter(|values| values.len() as u64 == *n) {
        Some(values) => values,
        None => {
            let Pixels::Float64(mut values) = read::<f64>(array, &[0], &[*n], &[1], *n as usize, path)?
            else {
                return Ok(());
            };
            let step = values.get(1).zip(values.first()).map_or(0.0, |(second, first)| second - first);
            values.iter_mut().for_each(|value| *value += moved.by * step);
            values
        }
    };
    (coordinate.dtype, coordinate.dtype_name) = (Some(Dtype::Float64), "float64".into());
    *source = Source::Values(values);
    Ok(())
}

fn open_with(name: &str, driver: &str, path: &str) -> ReasonResult<(Dataset, Group)> {
    let options = DatasetOptions {
        open_flags: GdalOpenFlags::GDAL_OF_MULTIDIM_RASTER
            | GdalOpenFlags::GDAL_OF_READONLY
            | GdalOpenFlags::GDAL_OF_VERBOSE_ERROR,
        allowed_drivers: Some(&[driver]),
        sibling_files: Some(&[]),
        ..DatasetOptions::default()
    };
    let dataset = Dataset::open_ex(name, options).map_err(|e| cause(e, path))?;
    // SAFETY: the dataset is open, and the group is checked before it is used.
    let root = unsafe { c::GDALDatasetGetRootGroup(dataset.c_dataset()) };
    if root.is_null() {
        return Err(last_error(path));
    }
    Ok((dataset, Group(root)))
}

/// What GDAL said last on this thread.
fn last_error(path: &str) -> Cause {
    // SAFETY: GDAL gives a text of its own, which is copied at once.
    let text = unsafe { text(c::CPLGetLastErrorMsg()) }.unwrap_or_default();
    let text = if text.is_empty() { "GDAL gave no reason".to_string() } else { text };
    cause(gdal::errors::GdalError::NullPointer { method_name: "", msg: text }, path)
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
    /// The HDF5 driver reads, which knows nothing of how the netCDF library names things.
    hdf5: bool,
}

/// How the netCDF library names a variable in HDF5 that has the name of a dimension and is not its coordinate.
const NOT_ITS_COORDINATE: &str = "_nc4_non_coord_";
/// What it writes for the coordinate of a dimension that has none.
const NO_VARIABLE: &str = "This is a netCDF dimension but not a netCDF variable";

impl Reader {
    fn walk(&mut self, group: &Group, prefix: &str, depth: usize) -> ReasonResult<()> {
        self.groups += 1;
        if self.groups > MAX_GROUPS || depth > 32 {
            return Err(format!("it has more than {MAX_GROUPS} groups, or groups 32 deep").into());
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
                return Err(format!("it has more than {MAX_VARIABLES} variables").into());
            }
            let array = Array(array);
            let short =
                if self.hdf5 { name.strip_prefix(NOT_ITS_COORDINATE).unwrap_or(&name) } else { &name };
            let (variable, native) = variable(&array, format!("{prefix}{short}"), self.hdf5);
            if self.hdf5 && variable.text("NAME").is_some_and(|text| text.starts_with(NO_VARIABLE)) {
                continue;
            }
            self.header.variables.push(variable);
            self.sources.push(Source::Array(array, native));
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

/// A variable, and the type that GDAL reads it in.
fn variable(array: &Array, name: String, hdf5: bool) -> (Variable, Option<Dtype>) {
    let attributes = array_attributes(array);
    let (dims, shape) = dimensions(array);
    let (dtype_name, dtype) = stored_type(array);
    let unnamed = |(index, dim): (usize, &String)| match hdf5 {
        true => *dim == format!("dim{index}"),
        false => dim.starts_with("phony_dim_"),
    };
    let unnamed = dims.iter().enumerate().filter(|dim| unnamed(*dim)).map(|(index, _)| index).collect();
    let mut variable = Variable {
        name,
        dims,
        unnamed,
        shape,
        dtype_name,
        dtype,
        chunk: chunk(array),
        nodata: None,
        scale: None,
        offset: None,
        unit: None,
        attributes,
    };
    // SAFETY: GDAL lends a text of its own, which is copied at once.
    let of_gdal = || unsafe { text(c::GDALMDArrayGetUnit(array.0)) }.filter(|unit| !unit.is_empty());
    variable.unit = variable.text("units").map(str::to_string).or_else(of_gdal);
    let of_gdal = dtype.and_then(|dtype| nodata(array, dtype));
    // An attribute of 64 bits comes as a double; the fill value of letters is one of them.
    let wide = matches!(dtype, Some(Dtype::Int64 | Dtype::UInt64));
    let letter = match (dtype, variable.attribute("_FillValue")) {
        (Some(Dtype::UInt8), Some(Attribute::Text(text))) if text.len() <= 1 => {
            Some(Nodata::Integer(text.bytes().next().unwrap_or(0).into()))
        }
        _ => None,
    };
    (variable.packed(letter.or(of_gdal.filter(|_| wide)), of_gdal), dtype)
}

/// Arrays of letters along a dimension that numbers have too are flags, one for each, and no text.
fn letters(header: &mut ArrayHeader, sources: &mut [Source], name: &str) {
    let counted: HashSet<String> =
        header.variables.iter().filter(|v| v.dtype.is_some()).flat_map(|v| v.dims.iter().cloned()).collect();
    for (variable, source) in header.variables.iter_mut().zip(sources) {
        if variable.dtype.is_some() || variable.dims.len() != 1 {
            continue;
        }
        let Some((letters, dim, size)) = Letters::find(name, &variable.name) else { continue };
        if !counted.contains(&dim) {
            continue;
        }
        variable.dims.push(dim);
        variable.shape.push(size);
        (variable.dtype, variable.dtype_name, variable.chunk) = (Some(Dtype::UInt8), "uint8".into(), None);
        let fill = match variable.attribute("_FillValue") {
            Some(Attribute::Text(text)) => Some(Nodata::Integer(text.bytes().next().unwrap_or(0).into())),
            _ => None,
        };
        variable.nodata = fill;
        *source = Source::Letters(letters);
    }
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
            // Half a float comes as a whole one.
            None if numeric == HALF => ("float16".to_string(), Some(Dtype::Float32)),
            None => (complex(numeric).to_string(), None),
        },
    }
}

/// GDAL's number of floats of 16 bits, which the bindings do not name.
const HALF: c::GDALDataType::Type = 15;

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
                let numeric = c::GDALExtendedDataTypeGetNumericDataType(ty.0);
                match dtype(numeric).or((numeric == HALF).then_some(Dtype::Float32))? {
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

/// The array's own CRS as WKT, and what its coordinates are.
fn spatial_ref(array: &Array) -> Option<(String, Counts)> {
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
    let counts = match (srs.is_geographic(), srs.is_derived_geographic()) {
        (true, false) => Counts::Degrees,
        (_, true) => Counts::Rotated,
        _ => Counts::Metres,
    };
    Some((wkt, counts))
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
