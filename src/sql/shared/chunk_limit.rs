//! What one chunk of a scalar's pixels may take.

use crate::error::{Error, Result};
use crate::limits::Limits;

/// # Errors
/// More bytes than a chunk of a scalar may take.
pub fn check_bytes(what: &str, bytes: usize, limits: &Limits) -> Result<()> {
    if bytes <= limits.chunk {
        return Ok(());
    }
    let mib = |bytes: usize| (bytes as u64).div_ceil(1 << 20);
    let (needed, limit) = (mib(bytes), mib(limits.chunk));
    Err(Error::conflict(
        format!("{what} would take {needed} MiB, above geoquilt_max_chunk_mb = {limit}"),
        format!(
            "Cut it into smaller slices or read fewer rows at once, stream native windows with FROM read_patch('registry.parquet'), or SET geoquilt_max_chunk_mb = {needed}"
        ),
    ))
}
