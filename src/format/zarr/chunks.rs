//! One array's chunks: fetched from the store, checked, and decoded by zarrs.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use zarrs::array::{
    Array, ArrayMetadata, ArrayMetadataV2, ArrayMetadataV3, ArrayShardedReadableExt,
    ArrayShardedReadableExtCache, ArrayToBytesCodecTraits, CodecChain, CodecOptions,
};
use zarrs::metadata::v3::MetadataV3;
use zarrs::storage::{ReadableStorageTraits, StoreKey};

use crate::dtype::with_dtype;
use crate::dtype::{Pixel, Pixels};
use crate::error::{Cause, ReasonResult};
use crate::format::zarr::metadata::{Element, Node, Version};
use crate::format::zarr::store::Store;
use crate::memory::ask_room;

/// A chunk above this many bytes is refused: no real store has one, a damaged document may.
const MAX_CHUNK_BYTES: u64 = 1 << 30;
/// Shard indexes that one array keeps.
const KEPT_INDEXES: usize = 1024;

/// An array that is ready to be read.
pub(crate) struct Chunks {
    array: Array<Store>,
    store: Arc<Store>,
    element: Element,
    /// Sides of the chunks that are decoded one by one: those inside of shards, where there are shards.
    sides: Vec<NonZeroU64>,
    outer: Vec<u64>,
    inner: Option<Inner>,
    options: CodecOptions,
    /// Names of the codecs that turn bytes into bytes, in the order in which they were applied.
    codecs: Vec<String>,
    /// The last of them is bz2, which zarrs does not see: its decoder would take memory for whatever comes out.
    bz2: bool,
}

/// What shards need.
struct Inner {
    chain: CodecChain,
    indexes: ArrayShardedReadableExtCache,
    /// The state of each shard's file when its index was read.
    states: Mutex<HashMap<StoreKey, u64>>,
}

/// Runs zarrs, whose panics over damaged input become errors.
pub(crate) fn contain<T>(work: impl FnOnce() -> ReasonResult<T>) -> ReasonResult<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err("it is damaged in a way that zarrs does not expect".into()))
}

impl Chunks {
    /// # Errors
    /// A document that zarrs refuses, a codec it does not have, chunks too large to decode.
    pub(crate) fn new(store: &Arc<Store>, node: &Node) -> ReasonResult<Chunks> {
        contain(|| {
            let element = node
                .element
                .ok_or_else(|| format!("its type {} is not numbers", node.variable.dtype_name))?;
            let chunk = node.variable.chunk.as_deref().unwrap_or_default();
            let bytes = chunk.iter().try_fold(element.size() as u64, |bytes, &side| bytes.checked_mul(side));
            if bytes.is_none_or(|bytes| bytes > MAX_CHUNK_BYTES) {
                return Err(format!(
                    "its chunks of {chunk:?} {} values are above 1 GiB",
                    node.variable.dtype_name
                )
                .into());
            }
            let codecs = codec_names(node);
            let bz2 = codecs.last().is_some_and(|name| name.ends_with("bz2"));
            let mut document = node.metadata.clone();
            let mut inner_codecs = node.inner_codecs.clone();
            if bz2 {
                // A filter of version 2 may stand last where there is no compressor.
                let packed = document.get("compressor").is_some_and(|compressor| !compressor.is_null());
                let list = match (&mut inner_codecs, node.version) {
                    (Some(inner), _) => Some(inner),
                    (None, Version::V3) => document.get_mut("codecs"),
                    (None, Version::V2) if packed => None,
                    (None, Version::V2) => document.get_mut("filters"),
                };
                match list.and_then(|list| list.as_array_mut()) {
                    Some(list) => drop(list.pop()),
                    None => document["compressor"] = serde_json::Value::Null,
                }
            }
            let metadata = match node.version {
                Version::V2 => parse::<ArrayMetadataV2>(&document).map(ArrayMetadata::V2)?,
                Version::V3 => parse::<ArrayMetadataV3>(&document).map(ArrayMetadata::V3)?,
            };
            let path = format!("/{}", node.path);
            let array = Array::new_with_metadata(store.clone(), &path, metadata).map_err(Cause::of)?;
            let options = CodecOptions::default().with_concurrent_target(1);
            let inner = match &inner_codecs {
                Some(codecs) => {
                    let codecs: Vec<MetadataV3> = parse(codecs)?;
                    let chain = CodecChain::from_metadata(&codecs).map_err(Cause::of)?;
                    let indexes = ArrayShardedReadableExtCache::new(&array);
                    Some(Inner { chain, indexes, states: Mutex::default() })
                }
                None => None,
            };
            let sides = chunk.iter().filter_map(|&side| NonZeroU64::new(side)).collect();
            let store = store.clone();
            Ok(Chunks {
                array,
                store,
                element,
                sides,
                outer: node.outer_chunk.clone(),
                inner,
                options,
                codecs,
                bz2,
            })
        })
    }

    /// The key of the file that a chunk lies in.
    fn key(&self, indices: &[u64]) -> StoreKey {
        match &self.inner {
            None => self.array.chunk_key(indices),
            Some(_) => self.array.chunk_key(&self.shard(indices)),
        }
    }

    /// The shard that a chunk lies in.
    fn shard(&self, indices: &[u64]) -> Vec<u64> {
        let shard = |((index, side), outer): ((&u64, &NonZeroU64), &u64)| index * side.get() / outer;
        indices.iter().zip(&self.sides).zip(&self.outer).map(shard).collect()
    }

    /// What tells one state of a chunk's file from another; `None` where the store itself does.
    pub(crate) fn state(&self, indices: &[u64]) -> Option<u64> {
        self.store.state(&self.key(indices))
    }

