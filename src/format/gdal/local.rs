//! GDAL's door to local files: a file system for all names without a prefix, in place of GDAL's own. It opens regular files
//! that the query may read, and never writes; what it refuses is told ([`vsi::note`]), since GDAL would pass over a mask
//! that does not open. A writer's files have a prefix, [`OUTPUT`], that works for as long as the writer says so.
//!
//! Of GDAL's own other file systems, those of streams open nothing.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use gdal_sys::VSIStatBufL;

use crate::error::{Error, Result};
use crate::files::{Location, Sight, door};
use crate::format::gdal::vsi::{self, Bytes, Callbacks, Handle, contain, note};
use crate::format::gdal::{hdf5, is_guarded};
use crate::format::magic::sniff;

/// Stands before the name of a file that is written.
const OUTPUT: &str = "/vsigeoquiltout/";
static C_OUTPUT: &CStr = c"/vsigeoquiltout/";
/// Streams that have no end, and names with a key in them.
static CLOSED: [&CStr; 3] = [c"/vsistdin/", c"/vsistdout/", c"/vsicrypt/"];

/// Shorter reads come out of a page, as with C's own files.
const PAGE: usize = 4096;

thread_local! {
    /// A writer is at work on this thread.
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

/// Takes GDAL's local files over. Must run once, after GDAL has its own file systems.
pub(crate) fn install() {
    let read = Callbacks {
        open: Some(open),
        stat: Some(stat),
        read_dir: Some(read_dir),
        read_multi_range: None,
        write: None,
        truncate: None,
    };
    // GDAL takes the handler without a prefix for all names that no other has.
    vsi::register(c"", read);
    let write = Callbacks {
        open: Some(open_output),
        stat: Some(stat_output),
        read_dir: None,
        read_multi_range: None,
        write: Some(write),
        truncate: Some(truncate),
    };
    vsi::register(C_OUTPUT, write);
    for prefix in CLOSED {
        let none = Callbacks {
            open: Some(open_none),
            stat: None,
            read_dir: None,
            read_multi_range: None,
            write: None,
            truncate: None,
        };
        vsi::register(prefix, none);
    }
}

/// Runs work in which GDAL writes a file, by the name that it is given.
///
/// # Errors
/// What kept GDAL from a file, or that of the work.
pub(crate) fn writing<T>(path: &Path, work: impl FnOnce(&str) -> Result<T>) -> Result<T> {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            WRITING.set(self.0);
        }
    }
    let path = path.to_string_lossy();
    let location = Location::plain(&path);
    let _restore = Restore(WRITING.replace(true));
    vsi::watched(&location, || work(&format!("{OUTPUT}{path}")))
}

/// A local file that GDAL reads.
struct Local {
    file: File,
    name: String,
    page: Vec<u8>,
    start: u64,
}

impl Local {
    fn fill(&self, place: u64, out: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < out.len() {
            match self
                .file
                .read_at(out.get_mut(filled..).unwrap_or_default(), place.saturating_add(filled as u64))
            {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::unreadable(&self.name, error)),
            }
        }
        Ok(filled)
    }
}

impl Bytes for Local {
    fn read_at(&mut self, place: u64, out: &mut [u8]) -> Result<usize> {
        // No file goes on there, and the system knows no such place.
        if i64::try_from(place).is_err() {
            return Ok(0);
        }
        if out.len() >= PAGE {
            return self.fill(place, out);
        }
        let within = |local: &Local| {
            let from = usize::try_from(place.checked_sub(local.start)?).ok()?;
            local.page.get(from..from.checked_add(out.len())?).map(|_| from)
        };
        let from = match within(self) {
            Some(from) => from,
            None => {
                let mut page = std::mem::take(&mut self.page);
                page.resize(PAGE, 0);
                let filled = self.fill(place, &mut page)?;
                page.truncate(filled);
                (self.page, self.start) = (page, place);
                0
            }
        };
        let rest = self.page.get(from..).unwrap_or_default();
        let n = rest.len().min(out.len());
        out.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Ok(n)
    }

    fn size(&self) -> Result<u64> {
        self.file.metadata().map(|found| found.len()).map_err(|e| Error::unreadable(&self.name, e))
    }
}

