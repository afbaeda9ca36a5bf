//! Whether a query was interrupted. DuckDB's C interface sets the flag (`duckdb_interrupt`) and does not tell it, and DuckDB
//! itself looks at it between chunks only: a row may take minutes.
//!
//! So it is learned at LOAD where the flag lies, on a connection of our own: in the object that a client context leads to, the
//! one byte that `duckdb_interrupt` sets and the next query clears. While that is learned, memory is read through a file of
//! the system, which refuses what is no memory. Where there is no such file, or not exactly one such byte, queries are
//! interrupted between chunks.

#![allow(unsafe_code)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use duckdb::ffi;

use crate::bridge::connection::Connection;
use crate::files::OwnMemory;

/// Where the flag lies in the object; `None` where that is not known.
static OFFSET: OnceLock<Option<usize>> = OnceLock::new();

/// How many bytes of the object are looked at: fewer than it has.
const LOOKED_AT: usize = 128;

/// Learns where the flag lies, once for the process.
pub(super) fn learn(connection: &Connection) {
    OFFSET.get_or_init(|| find(connection));
}

fn find(connection: &Connection) -> Option<usize> {
    let memory = OwnMemory::open()?;
    let mut context = std::ptr::null_mut();
    // SAFETY: the connection is live; the context is destroyed here.
    unsafe { ffi::duckdb_connection_get_client_context(connection.raw(), &mut context) };
    let object = || {
        let (mut address, mut bytes) = ([0; 8], [0; LOOKED_AT]);
        memory.read(context as u64, &mut address)?;
        memory.read(u64::from_ne_bytes(address), &mut bytes)?;
        Some(bytes)
    };
    let before = object();
    // SAFETY: the connection is live, and runs nothing.
    unsafe { ffi::duckdb_interrupt(connection.raw()) };
    let set = object();
    let cleared = connection.run("SELECT 1").ok().and_then(|()| object());
    // SAFETY: it is owned here.
    unsafe { ffi::duckdb_destroy_client_context(&mut context) };
    let (before, set, cleared) = (before?, set?, cleared?);
    let bytes = before.iter().zip(&set).zip(&cleared).enumerate();
    let mut found = bytes.filter(|(_, bytes)| matches!(bytes, ((0, 1), 0))).map(|(offset, _)| offset);
    found.next().filter(|_| found.next().is_none())
}

/// Whether the query that runs on a context's connection was interrupted, as far as that can be told.
///
/// # Safety
/// `context` is live, and so is its connection.
pub(super) unsafe fn is_interrupted(context: ffi::duckdb_client_context) -> bool {
    let Some(Some(offset)) = OFFSET.get() else { return false };
    // SAFETY: a context of the same library was led through in the same way at LOAD; the flag is an atomic byte.
    unsafe {
        let object = context.cast::<*mut u8>().read();
        AtomicU8::from_ptr(object.add(*offset)).load(Relaxed) == 1
    }
}
