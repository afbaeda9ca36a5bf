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
