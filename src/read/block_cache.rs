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
use crate::error::{Error, Result};
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
    /// Row of blocks.
    pub row: u32,
    /// Column of blocks.
    pub col: u32,
    /// Of the band's mask, not of its pixels.
    pub mask: bool,
    /// Last, so that the bands of one position follow each other in order.
    pub band: u32,
}

impl Key {
    /// Whether another key is of the same position, and so of one block where bands lie together.
    pub fn is_beside(&self, other: &Key) -> bool {
        Key { band: other.band, ..*self } == *other
    }
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
        let missing = || Error::Bug("a block that was not decoded".into());
        self.get_all(&[key], |_| Ok(vec![decode()?]))?.pop().ok_or_else(missing)
    }

    /// Blocks in the order of their keys, which ascend. Those that are neither here nor under way are decoded now, in
    /// one call of `decode`, which gives them in its keys' order.
    ///
    /// # Errors
    /// What `decode` returns; blocks that failed are not kept.
    pub fn get_all(
        &self,
        keys: &[Key],
        decode: impl FnOnce(&[Key]) -> Result<Vec<Pixels>>,
    ) -> Result<Vec<Arc<Pixels>>> {
        let slots: Vec<Slot> = keys.iter().map(|key| touch(&mut lock(self.shard(*key)), *key)).collect();
        // All threads lock in the order of keys, so that no two wait for each other.
        let mut contents: Vec<_> = slots.iter().map(|slot| lock(slot)).collect();
        let absent: Vec<usize> = (0..keys.len()).filter(|i| contents[*i].is_none()).collect();
        self.hits.fetch_add((keys.len() - absent.len()) as u64, Relaxed);
        self.misses.fetch_add(absent.len() as u64, Relaxed);
        let wanted: Vec<Key> = absent.iter().map(|i| keys[*i]).collect();
        if !wanted.is_empty() {
            let decoded = decode(&wanted).and_then(|decoded| match decoded.len() == wanted.len() {
                true => Ok(decoded),
                false => Err(Error::Bug(format!("{} blocks of {}", decoded.len(), wanted.len()))),
            });
            match decoded {
                Ok(decoded) => {
                    absent.iter().zip(decoded).for_each(|(i, pixels)| *contents[*i] = Some(Arc::new(pixels)))
                }
                Err(error) => {
                    drop(contents);
                    for key in wanted {
                        self.bytes.fetch_sub(remove(&mut lock(self.shard(key)), key), Relaxed);
                    }
                    return Err(error);
                }
            }
        }
        let blocks: Vec<Arc<Pixels>> =
            contents.iter().filter_map(|content| content.as_ref().cloned()).collect();
        drop(contents);
        for i in absent {
            let bytes = settle(&mut lock(self.shard(keys[i])), keys[i], &slots[i], blocks[i].bytes());
            self.bytes.fetch_add(bytes, Relaxed);
        }
        if !wanted.is_empty() {
            self.shrink(&wanted);
        }
        Ok(blocks)
    }

    /// The lower bits of a key's hash choose a bucket within the shard's map, so the shard is chosen by higher ones.
    fn shard(&self, key: Key) -> &Mutex<Shard> {
        &self.shards[(FxBuildHasher.hash_one(key) >> 32) as usize % SHARDS]
    }

    /// Whether a block is here or under way, without touching it.
    pub fn holds(&self, key: Key) -> bool {
        lock(self.shard(key)).entries.contains_key(&key)
    }

    /// Lets blocks go, the oldest of one shard after another, until the bound is kept. Those that were just
    /// decoded go last of all: a raster that is one large block must not be decoded for every patch.
    fn shrink(&self, newest: &[Key]) {
        let mut empty = 0;
        while self.bytes.load(Relaxed) > block_cache_bytes() && empty < SHARDS {
            let Some(shard) = self.shards.get(self.hand.fetch_add(1, Relaxed) % SHARDS) else { return };
            let mut shard = lock(shard);
            let decoded = |key: &Key| shard.entries.get(key).is_some_and(|entry| entry.bytes > 0);
            let oldest = shard.order.values().find(|key| !newest.contains(key) && decoded(key)).copied();
            let freed = oldest.map_or(0, |key| remove(&mut shard, key));
            self.bytes.fetch_sub(freed, Relaxed);
            self.evicted.fetch_add(u64::from(freed > 0), Relaxed);
            empty = if freed == 0 { empty + 1 } else { 0 };
        }
    }

    /// Lets go at once what is above a bound that was lowered.
    pub fn keep_bound(&self) {
        self.shrink(&[]);
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
    fn blocks_of_one_place_are_decoded_together_and_once_whatever_the_threads() {
        let cache = BlockCache::default();
        let calls = AtomicUsize::new(0);
        let bands = |row: u32, first: u32| [0, 1, 2].map(|i| Key { band: first + i, ..key(row) });
        let pixels = |key: &Key| Pixels::UInt8(vec![(10 * key.row + key.band) as u8; 16]);
        std::thread::scope(|scope| {
            for first in [1, 2, 1, 3, 2, 1] {
                let (cache, calls) = (&cache, &calls);
                scope.spawn(move || {
                    for row in 0..20 {
                        let keys = bands(row, first);
                        let decode = |wanted: &[Key]| {
                            calls.fetch_add(1, Relaxed);
                            assert!(wanted.iter().all(|key| keys.contains(key)) && wanted.is_sorted());
                            Ok(wanted.iter().map(pixels).collect())
                        };
                        let blocks = cache.get_all(&keys, decode).unwrap();
                        let expected: Vec<Pixels> = keys.iter().map(pixels).collect();
                        assert!(blocks.iter().map(|block| &**block).eq(&expected));
                    }
                });
            }
        });
        // Bands 1 to 5 of each row: at most one call for each of the three sets.
        assert!((20..=60).contains(&calls.load(Relaxed)));
        let Counters { misses, hits, blocks, .. } = cache.counters();
        assert_eq!((misses, hits, blocks), (100, 6 * 20 * 3 - 100, 100));
        let failed = cache.get_all(&bands(50, 1), |_| Err(Error::Bug("x".into())));
        assert!(failed.is_err() && !cache.holds(key(50)));
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
