//! Zarr: the files in this room alone name zarrs. Versions 2 and 3, consolidated or not, sharded or not, in folders
//! and in zip files; every codec that zarrs has.
//!
//! `store` reads keys, `metadata` turns documents into variables, `chunks` decodes; `document` says of new arrays what they
//! are, `create` writes their chunks, and `reopen` finds both
//! again.

mod chunks;
pub mod create;
pub mod document;
mod metadata;
mod range;
pub mod reopen;
mod store;
mod web;
mod zip;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::dtype::with_dtype;
use crate::dtype::{Pixel, Pixels};
use crate::error::{Cause, Error, ReasonResult, Result};
use crate::files::Sight;
use crate::format::array::{ArrayFile, ArrayHeader};
use crate::format::hyperslab::{Edge, Hyperslab, Run, gather};
use chunks::Chunks;
use metadata::Node;
pub use metadata::Version;
use store::Store;
use zip::Zip;

/// An open store.
pub struct ZarrFile {
    path: String,
    store: Arc<Store>,
    header: Arc<ArrayHeader>,
    /// In the header's order, each with its chunks once they were asked for.
    arrays: Vec<(Node, OnceLock<ReasonResult<Chunks>>)>,
}

/// Opens a store, a folder or a zip file, by reading its documents.
///
/// # Errors
/// [`Error::Unreadable`]: a document is missing or damaged; the store and the document are named.
pub fn open(sight: &Sight) -> Result<ZarrFile> {
    let path = sight.path();
    let unreadable = |reason: Cause| Error::unreadable(path, reason);
    let name = Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or("array");
    // A damaged zip file may have its reader panic.
    let read = || {
        let store = Store::open(sight)?;
        let tree = metadata::read_tree(&store, name)?;
        Ok((store, tree))
    };
    let (store, tree) = chunks::contain(read).map_err(unreadable)?;
    let variables = tree.nodes.iter().map(|node| node.variable.clone()).collect();
    let header = ArrayHeader { driver: "Zarr".into(), variables, attributes: tree.attributes };
    let arrays = tree.nodes.into_iter().map(|node| (node, OnceLock::new())).collect();
    Ok(ZarrFile { path: path.into(), store: Arc::new(store), header: Arc::new(header), arrays })
}

/// Whether a zip file holds a store, whether or not that can be read.
pub fn is_zipped_store(sight: &Sight) -> bool {
    chunks::contain(|| Zip::open(sight.location())).is_ok_and(|zip| zip.is_store())
}

impl ZarrFile {
    fn unreadable(&self, node: &Node, reason: Cause) -> Error {
        Error::values(&self.path, &node.variable.name, reason)
    }

    fn chunks(&self, variable: usize) -> Result<(&Node, &Chunks)> {
        let missing = || Error::Bug(format!("no variable {variable} in \"{}\"", self.path));
        let (node, chunks) = self.arrays.get(variable).ok_or_else(missing)?;
        let chunks = chunks.get_or_init(|| Chunks::new(&self.store, node)).as_ref();
        let unreadable = |reason: &Cause| self.unreadable(node, reason.clone());
        Ok((node, chunks.map_err(unreadable)?))
    }
}

impl ArrayFile for ZarrFile {
    fn path(&self) -> &str {
        &self.path
    }

    fn header(&self) -> &Arc<ArrayHeader> {
        &self.header
    }

    fn read(&self, variable: usize, start: &[u64], count: &[u64], step: &[u64]) -> Result<Pixels> {
        let (node, chunks) = self.chunks(variable)?;
        let Some(dtype) = node.variable.dtype else {
            return Err(self.unreadable(node, "it holds no numbers".into()));
        };
        node.variable.check_slab(start, count, step).map_err(|reason| self.unreadable(node, reason))?;
        let shape = &node.variable.shape;
        let chunk = node.variable.chunk.as_deref().unwrap_or(shape);
        let run = |((&start, &count), &step): ((&u64, &u64), &u64)| vec![Run { start, count, step }];
        let runs: Vec<Vec<Run>> = start.iter().zip(count).zip(step).map(run).collect();
        let slab = Hyperslab::new(shape, chunk, Edge::Whole, &runs)?;
        let decode = |indices: &[u64]| {
            let unreadable =
                |reason: Cause| self.unreadable(node, reason.within(format!("chunk {indices:?}")));
            chunks.decode(indices).map_err(unreadable)
        };
        if slab.is_one_chunk() {
            return decode(&slab.part(0).chunk);
        }
        with_dtype!(dtype, T => gather::<T>(&slab, |indices| decode(indices).map(Arc::new)).map(T::pixels))
    }

    fn state(&self, variable: usize, start: &[u64]) -> Option<u64> {
        let (node, chunks) = self.chunks(variable).ok()?;
        let sides = node.variable.chunk.as_deref().unwrap_or(&[]);
        let indices: Vec<u64> = start.iter().zip(sides).map(|(start, side)| start / side.max(&1)).collect();
        chunks.state(&indices)
    }
}
