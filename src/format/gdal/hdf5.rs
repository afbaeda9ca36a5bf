//! Calls of HDF5 that the linker sends here (build.rs), where the library, or who calls it, does not look whether a file is
//! sound: attributes whose values cannot be read, lists of dimensions that are none, groups that hold themselves, and values that
//! stand in each other.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_ulong, c_void};

use crate::format::gdal::system;

type Id = i64;

unsafe extern "C" {
    fn __real_H5Aread(attribute: Id, kind: Id, out: *mut c_void) -> c_int;
    fn __real_H5FL_blk_realloc(list: *mut c_void, block: *mut c_void, size: usize) -> *mut c_void;
    fn __real_H5DSget_num_scales(dataset: Id, dim: c_uint) -> c_int;
    fn __real_H5DSiterate_scales(
        dataset: Id,
        dim: c_uint,
        at: *mut c_int,
        visit: *const c_void,
        data: *mut c_void,
    ) -> c_int;
    fn __real_H5Gopen1(location: Id, name: *const c_char) -> Id;
    fn __real_H5Gopen2(location: Id, name: *const c_char, access: Id) -> Id;
    fn __real_H5D__read(count: usize, parts: *mut c_void) -> c_int;
    fn H5Aclose(attribute: Id) -> c_int;
    fn H5Aexists(object: Id, name: *const c_char) -> c_int;
    fn H5Aget_name(attribute: Id, size: usize, name: *mut c_char) -> isize;
    fn H5Aget_space(attribute: Id) -> Id;
    fn H5Aget_type(attribute: Id) -> Id;
    fn H5Aopen(object: Id, name: *const c_char, access: Id) -> Id;
    fn H5Dget_space(dataset: Id) -> Id;
    fn H5Gclose(group: Id) -> c_int;
    fn H5Gget_objinfo(location: Id, name: *const c_char, follow: bool, out: *mut Object) -> c_int;
    fn H5Iget_name(object: Id, name: *mut c_char, size: usize) -> isize;
    fn H5Iget_type(object: Id) -> c_int;
    fn H5Sclose(space: Id) -> c_int;
    fn H5Sget_simple_extent_ndims(space: Id) -> c_int;
    fn H5Sget_simple_extent_npoints(space: Id) -> i64;
    fn H5Tclose(kind: Id) -> c_int;
    fn H5Tencode(kind: Id, out: *mut c_void, size: *mut usize) -> c_int;
    fn H5Tequal(kind: Id, other: Id) -> c_int;
    fn H5Tdetect_class(kind: Id, class: c_int) -> c_int;
    fn H5Tget_class(kind: Id) -> c_int;
    fn H5Tget_size(kind: Id) -> usize;
    fn H5Tget_strpad(kind: Id) -> c_int;
    fn H5Tget_super(kind: Id) -> Id;
    fn H5Tis_variable_str(kind: Id) -> c_int;
    static H5T_STD_REF_OBJ_g: Id;
    static H5T_STD_REF_DSETREG_g: Id;
    static H5T_STD_REF_g: Id;
}

/// Numbers of the library's own headers.
const DATASET: c_int = 5;
const STRING: c_int = 3;
const COMPOUND: c_int = 6;
const REFERENCE: c_int = 7;
const VARIABLE: c_int = 9;
const ENDS_WITH_ZERO: c_int = 0;

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

/// Values of one attribute above this many bytes are no text or list: a damaged one may say so.
const MOST_BYTES: usize = 64 << 20;

thread_local! {
    /// This thread reads an attribute.
    static IN_ATTRIBUTE: Cell<bool> = const { Cell::new(false) };
}

/// # Safety
/// As of `H5Aread`.
unsafe fn read(attribute: Id, kind: Id, out: *mut c_void) -> c_int {
    let outer = IN_ATTRIBUTE.replace(true);
    // SAFETY: the caller's.
    let done = unsafe { __real_H5Aread(attribute, kind, out) };
    IN_ATTRIBUTE.set(outer);
    done
}

// The library clears room for a list of the length that the file says, before it looks whether its heap has so many.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_H5FL_blk_realloc(
    list: *mut c_void,
    block: *mut c_void,
    size: usize,
) -> *mut c_void {
    if size > MOST_BYTES && IN_ATTRIBUTE.get() {
        return std::ptr::null_mut();
    }
    // SAFETY: the library's own call.
    unsafe { __real_H5FL_blk_realloc(list, block, size) }
}

