//! What functions share: texts of parameters, and values that several of them read and write.

pub mod catalog_crs;
pub mod catalogs;
pub mod remedies;
pub mod shapes;
pub mod slice_value;
