//! What functions share: texts of parameters, and values that several of them read and write.

pub mod catalog_crs;
pub mod catalogs;
pub mod cells;
pub mod crs;

pub mod extents;
pub mod options;
pub mod paths;
pub mod pixels;
pub mod registries;
pub mod remedies;
pub mod row_scan;
pub mod shapes;
pub mod slice_value;
pub mod stitching;
pub mod windows;
