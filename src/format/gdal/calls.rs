//! Calls of the libraries inside that the linker sends here (build.rs): what opens, reads, writes, makes and takes away files, and what
//! prints. `super::system` says what they may do.
//!
//! Numbers are Linux's. Nothing here calls what it stands for by its own name, since the linker would send that here too.

#![allow(unsafe_code)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::format::gdal::system;
use crate::workers::is_interrupted;

unsafe extern "C" {
    fn openat(folder: c_int, name: *const c_char, flags: c_int, ...) -> c_int;
    fn close(file: c_int) -> c_int;
    fn fdopen(file: c_int, mode: *const c_char) -> *mut c_void;
    fn mkdirat(folder: c_int, name: *const c_char, mode: c_uint) -> c_int;
    fn unlinkat(folder: c_int, name: *const c_char, flags: c_int) -> c_int;
    fn renameat(folder: c_int, from: *const c_char, to_folder: c_int, to: *const c_char) -> c_int;
    fn __errno_location() -> *mut c_int;
    fn fseeko(stream: *mut c_void, offset: i64, from: c_int) -> c_int;
    fn __real_read(file: c_int, out: *mut c_void, count: usize) -> isize;
    fn __real_pread(file: c_int, out: *mut c_void, count: usize, at: i64) -> isize;
    fn __real_pread64(file: c_int, out: *mut c_void, count: usize, at: i64) -> isize;
    fn __real_fread(out: *mut c_void, size: usize, count: usize, stream: *mut c_void) -> usize;
    fn ferror(stream: *mut c_void) -> c_int;
    fn __real_fwrite(data: *const c_void, size: usize, count: usize, stream: *mut c_void) -> usize;
    fn __real_fclose(stream: *mut c_void) -> c_int;
}

const HERE: c_int = -100;
const WRITE: c_int = 0o1;
const READ_WRITE: c_int = 0o2;
const CREATE: c_int = 0o100;
const NEW: c_int = 0o200;
const EMPTY: c_int = 0o1000;
const APPEND: c_int = 0o2000;
const NO_WAIT: c_int = 0o4000;
const CLOSE_ON_EXEC: c_int = 0o2_000_000;
const FOLDER: c_int = 0x200;
/// SEEK_END.
const END: c_int = 2;
/// EIO, EACCES, EINVAL, EROFS.
const FAILED: c_int = 5;
const FORBIDDEN: c_int = 13;
const INVALID: c_int = 22;
const READ_ONLY: c_int = 30;

fn fail(number: c_int) -> c_int {
    // SAFETY: the C library gives each thread its own.
    unsafe { *__errno_location() = number };
    -1
}

/// # Safety
/// The name is zero-ended and lives for the call.
unsafe fn path<'a>(name: *const c_char) -> &'a Path {
    // SAFETY: the caller's.
    Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()))
}

/// # Safety
/// The name is null, or zero-ended and lives for the call.
unsafe fn open(name: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    if name.is_null() || !system::is_reading() {
        // SAFETY: the caller's.
        return unsafe { openat(HERE, name, flags, mode) };
    }
    if flags & (WRITE | READ_WRITE | CREATE | EMPTY) != 0 {
        return fail(READ_ONLY);
    }
    // A pipe is not waited for.
    // SAFETY: the caller's.
    let opened = unsafe { openat(HERE, name, flags | NO_WAIT, 0) };
    // SAFETY: the caller's.
    let path = unsafe { path(name) };
    if opened < 0 {
        let error = io::Error::last_os_error();
        let number = error.raw_os_error().unwrap_or(FORBIDDEN);
        system::failed(path, error);
        return fail(number);
    }
    // SAFETY: the file is open, and is not closed by this value.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(opened) });
    if system::refused(path, &file) {
        // SAFETY: it was opened here, and nobody else knows of it.
        unsafe { close(opened) };
        return fail(FORBIDDEN);
    }
    opened
}

/// # Safety
/// Both are zero-ended and live for the call.
unsafe fn open_stream(name: *const c_char, mode: *const c_char) -> *mut c_void {
    // SAFETY: the caller's.
    let letters = unsafe { CStr::from_ptr(mode) }.to_bytes();
    let has = |letter: u8| letters.contains(&letter);
    let (both, alone) = if has(b'+') { (READ_WRITE, READ_WRITE) } else { (0, WRITE) };
    let flags = match letters.first() {
        Some(b'r') => both,
        Some(b'w') => alone | CREATE | EMPTY,
        Some(b'a') => alone | CREATE | APPEND,
        _ => {
            fail(INVALID);
            return std::ptr::null_mut();
        }
    };
    let flags = flags | if has(b'x') { NEW } else { 0 } | if has(b'e') { CLOSE_ON_EXEC } else { 0 };
    // SAFETY: the caller's; a stream that was not made leaves its file to be closed.
    unsafe {
        let opened = open(name, flags, 0o666);
        if opened < 0 {
            return std::ptr::null_mut();
        }
        let stream = fdopen(opened, mode);
        if stream.is_null() {
            close(opened);
        }
        stream
    }
}

