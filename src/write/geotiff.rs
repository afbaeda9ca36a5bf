//! One whole canvas into a GeoTIFF.

use crate::affine::Affine;
use crate::dtype::{Dtype, Nodata, Pixel, Pixels};
use crate::error::{Error, Result};
use crate::format::gdal::create::{self, Layout, Raster};
use crate::with_dtype;
use crate::write::staging::Staging;

/// How pixels are packed, by its name in SQL and in GDAL.
pub const COMPRESSIONS: [(&str, &str); 3] = [("deflate", "DEFLATE"), ("lzw", "LZW"), ("none", "NONE")];

/// What a file is asked to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// One of [`COMPRESSIONS`], as GDAL names it.
    pub compression: &'static str,
    /// Rows and columns of a block, a multiple of 16.
    pub block: usize,
    /// Names of the bands; none, or one each.
    pub names: Vec<String>,
    /// Threads that compress.
    pub threads: usize,
}

/// Pixels and their georeference.
#[derive(Debug, Clone, PartialEq)]
pub struct Canvas {
    /// In the order [band, row, col].
    pub pixels: Pixels,
    /// Bands, rows, columns.
    pub shape: [usize; 3],
    /// From pixels to the CRS.
    pub transform: Option<Affine>,
    /// The CRS, as the user names it.
    pub crs: Option<String>,
    /// The value of pixels that are none.
    pub nodata: Option<Nodata>,
}

/// The value that stands for no pixel in a file of a type: what is asked for, else NaN in floats.
///
/// # Errors
/// No pixel of the type has the value.
pub fn nodata(dtype: Dtype, asked: Option<Nodata>) -> Result<Option<Nodata>> {
    let float = matches!(dtype, Dtype::Float32 | Dtype::Float64);
    let Some(asked) = asked.or(float.then_some(Nodata::Float(f64::NAN))) else { return Ok(None) };
    let held = with_dtype!(dtype, T => {
        let held = T::nodata(asked);
        // A FLOAT takes the nearest value, which is the one that the file tells.
        let held = held.filter(|value| value.f64().is_infinite() == asked.f64().is_infinite());
        held.map(|value| value.integer().map_or(Nodata::Float(value.f64()), Nodata::Integer))
    });
    let text = match asked {
        Nodata::Float(value) => value.to_string(),
        Nodata::Integer(value) => value.to_string(),
    };
    held.map(Some).ok_or_else(|| Error::invalid(text, format!("a value that pixels of {dtype} can have")))
}

/// A value that is mostly free, to be named where one has to be chosen.
pub fn suggestion(dtype: Dtype) -> i128 {
    match dtype {
        Dtype::Int8 => i8::MIN.into(),
        Dtype::UInt8 => u8::MAX.into(),
        Dtype::Int16 => i16::MIN.into(),
        Dtype::UInt16 => u16::MAX.into(),
        Dtype::UInt32 => u32::MAX.into(),
        Dtype::UInt64 => u64::MAX.into(),
        Dtype::Int32 | Dtype::Int64 | Dtype::Float32 | Dtype::Float64 => i32::MIN.into(),
    }
}

/// Writes a canvas where `staging` leads.
///
/// # Errors
/// A side without pixels, names that are not one a band, a CRS that PROJ does not know, or a file that cannot be
/// written, which leaves what was there.
pub fn write(staging: Staging, canvas: &Canvas, options: &Options) -> Result<()> {
    let [bands, height, width] = canvas.shape;
    let most = i32::MAX as usize;
    if canvas.shape.iter().any(|side| !(1..=most).contains(side)) {
        return Err(Error::invalid(format!("a canvas of {:?}", canvas.shape), "at least one pixel"));
    }
    if !options.names.is_empty() && options.names.len() != bands {
        let problem = format!("{} names for {bands} bands", options.names.len());
        return Err(Error::conflict(problem, "Name each band, or none"));
    }
    let raster = Raster {
        pixels: &canvas.pixels,
        bands,
        height,
        width,
        transform: canvas.transform,
        crs: canvas.crs.as_deref(),
        nodata: canvas.nodata,
        names: &options.names,
    };
    let layout = Layout { compression: options.compression, block: options.block, threads: options.threads };
    create::cog(&staging.path(), &raster, &layout)?;
    staging.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodata_is_a_value_of_the_type() {
        assert_eq!(nodata(Dtype::UInt8, Some(Nodata::Integer(255))).unwrap(), Some(Nodata::Integer(255)));
        assert_eq!(nodata(Dtype::Int16, Some(Nodata::Float(-9999.0))).unwrap(), Some(Nodata::Integer(-9999)));
        assert_eq!(nodata(Dtype::Int16, None).unwrap(), None);
        assert!(nodata(Dtype::Float32, None).unwrap().unwrap().f64().is_nan());
        let nearest = nodata(Dtype::Float32, Some(Nodata::Float(0.1))).unwrap();
        assert_eq!(nearest, Some(Nodata::Float(f64::from(0.1f32))));
        for (dtype, value) in [(Dtype::UInt8, 300.0), (Dtype::Int16, 0.5), (Dtype::Float32, 1e300)] {
            assert!(nodata(dtype, Some(Nodata::Float(value))).is_err(), "{dtype} {value}");
        }
    }
}