/// A file that GDAL writes, and reads again.
struct Output(File, String);

impl Output {
    fn failed(&self, error: io::Error) -> Error {
        Error::unwritable(&self.1, error)
    }
}

impl Bytes for Output {
    fn read_at(&mut self, place: u64, out: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < out.len() {
            let rest = out.get_mut(filled..).unwrap_or_default();
            match self.0.read_at(rest, place.saturating_add(filled as u64)).map_err(|e| self.failed(e))? {
                0 => break,
                more => filled += more,
            }
        }
        Ok(filled)
    }

    fn size(&self) -> Result<u64> {
        self.0.metadata().map(|found| found.len()).map_err(|e| self.failed(e))
    }

    fn write_at(&mut self, place: u64, bytes: &[u8]) -> Result<()> {
        self.0.write_all_at(bytes, place).map_err(|e| self.failed(e))
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        self.0.set_len(size).map_err(|e| self.failed(e))
    }
}

/// # Safety
/// The pointer is null or leads to a zero-ended text that lives for the call.
unsafe fn text<'a>(name: *const c_char) -> Option<&'a str> {
    // SAFETY: the caller's.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_str().ok()).flatten()
}

/// What is at a path, for those who may know.
fn found(path: &Path) -> Option<Metadata> {
    let metadata = std::fs::metadata(path).ok()?;
    // What a file is made of is told when it is opened.
    door::forbidden(path).is_none().then_some(metadata)
}

fn open_local(name: &str) -> Option<Local> {
    let path = Path::new(name);
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return None,
        Ok(metadata) => Ok(metadata),
        Err(error) => Err(error),
    };
    let opened = metadata.and_then(|metadata| match door::forbidden(path) {
        Some(reason) => Err(io::Error::other(reason)),
        None if !metadata.is_file() => Err(io::Error::other("it is not a regular file")),
        None => File::open(path),
    });
    match opened {
        Ok(file) => {
            let mut local = Local { file, name: name.into(), page: Vec::new(), start: 0 };
            // GDAL reads the head of a file next, which tells an array file.
            let _ = local.read_at(0, &mut [0]);
            match vsi::is_root(name) || !matches!(sniff(&local.page), Some("HDF5" | "netCDF")) {
                true => Some(local),
                false => look(name).map_err(note).ok().map(|()| local),
            }
        }
        Err(error) => {
            use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
            // GDAL tries many names, and texts that are none.
            if !matches!(error.kind(), NotFound | NotADirectory | InvalidFilename | InvalidInput) {
                note(Error::unreadable(name, error));
            }
            None
        }
    }
}

/// Looks at an array file that another file names.
fn look(name: &str) -> Result<()> {
    if !is_guarded() {
        let reason = "it is an array file in a place where none is looked for";
        return Err(Error::unreadable(name, reason));
    }
    hdf5::check(&Sight::of(Location::plain(name))?)
}

unsafe extern "C" fn open(_: *mut c_void, name: *const c_char, access: *const c_char) -> *mut c_void {
    contain(std::ptr::null_mut(), || {
        // SAFETY: GDAL gives zero-ended texts that live for the call, here and below.
        let (Some(name), Some(access)) = (unsafe { text(name) }, unsafe { text(access) }) else {
            return std::ptr::null_mut();
        };
        if !access.starts_with('r') || access.contains('+') {
            return std::ptr::null_mut();
        }
        open_local(name).map_or(std::ptr::null_mut(), |file| Handle::lent(Box::new(file)))
    })
}

unsafe extern "C" fn stat(_: *mut c_void, name: *const c_char, out: *mut VSIStatBufL, _: c_int) -> c_int {
    contain(-1, || {
        // SAFETY: as in `open`; GDAL gives a zeroed struct of this type, which the bindings leave opaque under its other
        // name.
        let (Some(name), Some(out)) =
            (unsafe { text(name) }, unsafe { out.cast::<gdal_sys::stat>().as_mut() })
        else {
            return -1;
        };
        tell(found(Path::new(name)), out)
    })
}

fn tell(found: Option<Metadata>, out: &mut gdal_sys::stat) -> c_int {
    let Some(found) = found else { return -1 };
    out.st_size = found.len() as _;
    out.st_mode = found.mode() as _;
    out.st_mtim.tv_sec = found.mtime() as _;
    0
}

