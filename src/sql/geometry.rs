//! Geometries. Boxes and shapes, from one CRS to another.

group! {
    "Geometries";
    scalar geo_bbox::GeoBbox,
    scalar geo_box::GeoBox,
    scalar geo_project::GeoProject,
    scalar geo_crs_definition::GeoCrsDefinition,
    scalar_macro geo_set_crs,
    scalar geo_intersects::GeoIntersects,
    scalar geo_intersection::GeoIntersection,
    scalar geo_difference::GeoDifference,
    scalar geo_block::GeoBlock,
}