    /// One whole chunk, decoded: chunks at the upper edges hold values beyond the array. A chunk that the store
    /// does not have is all fill value.
    ///
    /// # Errors
    /// Its bytes cannot be read or decoded.
    pub(crate) fn decode(&self, indices: &[u64]) -> ReasonResult<Pixels> {
        contain(|| {
            let values = self.sides.iter().map(|side| side.get() as usize).product::<usize>();
            ask_room(2 * values * self.element.size(), || "a chunk and its values".into())?;
            let bytes = match self.encoded(indices)? {
                None => self.array.fill_value().as_ne_bytes().repeat(values),
                Some(encoded) => {
                    self.check(&encoded)?;
                    let all = encoded.len().saturating_add(3 * values * self.element.size());
                    ask_room(all, || "a chunk, packed and unpacked".into())?;
                    let encoded = if self.bz2 { self.bunzip(&encoded)? } else { encoded };
                    let (kind, fill) = (self.array.data_type(), self.array.fill_value());
                    let whole = self.array.codecs();
                    let chain = self.inner.as_ref().map_or(&*whole, |inner| &inner.chain);
                    let decoded = chain.decode(Cow::Owned(encoded), &self.sides, kind, fill, &self.options);
                    let fixed = decoded.map_err(Cause::of)?.into_fixed().map_err(Cause::of)?;
                    fixed.into_owned()
                }
            };
            if bytes.len() != values * self.element.size() {
                let (found, must) = (bytes.len(), values * self.element.size());
                return Err(format!("it has {found} bytes once decoded, and must have {must}").into());
            }
            Ok(pixels(self.element, &bytes))
        })
    }

    fn encoded(&self, indices: &[u64]) -> ReasonResult<Option<Vec<u8>>> {
        let key = self.key(indices);
        let Some(inner) = &self.inner else {
            let Some(size) = self.store.size_key(&key).map_err(Cause::of)? else { return Ok(None) };
            if size > self.most() {
                return Err(format!("{} has {size} bytes, more than any encoding of it", key.as_str()).into());
            }
            return self.store.get(&key).map(|bytes| bytes.map(Vec::from)).map_err(Cause::of);
        };
        if let Some(state) = self.store.state(&key) {
            let mut states = inner.states.lock().unwrap_or_else(PoisonError::into_inner);
            if states.get(&key).is_some_and(|known| *known != state) || states.len() >= KEPT_INDEXES {
                inner.indexes.clear();
                states.clear();
            }
            states.insert(key, state);
        }
        self.array.retrieve_encoded_subchunk(&inner.indexes, indices).map_err(Cause::of)
    }

    /// More bytes than a chunk takes in any encoding, and than a codec may say that it holds.
    fn most(&self) -> u64 {
        let values = self.sides.iter().map(|side| side.get()).product::<u64>();
        2 * values * self.element.size() as u64 + (64 << 10)
    }

    /// What is packed by bz2, which does not say how much it holds.
    fn bunzip(&self, packed: &[u8]) -> ReasonResult<Vec<u8>> {
        let most = self.most();
        ask_room(most as usize, || "a chunk".into())?;
        let mut bytes = Vec::new();
        let unpacked = bzip2::read::MultiBzDecoder::new(packed).take(most + 1).read_to_end(&mut bytes);
        match unpacked {
            Ok(_) if bytes.len() as u64 > most => {
                Err(format!("it holds more than {most} bytes, the most that a chunk can").into())
            }
            Ok(_) => Ok(bytes),
            Err(error) => Err(error.into()),
        }
    }

    /// A damaged header must not have a codec take memory for values that no chunk holds.
    fn check(&self, encoded: &[u8]) -> ReasonResult<()> {
        let says = match self.codecs.iter().rev().find(|name| !name.contains("crc32c")).map(String::as_str) {
            Some(name) if name.ends_with("zstd") => {
                zstd::bulk::Decompressor::upper_bound(encoded).map(|n| n as u64)
            }
            Some(name) if name.ends_with("blosc") => {
                encoded.get(4..8).and_then(|n| n.try_into().ok()).map(u32::from_le_bytes).map(u64::from)
            }
            _ => None,
        };
        match says.filter(|&says| says > self.most()) {
            Some(says) => Err(format!("it says that it holds {says} bytes, more than a chunk can").into()),
            None => Ok(()),
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(document: &serde_json::Value) -> ReasonResult<T> {
    T::deserialize(document).map_err(Cause::of)
}

fn codec_names(node: &Node) -> Vec<String> {
    let name = |codec: &serde_json::Value| {
        let name = codec.get("id").or_else(|| codec.get("name")).unwrap_or(codec);
        name.as_str().map(str::to_string)
    };
    let list = |value: Option<&serde_json::Value>| -> Vec<String> {
        value
            .and_then(|v| v.as_array())
            .map(|list| list.iter().filter_map(name).collect())
            .unwrap_or_default()
    };
    match (&node.inner_codecs, node.version) {
        (Some(inner), _) => list(Some(inner)),
        (None, Version::V3) => list(node.metadata.get("codecs")),
        (None, Version::V2) => {
            let mut names = list(node.metadata.get("filters"));
            names.extend(node.metadata.get("compressor").and_then(name));
            names
        }
    }
}

/// Bytes in the machine's order as values.
fn pixels(element: Element, bytes: &[u8]) -> Pixels {
    let bits = || bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]]));
    match element {
        Element::Number(dtype) => {
            with_dtype!(dtype, T => T::pixels(bytemuck::pod_collect_to_vec::<u8, T>(bytes)))
        }
        Element::Half => Pixels::Float32(bits().map(|bits| half::f16::from_bits(bits).to_f32()).collect()),
        Element::Bfloat => Pixels::Float32(bits().map(|bits| half::bf16::from_bits(bits).to_f32()).collect()),
    }
}
