//! Rasters by path: a header is read once, and each thread that reads blocks borrows a handle of its own.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::cf;
use crate::dtype::Pixels;
use crate::error::{Error, Result};
use crate::files::{self, Sight};
use crate::format::gdal::Raster;
use crate::format::{Header, Kind, geotiff, open, vrt};
use crate::read::block_cache::{BlockCache, Key, Owner};
use crate::read::handles::{self, Handles};

/// How many files are known at once: what is kept of one is its header and no handle.
const KEPT_FILES: usize = 16_384;

/// A raster that any number of threads read. It holds no open file.
pub struct Source {
    id: u64,
    /// The file as it was when its header was read.
    sight: Sight,
    /// The files that its pixels and its header come from besides itself, and their state.
    parts: Vec<PathBuf>,
    parts_state: u64,
    header: Arc<Header>,
    /// Names beside it that begin like its stem, where they are all that its driver looks for.
    siblings: Option<Vec<String>>,
}

static CACHE: LazyLock<BlockCache> = LazyLock::new(BlockCache::default);
static HANDLES: LazyLock<Handles<Raster>> = LazyLock::new(|| Handles::new(handles::limit()));
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
static OPENED: AtomicU64 = AtomicU64::new(0);

#[derive(Default)]
struct Known {
    sources: HashMap<String, (u64, Arc<Source>)>,
    clock: u64,
}

impl Known {
    fn get(&mut self, path: &str) -> Option<Arc<Source>> {
        self.clock += 1;
        let (used, source) = self.sources.get_mut(path)?;
        *used = self.clock;
        Some(source.clone())
    }

    /// Keeps a source, and gives those that have to go: the older half at once, so that finding them costs little for
    /// each.
    fn insert(&mut self, source: &Arc<Source>) -> Vec<(u64, Arc<Source>)> {
        self.clock += 1;
        let mut gone = Vec::new();
        gone.extend(self.sources.insert(source.path().to_string(), (self.clock, source.clone())));
        if self.sources.len() > KEPT_FILES {
            let mut used: Vec<u64> = self.sources.values().map(|(used, _)| *used).collect();
            let (_, &mut middle, _) = used.select_nth_unstable(KEPT_FILES / 2);
            gone.extend(self.sources.extract_if(|_, (used, _)| *used < middle).map(|(_, source)| source));
        }
        gone
    }
}

/// The process's one block cache.
pub fn block_cache() -> &'static BlockCache {
    &CACHE
}

/// Files known, and handles: idle, most idle, and opened since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileCounters {
    pub files: usize,
    pub handles: usize,
    pub handles_limit: usize,
    pub opened: u64,
}

pub fn file_counters() -> FileCounters {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).sources.len();
    FileCounters {
        files: known,
        handles: HANDLES.idle(),
        handles_limit: HANDLES.limit(),
        opened: OPENED.load(Relaxed),
    }
}

impl Source {
    /// The raster at `path`, opened unless it is known. A file that was replaced meanwhile, or whose side files
    /// or (of a VRT) sources came, went or changed, is opened anew, and its old blocks are never asked for again.
    ///
    /// # Errors
    /// The file is absent, no raster, or damaged.
    pub fn open(path: &str) -> Result<Arc<Source>> {
        Source::of(Sight::at(path)?)
    }

    fn of(sight: Sight) -> Result<Arc<Source>> {
        let lock = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(sight.path());
        if let Some(source) =
            known.filter(|s| s.sight.stamp() == sight.stamp() && s.parts_state == files::state(&s.parts))
        {
            return Ok(source);
        }
        let (source, raster) = Source::read(sight)?;
        let source = Arc::new(source);
        let gone = {
            let mut known = lock();
            // Another thread may have opened it meanwhile: its source and its blocks are the ones to share.
            if let Some(other) = known.get(source.path())
                && other.sight.stamp() == source.sight.stamp()
                && other.parts_state == source.parts_state
            {
                return Ok(other);
            }
            known.insert(&source)
        };
        // Files close after the lock is given back.
        drop(gone);
        if let Some(raster) = raster {
            HANDLES.offer(source.id, raster);
        }
        Ok(source)
    }

