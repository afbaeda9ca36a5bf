//! Stitching: many patches into one field, or into a few numbers.
//!
//! A `field` is laid of patches on the `canvas`, tile by `tile`, weighted by a `taper`, as far as their `positions` do not say
//! what they weigh; where a double does not hold a sum, it is a `double`. `statistics` are exact `moments` and a `sketch` of ranks,
//! and `counts` of short whole numbers; a `distribution` is what a record keeps of them.

pub mod canvas;
pub mod counts;
pub mod distribution;
pub mod double;
pub mod field;
pub mod moments;
pub mod positions;
pub mod sketch;
pub mod statistics;
pub mod taper;
pub mod tile;
