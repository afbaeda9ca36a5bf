//! SQL: the functions, in groups. A function is one file, which holds its constant, and one line in its group.

pub mod load;
pub mod replacement;
pub mod shared;

use crate::bridge::connection::Connection;
use crate::bridge::doc::FunctionDoc;
use crate::error::Result;

/// A function: what it says of itself, how it is registered, and the macro that is created, if there is one.
pub struct Function {
    /// What it says of itself.
    pub doc: &'static FunctionDoc,
    /// How DuckDB is told of it.
    pub register: Option<fn(&Connection) -> Result<()>>,
    /// A macro's statement.
    pub sql: Option<&'static str>,
}

/// Functions of one subject: a folder here, a chapter of the reference.
pub struct Group {
    /// The chapter's title.
    pub title: &'static str,
    /// In the order of the chapter.
    pub functions: &'static [Function],
}

/// The module of each function of a group, and the group itself: a title, then a line each.
macro_rules! group {
    ($title:literal; $($kind:ident $module:ident $(:: $type:ident)?,)*) => {
        $(pub mod $module;)*

        /// The functions of this group.
        pub static GROUP: $crate::sql::Group = $crate::sql::Group {
            title: $title,
            functions: &[$($crate::sql::group!(@ $kind $module $($type)?)),*],
        };
    };
    (@ table $module:ident $type:ident) => {
        $crate::sql::Function {
            doc: <$module::$type as $crate::bridge::table::TableFunction>::DOC,
            register: Some($crate::bridge::table::register_table::<$module::$type>),
            sql: None,
        }
    };
    (@ scalar $module:ident $type:ident) => {
        $crate::sql::Function {
            doc: <$module::$type as $crate::bridge::scalar::ScalarFunction>::DOC,
            register: Some($crate::bridge::scalar::register_scalar::<$module::$type>),
            sql: None,
        }
    };
    (@ table_macro $module:ident) => {
        $crate::sql::Function { doc: &$module::DOC, register: None, sql: Some($module::SQL) }
    };
    (@ scalar_macro $module:ident) => {
        $crate::sql::Function { doc: &$module::DOC, register: None, sql: Some($module::SQL) }
    };
    (@ aggregate $module:ident $type:ident) => {
        $crate::sql::Function {
            doc: <$module::$type as $crate::bridge::aggregate::AggregateFunction>::DOC,
            register: Some($crate::bridge::aggregate::register_aggregate::<$module::$type>),
            sql: Some($module::SQL),
        }
    };
    (@ copy $module:ident $type:ident) => {
        $crate::sql::Function {
            doc: <$module::$type as $crate::bridge::copy::CopyFunction>::DOC,
            register: Some($crate::bridge::copy::register_copy::<$module::$type>),
            sql: None,
        }
    };
}
pub(crate) use group;

/// The groups, in the order in which data walks; each module's own list names its functions.
macro_rules! groups {
    ($($group:ident),* $(,)?) => {
        $(pub mod $group;)*

        /// Every group.
        pub static GROUPS: &[&Group] = &[$(&$group::GROUP),*];
    };
}

groups![
    catalog, algebra, geometry, grid, sampling, splits, neighbours, time, query, raster, array, vector,
    bands, profile, ocean, stitch, write, system
];

/// Every SQL function of geoquilt.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    GROUPS.iter().flat_map(|group| group.functions)
}