    /// Reads a header, and gives the raster too where GDAL had to open it.
    fn read(sight: Sight) -> Result<(Source, Option<Raster>)> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Relaxed);
        let location = sight.location();
        let is_local = !location.is_url();
        // GDAL would list the folder for each file; only of TIFF are all side files known to begin like it.
        let is_tiff = matches!(sight.magic(), [b'I', b'I', ..] | [b'M', b'M', ..]);
        let mut siblings = None;
        // The state of its parts is looked at before its folder and itself, so that a change meanwhile is seen the next
        // time.
        if is_tiff {
            let parts = if is_local { files::own_side_files(location) } else { Vec::new() };
            let parts_state = files::state(&parts);
            let names = files::beside(location);
            let header = geotiff::header(&sight, &names);
            siblings = Some(names);
            if let Some(header) = header {
                // Its place is in the file, before any that a side file could give.
                let header = Arc::new(header);
                return Ok((Source { id, sight: sight.small(), parts, parts_state, header, siblings }, None));
            }
        }
        let mut parts = Vec::new();
        if is_local {
            parts = files::side_files(location);
            parts.extend(vrt::sources(&sight)?);
        }
        let parts_state = files::state(&parts);
        match is_tiff {
            // Listed once more: the state above is of later than the first listing.
            true => siblings = Some(files::beside(location)),
            false => Source::close_earlier(&sight),
        }
        let raster = Raster::open(&sight, siblings.as_deref())
            .map_err(|error| open::explain(error, &sight, Some(Kind::Raster)))?;
        OPENED.fetch_add(1, Relaxed);
        let header = cf::completed(raster.header(), &sight);
        Ok((Source { id, sight: sight.small(), parts, parts_state, header, siblings }, Some(raster)))
    }

    /// Closes the idle handles of a file's earlier states: the netCDF driver would give what one of them has open.
    pub fn close_earlier(sight: &Sight) {
        let (file, stamp) = (sight.location().file(), sight.stamp());
        let earlier =
            |s: &Arc<Source>| (s.sight.stamp() != stamp && s.sight.location().file() == file).then_some(s.id);
        let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let ids: Vec<u64> = known.sources.values().filter_map(|(_, source)| earlier(source)).collect();
        drop(known);
        ids.into_iter().for_each(|id| HANDLES.forget(id));
    }

    pub fn header(&self) -> &Arc<Header> {
        &self.header
    }

    pub fn path(&self) -> &str {
        self.sight.path()
    }

    /// Tells this state of this file from every other source of the process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// One block of one band (from 1), or of its validity mask, from the cache or decoded now. The key is one of
    /// this source.
    ///
    /// # Errors
    /// The block can not be decoded, or the file was replaced since it was opened.
    pub fn block(&self, key: Key) -> Result<Arc<Pixels>> {
        let (band, row, col) = (key.band as usize, key.row as usize, key.col as usize);
        CACHE.get(key, || {
            let raster = self.borrow()?;
            let pixels =
                if key.mask { raster.read_mask(band, row, col) } else { raster.read_block(band, row, col) };
            HANDLES.give_back(self.id, raster);
            pixels
        })
    }

    /// Whether reading it goes over a network.
    pub fn is_remote(&self) -> bool {
        self.sight.location().is_url()
    }

    /// Fetches what blocks that are about to be read lie in: in as few requests as there are gaps between them.
    /// Nothing is to be gained for a local file.
    ///
    /// # Errors
    /// The bytes can not be read.
    pub fn prepare(&self, keys: &[Key]) -> Result<()> {
        if !self.is_remote() {
            return Ok(());
        }
        let missing = keys
            .iter()
            .filter(|key| key.source == Owner::Raster(self.id) && !key.mask && !CACHE.holds(**key));
        let blocks: Vec<_> =
            missing.map(|key| (key.band as usize, key.row as usize, key.col as usize)).collect();
        if blocks.is_empty() {
            return Ok(());
        }
        let raster = self.borrow()?;
        let fetched = raster.prefetch(&blocks);
        HANDLES.give_back(self.id, raster);
        fetched
    }

    fn borrow(&self) -> Result<Raster> {
        if let Some(raster) = HANDLES.take(self.id) {
            return Ok(raster);
        }
        let raster = Raster::reopen(&self.sight, self.siblings.as_deref(), &self.header)?;
        OPENED.fetch_add(1, Relaxed);
        // Blocks of two states of a file must not meet in one patch.
        let now = Sight::of(self.sight.location().clone())?.stamp();
        let then = self.sight.stamp();
        // A remote file has another number in each query: all there is to compare is its size.
        if now != then && !(self.is_remote() && now.size == then.size) {
            let reason = "it was replaced while the query read it";
            return Err(Error::unreadable(self.path(), reason));
        }
        Ok(raster)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        HANDLES.forget(self.id);
    }
}
