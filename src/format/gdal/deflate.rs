//! Deflated blocks of the GeoTIFFs that GDAL writes, each packed in one call by zlib-rs: the zlib inside GDAL takes twice as long.
//!
//! libtiff's own codec does everything else, and packs what comes row by row.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::sync::OnceLock;

use zlib_rs::{DeflateConfig, ReturnCode, compress_slice};

use crate::format::gdal::libtiff::{Tiff, Word, are_defaults, hooks, register};

/// The number that TIFF gives the codec.
const NUMBER: u16 = 8;
/// Files are no larger than by zlib at its default of 6.
const LEVEL: i32 = 5;

type Encode = unsafe extern "C" fn(*mut Tiff, *mut u8, isize, u16) -> c_int;
type After = unsafe extern "C" fn(*mut Tiff) -> c_int;

// The libtiff inside GDAL, whose names GDAL prefixes.
unsafe extern "C" {
    fn gdal_TIFFInitZIP(tiff: *mut Tiff, number: c_int) -> c_int;
    fn gdal_TIFFFlushData1(tiff: *mut Tiff) -> c_int;
}

/// What libtiff's codec packs by, and ends a block with.
static OWN: OnceLock<(Encode, After)> = OnceLock::new();

thread_local! {
    /// The file whose block was packed whole, and needs no end.
    static PACKED: Cell<*mut c_void> = const { Cell::new(null_mut()) };
}

/// Puts the codec before libtiff's own. Must run once, before GDAL opens a file.
pub(super) fn install() {
    register(NUMBER, "AdobeDeflate", begin);
}

/// Gives a file libtiff's codec, and its whole blocks to us.
unsafe extern "C" fn begin(tiff: *mut Tiff, number: c_int) -> c_int {
    // SAFETY: libtiff calls with a file that it is opening.
    let known = are_defaults(unsafe { hooks(tiff) });
    // SAFETY: as above; this is what libtiff would have called.
    let begun = unsafe { gdal_TIFFInitZIP(tiff, number) };
    if begun == 0 || !known {
        return begun;
    }
    // SAFETY: as above. The hooks hold functions of these types, which libtiff's codec has just put there.
    unsafe {
        let hooks = hooks(tiff);
        OWN.get_or_init(|| {
            (transmute::<Word, Encode>(hooks.encode_tile), transmute::<Word, After>(hooks.after_encode))
        });
        hooks.encode_strip = pack as Word;
        hooks.encode_tile = pack as Word;
        hooks.after_encode = after as Word;
    }
    begun
}

unsafe extern "C" fn pack(tiff: *mut Tiff, block: *mut u8, size: isize, sample: u16) -> c_int {
    // SAFETY: libtiff calls with a file that `begin` saw, and a block of that size; the room for what is packed is as
    // long as libtiff says, and lies elsewhere.
    let (hooks, input, room) = unsafe {
        let hooks = hooks(tiff);
        let (Ok(size), Ok(length)) = (usize::try_from(size), usize::try_from(hooks.raw_size)) else {
            return 0;
        };
        if block.is_null() || hooks.raw.is_null() {
            return 0;
        }
        let room = std::slice::from_raw_parts_mut(hooks.raw, length);
        (hooks, std::slice::from_raw_parts(block, size), room)
    };
    let packed =
        catch_unwind(AssertUnwindSafe(|| match compress_slice(room, input, DeflateConfig::new(LEVEL)) {
            (packed, ReturnCode::Ok) => Some(packed.len()),
            _ => None,
        }));
    let Ok(Some(length)) = packed else {
        // It does not shrink: libtiff writes it piece by piece.
        // SAFETY: libtiff's own codec with what it was to be called with.
        return OWN.get().map_or(0, |(encode, _)| unsafe { encode(tiff, block, size, sample) });
    };
    hooks.raw_left = length as isize;
    PACKED.set(tiff);
    // SAFETY: the room holds so many bytes.
    unsafe { gdal_TIFFFlushData1(tiff) }
}

unsafe extern "C" fn after(tiff: *mut Tiff) -> c_int {
    if PACKED.replace(null_mut()) == tiff {
        return 1;
    }
    // SAFETY: as in `pack`.
    OWN.get().map_or(0, |(_, after)| unsafe { after(tiff) })
}
