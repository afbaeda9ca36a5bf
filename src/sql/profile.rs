//! Profiles. Columns of water: brought onto one axis of depths, and laid on a grid.

group! {
    "Profiles";
    scalar geo_align_depth::GeoAlignDepth,
    aggregate rasterize_points::RasterizePoints,
}
