//! Options of a scalar that are one for the query, or hang on columns and are each row's own.

use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{FunctionDoc, Given, Parameter};
use crate::bridge::scalar::{Call, Options};
use crate::error::Result;
use crate::value::Value;

/// The argument that holds them.
pub const OPTIONS_BY_ROW: Parameter = Parameter {
    name: "options",
    types: "STRUCT",
    given: Given::Optional,
    meaning: "The keys below: constant, or each row's own, such as `{within: geometry}` over a column.",
};

/// Options as a function reads them.
pub struct ByRow<T>(Held<T>);

enum Held<T> {
    All(Arc<T>),
    Column { index: usize, doc: &'static FunctionDoc, read: fn(&Args) -> Result<T> },
}

impl<T> ByRow<T> {
    /// # Errors
    /// Constant options that `read` refuses.
    pub fn of(call: &Call, doc: &'static FunctionDoc, read: fn(&Args) -> Result<T>) -> Result<ByRow<T>> {
        Ok(ByRow(match call.options_or_column()? {
            Options::Constant(args) => Held::All(Arc::new(read(&args)?)),
            Options::Column(index) => Held::Column { index, doc, read },
        }))
    }

    /// The same for all rows.
    pub fn all(options: T) -> ByRow<T> {
        ByRow(Held::All(Arc::new(options)))
    }

    /// Those of the query, where they are one for all rows.
    pub fn constant(&self) -> Option<&T> {
        match &self.0 {
            Held::All(options) => Some(options),
            Held::Column { .. } => None,
        }
    }

    /// Those of a row, where it has its own.
    ///
    /// # Errors
    /// What `read` refuses.
    pub fn own(&self, input: &Input<'_>, row: usize) -> Result<Option<Arc<T>>> {
        match &self.0 {
            Held::All(_) => Ok(None),
            Held::Column { .. } => self.row(input, row).map(Some),
        }
    }

    /// Those of a row.
    ///
    /// # Errors
    /// What `read` refuses.
    pub fn row(&self, input: &Input<'_>, row: usize) -> Result<Arc<T>> {
        match &self.0 {
            Held::All(options) => Ok(options.clone()),
            Held::Column { index, doc, read } => {
                let args = Args::of_options(doc, &Value::of(input.column(*index), row))?;
                read(&args).map(Arc::new)
            }
        }
    }
}
