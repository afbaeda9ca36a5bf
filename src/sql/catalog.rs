//! Catalogs. One row a file, from its header.

pub mod columns;

group! {
    "Catalogs";
    table geo_catalog_build::GeoCatalogBuild,
    table read_stac::ReadStac,
    table_macro catalog_latest,
    table_macro catalog_migrate,
    table_macro catalog_extent,
    table_macro catalog_coverage,
    table_macro catalog_validate,
    scalar geo_catalog_check::GeoCatalogCheck,
    scalar geo_catalog_problems::GeoCatalogProblems,
}
