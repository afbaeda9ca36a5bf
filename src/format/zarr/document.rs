//! New arrays and groups as documents: `zarr.json` of version 3, `.zarray`, `.zattrs`, `.zgroup` and `.zmetadata` of version 2.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use crate::dtype::{Dtype, Nodata};
use crate::format::zarr::metadata::Version;

/// What the values of a new array are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers of a type.
    Number(Dtype),
    /// True and false, a byte each.
    Bool,
    /// Texts of any length.
    Text,
}

/// How the bytes of a chunk are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard.
    Zstd,
    /// Zstandard behind Blosc's shuffle of bytes.
    Blosc,
    /// As they are.
    None,
}

/// How hard Zstandard tries.
const LEVEL: i32 = 3;
const BLOSC_LEVEL: i32 = 5;

/// A new array.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Its path in the store.
    pub name: String,
    /// The specification that its documents follow.
    pub version: Version,
    /// What its values are.
    pub kind: Kind,
    /// Sizes of its dimensions.
    pub shape: Vec<u64>,
    /// Names of its dimensions.
    pub dims: Vec<String>,
    /// Sizes of the chunks that are packed one by one.
    pub chunk: Vec<u64>,
    /// Sizes of the files that hold whole chunks, in version 3; `None` makes a file of each chunk.
    pub shard: Option<Vec<u64>>,
    /// How chunks are packed.
    pub compression: Compression,
    /// The stored value that stands for none: NaN, or one that an attribute tells as well.
    pub nodata: Option<Nodata>,
    /// What it says of itself.
    pub attributes: Map<String, Value>,
}

/// A text under the key of a document.
pub type Document = (String, Value);

fn number(value: Nodata) -> Value {
    match value {
        Nodata::Integer(value) => {
            i64::try_from(value).map_or_else(|_| json!(value as u64), |value| json!(value))
        }
        Nodata::Float(value) if value.is_nan() => json!("NaN"),
        Nodata::Float(value) if value.is_infinite() => {
            json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
        }
        Nodata::Float(value) => json!(value),
    }
}

impl Spec {
    /// Sizes of the files: shards, where there are any.
    pub fn file(&self) -> &[u64] {
        self.shard.as_deref().unwrap_or(&self.chunk)
    }

    /// Chunks that hold nothing but the fill value need not be written. In version 2 a store without a fill value has none
    /// to read instead: xarray takes one for missing values.
    pub fn is_sparse(&self) -> bool {
        self.version == Version::V3 || self.nodata.is_some()
    }

    fn fill(&self) -> Value {
        match (self.kind, self.nodata) {
            (Kind::Bool, _) => json!(false),
            (Kind::Text, _) => json!(""),
            (Kind::Number(_), Some(value)) => number(value),
            (Kind::Number(dtype), None) if dtype.is_float() => json!(0.0),
            (Kind::Number(_), None) => json!(0),
        }
    }

    /// Attributes with the fill value that readers of CF look for.
    fn told(&self) -> Map<String, Value> {
        let mut attributes = self.attributes.clone();
        let Kind::Number(dtype) = self.kind else { return attributes };
        if let (Some(value), Version::V3) = (self.nodata, self.version) {
            match value {
                // NaN needs no word.
                _ if dtype.is_float() && value.f64().is_nan() => {}
                // As xarray writes a float's.
                _ if dtype.is_float() => {
                    let text = BASE64_STANDARD.encode(value.f64().to_le_bytes());
                    attributes.insert("_FillValue".into(), json!(text));
                }
                _ => {
                    attributes.insert("_FillValue".into(), number(value));
                }
            }
        }
        attributes
    }

    /// The codecs of one chunk in version 3.
    fn codecs(&self) -> Value {
        let mut codecs = vec![match self.kind {
            Kind::Text => json!({"name": "vlen-utf8"}),
            Kind::Number(dtype) if dtype.size() > 1 => {
                json!({"name": "bytes", "configuration": {"endian": "little"}})
            }
            _ => json!({"name": "bytes"}),
        }];
        match self.compression {
            Compression::Zstd => {
                codecs.push(json!({"name": "zstd", "configuration": {"level": LEVEL, "checksum": false}}));
            }
            Compression::Blosc => {
                let (typesize, shuffle) =
                    (self.item(), if self.item() > 1 { "shuffle" } else { "noshuffle" });
                codecs.push(json!({"name": "blosc", "configuration": {
                    "cname": "zstd", "clevel": BLOSC_LEVEL, "shuffle": shuffle, "typesize": typesize, "blocksize": 0,
                }}));
            }
            Compression::None => {}
        }
        Value::Array(codecs)
    }

