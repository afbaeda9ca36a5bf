//! A registry as an argument: the path of a Parquet file, or a list of structs.

use crate::bridge::args::Args;
use crate::error::{Error, Result};
use crate::files::Sight;
use crate::grid::records::Records;
use crate::sql_type::SqlType;
use crate::value::Value;

/// The rows of a registry; `None` where the argument is something else.
///
/// # Errors
/// A registry that cannot be read; a table's name, or several Parquet files.
pub fn registry(args: &Args, parameter: &str) -> Result<Option<Records>> {
    let Some(source) = args.get(parameter) else { return Ok(None) };
    let is_parquet = |v: &Value| matches!(v, Value::Text(path) if path.to_lowercase().ends_with(".parquet"));
    let element = args.element(parameter);
    match source {
        Value::Text(path) if is_parquet(source) => {
            Records::parquet(path).map(Some).map_err(args.blame(parameter))
        }
        Value::List(items) if is_registry(items, element) => {
            Records::list(items, element).map(Some).map_err(args.blame(parameter))
        }
        Value::Text(name) if !name.contains(['/', '.', '*']) && Sight::at(name).is_err() => {
            let problem = format!("\"{name}\" is not a file, and a table cannot be read by name");
            let remedy = format!(
                "COPY {name} TO 'registry.parquet' and read that, or SET VARIABLE rows = (SELECT list({name}) FROM {name}) and read getvariable('rows')"
            );
            Err(args.blame(parameter)(Error::conflict(problem, remedy)))
        }
        Value::List(items) if items.iter().any(is_parquet) => {
            let problem = "a registry is one .parquet file, not a list of them";
            let remedy = "COPY (FROM 'registries_*.parquet') TO 'registry.parquet' puts several into one";
            Err(args.blame(parameter)(Error::conflict(problem, remedy)))
        }
        _ => Ok(None),
    }
}

/// The rows of an argument that must be a registry.
///
/// # Errors
/// As [`registry`], and an argument that is something else.
pub fn only_registry(args: &Args, parameter: &str) -> Result<Records> {
    let must = "a registry: the path of a .parquet file, or a list of structs";
    let source = args.required(parameter, must)?;
    registry(args, parameter)?.ok_or_else(|| args.blame(parameter)(Error::invalid(source, must)))
}

/// A list of structs; where it is empty, its type tells.
fn is_registry(items: &[Value], element: Option<&SqlType>) -> bool {
    let by_type = items.is_empty() && matches!(element, Some(SqlType::Struct(_)));
    by_type || matches!(items.first(), Some(Value::Struct(_)))
}
