//! The rows of a registry, from Parquet or from a list: each names a file and a window, and carries its
//! other columns along.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};

use crate::error::{Error, Result};
use crate::format::parquet::{Table, sql_type, value};
use crate::sql_type::SqlType;
use crate::value::Value;
use crate::window::Window;

/// One row of a registry.
#[derive(Debug, Clone, PartialEq)]
pub struct RegistryRow {
    /// What to read, or why that can not be told.
    pub target: Result<Target>,
    /// The columns that are carried along, in order.
    pub carried: Vec<Value>,
}

/// A window of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The file.
    pub path: Arc<str>,
    /// What is read of it.
    pub window: Window,
}

/// Where the rows come from, and which columns they carry.
#[derive(Debug, Clone)]
pub struct Registry {
    /// What it is called in errors.
    pub name: String,
    /// Names and types, in order.
    pub columns: Vec<(String, SqlType)>,
    /// How many rows there are.
    pub rows: u64,
    source: Rows,
}

#[derive(Debug, Clone)]
enum Rows {
    Parquet,
    List(Arc<Vec<Value>>),
}

const NEEDED: &str = "a registry has columns path VARCHAR and win STRUCT(row_off, col_off, height, width)";

impl Registry {
    /// # Errors
    /// No Parquet, or one without `path` and `win`, or with a column of a type that can not be carried.
    pub fn parquet(path: &str) -> Result<Registry> {
        let table = Table::open(path)?;
        let columns = sql_columns(&table.schema, path)?;
        check_columns(&columns, path)?;
        Ok(Registry { name: path.into(), columns, rows: table.rows, source: Rows::Parquet })
    }

    /// # Errors
    /// Items that are no structs with `path` and `win`, or that differ in their fields.
    ///
    /// `element` is the type of the items: without it, as where a field has a type that no column of ours has, the
    /// values tell.
    pub fn list(items: &[Value], element: Option<&SqlType>) -> Result<Registry> {
        let name = "a list of structs".to_string();
        let columns: Vec<(String, SqlType)> = match (element, items.first()) {
            (Some(SqlType::Struct(fields)), _) => fields.clone(),
            (_, Some(Value::Struct(fields))) => {
                fields.iter().map(|(n, _)| (n.clone(), type_of(items, n))).collect()
            }
            _ => return Err(Error::BadRegistry { path: name, problem: NEEDED.into(), columns: Vec::new() }),
        };
        check_columns(&columns, &name)?;
        if let Some(column) = unreadable(items) {
            let problem = format!(
                "column {column} has a value of a type that a list cannot carry: cast it, or write the registry to Parquet"
            );
            let columns = columns.into_iter().map(|(name, _)| name).collect();
            return Err(Error::BadRegistry { path: name, problem, columns });
        }
        let source = Rows::List(Arc::new(items.to_vec()));
        Ok(Registry { name, columns, rows: items.len() as u64, source })
    }

    /// The rows from the beginning.
    ///
    /// # Errors
    /// The file can no longer be read.
    pub fn read(&self) -> Result<Box<dyn Iterator<Item = Result<RegistryRow>> + Send>> {
        let registry = Arc::new(self.clone());
        Ok(match &self.source {
            Rows::Parquet => {
                let batches = Table::open(&self.name)?;
                Box::new(batches.flat_map(move |batch| match batch {
                    Ok(batch) => registry.rows_of(&batch),
                    Err(error) => vec![Err(error)],
                }))
            }
            Rows::List(items) => {
                let items = items.clone();
                Box::new((0..items.len()).map(move |i| match items.get(i) {
                    Some(Value::Struct(fields)) => {
                        Ok(registry.row(fields.iter().map(|(_, v)| v.clone()).collect()))
                    }
                    _ => Err(registry.bad(NEEDED)),
                }))
            }
        })
    }

    fn bad(&self, problem: &str) -> Error {
        let columns = self.columns.iter().map(|(name, _)| name.clone()).collect();
        Error::BadRegistry { path: self.name.clone(), problem: problem.into(), columns }
    }

    fn rows_of(&self, batch: &RecordBatch) -> Vec<Result<RegistryRow>> {
        let row = |i: usize| {
            let values: Option<Vec<Value>> =
                batch.columns().iter().map(|column| value(column.as_ref(), i)).collect();
            Ok(self.row(values.ok_or_else(|| self.bad("a value that cannot be carried along"))?))
        };
        (0..batch.num_rows()).map(row).collect()
    }

    /// A row that can not be read keeps its other columns.
    fn row(&self, carried: Vec<Value>) -> RegistryRow {
        RegistryRow { target: self.target(&carried), carried }
    }

