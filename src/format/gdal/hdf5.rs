//! What an HDF5 file names outside of itself, and whether its texts can be read, looked at before GDAL or the netCDF
//! library reads it.
//!
//! Raw storage outside of the file is bytes of any kind, so it lies in the file's own folder or below. Files that links
//! and virtual datasets name are HDF5 files themselves, and may lie anywhere that the query may read. An attribute whose
//! text lies in a damaged heap ends the process in GDAL, which does not look whether it was read.
//!
//! Every call holds [`HDF5`](super::HDF5).

#![allow(unsafe_code)]

use std::collections::HashSet;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::{Address, Location, Sight, Stamp, door};
use crate::format::magic::sniff;
use crate::format::{classic, heap};
use crate::kept::Shared;

type Id = i64;

// The library inside; numbers and layouts by its own headers.
unsafe extern "C" {
    fn H5Eset_auto2(stack: Id, call: *mut c_void, data: *mut c_void) -> c_int;
    fn H5Fopen(name: *const c_char, flags: c_uint, access: Id) -> Id;
    fn H5Fclose(id: Id) -> c_int;
    fn H5Oopen(place: Id, name: *const c_char, access: Id) -> Id;
    fn H5Oclose(id: Id) -> c_int;
    fn H5Oget_info3(id: Id, info: *mut ObjectInfo, fields: c_uint) -> c_int;
    fn H5Iget_type(id: Id) -> c_int;
    fn H5Literate2(
        group: Id,
        index: c_int,
        order: c_int,
        at: *mut u64,
        call: unsafe extern "C" fn(Id, *const c_char, *const LinkInfo, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    fn H5Lget_val(place: Id, name: *const c_char, out: *mut c_void, size: usize, access: Id) -> c_int;
    fn H5Lunpack_elink_val(
        value: *const c_void,
        size: usize,
        flags: *mut c_uint,
        file: *mut *const c_char,
        object: *mut *const c_char,
    ) -> c_int;
    fn H5Dget_create_plist(dataset: Id) -> Id;
    fn H5Pclose(id: Id) -> c_int;
    fn H5Pget_layout(list: Id) -> c_int;
    fn H5Pget_external_count(list: Id) -> c_int;
    fn H5Pget_external(
        list: Id,
        at: c_uint,
        room: usize,
        name: *mut c_char,
        offset: *mut i64,
        size: *mut u64,
    ) -> c_int;
    fn H5Pget_virtual_count(list: Id, count: *mut usize) -> c_int;
    fn H5Pget_virtual_filename(list: Id, at: usize, name: *mut c_char, room: usize) -> isize;
    fn H5Aiterate2(
        place: Id,
        index: c_int,
        order: c_int,
        at: *mut u64,
        call: unsafe extern "C" fn(Id, *const c_char, *const c_void, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    fn H5Aopen(place: Id, name: *const c_char, access: Id) -> Id;
    fn H5Aclose(id: Id) -> c_int;
    fn H5Aget_type(id: Id) -> Id;
    fn H5Aget_space(id: Id) -> Id;
    fn H5Aread(id: Id, ty: Id, out: *mut c_void) -> c_int;
    fn H5Tclose(id: Id) -> c_int;
    fn H5Tis_variable_str(id: Id) -> c_int;
    fn H5Tdetect_class(id: Id, class: c_int) -> c_int;
    fn H5Tget_class(id: Id) -> c_int;
    fn H5Tget_size(id: Id) -> usize;
    fn H5Treclaim(ty: Id, space: Id, list: Id, data: *mut c_void) -> c_int;
    fn H5Sclose(id: Id) -> c_int;
    fn H5Sget_simple_extent_npoints(id: Id) -> i64;
}

/// H5O_info2_t.
#[repr(C)]
#[derive(Default)]
struct ObjectInfo {
    file: std::ffi::c_ulong,
    token: [u8; 16],
    kind: c_int,
    references: c_uint,
    times: [i64; 4],
    attributes: u64,
}

/// H5L_info2_t.
#[repr(C)]
struct LinkInfo {
    kind: c_int,
    order_valid: bool,
    order: i64,
    letters: c_int,
    /// Of a link to another file; of others it is part of something else.
    size: usize,
    rest: u64,
}

const DEFAULT: Id = 0;
const READ_ONLY: c_uint = 0;
const BY_NAME: c_int = 0;
const ANY_ORDER: c_int = 2;
const BASIC_INFO: c_uint = 1;
const HARD_LINK: c_int = 0;
const EXTERNAL_LINK: c_int = 64;
const GROUP: c_int = 2;
const DATASET: c_int = 5;
const VIRTUAL: c_int = 3;
const STRING: c_int = 3;
const COMPOUND: c_int = 6;
const VARIABLE: c_int = 9;

/// Of the name of a file.
const MOST_NAME: usize = 4096;
/// Objects of a file that are looked at: more has no file that people make, and a damaged one may.
const MOST_OBJECTS: usize = 1_000_000;
/// Attributes above this are no text; damaged ones may be.
const MOST_ATTRIBUTE: usize = 64 << 20;

/// Something of the library's, with what gives it back.
struct Owned(Id, unsafe extern "C" fn(Id) -> c_int);

impl Owned {
    fn new(id: Id, close: unsafe extern "C" fn(Id) -> c_int) -> Option<Owned> {
        (id >= 0).then_some(Owned(id, close))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the library gave it, and gets it back once.
        unsafe { (self.1)(self.0) };
    }
}

/// All that is looked at before a library reads a NetCDF or HDF5 file. The caller holds [`HDF5`](super::HDF5).
///
/// # Errors
/// [`Error::Unreadable`]: it is damaged, or names what must not be read.
pub fn check(sight: &Sight) -> Result<()> {
    let unreadable = |reason: String| Error::unreadable(sight.path(), reason);
    match sniff(sight.head()) {
        Some("netCDF") => classic::check(sight.location()).map_err(unreadable),
        Some("HDF5") => look(sight),
        _ => Ok(()),
    }
}

/// Looks at a local HDF5 file before it is read: once for each of its states where it names no other file. The caller
/// holds [`HDF5`](super::HDF5).
///
/// # Errors
/// [`Error::Unreadable`]: it names raw bytes outside of its folder, a file that is none or may not be read, or is damaged.
fn look(sight: &Sight) -> Result<()> {
    static SOUND: Shared<PathBuf, Stamp> = Shared::new(16_384);
    let Address::Local(path) = sight.location().address() else { return Ok(()) };
    let stamp = sight.stamp();
    if SOUND.get(path).is_some_and(|then| then == stamp) {
        return Ok(());
    }
    let unreadable = |reason: String| Error::unreadable(sight.path(), reason);
    let mut seen = HashSet::new();
    let mut waiting = vec![path.to_path_buf()];
    let mut alone = true;
    while let Some(file) = waiting.pop() {
        if !seen.insert(file.clone()) {
            continue;
        }
        let mut named = Vec::new();
        let heaps = || heap::check(&Location::plain(&file.to_string_lossy()));
        // A heap without an end would be walked for ever here too.
        let said = heaps().and_then(|()| look_into(&file, &mut named));
        said.map_err(|reason| match file == path {
            true => unreadable(reason),
            false => unreadable(door::part_reason(&file, &reason)),
        })?;
        alone &= named.is_empty();
        for other in named {
            if let Some(reason) = door::hindrance(&other) {
                return Err(unreadable(door::part_reason(&other, &reason)));
            }
            if other.is_file() {
                waiting.push(other);
            }
        }
    }
    if alone {
        SOUND.insert(path.to_path_buf(), stamp);
    }
    Ok(())
}

/// What a file names, and what is wrong with it, as the rest of a sentence. What the library cannot open is left to its
/// reader to tell.
fn look_into(path: &Path, named: &mut Vec<PathBuf>) -> std::result::Result<(), String> {
    let Some(name) = path.to_str().and_then(|name| CString::new(name).ok()) else { return Ok(()) };
    // SAFETY: null stands for no call; the name lives for the call.
    let file = unsafe {
        H5Eset_auto2(DEFAULT, std::ptr::null_mut(), std::ptr::null_mut());
        Owned::new(H5Fopen(name.as_ptr(), READ_ONLY, DEFAULT), H5Fclose)
    };
    let Some(file) = file else { return Ok(()) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut walk = Walk { folder, named, seen: HashSet::new() };
    // SAFETY: the file is open; the name is static.
    let root = Owned::new(unsafe { H5Oopen(file.0, c"/".as_ptr(), DEFAULT) }, H5Oclose);
    let mut waiting: Vec<Owned> = root.into_iter().collect();
    while let Some(object) = waiting.pop() {
        walk.object(object, &mut waiting)?;
        if walk.seen.len() > MOST_OBJECTS {
            return Err(format!("it holds more than {MOST_OBJECTS} objects"));
        }
    }
    Ok(())
}

struct Walk<'a> {
    folder: &'a Path,
    named: &'a mut Vec<PathBuf>,
    seen: HashSet<(std::ffi::c_ulong, [u8; 16])>,
}

impl Walk<'_> {
    fn object(&mut self, object: Owned, waiting: &mut Vec<Owned>) -> std::result::Result<(), String> {
        let mut info = ObjectInfo::default();
        // SAFETY: the object is open, and the struct is the library's layout.
        let known = unsafe { H5Oget_info3(object.0, &mut info, BASIC_INFO) } >= 0;
        // Links may lead back up.
        if !known || !self.seen.insert((info.file, info.token)) {
            return Ok(());
        }
        if let Some(name) = damaged_attribute(object.0) {
            return Err(format!("its attribute \"{name}\" cannot be read: it is damaged"));
        }
        // SAFETY: the object is open.
        match unsafe { H5Iget_type(object.0) } {
            GROUP => self.group(object.0, waiting),
            DATASET => self.dataset(object.0),
            _ => Ok(()),
        }
    }

    fn group(&mut self, group: Id, waiting: &mut Vec<Owned>) -> std::result::Result<(), String> {
        for (name, kind, size) in links(group) {
            if kind == EXTERNAL_LINK {
                if let Some(file) = linked_file(group, &name, size) {
                    self.link(&file);
                }
            } else if kind == HARD_LINK {
                // SAFETY: the group is open; the name lives for the call.
                waiting.extend(Owned::new(unsafe { H5Oopen(group, name.as_ptr(), DEFAULT) }, H5Oclose));
            }
        }
        Ok(())
    }

    fn dataset(&mut self, dataset: Id) -> std::result::Result<(), String> {
        // SAFETY: the dataset is open, and the list until the end of this function.
        let Some(list) = Owned::new(unsafe { H5Dget_create_plist(dataset) }, H5Pclose) else { return Ok(()) };
        let mut name = vec![0u8; MOST_NAME];
        // SAFETY: the list is open.
        let count = unsafe { H5Pget_external_count(list.0) };
        for at in 0..c_uint::try_from(count).unwrap_or(0) {
            let (mut offset, mut size) = (0, 0);
            // SAFETY: the library writes at most as many bytes as there are.
            let done = unsafe {
                H5Pget_external(list.0, at, name.len() - 1, name.as_mut_ptr().cast(), &mut offset, &mut size)
            };
            if done >= 0 {
                self.raw(&text(&name))?;
            }
        }
        // SAFETY: the list is open.
        if unsafe { H5Pget_layout(list.0) } == VIRTUAL {
            let mut count = 0;
            // SAFETY: as above.
            unsafe { H5Pget_virtual_count(list.0, &mut count) };
            let mut last = String::new();
            for at in 0..count {
                // SAFETY: as of the name above.
                let done =
                    unsafe { H5Pget_virtual_filename(list.0, at, name.as_mut_ptr().cast(), name.len()) };
                let file = text(&name);
                if done > 0 && file != "." && file != last {
                    self.link(&file);
                    last = file;
                }
            }
        }
        Ok(())
    }

    /// The places where the library looks for another HDF5 file.
    fn link(&mut self, name: &str) {
        let file = Path::new(name);
        let mut places = vec![file.to_path_buf(), self.folder.join(file)];
        // An absolute name that leads to nothing is looked for by its last part.
        places.extend(file.file_name().map(|last| self.folder.join(last)));
        for prefix in ["HDF5_EXT_PREFIX", "HDF5_VDS_PREFIX"] {
            let prefixes = std::env::var(prefix).unwrap_or_default();
            places.extend(prefixes.split(':').filter(|p| !p.is_empty()).map(|p| self.rooted(p).join(file)));
        }
        self.named.extend(places);
    }

    /// Raw bytes: of the file's own folder, whichever way the name leads there.
    fn raw(&mut self, name: &str) -> std::result::Result<(), String> {
        let prefix = std::env::var("HDF5_EXTFILE_PREFIX").unwrap_or_default();
        let file = match prefix.as_str() {
            "" | "." => PathBuf::from(name),
            prefix => self.rooted(prefix).join(name),
        };
        let home = self.folder.canonicalize().map_err(|e| e.to_string())?;
        // What is not there is not read.
        if file.canonicalize().is_ok_and(|place| !place.starts_with(&home)) {
            return Err(format!("its values lie in \"{name}\", outside of its folder, which is not read"));
        }
        self.named.push(file);
        Ok(())
    }

    fn rooted(&self, prefix: &str) -> PathBuf {
        match prefix.strip_prefix("${ORIGIN}") {
            Some(rest) => self.folder.join(rest.trim_start_matches('/')),
            None => prefix.into(),
        }
    }
}

/// The links of a group: name, kind, and how long the value of one to another file is.
fn links(group: Id) -> Vec<(CString, c_int, usize)> {
    unsafe extern "C" fn add(_: Id, name: *const c_char, info: *const LinkInfo, found: *mut c_void) -> c_int {
        // SAFETY: the library gives a zero-ended name and the link's facts for the call; the list is the one below.
        unsafe {
            let found = &mut *found.cast::<Vec<(CString, c_int, usize)>>();
            found.push((CStr::from_ptr(name).to_owned(), (*info).kind, (*info).size));
            c_int::from(found.len() > MOST_OBJECTS)
        }
    }
    let mut found: Vec<(CString, c_int, usize)> = Vec::new();
    let mut at = 0;
    // SAFETY: the group is open, and the list lives for the call.
    unsafe { H5Literate2(group, BY_NAME, ANY_ORDER, &mut at, add, (&raw mut found).cast()) };
    found
}

/// The file that a link leads to.
fn linked_file(group: Id, name: &CStr, size: usize) -> Option<String> {
    let mut value = vec![0u8; size.min(1 << 20)];
    let (mut flags, mut file, mut object) = (0, std::ptr::null(), std::ptr::null());
    // SAFETY: the group is open, the library writes at most as many bytes as there are, and the texts that it finds lie
    // in them.
    unsafe {
        if H5Lget_val(group, name.as_ptr(), value.as_mut_ptr().cast(), value.len(), DEFAULT) < 0
            || H5Lunpack_elink_val(value.as_ptr().cast(), value.len(), &mut flags, &mut file, &mut object) < 0
            || file.is_null()
        {
            return None;
        }
        Some(CStr::from_ptr(file).to_string_lossy().into_owned())
    }
}

fn text(bytes: &[u8]) -> String {
    CStr::from_bytes_until_nul(bytes).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The first attribute of an object whose values lie in a heap that cannot be read.
fn damaged_attribute(object: Id) -> Option<String> {
    unsafe extern "C" fn visit(
        place: Id,
        name: *const c_char,
        _: *const c_void,
        found: *mut c_void,
    ) -> c_int {
        // SAFETY: the library gives an open object and a zero-ended name; the place is the one below.
        unsafe {
            if is_readable(place, name) {
                return 0;
            }
            *found.cast::<Option<String>>() = Some(CStr::from_ptr(name).to_string_lossy().into_owned());
            1
        }
    }
    let mut found: Option<String> = None;
    let mut at = 0;
    // SAFETY: the object is open, and the place lives for the call.
    unsafe { H5Aiterate2(object, BY_NAME, ANY_ORDER, &mut at, visit, (&raw mut found).cast()) };
    found
}

/// False for an attribute of text, or of lists, that cannot be read.
///
/// # Safety
/// The object is open, and the name is zero-ended.
unsafe fn is_readable(place: Id, name: *const c_char) -> bool {
    // SAFETY: the caller's; what is opened is given back, and the library writes as many values as there is room for.
    unsafe {
        let Some(attribute) = Owned::new(H5Aopen(place, name, DEFAULT), H5Aclose) else { return false };
        let Some(ty) = Owned::new(H5Aget_type(attribute.0), H5Tclose) else { return false };
        let class = H5Tget_class(ty.0);
        let in_heap = match class {
            STRING => H5Tis_variable_str(ty.0) > 0,
            COMPOUND => H5Tdetect_class(ty.0, STRING) > 0 || H5Tdetect_class(ty.0, VARIABLE) > 0,
            class => class == VARIABLE || H5Tdetect_class(ty.0, VARIABLE) > 0,
        };
        if !in_heap {
            return true;
        }
        let Some(space) = Owned::new(H5Aget_space(attribute.0), H5Sclose) else { return false };
        let count = usize::try_from(H5Sget_simple_extent_npoints(space.0)).unwrap_or(0);
        let bytes = count.saturating_mul(H5Tget_size(ty.0));
        if bytes == 0 {
            return true;
        }
        if bytes > MOST_ATTRIBUTE {
            return false;
        }
        // Words, since texts and lists are pointers.
        let mut values = vec![0u64; bytes.div_ceil(8)];
        let done = H5Aread(attribute.0, ty.0, values.as_mut_ptr().cast()) >= 0;
        if done {
            H5Treclaim(ty.0, space.0, DEFAULT, values.as_mut_ptr().cast());
        }
        done
    }
}
