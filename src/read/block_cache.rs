//! Decoded blocks, kept for the process: each is decoded once while it stays, whoever asks.
//!
//! Shards are locked only to find or file a block, never while one is decoded. A second thread that wants
//! a block under way waits for that block alone.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::dtype::Pixels;
use crate::error::Result;
use crate::limits::block_cache_bytes;

/// Whose block it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A raster, by its number.
    Raster(u64),
    /// An array file, by its number, and the state of the chunk where chunks are files of their own.
    Array(u64, Option<u64>),
}

/// Which block of which file: `band` counts from 1 (of an array file, its variables from 0), and `mask` asks for its
/// validity instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The file that it is of.
    pub source: Owner,
    /// From 0.
    pub band: u32,
    /// Of the band's mask, not of its pixels.
    pub mask: bool,
    /// Row of blocks.
    pub row: u32,
    /// Column of blocks.
    pub col: u32,
}

/// Room for one block: its lock is held while the block is decoded.
type Slot = Arc<Mutex<Option<Arc<Pixels>>>>;

struct Entry {
    slot: Slot,
    tick: u64,
    bytes: usize,
}

#[derive(Default)]
struct Shard {
    entries: FxHashMap<Key, Entry>,
    /// Oldest use first.
    order: BTreeMap<u64, Key>,
    clock: u64,
}

/// More shards than threads, so that two seldom meet.
const SHARDS: usize = 64;

/// Decoded blocks, shared by the process.
pub struct BlockCache {
    shards: Vec<Mutex<Shard>>,
    hits: AtomicU64,
    misses: AtomicU64,
    evicted: AtomicU64,
    /// Bytes held in all shards.
    bytes: AtomicUsize,
    /// The shard that the next block is let go from.
    hand: AtomicUsize,
}

/// What the cache has done since the process began, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Blocks that were there.
    pub hits: u64,
    /// Blocks that were decoded.
    pub misses: u64,
    /// Blocks let go to keep the bound.
    pub evicted: u64,
    /// Blocks held now.
    pub blocks: u64,
    /// What they take.
    pub bytes: u64,
}

impl Default for BlockCache {
    fn default() -> BlockCache {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        let bytes = AtomicUsize::new(0);
        BlockCache {
            shards,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            bytes,
            hand: AtomicUsize::new(0),
        }
    }
}

/// A poisoned lock guards maps that are never left half-changed by anything that can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BlockCache {
    /// The block, decoded now unless it is here or under way.
    ///
    /// # Errors
    /// What `decode` returns; a block that failed is not kept.
    pub fn get(&self, key: Key, decode: impl FnOnce() -> Result<Pixels>) -> Result<Arc<Pixels>> {
        // The lower bits choose a bucket within the shard's map, so the shard is chosen by higher ones.
        let hash = FxBuildHasher.hash_one(key);
        let shard = &self.shards[(hash >> 32) as usize % SHARDS];
        let slot = touch(&mut lock(shard), key);
        let mut content = lock(&slot);
        if let Some(pixels) = content.as_ref() {
            self.hits.fetch_add(1, Relaxed);
            return Ok(pixels.clone());
        }
        self.misses.fetch_add(1, Relaxed);
        match decode() {
            Ok(pixels) => {
                let pixels = Arc::new(pixels);
                *content = Some(pixels.clone());
                drop(content);
                self.bytes.fetch_add(settle(&mut lock(shard), key, &slot, pixels.bytes()), Relaxed);
                self.shrink(key);
                Ok(pixels)
            }
            Err(error) => {
                drop(content);
                self.bytes.fetch_sub(remove(&mut lock(shard), key), Relaxed);
                Err(error)
            }
        }
    }

    /// Whether a block is here or under way, without touching it.
    pub fn holds(&self, key: Key) -> bool {
        let shard = &self.shards[(FxBuildHasher.hash_one(key) >> 32) as usize % SHARDS];
        lock(shard).entries.contains_key(&key)
    }

    /// Lets blocks go, the oldest of one shard after another, until the bound is kept. The block that was just
    /// decoded goes last of all: a raster that is one large block must not be decoded for every patch.
    fn shrink(&self, newest: Key) {
        let mut empty = 0;
        while self.bytes.load(Relaxed) > block_cache_bytes() && empty < SHARDS {
            let Some(shard) = self.shards.get(self.hand.fetch_add(1, Relaxed) % SHARDS) else { return };
            let mut shard = lock(shard);
            let decoded = |key: &Key| shard.entries.get(key).is_some_and(|entry| entry.bytes > 0);
            let oldest = shard.order.values().find(|key| **key != newest && decoded(key)).copied();
            let freed = oldest.map_or(0, |key| remove(&mut shard, key));
            self.bytes.fetch_sub(freed, Relaxed);
            self.evicted.fetch_add(u64::from(freed > 0), Relaxed);
            empty = if freed == 0 { empty + 1 } else { 0 };
        }
    }

    /// How often it was of use.
    pub fn counters(&self) -> Counters {
        Counters {
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            evicted: self.evicted.load(Relaxed),
            blocks: self.shards.iter().map(|shard| lock(shard).entries.len() as u64).sum(),
            bytes: self.bytes.load(Relaxed) as u64,
        }
    }
}

