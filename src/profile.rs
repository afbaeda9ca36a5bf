//! Columns of water: profiles out of files, brought onto an axis of depths, and many of them into one raster.

pub mod arrays;
pub mod cast;
pub mod depth;
pub mod pressure;
pub mod raster;
pub mod roles;
pub mod table;
