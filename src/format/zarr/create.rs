//! New arrays: chunks packed by zarrs, on several threads, and laid into files of their own or into shards.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use zarrs::array::{
    Array, ArrayBytes, ArrayBytesOffsets, ArrayMetadata, ArrayMetadataV3, ArrayToBytesCodecTraits,
    CodecOptions,
};
use zarrs::storage::store::MemoryStore;

use crate::dtype::{Dtype, Nodata, Pixel, Pixels};
use crate::dtype::{with_dtype, with_pixels};
use crate::error::{Cause, Error, ReasonResult, Result};
use crate::format::zarr::chunks::contain;
use crate::format::zarr::document::{Document, Kind, Spec};
use crate::workers;

/// Values of a block of an array, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Numbers.
    Pixels(Pixels),
    /// A byte each: 0 or 1.
    Bools(Vec<u8>),
    /// Texts.
    Texts(Vec<String>),
}

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Values::Pixels(pixels) => pixels.len(),
            Values::Bools(values) => values.len(),
            Values::Texts(values) => values.len(),
        }
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What an array of them is.
    pub fn kind(&self) -> Kind {
        match self {
            Values::Pixels(pixels) => Kind::Number(with_pixels!(pixels, values => dtype_of(values))),
            Values::Bools(_) => Kind::Bool,
            Values::Texts(_) => Kind::Text,
        }
    }
}

fn dtype_of<T: Pixel>(_: &[T]) -> Dtype {
    T::DTYPE
}

/// How chunks of an array become bytes.
struct Encoder {
    chunk: Array<MemoryStore>,
    sides: Vec<NonZeroU64>,
    options: CodecOptions,
}

fn array(document: &Value) -> ReasonResult<Array<MemoryStore>> {
    contain(|| {
        let metadata: ArrayMetadataV3 = serde_json::from_value(document.clone()).map_err(Cause::of)?;
        let store = Arc::new(MemoryStore::default());
        Array::new_with_metadata(store, "/", ArrayMetadata::V3(metadata)).map_err(Cause::of)
    })
}

fn sides(chunk: &[u64]) -> ReasonResult<Vec<NonZeroU64>> {
    let sides: Option<Vec<NonZeroU64>> = chunk.iter().map(|side| NonZeroU64::new(*side)).collect();
    sides.ok_or_else(|| "a chunk without values".into())
}

impl Encoder {
    fn new(document: &Value, chunk: &[u64]) -> ReasonResult<Encoder> {
        let options = CodecOptions::default().with_concurrent_target(1);
        Ok(Encoder { chunk: array(document)?, sides: sides(chunk)?, options })
    }

    fn encode(&self, values: ArrayBytes<'_>) -> ReasonResult<Vec<u8>> {
        contain(|| {
            let (kind, fill) = (self.chunk.data_type(), self.chunk.fill_value());
            let packed = self.chunk.codecs().encode(values, &self.sides, kind, fill, &self.options);
            Ok(packed.map_err(Cause::of)?.into_owned())
        })
    }

    /// A chunk, or `None` where it holds nothing but the fill value.
    fn chunk(&self, values: &Values, sparse: bool) -> ReasonResult<Option<Vec<u8>>> {
        let bytes = match values {
            Values::Pixels(pixels) => with_pixels!(pixels, values => bytemuck::cast_slice::<_, u8>(values)),
            Values::Bools(values) => values,
            Values::Texts(texts) => {
                if sparse && texts.iter().all(String::is_empty) {
                    return Ok(None);
                }
                let mut offsets = vec![0];
                let mut length = 0;
                offsets.extend(texts.iter().map(|text| {
                    length += text.len();
                    length
                }));
                let offsets = ArrayBytesOffsets::new(offsets).map_err(Cause::of)?;
                let bytes = texts.concat().into_bytes();
                return self.encode(ArrayBytes::new_vlen(bytes, offsets).map_err(Cause::of)?).map(Some);
            }
        };
        let fill = self.chunk.fill_value().as_ne_bytes();
        if sparse && bytes.chunks_exact(fill.len()).all(|value| value == fill) {
            return Ok(None);
        }
        self.encode(ArrayBytes::new_flen(Cow::Borrowed(bytes))).map(Some)
    }
}

/// A shard under way: where in it each of its chunks lies.
struct Shard {
    length: u64,
    index: Vec<u64>,
}

/// A chunk on its way: where it begins, and its bytes once they are packed.
type Job = (Vec<u64>, Option<Vec<u8>>);

