//! Streams of patches: workers decode ahead of the reader, in order and within a budget, and whoever takes patches
//! copies their pixels.

use std::sync::{Arc, Mutex, PoisonError};

use crate::dtype::{Dtype, Pixel};
use crate::error::{Error, Lack, Result};
use crate::files::remote;
use crate::format::Header;
use crate::kept::Shared;
use crate::limits::Limits;
use crate::on_error::OnError;
use crate::read::HELD_BYTES;
use crate::read::gaps::Gaps;
use crate::read::patch::{PatchBlocks, PatchOptions, check_patch, common_dtype, pixel_count};
use crate::read::plan::{FileWindow, fetch_patches};
use crate::read::source::Source;
use crate::read::steps::bands_at;
use crate::window::Window;
use crate::workers::{Ordered, each_waiting, is_interrupted};

/// A window of a file that is yet to be opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The file.
    pub path: Arc<str>,
    /// What is read of it.
    pub window: Window,
    /// Which step of time, where the raster is a variable of an array file and one of them is meant.
    pub step: Option<u64>,
}

/// What a stream reads for one row, and what the row carries past the reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Row<C> {
    /// What to read, or why that cannot be told.
    pub target: Result<Target>,
    /// What goes on to whoever takes the patch.
    pub carried: C,
}

impl<C> Row<C> {
    /// The same row with something else to carry.
    pub fn map<D>(self, carried: impl FnOnce(C) -> D) -> Row<D> {
        Row { target: self.target, carried: carried(self.carried) }
    }
}

/// How a stream reads.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// Which bands, and how their pixels become values.
    pub patch: PatchOptions,
    /// The type that pixels are copied in: every file's own, or a float.
    pub dtype: Dtype,
    /// How many bands the first file gives: what a patch costs is reckoned with it.
    pub bands: usize,
    /// What becomes of a row that cannot be read.
    pub on_error: OnError,
    /// False where nobody asks for pixels: then none are decoded.
    pub with_pixels: bool,
    /// Threads, and what one patch may take.
    pub limits: Limits,
}

/// Patches of rows, in the rows' order.
pub struct PatchStream<C> {
    feed: Mutex<Feed<C>>,
    options: Arc<StreamOptions>,
}

struct Feed<C> {
    pool: Ordered<Vec<Patch<C>>>,
    left: std::vec::IntoIter<Patch<C>>,
}

/// A row whose blocks are decoded, and whose pixels are yet to be copied.
pub struct Patch<C> {
    /// What the row carried; nothing where the row itself could not be had.
    pub carried: Option<C>,
    /// The patch, or why there is none.
    pub ready: Result<ReadyPatch>,
}

/// A patch that can be copied.
pub struct ReadyPatch {
    window: FileWindow,
    /// Nothing where no pixels were asked for, or where the blocks are left to the cache.
    blocks: Option<PatchBlocks>,
    options: Arc<StreamOptions>,
}

/// A file of the stream, looked at once for all of its patches.
#[derive(Clone)]
struct File {
    source: Arc<Source>,
    bands: Arc<[usize]>,
}

/// Files of a stream that are known at once; more are looked at again.
const MAX_FILES: usize = 1 << 16;

/// Pixels that are taken at once: past this they would leave the processor's cache before anyone reads them, and an
/// interrupt would be seen late.
const TAKEN_BYTES: usize = 4 << 20;
/// Pixels that one job makes ready: enough to pay for the trip.
const JOB_BYTES: usize = 1 << 20;
/// Rows of one job at most.
const JOB_ROWS: usize = 2048;
/// Bytes that a row costs besides its pixels, more or less.
const ROW_BYTES: usize = 256;
/// Jobs under way at once, at most, where the files are remote: each has many requests under way.
const WAITING_JOBS: usize = 8;
/// Jobs ahead of the reader, for each worker.
const JOBS_AHEAD: usize = 4;

