//! Rasters by path: a header is read once, and each thread that reads blocks borrows a handle of its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

use crate::cf;
use crate::dtype::Pixels;
use crate::error::{Error, Result};
use crate::files::web::address::unsigned;
use crate::files::{self, Sight, remote};
use crate::format::gdal::Raster;
use crate::format::{Header, Kind, geotiff, open, vrt};
use crate::kept::{Idle, Shared};
use crate::read::array_handles;
use crate::read::block_cache::{BlockCache, Key, Owner};
use crate::workers::{each_waiting, is_interrupted};

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

/// What reading some blocks would cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Blocks of bands.
    pub blocks: u64,
    /// Those that are decoded already.
    pub decoded: u64,
    /// What the others cost; nothing where the format does not tell where they lie.
    pub stored: Option<Stored>,
}

/// What blocks cost that are yet to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// Their bytes in the file.
    pub bytes: u64,
    /// Ranges to be fetched over the network.
    pub requests: u64,
    /// The bytes of these.
    pub fetched: u64,
}

static CACHE: LazyLock<BlockCache> = LazyLock::new(BlockCache::default);
/// Idle handles of open rasters by their source: each is an open file and what its driver keeps in memory.
static HANDLES: LazyLock<Idle<u64, Raster>> = LazyLock::new(|| Idle::new(most_handles()));
static KNOWN: Shared<String, Arc<Source>> = Shared::new(KEPT_FILES);
static OPENED: AtomicU64 = AtomicU64::new(0);

/// How many handles may lie idle: a part of the files that the process may have open, since a handle opens two
/// (the raster for GDAL, and for what is read past it), and the host program needs some too.
fn most_handles() -> usize {
    (files::most_open() / 4).clamp(16, 1024)
}

/// The process's one block cache.
pub fn block_cache() -> &'static BlockCache {
    &CACHE
}

/// Files known, and handles: idle, most idle, and opened since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileCounters {
    /// Files known.
    pub files: usize,
    /// Handles that wait.
    pub handles: usize,
    /// How many may wait.
    pub handles_limit: usize,
    /// Handles opened in all.
    pub opened: u64,
}

/// The counts of the process.
pub fn file_counters() -> FileCounters {
    FileCounters {
        files: KNOWN.lock().len(),
        handles: HANDLES.len(),
        handles_limit: HANDLES.most(),
        opened: OPENED.load(Relaxed),
    }
}

/// Closes the rasters that nobody reads now.
pub fn close_idle() {
    HANDLES.clear();
}

