//! An array into a file of NumPy's.

use std::fs::File;
use std::io::{BufWriter, Write};

use crate::dtype::{Pixel, Pixels, with_pixels};
use crate::error::{Error, Result};
use crate::write::staging::Staging;

/// The header: what the values are and the sizes of the axes, filled up so that values begin at a multiple of 64.
fn header<T: Pixel>(_: &[T], shape: &[usize]) -> Vec<u8> {
    let size = T::DTYPE.size();
    let order = if size == 1 { '|' } else { '<' };
    let letter = match (T::DTYPE.is_float(), T::DTYPE.with_sign(true) == T::DTYPE) {
        (true, _) => 'f',
        (false, true) => 'i',
        (false, false) => 'u',
    };
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if sides.len() == 1 { "," } else { "" };
    let sides = sides.join(", ");
    let told =
        format!("{{'descr': '{order}{letter}{size}', 'fortran_order': False, 'shape': ({sides}{comma}), }}");
    // Ten bytes stand before, and a line break behind.
    let length = (10 + told.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(told.as_bytes());
    bytes.resize(10 + length - 1, b' ');
    bytes.push(b'\n');
    bytes
}

/// Writes values in the order of a shape where `staging` leads.
///
/// # Errors
/// The file cannot be written.
pub fn write(staging: Staging, pixels: &Pixels, shape: &[usize]) -> Result<()> {
    let put = || -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create(staging.path())?);
        with_pixels!(pixels, values => {
            file.write_all(&header(values, shape))?;
            file.write_all(bytemuck::cast_slice(values))?;
        });
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.flush()
    };
    put().map_err(|e| Error::unwritable(staging.target().display().to_string(), e))?;
    staging.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_ends_where_64_bytes_do() {
        for shape in [&[3usize][..], &[1, 2, 3], &[1000, 1000, 1000, 1000]] {
            let bytes = header(&[0u16], shape);
            assert_eq!((bytes.len() % 64, bytes.last()), (0, Some(&b'\n')));
            assert_eq!(usize::from(u16::from_le_bytes([bytes[8], bytes[9]])), bytes.len() - 10);
        }
        assert!(
            String::from_utf8_lossy(&header(&[0f32], &[5]))
                .contains("'<f4', 'fortran_order': False, 'shape': (5,), }")
        );
        assert!(String::from_utf8_lossy(&header(&[0u8], &[1, 2])).contains("'|u1'"));
    }
}
