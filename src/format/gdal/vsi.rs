//! GDAL's door to remote files: a virtual file system under [`PREFIX`] that reads through `files::remote`.
//!
//! GDAL's handles hold metadata alone, so that an open dataset may outlive the query that opened it; each read goes
//! through the session of the query that runs. A read that failed is kept ([`watched`]), since GDAL tells no reason
//! and passes over some failures, a mask's, say, in silence.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

use gdal_sys::{VSIStatBufL, vsi_l_offset};

use crate::error::{Error, Result};
use crate::files::remote::{self, RemoteFile};
use crate::files::{Address, Location, Sight, beside};
use crate::format::gdal::system::{self, contain, note, root};
use crate::workers::is_interrupted;

const PREFIX: &str = "/vsigeoquilt/";
/// GDAL keeps the pointer.
static C_PREFIX: &CStr = c"/vsigeoquilt/";

/// Mode bits of a regular file that all may read.
const REGULAR: u32 = 0o100_444;

/// A file as GDAL is to open it.
pub(crate) struct GdalFile {
    /// Its first bytes.
    pub magic: [u8; 8],
    /// GDAL's name of it.
    pub name: String,
    /// Its remote file, where it has one that is read in ranges.
    pub remote: Option<Arc<RemoteFile>>,
    /// The netCDF library cannot read through here, so that driver is left out.
    pub without_netcdf: bool,
    memory: Option<Memory>,
}

/// A whole file in memory, let go with the dataset that reads it.
struct Memory(String);

impl Drop for Memory {
    fn drop(&mut self) {
        // It is there, since only this gives it back.
        let _ = gdal::vsi::unlink_mem_file(Path::new(&self.0));
    }
}

impl GdalFile {
    /// Where GDAL finds a file: as it stands, or through here for a URL. `needs_netcdf` tells by its location and its
    /// first bytes whether only the netCDF driver will do. The netCDF library reads no virtual file,
    /// so its files come whole into memory, up to the bound on remote bytes; a larger NetCDF-4 file is read in
    /// ranges by the HDF5 driver.
    ///
    /// # Errors
    /// The URL cannot be opened, or the file must be had whole and is too large.
    pub(crate) fn of(sight: &Sight, needs_netcdf: impl Fn(&Location, &[u8]) -> bool) -> Result<GdalFile> {
        let (location, path) = (sight.location(), sight.path());
        let Address::Url(url) = location.address() else {
            let magic = sight.magic();
            return Ok(GdalFile {
                magic,
                name: path.into(),
                remote: None,
                without_netcdf: false,
                memory: None,
            });
        };
        let file = remote::open(url)?;
        let mut magic = [0; 8];
        file.read_at(0, &mut magic)?;
        if !needs_netcdf(location, &magic) {
            let name = location.renamed(&format!("{PREFIX}{url}"));
            return Ok(GdalFile { magic, name, remote: Some(file), without_netcdf: true, memory: None });
        }
        if file.size() > crate::limits::remote_cache_bytes() as u64 {
            if magic.starts_with(b"\x89HDF") && !location.is_subdataset() {
                let name = location.renamed(&format!("{PREFIX}{url}"));
                return Ok(GdalFile { magic, name, remote: Some(file), without_netcdf: true, memory: None });
            }
            let mib = file.size().div_ceil(1 << 20);
            let reason = format!(
                "the netCDF library needs the whole of it, {mib} MiB, which is above geoquilt_remote_cache_mb"
            );
            return Err(Error::unreadable(path, reason));
        }
        let bytes = file.read(0..file.size())?;
        let base = location.file_name();
        static COPIES: AtomicU64 = AtomicU64::new(0);
        let copy = COPIES.fetch_add(1, Relaxed);
        let name = format!("/vsimem/geoquilt/{copy}/{base}");
        gdal::vsi::create_mem_file(&name, bytes).map_err(|e| Error::unreadable(path, e.to_string()))?;
        Ok(GdalFile {
            magic,
            name: location.renamed(&name),
            remote: None,
            without_netcdf: false,
            memory: Some(Memory(name)),
        })
    }

    /// The name of a remote file, which has no side files.
    pub(crate) fn file_name(&self) -> Option<&str> {
        let is_remote = self.remote.is_some() || self.memory.is_some();
        is_remote.then(|| self.name.rsplit('/').next().unwrap_or_default())
    }

    /// The drivers that may open it; all of them where there is no list.
    pub(crate) fn drivers(&self) -> Option<Vec<&'static str>> {
        static DRIVERS: LazyLock<Vec<String>> = LazyLock::new(|| {
            let names = gdal::DriverManager::all().map(|driver| driver.short_name());
            names.filter(|name| name != "netCDF").collect()
        });
        self.without_netcdf.then(|| DRIVERS.iter().map(String::as_str).collect())
    }
}

