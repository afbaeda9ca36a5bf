//! Many windows at once: fetched in the order of files and blocks, each block once, a lot at a time.
//!
//! Whatever the order of the windows, a file's are read together, and neighbours one after another. The blocks of a
//! lot are decoded first and copied from afterwards, so that threads seldom wait for one another and the blocks in
//! hand stay within a bound. [`read_patches`] does both at once for a caller that waits; [`fetch_patches`] leaves the
//! copying to whoever takes the blocks.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::dtype::{Pixel, Pixels};
use crate::error::{Error, Result};
use crate::read::HELD_BYTES;
use crate::read::block_cache::Key;
use crate::read::gaps::Gaps;
use crate::read::patch::{PatchBlocks, PatchOptions, PatchRequest};
use crate::read::source::Source;
use crate::window::Window;
use crate::workers::each;

/// A window of some bands of a file, to be read together with others.
#[derive(Clone)]
pub struct FileWindow {
    /// The file.
    pub source: Arc<Source>,
    /// Which pixels.
    pub window: Window,
    /// Numbers of bands, from 1.
    pub bands: Arc<[usize]>,
    /// How it is read, where not as the others.
    pub own: Option<Arc<PatchOptions>>,
}

impl FileWindow {
    /// The window as it is read, with some options unless it has its own.
    pub fn request<'a>(&'a self, options: &'a PatchOptions) -> PatchRequest<'a> {
        let options = self.own.as_deref().unwrap_or(options);
        PatchRequest { source: &self.source, window: self.window, bands: &self.bands, beside: &[], options }
    }

    /// How many pixels it has.
    pub fn pixels(&self) -> usize {
        self.window.area().saturating_mul(self.bands.len())
    }
}

/// Bytes of pixels that are worth a further thread: starting one takes some 20 microseconds.
const SHARE: usize = 1 << 20;

/// A window to be copied out of its blocks.
struct WindowCopy<'a, T> {
    planned: &'a Planned,
    out: &'a mut [T],
    gaps: Gaps,
}

/// How blocks of one position are had: from the cache or decoded now. A test counts the calls.
type Decode<'a> = dyn Fn(&Source, &[Key]) -> Result<Vec<Arc<Pixels>>> + Sync + 'a;

fn from_cache(source: &Source, keys: &[Key]) -> Result<Vec<Arc<Pixels>>> {
    source.blocks(keys, &[])
}

/// Reads every window into its own list, `[band, row, col]`, and gives the gaps of each.
///
/// # Errors
/// A window wholly outside, or blocks that cannot be decoded.
pub fn read_patches<T: Pixel>(
    windows: &[&FileWindow],
    outs: Vec<&mut [T]>,
    options: &PatchOptions,
    threads: usize,
) -> Result<Vec<Gaps>> {
    let mut plan = Plan::new(windows, options);
    if !plan.failed.is_empty() {
        return Err(plan.failed.remove(0).1);
    }
    let mut outs: Vec<Option<&mut [T]>> = outs.into_iter().map(Some).collect();
    let mut gaps = vec![Gaps::new(); windows.len()];
    for planned in plan.lots() {
        let mut lot = plan.lot(planned);
        lot.fetch(threads, &from_cache)?;
        let mut copies = Vec::with_capacity(planned.len());
        for planned in planned {
            let out = outs.get_mut(planned.index).and_then(Option::take);
            let out = out.ok_or_else(|| Error::Bug(format!("no list for window {}", planned.index)))?;
            copies.push(WindowCopy { planned, out, gaps: Gaps::new() });
        }
        let bytes: usize = copies.iter().map(|copy| size_of_val(&*copy.out)).sum();
        each(&mut copies, threads.min(bytes.div_ceil(SHARE)), |copy| {
            copy.gaps = plan.request(copy.planned)?.copy(&lot.blocks_of(copy.planned)?, copy.out)?;
            Ok(())
        })?;
        for copy in copies {
            if let Some(gaps) = gaps.get_mut(copy.planned.index) {
                *gaps = copy.gaps;
            }
        }
    }
    Ok(gaps)
}

