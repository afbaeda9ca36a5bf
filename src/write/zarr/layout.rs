//! How large chunks and shards are.

use crate::error::{Error, Result};

/// What a chunk of vectors takes, in bytes, where nobody says.
const CHUNK: u64 = 1 << 20;
/// A row with rows and columns of its own is read by itself: rows share a chunk below this many bytes.
const IMAGE: u64 = 16 << 10;
/// An image above is cut into squares of this side.
const LARGE: u64 = 4 << 20;
const SIDE: u64 = 512;
/// What a shard takes before it is packed.
const SHARD: u64 = 64 << 20;
/// What a chunk takes before it is packed, at most: codecs count its bytes in 31 bits.
const MOST_BYTES: u64 = i32::MAX as u64;
/// Chunks of one shard, whose index takes 16 bytes for each.
const MOST_CHUNKS: u64 = 1 << 16;

/// Which shards there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shards {
    /// As many chunks as make 64 MiB.
    Auto,
    /// A file a chunk.
    None,
    /// Of these sizes.
    Sides(Vec<u64>),
}

/// Chunks and shards of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What is packed by itself.
    pub chunk: Vec<u64>,
    /// What lies in one file.
    pub shard: Option<Vec<u64>>,
}

fn product(sides: &[u64]) -> u64 {
    sides.iter().fold(1, |n, side| n.saturating_mul(*side))
}

/// Chunks of rows of a shape, along an axis that may grow.
pub fn of_rows(item: &[u64], size: u64) -> Vec<u64> {
    let bytes = product(item).saturating_mul(size).max(1);
    let wanted = if item.len() < 2 { CHUNK } else { IMAGE };
    let mut chunk = vec![wanted.div_ceil(bytes)];
    chunk.extend(of_image(item, size));
    chunk
}

/// Chunks of an array whose last two axes are rows and columns.
pub fn of_image(item: &[u64], size: u64) -> Vec<u64> {
    let mut chunk = item.to_vec();
    if product(item).saturating_mul(size) > LARGE {
        let lead = chunk.len().saturating_sub(2);
        for (axis, side) in chunk.iter_mut().enumerate() {
            *side = if axis < lead { 1 } else { (*side).min(SIDE) };
        }
    }
    chunk
}

/// Shards over chunks: rows and columns grow alike, then the axes before them, the last first.
pub fn shard(chunk: &[u64], shape: &[u64], grows: bool, size: u64) -> Vec<u64> {
    let mut shard = chunk.to_vec();
    let images = shard.len().saturating_sub(2);
    let fits = |shard: &[u64]| {
        product(shard).saturating_mul(size) <= SHARD && product(shard) / product(chunk).max(1) <= MOST_CHUNKS
    };
    loop {
        let more = |axis: usize, shard: &[u64]| {
            let endless = grows && axis == 0;
            let covered = !endless && shard[axis] >= shape[axis];
            let mut wider = shard.to_vec();
            wider[axis] *= 2;
            (!covered && fits(&wider)).then_some(wider)
        };
        // Of rows and columns the shorter side goes first.
        let mut axes: Vec<usize> = (images..shard.len()).filter(|axis| !(grows && *axis == 0)).collect();
        axes.sort_by_key(|axis| shard[*axis]);
        axes.extend((0..shard.len()).rev().filter(|axis| *axis < images || (grows && *axis == 0)));
        match axes.into_iter().find_map(|axis| more(axis, &shard)) {
            Some(wider) => shard = wider,
            None => return shard,
        }
    }
}

