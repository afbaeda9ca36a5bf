//! A canvas into a GeoTIFF, whole or as its strips are done.

use std::sync::Arc;

use crate::affine::Affine;
use crate::dtype::with_dtype;
use crate::dtype::{Dtype, Pixel, Pixels};
use crate::error::{Error, Result};
use crate::format::gdal::create::{self, Draft, Head, Layout};
use crate::stitch::canvas::Canvas as StitchCanvas;
use crate::stitch::field::{Field, Strip};
use crate::stitch::tile::{ROWS, Told};
use crate::write::pack::Packing;
use crate::write::patches::Target;
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
        let Packing { dtype, nodata, masked, scaling, .. } = self.packing;
        let (names, tags) = (&self.names, &self.tags);
        Ok(Head { dtype, bands, height, width, transform, crs, nodata, masked, scaling, names, tags })
    }
}

/// Writes a canvas where `staging` leads, on one thread where it is not `alone`.
///
/// # Errors
/// As [`Options::head`], a CRS that PROJ does not know, or a file that cannot be written, which leaves what was there.
pub fn write(staging: Staging, canvas: &Canvas, options: &Options, alone: bool) -> Result<()> {
    let head = options.head(canvas.shape, canvas.transform, canvas.crs.as_deref())?;
    let threads = if alone { options.layout.threads } else { 1 };
    let layout = Layout { threads, ..options.layout.clone() };
    create::whole(&staging.path(), &head, &canvas.pixels, canvas.valid.as_deref(), &layout)?;
    staging.commit()
}

/// The most pixels of a canvas of patches: a file of more would be written for hours.
const MOST: usize = 1 << 38;

/// A file that takes strips: a draft of blocks beside it, of which it is made at the end.
pub struct Strips {
    staging: Staging,
    options: Arc<Options>,
    draft: Option<Draft>,
}

impl Strips {
    /// # Errors
    /// A canvas of more than two axes, which a GeoTIFF does not have, or of too many pixels.
    pub fn new(staging: Staging, canvas: &StitchCanvas, options: Arc<Options>) -> Result<Strips> {
        if !canvas.lead.is_empty() {
            let problem = format!("a canvas {canvas} in a GeoTIFF");
            return Err(Error::conflict(
                problem,
                "Its axes are rows and columns; other axes may be its bands",
            ));
        }
        if canvas.pixels() > MOST {
            let problem = format!("a canvas {canvas} in one file, which may have {MOST} pixels");
            return Err(Error::conflict(problem, "Write a file for each part of it"));
        }
        Ok(Strips { staging, options, draft: None })
    }

    fn head<'a>(&'a self, field: &'a Field) -> Result<Head<'a>> {
        let canvas = &field.plan().canvas;
        let shape = [field.out_bands(), canvas.height, canvas.width];
        self.options.head(shape, canvas.transform, canvas.crs.as_deref())
    }

    fn band<T: Pixel>(
        &self,
        draft: &mut Draft,
        (band, row): (usize, usize),
        width: usize,
        strip: &Strip,
    ) -> Result<()> {
        let values = strip.values.iter().zip(&strip.laid).map(|(value, laid)| laid.then_some(*value));
        let pixels = self.options.packing.pack::<T>(values)?;
        draft.write(band, row, width, T::pixels(pixels))
    }
}

impl Target for Strips {
    fn strip(&mut self, field: &Field, index: usize) -> Result<()> {
        let mut draft = match self.draft.take() {
            Some(draft) => draft,
            None => Draft::new(&self.staging.beside("draft.tif"), &self.head(field)?)?,
        };
        let (row, width) = (index * ROWS, field.plan().canvas.width);
        let Packing { dtype, nodata, masked, .. } = self.options.packing;
        let mut strip = Strip::default();
        let mut valid: Option<Vec<bool>> = None;
        for band in 0..field.out_bands() {
            // What was never written is no pixel in the file either.
            if !field.lies_on((band, 0), index) && nodata.is_some() {
                continue;
            }
            field.strip((band, 0), index, Told::Value, &mut strip);
            with_dtype!(dtype, T => self.band::<T>(&mut draft, (band, row), width, &strip))?;
            if masked {
                match &valid {
                    Some(first) if *first != strip.laid => return Err(differing_masks()),
                    _ => valid = Some(strip.laid.clone()),
                }
            }
        }
        if let Some(valid) = valid {
            let valid = valid.iter().map(|valid| if *valid { 255 } else { 0 }).collect();
            draft.write_mask(row, width, valid)?;
        }
        self.draft = Some(draft);
        Ok(())
    }

    fn finish(mut self: Box<Self>, field: &Field) -> Result<()> {
        let draft = self.draft.take();
        let head = self.head(field)?;
        if let Some(draft) = draft {
            draft.finish(&self.staging.path(), &head, &self.options.layout)?;
        }
        self.staging.commit()
    }
}

/// One mask serves all bands.
pub fn differing_masks() -> Error {
    let problem = "bands that are NULL at different pixels, for which a file has one mask";
    Error::conflict(problem, "Name a value that no pixel has by NODATA").at("geotiff(MASK)")
}
