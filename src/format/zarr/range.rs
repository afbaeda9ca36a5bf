//! Ranges of a store's keys.

use std::ops::Range;

use zarrs::storage::StorageError;
use zarrs::storage::byte_range::ByteRange;

/// What one read may take: a chunk, encoded, or a document.
pub(crate) const MAX_READ_BYTES: u64 = 2 << 30;
/// Where a range of a key of `size` bytes lies.
///
/// # Errors
/// It goes beyond the end, or is longer than any chunk may be.
pub(crate) fn checked_range(name: &str, range: &ByteRange, size: u64) -> Result<Range<u64>, StorageError> {
    let span = range.start(size)..range.end(size);
    if span.start > span.end || span.end > size {
        return Err(format!("{name} ends after {size} bytes").into());
    }
    if span.end - span.start > MAX_READ_BYTES {
        return Err(format!("{name} is above {} MiB", MAX_READ_BYTES >> 20).into());
    }
    Ok(span)
}
