//! Memory that is asked for: the system may have none, which must be an error and not the end of the process.

use std::sync::OnceLock;

use crate::dtype::Pixel;
use crate::error::{Cause, Error, Result, mib};

static LIMIT: OnceLock<fn() -> usize> = OnceLock::new();

/// Has this tell, in bytes, what may be asked for at once.
pub fn limit_by(of: fn() -> usize) {
    let _ = LIMIT.set(of);
}

/// What may be asked for at once, in bytes: what the query in work may use in all.
pub fn limit() -> usize {
    LIMIT.get().map_or(usize::MAX, |of| of())
}

/// So many pixels of no value yet, in memory that was asked for: the system may have none, which must not end the process.
/// `what` says what they are.
///
/// # Errors
/// [`Error::NoRoom`].
pub fn room<T: Pixel>(count: usize, what: impl Fn() -> String) -> Result<Vec<T>> {
    let bytes = count.saturating_mul(size_of::<T>());
    if bytes < ASKED_BYTES {
        return Ok(vec![T::default(); count]);
    }
    check(bytes, &what)?;
    let mut pixels = Vec::new();
    let refused = |e| Error::NoRoom { what: what(), needed: bytes as u64, reason: Cause::of(e) };
    pixels.try_reserve_exact(count).map_err(refused)?;
    pixels.resize(count, T::default());
    Ok(pixels)
}

/// Whether a library below can have so many bytes now, which would end the process where there are none.
///
/// # Errors
/// [`Error::NoRoom`].
pub fn ask_room(bytes: usize, what: impl Fn() -> String) -> Result<()> {
    if bytes < ASKED_BYTES {
        return Ok(());
    }
    check(bytes, &what)?;
    let mut room: Vec<u8> = Vec::new();
    let refused = |e| Error::NoRoom { what: what(), needed: bytes as u64, reason: Cause::of(e) };
    room.try_reserve_exact(bytes).map_err(refused)
}

/// The system lends more than there is: what the query may use in all is known.
fn check(bytes: usize, what: impl Fn() -> String) -> Result<()> {
    let most = limit();
    if bytes <= most {
        return Ok(());
    }
    let reason = format!("the query may use {} MiB", mib(most as u64)).into();
    Err(Error::NoRoom { what: what(), needed: bytes as u64, reason })
}

/// What is taken without asking: less than anything that could be given back.
const ASKED_BYTES: usize = 1 << 20;