// GDAL and netCDF read texts and lists of attributes into memory that they do not clear, and use what stands there, whether
// it could be read or not: texts that lie in a damaged heap ended the process.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_H5Aread(attribute: Id, kind: Id, out: *mut c_void) -> c_int {
    // SAFETY: a library reads an attribute that it has open, into room for all its values of a type that it has open. The
    // library writes a name of as many letters as there are.
    unsafe {
        // Of such a type the library takes memory for a file.
        let done = if is_damaged_list(kind) { -1 } else { read(attribute, kind, out) };
        if done >= 0 || out.is_null() || !lies_in_heap(kind) {
            return done;
        }
        let space = Owned::new(H5Aget_space(attribute), H5Sclose);
        let count = space.map_or(0, |space| H5Sget_simple_extent_npoints(space.0));
        let count = usize::try_from(count).unwrap_or(0);
        out.cast::<u8>().write_bytes(0, count.saturating_mul(H5Tget_size(kind)));
        let mut name = [0; 256];
        H5Aget_name(attribute, name.len(), name.as_mut_ptr());
        system::damaged(&CStr::from_ptr(name.as_ptr()).to_string_lossy());
        done
    }
}

/// Whether a type is that of lists, and is damaged: neither lists nor texts, or lists of references of none of the library's
/// kinds.
///
/// # Safety
/// The type is open.
unsafe fn is_damaged_list(kind: Id) -> bool {
    // SAFETY: the caller's; the library was opened before any type was, which sets the kinds. It writes as many bytes as it
    // is told that there are.
    unsafe {
        if H5Tget_class(kind) != VARIABLE {
            return false;
        }
        // Two bytes stand before the message of the type, whose second byte tells lists from texts.
        let mut bytes = [0u8; 4096];
        let mut size = bytes.len();
        let written = H5Tencode(kind, bytes.as_mut_ptr().cast(), &mut size) >= 0;
        if !written || bytes.get(3).is_none_or(|kind| kind & 0xf > 1) {
            return true;
        }
        let Some(of) = Owned::new(H5Tget_super(kind), H5Tclose) else { return true };
        let kinds = [H5T_STD_REF_OBJ_g, H5T_STD_REF_DSETREG_g, H5T_STD_REF_g];
        H5Tget_class(of.0) == REFERENCE && !kinds.iter().any(|known| H5Tequal(of.0, *known) > 0)
    }
}

/// Whether values of a type are pointers to what lies in a heap.
///
/// # Safety
/// The type is open.
unsafe fn lies_in_heap(kind: Id) -> bool {
    // SAFETY: the caller's.
    unsafe {
        match H5Tget_class(kind) {
            STRING => H5Tis_variable_str(kind) > 0,
            COMPOUND => H5Tdetect_class(kind, STRING) > 0 || H5Tdetect_class(kind, VARIABLE) > 0,
            class => class == VARIABLE || H5Tdetect_class(kind, VARIABLE) > 0,
        }
    }
}

// The library's own gives memory back twice where an attribute CLASS is some other word of its length.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_H5DSis_scale(dataset: Id) -> c_int {
    const WORD: &[u8; 16] = b"DIMENSION_SCALE\0";
    // SAFETY: what is opened is given back, and there is room for the text's 16 bytes.
    unsafe {
        if H5Iget_type(dataset) != DATASET {
            return -1;
        }
        match H5Aexists(dataset, c"CLASS".as_ptr()) {
            0 => return 0,
            1.. => {}
            _ => return -1,
        }
        let Some(class) = Owned::new(H5Aopen(dataset, c"CLASS".as_ptr(), 0), H5Aclose) else { return -1 };
        let Some(kind) = Owned::new(H5Aget_type(class.0), H5Tclose) else { return -1 };
        let Some(space) = Owned::new(H5Aget_space(class.0), H5Sclose) else { return -1 };
        let is_word = H5Tget_class(kind.0) == STRING
            && H5Tis_variable_str(kind.0) == 0
            && H5Tget_strpad(kind.0) == ENDS_WITH_ZERO
            && H5Tget_size(kind.0) == WORD.len()
            && H5Sget_simple_extent_npoints(space.0) == 1;
        if !is_word {
            return 0;
        }
        let mut word = [0u8; WORD.len()];
        match __real_H5Aread(class.0, kind.0, word.as_mut_ptr().cast()) {
            0.. => c_int::from(&word == WORD),
            _ => -1,
        }
    }
}

