//! Reads: windows of rasters and hyperslabs of array files into arrays.
//!
//! `source` reads each raster's header once, `handles` bounds the open files, `block_cache` decodes each block once,
//! `patch` copies a window out of blocks, `plan` many windows. `warp` brings a band onto a slice's grid, `globe`
//! keeps it whole around the globe, `mosaic` merges files there, `series` lines them up in time. `axis` finds the places that a selection names, `array`
//! reads them, and `values` makes numbers of what is stored.

pub mod array;
pub mod array_plan;
pub mod array_slice;
pub mod axis;
pub mod block_cache;
pub mod globe;
pub mod handles;
pub mod mosaic;
pub mod open_files;
pub mod patch;
pub mod plan;
pub mod resample;
pub mod series;
pub mod source;
pub mod values;
pub mod warp;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The bounds that a user can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Decoded blocks kept for the whole process, in bytes.
    pub block_cache: usize,
    /// Threads that one call works on.
    pub threads: usize,
    /// What one chunk of a scalar's pixels may take, in bytes.
    pub chunk: usize,
    /// Bytes of remote files kept for the whole process.
    pub remote_cache: usize,
    /// How often a remote read that failed is tried again.
    pub remote_retries: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Limits {
            block_cache: 512 << 20,
            threads,
            chunk: 512 << 20,
            remote_cache: 128 << 20,
            remote_retries: 3,
        }
    }
}

/// Blocks of a job that its worker holds for the reader, in bytes; what is more must come from the cache.
pub const HELD_BYTES: usize = 32 << 20;

static BLOCK_CACHE_BYTES: AtomicUsize = AtomicUsize::new(512 << 20);

impl Limits {
    /// The caches are one for the process: the last query that set their size rules.
    pub fn apply(&self) {
        crate::files::ranges::set_bound(self.remote_cache);
        BLOCK_CACHE_BYTES.store(self.block_cache, Relaxed);
    }
}

pub(crate) fn block_cache_bytes() -> usize {
    BLOCK_CACHE_BYTES.load(Relaxed)
}
