//! DuckDB's C API: the only room that names its functions. It knows no function of ours.
//!
//! `doc` says what a function is; `table`, `scalar`, `aggregate` and `copy` register it and call it, `args` reads its
//! constant arguments. `vector`, `chunk` and `pieces` carry rows across (`guarded` makes their room, `flat` tells numbers that may be read where they lie), and `layout` says how
//! they lie; `rows` goes over them, and `record` is a STRUCT as a type of ours. `value` carries constants, `logical_type`
//! types. `signpost` says where a macro is, `settings` holds the user's bounds, `file_system` lends DuckDB's file system to
//! whoever reads a URL, `query` says whose query an aggregate works for, and
//! `interrupt` tells whether a query is to end; `python` lends Python's lock to readers that end. `load` opens the one
//! `connection` that there ever is.

pub mod aggregate;
pub mod args;
pub mod call;
pub mod chunk;
pub mod connection;
pub mod copy;
pub mod doc;
pub mod file_system;
mod flat;
pub mod guarded;
mod interrupt;
pub mod layout;
pub mod load;
pub mod logical_type;
pub mod pieces;
mod python;
pub mod query;
pub mod record;
pub mod replacement;
pub mod rows;
pub mod scalar;
pub mod settings;
pub mod signpost;
pub mod table;
pub mod text;
pub mod value;
pub mod vector;