    fn item(&self) -> usize {
        match self.kind {
            Kind::Number(dtype) => dtype.size(),
            Kind::Bool | Kind::Text => 1,
        }
    }

    fn array_3(&self, chunk: &[u64], codecs: &Value) -> Value {
        let data_type = match self.kind {
            Kind::Number(dtype) => dtype.to_string(),
            Kind::Bool => "bool".into(),
            Kind::Text => "string".into(),
        };
        json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": self.shape,
            "data_type": data_type,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": self.fill(),
            "codecs": codecs,
            "attributes": self.told(),
            "dimension_names": self.dims,
            "storage_transformers": [],
        })
    }

    /// The document of an array of one chunk: how it is packed.
    pub(crate) fn of_chunk(&self) -> Value {
        let mut document = self.array_3(&self.chunk, &self.codecs());
        document["shape"] = json!(self.chunk);
        // Axes get their names once all is written.
        document["dimension_names"] = Value::Null;
        document
    }

    /// The document of the index of a shard of so many chunks along each axis.
    pub(crate) fn of_index(counts: &[u64]) -> Value {
        let shape: Vec<u64> = counts.iter().copied().chain([2]).collect();
        json!({
            "zarr_format": 3, "node_type": "array", "shape": shape, "data_type": "uint64",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": u64::MAX, "codecs": index_codecs(), "attributes": {},
        })
    }

    /// What the array's own folder holds beside chunks.
    pub fn documents(&self) -> Vec<Document> {
        match self.version {
            Version::V3 => {
                let codecs = match &self.shard {
                    None => self.codecs(),
                    Some(_) => json!([{"name": "sharding_indexed", "configuration": {
                        "chunk_shape": self.chunk,
                        "codecs": self.codecs(),
                        "index_codecs": index_codecs(),
                        "index_location": "end",
                    }}]),
                };
                vec![("zarr.json".into(), self.array_3(self.file(), &codecs))]
            }
            Version::V2 => {
                let dtype = match self.kind {
                    Kind::Bool => "|b1".to_string(),
                    Kind::Text => "|O".to_string(),
                    Kind::Number(dtype) => {
                        let order = if dtype.size() == 1 { '|' } else { '<' };
                        let letter = match dtype.to_string().chars().next() {
                            Some('u') => 'u',
                            Some('f') => 'f',
                            _ => 'i',
                        };
                        format!("{order}{letter}{}", dtype.size())
                    }
                };
                let compressor = match self.compression {
                    Compression::Zstd => json!({"id": "zstd", "level": LEVEL, "checksum": false}),
                    Compression::Blosc => json!({
                        "id": "blosc", "cname": "zstd", "clevel": BLOSC_LEVEL, "blocksize": 0,
                        "shuffle": i32::from(self.item() > 1),
                    }),
                    Compression::None => Value::Null,
                };
                let filters =
                    if self.kind == Kind::Text { json!([{"id": "vlen-utf8"}]) } else { Value::Null };
                let numbers = matches!(self.kind, Kind::Number(_) | Kind::Bool);
                let fill = if numbers && self.nodata.is_none() { Value::Null } else { self.fill() };
                let array = json!({
                    "zarr_format": 2, "shape": self.shape, "chunks": self.chunk, "dtype": dtype,
                    "compressor": compressor, "fill_value": fill, "order": "C", "filters": filters,
                    "dimension_separator": ".",
                });
                let mut attributes = self.told();
                attributes.insert("_ARRAY_DIMENSIONS".into(), json!(self.dims));
                vec![(".zarray".into(), array), (".zattrs".into(), Value::Object(attributes))]
            }
        }
    }

    /// Whether another's documents are the same once they were written and read.
    pub fn says_the_same(&self, other: &Spec) -> bool {
        let read = |spec: &Spec| {
            let documents = spec.documents().into_iter();
            let texts =
                documents.map(|(_, document)| serde_json::from_str::<Value>(&document.to_string()).ok());
            texts.collect::<Option<Vec<Value>>>()
        };
        self.name == other.name && read(self) == read(other)
    }

    /// The key of a file by its place among the files, below the array's folder.
    pub fn key(&self, index: &[u64]) -> String {
        let numbers: Vec<String> = index.iter().map(u64::to_string).collect();
        match self.version {
            Version::V3 if numbers.is_empty() => "c".into(),
            Version::V3 => format!("c/{}", numbers.join("/")),
            Version::V2 if numbers.is_empty() => "0".into(),
            Version::V2 => numbers.join("."),
        }
    }
}

