//! Patches. Windows of a grid, wherever they are drawn.

mod array_grid;
mod sampler_arguments;

group! {
    "Patches";
    table geo_patch_grid::GeoPatchGrid,
    scalar st_land_fraction::StLandFraction,
    scalar geo_distinct_windows::GeoDistinctWindows,
}
