//! Stores of Zarr: rows along an axis, one canvas, or the field that patches make.
//!
//! `rows` takes rows as they come, `field` strips of a field; `grid` says where pixels lie, `layout` how large chunks are.

pub mod field;
pub mod grid;
pub mod layout;
pub mod rows;

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::dtype::Nodata;
use crate::error::Result;
use crate::format::zarr::Version;
use crate::format::zarr::create::{ArrayWriter, Values, write_documents};
use crate::format::zarr::document::{Compression, Spec, group};
use crate::write::zarr::layout::Shards;

/// Rows of a column in one chunk.
const COLUMN: u64 = 1 << 16;

/// What a store is asked to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The specification.
    pub version: Version,
    /// How chunks are packed.
    pub compression: Compression,
    /// Sizes of chunks, where they are given.
    pub chunks: Option<Vec<u64>>,
    /// Sizes of files.
    pub shards: Shards,
    /// Names of the axes of pixels.
    pub dims: Option<Vec<String>>,
    /// Names of the bands; none, or one each.
    pub bands: Vec<String>,
    /// What the store says of itself.
    pub tags: Vec<(String, String)>,
    /// Threads that pack.
    pub threads: usize,
}

impl Options {
    /// What the group says.
    pub fn attributes(&self) -> Map<String, Value> {
        let mut told = Map::new();
        told.insert("Conventions".into(), json!("CF-1.11"));
        told.extend(self.tags.iter().map(|(key, value)| (key.clone(), json!(value))));
        told
    }
}

/// A small array that is written in one go.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    /// Its name.
    pub name: String,
    /// Names of its dimensions.
    pub dims: Vec<String>,
    /// Their sizes.
    pub shape: Vec<u64>,
    /// Its values.
    pub values: Values,
    /// The value that stands for none.
    pub nodata: Option<Nodata>,
    /// What it says of itself.
    pub attributes: Map<String, Value>,
}

impl Fixed {
    /// One value, or none that matters.
    pub fn scalar(name: &str, values: Values, attributes: Map<String, Value>) -> Fixed {
        Fixed { name: name.into(), dims: Vec::new(), shape: Vec::new(), values, nodata: None, attributes }
    }

    /// Values along one dimension.
    pub fn along(name: &str, dim: &str, values: Values, attributes: Map<String, Value>) -> Fixed {
        let shape = vec![values.len() as u64];
        Fixed { name: name.into(), dims: vec![dim.into()], shape, values, nodata: None, attributes }
    }

    /// Writes the array below a store's root.
    ///
    /// # Errors
    /// The disk is full, say.
    pub fn write(self, root: &Path, options: &Options) -> Result<Spec> {
        let Fixed { name, dims, shape, values, nodata, attributes } = self;
        let mut chunk = shape.clone();
        if let Some(first) = chunk.first_mut() {
            *first = COLUMN;
        }
        let spec = Spec {
            name,
            version: options.version,
            kind: values.kind(),
            shape: shape.clone(),
            dims,
            chunk,
            shard: None,
            compression: options.compression,
            nodata,
            attributes,
        };
        let mut writer = ArrayWriter::new(root, spec, options.threads)?;
        if !values.is_empty() {
            writer.write(&vec![0; shape.len()], &shape, &values)?;
        }
        writer.finish()
    }
}

/// The coordinate of bands that have names.
pub fn band_names(options: &Options, bands: u64) -> Option<Fixed> {
    let named = !options.bands.is_empty() && options.bands.len() as u64 == bands;
    named.then(|| Fixed::along("band", "band", Values::Texts(options.bands.clone()), Map::new()))
}

/// Writes the documents of a store whose chunks are there: those of its arrays, then its own.
///
/// # Errors
/// The disk is full, say.
pub fn write_store(
    root: &Path,
    version: Version,
    attributes: &Map<String, Value>,
    arrays: &[Spec],
) -> Result<()> {
    let mut sorted: Vec<&Spec> = arrays.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    for spec in &sorted {
        write_documents(&root.join(&spec.name), &spec.documents())?;
    }
    write_documents(root, &group(version, attributes, &sorted))
}
