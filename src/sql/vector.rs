//! Features and labels. Vector files on a grid, and pixels as features.

group! {
    "Features and labels";
    table read_features::ReadFeatures,
    scalar geo_rasterize::GeoRasterize,
    scalar geo_polygonize::GeoPolygonize,
    scalar geo_zonal_stats::GeoZonalStats,
}
