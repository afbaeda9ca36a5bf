//! The bounds that a user can set, and those in force of the caches, of which the process has one each.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::{Error, Load, Result};
use crate::kept::Kept;

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
    /// How many requests for remote files are under way at once.
    pub remote_concurrency: usize,
    /// What the requests under way may bring, in bytes.
    pub remote_inflight: usize,
    /// Which way URLs of the web are read.
    pub transport: Transport,
    /// Seconds for which a server that we ask ourselves may say nothing.
    pub remote_timeout: u32,
    /// Seconds for which what is known of a file of such a server is taken to hold.
    pub remote_trust: u32,
}

/// Which way URLs of the web are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// By ourselves where DuckDB's file system could and nothing limits it, else by that.
    #[default]
    Auto,
    /// By DuckDB's file system.
    DuckDb,
    /// By ourselves wherever the database limits nothing.
    Native,
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
            remote_concurrency: 64,
            remote_inflight: 64 << 20,
            transport: Transport::Auto,
            remote_timeout: 30,
            remote_trust: 0,
        }
    }
}

/// Who sets a bound: the number of a database, and that of a connection of it.
pub type Who = (u64, u64);

/// For whom a bound was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Nobody set it.
    Default,
    /// One connection.
    Connection,
    /// All connections of a database that do not set it themselves.
    Database,
}

/// What a connection finds a bound to be.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// The bound, in bytes.
    pub bytes: usize,
    /// Who set it.
    pub scope: Scope,
}

/// A bound that the process has one of, while connections set it: what was set last rules, and a connection that set nothing
/// changes nothing.
struct Bound {
    bytes: AtomicUsize,
    heard: Mutex<Heard>,
}

/// What was set, as it was heard last.
struct Heard {
    connections: Kept<Who, usize>,
    databases: Kept<u64, usize>,
    /// The database in which the bound in force was set.
    set_in: Option<u64>,
}

/// Connections that set a bound and are remembered.
const KEPT_CONNECTIONS: usize = 1024;

impl Bound {
    const fn new(usual: usize) -> Bound {
        let heard = Heard {
            connections: Kept::new(KEPT_CONNECTIONS),
            databases: Kept::new(KEPT_CONNECTIONS),
            set_in: None,
        };
        Bound { bytes: AtomicUsize::new(usual), heard: Mutex::new(heard) }
    }

    fn get(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Hears what a connection finds, as its query begins. True where the bound is lower now.
    fn hear(&self, who: Who, found: Choice) -> bool {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = match found.scope {
            Scope::Connection => {
                let before = heard.connections.get(&who).copied();
                heard.connections.insert(who, found.bytes);
                before != Some(found.bytes)
            }
            Scope::Database => {
                let was_own = heard.connections.remove(&who).is_some();
                let before = heard.databases.get(&who.0).copied();
                heard.databases.insert(who.0, found.bytes);
                was_own || before != Some(found.bytes)
            }
            Scope::Default => {
                let was_own = heard.connections.remove(&who).is_some();
                heard.databases.remove(&who.0).is_some() | was_own | heard.set_in.is_none()
            }
        };
        if !is_news {
            return false;
        }
        heard.set_in = (found.scope != Scope::Default).then_some(who.0);
        self.bytes.swap(found.bytes, Relaxed) > found.bytes
    }

    /// A database is closed: what was set in it rules no longer.
    fn forget(&self, database: u64) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.databases.remove(&database);
        heard.set_in = heard.set_in.filter(|set_in| *set_in != database);
    }
}

static REMOTE_CACHE: Bound = Bound::new(128 << 20);
static BLOCK_CACHE: Bound = Bound::new(512 << 20);
static WHEN_LOWERED: OnceLock<fn()> = OnceLock::new();

/// Has this called when a bound is lower than it was, to let go at once of what is kept above it.
pub fn when_lowered(work: fn()) {
    let _ = WHEN_LOWERED.set(work);
}

/// Tells the caches what a connection finds their bounds to be, as a query of its begins.
pub fn apply(who: Who, block_cache: Choice, remote_cache: Choice) {
    let lowered = BLOCK_CACHE.hear(who, block_cache) | REMOTE_CACHE.hear(who, remote_cache);
    if let Some(work) = WHEN_LOWERED.get().filter(|_| lowered) {
        work();
    }
}

/// Tells the caches that a database is closed.
pub fn forget(database: u64) {
    BLOCK_CACHE.forget(database);
    REMOTE_CACHE.forget(database);
}

impl Limits {
    /// The limits that nobody set, where so much memory may be used: chunks, caches and groups take a quarter of it each at most.
    pub fn within(memory: Option<usize>) -> Limits {
        let mut limits = Limits::default();
        let share = memory.map_or(usize::MAX, |memory| (memory / 4).max(1 << 20));
        let Limits { block_cache, chunk, aggregate, remote_cache, .. } = &mut limits;
        for bound in [block_cache, chunk, aggregate, remote_cache] {
            *bound = share.min(*bound);
        }
        limits
    }

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
}

/// The bound of decoded blocks in force.
pub fn block_cache_bytes() -> usize {
    BLOCK_CACHE.get()
}

/// The bound of remote files' bytes in force.
pub fn remote_cache_bytes() -> usize {
    REMOTE_CACHE.get()
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

    #[test]
    fn caches_and_chunks_take_a_quarter_of_what_memory_there_is_at_most() {
        let small = Limits::within(Some(100 << 20));
        assert_eq!([small.block_cache, small.chunk, small.aggregate, small.remote_cache], [25 << 20; 4]);
        assert_eq!(Limits::within(Some(0)).chunk, 1 << 20);
        assert_eq!(Limits::within(Some(64 << 30)), Limits::default());
        assert_eq!(Limits::within(None), Limits::default());
    }

    #[test]
    fn a_bound_is_what_was_set_last_and_who_set_nothing_changes_nothing() {
        let bound = Bound::new(512);
        let usual = |bytes| Choice { bytes, scope: Scope::Default };
        let own = |bytes| Choice { bytes, scope: Scope::Connection };
        let all = |bytes| Choice { bytes, scope: Scope::Database };
        let (a, b, other) = ((0, 1), (0, 2), (1, 1));
        assert!(bound.hear(a, own(16)));
        for who in [b, other] {
            assert!(!bound.hear(who, usual(512)));
            assert_eq!(bound.get(), 16);
        }
        assert!(!bound.hear(b, own(64)));
        assert!(!bound.hear(a, own(16)));
        assert_eq!(bound.get(), 64);
        // RESET, and a value for all connections of one database.
        assert!(!bound.hear(b, usual(512)));
        assert_eq!(bound.get(), 512);
        assert!(bound.hear(other, all(8)));
        assert!(!bound.hear(other, all(8)));
        assert!(!bound.hear(b, usual(512)));
        assert_eq!(bound.get(), 8);
        assert!(!bound.hear(other, usual(512)));
        assert_eq!(bound.get(), 512);
        // What was set in a database goes with it, and what nobody set follows the memory that there is.
        assert!(bound.hear(a, own(100)));
        bound.forget(1);
        assert!(!bound.hear(b, usual(512)));
        assert_eq!(bound.get(), 100);
        bound.forget(0);
        assert!(!bound.hear(other, usual(512)));
        assert_eq!(bound.get(), 512);
        assert!(bound.hear(b, usual(25)));
        assert_eq!(bound.get(), 25);
    }
}
