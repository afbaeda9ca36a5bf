//! The ocean. A package of rasters and profiles as a catalog, a grid, a registry and samples.

group! {
    "The ocean";
    scalar geo_ocean_manifest::GeoOceanManifest,
    table_macro ocean_package,
    table_macro depth_axis,
    table_macro ocean_regions,
    table_macro ocean_grid,
    table_macro ocean_profiles,
    table_macro ocean_registry,
    table_macro ocean_finetune,
    table_macro ocean_sample,
    scalar_macro ocean_key,
}
