//! The macros in `sql/`, which join the list of functions.

use crate::sql::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};

pub const PATCH_REGISTRY_SQL: &str = include_str!("../../sql/patch_registry.sql");
pub static PATCH_REGISTRY: FunctionDoc = FunctionDoc { name: "patch_registry", kind: Kind::Macro, summary: "", parameters: &[], columns: &[], nulls: "", errors: &[], examples: &[], references: &[] };