/// Chunks that are packed before they are written, for each thread.
const LOT: usize = 4;

/// An array whose chunks are written, in whatever order.
pub struct ArrayWriter {
    spec: Spec,
    folder: PathBuf,
    encoder: Encoder,
    shards: BTreeMap<Vec<u64>, Shard>,
    threads: usize,
}

impl ArrayWriter {
    /// A new array below the root of a store.
    ///
    /// # Errors
    /// Chunks that zarrs cannot pack.
    pub fn new(root: &Path, spec: Spec, threads: usize) -> Result<ArrayWriter> {
        let encoder = Encoder::new(&spec.of_chunk(), &spec.chunk).map_err(|reason| {
            Error::Bug(format!("zarrs does not take the array \"{}\": {reason}", spec.name))
        })?;
        let folder = root.join(&spec.name);
        Ok(ArrayWriter { spec, folder, encoder, shards: BTreeMap::new(), threads })
    }

    /// What the array is.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    fn unwritable(&self, reason: impl Into<Cause>) -> Error {
        Error::unwritable(self.folder.display().to_string(), reason)
    }

    /// Writes a block, which begins where chunks do and ends where they do, or where the array does.
    ///
    /// # Errors
    /// The disk is full, say.
    pub fn write(&mut self, start: &[u64], sides: &[u64], values: &Values) -> Result<()> {
        let counts: Vec<u64> =
            sides.iter().zip(&self.spec.chunk).map(|(side, chunk)| side.div_ceil(*chunk)).collect();
        let total: u64 = counts.iter().product();
        let mut done = 0;
        while done < total {
            let lot = (total - done).min((LOT * self.threads.max(1)) as u64);
            let mut jobs: Vec<Job> = (done..done + lot).map(|at| (unravel(at, &counts), None)).collect();
            let fill = self.spec.nodata;
            let sparse = self.spec.is_sparse();
            workers::each(&mut jobs, self.threads, |(index, packed)| {
                let corner: Vec<u64> = index.iter().zip(&self.spec.chunk).map(|(i, side)| i * side).collect();
                let chunk = cut(values, sides, &corner, &self.spec.chunk, fill);
                *packed = self.encoder.chunk(&chunk, sparse).map_err(|reason| self.unwritable(reason))?;
                Ok(())
            })?;
            for (index, packed) in jobs {
                let first = start.iter().zip(&self.spec.chunk).map(|(start, side)| start / side);
                let index: Vec<u64> = index.iter().zip(first).map(|(i, first)| i + first).collect();
                if let Some(packed) = packed {
                    self.put(&index, &packed)?;
                }
            }
            done += lot;
        }
        Ok(())
    }

    /// Lays the bytes of a chunk where they belong.
    fn put(&mut self, chunk: &[u64], packed: &[u8]) -> Result<()> {
        let Some(shard) = &self.spec.shard else {
            let path = self.folder.join(self.spec.key(chunk));
            let made = path.parent().map_or(Ok(()), fs::create_dir_all);
            return made.and_then(|()| fs::write(&path, packed)).map_err(|e| self.unwritable(e));
        };
        let counts: Vec<u64> =
            shard.iter().zip(&self.spec.chunk).map(|(outer, inner)| outer / inner).collect();
        let file: Vec<u64> = chunk.iter().zip(&counts).map(|(index, count)| index / count).collect();
        let inside = chunk.iter().zip(&counts).fold(0, |at, (index, count)| at * count + index % count);
        let path = self.folder.join(self.spec.key(&file));
        let known = self.shards.entry(file).or_insert_with(|| {
            let slots = 2 * counts.iter().product::<u64>() as usize;
            Shard { length: 0, index: vec![u64::MAX; slots] }
        });
        let slot = 2 * inside as usize;
        if let Some(slots) = known.index.get_mut(slot..slot + 2) {
            slots.copy_from_slice(&[known.length, packed.len() as u64]);
        }
        known.length += packed.len() as u64;
        append(&path, packed).map_err(|e| self.unwritable(e))
    }

    /// Ends the shards with their indices.
    ///
    /// # Errors
    /// The disk is full, say.
    pub fn finish(self) -> Result<Spec> {
        let Some(shard) = &self.spec.shard else { return Ok(self.spec) };
        let counts: Vec<u64> =
            shard.iter().zip(&self.spec.chunk).map(|(outer, inner)| outer / inner).collect();
        let shape: Vec<u64> = counts.iter().copied().chain([2]).collect();
        let encoder =
            Encoder::new(&Spec::of_index(&counts), &shape).map_err(|reason| self.unwritable(reason))?;
        for (file, known) in &self.shards {
            let bytes = ArrayBytes::new_flen(Cow::Borrowed(bytemuck::cast_slice::<u64, u8>(&known.index)));
            let packed = encoder.encode(bytes).map_err(|reason| self.unwritable(reason))?;
            append(&self.folder.join(self.spec.key(file)), &packed).map_err(|e| self.unwritable(e))?;
        }
        Ok(self.spec)
    }
}

