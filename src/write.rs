//! Writing: fields into files, which appear whole or not at all.
//!
//! `geotiff`, `zarr`, `npy` and `png` are formats, `patches` the field that patches make as they come; `pack` makes pixels of numbers, and
//! `staging` puts the file in its place.

pub mod geotiff;
pub mod npy;
pub mod pack;
pub mod patches;
pub mod png;
pub mod staging;
pub mod zarr;