/// Decodes the blocks of every window on this thread. Each window gets its blocks, or its own error; and nothing where
/// the blocks would take more than `room` bytes together with those of the windows before: such are left to the cache.
pub fn fetch_patches(
    windows: &[&FileWindow],
    options: &PatchOptions,
    room: usize,
) -> Vec<Result<Option<PatchBlocks>>> {
    fetch_with(windows, options, room, &from_cache)
}

fn fetch_with(
    windows: &[&FileWindow],
    options: &PatchOptions,
    mut room: usize,
    decode: &Decode<'_>,
) -> Vec<Result<Option<PatchBlocks>>> {
    let mut plan = Plan::new(windows, options);
    let mut results: Vec<Result<Option<PatchBlocks>>> = windows.iter().map(|_| Ok(None)).collect();
    for (index, error) in std::mem::take(&mut plan.failed) {
        if let Some(result) = results.get_mut(index) {
            *result = Err(error);
        }
    }
    for planned in plan.lots() {
        let mut lot = plan.lot(planned);
        let is_whole = lot.fetch(1, decode).is_ok();
        let fits = is_whole && lot.bytes <= room;
        if fits {
            room -= lot.bytes;
        }
        for planned in planned {
            let Some(result) = results.get_mut(planned.index) else { continue };
            *result = match (is_whole, fits) {
                (true, true) => lot.blocks_of(planned).map(Some),
                (true, false) => Ok(None),
                // Whichever window the error is of, each tells its own.
                (false, _) => plan.alone(planned, decode).map(|blocks| {
                    let fits = blocks.bytes() <= room;
                    room -= if fits { blocks.bytes() } else { 0 };
                    fits.then_some(blocks)
                }),
            };
        }
    }
    results
}

/// A window of a plan and the blocks that it lies in.
struct Planned {
    /// Its index among the windows.
    index: usize,
    /// When its file was first asked for.
    turn: usize,
    keys: Vec<Key>,
}

/// Windows in the order of files and blocks.
struct Plan<'a> {
    windows: &'a [&'a FileWindow],
    options: &'a PatchOptions,
    planned: Vec<Planned>,
    /// Windows that lie in no block, in their own order.
    failed: Vec<(usize, Error)>,
}

/// Windows that are read together: their blocks, sorted, each once.
struct Lot<'a> {
    blocks: Vec<Block<'a>>,
    bytes: usize,
}

/// A block, and the source to ask for it.
struct Block<'a> {
    key: Key,
    source: &'a Source,
    pixels: Option<Arc<Pixels>>,
}

impl<'a> Plan<'a> {
    fn new(windows: &'a [&'a FileWindow], options: &'a PatchOptions) -> Plan<'a> {
        let mut turns = HashMap::new();
        let mut planned = Vec::with_capacity(windows.len());
        let mut failed = Vec::new();
        for (index, window) in windows.iter().enumerate() {
            let next = turns.len();
            let turn = *turns.entry(window.source.id()).or_insert(next);
            match window.request(options).block_keys() {
                Ok(keys) => planned.push(Planned { index, turn, keys }),
                Err(error) => failed.push((index, error)),
            }
        }
        planned.sort_by_key(|planned| (planned.turn, planned.keys.first().map(|key| (key.row, key.col))));
        Plan { windows, options, planned, failed }
    }

