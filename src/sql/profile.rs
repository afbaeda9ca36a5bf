//! Profiles. Columns of water: read, brought onto one axis of depths, and laid on a grid.

group! {
    "Profiles";
    table read_profiles::ReadProfiles,
    scalar geo_align_depth::GeoAlignDepth,
    aggregate rasterize_points::RasterizePoints,
}