    fn target(&self, carried: &[Value]) -> Result<Target> {
        let at =
            |name: &str| self.columns.iter().zip(carried).find(|((n, _), _)| n.eq_ignore_ascii_case(name));
        let (Some((_, Value::Text(path))), Some(((_, SqlType::Struct(fields)), Value::Struct(win)))) =
            (at("path"), at("win"))
        else {
            return Err(self.bad("a row without a path or a win"));
        };
        let number =
            |name: &str| match fields.iter().zip(win).find(|((n, _), _)| n.eq_ignore_ascii_case(name)) {
                Some((_, (_, Value::Int(n)))) => Ok(*n),
                _ => Err(self.bad(&format!("a row whose win has no whole number for {name}"))),
            };
        let (row_off, col_off) = (number("row_off")?, number("col_off")?);
        let window = Window::new(row_off, col_off, number("height")?, number("width")?)?;
        Ok(Target { path: path.as_str().into(), window })
    }
}

fn check_columns(columns: &[(String, SqlType)], path: &str) -> Result<()> {
    let has = |name: &str, fits: fn(&SqlType) -> bool| {
        columns.iter().any(|(n, ty)| n.eq_ignore_ascii_case(name) && fits(ty))
    };
    let is_window = |ty: &SqlType| match ty {
        SqlType::Struct(have) => {
            let has = |field: &&str| have.iter().any(|(n, _)| n.eq_ignore_ascii_case(field));
            ["row_off", "col_off", "height", "width"].iter().all(has)
        }
        _ => false,
    };
    if has("path", |ty| *ty == SqlType::Varchar) && has("win", is_window) {
        return Ok(());
    }
    let names = columns.iter().map(|(name, _)| name.clone()).collect();
    Err(Error::BadRegistry { path: path.into(), problem: NEEDED.into(), columns: names })
}

fn sql_columns(schema: &Schema, path: &str) -> Result<Vec<(String, SqlType)>> {
    let column = |field: &Arc<Field>| {
        let bad = || Error::BadRegistry {
            path: path.into(),
            problem: format!(
                "column {} has type {}, which cannot be carried along: leave it out, or cast it to text,",
                field.name(),
                field.data_type()
            ),
            columns: schema.fields().iter().map(|f| f.name().clone()).collect(),
        };
        Ok((field.name().clone(), sql_type(field).ok_or_else(bad)?))
    };
    schema.fields().iter().map(column).collect()
}

/// The first column that holds, at any depth, a value of a type that we do not read.
fn unreadable(items: &[Value]) -> Option<String> {
    fn holds_other(value: &Value) -> bool {
        match value {
            Value::Other(_) => true,
            Value::List(items) => items.iter().any(holds_other),
            Value::Struct(fields) => fields.iter().any(|(_, v)| holds_other(v)),
            Value::Map(pairs) => pairs.iter().any(|(k, v)| holds_other(k) || holds_other(v)),
            _ => false,
        }
    }
    items.iter().find_map(|item| match item {
        Value::Struct(fields) => fields.iter().find(|(_, v)| holds_other(v)).map(|(name, _)| name.clone()),
        _ => None,
    })
}

/// The type of a field of a list of structs: the first value that is not NULL tells it.
fn type_of(items: &[Value], name: &str) -> SqlType {
    let field = |item: &Value| match item {
        Value::Struct(fields) => fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()),
        _ => None,
    };
    let first = items.iter().filter_map(field).find(|value| *value != Value::Null);
    first.map_or(SqlType::Varchar, |value| sql_type_of(&value))
}

fn sql_type_of(value: &Value) -> SqlType {
    match value {
        Value::Bool(_) => SqlType::Boolean,
        Value::Int(_) => SqlType::BigInt,
        Value::Double(_) => SqlType::Double,
        Value::Bytes(_) => SqlType::Blob,
        Value::Date(_) => SqlType::Date,
        Value::Timestamp(_) => SqlType::Timestamp,
        Value::Nanos(_) => SqlType::TimestampNs,
        Value::Time(_) => SqlType::Time,
        Value::Interval(_) => SqlType::Interval,
        Value::Uuid(_) => SqlType::Uuid,
        Value::Decimal(_, scale) => SqlType::Decimal(38, *scale),
        Value::List(items) => items.first().map_or(SqlType::Varchar, sql_type_of).list(),
        Value::Struct(fields) => {
            SqlType::Struct(fields.iter().map(|(n, v)| (n.clone(), sql_type_of(v))).collect())
        }
        Value::Map(pairs) => {
            let (key, value) = pairs
                .first()
                .map_or((SqlType::Varchar, SqlType::Varchar), |(k, v)| (sql_type_of(k), sql_type_of(v)));
            SqlType::Map(Box::new(key), Box::new(value))
        }
        Value::Null | Value::Text(_) | Value::Other(_) => SqlType::Varchar,
    }
}
