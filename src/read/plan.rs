//! Many windows at once: read in the order of files and blocks, each block decoded once, on several threads.
//!
//! Whatever the order of the windows, a file's are read together, and neighbours one after another. Blocks are
//! decoded first and copied from afterwards, a lot at a time, so that threads seldom wait for one another and the
//! blocks in hand stay within a bound.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::dtype::{Pixel, Pixels};
use crate::error::{Error, Result};
use crate::read::HELD_BYTES;
use crate::read::block_cache::Key;
use crate::read::patch::{Held, PatchOptions, block_keys, copy_patch};
use crate::read::source::Source;
use crate::window::Window;
use crate::workers::each;

/// One window of one file, and the place for its pixels, `[band, row, col]`.
pub struct Request<'a, T> {
    /// The file.
    pub source: Arc<Source>,
    /// Which pixels.
    pub window: Window,
    /// Which bands, from 0.
    pub bands: Arc<[usize]>,
    /// Where they go.
    pub out: &'a mut [T],
    /// The runs of `out` without a pixel, once it was read.
    pub gaps: Vec<Range<usize>>,
}

/// A request and the blocks that it lies in.
struct Planned<'r, 'a, T> {
    request: &'r mut Request<'a, T>,
    /// When its file was first asked for.
    turn: usize,
    keys: Vec<Key>,
}

/// A block, and the source to ask for it.
struct Wanted {
    key: Key,
    source: Arc<Source>,
    pixels: Option<Arc<Pixels>>,
}

/// Bytes of pixels that are worth a further thread: starting one takes some 20 microseconds.
const SHARE: usize = 1 << 20;

