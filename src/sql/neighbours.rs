//! Neighbourhoods. Graphs over points, caps on the sphere, and what a patch holds.

mod graphs;

group! {
    "Neighbourhoods";
    table_macro knn_graph,
    table_macro radius_graph,
    scalar geo_neighbours::GeoNeighbours,
    scalar geo_spherical_cap::GeoSphericalCap,
    table_macro patch_points,
    table_macro patch_features,
}
