//! geoquilt
pub mod affine;
pub mod bbox;
pub mod catalog;
pub mod crs;
pub mod dtype;
pub mod error;
pub mod files;
pub mod format;
pub mod grid;
pub mod interval;
pub mod read;
pub mod window;
pub mod workers;