/// Reads every request.
///
/// # Errors
/// A window wholly outside, or blocks that can not be decoded.
pub fn read_patches<T: Pixel>(
    requests: &mut [Request<'_, T>],
    options: &PatchOptions,
    threads: usize,
) -> Result<()> {
    let mut turns = HashMap::new();
    let mut planned = Vec::with_capacity(requests.len());
    for request in requests.iter_mut() {
        let keys = block_keys(&request.source, &request.window, &request.bands, options)?;
        let next = turns.len();
        let turn = *turns.entry(request.source.id()).or_insert(next);
        planned.push(Planned { request, turn, keys });
    }
    planned.sort_by_key(|p| (p.turn, p.keys.first().map(|key| (key.row, key.col))));
    let mut rest = planned.as_mut_slice();
    while !rest.is_empty() {
        let (count, mut blocks) = lot(rest);
        let (lot, others) = rest.split_at_mut(count);
        rest = others;
        prepare(&blocks)?;
        each(&mut blocks, threads, |block| {
            block.pixels = Some(block.source.block(block.key)?);
            Ok(())
        })?;
        let bytes: usize = lot.iter().map(|p| size_of_val(&*p.request.out)).sum();
        each(lot, threads.min(bytes.div_ceil(SHARE)), |planned| copy(planned, &blocks, options))?;
    }
    Ok(())
}

/// How many of the requests are read together, and their blocks, sorted.
fn lot<T>(planned: &[Planned<'_, '_, T>]) -> (usize, Vec<Wanted>) {
    let mut blocks: Vec<Wanted> = Vec::new();
    let mut known = rustc_hash::FxHashSet::default();
    let (mut count, mut bytes) = (0, 0usize);
    for planned in planned {
        let source = &planned.request.source;
        let new: Vec<Key> = planned.keys.iter().filter(|key| !known.contains(*key)).copied().collect();
        let more: usize = new.iter().map(|key| block_bytes(source, key)).fold(0, usize::saturating_add);
        if count > 0 && bytes.saturating_add(more) > HELD_BYTES {
            break;
        }
        bytes = bytes.saturating_add(more);
        count += 1;
        known.extend(new.iter().copied());
        blocks.extend(new.into_iter().map(|key| Wanted { key, source: source.clone(), pixels: None }));
    }
    blocks.sort_unstable_by_key(|block| block.key);
    (count, blocks)
}

/// Has the blocks of remote files fetched together, before they are decoded one by one.
fn prepare(blocks: &[Wanted]) -> Result<()> {
    blocks.chunk_by(|a, b| a.key.source == b.key.source).try_for_each(|run| match run.first() {
        Some(first) if first.source.is_remote() => {
            first.source.prepare(&run.iter().map(|block| block.key).collect::<Vec<_>>())
        }
        _ => Ok(()),
    })
}

fn block_bytes(source: &Source, key: &Key) -> usize {
    let header = source.header();
    let size = header.bands.get((key.band as usize).wrapping_sub(1)).map_or(8, |band| band.dtype.size());
    let (height, width) = header.block;
    height.saturating_mul(width).saturating_mul(if key.mask { 1 } else { size })
}

fn copy<T: Pixel>(planned: &mut Planned<'_, '_, T>, blocks: &[Wanted], options: &PatchOptions) -> Result<()> {
    let mut held = Held::default();
    for key in &planned.keys {
        let place = blocks.binary_search_by_key(key, |block| block.key).ok();
        let pixels = place.and_then(|place| blocks.get(place)?.pixels.clone());
        held.push(pixels.ok_or_else(|| Error::Bug("a block that was not planned".into()))?);
    }
    let request = &mut *planned.request;
    let header = request.source.header();
    request.gaps = copy_patch(header, &request.window, &request.bands, options, &held, request.out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Draw, Folder, RasterSpec};

    const LINES: [&str; 2] = [
        "9x7 int16 EPSG:32632 10 strip=2 nodata=5 | count | count+100",
        "4x11 int16 EPSG:32632 10 | count+1000 | count+2000",
    ];

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
        fn windows(&self, seed: u64) -> Vec<(usize, Window)> {
            let mut draw = Draw::new(seed);
            let mut window = || {
                let file = draw.below(self.files.len());
                let spec = &self.files[file].0;
                (file, draw.window(spec.height, spec.width))
            };
            (0..200).map(|_| window()).collect()
        }

        fn requests<'a>(
            &self,
            windows: &[(usize, Window)],
            outs: &'a mut [Vec<i16>],
        ) -> Vec<Request<'a, i16>> {
            let request = |((file, window), out): (&(usize, Window), &'a mut Vec<i16>)| Request {
                source: self.files[*file].1.clone(),
                window: *window,
                bands: Arc::from([1, 2]),
                out,
                gaps: Vec::new(),
            };
            windows.iter().zip(outs).map(request).collect()
        }
    }

    fn room(windows: &[(usize, Window)]) -> Vec<Vec<i16>> {
        windows.iter().map(|(_, window)| vec![-7; 2 * window.area()]).collect()
    }

    #[test]
    fn each_of_many_windows_holds_the_files_pixels_and_its_gaps_are_where_there_are_none() {
        let files = files();
        for (seed, threads) in [(1, 1), (2, 2), (3, 8)] {
            let windows = files.windows(seed);
            let mut outs = room(&windows);
            let mut requests = files.requests(&windows, &mut outs);
            read_patches(&mut requests, &PatchOptions::default(), threads).unwrap();
            for (request, (file, window)) in requests.iter().zip(&windows) {
                let mut gone = vec![false; request.out.len()];
                request.gaps.iter().for_each(|gap| gone[gap.clone()].fill(true));
                let spec = &files.files[*file].0;
                let nodata: Option<f64> = spec.nodata.as_ref().map(|value| value.parse().unwrap());
                let rows = |band| (window.row_off..window.row_end()).map(move |row| (band, row));
                let places = (0..2).flat_map(rows).flat_map(|(band, row)| {
                    (window.col_off..window.col_end()).map(move |col| (band, row, col))
                });
                for (i, (band, row, col)) in places.enumerate() {
                    let pixel = spec.pixel(band, row, col).filter(|value| Some(*value) != nodata);
                    let read = (!gone[i]).then(|| f64::from(request.out[i]));
                    assert_eq!(read, pixel, "{window}, band {band}, row {row}, col {col}");
                }
            }
        }
    }

    #[test]
    fn a_block_that_many_windows_share_is_planned_once() {
        let files = files();
        let windows = files.windows(4);
        let mut outs = room(&windows);
        let mut requests = files.requests(&windows, &mut outs);
        let options = PatchOptions::default();
        let planned: Vec<_> = requests
            .iter_mut()
            .map(|request| {
                let keys = block_keys(&request.source, &request.window, &request.bands, &options).unwrap();
                Planned { request, turn: 0, keys }
            })
            .collect();
        let (count, blocks) = lot(&planned);
        assert_eq!(count, windows.len());
        assert!(blocks.windows(2).all(|pair| pair[0].key < pair[1].key));
        // Two bands of five strips, and of one block.
        assert_eq!(blocks.len(), 2 * 5 + 2);
    }

    #[test]
    fn a_window_wholly_outside_is_an_error_unless_it_may_be() {
        let files = files();
        let windows = [(0, Window::new(50, 0, 2, 2).unwrap())];
        let mut outs = room(&windows);
        let mut requests = files.requests(&windows, &mut outs);
        assert!(read_patches(&mut requests, &PatchOptions::default(), 1).is_err());
        let options = PatchOptions { boundless: true, ..PatchOptions::default() };
        read_patches(&mut requests, &options, 1).unwrap();
        assert_eq!(requests[0].gaps, std::slice::from_ref(&(0..8)));
    }
}
