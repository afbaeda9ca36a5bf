//! Stitching: many patches into one field, or into a few numbers.

pub mod moments;
pub mod sketch;
pub mod statistics;
