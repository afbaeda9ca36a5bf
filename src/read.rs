//! Reads: windows of rasters and hyperslabs of array files into arrays.
//!
//! `source` reads each raster's header once, `block_cache` decodes each block once.
//! `patch` copies a window out of blocks, `plan` many windows, and `stream` reads windows ahead of whoever takes them;
//! `steps` are the bands of one time.
//! `warp` brings a band onto a slice's grid, `globe` keeps it whole around the globe, `mosaic` merges files there, `series`
//! lines them up in time. `axis` finds the indices that a selection names, `array` reads them out of `array_handles`,
//! `array_stream` one after another, and `values` makes numbers of what is stored. `gaps` are the runs of pixels without one,
//! `within` those outside of a shape.

pub mod array;
pub mod array_handles;
pub mod array_plan;
pub mod array_slice;
pub mod array_stream;
pub mod axis;
pub mod block_cache;
pub mod gaps;
pub mod globe;
pub mod mosaic;
pub mod patch;
pub mod placement;
pub mod plan;
pub mod resample;
pub mod scene;
pub mod select;
pub mod series;
pub mod source;
pub mod steps;
pub mod stream;
pub mod values;
pub mod warp;
pub mod within;

/// Blocks of a job that its worker holds for the reader, in bytes; what is more must come from the cache.
pub const HELD_BYTES: usize = 32 << 20;
