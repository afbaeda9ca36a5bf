//! The codecs of TIFF that the libtiff inside GDAL was built without: ZSTD, LZMA, WebP, and all of LERC.
//!
//! libtiff lets a program add codecs, and calls them through pointers in the middle of its struct of an open file. That
//! struct is not public: where the pointers stand was taken from the libtiff of this very GDAL (Cargo.lock pins it), and
//! a file whose pointers are not libtiff's own defaults is refused before one of them is changed. With them everything
//! that GDAL reads through libtiff is unpacked: sources of a VRT, masks, overviews, bands side by side, either byte order.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};

use gdal::errors::GdalError;

use crate::dtype::Dtype;
use crate::error::Cause;
use crate::format::tiff::codec::{Shape, Unpack, Within};
use crate::format::tiff::{CODECS, Codec};
use crate::projection::library;

pub(super) type Tiff = c_void;
pub(super) type Word = *const c_void;
type Init = unsafe extern "C" fn(*mut Tiff, c_int) -> c_int;

// The libtiff inside GDAL, whose names GDAL prefixes.
unsafe extern "C" {
    fn gdal_TIFFRegisterCODEC(number: u16, name: *const c_char, init: Init) -> *mut c_void;
    fn gdal_TIFFPredictorInit(tiff: *mut Tiff) -> c_int;
    fn gdal_TIFFPredictorCleanup(tiff: *mut Tiff) -> c_int;
    fn gdal__TIFFSetDefaultCompressionState(tiff: *mut Tiff);
    fn gdal_TIFFGetField(tiff: *mut Tiff, tag: u32, ...) -> c_int;
    fn gdal_TIFFIsTiled(tiff: *mut Tiff) -> c_int;
    fn gdal_TIFFErrorExtR(tiff: *mut Tiff, module: *const c_char, format: *const c_char, ...);
    fn gdal__TIFFNoPreCode(tiff: *mut Tiff, sample: u16) -> c_int;
    fn gdal__TIFFNoRowDecode(tiff: *mut Tiff, out: *mut u8, size: isize, sample: u16) -> c_int;
    fn gdal__TIFFNoRowEncode(tiff: *mut Tiff, out: *mut u8, size: isize, sample: u16) -> c_int;
    fn gdal__TIFFNoStripDecode(tiff: *mut Tiff, out: *mut u8, size: isize, sample: u16) -> c_int;
    fn gdal__TIFFNoStripEncode(tiff: *mut Tiff, out: *mut u8, size: isize, sample: u16) -> c_int;
    fn gdal__TIFFNoTileDecode(tiff: *mut Tiff, out: *mut u8, size: isize, sample: u16) -> c_int;
    fn gdal__TIFFNoTileEncode(tiff: *mut Tiff, out: *mut u8, size: isize, sample: u16) -> c_int;
    fn gdal__TIFFNoSeek(tiff: *mut Tiff, rows: u32) -> c_int;
    fn gdal__TIFFDefaultStripSize(tiff: *mut Tiff, size: u32) -> u32;
    fn gdal__TIFFDefaultTileSize(tiff: *mut Tiff, width: *mut u32, height: *mut u32);
}

const IMAGE_WIDTH: u32 = 256;
const IMAGE_HEIGHT: u32 = 257;
const BITS: u32 = 258;
const SAMPLES: u32 = 277;
const ROWS_PER_STRIP: u32 = 278;
const PLANAR: u32 = 284;
const TILE_WIDTH: u32 = 322;
const TILE_HEIGHT: u32 = 323;
const FORMAT: u32 = 339;
const LERC_PARAMETERS: u32 = 50674;

/// libtiff's `struct tiff` from `tif_fixuptags` on, as far as a codec needs it.
#[repr(C)]
pub(super) struct Hooks {
    _fix_tags: Word,
    _set_up_decode: Word,
    before_decode: Word,
    _set_up_encode: Word,
    _encode_status: c_int,
    _before_encode: Word,
    pub(super) after_encode: Word,
    decode_row: Word,
    encode_row: Word,
    decode_strip: Word,
    pub(super) encode_strip: Word,
    decode_tile: Word,
    pub(super) encode_tile: Word,
    _close: Word,
    seek: Word,
    clean_up: Word,
    strip_size: Word,
    tile_size: Word,
    data: *mut c_void,
    _row_bytes: isize,
    _row_skew: isize,
    /// Room for a block that is packed.
    pub(super) raw: *mut u8,
    pub(super) raw_size: isize,
    _raw_offset: isize,
    _raw_loaded: isize,
    /// What is still packed, and how many bytes it has.
    raw_here: *mut u8,
    pub(super) raw_left: isize,
}

/// Where they begin, and where two of them stand in libtiff's own headers.
const HOOKS: usize = 928;
const _: () =
    assert!(HOOKS + offset_of!(Hooks, decode_row) == 984 && HOOKS + offset_of!(Hooks, raw_left) == 1136);

