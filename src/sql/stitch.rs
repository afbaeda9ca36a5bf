//! Stitching and statistics. Many patches into one field, or into a few numbers.

// The aggregate `stitch` stands in its own file, as every function.
#![allow(clippy::module_inception)]

group! {
    "Stitching and statistics";
    aggregate stitch::Stitch,
    scalar geo_stitch_list::GeoStitchList,
    scalar geo_taper::GeoTaper,
    aggregate stats::Stats,
    aggregate stats_merge::StatsMerge,
    aggregate patch_stats::PatchStats,
    scalar geo_patch_stats::GeoPatchStats,
    scalar geo_normalise::GeoNormalise,
    scalar geo_denormalise::GeoDenormalise,
}