impl<C: Send + 'static> PatchStream<C> {
    /// Starts reading ahead.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(
        rows: impl Iterator<Item = Result<Row<C>>> + Send + 'static,
        options: StreamOptions,
    ) -> Result<PatchStream<C>> {
        let options = Arc::new(options);
        let mut rows = rows.peekable();
        let first = rows.peek().and_then(|row| Some(row.as_ref().ok()?.target.as_ref().ok()?.path.clone()));
        let waiting = remote::threads(1, first.iter().map(|path| &**path)).min(WAITING_JOBS);
        let jobs = Jobs { rows, bytes_per_pixel: options.dtype.size() * options.bands };
        let loader = PatchLoader::new(options.clone());
        let threads = options.limits.threads.max(waiting);
        let pool = Ordered::start(jobs, threads, threads * JOBS_AHEAD, move |rows| loader.patches(rows))?;
        let feed = Feed { pool, left: Vec::new().into_iter() };
        Ok(PatchStream { feed: Mutex::new(feed), options })
    }

    /// The next patches, at most so many; none at the end. What follows, the copying, needs no lock.
    ///
    /// # Errors
    /// A row that cannot be had or read, where such stop the stream.
    pub fn take(&self, most: usize) -> Result<Vec<Patch<C>>> {
        let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut patches, mut bytes) = (Vec::new(), 0);
        while patches.len() < most && bytes < TAKEN_BYTES {
            match feed.left.next() {
                Some(patch) => {
                    bytes += patch.ready.as_ref().map_or(0, |r| r.pixels() * self.options.dtype.size());
                    patches.push(patch);
                }
                None => match feed.pool.next() {
                    Some(batch) => feed.left = batch?.into_iter(),
                    None => break,
                },
            }
        }
        Ok(patches)
    }
}

impl ReadyPatch {
    /// The header of its file.
    pub fn header(&self) -> &Header {
        self.window.source.header()
    }

    /// Where it lies in its file.
    pub fn window(&self) -> &Window {
        &self.window.window
    }

    /// How many bands, rows and columns it has.
    pub fn shape(&self) -> [usize; 3] {
        let window = &self.window.window;
        [self.window.bands.len(), window.height as usize, window.width as usize]
    }

    /// How many pixels it has.
    pub fn pixels(&self) -> usize {
        self.window.pixels()
    }

    /// Copies the pixels, `[band, row, col]`, in the stream's type. Returns the runs of `out` without one.
    ///
    /// # Errors
    /// [`Error::Bug`] for another length of `out`; blocks that were left to the cache and cannot be decoded again.
    pub fn copy<T: Pixel>(&self, out: &mut [T]) -> Result<Gaps> {
        let request = self.window.request(&self.options.patch);
        match &self.blocks {
            Some(blocks) => request.copy(blocks, out),
            None => request.read(out),
        }
    }
}

/// Puts neighbouring rows together until a job is worth the trip.
struct Jobs<R> {
    rows: R,
    bytes_per_pixel: usize,
}

impl<C, R: Iterator<Item = Result<Row<C>>>> Iterator for Jobs<R> {
    type Item = Result<(usize, Vec<Result<Row<C>>>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let (mut job, mut bytes) = (Vec::new(), 0usize);
        while bytes < JOB_BYTES && job.len() < JOB_ROWS {
            let Some(row) = self.rows.next() else { break };
            let target = row.as_ref().ok().and_then(|row| row.target.as_ref().ok());
            let pixels = target.map_or(0, |target| pixel_count(&target.window, self.bytes_per_pixel));
            bytes = bytes.saturating_add(pixels).saturating_add(ROW_BYTES);
            job.push(row);
        }
        (!job.is_empty()).then_some(Ok((1, job)))
    }
}

/// Makes the patches of jobs ready.
pub struct PatchLoader {
    options: Arc<StreamOptions>,
    /// By path and step; what cannot be read stays so for the stream.
    files: Shared<(Arc<str>, Option<u64>), Result<File>>,
}