fn append(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::options().create(true).append(true).open(path)?.write_all(bytes)
}

/// The indices along each axis of the `at`-th of so many.
fn unravel(mut at: u64, counts: &[u64]) -> Vec<u64> {
    let mut index = vec![0; counts.len()];
    for (index, count) in index.iter_mut().zip(counts).rev() {
        *index = at % count;
        at /= count;
    }
    index
}

/// A chunk out of a block; what lies beyond the block is fill.
fn cut(values: &Values, sides: &[u64], corner: &[u64], chunk: &[u64], fill: Option<Nodata>) -> Values {
    match values {
        Values::Pixels(pixels) => Values::Pixels(with_pixels!(pixels, values => {
            Pixel::pixels(part(values, sides, corner, chunk, &fill_of(values, fill)))
        })),
        Values::Bools(values) => Values::Bools(part(values, sides, corner, chunk, &0)),
        Values::Texts(values) => Values::Texts(part(values, sides, corner, chunk, &String::new())),
    }
}

fn fill_of<T: Pixel>(_: &[T], fill: Option<Nodata>) -> T {
    fill.and_then(T::nodata).unwrap_or_default()
}

fn part<T: Clone>(values: &[T], sides: &[u64], corner: &[u64], chunk: &[u64], fill: &T) -> Vec<T> {
    let (Some(row), Some(width), Some(from)) = (chunk.last(), sides.last(), corner.last()) else {
        return values.to_vec();
    };
    let rows: u64 = chunk[..chunk.len() - 1].iter().product();
    let mut out = Vec::with_capacity((rows * row) as usize);
    for at in 0..rows {
        let index = unravel(at, &chunk[..chunk.len() - 1]);
        let there: Vec<u64> = index.iter().zip(corner).map(|(at, corner)| at + corner).collect();
        let length =
            if there.iter().zip(sides).all(|(at, side)| at < side) { (*row).min(width - from) } else { 0 };
        let first = there.iter().zip(sides).fold(0, |sum, (at, side)| sum * side + at) * width + from;
        let first = first as usize;
        if length > 0 {
            out.extend_from_slice(&values[first..first + length as usize]);
        }
        out.extend(std::iter::repeat_n(fill.clone(), (row - length) as usize));
    }
    out
}

/// Writes documents into a folder, each whole.
///
/// # Errors
/// The disk is full, say.
pub fn write_documents(folder: &Path, documents: &[Document]) -> Result<()> {
    let unwritable = |e: std::io::Error| Error::unwritable(folder.display().to_string(), e);
    fs::create_dir_all(folder).map_err(unwritable)?;
    for (key, document) in documents {
        let text = serde_json::to_string_pretty(document).map_err(|e| Error::Bug(e.to_string()))?;
        fs::write(folder.join(key), text).map_err(unwritable)?;
    }
    Ok(())
}

/// No pixels of a type.
pub fn no_pixels(dtype: Dtype) -> Pixels {
    with_dtype!(dtype, T => <T as Pixel>::pixels(Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_cut_out_of_its_block_and_filled_beyond() {
        let values: Vec<u8> = (0..12).collect();
        assert_eq!(part(&values, &[3, 4], &[0, 0], &[2, 2], &9), [0, 1, 4, 5]);
        assert_eq!(part(&values, &[3, 4], &[2, 2], &[2, 4], &99), [10, 11, 99, 99, 99, 99, 99, 99]);
        assert_eq!(part(&values, &[12], &[8], &[8], &99)[3..5], [11, 99]);
        assert_eq!(part(&[7u8], &[], &[], &[], &0), [7]);
        let cube: Vec<u8> = (0..24).collect();
        assert_eq!(part(&cube, &[2, 3, 4], &[1, 1, 2], &[2, 2, 2], &0), [18, 19, 22, 23, 0, 0, 0, 0]);
    }
}