fn touch(shard: &mut Shard, key: Key) -> Slot {
    shard.clock += 1;
    let tick = shard.clock;
    let entry = shard.entries.entry(key).or_insert_with(|| Entry { slot: Slot::default(), tick, bytes: 0 });
    shard.order.remove(&entry.tick);
    entry.tick = tick;
    shard.order.insert(tick, key);
    entry.slot.clone()
}

/// Books a decoded block's bytes and gives them, or 0 when the block is no longer wanted here.
fn settle(shard: &mut Shard, key: Key, slot: &Slot, bytes: usize) -> usize {
    match shard.entries.get_mut(&key).filter(|e| Arc::ptr_eq(&e.slot, slot) && e.bytes == 0) {
        Some(entry) => {
            entry.bytes = bytes;
            bytes
        }
        None => 0,
    }
}

/// Takes a block out and gives its bytes.
fn remove(shard: &mut Shard, key: Key) -> usize {
    match shard.entries.remove(&key) {
        Some(entry) => {
            shard.order.remove(&entry.tick);
            entry.bytes
        }
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::sync::atomic::AtomicUsize;

    fn key(row: u32) -> Key {
        Key { source: Owner::Raster(1), band: 1, mask: false, row, col: 0 }
    }

    #[test]
    fn one_block_is_decoded_once_whatever_the_threads() {
        let cache = BlockCache::default();
        let decoded = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for row in 0..100 {
                        let decode = || {
                            decoded.fetch_add(1, Relaxed);
                            Ok(Pixels::UInt8(vec![row as u8; 16]))
                        };
                        assert_eq!(*cache.get(key(row), decode).unwrap(), Pixels::UInt8(vec![row as u8; 16]));
                    }
                });
            }
        });
        assert_eq!(decoded.load(Relaxed), 100);
        assert_eq!(
            cache.counters(),
            Counters { hits: 700, misses: 100, evicted: 0, blocks: 100, bytes: 1600 }
        );
    }

    #[test]
    fn a_failed_block_is_asked_for_again() {
        let cache = BlockCache::default();
        assert!(cache.get(key(0), || Err(Error::Bug("x".into()))).is_err());
        assert!(cache.get(key(0), || Ok(Pixels::UInt8(vec![1]))).is_ok());
    }

    #[test]
    fn what_is_kept_stays_within_the_bound() {
        let cache = BlockCache::default();
        let bound = block_cache_bytes() as u64;
        let size = 4 << 20;
        for row in 0..400 {
            cache.get(key(row), || Ok(Pixels::UInt8(vec![0; size]))).unwrap();
            assert!(cache.counters().bytes <= bound);
        }
    }

    #[test]
    fn a_block_larger_than_the_bound_stays_until_the_next_one_comes() {
        let cache = BlockCache::default();
        let size = block_cache_bytes() + 1;
        let decoded = AtomicUsize::new(0);
        for _ in 0..3 {
            let decode = || {
                decoded.fetch_add(1, Relaxed);
                Ok(Pixels::UInt8(vec![0; size]))
            };
            cache.get(key(0), decode).unwrap();
        }
        assert_eq!(decoded.load(Relaxed), 1);
        cache.get(key(1), || Ok(Pixels::UInt8(vec![0; 16]))).unwrap();
        assert_eq!(cache.counters().bytes, 16);
    }
}
