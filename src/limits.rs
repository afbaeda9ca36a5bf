//! The bounds that a user can set.

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
    /// What the groups of an aggregate may take, in bytes.
    pub aggregate: usize,
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
            aggregate: 1024 << 20,
            remote_cache: 128 << 20,
            remote_retries: 3,
        }
    }
}

static REMOTE_CACHE_BYTES: AtomicUsize = AtomicUsize::new(128 << 20);
static BLOCK_CACHE_BYTES: AtomicUsize = AtomicUsize::new(512 << 20);

impl Limits {
    /// The caches are one for the process: the last query that set their size rules.
    pub fn apply(&self) {
        REMOTE_CACHE_BYTES.store(self.remote_cache, Relaxed);
        BLOCK_CACHE_BYTES.store(self.block_cache, Relaxed);
    }
}

/// The bound of decoded blocks in force.
pub fn block_cache_bytes() -> usize {
    BLOCK_CACHE_BYTES.load(Relaxed)
}

/// The bound of remote files' bytes in force.
pub fn remote_cache_bytes() -> usize {
    REMOTE_CACHE_BYTES.load(Relaxed)
}