fn index_codecs() -> Value {
    json!([{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}])
}

/// The documents of a group that holds arrays, those of the arrays in one of them.
pub fn group(version: Version, attributes: &Map<String, Value>, arrays: &[&Spec]) -> Vec<Document> {
    match version {
        Version::V3 => {
            let metadata: Map<String, Value> = arrays
                .iter()
                .flat_map(|spec| {
                    spec.documents().into_iter().map(|(_, document)| (spec.name.clone(), document))
                })
                .collect();
            let group = json!({
                "zarr_format": 3,
                "node_type": "group",
                "attributes": attributes,
                "consolidated_metadata": {"kind": "inline", "must_understand": false, "metadata": metadata},
            });
            vec![("zarr.json".into(), group)]
        }
        Version::V2 => {
            let (own, told) = (json!({"zarr_format": 2}), Value::Object(attributes.clone()));
            let mut metadata = Map::new();
            metadata.insert(".zgroup".into(), own.clone());
            metadata.insert(".zattrs".into(), told.clone());
            for spec in arrays {
                for (key, document) in spec.documents() {
                    metadata.insert(format!("{}/{key}", spec.name), document);
                }
            }
            let consolidated = json!({"zarr_consolidated_format": 1, "metadata": metadata});
            vec![(".zgroup".into(), own), (".zattrs".into(), told), (".zmetadata".into(), consolidated)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ReasonResult;
    use crate::format::zarr::metadata::{Documents, read_tree};

    struct Texts(Vec<Document>);

    impl Documents for Texts {
        fn document(&self, key: &str) -> ReasonResult<Option<Vec<u8>>> {
            let found = self.0.iter().find(|(known, _)| known == key);
            Ok(found.map(|(_, document)| document.to_string().into_bytes()))
        }

        fn folders(&self, _group: &str) -> ReasonResult<Vec<String>> {
            Ok(Vec::new())
        }
    }

    fn spec(version: Version, dtype: Dtype, nodata: Option<Nodata>) -> Spec {
        let mut attributes = Map::new();
        attributes.insert("units".into(), json!("K"));
        Spec {
            name: "sst".into(),
            version,
            kind: Kind::Number(dtype),
            shape: vec![10, 7],
            dims: vec!["y".into(), "x".into()],
            chunk: vec![2, 4],
            shard: (version == Version::V3).then(|| vec![4, 8]),
            compression: Compression::Blosc,
            nodata,
            attributes,
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same_variable_of_both_versions() {
        for version in [Version::V2, Version::V3] {
            for (dtype, nodata) in [
                (Dtype::UInt8, Some(Nodata::Integer(255))),
                (Dtype::UInt64, Some(Nodata::Integer(u64::MAX.into()))),
                (Dtype::Int16, None),
                (Dtype::Float32, Some(Nodata::Float(-9999.0))),
            ] {
                let spec = spec(version, dtype, nodata);
                let texts = Texts(group(version, &Map::new(), &[&spec]));
                let tree = read_tree(&texts, "x").unwrap();
                let variable = &tree.nodes[0].variable;
                assert_eq!(
                    (&variable.name, &variable.dims, &variable.shape),
                    (&spec.name, &spec.dims, &spec.shape)
                );
                assert_eq!((variable.dtype, variable.nodata), (Some(dtype), nodata), "{version:?}");
                assert_eq!(
                    (variable.chunk.as_ref(), variable.unit.as_deref()),
                    (Some(&spec.chunk), Some("K"))
                );
            }
        }
    }
}
