//! The map: geometries, footprints and shapes, from one CRS to another, and the cells and blocks that they lie in.

pub mod apart;
pub mod block;
pub mod cells;
pub mod cover;
pub mod footprint;
pub mod geometry;
pub mod neighbours;
pub mod onto;
pub mod project;
pub mod shape;
pub mod sphere;

pub use footprint::Footprint;
pub use project::{project, run_on};
pub use shape::Shape;