/// Whether the netCDF driver is the one that reads a raster: NetCDF classic, or HDF5 inside a NetCDF by its name.
pub(crate) fn needs_netcdf(location: &Location, magic: &[u8]) -> bool {
    let named = match location.driver() {
        Some("NETCDF") => true,
        Some("HDF5") => false,
        _ => matches!(location.extension().as_str(), "nc" | "nc4" | "cdf" | "netcdf"),
    };
    magic.starts_with(b"CDF") || (magic.starts_with(b"\x89HDF") && named)
}

/// Runs work in which GDAL may open and read files; what kept it from one is its error, whatever GDAL made of it.
///
/// # Errors
/// That of the file, or of the work.
pub(crate) fn watched<T>(location: &Location, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let (result, failure) = system::reading(location.file(), work);
    // What a library made of it is no answer, whatever it says.
    if is_interrupted() { Err(Error::Interrupted) } else { failure.map_or(result, Err) }
}

// The libtiff inside GDAL, whose names GDAL prefixes.
unsafe extern "C" {
    fn gdal_TIFFSetErrorHandler(handler: *mut c_void) -> *mut c_void;
}

/// Tells GDAL of the prefix. Must run once.
pub(crate) fn install() {
    // What libtiff meets in a damaged file comes to us through GDAL, and would also go to the terminal.
    // SAFETY: null stands for no handler, and nothing of libtiff runs yet.
    unsafe { gdal_TIFFSetErrorHandler(std::ptr::null_mut()) };
    // A file that names the standard input would have it waited for.
    for prefix in [c"/vsistdin/", c"/vsistdin?"] {
        // SAFETY: the prefix is zero-ended; GDAL keeps no more of it than its own copy.
        unsafe { gdal_sys::VSIRemovePluginHandler(prefix.as_ptr()) };
    }
    // SAFETY: the struct is GDAL's own allocation, zeroed; GDAL copies it, and it is given back here. The callbacks
    // are functions of this file, which live as long as the process.
    unsafe {
        let callbacks = gdal_sys::VSIAllocFilesystemPluginCallbacksStruct();
        if let Some(table) = callbacks.as_mut() {
            table.stat = Some(stat);
            table.open = Some(open);
            table.tell = Some(tell);
            table.seek = Some(seek);
            table.read = Some(read);
            table.read_multi_range = Some(read_multi_range);
            table.eof = Some(eof);
            table.error = Some(error);
            table.clear_err = Some(clear_err);
            table.close = Some(close);
            gdal_sys::VSIInstallPluginHandler(C_PREFIX.as_ptr(), callbacks);
        }
        gdal_sys::VSIFreeFilesystemPluginCallbacksStruct(callbacks);
    }
}

/// An open file of GDAL's.
struct Handle {
    file: Arc<RemoteFile>,
    offset: u64,
    at_end: bool,
    failed: bool,
}

impl Handle {
    fn read(&mut self, out: &mut [u8]) -> usize {
        match self.file.read_at(self.offset, out) {
            Ok(n) => {
                self.offset += n as u64;
                self.at_end = n < out.len();
                n
            }
            Err(error) => {
                self.failed = true;
                note(error);
                0
            }
        }
    }
}

/// Whether the file in work is a VRT that holds a file's name.
fn is_in_vrt(url: &str) -> bool {
    const LARGEST_VRT: u64 = 16 << 20;
    let root = root();
    let name = url.rsplit('/').next().unwrap_or_default().as_bytes();
    if !root.to_ascii_lowercase().ends_with(".vrt") || name.is_empty() {
        return false;
    }
    let text = remote::open(&root).and_then(|vrt| vrt.read(0..LARGEST_VRT)).unwrap_or_default();
    text.windows(name.len()).any(|part| part == name)
}

/// Whether the file in work has several parts, of which this is one that a reader needs.
fn is_part(url: &str) -> bool {
    let root = root();
    let (Some((whole, end)), Some((stem, part))) = (root.rsplit_once('.'), url.rsplit_once('.')) else {
        return false;
    };
    let upper = end.chars().all(|letter| letter.is_ascii_uppercase());
    // GDAL tries both cases: an absent part costs one request.
    let same_case = part.chars().all(|letter| letter.is_ascii_uppercase() == upper);
    let parts = beside::PARTS.iter().find(|(name, ..)| end.eq_ignore_ascii_case(name));
    let needed = parts.is_some_and(|(_, needed, _)| needed.contains(&part.to_ascii_lowercase().as_str()));
    whole == stem && same_case && needed
}

