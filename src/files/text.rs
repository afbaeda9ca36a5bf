//! Whole text files.

use crate::error::{Cause, Error, Result};
use crate::files::reader::Reader;
use crate::files::sight::{Sight, lower};

/// A text above this many bytes is refused: taken apart it would need many times as much memory.
const MAX_TEXT_BYTES: u64 = 1 << 30;

/// A whole text file.
///
/// # Errors
/// As [`Sight::of`], or a file that is not UTF-8 or above 1 GiB.
pub fn text(path: &str) -> Result<String> {
    use std::io::Read;
    let unreadable = |reason: Cause| Error::unreadable(path, reason);
    let sight = Sight::at(path)?;
    if sight.stamp().size > MAX_TEXT_BYTES {
        return Err(unreadable("it is above 1 GiB: split it, or use Parquet".into()));
    }
    let mut text = String::new();
    let read = Reader::open(sight.location()).and_then(|file| file.cursor().read_to_string(&mut text));
    read.map(|_| text).map_err(|e| unreadable(Cause::worded(lower(&e.to_string()), e)))
}
