//! Stores that were written here, to be written on: what their arrays are, and what those hold.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use zarrs::array::{Array, ArrayBytes, ArraySubset, CodecOptions};
use zarrs::filesystem::FilesystemStore;

use crate::dtype::with_dtype;
use crate::dtype::{DTYPES, Dtype, Nodata, Pixel};
use crate::error::{Cause, Error, ReasonResult, Result};
use crate::format::zarr::Version;
use crate::format::zarr::chunks::contain;
use crate::format::zarr::create::Values;
use crate::format::zarr::document::{Compression, Kind, Spec};

/// A store by its documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The specification that it follows.
    pub version: Version,
    /// What it says of itself.
    pub attributes: Map<String, Value>,
    /// Its arrays.
    pub arrays: Vec<Spec>,
}

impl Known {
    /// Reads the documents of a store; `None` where there is no store.
    ///
    /// # Errors
    /// Documents that are damaged, or that say what is not written here.
    pub fn read(root: &Path) -> Result<Option<Known>> {
        let unreadable = |reason: Cause| Error::unreadable(root.display().to_string(), reason);
        let (three, two) = (root.join("zarr.json"), root.join(".zmetadata"));
        let (version, document) = match (json(&three).map_err(unreadable)?, json(&two).map_err(unreadable)?) {
            (Some(document), _) => (Version::V3, document),
            (None, Some(document)) => (Version::V2, document),
            (None, None) => return Ok(None),
        };
        let foreign = |name: &str| {
            let problem = format!("the array \"{name}\" of \"{}\" was not written by COPY", root.display());
            Error::conflict(problem, "Write a new store")
        };
        let arrays = match version {
            Version::V3 => document.pointer("/consolidated_metadata/metadata"),
            Version::V2 => document.get("metadata"),
        };
        let arrays = arrays.and_then(Value::as_object).ok_or_else(|| foreign("/"))?;
        let mut known = Known { version, attributes: Map::new(), arrays: Vec::new() };
        let attributes = match version {
            Version::V3 => document.get("attributes"),
            Version::V2 => arrays.get(".zattrs"),
        };
        known.attributes = attributes.and_then(Value::as_object).cloned().unwrap_or_default();
        for (key, array) in arrays {
            let found = match (version, key.strip_suffix("/.zarray")) {
                (Version::V3, _) => spec_3(key, array),
                (Version::V2, None) => continue,
                (Version::V2, Some(name)) => {
                    spec_2(name, array, arrays.get(&format!("{name}/.zattrs")).unwrap_or(&Value::Null))
                }
            };
            // Whatever else stood in the documents would be lost.
            let same = |spec: &Spec| {
                let written = spec.documents();
                written.iter().all(|(name, document)| match version {
                    Version::V3 => document == array,
                    Version::V2 => arrays.get(&format!("{}/{name}", spec.name)) == Some(document),
                })
            };
            known.arrays.push(found.filter(same).ok_or_else(|| foreign(key))?);
        }
        Ok(Some(known))
    }

    /// An array by its name.
    pub fn array(&self, name: &str) -> Option<&Spec> {
        self.arrays.iter().find(|spec| spec.name == name)
    }
}

fn json(path: &Path) -> ReasonResult<Option<Value>> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(Cause::of),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn numbers(value: &Value) -> Option<Vec<u64>> {
    value.as_array()?.iter().map(Value::as_u64).collect()
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_string)).collect()
}

/// A fill value, where it stands for no value: NaN, or one that `_FillValue` tells too.
fn nodata(fill: &Value, told: bool, kind: Kind) -> Option<Nodata> {
    let Kind::Number(dtype) = kind else { return None };
    if fill == "NaN" {
        return Some(Nodata::Float(f64::NAN));
    }
    if !told {
        return None;
    }
    let infinite = |text: &str| match text {
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    };
    match dtype.is_float() {
        true => fill.as_f64().or_else(|| fill.as_str().and_then(infinite)).map(Nodata::Float),
        false => {
            let whole = fill.as_i64().map(i128::from).or_else(|| fill.as_u64().map(i128::from));
            whole.map(Nodata::Integer)
        }
    }
}

