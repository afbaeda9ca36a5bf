//! What functions that stream pixels say alike: their columns, and the type of the pixels.

use crate::bridge::doc::{Column, Parameter, column, named};

/// The type of the pixels.
pub const DTYPE: Parameter = named(
    "dtype",
    "VARCHAR",
    "the first file's",
    "Type of `data`: the file's own (once scaled, a float), or `float32` or `float64`.",
);
/// The error of a type that does not fit.
pub const DTYPE_AMISS: &str =
    "dtype: not the file's own type and no float; files of one query that differ in type";
/// The pixels.
pub const DATA: Column = column(
    "data",
    "ANY[]",
    "Pixels in the order [band, row, col], in the type of `dtype`; NULL where there is none.",
);
/// Their shape.
pub const SHAPE: Column = column("shape", "INTEGER[]", "Bands, rows, columns of `data`.");
/// Where they lie.
pub const TRANSFORM: Column = column(
    "transform",
    "DOUBLE[]",
    "GDAL's six numbers of the window; NULL when the raster has no geotransform.",
);
/// In what CRS.
pub const CRS: Column = column("crs", "VARCHAR", "CRS of the raster; NULL when it has none.");
/// The error of damaged pixels.
pub const UNDECODED: &str = "pixels that cannot be decoded: the file, the band and the window are named";
