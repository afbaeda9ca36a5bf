//! Algebra of catalogs. Which rows meet, in space and in time.

group! {
    "Algebra of catalogs";
    table_macro catalog_query,
    table_macro catalog_pairs,
    table_macro catalog_intersect,
    table_macro catalog_union,
    table_macro catalog_difference,
    table_macro catalog_pad,
    scalar geo_query_area::GeoQueryArea,
    scalar geo_box_levels::GeoBoxLevels,
    scalar geo_box_cells::GeoBoxCells,
}
