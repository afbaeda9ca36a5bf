//! Time as an axis of samples: windows about anchors, weights within them, and steps made one.

pub mod anchors;
pub mod length;
pub mod reduce;
pub mod weights;
pub mod windows;

pub use length::Length;