/// What libtiff keeps for us with an open file.
#[repr(C)]
struct State {
    /// libtiff's `TIFFPredictorState`, which must come first.
    predictor: [u64; 16],
    codec: &'static Codec,
    block: Option<Box<dyn Unpack>>,
}

/// Adds the codecs. Must run once, before GDAL opens a file.
pub(crate) fn install() {
    for codec in CODECS.iter().filter(|codec| codec.parts.is_some()) {
        register(codec.number, codec.name, begin);
    }
}

/// Puts a codec before those of libtiff.
pub(super) fn register(number: u16, name: &str, begin: Init) {
    if let Ok(name) = CString::new(name) {
        // SAFETY: libtiff copies the name; the function lives as long as the process.
        unsafe { gdal_TIFFRegisterCODEC(number, name.as_ptr(), begin) };
    }
}

/// # Safety
/// The pointer is to libtiff's struct of an open file, which nobody else uses meanwhile.
pub(super) unsafe fn hooks<'a>(tiff: *mut Tiff) -> &'a mut Hooks {
    // SAFETY: the struct is longer than that, and aligned to words.
    unsafe { &mut *tiff.cast::<u8>().add(HOOKS).cast::<Hooks>() }
}

/// Whether the pointers are where they are expected: libtiff gives a file its own before it asks a codec for others.
pub(super) fn are_defaults(hooks: &Hooks) -> bool {
    hooks.before_decode == gdal__TIFFNoPreCode as Word
        && hooks.decode_row == gdal__TIFFNoRowDecode as Word
        && hooks.encode_row == gdal__TIFFNoRowEncode as Word
        && hooks.decode_strip == gdal__TIFFNoStripDecode as Word
        && hooks.encode_strip == gdal__TIFFNoStripEncode as Word
        && hooks.decode_tile == gdal__TIFFNoTileDecode as Word
        && hooks.encode_tile == gdal__TIFFNoTileEncode as Word
        && hooks.seek == gdal__TIFFNoSeek as Word
        && hooks.strip_size == gdal__TIFFDefaultStripSize as Word
        && hooks.tile_size == gdal__TIFFDefaultTileSize as Word
}

/// Gives a file one of our codecs.
unsafe extern "C" fn begin(tiff: *mut Tiff, number: c_int) -> c_int {
    // SAFETY: libtiff calls with a file that it is opening.
    let hooks = unsafe { hooks(tiff) };
    let codec = CODECS.iter().find(|codec| c_int::from(codec.number) == number);
    let Some(codec) = codec.filter(|_| are_defaults(hooks)) else { return 0 };
    hooks.data = Box::into_raw(Box::new(State { predictor: [0; 16], codec, block: None })).cast();
    hooks.before_decode = before_block as Word;
    for hook in [&mut hooks.decode_row, &mut hooks.decode_strip, &mut hooks.decode_tile] {
        *hook = decode as Word;
    }
    hooks.clean_up = clean_up as Word;
    if codec.predicted {
        // SAFETY: the file's data begins with the room that a predictor needs.
        unsafe { gdal_TIFFPredictorInit(tiff) };
    }
    1
}

/// # Safety
/// As of [`hooks`], of a file that [`begin`] saw.
unsafe fn state<'a>(tiff: *mut Tiff) -> Option<&'a mut State> {
    // SAFETY: `begin` put it there, and `clean_up` takes it away.
    unsafe { hooks(tiff).data.cast::<State>().as_mut() }
}

unsafe extern "C" fn before_block(tiff: *mut Tiff, _: u16) -> c_int {
    // SAFETY: libtiff calls with a file that `begin` saw, here and below.
    if let Some(state) = unsafe { state(tiff) } {
        state.block = None;
    }
    1
}

unsafe extern "C" fn decode(tiff: *mut Tiff, out: *mut u8, size: isize, _: u16) -> c_int {
    // SAFETY: as in `before_block`.
    let (hooks, state) = unsafe { (hooks(tiff), state(tiff)) };
    let (Some(state), Ok(size), Ok(left)) = (state, usize::try_from(size), usize::try_from(hooks.raw_left))
    else {
        return 0;
    };
    // SAFETY: libtiff gives a buffer of that size, which is written before it is read, and the bytes that are left.
    let (input, out) = unsafe {
        out.write_bytes(0, size);
        let input = if left == 0 { &[] } else { std::slice::from_raw_parts(hooks.raw_here, left) };
        (input, std::slice::from_raw_parts_mut(out, size))
    };
    let fill = || {
        let block = match &mut state.block {
            Some(block) => block,
            none => {
                let parts = state.codec.parts.ok_or("no codec")?;
                none.insert(parts(shape(tiff))?)
            }
        };
        block.fill(input, out)
    };
    match contain(fill) {
        Ok(taken) => {
            // SAFETY: no more is taken than there is.
            hooks.raw_here = unsafe { hooks.raw_here.add(taken.min(left)) };
            hooks.raw_left = left.saturating_sub(taken) as isize;
            1
        }
        Err(reason) => {
            out.fill(0);
            tell(tiff, state.codec.name, &reason);
            0
        }
    }
}

