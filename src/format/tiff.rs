//! GeoTIFF blocks unpacked without GDAL, in one call a block: its zlib takes twice as long.
//!
//! GDAL says where a block lies and how it is packed. Deflate is unpacked here, as most archives
//! have it; anything else, and whatever looks damaged, is left to GDAL, whose answer or message then counts.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

use crate::dtype::{Dtype, Pixel, Pixels, room};
use crate::files::remote::RemoteFile;
use crate::with_dtype;

/// What stands between the unpacked bytes and the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predictor {
    /// Pixels as they are.
    None,
    /// Each pixel is its difference from the left one (TIFF 6.0, section 14).
    Horizontal,
    /// Each row is differenced byte by byte, and stored by planes of bytes (TIFF Technical Note 3).
    Float,
}

impl Predictor {
    /// By the number of the TIFF tag.
    pub fn of(number: &str) -> Option<Predictor> {
        match number {
            "1" => Some(Predictor::None),
            "2" => Some(Predictor::Horizontal),
            "3" => Some(Predictor::Float),
            _ => None,
        }
    }
}

/// A little-endian GeoTIFF of deflated blocks, each of one band or of all of them pixel by pixel.
pub struct Deflated {
    path: String,
    /// Behind a URL.
    remote: Option<Arc<RemoteFile>>,
    predictor: Predictor,
    /// With its size; opened with the first block: a catalog reads none.
    file: OnceLock<Option<(File, u64)>>,
}

/// One block: where it lies in the file, and what it unpacks to.
#[derive(Debug, Clone, Copy)]
pub struct Packed {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its bytes, packed.
    pub size: usize,
    /// What it holds.
    pub dtype: Dtype,
    /// Bands that lie together in it.
    pub samples: usize,
    /// Rows and columns of the block.
    pub block: (usize, usize),
    /// Rows that are stored: the last strip ends with the raster, the rest is zero.
    pub rows: usize,
}

impl Deflated {
    /// The blocks of a file.
    pub fn new(path: &str, predictor: Predictor, remote: Option<Arc<RemoteFile>>) -> Deflated {
        Deflated { path: path.into(), remote, predictor, file: OnceLock::new() }
    }

    /// The pixels of a block, row-major, of those of its bands that are wanted, from 0; `None` leaves it to GDAL.
    pub fn read(&self, packed: &Packed, wanted: &[usize]) -> Option<Vec<Pixels>> {
        if let Some(remote) = &self.remote {
            let end = packed.offset.checked_add(packed.size as u64).filter(|end| *end <= remote.size())?;
            return unpack(&remote.read(packed.offset..end).ok()?, packed, self.predictor, wanted);
        }
        let open = || {
            let file = File::open(&self.path).ok()?;
            let size = file.metadata().ok()?.len();
            Some((file, size))
        };
        let (file, size) = self.file.get_or_init(open).as_ref()?;
        if packed.offset.checked_add(packed.size as u64)? > *size {
            return None;
        }
        let mut input = room(packed.size, String::new).ok()?;
        file.read_exact_at(&mut input, packed.offset).ok()?;
        unpack(&input, packed, self.predictor, wanted)
    }
}

fn unpack(input: &[u8], packed: &Packed, predictor: Predictor, wanted: &[usize]) -> Option<Vec<Pixels>> {
    let ((height, columns), samples) = (packed.block, packed.samples);
    let width = columns.checked_mul(samples)?;
    let stored = packed.rows.min(height).checked_mul(width)?;
    with_dtype!(packed.dtype, T => {
        let mut pixels: Vec<T> = room(height.checked_mul(width)?, String::new).ok()?;
        let bytes = bytemuck::try_cast_slice_mut::<T, u8>(pixels.get_mut(..stored)?).ok()?;
        let length = bytes.len();
        let (got, code) = zlib_rs::decompress_slice(bytes, input, zlib_rs::InflateConfig::default());
        if code != zlib_rs::ReturnCode::Ok || got.len() != length {
            return None;
        }
        let size = size_of::<T>();
        match predictor {
            Predictor::None => {}
            Predictor::Horizontal => add_left(bytes, size, width, samples)?,
            Predictor::Float => join_planes(bytes, size, width, samples),
        }
        if samples == 1 {
            return (wanted == [0]).then(|| vec![T::pixels(pixels)]);
        }
        let of_band = |band: &usize| (*band < samples).then(|| {
            T::pixels(pixels.chunks_exact(samples).filter_map(|pixel| pixel.get(*band).copied()).collect())
        });
        wanted.iter().map(of_band).collect()
    })
}