impl PatchLoader {
    /// Knows no file yet.
    pub fn new(options: Arc<StreamOptions>) -> PatchLoader {
        PatchLoader { options, files: Shared::new(MAX_FILES) }
    }

    fn patches<C>(&self, rows: Vec<Result<Row<C>>>) -> Result<Vec<Patch<C>>> {
        self.look_ahead(&rows);
        let mut patches: Vec<Patch<C>> = rows.into_iter().map(|row| self.patch(row)).collect();
        if self.options.with_pixels {
            self.fetch(&mut patches);
        }
        match self.options.on_error {
            OnError::Fail => match patches.iter().find_map(|patch| patch.ready.as_ref().err()) {
                Some(error) => Err(error.clone()),
                None => Ok(patches),
            },
            OnError::Skip | OnError::Report => Ok(patches),
        }
    }

    /// Looks side by side at the files of a job that lie behind URLs.
    fn look_ahead<C>(&self, rows: &[Result<Row<C>>]) {
        let targets = rows.iter().filter_map(|row| row.as_ref().ok()?.target.as_ref().ok());
        let mut ahead: Vec<&Target> = targets.filter(|target| remote::is_remote(&target.path)).collect();
        ahead.sort_unstable_by_key(|target| (&target.path, target.step));
        ahead.dedup_by_key(|target| (&target.path, target.step));
        let waiting = remote::threads(1, ahead.iter().map(|target| &*target.path));
        let looked = each_waiting(&mut ahead, waiting, |target| {
            // What cannot be read says so at its own row.
            let _ = self.file(target);
            Ok(())
        });
        debug_assert!(looked.is_ok() || is_interrupted());
    }

    fn patch<C>(&self, row: Result<Row<C>>) -> Patch<C> {
        match row {
            Ok(Row { target, carried }) => {
                let ready = target.and_then(|target| self.window(&target));
                let options = self.options.clone();
                let ready = ready.map(|window| ReadyPatch { window, blocks: None, options });
                Patch { carried: Some(carried), ready }
            }
            Err(error) => Patch { carried: None, ready: Err(error) },
        }
    }

    /// The window of a file that is looked at once.
    ///
    /// # Errors
    /// A file that cannot be opened or has other bands or pixels, or a window above what a patch may take.
    pub fn window(&self, target: &Target) -> Result<FileWindow> {
        let File { source, bands } = self.file(target)?;
        let (window, options) = (target.window, &self.options);
        check_patch(&window, bands.len(), options.dtype.size(), &options.limits)?;
        Ok(FileWindow { source, window, bands, own: None })
    }

    /// Decodes the blocks of a job's patches. What cannot be read says so at its own patch.
    fn fetch<C>(&self, patches: &mut [Patch<C>]) {
        let is_ready = |patch: &&mut Patch<C>| patch.ready.is_ok();
        let windows: Vec<&FileWindow> =
            patches.iter().filter_map(|patch| Some(&patch.ready.as_ref().ok()?.window)).collect();
        let fetched = fetch_patches(&windows, &self.options.patch, HELD_BYTES);
        for (patch, fetched) in patches.iter_mut().filter(is_ready).zip(fetched) {
            match (fetched, &mut patch.ready) {
                (Ok(blocks), Ok(ready)) => ready.blocks = blocks,
                (Err(error), ready) => *ready = Err(error),
                (Ok(_), Err(_)) => {}
            }
        }
    }

    fn file(&self, target: &Target) -> Result<File> {
        let key = (target.path.clone(), target.step);
        if let Some(file) = self.files.get(&key) {
            return file;
        }
        let file = self.look_at(&target.path, target.step);
        self.files.insert(key, file.clone());
        file
    }

