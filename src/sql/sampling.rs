//! Samples. Slices of a catalog and their files, rows and places drawn, classes in balance.

mod footprints;

group! {
    "Samples";
    table_macro patch_slices,
    table_macro slice_files,
    table_macro patch_sample,
    table_macro patch_pairs,
    table_macro weighted_sample,
    table_macro balanced_sample,
    scalar geo_class_fractions::GeoClassFractions,
    scalar geo_footprint_windows::GeoFootprintWindows,
    scalar geo_footprint_room::GeoFootprintRoom,
    scalar geo_footprint_places::GeoFootprintPlaces,
    scalar geo_choice::GeoChoice,
    scalar geo_balance::GeoBalance,
    scalar geo_row_number::GeoRowNumber,
    scalar geo_row_shares::GeoRowShares,
}