    fn request(&self, planned: &Planned) -> Result<PatchRequest<'a>> {
        let window = self.windows.get(planned.index);
        let missing = || Error::Bug(format!("no window {} in the plan", planned.index));
        Ok(window.ok_or_else(missing)?.request(self.options))
    }

    /// The plan cut into lots whose blocks stay within the bound, one window at least in each.
    fn lots(&self) -> impl Iterator<Item = &[Planned]> {
        let mut rest = self.planned.as_slice();
        std::iter::from_fn(move || {
            let mut known = FxHashSet::default();
            let (mut count, mut bytes) = (0, 0usize);
            for planned in rest {
                let new = planned.keys.iter().filter(|key| !known.contains(*key));
                let more = new.map(|key| self.block_bytes(planned, key)).fold(0, usize::saturating_add);
                if count > 0 && bytes.saturating_add(more) > HELD_BYTES {
                    break;
                }
                bytes = bytes.saturating_add(more);
                count += 1;
                known.extend(planned.keys.iter().copied());
            }
            let (lot, others) = rest.split_at(count);
            rest = others;
            (count > 0).then_some(lot)
        })
    }

    fn lot(&self, planned: &[Planned]) -> Lot<'a> {
        let mut blocks = Vec::new();
        for planned in planned {
            let Some(window) = self.windows.get(planned.index) else { continue };
            let source = &*window.source;
            blocks.extend(planned.keys.iter().map(|key| Block { key: *key, source, pixels: None }));
        }
        blocks.sort_unstable_by_key(|block| block.key);
        blocks.dedup_by_key(|block| block.key);
        Lot { blocks, bytes: 0 }
    }

    /// The blocks of one window, as a lot of its own.
    fn alone(&self, planned: &Planned, decode: &Decode<'_>) -> Result<PatchBlocks> {
        let mut lot = self.lot(std::slice::from_ref(planned));
        lot.fetch(1, decode)?;
        lot.blocks_of(planned)
    }

    fn block_bytes(&self, planned: &Planned, key: &Key) -> usize {
        let Some(window) = self.windows.get(planned.index) else { return 0 };
        let header = window.source.header();
        let band = header.bands.get((key.band as usize).wrapping_sub(1));
        let size = band.map_or(8, |band| band.dtype.size());
        let (height, width) = header.block;
        height.saturating_mul(width).saturating_mul(if key.mask { 1 } else { size })
    }
}

