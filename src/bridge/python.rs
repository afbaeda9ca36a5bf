//! Python's lock, where the process is Python's. A file system that is written in Python reads under it, so that whoever waits
//! for readers must not hold it: `con.close()` does, and waited for ever.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::OnceLock;

unsafe extern "C" {
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// Every library of the process, as `dlfcn.h` has it.
#[cfg(target_os = "macos")]
const EVERYWHERE: *mut c_void = std::ptr::without_provenance_mut(usize::MAX - 1);
#[cfg(not(target_os = "macos"))]
const EVERYWHERE: *mut c_void = std::ptr::null_mut();

/// Python's own functions, stable since Python 3.4.
struct Python {
    holds: unsafe extern "C" fn() -> c_int,
    let_go: unsafe extern "C" fn() -> *mut c_void,
    take: unsafe extern "C" fn(*mut c_void),
}

fn python() -> Option<&'static Python> {
    static PYTHON: OnceLock<Option<Python>> = OnceLock::new();
    let find = |name: &CStr| {
        // SAFETY: the name is a live C text.
        let found = unsafe { dlsym(EVERYWHERE, name.as_ptr()) };
        (!found.is_null()).then_some(found)
    };
    let all = || {
        let found = (find(c"PyGILState_Check")?, find(c"PyEval_SaveThread")?, find(c"PyEval_RestoreThread")?);
        // SAFETY: functions of these names have these types in every Python.
        unsafe {
            Some(Python {
                holds: std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_int>(found.0),
                let_go: std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *mut c_void>(found.1),
                take: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(found.2),
            })
        }
    };
    PYTHON.get_or_init(all).as_ref()
}

/// Runs work that waits for threads that read, without Python's lock if this thread has it.
pub(super) fn without_lock<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: any thread may ask whether it has the lock.
    let Some(python) = python().filter(|python| unsafe { (python.holds)() } == 1) else { return work() };
    // SAFETY: this thread has the lock, and takes it again whatever the work does.
    let state = unsafe { (python.let_go)() };
    let done = catch_unwind(AssertUnwindSafe(work));
    // SAFETY: the state is what was given when the lock went, to this thread.
    unsafe { (python.take)(state) };
    done.unwrap_or_else(|panic| resume_unwind(panic))
}
