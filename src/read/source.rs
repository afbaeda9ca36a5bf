//! Open rasters: a file is opened once, and each thread that reads it borrows a handle of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::dtype::Pixels;
use crate::error::Result;
use crate::files::{self, Stamp, remote};
use crate::format::Header;
use crate::format::gdal::Raster;
use crate::read::block_cache::{BlockCache, Key};

/// How many files stay open when nobody reads them.
const KEPT_FILES: usize = 64;
/// How many idle handles one file keeps.
const KEPT_HANDLES: usize = 16;

/// A raster that any number of threads read.
pub struct Source {
    id: u64,
    path: String,
    stamp: Stamp,
    header: Arc<Header>,
    idle: Mutex<Vec<Raster>>,
}

static CACHE: LazyLock<BlockCache> = LazyLock::new(BlockCache::default);
static OPEN: LazyLock<Mutex<Open>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Open {
    sources: HashMap<String, (u64, Arc<Source>)>,
    clock: u64,
}

/// The process's one block cache.
pub fn block_cache() -> &'static BlockCache {
    &CACHE
}

impl Source {
    /// The raster at `path`, opened unless it already is. A file that was replaced meanwhile, seen by its
    /// size and time, is opened anew, and its old blocks are never asked for again.
    ///
    /// # Errors
    /// The file is absent, no raster, or damaged.
    pub fn open(path: &str) -> Result<Arc<Source>> {
        let stamp = files::stamp(path)?;
        let lock = || OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut open = lock();
            open.clock += 1;
            let now = open.clock;
            if let Some((used, source)) = open.sources.get_mut(path)
                && source.stamp == stamp
            {
                *used = now;
                return Ok(source.clone());
            }
        }
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let raster = Raster::open(path, None)?;
        let header = raster.header().clone();
        let idle = Mutex::new(vec![raster]);
        let source =
            Arc::new(Source { id: NEXT.fetch_add(1, Relaxed), path: path.into(), stamp, header, idle });
        let mut open = lock();
        open.clock += 1;
        let now = open.clock;
        // Another thread may have opened it meanwhile: its source and its blocks are the ones to share.
        if let Some((_, other)) = open.sources.get(path)
            && other.stamp == stamp
        {
            return Ok(other.clone());
        }
        open.sources.insert(path.to_string(), (now, source.clone()));
        let mut gone = Vec::new();
        while open.sources.len() > KEPT_FILES {
            let Some(oldest) = open.sources.iter().min_by_key(|(_, (used, _))| *used).map(|(p, _)| p.clone())
            else {
                break;
            };
            gone.extend(open.sources.remove(&oldest));
        }
        // Files close after the lock is given back.
        drop(open);
        drop(gone);
        Ok(source)
    }

    pub fn header(&self) -> &Arc<Header> {
        &self.header
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// One block of one band (from 1), or of its validity mask, from the cache or decoded now.
    ///
    /// # Errors
    /// The block can not be decoded.
    pub fn block(&self, band: usize, mask: bool, row: usize, col: usize) -> Result<Arc<Pixels>> {
        let key = Key { source: self.id, band: band as u32, mask, row: row as u32, col: col as u32 };
        CACHE.get(key, || {
            let raster = self.borrow()?;
            let pixels =
                if mask { raster.read_mask(band, row, col) } else { raster.read_block(band, row, col) };
            self.give_back(raster);
            pixels
        })
    }

    /// Whether reading it goes over a network.
    pub fn is_remote(&self) -> bool {
        remote::is_url(files::container(&self.path))
    }

    /// Fetches what blocks that are about to be read, `(band, row, col)`, lie in: in as few requests as there are
    /// gaps between them. Nothing is to be gained for a local file.
    ///
    /// # Errors
    /// The bytes can not be read.
    pub fn prepare(&self, mut blocks: Vec<(usize, usize, usize)>) -> Result<()> {
        let key = |&(band, row, col): &(usize, usize, usize)| Key {
            source: self.id,
            band: band as u32,
            mask: false,
            row: row as u32,
            col: col as u32,
        };
        blocks.retain(|block| !CACHE.holds(key(block)));
        if blocks.is_empty() {
            return Ok(());
        }
        let raster = self.borrow()?;
        let fetched = raster.prefetch(&blocks);
        self.give_back(raster);
        fetched
    }

    fn borrow(&self) -> Result<Raster> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(raster) => Ok(raster),
            None => Raster::open(&self.path, None),
        }
    }

    fn give_back(&self, raster: Raster) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT_HANDLES {
            idle.push(raster);
        }
    }
}
