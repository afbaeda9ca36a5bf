//! One whole canvas into a GeoTIFF.

use crate::affine::Affine;
use crate::dtype::{Dtype, Pixels};
use crate::error::{Error, Result};
use crate::format::gdal::create::{self, Head, Layout};
use crate::write::pack::Packing;
use crate::write::staging::Staging;

/// How pixels are packed, by its name in SQL and in GDAL.
pub const COMPRESSIONS: [(&str, &str); 3] = [("deflate", "DEFLATE"), ("lzw", "LZW"), ("none", "NONE")];

/// How overviews are made, by its name in SQL and in GDAL; `None` chooses by the pixels.
pub const OVERVIEWS: [(&str, Option<&str>); 8] = [
    ("auto", None),
    ("nearest", Some("NEAREST")),
    ("average", Some("AVERAGE")),
    ("mode", Some("MODE")),
    ("bilinear", Some("BILINEAR")),
    ("cubic", Some("CUBIC")),
    ("lanczos", Some("LANCZOS")),
    ("rms", Some("RMS")),
];

/// What a file is asked to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How it is laid out.
    pub layout: Layout,
    /// How numbers become its pixels.
    pub packing: Packing,
    /// Names of the bands; none, or one each.
    pub names: Vec<String>,
    /// What it says of itself.
    pub tags: Vec<(String, String)>,
}

/// How overviews of pixels of a type are made, unless told otherwise: means of floats, single pixels of whole numbers, which
/// may be classes.
pub fn overviews(dtype: Dtype) -> &'static str {
    if dtype.is_float() { "AVERAGE" } else { "NEAREST" }
}

/// Pixels and their georeference.
#[derive(Debug, Clone, PartialEq)]
pub struct Canvas {
    /// In the order [band, row, col].
    pub pixels: Pixels,
    /// 255 where there is a pixel, of one band; where the file has a mask.
    pub valid: Option<Vec<u8>>,
    /// Bands, rows, columns.
    pub shape: [usize; 3],
    /// From pixels to the CRS.
    pub transform: Option<Affine>,
    /// The CRS, as the user names it.
    pub crs: Option<String>,
}

impl Options {
    /// What a file of a shape says of itself.
    ///
    /// # Errors
    /// A side without pixels, or names that are not one a band.
    pub fn head<'a>(
        &'a self,
        shape: [usize; 3],
        transform: Option<Affine>,
        crs: Option<&'a str>,
    ) -> Result<Head<'a>> {
        let most = i32::MAX as usize;
        if shape.iter().any(|side| !(1..=most).contains(side)) {
            return Err(Error::invalid(format!("a canvas of {shape:?}"), "at least one pixel"));
        }
        let [bands, height, width] = shape;
        if !self.names.is_empty() && self.names.len() != bands {
            let problem = format!("{} names for {bands} bands", self.names.len());
            return Err(Error::conflict(problem, "Name each band, or none"));
        }
        let Packing { dtype, nodata, masked, scaling } = self.packing;
        let (names, tags) = (&self.names, &self.tags);
        Ok(Head { dtype, bands, height, width, transform, crs, nodata, masked, scaling, names, tags })
    }
}

/// Writes a canvas where `staging` leads.
///
/// # Errors
/// As [`Options::head`], a CRS that PROJ does not know, or a file that cannot be written, which leaves what was there.
pub fn write(staging: Staging, canvas: &Canvas, options: &Options) -> Result<()> {
    let head = options.head(canvas.shape, canvas.transform, canvas.crs.as_deref())?;
    create::whole(&staging.path(), &head, &canvas.pixels, canvas.valid.as_deref(), &options.layout)?;
    staging.commit()
}
