//! SQL: the one list of functions, and what stands between them and DuckDB.
//!
//! `doc` says what a function is, `callback` registers it and calls it, `chunk`, `value` and `types` carry
//! rows, constants and types across, `args` reads arguments, `settings` the user's bounds, `file_system` lends DuckDB's
//! file system to whoever reads a URL.

pub mod args;
pub mod callback;
pub mod catalog_columns;
pub mod chunk;
pub mod doc;
pub mod file_system;
pub mod geometry_type;
pub mod load;
pub mod patch_scan;
pub mod registry_rows;
pub mod replacement;
pub mod selection;
pub mod settings;
pub mod shapes;
pub mod slice_value;
pub mod types;
pub mod value;

pub mod catalog_upkeep;
pub mod geo_bbox;
pub mod geo_block;
pub mod geo_box;
pub mod geo_box_cells;
pub mod geo_box_levels;
pub mod geo_catalog_build;
pub mod geo_catalog_check;
pub mod geo_catalog_problems;
pub mod geo_difference;
pub mod geo_intersection;
pub mod geo_intersects;
pub mod geo_patch_grid;
pub mod geo_permutation;
pub mod geo_polygonize;
pub mod geo_project;
pub mod geo_query_area;
pub mod geo_rasterize;
pub mod geo_slice;
pub mod geo_windows_overlap;
pub mod geo_zonal_stats;
pub mod geoquilt_cache;
pub mod geoquilt_functions;
pub mod geoquilt_progress;
pub mod geoquilt_remote;
pub mod geoquilt_version;
pub mod macros;
pub mod read_array;
pub mod read_array_table;
pub mod read_blocks;
pub mod read_patch;
pub mod read_patch_table;
pub mod read_series;
pub mod read_slice;
pub mod read_stac;
pub mod read_variables;
pub mod st_land_fraction;

use duckdb::ffi::duckdb_connection;

use crate::error::Result;
use callback::{ScalarFunction, TableFunction, register_scalar, register_table};
use doc::FunctionDoc;

/// A function: what it says of itself, and how it is registered (a macro is created instead).
pub struct Function {
    pub doc: &'static FunctionDoc,
    pub register: Option<unsafe fn(duckdb_connection) -> Result<()>>,
    /// A macro's statement.
    pub sql: Option<&'static str>,
}

const fn table<F: TableFunction>() -> Function {
    Function { doc: F::DOC, register: Some(register_table::<F>), sql: None }
}

const fn scalar<F: ScalarFunction>() -> Function {
    Function { doc: F::DOC, register: Some(register_scalar::<F>), sql: None }
}

const fn table_macro(doc: &'static FunctionDoc, sql: &'static str) -> Function {
    Function { doc, register: None, sql: Some(sql) }
}

/// Every SQL function of geoquilt, in the order in which data walks; the inner parts of macros come last.
pub static FUNCTIONS: &[Function] = &[
    table::<geo_catalog_build::GeoCatalogBuild>(),
    table::<read_stac::ReadStac>(),
    table_macro(&catalog_upkeep::CATALOG_LATEST, catalog_upkeep::CATALOG_LATEST_SQL),
    table_macro(&catalog_upkeep::CATALOG_MIGRATE, catalog_upkeep::CATALOG_MIGRATE_SQL),
    table_macro(&macros::CATALOG_QUERY, macros::CATALOG_QUERY_SQL),
    table_macro(&macros::CATALOG_PAIRS, macros::CATALOG_PAIRS_SQL),
    table_macro(&macros::CATALOG_INTERSECT, macros::CATALOG_INTERSECT_SQL),
    table_macro(&macros::CATALOG_UNION, macros::CATALOG_UNION_SQL),
    table_macro(&macros::CATALOG_DIFFERENCE, macros::CATALOG_DIFFERENCE_SQL),
    table_macro(&macros::CATALOG_EXTENT, macros::CATALOG_EXTENT_SQL),
    table_macro(&macros::CATALOG_COVERAGE, macros::CATALOG_COVERAGE_SQL),
    table_macro(&macros::CATALOG_PAD, macros::CATALOG_PAD_SQL),
    table_macro(&macros::CATALOG_VALIDATE, macros::CATALOG_VALIDATE_SQL),
    table_macro(&macros::SPATIAL_BLOCKS, macros::SPATIAL_BLOCKS_SQL),
    scalar::<geo_bbox::GeoBbox>(),
    scalar::<geo_box::GeoBox>(),
    scalar::<geo_project::GeoProject>(),
    scalar::<geo_intersects::GeoIntersects>(),
    scalar::<geo_intersection::GeoIntersection>(),
    scalar::<geo_difference::GeoDifference>(),
    table::<geo_patch_grid::GeoPatchGrid>(),
    scalar::<st_land_fraction::StLandFraction>(),
    scalar::<geo_permutation::GeoPermutation>(),
    scalar::<geo_windows_overlap::GeoWindowsOverlap>(),
    table_macro(&macros::PATCH_REGISTRY, macros::PATCH_REGISTRY_SQL),
    scalar::<geo_slice::GeoSlice>(),
    scalar::<read_patch::ReadPatch>(),
    table::<read_patch_table::ReadPatchTable>(),
    table::<read_blocks::ReadBlocks>(),
    scalar::<geo_zonal_stats::GeoZonalStats>(),
    scalar::<geo_rasterize::GeoRasterize>(),
    scalar::<geo_polygonize::GeoPolygonize>(),
    table::<read_variables::ReadVariables>(),
    scalar::<read_array::ReadArray>(),
    table::<read_array_table::ReadArrayTable>(),
    scalar::<read_slice::ReadSlice>(),
    scalar::<read_series::ReadSeries>(),
    table::<geoquilt_functions::GeoquiltFunctions>(),
    table::<geoquilt_remote::GeoquiltRemote>(),
    table::<geoquilt_progress::GeoquiltProgress>(),
    table::<geoquilt_version::GeoquiltVersion>(),
    table::<geoquilt_cache::GeoquiltCache>(),
    // What the macros stand on, and few will call.
    scalar::<geo_block::GeoBlock>(),
    scalar::<geo_query_area::GeoQueryArea>(),
    scalar::<geo_box_levels::GeoBoxLevels>(),
    scalar::<geo_box_cells::GeoBoxCells>(),
    scalar::<geo_catalog_check::GeoCatalogCheck>(),
    scalar::<geo_catalog_problems::GeoCatalogProblems>(),
];