impl Lot<'_> {
    /// Decodes the blocks, each once, those of bands that lie together at once; those of remote files are fetched
    /// together before.
    fn fetch(&mut self, threads: usize, decode: &Decode<'_>) -> Result<()> {
        for run in self.blocks.chunk_by(|a, b| a.key.source == b.key.source) {
            if let Some(first) = run.first().filter(|first| first.source.is_remote()) {
                first.source.prepare(&run.iter().map(|block| block.key).collect::<Vec<_>>())?;
            }
        }
        let together = |a: &Block<'_>, b: &Block<'_>| a.source.header().together && a.key.is_beside(&b.key);
        let mut groups: Vec<&mut [Block<'_>]> = self.blocks.chunk_by_mut(together).collect();
        each(&mut groups, threads, |group| {
            let keys: Vec<Key> = group.iter().map(|block| block.key).collect();
            let Some(first) = group.first() else { return Ok(()) };
            let decoded = decode(first.source, &keys)?;
            group.iter_mut().zip(decoded).for_each(|(block, pixels)| block.pixels = Some(pixels));
            Ok(())
        })?;
        self.bytes = self.blocks.iter().filter_map(|block| Some(block.pixels.as_ref()?.bytes())).sum();
        Ok(())
    }

    fn blocks_of(&self, planned: &Planned) -> Result<PatchBlocks> {
        let mut blocks = PatchBlocks::default();
        for key in &planned.keys {
            let index = self.blocks.binary_search_by_key(key, |block| block.key).ok();
            let pixels = index.and_then(|index| self.blocks.get(index)?.pixels.clone());
            blocks.push(pixels.ok_or_else(|| Error::Bug("a block that was not planned".into()))?);
        }
        Ok(blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Draw, Folder, RasterSpec};
    use std::sync::Mutex;

    const LINES: [&str; 2] = [
        "9x7 int16 EPSG:32632 10 strip=2 nodata=5 | count | count+100",
        "4x11 int16 EPSG:32632 10 | count+1000 | count+2000",
    ];
    /// Two bands of five strips, and of one block.
    const BLOCKS: usize = 2 * 5 + 2;
    /// The bytes of all blocks, at most.
    const BYTES: usize = 2 * (5 * 2 * 7 + 4 * 11) * 2;

    struct Files {
        files: Vec<(RasterSpec, Arc<Source>)>,
        _folder: Folder,
    }

    fn files() -> Files {
        let folder = Folder::new();
        let file = |(i, line): (usize, &&str)| {
            let path = folder.raster(&format!("{i}.tif"), line);
            (RasterSpec::parse(line), Source::open(&path).unwrap())
        };
        Files { files: LINES.iter().enumerate().map(file).collect(), _folder: folder }
    }

    impl Files {
        /// Windows of both files, in no order.
        fn windows(&self, seed: u64) -> Vec<(usize, FileWindow)> {
            let mut draw = Draw::new(seed);
            let mut window = || {
                let file = draw.below(self.files.len());
                let spec = &self.files[file].0;
                self.window(file, draw.window(spec.height, spec.width))
            };
            (0..200).map(|_| window()).collect()
        }

        fn window(&self, file: usize, window: Window) -> (usize, FileWindow) {
            let source = self.files[file].1.clone();
            (file, FileWindow { source, window, bands: Arc::from([1, 2]), own: None })
        }
    }

    fn refs(windows: &[(usize, FileWindow)]) -> Vec<&FileWindow> {
        windows.iter().map(|(_, window)| window).collect()
    }

    fn read(
        windows: &[(usize, FileWindow)],
        options: &PatchOptions,
        threads: usize,
    ) -> Result<(Vec<Vec<i16>>, Vec<Gaps>)> {
        let mut outs: Vec<Vec<i16>> = windows.iter().map(|(_, window)| vec![-7; window.pixels()]).collect();
        let lists = outs.iter_mut().map(Vec::as_mut_slice).collect();
        let gaps = read_patches(&refs(windows), lists, options, threads)?;
        Ok((outs, gaps))
    }

    #[test]
    fn each_of_many_windows_holds_the_files_pixels_and_its_gaps_are_where_there_are_none() {
        let files = files();
        for (seed, threads) in [(1, 1), (2, 2), (3, 8)] {
            let windows = files.windows(seed);
            let (outs, gaps) = read(&windows, &PatchOptions::default(), threads).unwrap();
            for (((file, FileWindow { window, .. }), out), gaps) in windows.iter().zip(&outs).zip(&gaps) {
                let mut gone = vec![false; out.len()];
                gaps.iter().for_each(|gap| gone[gap.clone()].fill(true));
                let spec = &files.files[*file].0;
                let nodata: Option<f64> = spec.nodata.as_ref().map(|value| value.parse().unwrap());
                let rows = |band| (window.row_off..window.row_end()).map(move |row| (band, row));
                let pixels = (0..2).flat_map(rows).flat_map(|(band, row)| {
                    (window.col_off..window.col_end()).map(move |col| (band, row, col))
                });
                for (i, (band, row, col)) in pixels.enumerate() {
                    let pixel = spec.pixel(band, row, col).filter(|value| Some(*value) != nodata);
                    let read = (!gone[i]).then(|| f64::from(out[i]));
                    assert_eq!(read, pixel, "{window}, band {band}, row {row}, col {col}");
                }
            }
        }
    }

    #[test]
    fn a_block_that_many_windows_share_is_planned_once() {
        let files = files();
        let (windows, options) = (files.windows(4), PatchOptions::default());
        let windows = refs(&windows);
        let plan = Plan::new(&windows, &options);
        let lots: Vec<&[Planned]> = plan.lots().collect();
        assert_eq!(lots.iter().map(|lot| lot.len()).collect::<Vec<_>>(), [windows.len()]);
        let blocks = plan.lot(lots[0]).blocks;
        assert!(blocks.windows(2).all(|pair| pair[0].key < pair[1].key));
        assert_eq!(blocks.len(), BLOCKS);
    }

    #[test]
    fn one_plan_decodes_a_block_once_and_gives_each_window_its_own() {
        let files = files();
        let (windows, options) = (files.windows(5), PatchOptions::default());
        let asked = Mutex::new(Vec::new());
        let results = fetch_with(&refs(&windows), &options, usize::MAX, &|source: &Source, keys: &[Key]| {
            asked.lock().unwrap().extend_from_slice(keys);
            source.blocks(keys, &[])
        });
        let mut asked = asked.into_inner().unwrap();
        let count = asked.len();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!((count, asked.len()), (BLOCKS, BLOCKS));
        for ((_, window), blocks) in windows.iter().zip(results) {
            let request = window.request(&options);
            let (mut planned, mut alone) = (vec![0i16; request.pixels()], vec![0i16; request.pixels()]);
            let gaps = request.copy(&blocks.unwrap().unwrap(), &mut planned).unwrap();
            assert_eq!(gaps, request.read(&mut alone).unwrap());
            assert_eq!(planned, alone);
        }
    }

    #[test]
    fn a_block_whose_bands_lie_together_is_decoded_once_for_all_of_them() {
        let folder = Folder::new();
        let line = "9x7 int16 EPSG:32632 10 strip=2 bands=together | count | count+100 | count+200";
        let (spec, source) = (RasterSpec::parse(line), Source::open(&folder.raster("a.tif", line)).unwrap());
        let window = |row: i64, bands: &[usize]| {
            let window = Window::new(row, 1, 3, 4).unwrap();
            FileWindow { source: source.clone(), window, bands: Arc::from(bands), own: None }
        };
        let windows = [window(0, &[3, 1]), window(1, &[1, 2, 3]), window(5, &[2])];
        let (windows, options) = (windows.iter().collect::<Vec<_>>(), PatchOptions::default());
        let asked = Mutex::new(Vec::new());
        let results = fetch_with(&windows, &options, usize::MAX, &|source: &Source, keys: &[Key]| {
            asked.lock().unwrap().push(keys.iter().map(|key| (key.row, key.band)).collect::<Vec<_>>());
            source.blocks(keys, &[])
        });
        let strips: [&[(u32, u32)]; 4] =
            [&[(0, 1), (0, 2), (0, 3)], &[(1, 1), (1, 2), (1, 3)], &[(2, 2)], &[(3, 2)]];
        assert_eq!(asked.into_inner().unwrap(), strips);
        for (window, blocks) in windows.iter().zip(results) {
            let mut pixels = vec![0i16; window.pixels()];
            window.request(&options).copy(&blocks.unwrap().unwrap(), &mut pixels).unwrap();
            let mut pixels = pixels.into_iter().map(f64::from);
            for band in window.bands.iter() {
                for (row, col) in
                    (window.window.row_off..).take(3).flat_map(|row| (1..5).map(move |col| (row, col)))
                {
                    assert_eq!(pixels.next(), spec.pixel(band - 1, row, col));
                }
            }
        }
    }

    #[test]
    fn blocks_beyond_the_room_are_left_to_the_cache() {
        let files = files();
        let (windows, options) = (files.windows(6), PatchOptions::default());
        let none = fetch_patches(&refs(&windows), &options, 100);
        assert!(none.into_iter().all(|blocks| blocks.unwrap().is_none()));
        let all = fetch_patches(&refs(&windows), &options, BYTES);
        assert!(all.into_iter().all(|blocks| blocks.unwrap().is_some()));
    }

    #[test]
    fn an_error_is_that_of_its_own_window() {
        let files = files();
        let (mut windows, options) = (files.windows(7), PatchOptions::default());
        windows[3] = files.window(0, Window::new(500, 500, 2, 2).unwrap());
        let windows = refs(&windows);
        let keys = |window: &FileWindow| window.request(&options).block_keys().unwrap_or_default();
        let bad = keys(windows[10])[0];
        let damaged = || Error::Bug("damaged".into());
        let decode = |source: &Source, keys: &[Key]| {
            if keys.contains(&bad) { Err(damaged()) } else { from_cache(source, keys) }
        };
        for (index, result) in fetch_with(&windows, &options, usize::MAX, &decode).into_iter().enumerate() {
            match (index, keys(windows[index]).contains(&bad)) {
                (3, _) => assert!(matches!(result, Err(Error::OutOfRange { .. }))),
                (_, true) => assert_eq!(result.err(), Some(damaged())),
                (_, false) => assert!(result.unwrap().is_some()),
            }
        }
    }

    #[test]
    fn a_window_wholly_outside_is_an_error_unless_it_may_be() {
        let files = files();
        let windows = [files.window(0, Window::new(50, 0, 2, 2).unwrap())];
        assert!(matches!(read(&windows, &PatchOptions::default(), 1), Err(Error::OutOfRange { .. })));
        let options = PatchOptions { boundless: true, ..PatchOptions::default() };
        assert_eq!(read(&windows, &options, 1).unwrap().1[0], std::slice::from_ref(&(0..8)));
    }
}
