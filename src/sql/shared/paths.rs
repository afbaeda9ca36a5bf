//! Paths in the rows of a column.

use crate::bridge::vector::{Holds, Vector};
use crate::error::{Error, Result};
use crate::files;

/// The paths in a row of a VARCHAR or VARCHAR[] vector, globs expanded.
///
/// # Errors
/// A NULL among them, no path at all, or a glob that matches nothing.
pub fn paths(column: &Vector<'_>, row: usize) -> Result<Vec<String>> {
    let given = match column.holds() {
        Holds::List => {
            let list = column.list(row);
            let items = list.items();
            if list.rows().any(|i| items.is_null(i)) {
                return Err(Error::invalid("a NULL among the paths", "paths alone: filter with IS NOT NULL"));
            }
            list.rows().map(|i| items.str(i).map(str::to_string)).collect::<Result<Vec<_>>>()?
        }
        _ => vec![column.str(row)?.to_string()],
    };
    if given.is_empty() {
        return Err(Error::invalid("[]", "at least one path"));
    }
    files::expand(&given)
}