/// Opens side by side those of some rasters that lie behind URLs, so that none is waited for alone. What cannot be opened
/// says so where it is read.
pub fn open_ahead<'a>(paths: impl Iterator<Item = &'a str>) {
    let mut urls: Vec<&str> = paths.filter(|path| remote::is_remote(path)).collect();
    urls.sort_unstable();
    urls.dedup();
    let threads = remote::threads(1, urls.iter().copied().take(1));
    let opened = each_waiting(&mut urls, threads, |url| {
        let _ = Source::open(url);
        Ok(())
    });
    debug_assert!(opened.is_ok() || is_interrupted());
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
        let known = KNOWN.get(&*unsigned(sight.path()));
        if let Some(source) =
            known.filter(|s| s.sight.stamp() == sight.stamp() && s.parts_state == files::state(&s.parts))
        {
            files::door::permit_parts(&source.parts, sight.path())?;
            return Ok(source);
        }
        let (source, raster) = Source::read(sight)?;
        let (stamp, parts_state) = (source.sight.stamp(), source.parts_state);
        if let Some(raster) = raster {
            HANDLES.offer(source.id, raster);
        }
        // Another thread may have opened it meanwhile: its source and its blocks are the ones to share.
        let same = |other: &Arc<Source>| other.sight.stamp() == stamp && other.parts_state == parts_state;
        Ok(KNOWN.share(unsigned(source.path()).into_owned(), Arc::new(source), same))
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
            let names = files::beside(location)?;
            let header = geotiff::header(&sight, &names);
            siblings = Some(names);
            if let Some(header) = header {
                // The file places itself, before any that a side file could give.
                let header = Arc::new(header);
                return Ok((Source { id, sight: sight.small(), parts, parts_state, header, siblings }, None));
            }
        }
        let mut parts = Vec::new();
        if is_local {
            parts = files::side_files(location);
            parts.extend(vrt::sources(&sight)?.into_iter().map(|source| source.path));
        }
        let parts_state = files::state(&parts);
        match is_tiff {
            // Listed once more: the state above is of later than the first listing.
            true => siblings = Some(files::beside(location)?),
            false => Source::close_earlier(&sight),
        }
        let mut raster = Raster::open(&sight, siblings.as_deref())
            .map_err(|error| open::explain(error, &sight, Some(Kind::Raster)))?;
        OPENED.fetch_add(1, Relaxed);
        let header = cf::completed(raster.header(), &sight);
        raster.complete(&header);
        Ok((Source { id, sight: sight.small(), parts, parts_state, header, siblings }, Some(raster)))
    }

    /// Closes the idle handles of a file's earlier states: the netCDF driver would give what one of them has open.
    pub fn close_earlier(sight: &Sight) {
        let (file, stamp) = (sight.location().file(), sight.stamp());
        let earlier =
            |s: &Arc<Source>| (s.sight.stamp() != stamp && s.sight.location().file() == file).then_some(s.id);
        array_handles::close_earlier(file, stamp);
        let ids: Vec<u64> = KNOWN.lock().values().filter_map(earlier).collect();
        ids.iter().for_each(|id| HANDLES.forget(id));
    }

    /// What the file says of itself.
    pub fn header(&self) -> &Arc<Header> {
        &self.header
    }

    /// The file.
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
    /// The block cannot be decoded, or the file was replaced since it was opened.
    pub fn block(&self, key: Key) -> Result<Arc<Pixels>> {
        CACHE.get(key, || {
            let missing = || Error::Bug("a block that was not decoded".into());
            self.decode(&[key])?.pop().ok_or_else(missing)
        })
    }

    /// Blocks of some bands at one position, in the order of their keys; one may be asked for twice. Where bands lie together, the block is
    /// decoded once for all of them and for those `beside`, which are wanted next.
    ///
    /// # Errors
    /// As [`Source::block`].
    pub fn blocks(&self, keys: &[Key], beside: &[usize]) -> Result<Vec<Arc<Pixels>>> {
        let here = |key: &Key| CACHE.holds(*key);
        let first = keys.first().filter(|first| self.header.together && !first.mask);
        let Some(first) = first.filter(|_| !(keys.len() == 1 && beside.is_empty() || keys.iter().all(here)))
        else {
            return keys.iter().map(|key| self.block(*key)).collect();
        };
        let mut all = keys.to_vec();
        all.extend(beside.iter().map(|band| Key { band: *band as u32, ..*first }));
        all.sort_unstable();
        all.dedup();
        let blocks = CACHE.get_all(&all, |wanted| self.decode(wanted))?;
        let found = |key: &Key| all.binary_search(key).ok().and_then(|index| blocks.get(index)).cloned();
        let missing = || Error::Bug("a block that was not decoded".into());
        keys.iter().map(|key| found(key).ok_or_else(missing)).collect()
    }

    /// Decodes blocks of one position.
    fn decode(&self, keys: &[Key]) -> Result<Vec<Pixels>> {
        let Some(first) = keys.first() else { return Ok(Vec::new()) };
        let (row, col) = (first.row as usize, first.col as usize);
        let bands: Vec<usize> = keys.iter().map(|key| key.band as usize).collect();
        let raster = self.borrow()?;
        let pixels = match first.mask {
            true => bands.iter().map(|band| raster.read_mask(*band, row, col)).collect(),
            false => raster.read_block(&bands, row, col),
        };
        HANDLES.give_back(self.id, raster);
        pixels
    }

    /// Whether reading it goes over a network.
    pub fn is_remote(&self) -> bool {
        self.sight.location().is_url()
    }

    /// Fetches what blocks that are about to be read lie in: in as few requests as there are gaps between them.
    /// Nothing is to be gained for a local file.
    ///
    /// # Errors
    /// The bytes cannot be read.
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

    /// What it would cost to read some blocks, sorted, each once.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn cost(&self, keys: &[Key]) -> Result<Cost> {
        let (decoded, missing): (Vec<&Key>, Vec<&Key>) = keys.iter().partition(|key| CACHE.holds(**key));
        let cost = Cost { blocks: keys.len() as u64, decoded: decoded.len() as u64, stored: None };
        let blocks: Vec<_> = missing
            .iter()
            .filter(|key| !key.mask)
            .map(|key| (key.band as usize, key.row as usize, key.col as usize))
            .collect();
        let raster = self.borrow()?;
        let ranges = raster.stored(&blocks);
        HANDLES.give_back(self.id, raster);
        let Some(mut ranges) = ranges? else { return Ok(cost) };
        // Where bands lie together, they share their blocks.
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        ranges.dedup();
        let bytes = ranges.iter().map(|range| range.end - range.start).sum();
        let planned = match self.sight.location().address() {
            files::Address::Url(url) => remote::open(url)?.missing(ranges)?,
            files::Address::Local(_) => Vec::new(),
        };
        let fetched = planned.iter().map(|range| range.end - range.start).sum();
        Ok(Cost { stored: Some(Stored { bytes, requests: planned.len() as u64, fetched }), ..cost })
    }

    fn borrow(&self) -> Result<Raster> {
        if let Some(raster) = HANDLES.take(&self.id) {
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
        HANDLES.forget(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    const LINE: &str = "4x3 uint8 EPSG:32632 10 strip=2 | count";

    /// A strip of the first band.
    fn strip(source: &Source, row: u32) -> Result<Arc<Pixels>> {
        source.block(Key { source: Owner::Raster(source.id()), band: 1, mask: false, row, col: 0 })
    }

    /// Replaces a file by another, as programs do that write anew.
    fn replace(folder: &Folder, path: &str, line: &str) {
        std::fs::rename(folder.raster("new", line), path).unwrap();
    }

    #[test]
    fn a_file_is_one_source_whose_blocks_are_its_pixels() {
        let folder = Folder::new();
        let path = folder.raster("a.tif", LINE);
        let source = Source::open(&path).unwrap();
        assert!(Arc::ptr_eq(&source, &Source::open(&path).unwrap()));
        assert_eq!(*strip(&source, 1).unwrap(), Pixels::UInt8(vec![6, 7, 8, 9, 10, 11]));
        assert_eq!(*strip(&source, 0).unwrap(), Pixels::UInt8(vec![0, 1, 2, 3, 4, 5]));
    }

    #[test]
    fn bands_that_lie_together_come_with_one_that_is_read_and_others_do_not() {
        let folder = Folder::new();
        for (order, here) in [("together", true), ("apart", false)] {
            let line = LINE.replacen(" |", &format!(" bands={order} | count+50 |"), 1);
            let source = Source::open(&folder.raster(&format!("{order}.tif"), &line)).unwrap();
            let key = |band| Key { source: Owner::Raster(source.id()), row: 1, col: 0, mask: false, band };
            let blocks = source.blocks(&[key(2)], &[1, 2]).unwrap();
            assert_eq!(*blocks[0], Pixels::UInt8(vec![6, 7, 8, 9, 10, 11]));
            assert_eq!(CACHE.holds(key(1)), here);
            assert_eq!(*source.block(key(1)).unwrap(), Pixels::UInt8((56..62).collect()));
            let key = |band| Key { row: 0, ..key(band) };
            let twice = source.blocks(&[key(2), key(2)], &[1]).unwrap();
            assert!(twice.iter().all(|block| **block == Pixels::UInt8((0..6).collect())) && twice.len() == 2);
        }
    }

    #[test]
    fn threads_that_open_a_file_at_once_share_its_source() {
        let folder = Folder::new();
        for turn in 0..8 {
            let path = folder.raster(&format!("{turn}.tif"), LINE);
            let open = |path: String| std::thread::spawn(move || Source::open(&path).unwrap());
            let threads: Vec<_> = (0..4).map(|_| open(path.clone())).collect();
            let sources: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert!(sources.iter().all(|source| source.id() == sources[0].id()));
        }
    }

    #[test]
    fn a_file_that_was_replaced_is_another_source_and_the_two_never_mix() {
        let folder = Folder::new();
        let path = folder.raster("a.tif", LINE);
        let old = Source::open(&path).unwrap();
        let before = strip(&old, 0).unwrap();
        replace(&folder, &path, "4x3 uint8 EPSG:32632 10 strip=2 | count+100");
        let new = Source::open(&path).unwrap();
        assert_ne!(old.id(), new.id());
        assert_eq!(*strip(&new, 1).unwrap(), Pixels::UInt8((106..112).collect()));
        assert_eq!(*strip(&old, 0).unwrap(), *before);
        // A block that was not read in time is the old file's, where it is still open, or an error.
        match strip(&old, 1) {
            Ok(pixels) => assert_eq!(*pixels, Pixels::UInt8((6..12).collect())),
            Err(error) => assert!(matches!(error, Error::Unreadable { .. }), "{error}"),
        }
    }

    #[test]
    fn a_side_file_that_comes_or_goes_is_seen() {
        let folder = Folder::new();
        let path = folder.raster("a.tif", LINE);
        let nodata = || Source::open(&path).unwrap().header().bands[0].nodata.map(|nodata| nodata.f64());
        assert_eq!(nodata(), None);
        let side = folder.write(
            "a.tif.aux.xml",
            b"<PAMDataset><PAMRasterBand band=\"1\"><NoDataValue>3</NoDataValue></PAMRasterBand></PAMDataset>",
        );
        assert_eq!(nodata(), Some(3.0));
        std::fs::remove_file(side).unwrap();
        assert_eq!(nodata(), None);
    }

    #[test]
    fn what_is_absent_or_not_a_raster_is_an_error() {
        let folder = Folder::new();
        let text = folder.write("a.tif", b"not pixels");
        assert!(Source::open(&text).is_err());
        assert!(matches!(Source::open(&folder.path("b.tif")), Err(Error::Absent { .. })));
    }
}