/// What was asked for over what suits.
///
/// # Errors
/// Sizes that are not one an axis, or shards that hold no whole chunks.
pub fn choose(
    asked: (Option<&[u64]>, &Shards),
    own: Vec<u64>,
    (shape, grows, size): (&[u64], bool, u64),
    sharded: bool,
) -> Result<Layout> {
    let axes = own.len();
    let fitting = |sides: &[u64], option: &str| {
        if sides.len() == axes {
            return Ok(());
        }
        let axis = |n: usize| if n == 1 { "axis" } else { "axes" };
        let (given, suits) = (sides.len(), own.as_slice());
        let problem =
            format!("{sides:?} is of {given} {}, and the array has {axes} {}", axis(given), axis(axes));
        let remedy = format!("Give a size an axis, for example {option} {suits:?}");
        Err(Error::conflict(problem, remedy).at(format!("zarr({option})")))
    };
    let bounded = |sides: &[u64], option: &str, most: u64| {
        let bytes = product(sides).saturating_mul(size);
        if bytes <= most {
            return Ok(());
        }
        let must = format!("at most {most} bytes in one: these would take {bytes}");
        Err(Error::invalid(format!("{sides:?}"), must).at(format!("zarr({option})")))
    };
    let chunk = match asked.0 {
        None => own.clone(),
        Some(chunk) => {
            fitting(chunk, "CHUNKS")?;
            // A chunk is not longer than its axis, unless that grows.
            let sides = chunk.iter().zip(shape).enumerate();
            let chunk: Vec<u64> = sides
                .map(|(axis, (side, all))| if grows && axis == 0 { *side } else { (*side).min(*all) })
                .collect();
            bounded(&chunk, "CHUNKS", MOST_BYTES)?;
            chunk
        }
    };
    let shard = match asked.1 {
        Shards::Auto if sharded => Some(shard(&chunk, shape, grows, size)),
        Shards::Auto | Shards::None => None,
        Shards::Sides(sides) => {
            fitting(sides, "SHARDS")?;
            if sides.iter().zip(&chunk).any(|(outer, inner)| outer % inner != 0) {
                let problem = format!("shards of {sides:?} over chunks of {chunk:?}");
                let whole: Vec<u64> =
                    sides.iter().zip(&chunk).map(|(outer, inner)| outer.next_multiple_of(*inner)).collect();
                let remedy = format!(
                    "A shard holds whole chunks: give multiples of their sizes, for example {whole:?}"
                );
                return Err(Error::conflict(problem, remedy).at("zarr(SHARDS)"));
            }
            Some(sides.clone())
        }
    };
    Ok(Layout { chunk, shard })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_share_chunks_images_stand_alone_and_large_ones_are_cut() {
        assert_eq!(of_rows(&[1024], 4), [256, 1024]);
        assert_eq!(of_rows(&[3, 128, 128], 4), [1, 3, 128, 128]);
        assert_eq!(of_rows(&[32, 32], 1), [16, 32, 32]);
        assert_eq!(of_rows(&[13, 2048, 2048], 4), [1, 1, 512, 512]);
        assert_eq!(of_rows(&[], 8), [131_072]);
        assert_eq!(of_image(&[1, 20_000, 300], 4), [1, 512, 300]);
    }

    #[test]
    fn a_shard_holds_whole_chunks_of_some_64_mib() {
        assert_eq!(shard(&[256, 1024], &[0, 1024], true, 4), [16_384, 1024]);
        assert_eq!(shard(&[1, 512, 512], &[1, 20_000, 20_000], false, 4), [1, 4096, 4096]);
        assert_eq!(shard(&[1, 70, 130], &[3, 70, 130], false, 4), [4, 70, 130]);
        let asked: (Option<&[u64]>, &Shards) = (Some(&[1, 64, 64]), &Shards::Sides(vec![1, 128, 64]));
        let own = vec![1, 100, 100];
        let made = choose(asked, own.clone(), (&[1, 100, 100], false, 4), true).unwrap();
        assert_eq!((made.chunk, made.shard), (vec![1, 64, 64], Some(vec![1, 128, 64])));
        let uneven = Shards::Sides(vec![1, 100, 64]);
        assert!(choose((asked.0, &uneven), own.clone(), (&[1, 100, 100], false, 4), true).is_err());
        assert!(choose((Some(&[2]), &Shards::Auto), own, (&[1, 100, 100], false, 4), true).is_err());
    }
}