unsafe extern "C" fn clean_up(tiff: *mut Tiff) {
    // SAFETY: as in `before_block`; what `begin` put there goes back once.
    unsafe {
        let Some(state) = state(tiff) else { return };
        if state.codec.predicted {
            gdal_TIFFPredictorCleanup(tiff);
        }
        let hooks = hooks(tiff);
        drop(Box::from_raw(hooks.data.cast::<State>()));
        hooks.data = std::ptr::null_mut();
        gdal__TIFFSetDefaultCompressionState(tiff);
    }
}

/// A panic must not reach libtiff.
fn contain<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the codec failed".into()))
}

thread_local! {
    /// Why the last block on this thread could not be unpacked: GDAL keeps only that libtiff failed.
    static REASON: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Forgets what a codec said before.
pub(crate) fn forget() {
    REASON.take();
}

/// Why GDAL could not read: what a codec said of it, or GDAL itself.
pub(crate) fn cause(error: GdalError, path: &str) -> Cause {
    match REASON.take() {
        Some(reason) => Cause::worded(reason, error),
        None => library::cause(error, path),
    }
}

/// GDAL hears of it as of an error of libtiff's own.
fn tell(tiff: *mut Tiff, codec: &str, reason: &str) {
    REASON.set(Some(format!("its {codec} block: {reason}")));
    let text = |text: &str| CString::new(text.replace('\0', " ")).unwrap_or_default();
    let (codec, reason) = (text(codec), text(reason));
    // SAFETY: the texts live for the call, and the format asks for one.
    unsafe { gdal_TIFFErrorExtR(tiff, codec.as_ptr(), c"%s".as_ptr(), reason.as_ptr()) };
}

/// A field of 32 bits.
fn number(tiff: *mut Tiff, tag: u32) -> Option<c_int> {
    let mut value: c_int = 0;
    // SAFETY: libtiff writes a number of 32 bits for each tag that this is called with.
    (unsafe { gdal_TIFFGetField(tiff, tag, &raw mut value) } != 0).then_some(value)
}

/// A field of 16 bits.
fn short(tiff: *mut Tiff, tag: u32) -> Option<u16> {
    let mut value: u16 = 0;
    // SAFETY: libtiff writes a number of 16 bits for each tag that this is called with.
    (unsafe { gdal_TIFFGetField(tiff, tag, &raw mut value) } != 0).then_some(value)
}

fn is_tiled(tiff: *mut Tiff) -> bool {
    // SAFETY: of an open file.
    unsafe { gdal_TIFFIsTiled(tiff) != 0 }
}

/// What a block unpacks to.
fn shape(tiff: *mut Tiff) -> Shape {
    let side = |tag| number(tiff, tag).map_or(0, |side| side as u32 as usize);
    let (width, height) = match is_tiled(tiff) {
        true => (side(TILE_WIDTH), side(TILE_HEIGHT)),
        // A file of one strip may leave the number of its rows out, which then is the largest of 32 bits.
        false => (side(IMAGE_WIDTH), side(ROWS_PER_STRIP).min(side(IMAGE_HEIGHT))),
    };
    let apart = short(tiff, PLANAR) == Some(2);
    let samples = if apart { 1 } else { short(tiff, SAMPLES).map_or(1, usize::from) };
    Shape { width, height, samples, dtype: dtype(tiff), within: within(tiff) }
}

/// What a sample is.
fn dtype(tiff: *mut Tiff) -> Option<Dtype> {
    Some(match (short(tiff, FORMAT).unwrap_or(1), short(tiff, BITS)?) {
        (1, 8) => Dtype::UInt8,
        (1, 16) => Dtype::UInt16,
        (1, 32) => Dtype::UInt32,
        (1, 64) => Dtype::UInt64,
        (2, 8) => Dtype::Int8,
        (2, 16) => Dtype::Int16,
        (2, 32) => Dtype::Int32,
        (2, 64) => Dtype::Int64,
        (3, 32) => Dtype::Float32,
        (3, 64) => Dtype::Float64,
        _ => return None,
    })
}

/// What LERC's blobs are packed in: the second of its parameters.
fn within(tiff: *mut Tiff) -> Within {
    let (mut n, mut values): (u32, *const u32) = (0, std::ptr::null());
    // SAFETY: libtiff gives a count and a list of so many numbers of 32 bits, which is its own.
    let added = unsafe {
        let told = gdal_TIFFGetField(tiff, LERC_PARAMETERS, &raw mut n, &raw mut values) != 0;
        if told && n >= 2 && !values.is_null() { *values.add(1) } else { 0 }
    };
    match added {
        1 => Within::Deflate,
        2 => Within::Zstd,
        _ => Within::Nothing,
    }
}
