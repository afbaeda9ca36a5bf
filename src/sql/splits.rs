//! Registries and splits. Patches and dates as rows, and what keeps those of one split from those of another.

group! {
    "Registries and splits";
    table_macro patch_registry,
    table_macro patch_leakage,
    table_macro hard_sample,
    table_macro shard,
    table_macro spatial_blocks,
    scalar_macro registry_key,
    scalar geo_content_hash::GeoContentHash,
    scalar geo_patch_split::GeoPatchSplit,
    scalar geo_near_boxes::GeoNearBoxes,
    scalar geo_windows_overlap::GeoWindowsOverlap,
    scalar geo_permutation::GeoPermutation,
    scalar geo_draw::GeoDraw,
    scalar geo_deal::GeoDeal,
}
