//! Writing: fields into files, which appear whole or not at all.

pub mod geotiff;
pub mod staging;
