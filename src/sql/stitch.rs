//! Stitching and statistics. Many patches into one field, or into a few numbers.

// The aggregate `stitch` stands in its own file, as every function.
#![allow(clippy::module_inception)]

group! {
    "Stitching and statistics";
    aggregate stitch::Stitch,
    scalar geo_stitch_list::GeoStitchList,
    scalar geo_taper::GeoTaper,
    aggregate stats::Stats,
}