/// Whether a dataset's list of dimensions is one: the library reads it into room for as many lists as the dataset has
/// dimensions, whatever there are.
///
/// # Safety
/// The dataset is open.
unsafe fn has_sound_dimensions(dataset: Id) -> bool {
    let name = c"DIMENSION_LIST";
    // SAFETY: the caller's; what is opened is given back.
    unsafe {
        if H5Iget_type(dataset) != DATASET || H5Aexists(dataset, name.as_ptr()) <= 0 {
            return true;
        }
        let sound = || {
            let own = Owned::new(H5Dget_space(dataset), H5Sclose)?;
            let list = Owned::new(H5Aopen(dataset, name.as_ptr(), 0), H5Aclose)?;
            let kind = Owned::new(H5Aget_type(list.0), H5Tclose)?;
            let space = Owned::new(H5Aget_space(list.0), H5Sclose)?;
            let rank = i64::from(H5Sget_simple_extent_ndims(own.0));
            if H5Tget_class(kind.0) != VARIABLE
                || is_damaged_list(kind.0)
                || H5Sget_simple_extent_npoints(space.0) != rank
            {
                return None;
            }
            let of = Owned::new(H5Tget_super(kind.0), H5Tclose)?;
            (H5Tget_class(of.0) == REFERENCE).then_some(())
        };
        let is_sound = sound().is_some();
        if !is_sound {
            system::damaged("DIMENSION_LIST");
        }
        is_sound
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_H5DSget_num_scales(dataset: Id, dim: c_uint) -> c_int {
    // SAFETY: the caller has the dataset open.
    unsafe { if has_sound_dimensions(dataset) { __real_H5DSget_num_scales(dataset, dim) } else { -1 } }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_H5DSiterate_scales(
    dataset: Id,
    dim: c_uint,
    at: *mut c_int,
    visit: *const c_void,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the caller has the dataset open, and gives what the library asks for.
    unsafe {
        match has_sound_dimensions(dataset) {
            true => __real_H5DSiterate_scales(dataset, dim, at, visit, data),
            false => -1,
        }
    }
}

/// What the library tells of an object: its file and its number there, and what nobody asks for here.
#[repr(C)]
#[derive(Clone, Copy)]
struct Object {
    file: [c_ulong; 2],
    number: [c_ulong; 2],
    rest: [u64; 16],
}

/// The object of a path, as seen from another; `None` where there is none.
///
/// # Safety
/// The object is open.
unsafe fn object(from: Id, path: &CStr) -> Option<([c_ulong; 2], [c_ulong; 2])> {
    let mut out = Object { file: [0; 2], number: [0; 2], rest: [0; 16] };
    // SAFETY: the caller's; the library writes less than there is room for.
    let done = unsafe { H5Gget_objinfo(from, path.as_ptr(), true, &mut out) };
    (done >= 0).then_some((out.file, out.number))
}

/// A path in a file of more letters is none that a writer has.
const MOST_LETTERS: usize = 4096;

/// Whether a group holds itself, by whatever way: it is one of those that its own path leads through.
///
/// # Safety
/// The group is open.
unsafe fn holds_itself(group: Id) -> Option<String> {
    let mut name = vec![0 as c_char; MOST_LETTERS];
    // SAFETY: the caller's; the library writes as many letters as there is room for, the zero counted.
    let (letters, path) = unsafe {
        let letters = H5Iget_name(group, name.as_mut_ptr(), name.len());
        (letters, CStr::from_ptr(name.as_ptr()).to_bytes().to_vec())
    };
    let shown = || String::from_utf8_lossy(&path).into_owned();
    if usize::try_from(letters).is_ok_and(|letters| letters >= MOST_LETTERS) {
        return Some(shown());
    }
    // SAFETY: the caller's.
    let own = unsafe { object(group, c".") }?;
    let ends =
        path.iter().enumerate().filter(|(at, letter)| **letter == b'/' && path.len() > 1 && *at < path.len());
    let is_own = |end: usize| {
        let above = CString::new(path.get(..end.max(1)).unwrap_or_default()).ok()?;
        // SAFETY: the caller's.
        unsafe { object(group, &above) }.filter(|above| *above == own)
    };
    ends.map(|(at, _)| at).find_map(is_own).map(|_| shown())
}

// netCDF walks down the groups for as long as there are any.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_H5Gopen2(location: Id, name: *const c_char, access: Id) -> Id {
    // SAFETY: the caller's; a group that is refused is given back.
    unsafe {
        let group = __real_H5Gopen2(location, name, access);
        if group < 0 || !system::is_reading() {
            return group;
        }
        let reason = match holds_itself(group) {
            Some(path) => format!("its group \"{path}\" holds itself"),
            None if system::opens_too_many_groups() => "its groups are reached by too many ways".into(),
            None => return group,
        };
        H5Gclose(group);
        system::refuse(reason);
        -1
    }
}

// GDAL sees groups that it was in, but not those that it reaches by many ways.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_H5Gopen1(location: Id, name: *const c_char) -> Id {
    if system::is_reading() && system::opens_too_many_groups() {
        system::refuse("its groups are reached by too many ways".into());
        return -1;
    }
    // SAFETY: the caller's.
    unsafe { __real_H5Gopen1(location, name) }
}

thread_local! {
    /// How many reads this thread is in, one within the other: values of a virtual dataset are those of others.
    static READS: Cell<u32> = const { Cell::new(0) };
}

/// Virtual datasets of virtual datasets, and so on, are read down to here.
const MOST_READS: u32 = 16;

// A virtual dataset may name itself.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_H5D__read(count: usize, parts: *mut c_void) -> c_int {
    let outer = READS.get();
    if outer >= MOST_READS {
        system::refuse(format!("its virtual datasets are more than {MOST_READS} deep, or name themselves"));
        return -1;
    }
    READS.set(outer + 1);
    // SAFETY: the library's own call.
    let read = || unsafe { __real_H5D__read(count, parts) };
    let done = if outer == 0 { system::needing(read, |done| *done < 0) } else { read() };
    READS.set(outer);
    done
}
