//! A name for the registry of an ocean package, made of contents and parameters.

use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::sql::ocean::ocean_grid::{GRID, ROOT};
use crate::sql::ocean::ocean_registry::REGISTRY;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/ocean_key.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "ocean_key",
    kind: Kind::ScalarMacro,
    summary: "A name for a registry of an ocean package, by contents and parameters.",
    parameters: &[
        ROOT,
        GRID[0],
        GRID[1],
        GRID[2],
        GRID[3],
        REGISTRY[0],
        REGISTRY[1],
        REGISTRY[2],
        REGISTRY[3],
        REGISTRY[4],
    ],
    columns: &[column(
        "key",
        "VARCHAR",
        "A SHA-256 in hexadecimal, of the bytes of the manifest, of the mask and of the store of profiles, and of every parameter of `ocean_registry`: all that its rows depend on. It does not depend on where the folder lies. A cache by this name is never a stale one: `SET VARIABLE cache = 'registry_' || geoquilt.ocean_key('package') || '.parquet'`, `COPY (FROM geoquilt.ocean_registry('package')) TO (getvariable('cache'))` where `glob` does not find it, then `FROM read_parquet(getvariable('cache'))`.",
    )],
    nulls: "NULL for regions, require_argo and coverage is not given. NULL for a NULL root.",
    errors: &["root: as geo_ocean_manifest"],
    examples: &[Example {
        title: "Another window is another registry",
        sql: "SELECT geoquilt.ocean_key('test/data/small/ocean_package') = geoquilt.ocean_key('test/data/small/ocean_package/', window_days := 7) AS same,\n\
              \x20      geoquilt.ocean_key('test/data/small/ocean_package') = geoquilt.ocean_key('test/data/small/ocean_package', window_days := 5) AS other;",
        rows: &["true\tfalse"],
    }],
    references: &["FIPS 180-4: SHA-256"],
};
