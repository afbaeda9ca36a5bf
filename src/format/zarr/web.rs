//! Zarr keys behind a URL. A range of a key is a range of its file; keys cannot be listed.

use std::sync::Arc;

use zarrs::storage::byte_range::{ByteRange, ByteRangeIterator};
use zarrs::storage::{Bytes, MaybeBytesIterator, ReadableStorageTraits, StorageError, StoreKey};

use crate::error::Error;
use crate::files::remote::{self, RemoteFile};
use crate::format::zarr::range::checked_range;

/// Keys under a URL.
pub(crate) struct Web {
    base: String,
}

impl Web {
    /// The store behind a URL.
    pub(crate) fn new(url: &str) -> Web {
        Web { base: url.trim_end_matches('/').to_string() }
    }

    /// The file of a key, or `None` when there is none.
    fn file(&self, key: &StoreKey) -> Result<Option<Arc<RemoteFile>>, StorageError> {
        match remote::open(&format!("{}/{}", self.base, key.as_str())) {
            Ok(file) => Ok(Some(file)),
            Err(Error::Absent { .. }) => Ok(None),
            Err(error) => Err(error.to_string().into()),
        }
    }
}

impl ReadableStorageTraits for Web {
    fn get_partial_many<'a>(
        &'a self,
        key: &StoreKey,
        ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        let Some(file) = self.file(key)? else { return Ok(None) };
        let (name, size) = (key.as_str().to_string(), file.size());
        let ranges: Vec<ByteRange> = ranges.collect();
        // Chunks of one shard are asked for together: neighbours are one request.
        if ranges.len() > 1 {
            let spans = ranges.iter().map(|range| range.start(size)..range.end(size)).collect();
            file.prefetch(spans).map_err(|e| StorageError::from(e.to_string()))?;
        }
        let read = move |range: ByteRange| {
            let span = checked_range(&name, &range, size)?;
            // By pages where it is small, as the index of a shard and its chunks mostly are.
            let mut bytes = vec![0; (span.end - span.start) as usize];
            file.read_at(span.start, &mut bytes).map_err(|e| StorageError::from(e.to_string()))?;
            Ok(Bytes::from(bytes))
        };
        Ok(Some(Box::new(ranges.into_iter().map(read))))
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        Ok(self.file(key)?.map(|file| file.size()))
    }

    fn supports_get_partial(&self) -> bool {
        true
    }
}
