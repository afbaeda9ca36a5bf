//! Columns of water: a profile brought onto an axis of depths, and many of them into one raster.

pub mod depth;
pub mod raster;