fn spec_3(name: &str, document: &Value) -> Option<Spec> {
    let kind = match document.get("data_type")?.as_str()? {
        "bool" => Kind::Bool,
        "string" => Kind::Text,
        number => Kind::Number(DTYPES.iter().find(|(known, _)| *known == number)?.1),
    };
    let mut attributes = document.get("attributes")?.as_object()?.clone();
    let told = attributes.remove("_FillValue").is_some();
    let file = numbers(document.pointer("/chunk_grid/configuration/chunk_shape")?)?;
    let codecs = document.get("codecs")?.as_array()?;
    let sharding =
        codecs.first()?.get("configuration").filter(|configuration| configuration.get("codecs").is_some());
    let (chunk, shard, codecs) = match sharding {
        Some(sharding) => {
            (numbers(sharding.get("chunk_shape")?)?, Some(file), sharding.get("codecs")?.as_array()?)
        }
        None => (file, None, codecs),
    };
    let compression = match codecs.get(1).and_then(|codec| codec.get("name")).and_then(Value::as_str) {
        None => Compression::None,
        Some("zstd") => Compression::Zstd,
        Some("blosc") => Compression::Blosc,
        Some(_) => return None,
    };
    Some(Spec {
        name: name.into(),
        version: Version::V3,
        kind,
        shape: numbers(document.get("shape")?)?,
        dims: texts(document.get("dimension_names")?)?,
        chunk,
        shard,
        compression,
        nodata: nodata(document.get("fill_value")?, told, kind),
        attributes,
    })
}

fn spec_2(name: &str, document: &Value, attributes: &Value) -> Option<Spec> {
    let kind = match document.get("dtype")?.as_str()?.get(1..)? {
        "b1" => Kind::Bool,
        "O" => Kind::Text,
        "i1" => Kind::Number(Dtype::Int8),
        "u1" => Kind::Number(Dtype::UInt8),
        "i2" => Kind::Number(Dtype::Int16),
        "u2" => Kind::Number(Dtype::UInt16),
        "i4" => Kind::Number(Dtype::Int32),
        "u4" => Kind::Number(Dtype::UInt32),
        "i8" => Kind::Number(Dtype::Int64),
        "u8" => Kind::Number(Dtype::UInt64),
        "f4" => Kind::Number(Dtype::Float32),
        "f8" => Kind::Number(Dtype::Float64),
        _ => return None,
    };
    let mut attributes = attributes.as_object()?.clone();
    let dims = texts(&attributes.remove("_ARRAY_DIMENSIONS")?)?;
    let compression = match document.get("compressor")?.get("id").and_then(Value::as_str) {
        None => Compression::None,
        Some("zstd") => Compression::Zstd,
        Some("blosc") => Compression::Blosc,
        Some(_) => return None,
    };
    Some(Spec {
        name: name.into(),
        version: Version::V2,
        kind,
        shape: numbers(document.get("shape")?)?,
        dims,
        chunk: numbers(document.get("chunks")?)?,
        shard: None,
        compression,
        nodata: nodata(document.get("fill_value")?, true, kind),
        attributes,
    })
}

/// What an array of a store holds from one row of its first axis to another.
///
/// # Errors
/// Chunks that cannot be read.
pub fn read_rows(root: &Path, spec: &Spec, from: u64, to: u64) -> Result<Values> {
    let read = || -> ReasonResult<Values> {
        let store = Arc::new(FilesystemStore::new(root).map_err(Cause::of)?);
        let array = Array::open(store, &format!("/{}", spec.name)).map_err(Cause::of)?;
        let ranges =
            spec.shape.iter().enumerate().map(|(axis, side)| if axis == 0 { from..to } else { 0..*side });
        let ranges: Vec<_> = ranges.collect();
        let options = CodecOptions::default().with_concurrent_target(1);
        let bytes: ArrayBytes<'static> = array
            .retrieve_array_subset_opt(&ArraySubset::new_with_ranges(&ranges), &options)
            .map_err(Cause::of)?;
        Ok(match spec.kind {
            Kind::Number(dtype) => {
                let bytes = bytes.into_fixed().map_err(Cause::of)?;
                Values::Pixels(
                    with_dtype!(dtype, T => <T as Pixel>::pixels(bytemuck::pod_collect_to_vec::<u8, T>(&bytes))),
                )
            }
            Kind::Bool => Values::Bools(bytes.into_fixed().map_err(Cause::of)?.into_owned()),
            Kind::Text => {
                let (bytes, offsets) = bytes.into_variable().map_err(Cause::of)?.into_parts();
                let text = |pair: &[usize]| String::from_utf8_lossy(&bytes[pair[0]..pair[1]]).into_owned();
                Values::Texts(offsets.windows(2).map(text).collect())
            }
        })
    };
    contain(read).map_err(|reason| Error::values(root.display().to_string(), &spec.name, reason))
}
