//! GeoTIFF blocks unpacked without GDAL, in one call a block: its zlib takes twice as long, and others it has not.
//!
//! GDAL says where a block lies and how it is packed. Whole bytes in little-endian order are unpacked here; anything else,
//! and whatever looks damaged, is left to GDAL, whose answer or message then counts. It reaches the same codecs through
//! format/gdal/libtiff.

pub(crate) mod codec;
mod deflate;
mod lerc;
mod lzma;
mod predictor;
mod webp;
mod zstd;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

use crate::dtype::with_dtype;
use crate::dtype::{Dtype, Pixel, Pixels};
use crate::files::remote::RemoteFile;
use crate::memory::room;
pub(crate) use codec::Codec;
pub use predictor::Predictor;

/// Every codec.
pub(crate) static CODECS: [Codec; 5] = [
    Codec { name: "DEFLATE", number: 8, whole: Some(deflate::whole), parts: None, predicted: true },
    Codec {
        name: "ZSTD",
        number: 50000,
        whole: Some(zstd::whole),
        parts: Some(zstd::parts),
        predicted: true,
    },
    Codec {
        name: "LZMA",
        number: 34925,
        whole: Some(lzma::whole),
        parts: Some(lzma::parts),
        predicted: true,
    },
    Codec { name: "LERC", number: 34887, whole: None, parts: Some(lerc::parts), predicted: false },
    Codec { name: "WEBP", number: 50001, whole: None, parts: Some(webp::parts), predicted: false },
];

/// A little-endian GeoTIFF whose blocks are packed by one of [`CODECS`], each of one band or of all of them pixel by pixel.
pub struct PackedBlocks {
    path: String,
    /// Behind a URL.
    remote: Option<Arc<RemoteFile>>,
    unpack: fn(&[u8], &mut [u8]) -> Option<()>,
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

impl PackedBlocks {
    /// The blocks of a file; `None` for a codec that packs bands together.
    pub(crate) fn new(
        path: &str,
        codec: &Codec,
        predictor: Predictor,
        remote: Option<Arc<RemoteFile>>,
    ) -> Option<PackedBlocks> {
        Some(PackedBlocks {
            path: path.into(),
            remote,
            unpack: codec.whole?,
            predictor,
            file: OnceLock::new(),
        })
    }