    fn look_at(&self, path: &str, step: Option<u64>) -> Result<File> {
        let source = Source::open(path)?;
        let bands = bands_at(&source, &self.options.patch, step)?;
        let (own, dtype) = (common_dtype(&source, &bands)?, self.options.dtype);
        if own != dtype && !dtype.is_float() {
            return Err(Error::unsuited(path, Lack::PixelType { own, before: dtype }));
        }
        Ok(File { source, bands: bands.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Counted;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::time::Duration;

    fn options(threads: usize, on_error: OnError) -> StreamOptions {
        let limits = Limits { threads, ..Limits::default() };
        let patch = PatchOptions::default();
        StreamOptions { patch, dtype: Dtype::UInt16, bands: 1, on_error, with_pixels: true, limits }
    }

    /// Rows over some rasters in turn, each of which carries its number.
    fn rows(rasters: &[Counted], count: usize, side: i64) -> Vec<Result<Row<usize>>> {
        let paths: Vec<Arc<str>> = rasters.iter().map(|raster| raster.path().into()).collect();
        let row = |i: usize| {
            let path = paths[i % paths.len()].clone();
            let window = Window::new(i as i64 * 7 % 70 - 3, i as i64 * 5 % 70 - 3, side, side).unwrap();
            Ok(Row { target: Ok(Target { path, window, step: None }), carried: i })
        };
        (0..count).map(row).collect()
    }

    type Given = (Option<usize>, Result<Vec<Option<u16>>>);

    /// What a stream gives: for each patch, what it carried and its pixels, or its error.
    fn collect(stream: &PatchStream<usize>, most: usize) -> Vec<Given> {
        let mut all = Vec::new();
        loop {
            let patches = stream.take(most).unwrap();
            if patches.is_empty() {
                return all;
            }
            assert!(patches.len() <= most);
            for Patch { carried, ready } in patches {
                let pixels = ready.and_then(|ready| {
                    let mut out = vec![7; ready.pixels()];
                    let gaps = ready.copy(&mut out)?;
                    let mut pixels: Vec<Option<u16>> = out.into_iter().map(Some).collect();
                    gaps.into_iter().for_each(|gap| pixels[gap].fill(None));
                    Ok(pixels)
                });
                all.push((carried, pixels));
            }
        }
    }

    #[test]
    fn rows_come_in_order_with_their_own_pixels_whatever_the_threads() {
        let rasters = [Counted::new(75, 80), Counted::new(64, 64)];
        // Far more rows than one job takes.
        let rows = rows(&rasters, 6000, 9);
        for threads in [1, 2, 8] {
            let stream =
                PatchStream::start(rows.clone().into_iter(), options(threads, OnError::Fail)).unwrap();
            let all = collect(&stream, 100);
            assert_eq!(all.len(), rows.len());
            for (i, ((carried, pixels), row)) in all.into_iter().zip(&rows).enumerate() {
                let target = row.as_ref().unwrap().target.as_ref().unwrap();
                assert_eq!(carried, Some(i));
                assert_eq!(pixels.unwrap(), rasters[i % 2].pixels(&target.window), "{}", target.window);
            }
        }
    }

    #[test]
    fn a_row_that_fails_stops_the_stream_or_is_one_of_its_rows() {
        let rasters = [Counted::new(75, 80)];
        let mut rows = rows(&rasters, 5000, 9);
        let beyond = Window::new(500, 500, 2, 2).unwrap();
        let absent = Target { path: "/nowhere/at_all.tif".into(), window: beyond, step: None };
        let outside = Target { path: rasters[0].path().into(), window: beyond, step: None };
        let huge = Window::new(0, 0, 1 << 30, 1 << 30).unwrap();
        let huge = Target { path: rasters[0].path().into(), window: huge, step: None };
        rows[100] = Err(Error::Bug("torn".into()));
        rows[3000] = Ok(Row { target: Err(Error::Bug("no window".into())), carried: 3000 });
        for (at, target) in [(3001, absent), (3002, outside), (3003, huge)] {
            rows[at] = Ok(Row { target: Ok(target), carried: at });
        }
        for threads in [1, 8] {
            let stream =
                PatchStream::start(rows.clone().into_iter(), options(threads, OnError::Fail)).unwrap();
            assert_eq!(stream.take(10).err(), Some(Error::Bug("torn".into())));
            for on_error in [OnError::Skip, OnError::Report] {
                let stream =
                    PatchStream::start(rows.clone().into_iter(), options(threads, on_error)).unwrap();
                let all = collect(&stream, 100);
                let failed: Vec<usize> = (0..all.len()).filter(|i| all[*i].1.is_err()).collect();
                assert_eq!(failed, [100, 3000, 3001, 3002, 3003]);
                assert_eq!((all[100].0, all[3001].0), (None, Some(3001)));
                assert!(matches!(all[3001].1, Err(Error::Absent { .. })), "{:?}", all[3001].1);
                assert!(matches!(all[3002].1, Err(Error::OutOfRange { .. })), "{:?}", all[3002].1);
                assert!(matches!(all[3003].1, Err(Error::TooLarge { .. })), "{:?}", all[3003].1);
            }
        }
    }

    #[test]
    fn a_damaged_block_is_the_error_of_the_patches_in_it_alone() {
        let rasters = [Counted::new(75, 80)];
        // The last of five strips: rows 64 to 74.
        rasters[0].cut(11 * 80 * 2);
        let rows = rows(&rasters, 2000, 9);
        let stream = PatchStream::start(rows.clone().into_iter(), options(2, OnError::Report)).unwrap();
        let mut failed = 0;
        for ((_, pixels), row) in collect(&stream, 500).into_iter().zip(&rows) {
            let window = row.as_ref().unwrap().target.as_ref().unwrap().window;
            let touches = window.row_end() > 64;
            assert_eq!(pixels.is_err(), touches, "{window}");
            failed += usize::from(touches);
        }
        assert!(failed > 0);
    }

    #[test]
    fn rows_ahead_of_the_reader_stay_within_the_budget() {
        let rasters = [Counted::new(75, 80)];
        let pulled = Arc::new(AtomicUsize::new(0));
        let counter = pulled.clone();
        // A job each: 1024 x 1024 pixels of two bytes.
        let rows = rows(&rasters, 1000, 1024).into_iter().inspect(move |_| {
            counter.fetch_add(1, SeqCst);
        });
        let stream = PatchStream::start(rows, options(2, OnError::Fail)).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        // Four jobs wait for each worker, and one more is in its hands.
        let ahead = pulled.load(SeqCst);
        assert!((1..=2 * JOBS_AHEAD + 2).contains(&ahead), "{ahead} rows were read ahead");
        assert_eq!(stream.take(100).unwrap().len(), 2);
    }

    #[test]
    fn a_stream_that_is_abandoned_leaves_no_thread() {
        let rasters = [Counted::new(75, 80)];
        for taken in [0, 1, 3000] {
            // Each worker holds the rows for as long as it lives.
            let alive = Arc::new(());
            let token = alive.clone();
            let rows = rows(&rasters, 100_000, 9).into_iter().inspect(move |_| {
                let _ = &token;
            });
            let stream = PatchStream::start(rows, options(8, OnError::Fail)).unwrap();
            let mut count = 0;
            while count < taken {
                count += stream.take(100).unwrap().len();
            }
            assert_eq!(Arc::strong_count(&alive), 2);
            drop(stream);
            assert_eq!(Arc::strong_count(&alive), 1);
        }
    }

    #[test]
    fn without_pixels_nothing_is_decoded() {
        let rasters = [Counted::new(75, 80)];
        rasters[0].cut(75 * 80 * 2);
        let mut options = options(2, OnError::Fail);
        options.with_pixels = false;
        let stream = PatchStream::start(rows(&rasters, 300, 9).into_iter(), options).unwrap();
        let patches = stream.take(1000).unwrap();
        assert_eq!(patches.len(), 300);
        assert_eq!(patches[299].ready.as_ref().unwrap().shape(), [1, 9, 9]);
    }
}
