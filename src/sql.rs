//! SQL: the one list of functions, and what stands between them and DuckDB.
//!
//! `doc` says what a function is, `callback` registers it and calls it, `chunk`, `value` and `types` carry
//! rows, constants and types across, `args` reads arguments, `settings` the user's bounds.

pub mod args;
pub mod callback;
pub mod chunk;
pub mod doc;
pub mod geometry_type;
pub mod load;
pub mod registry_rows;
pub mod settings;
pub mod types;
pub mod value;

pub mod catalog_upkeep;
pub mod geo_catalog_build;
pub mod geo_patch_grid;
pub mod geo_permutation;
pub mod geo_windows_overlap;
pub mod geoquilt_functions;
pub mod geoquilt_progress;
pub mod geoquilt_version;
pub mod macros;
pub mod read_patch;
pub mod read_patch_table;
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

/// Every SQL function of geoquilt, in the order in which data walks.
pub static FUNCTIONS: &[Function] = &[
    table::<geo_catalog_build::GeoCatalogBuild>(),
    table_macro(&catalog_upkeep::CATALOG_LATEST, catalog_upkeep::CATALOG_LATEST_SQL),
    table_macro(&catalog_upkeep::CATALOG_MIGRATE, catalog_upkeep::CATALOG_MIGRATE_SQL),
    table::<geo_patch_grid::GeoPatchGrid>(),
    scalar::<st_land_fraction::StLandFraction>(),
    scalar::<geo_permutation::GeoPermutation>(),
    scalar::<geo_windows_overlap::GeoWindowsOverlap>(),
    table_macro(&macros::PATCH_REGISTRY, macros::PATCH_REGISTRY_SQL),
    scalar::<read_patch::ReadPatch>(),
    table::<read_patch_table::ReadPatchTable>(),
    table::<geoquilt_functions::GeoquiltFunctions>(),
    table::<geoquilt_progress::GeoquiltProgress>(),
    table::<geoquilt_version::GeoquiltVersion>(),
];