    /// The pixels of a block, row-major, of those of its bands that are wanted, from 0; `None` leaves it to GDAL.
    pub fn read(&self, packed: &Packed, wanted: &[usize]) -> Option<Vec<Pixels>> {
        if let Some(remote) = &self.remote {
            let end = packed.offset.checked_add(packed.size as u64).filter(|end| *end <= remote.size())?;
            return self.unpack(&remote.read(packed.offset..end).ok()?, packed, wanted);
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
        self.unpack(&input, packed, wanted)
    }

    fn unpack(&self, input: &[u8], packed: &Packed, wanted: &[usize]) -> Option<Vec<Pixels>> {
        let ((height, columns), samples) = (packed.block, packed.samples);
        let width = columns.checked_mul(samples)?;
        let stored = packed.rows.min(height).checked_mul(width)?;
        with_dtype!(packed.dtype, T => {
            let mut pixels: Vec<T> = room(height.checked_mul(width)?, String::new).ok()?;
            let bytes = bytemuck::try_cast_slice_mut::<T, u8>(pixels.get_mut(..stored)?).ok()?;
            (self.unpack)(input, bytes)?;
            self.predictor.undo(bytes, size_of::<T>(), width, samples)?;
            if samples == 1 {
                return (wanted == [0]).then(|| vec![T::pixels(pixels)]);
            }
            let of_band = |band: &usize| (*band < samples).then(|| {
                T::pixels(pixels.chunks_exact(samples).filter_map(|pixel| pixel.get(*band).copied()).collect())
            });
            wanted.iter().map(of_band).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::codec::{Shape, Within};
    use super::*;

    /// 600 bytes as each codec packs them.
    fn packed() -> Vec<(&'static Codec, Vec<u8>)> {
        use std::io::Write;
        let bytes = plain();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        zlib.write_all(&bytes).unwrap();
        let webp = {
            let mut image = Vec::new();
            let encoder = image_webp::WebPEncoder::new(&mut image);
            encoder.encode(&bytes, 20, 10, image_webp::ColorType::Rgb8).unwrap();
            image
        };
        let packed = [
            ("DEFLATE", zlib.finish().unwrap()),
            ("ZSTD", ::zstd::bulk::compress(&bytes, 3).unwrap()),
            ("LZMA", liblzma::encode_all(bytes.as_slice(), 6).unwrap()),
            ("WEBP", webp),
        ];
        let codec = |name: &str| CODECS.iter().find(|codec| codec.name == name).unwrap();
        packed.into_iter().map(|(name, bytes)| (codec(name), bytes)).collect()
    }

    fn plain() -> Vec<u8> {
        (0..600u32).map(|i| (i * i / 7) as u8).collect()
    }

    const SHAPE: Shape =
        Shape { width: 20, height: 10, samples: 3, dtype: Some(Dtype::UInt8), within: Within::Nothing };

    /// A block in pieces of `piece` bytes, as libtiff asks for rows.
    fn in_parts(codec: &Codec, input: &[u8], piece: usize, length: usize) -> Option<Result<Vec<u8>, String>> {
        let mut unpack = codec.parts?(SHAPE).unwrap();
        let (mut taken, mut out) = (0, vec![0; length]);
        for part in out.chunks_mut(piece) {
            match unpack.fill(&input[taken..], part) {
                Ok(more) => taken += more,
                Err(reason) => return Some(Err(reason)),
            }
        }
        Some(Ok(out))
    }

    #[test]
    fn a_block_is_what_was_packed_whole_and_bit_by_bit() {
        for (codec, input) in packed() {
            if let Some(whole) = codec.whole {
                let mut out = vec![0; 600];
                whole(&input, &mut out).unwrap();
                assert_eq!(out, plain(), "{}", codec.name);
            }
            for piece in [600, 60, 7] {
                if let Some(got) = in_parts(codec, &input, piece, 600) {
                    assert_eq!(got.unwrap(), plain(), "{} by {piece}", codec.name);
                }
            }
        }
    }

    #[test]
    fn a_block_that_holds_less_than_it_should_is_none() {
        for (codec, input) in packed() {
            if let Some(whole) = codec.whole {
                assert_eq!(whole(&input, &mut [0; 601]), None, "{}", codec.name);
                assert_eq!(whole(&input[..input.len() / 2], &mut [0; 600]), None, "{}", codec.name);
                assert_eq!(whole(&[], &mut [0; 600]), None, "{}", codec.name);
            }
            for (input, length) in [(&input[..], 601), (&input[..input.len() / 2], 600), (&[][..], 600)] {
                let got = in_parts(codec, input, length, length);
                assert!(got.is_none_or(|got| got.is_err()), "{} of {length}", codec.name);
            }
        }
    }

    #[test]
    fn damaged_blocks_end_in_an_error_or_in_pixels() {
        let mut random = crate::random::Pcg64::new(5);
        for (codec, input) in packed() {
            for _ in 0..500 {
                let mut input = input.clone();
                let at = (random.next_u64() % input.len() as u64) as usize;
                input[at] ^= 1 << (random.next_u64() % 8);
                let mut out = vec![0; 600];
                let _ = codec.whole.map(|whole| whole(&input, &mut out));
                let _ = in_parts(codec, &input, 60, 600);
            }
        }
    }

    #[test]
    fn a_block_that_grows_a_thousandfold_takes_no_more_than_its_size() {
        let zeros = vec![0; 64 << 20];
        let bombs = [
            ("ZSTD", ::zstd::bulk::compress(&zeros, 19).unwrap()),
            ("LZMA", liblzma::encode_all(zeros.as_slice(), 1).unwrap()),
        ];
        for (name, bomb) in bombs {
            let codec = CODECS.iter().find(|codec| codec.name == name).unwrap();
            assert_eq!(codec.whole.unwrap()(&bomb, &mut [1; 600]).is_some(), name == "LZMA");
            assert_eq!(in_parts(codec, &bomb, 600, 600), Some(Ok(vec![0; 600])), "{name}");
        }
        assert!(zstd::bounded(&::zstd::bulk::compress(&zeros, 19).unwrap(), 600).is_err());
    }

    #[test]
    fn a_damaged_block_is_left_to_gdal() {
        let packed = Packed { offset: 0, size: 4, dtype: Dtype::UInt8, samples: 1, block: (2, 2), rows: 2 };
        for codec in CODECS.iter().filter(|codec| codec.whole.is_some()) {
            let blocks = PackedBlocks::new("", codec, Predictor::None, None).unwrap();
            assert_eq!(blocks.unpack(&[1, 2, 3, 4], &packed, &[0]), None, "{}", codec.name);
            assert_eq!(blocks.unpack(&[], &packed, &[0]), None, "{}", codec.name);
        }
    }
}
