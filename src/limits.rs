//! The bounds that a user can set.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::error::{Error, Load, Result};

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
    /// Refuses what takes more bytes than a chunk may.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn allow(&self, bytes: usize, load: impl FnOnce() -> Load) -> Result<()> {
        if bytes <= self.chunk {
            return Ok(());
        }
        Err(Error::TooLarge { load: load(), needed: bytes as u64, limit: self.chunk as u64 })
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_the_limit_is_told_with_both_sizes() {
        let limits = Limits { chunk: 2 << 20, ..Limits::default() };
        assert_eq!(limits.allow(2 << 20, || Load::Chunk), Ok(()));
        let error = limits.allow((2 << 20) + 1, || Load::Chunk).unwrap_err();
        assert_eq!(error.to_string(), "one chunk would take 3 MiB, above geoquilt_max_chunk_mb = 2");
    }
}
