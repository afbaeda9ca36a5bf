//! LERC, a blob of all bands a block, alone or within deflate or ZSTD. The library is the one inside GDAL.
//!
//! GDAL's libtiff has a codec of its own over it, which knows neither ZSTD nor blobs with a mask for each band.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_uint, c_void};

use super::codec::{Shape, Unpack, Within, short};
use super::zstd;
use crate::dtype::Dtype;
use crate::memory::{ask_room, room};

// The LERC inside GDAL, whose names GDAL prefixes.
unsafe extern "C" {
    fn gdal_lerc_decode(
        blob: *const u8,
        size: c_uint,
        valid: *mut u8,
        dims: c_int,
        cols: c_int,
        rows: c_int,
        bands: c_int,
        kind: c_uint,
        out: *mut c_void,
    ) -> c_uint;
}

/// A block, whose blob is unpacked with its first rows.
pub(super) fn parts(shape: Shape) -> Result<Box<dyn Unpack>, String> {
    Ok(Box::new(Parts { shape, image: None, given: 0 }))
}

struct Parts {
    shape: Shape,
    /// With its length in bytes.
    image: Option<(Vec<u64>, usize)>,
    /// Bytes of the image that were taken.
    given: usize,
}

impl Unpack for Parts {
    fn fill(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize, String> {
        let taken = if self.image.is_none() { input.len() } else { 0 };
        let (image, length) = match &mut self.image {
            Some(image) => image,
            none => none.insert(unpack(input, self.shape)?),
        };
        let image = bytemuck::cast_slice::<u64, u8>(image).get(..*length).unwrap_or_default();
        let end = self.given.saturating_add(out.len());
        let rows = image.get(self.given..end).ok_or_else(|| short(end.saturating_sub(image.len())))?;
        out.copy_from_slice(rows);
        self.given = end;
        Ok(taken)
    }
}

/// What the head of a blob says.
#[derive(Debug, Clone, Copy)]
struct Head {
    rows: usize,
    cols: usize,
    /// Values a pixel.
    dims: usize,
    /// LERC's number of their type.
    kind: u32,
    /// Bytes of the blob.
    length: usize,
    /// Its mask is in it, or it needs none; else it has that of the blob before.
    own_mask: bool,
}

fn unpack(input: &[u8], shape: Shape) -> Result<(Vec<u64>, usize), String> {
    let (dtype, kind) =
        shape.dtype.and_then(|dtype| Some((dtype, number(dtype)?))).ok_or("LERC has no such type")?;
    let room = shape.bytes(dtype.size()).ok_or("its block is too large")?;
    // LERC makes a block larger by the heads and the masks of its bands; libtiff leaves as much room for it.
    let most = room.saturating_mul(4) / 3 + 256 * shape.samples;
    // The image, its bands before they lie pixel by pixel, a byte a pixel of the mask, what was packed within, and whoever
    // asked has the block twice.
    let within = if shape.within == Within::Nothing { 0 } else { most };
    let all = room.saturating_mul(5).saturating_add(within);
    ask_room(all, || "a block of LERC's and what it is unpacked in".into()).map_err(|e| e.to_string())?;
    let inner = match shape.within {
        Within::Nothing => None,
        Within::Deflate => Some(inflate(input, most)?),
        Within::Zstd => Some(zstd::bounded(input, most)?),
    };
    let input = inner.as_deref().unwrap_or(input);
    let blobs = heads(input, shape.samples)?;
    let Some(blob) = blobs.first().copied() else { return Err("it holds no blob of LERC's".into()) };
    if blob.kind != kind {
        return Err(format!(
            "its blob has values of LERC's type {}, and the raster is of {dtype}",
            blob.kind
        ));
    }
    if blob.cols != shape.width || blob.rows > shape.height {
        let (rows, cols) = (shape.height, shape.width);
        return Err(format!(
            "its blob has {} rows and {} columns, and the block {rows} and {cols}",
            blob.rows, blob.cols
        ));
    }
    let mut image = zeros(room)?;
    let pixels = blob.rows * blob.cols;
    let size = dtype.size();
    match (blob.dims, blobs.len()) {
        // All bands of a pixel beside each other, under one mask.
        (dims, 1) if dims == shape.samples => {
            let valid = decode(input, blob, 1, bytemuck::cast_slice_mut(&mut image))?;
            let out = bytemuck::cast_slice_mut::<u64, u8>(&mut image);
            for (pixel, _) in out.chunks_exact_mut(size * dims).zip(valid).filter(|(_, valid)| *valid == 0) {
                pixel.chunks_exact_mut(size).for_each(|value| missing(dtype, value));
            }
        }
        // The mask is the alpha band.
        (dims, 1) if dims + 1 == shape.samples && dtype == Dtype::UInt8 => {
            let mut colors = zeros(pixels * dims)?;
            let valid = decode(input, blob, 1, bytemuck::cast_slice_mut(&mut colors))?;
            let colors = bytemuck::cast_slice::<u64, u8>(&colors).chunks_exact(dims);
            let out = bytemuck::cast_slice_mut::<u64, u8>(&mut image).chunks_exact_mut(dims + 1);
            for ((pixel, color), valid) in out.zip(colors).zip(valid) {
                if let Some((alpha, own)) = pixel.split_last_mut() {
                    own.copy_from_slice(color);
                    *alpha = if valid == 0 { 0 } else { u8::MAX };
                }
            }
        }
        (1, bands) if bands == shape.samples => {
            apart(input, &blobs, dtype, bytemuck::cast_slice_mut(&mut image))?
        }
        (dims, bands) => {
            let samples = shape.samples;
            return Err(format!(
                "its blob has {dims} values a pixel in {bands} bands, and the raster {samples}"
            ));
        }
    }
    Ok((image, pixels * shape.samples * size))
}

/// Bands one after another, each with a mask of its own, or with that of the one before.
fn apart(input: &[u8], blobs: &[Head], dtype: Dtype, out: &mut [u8]) -> Result<(), String> {
    let Some(first) = blobs.first() else { return Ok(()) };
    let (pixels, size) = (first.rows * first.cols, dtype.size());
    let (mut rest, mut band) = (input, 0);
    // A mask that was left out is known only to whoever unpacks the bands before.
    for together in blobs.chunk_by(|_, next| !next.own_mask) {
        let length = together.iter().map(|blob| blob.length).sum::<usize>();
        let (part, after) = rest.split_at_checked(length).ok_or_else(|| short(length - rest.len()))?;
        let mut values = zeros(pixels * size * together.len())?;
        let valid = decode(part, *first, together.len(), bytemuck::cast_slice_mut(&mut values))?;
        let bands = bytemuck::cast_slice::<u64, u8>(&values).chunks_exact(pixels * size);
        for (index, values) in bands.take(together.len()).enumerate() {
            let pixels = out.chunks_exact_mut(size * blobs.len()).zip(values.chunks_exact(size)).zip(&valid);
            for ((pixel, value), valid) in pixels {
                if let Some(own) = pixel.chunks_exact_mut(size).nth(band + index) {
                    own.copy_from_slice(value);
                    if *valid == 0 {
                        missing(dtype, own);
                    }
                }
            }
        }
        (rest, band) = (after, band + together.len());
    }
    Ok(())
}

/// The heads of blobs that follow each other, all of one shape; at most one more than `most`.
fn heads(input: &[u8], most: usize) -> Result<Vec<Head>, String> {
    let mut heads: Vec<Head> = Vec::new();
    let mut rest = input;
    while rest.starts_with(KEY) && heads.len() <= most {
        let head = head(rest).ok_or("the head of its blob is damaged")?;
        let shape = |head: &Head| (head.rows, head.cols, head.dims, head.kind);
        if heads.first().is_some_and(|first| shape(first) != shape(&head)) {
            return Err("its blobs have several shapes".into());
        }
        rest = rest.get(head.length..).ok_or_else(|| short(head.length - rest.len()))?;
        heads.push(head);
    }
    Ok(heads)
}

/// What a blob begins with.
const KEY: &[u8] = b"Lerc2 ";

/// Behind the key stand the version, a sum (since version 3), rows, columns, values a pixel (since version 4), how many
/// pixels are valid, the side of small blocks, the length, the type, three doubles, and how many bytes the mask has.
fn head(blob: &[u8]) -> Option<Head> {
    let int = |at: usize| {
        let bytes: [u8; 4] = blob.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(i32::from_le_bytes(bytes)).ok()
    };
    let version = int(KEY.len())?;
    let first = KEY.len() + if version >= 3 { 8 } else { 4 };
    let (rows, cols) = (int(first)?, int(first + 4)?);
    let (dims, more) = if version >= 4 { (int(first + 8)?, first + 12) } else { (1, first + 8) };
    let (valid, length, kind, mask) = (int(more)?, int(more + 8)?, int(more + 12)?, int(more + 40)?);
    let all = rows.checked_mul(cols).filter(|all| *all > 0)?;
    let own_mask = mask > 0 || valid == 0 || valid == all;
    (dims > 0 && length > 0).then_some(Head { rows, cols, dims, kind: kind as u32, length, own_mask })
}

/// Fills `out`, which is aligned to eight bytes, and gives a mask of the pixels.
fn decode(input: &[u8], blob: Head, bands: usize, out: &mut [u8]) -> Result<Vec<u8>, String> {
    let pixels = blob.rows * blob.cols;
    let width = SIZES.get(blob.kind as usize).copied().unwrap_or(usize::MAX);
    let needed = [blob.dims, bands, width].iter().try_fold(pixels, |needed, more| needed.checked_mul(*more));
    if needed.is_none_or(|needed| needed > out.len()) {
        return Err("its blob is larger than the block".into());
    }
    let int = |number: usize| c_int::try_from(number).map_err(|_| "its blob is too large".to_string());
    let size = c_uint::try_from(input.len()).map_err(|_| "its blob is too large")?;
    let (dims, cols, rows, bands) = (int(blob.dims)?, int(blob.cols)?, int(blob.rows)?, int(bands)?);
    let mut valid: Vec<u8> = room(pixels, || "a mask".into()).map_err(|error| error.to_string())?;
    valid.fill(1);
    // SAFETY: the library reads as many bytes as it is told of; there is room for a byte a pixel, and, as was compared
    // above, for all values, which are aligned.
    let state = unsafe {
        gdal_lerc_decode(
            input.as_ptr(),
            size,
            valid.as_mut_ptr(),
            dims,
            cols,
            rows,
            bands,
            blob.kind,
            out.as_mut_ptr().cast(),
        )
    };
    if state == 0 { Ok(valid) } else { Err("its blob is damaged".into()) }
}

/// Room for so many bytes.
fn zeros(bytes: usize) -> Result<Vec<u64>, String> {
    room(bytes.div_ceil(8), || "a block".into()).map_err(|error| error.to_string())
}

/// Bytes of a value of each of LERC's types, by their numbers.
const SIZES: [usize; 8] = [1, 1, 2, 2, 4, 4, 4, 8];

/// LERC's number of a type.
fn number(dtype: Dtype) -> Option<u32> {
    Some(match dtype {
        Dtype::Int8 => 0,
        Dtype::UInt8 => 1,
        Dtype::Int16 => 2,
        Dtype::UInt16 => 3,
        Dtype::Int32 => 4,
        Dtype::UInt32 => 5,
        Dtype::Float32 => 6,
        Dtype::Float64 => 7,
        Dtype::Int64 | Dtype::UInt64 => return None,
    })
}

/// What a mask takes away is NaN; whole numbers have no value for it, and stay.
fn missing(dtype: Dtype, value: &mut [u8]) {
    match dtype {
        Dtype::Float32 => value.copy_from_slice(&f32::NAN.to_ne_bytes()),
        Dtype::Float64 => value.copy_from_slice(&f64::NAN.to_ne_bytes()),
        _ => {}
    }
}

/// At most `most` bytes of a zlib stream, which may hold fewer.
fn inflate(input: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let mut out = room(most, || "a block".into()).map_err(|error| error.to_string())?;
    let (got, code) = zlib_rs::decompress_slice(&mut out, input, zlib_rs::InflateConfig::default());
    let length = got.len();
    if code != zlib_rs::ReturnCode::Ok {
        return Err("its deflated bytes are damaged".into());
    }
    out.truncate(length);
    Ok(out)
}
