//! A picture into a PNG.

use crate::dtype::{Dtype, Pixels};
use crate::error::{Error, Result};
use crate::format::gdal::create::{self, Head};
use crate::write::pack::Packing;
use crate::write::staging::Staging;

/// Writes bands of whole numbers where `staging` leads.
///
/// # Errors
/// A side without pixels, more than four bands, or a file that cannot be written.
pub fn write(
    staging: Staging,
    pixels: &Pixels,
    [bands, height, width]: [usize; 3],
    packing: &Packing,
) -> Result<()> {
    if !(1..=4).contains(&bands) || height == 0 || width == 0 {
        let shape = [bands, height, width];
        return Err(Error::invalid(
            format!("a picture of {shape:?}"),
            "1 to 4 bands, and at least one pixel",
        ));
    }
    let head = Head {
        dtype: packing.dtype,
        bands,
        height,
        width,
        transform: None,
        crs: None,
        // A PNG tells the value of a grey picture alone.
        nodata: packing.nodata.filter(|_| bands == 1),
        masked: false,
        scaling: None,
        names: &[],
        tags: &[],
    };
    create::picture(&staging.path(), &head, pixels)?;
    staging.commit()
}

/// # Errors
/// A type that a PNG does not have.
pub fn check(dtype: Dtype) -> Result<()> {
    match dtype {
        Dtype::UInt8 | Dtype::UInt16 => Ok(()),
        other => {
            let problem = format!("pixels of {other} in a PNG, which has uint8 and uint16");
            Err(Error::conflict(problem, "Say DTYPE uint8 or DTYPE uint16, with numbers that fit"))
        }
    }
}