/// Whether a library is to read no further: it may go through a whole file in one call. What it makes of that is no answer
/// (`super::vsi::watched`).
fn is_to_end() -> bool {
    system::contain(false, || system::is_reading() && is_interrupted())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_read(file: c_int, out: *mut c_void, count: usize) -> isize {
    // SAFETY: the library's own call, here and below.
    if is_to_end() { fail(FAILED) as isize } else { unsafe { __real_read(file, out, count) } }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_pread(file: c_int, out: *mut c_void, count: usize, at: i64) -> isize {
    // SAFETY: as in `__wrap_read`.
    if is_to_end() { fail(FAILED) as isize } else { unsafe { __real_pread(file, out, count, at) } }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_pread64(file: c_int, out: *mut c_void, count: usize, at: i64) -> isize {
    // SAFETY: as in `__wrap_read`.
    if is_to_end() { fail(FAILED) as isize } else { unsafe { __real_pread64(file, out, count, at) } }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_fread(out: *mut c_void, size: usize, count: usize, stream: *mut c_void) -> usize {
    // SAFETY: as in `__wrap_read`; whoever reads until the file's end finds it here.
    unsafe {
        if is_to_end() {
            fseeko(stream, 0, END);
        }
        __real_fread(out, size, count, stream)
    }
}

/// Notes why the last call wrote nothing, or not all.
fn note_unwritten() {
    let error = io::Error::last_os_error();
    let number = error.raw_os_error().unwrap_or(FAILED);
    system::note_unwritten(error);
    // Whoever called looks at it, too.
    fail(number);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_fwrite(
    data: *const c_void,
    size: usize,
    count: usize,
    stream: *mut c_void,
) -> usize {
    // SAFETY: the library's own call.
    let written = unsafe { __real_fwrite(data, size, count, stream) };
    if written < count && size > 0 {
        note_unwritten();
    }
    written
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_fclose(stream: *mut c_void) -> c_int {
    // SAFETY: the library's own call, of a stream that is open until then.
    let (had_failed, closed) = unsafe { (!stream.is_null() && ferror(stream) != 0, __real_fclose(stream)) };
    if closed != 0 {
        note_unwritten();
    } else if had_failed {
        system::note_unwritten(io::Error::from_raw_os_error(FAILED));
    }
    closed
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_open(name: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: libraries give zero-ended names that live for the call, here and below.
    unsafe { open(name, flags, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_open64(name: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: as in `__wrap_open`.
    unsafe { open(name, flags, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_fopen(name: *const c_char, mode: *const c_char) -> *mut c_void {
    // SAFETY: as in `__wrap_open`.
    unsafe { open_stream(name, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_fopen64(name: *const c_char, mode: *const c_char) -> *mut c_void {
    // SAFETY: as in `__wrap_open`.
    unsafe { open_stream(name, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_mkdir(name: *const c_char, mode: c_uint) -> c_int {
    // SAFETY: as in `__wrap_open`.
    if system::is_reading() { fail(READ_ONLY) } else { unsafe { mkdirat(HERE, name, mode) } }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_rmdir(name: *const c_char) -> c_int {
    // SAFETY: as in `__wrap_open`.
    if system::is_reading() { fail(READ_ONLY) } else { unsafe { unlinkat(HERE, name, FOLDER) } }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_unlink(name: *const c_char) -> c_int {
    // SAFETY: as in `__wrap_open`.
    if system::is_reading() { fail(READ_ONLY) } else { unsafe { unlinkat(HERE, name, 0) } }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: as in `__wrap_open`.
    if system::is_reading() { fail(READ_ONLY) } else { unsafe { renameat(HERE, from, HERE, to) } }
}

// The GRIB decoder inside GDAL prints what it does not know, to the standard output of the program, which may be piping
// rows there: a library tells by its errors. The arguments that follow the first lie where nothing looks for them.

#[unsafe(no_mangle)]
extern "C" fn __wrap_printf(_format: *const c_char) -> c_int {
    0
}

#[unsafe(no_mangle)]
extern "C" fn __wrap___printf_chk(_flag: c_int, _format: *const c_char) -> c_int {
    0
}

#[unsafe(no_mangle)]
extern "C" fn __wrap_puts(_text: *const c_char) -> c_int {
    0
}

#[unsafe(no_mangle)]
extern "C" fn __wrap_putchar(letter: c_int) -> c_int {
    letter
}
