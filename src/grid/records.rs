//! Rows of named columns from a Parquet file or from a list of structs, as they lie there: what streams carry along.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::format::parquet::{Table, always_has_value, sql_type, value};
use crate::sql_type::SqlType;
use crate::value::Value;

/// Where the rows come from, and which columns they have.
#[derive(Debug, Clone)]
pub struct Records {
    /// What they are called in errors.
    pub name: String,
    /// Names and types, in order.
    pub columns: Vec<(String, SqlType)>,
    /// How many rows there are.
    pub rows: u64,
    source: Origin,
}

#[derive(Debug, Clone)]
enum Origin {
    Parquet,
    List(Arc<Vec<Value>>),
    Batches(Arc<[Arc<RecordBatch>]>),
}

/// One row's columns, as they lie in the registry.
#[derive(Debug, Clone)]
pub struct Record(pub(super) Columns);

#[derive(Debug, Clone)]
pub(super) enum Columns {
    Arrow(Arc<RecordBatch>, usize),
    Item(Arc<Vec<Value>>, usize),
}

impl Record {
    /// A row of a batch.
    pub fn of_batch(batch: &Arc<RecordBatch>, row: usize) -> Record {
        Record(Columns::Arrow(batch.clone(), row))
    }

    /// The value of a column; NULL for one that there is not.
    pub fn value(&self, column: usize) -> Cow<'_, Value> {
        let found = match &self.0 {
            Columns::Arrow(batch, row) => {
                batch.columns().get(column).and_then(|column| value(column.as_ref(), *row)).map(Cow::Owned)
            }
            Columns::Item(items, index) => match items.get(*index) {
                Some(Value::Struct(fields)) => fields.get(column).map(|(_, value)| Cow::Borrowed(value)),
                _ => None,
            },
        };
        found.unwrap_or(Cow::Owned(Value::Null))
    }
}

/// The rows, in order.
pub type RecordRows = Box<dyn Iterator<Item = Result<Record>> + Send>;

const STRUCTS: &str = "a registry is a Parquet file, or a list of structs";

impl Records {
    /// # Errors
    /// No Parquet, or one with a column of a type that cannot be carried.
    pub fn parquet(path: &str) -> Result<Records> {
        let table = Table::open(path)?;
        let columns = sql_columns(&table.schema, path)?;
        Ok(Records { name: path.into(), columns, rows: table.rows, source: Origin::Parquet })
    }

    /// # Errors
    /// Items that are no structs, or that differ in their fields.
    ///
    /// `element` is the type of the items: without it, as where a field has a type that no column of ours has, the
    /// values tell.
    pub fn list(items: &[Value], element: Option<&SqlType>) -> Result<Records> {
        let name = "a list of structs".to_string();
        let columns: Vec<(String, SqlType)> = match (element, items.first()) {
            (Some(SqlType::Struct(fields)), _) => fields.clone(),
            (_, Some(Value::Struct(fields))) => {
                fields.iter().map(|(n, _)| (n.clone(), type_of(items, n))).collect()
            }
            _ => return Err(Error::BadRegistry { path: name, problem: STRUCTS.into(), columns: Vec::new() }),
        };
        if let Some(column) = unreadable(items) {
            let problem = format!(
                "column {column} has a value of a type that a list cannot carry: cast it, or write the registry to Parquet"
            );
            let columns = columns.into_iter().map(|(name, _)| name).collect();
            return Err(Error::BadRegistry { path: name, problem, columns });
        }
        let source = Origin::List(Arc::new(items.to_vec()));
        Ok(Records { name, columns, rows: items.len() as u64, source })
    }

    /// Rows that lie in memory. A column of a type that is not carried along has no name: who asks for it does not find it.
    pub fn batches(name: &str, schema: &SchemaRef, batches: Arc<[Arc<RecordBatch>]>) -> Records {
        let column = |field: &Arc<Field>| match sql_type(field) {
            Some(ty) => (field.name().clone(), ty),
            None => (String::new(), SqlType::Varchar),
        };
        let columns = schema.fields().iter().map(column).collect();
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        Records { name: name.into(), columns, rows, source: Origin::Batches(batches) }
    }

    /// The same rows, some of whose columns go by other names: pairs of a name and the column that has it. No other column
    /// keeps such a name.
    ///
    /// # Errors
    /// A column that there is not.
    pub fn renamed(&self, names: &[(&str, &str)]) -> Result<Records> {
        let mut renamed = self.clone();
        let taken = |name: &str| names.iter().any(|(new, _)| new.eq_ignore_ascii_case(name));
        renamed.columns.iter_mut().filter(|(name, _)| taken(name)).for_each(|(name, _)| name.clear());
        for (new, column) in names {
            let at = self.find(column).ok_or_else(|| self.bad(&format!("there is no column {column}:")))?;
            if let Some((name, _)) = renamed.columns.get_mut(at) {
                *name = (*new).to_string();
            }
        }
        Ok(renamed)
    }

    /// The rows from the beginning.
    ///
    /// # Errors
    /// The file can no longer be read.
    pub fn records(&self) -> Result<RecordRows> {
        let own = Arc::new(self.clone());
        Ok(match &self.source {
            Origin::Parquet => {
                let batches = Table::open(&self.name)?;
                Box::new(batches.flat_map(move |batch| match batch {
                    Ok(batch) => own.of_batch(&Arc::new(batch)),
                    Err(error) => vec![Err(error)],
                }))
            }
            Origin::Batches(batches) => {
                let batches = batches.to_vec();
                Box::new(batches.into_iter().flat_map(move |batch| own.of_batch(&batch)))
            }
            Origin::List(items) => {
                let items = items.clone();
                Box::new((0..items.len()).map(move |index| match items.get(index) {
                    Some(Value::Struct(_)) => Ok(Record(Columns::Item(items.clone(), index))),
                    _ => Err(own.bad(STRUCTS)),
                }))
            }
        })
    }

    fn of_batch(&self, batch: &Arc<RecordBatch>) -> Vec<Result<Record>> {
        let columns = batch.columns();
        let uncertain: Vec<&dyn Array> = columns
            .iter()
            .map(AsRef::as_ref)
            .filter(|column| !always_has_value(column.data_type()))
            .collect();
        let of_row = |row: usize| {
            if uncertain.iter().any(|column| value(*column, row).is_none()) {
                return Err(self.bad("a value that cannot be carried along"));
            }
            Ok(Record(Columns::Arrow(batch.clone(), row)))
        };
        (0..batch.num_rows()).map(of_row).collect()
    }

    /// A column by its name, in any case.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(have, _)| have.eq_ignore_ascii_case(name))
    }

    /// What is wrong with the rows.
    pub fn bad(&self, problem: &str) -> Error {
        let columns = self.columns.iter().map(|(name, _)| name.clone()).collect();
        Error::BadRegistry { path: self.name.clone(), problem: problem.into(), columns }
    }
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
        Value::Geometry(_, crs) => SqlType::Geometry(crs.clone()),
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