/// The names in a folder as GDAL's list, which GDAL gives back.
unsafe extern "C" fn read_dir(_: *mut c_void, name: *const c_char, most: c_int) -> *mut *mut c_char {
    contain(std::ptr::null_mut(), || {
        // SAFETY: as in `open`.
        let Some(name) = (unsafe { text(name) }) else { return std::ptr::null_mut() };
        let path = Path::new(if name.is_empty() { "." } else { name });
        if door::forbidden(path).is_some() {
            return std::ptr::null_mut();
        }
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => {
                use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
                if !matches!(error.kind(), NotADirectory | NotFound | PermissionDenied) {
                    note(Error::unreadable(name, error));
                }
                return std::ptr::null_mut();
            }
        };
        // One more than asked for tells GDAL that there are more.
        let most = usize::try_from(most).ok().filter(|most| *most > 0).map_or(usize::MAX, |most| most + 1);
        let names = entries.flatten().take(most);
        let names: Vec<CString> =
            names.filter_map(|entry| CString::new(entry.file_name().into_encoded_bytes()).ok()).collect();
        // SAFETY: the list has a place for each name and a null at its end, all of them GDAL's own allocations.
        unsafe {
            let list = gdal_sys::VSICalloc(names.len() + 1, size_of::<*mut c_char>()).cast::<*mut c_char>();
            if !list.is_null() {
                for (i, name) in names.iter().enumerate() {
                    *list.add(i) = gdal_sys::CPLStrdup(name.as_ptr());
                }
            }
            list
        }
    })
}

unsafe extern "C" fn open_none(_: *mut c_void, _: *const c_char, _: *const c_char) -> *mut c_void {
    std::ptr::null_mut()
}

unsafe extern "C" fn open_output(_: *mut c_void, name: *const c_char, access: *const c_char) -> *mut c_void {
    contain(std::ptr::null_mut(), || {
        // SAFETY: as in `open`.
        let (Some(name), Some(access)) = (unsafe { text(name) }, unsafe { text(access) }) else {
            return std::ptr::null_mut();
        };
        if !WRITING.get() {
            return std::ptr::null_mut();
        }
        let is_new = access.starts_with('w');
        let mut options = OpenOptions::new();
        options.read(true).write(is_new || access.contains('+')).create(is_new).truncate(is_new);
        match options.open(name) {
            Ok(file) => Handle::lent(Box::new(Output(file, name.into()))),
            Err(error) => {
                if is_new || error.kind() != io::ErrorKind::NotFound {
                    note(Error::unwritable(name, error));
                }
                std::ptr::null_mut()
            }
        }
    })
}

unsafe extern "C" fn stat_output(
    _: *mut c_void,
    name: *const c_char,
    out: *mut VSIStatBufL,
    _: c_int,
) -> c_int {
    contain(-1, || {
        // SAFETY: as in `stat`.
        let (Some(name), Some(out)) =
            (unsafe { text(name) }, unsafe { out.cast::<gdal_sys::stat>().as_mut() })
        else {
            return -1;
        };
        tell(std::fs::metadata(name).ok().filter(|_| WRITING.get()), out)
    })
}

unsafe extern "C" fn write(file: *mut c_void, from: *const c_void, size: usize, count: usize) -> usize {
    let length = size.saturating_mul(count);
    if length == 0 || from.is_null() {
        return 0;
    }
    // SAFETY: GDAL gives back what `open_output` gave, and a buffer of size * count bytes.
    let (handle, bytes) =
        unsafe { (vsi::handle(file), std::slice::from_raw_parts(from.cast::<u8>(), length)) };
    contain(0, || match handle.write(bytes) {
        Ok(()) => count,
        Err(error) => {
            note(error);
            0
        }
    })
}

unsafe extern "C" fn truncate(file: *mut c_void, size: gdal_sys::vsi_l_offset) -> c_int {
    // SAFETY: as in `write`.
    let handle = unsafe { vsi::handle(file) };
    contain(-1, || match handle.bytes().truncate(size) {
        Ok(()) => 0,
        Err(error) => {
            note(error);
            -1
        }
    })
}