/// The file that GDAL asks for. Side files are not asked for over the network: only what was opened by name is
/// there, its parts, and beside a VRT the files that it names.
fn find(name: *const c_char) -> Option<Arc<RemoteFile>> {
    // SAFETY: GDAL gives a zero-ended text that lives for the call.
    let url = unsafe { CStr::from_ptr(name) }.to_str().ok()?;
    let known = remote::current().is_some_and(|session| session.knows(url));
    if !known && !is_part(url) && !is_in_vrt(url) {
        return None;
    }
    match remote::open(url) {
        Ok(file) => Some(file),
        Err(Error::Absent { .. }) => None,
        Err(error) => {
            note(error);
            None
        }
    }
}

unsafe extern "C" fn stat(_: *mut c_void, name: *const c_char, out: *mut VSIStatBufL, _: c_int) -> c_int {
    contain(-1, || match find(name) {
        None => -1,
        Some(file) => {
            // SAFETY: GDAL gives a zeroed struct of this type, which the bindings leave opaque under its other name.
            if let Some(out) = unsafe { out.cast::<gdal_sys::stat>().as_mut() } {
                out.st_size = file.size() as _;
                out.st_mode = REGULAR as _;
            }
            0
        }
    })
}

unsafe extern "C" fn open(_: *mut c_void, name: *const c_char, access: *const c_char) -> *mut c_void {
    contain(std::ptr::null_mut(), || {
        // SAFETY: as in `find`.
        let access = unsafe { CStr::from_ptr(access) }.to_bytes();
        if !access.starts_with(b"r") || access.contains(&b'+') {
            return std::ptr::null_mut();
        }
        match find(name) {
            None => std::ptr::null_mut(),
            Some(file) => {
                Box::into_raw(Box::new(Handle { file, offset: 0, at_end: false, failed: false })).cast()
            }
        }
    })
}

/// # Safety
/// The pointer is what `open` gave, and GDAL uses it on one thread at a time until `close`.
unsafe fn handle<'a>(file: *mut c_void) -> &'a mut Handle {
    // SAFETY: the caller's.
    unsafe { &mut *file.cast::<Handle>() }
}

unsafe extern "C" fn tell(file: *mut c_void) -> vsi_l_offset {
    // SAFETY: GDAL gives back what `open` gave, here and below.
    unsafe { handle(file) }.offset
}

unsafe extern "C" fn seek(file: *mut c_void, offset: vsi_l_offset, whence: c_int) -> c_int {
    // SAFETY: as in `tell`.
    let handle = unsafe { handle(file) };
    let from = match whence {
        0 => 0,
        1 => handle.offset,
        _ => handle.file.size(),
    };
    // Offsets backwards come as wrapped numbers.
    handle.offset = from.wrapping_add(offset);
    handle.at_end = false;
    0
}

unsafe extern "C" fn read(file: *mut c_void, out: *mut c_void, size: usize, count: usize) -> usize {
    // SAFETY: as in `tell`; GDAL's buffer has size * count bytes.
    let (handle, out) = unsafe {
        let length = size.saturating_mul(count);
        if length == 0 || out.is_null() {
            return 0;
        }
        out.cast::<u8>().write_bytes(0, length);
        (handle(file), std::slice::from_raw_parts_mut(out.cast::<u8>(), length))
    };
    contain(0, || handle.read(out) / size)
}

unsafe extern "C" fn read_multi_range(
    file: *mut c_void,
    count: c_int,
    data: *mut *mut c_void,
    offsets: *const vsi_l_offset,
    sizes: *const usize,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: as in `tell`; GDAL gives `count` buffers, offsets and sizes, and each buffer has its size in bytes.
    unsafe {
        let handle = handle(file);
        let range = |i: usize| (*offsets.add(i), *sizes.add(i));
        contain(-1, || {
            let ranges =
                (0..count).map(range).map(|(offset, size)| offset..offset.saturating_add(size as u64));
            if let Err(error) = handle.file.prefetch(ranges.collect()) {
                note(error);
                return -1;
            }
            for i in 0..count {
                let (offset, size) = range(i);
                handle.offset = offset;
                let out = (*data.add(i)).cast::<u8>();
                out.write_bytes(0, size);
                if handle.read(std::slice::from_raw_parts_mut(out, size)) < size {
                    return -1;
                }
            }
            0
        })
    }
}

unsafe extern "C" fn eof(file: *mut c_void) -> c_int {
    // SAFETY: as in `tell`.
    c_int::from(unsafe { handle(file) }.at_end)
}

unsafe extern "C" fn error(file: *mut c_void) -> c_int {
    // SAFETY: as in `tell`.
    c_int::from(unsafe { handle(file) }.failed)
}

unsafe extern "C" fn clear_err(file: *mut c_void) {
    // SAFETY: as in `tell`.
    let handle = unsafe { handle(file) };
    (handle.at_end, handle.failed) = (false, false);
}

unsafe extern "C" fn close(file: *mut c_void) -> c_int {
    contain(-1, || {
        // SAFETY: GDAL closes once what `open` gave.
        drop(unsafe { Box::from_raw(file.cast::<Handle>()) });
        0
    })
}
