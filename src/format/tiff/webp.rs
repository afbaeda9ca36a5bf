//! WebP, an image of three or four bands a block.

use std::io::Cursor;

use image_webp::WebPDecoder;

use super::codec::{Shape, Unpack, short};
use crate::memory::{ask_room, room};

/// Red, green and blue; alpha is the fourth.
const COLORS: usize = 3;

/// A block, whose image is unpacked with its first rows.
pub(super) fn parts(shape: Shape) -> Result<Box<dyn Unpack>, String> {
    match shape.samples {
        3 | 4 => Ok(Box::new(Parts { shape, image: None, given: 0 })),
        samples => Err(format!("WebP has 3 or 4 bands, and the raster has {samples}")),
    }
}

struct Parts {
    shape: Shape,
    image: Option<Vec<u8>>,
    /// Bytes of the image that were taken.
    given: usize,
}

impl Unpack for Parts {
    fn fill(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize, String> {
        let taken = if self.image.is_none() { input.len() } else { 0 };
        let image = match &mut self.image {
            Some(image) => image,
            none => none.insert(unpack(input, self.shape)?),
        };
        let end = self.given.saturating_add(out.len());
        let rows = image.get(self.given..end).ok_or_else(|| short(end - image.len()))?;
        out.copy_from_slice(rows);
        self.given = end;
        Ok(taken)
    }
}

fn unpack(input: &[u8], shape: Shape) -> Result<Vec<u8>, String> {
    let mut decoder = WebPDecoder::new(Cursor::new(input)).map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions();
    // Its own header could ask for any size.
    if width as usize != shape.width || height as usize > shape.height {
        let (rows, cols) = (shape.height, shape.width);
        return Err(format!(
            "its image has {height} rows and {width} columns, and the block {rows} and {cols}"
        ));
    }
    let pixels = width as usize * height as usize;
    let bands = if decoder.has_alpha() { COLORS + 1 } else { COLORS };
    if bands > shape.samples {
        return Err("its image has an alpha band, and the raster has none".into());
    }
    // The decoder has four bytes a pixel of its own, and whoever asked has the block twice.
    let all = pixels.saturating_mul(4 + bands + 3 * shape.samples);
    ask_room(all, || "an image and what it is unpacked in".into()).map_err(|error| error.to_string())?;
    let mut image = room(pixels * bands, || "a block".into()).map_err(|error| error.to_string())?;
    decoder.read_image(&mut image).map_err(|error| error.to_string())?;
    if bands == shape.samples {
        return Ok(image);
    }
    // An alpha band that is full everywhere is left out of the image.
    let opaque = image.chunks_exact(COLORS).flat_map(|color| color.iter().copied().chain([u8::MAX]));
    Ok(opaque.collect())
}