/// Undoes [`Predictor::Horizontal`] over rows of `width` values: floats are summed as the whole numbers that their bits
/// are. Of bands that lie together, each is summed by itself.
fn add_left(bytes: &mut [u8], size: usize, width: usize, samples: usize) -> Option<()> {
    macro_rules! sum {
        ($type:ty) => {
            for row in bytemuck::try_cast_slice_mut::<u8, $type>(bytes).ok()?.chunks_exact_mut(width) {
                if samples == 1 {
                    let mut left: $type = 0;
                    for pixel in row {
                        left = left.wrapping_add(*pixel);
                        *pixel = left;
                    }
                    continue;
                }
                let mut left: Vec<$type> = vec![0; samples];
                for pixel in row.chunks_exact_mut(samples) {
                    for (value, left) in pixel.iter_mut().zip(&mut left) {
                        *left = left.wrapping_add(*value);
                        *value = *left;
                    }
                }
            }
        };
    }
    match size {
        1 => sum!(u8),
        2 => sum!(u16),
        4 => sum!(u32),
        8 => sum!(u64),
        _ => return None,
    }
    Some(())
}

/// Undoes [`Predictor::Float`]: the plane of the highest bytes comes first.
fn join_planes(bytes: &mut [u8], size: usize, width: usize, samples: usize) {
    let mut planes = vec![0; width * size];
    let mut left = vec![0u8; samples];
    for row in bytes.chunks_exact_mut(width * size) {
        if samples == 1 {
            let mut left = 0u8;
            for (plane, byte) in planes.iter_mut().zip(&*row) {
                left = left.wrapping_add(*byte);
                *plane = left;
            }
        } else {
            left.fill(0);
            for (planes, bytes) in planes.chunks_exact_mut(samples).zip(row.chunks_exact(samples)) {
                for ((plane, byte), left) in planes.iter_mut().zip(bytes).zip(&mut left) {
                    *left = left.wrapping_add(*byte);
                    *plane = *left;
                }
            }
        }
        for (index, plane) in planes.chunks_exact(width).enumerate() {
            let low_first = size - 1 - index;
            for (pixel, byte) in row.chunks_exact_mut(size).zip(plane) {
                if let Some(to) = pixel.get_mut(low_first) {
                    *to = *byte;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictors_are_undone_row_by_row() {
        let mut bytes = [1, 2, 3, 250, 10, 1];
        add_left(&mut bytes, 1, 3, 1).unwrap();
        assert_eq!(bytes, [1, 3, 6, 250, 4, 5]);
        let mut pairs = [1, 100, 2, 100, 3, 100, 250, 0, 10, 1, 1, 2];
        add_left(&mut pairs, 1, 6, 2).unwrap();
        assert_eq!(pairs, [1, 100, 3, 200, 6, 44, 250, 0, 4, 1, 5, 3]);
        // 1.0f32 and 2.0f32: bytes 3f 80 00 00 and 40 00 00 00, by planes 3f 40 80 00 00 00 00 00, differenced.
        let planes = [0x3fu8, 0x40, 0x80, 0, 0, 0, 0, 0];
        let mut row = planes;
        for i in (1..8).rev() {
            row[i] = planes[i].wrapping_sub(planes[i - 1]);
        }
        join_planes(&mut row, 4, 2, 1);
        assert_eq!(row, [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]);
    }

    #[test]
    fn a_damaged_block_is_left_to_gdal() {
        let packed = Packed { offset: 0, size: 4, dtype: Dtype::UInt8, samples: 1, block: (2, 2), rows: 2 };
        assert_eq!(unpack(&[1, 2, 3, 4], &packed, Predictor::None, &[0]), None);
        assert_eq!(unpack(&[], &packed, Predictor::None, &[0]), None);
    }
}
