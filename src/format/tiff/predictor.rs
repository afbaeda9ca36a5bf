//! Predictors: what TIFF does to pixels before they are packed.

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

    /// Makes pixels of a block's unpacked bytes, rows of `width` values; `None` for a size that no pixel has.
    pub(super) fn undo(self, bytes: &mut [u8], size: usize, width: usize, samples: usize) -> Option<()> {
        match self {
            Predictor::None => {}
            Predictor::Horizontal => add_left(bytes, size, width, samples)?,
            Predictor::Float => join_planes(bytes, size, width, samples),
        }
        Some(())
    }
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
}
