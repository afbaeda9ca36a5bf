//! Patches and registries. Windows of a grid, dates, and splits that do not leak.

mod array_grid;
mod sampler_arguments;

group! {
    "Patches and registries";
    table geo_patch_grid::GeoPatchGrid,
    table_macro patch_registry,
    table_macro spatial_blocks,
    scalar st_land_fraction::StLandFraction,
    scalar geo_permutation::GeoPermutation,
    scalar geo_windows_overlap::GeoWindowsOverlap,
    scalar geo_distinct_windows::GeoDistinctWindows,
}
