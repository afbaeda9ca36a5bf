//! A catalog made before, from which the rows of unchanged files are taken over.
//!
//! Memory: some 40 bytes a row for the index, and the rows of one portion of the build. Rows are found again by
//! reading the catalog on from where the last portion ended: once through in all where it lies in the order of the
//! build, once for each portion where it was sorted otherwise.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;

use crate::catalog::{BuildOptions, SCHEMA_VERSION};
use crate::crs::CRS84;
use crate::error::{Error, Result};
use crate::files::Stamp;
use crate::format::parquet::{Table, value};
use crate::value::Value;

/// The place of a row: which file of the catalog, and which of its rows.
pub type RowId = (u32, u64);

/// What is known of the catalog before its rows are read.
pub struct Previous {
    parts: Vec<String>,
    /// By a hash of the path; whoever fetches a row compares the path itself.
    states: HashMap<u64, State>,
}

#[derive(Clone, Copy)]
struct State {
    row: RowId,
    size: i64,
    modified: i64,
}

/// A row as it stood in the catalog.
#[derive(Debug, Clone)]
pub struct Kept {
    rows: Arc<RecordBatch>,
    row: usize,
}

impl Kept {
    /// The value of a column; NULL for one that the catalog lacks.
    pub fn value(&self, column: &str) -> Value {
        let value = self.rows.column_by_name(column).and_then(|column| value(column.as_ref(), self.row));
        value.unwrap_or(Value::Null)
    }
}

impl Previous {
    /// Reads path, size and time of every row. A file that stands in several rows is known by its newest.
    ///
    /// # Errors
    /// No Parquet, no catalog of this version, or one in another CRS.
    pub fn open(parts: &[String], options: &BuildOptions) -> Result<Previous> {
        let mut states = HashMap::new();
        for (part, path) in parts.iter().enumerate() {
            check_crs(path, options)?;
            let table = Table::open_columns(path, &["path", "size", "modified", "schema_version"])?;
            let mut row = 0;
            for batch in table {
                let batch = batch?;
                let column = |name: &str| batch.column_by_name(name).cloned();
                let missing = || Error::Bug(format!("\"{path}\" lost a column"));
                let paths = column("path").ok_or_else(missing)?;
                let sizes = column("size").ok_or_else(missing)?;
                let times = column("modified").ok_or_else(missing)?;
                let versions = column("schema_version").ok_or_else(missing)?;
                for i in 0..batch.num_rows() {
                    match value(versions.as_ref(), i) {
                        Some(Value::Int(version)) if version == i64::from(SCHEMA_VERSION) => {}
                        version => return Err(other_version(path, version)),
                    }
                    let values =
                        (value(paths.as_ref(), i), value(sizes.as_ref(), i), value(times.as_ref(), i));
                    // A row of an error has no size: its file is read again.
                    if let (
                        Some(Value::Text(file)),
                        Some(Value::Int(size)),
                        Some(Value::Timestamp(modified)),
                    ) = values
                    {
                        let state = State { row: (part as u32, row + i as u64), size, modified };
                        let known = states.entry(key(&file)).or_insert(state);
                        if modified >= known.modified {
                            *known = state;
                        }
                    }
                }
                row += batch.num_rows() as u64;
            }
        }
        Ok(Previous { parts: parts.to_vec(), states })
    }

    /// The row of a file, if the file has not changed since, as far as its size and time tell. A URL has no time.
    pub fn find(&self, path: &str, stamp: &Stamp) -> Option<RowId> {
        let state = self.states.get(&key(path))?;
        let same = i64::try_from(stamp.size) == Ok(state.size) && stamp.modified == Some(state.modified);
        same.then_some(state.row)
    }

    /// The name of the part that a row lies in.
    pub fn name(&self, row: RowId) -> &str {
        self.parts.get(row.0 as usize).map_or("", String::as_str)
    }
}

fn key(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

fn other_version(path: &str, version: Option<Value>) -> Error {
    let problem = match version {
        Some(Value::Int(version)) => {
            format!("has rows of schema version {version}, and this is {SCHEMA_VERSION}")
        }
        _ => "has rows without a schema version".to_string(),
    };
    let remedy =
        format!("Migrate it first: COPY (FROM geoquilt.catalog_migrate('{path}')) TO 'migrated.parquet'");
    Error::BadCatalog { path: path.into(), problem, remedy }
}

/// # Errors
/// The geometries of the catalog are in another CRS than those to be built.
fn check_crs(path: &str, options: &BuildOptions) -> Result<()> {
    let bad = |problem: String| Error::BadCatalog {
        path: path.into(),
        problem,
        remedy: "Give the same crs, or leave previous out".into(),
    };
    let Some(geo) = Table::metadata(path, "geo")? else {
        return Err(bad("tells no CRS: it is no GeoParquet".into()));
    };
    let geo: serde_json::Value = serde_json::from_str(&geo)
        .map_err(|e| bad(format!("has GeoParquet metadata that are no JSON: {e}")))?;
    let wanted = options.crs.as_str();
    let (name, same) = match geo.pointer("/columns/geometry/crs") {
        None => (CRS84.to_string(), wanted == CRS84),
        Some(crs) => {
            let id = |key: &str| crs.pointer(&format!("/id/{key}")).map(|v| v.to_string().replace('"', ""));
            let name = match (id("authority"), id("code")) {
                (Some(authority), Some(code)) => format!("{authority}:{code}"),
                _ => crs.to_string(),
            };
            let facts = serde_json::from_str::<serde_json::Value>(&options.crs_facts.projjson);
            let same = name == wanted || facts.is_ok_and(|facts| facts == *crs);
            (name, same)
        }
    };
    if same { Ok(()) } else { Err(bad(format!("was built in {name}, and this call builds in {wanted}"))) }
}

/// Fetches rows, going on through the catalog from portion to portion.
#[derive(Default)]
pub struct Fetcher {
    /// The part under way, its batches, and the place of the next of them.
    open: Option<(u32, Table, u64)>,
}

impl Fetcher {
    /// The rows that were asked for, by place.
    ///
    /// # Errors
    /// The catalog can no longer be read.
    pub fn fetch(&mut self, previous: &Previous, mut wanted: Vec<RowId>) -> Result<HashMap<RowId, Kept>> {
        wanted.sort_unstable();
        wanted.dedup();
        let mut found = HashMap::with_capacity(wanted.len());
        let mut rest = wanted.as_slice();
        while let Some(&(part, row)) = rest.first() {
            let (table, at) = self.reach(previous, part, row)?;
            let first = *at;
            let Some(batch) = table.next() else {
                self.open = None;
                return Err(Error::BadCatalog {
                    path: previous.name((part, row)).into(),
                    problem: "lost rows while it was read".into(),
                    remedy: "Write to another file than the one that is read".into(),
                });
            };
            let batch = batch?;
            *at += batch.num_rows() as u64;
            let end = rest.partition_point(|place| *place < (part, *at));
            let (here, later) = rest.split_at(end);
            rest = later;
            if here.is_empty() {
                continue;
            }
            let places = UInt32Array::from_iter_values(here.iter().map(|(_, row)| (row - first) as u32));
            let rows = take_record_batch(&batch, &places)
                .map_err(|e| Error::Bug(format!("rows of a batch can not be taken: {e}")))?;
            let rows = Arc::new(rows);
            for (i, place) in here.iter().enumerate() {
                found.insert(*place, Kept { rows: rows.clone(), row: i });
            }
        }
        Ok(found)
    }

    /// The part's batches, at or before the row.
    fn reach(&mut self, previous: &Previous, part: u32, row: u64) -> Result<(&mut Table, &mut u64)> {
        let goes_on = matches!(&self.open, Some((open, _, at)) if *open == part && *at <= row);
        if !goes_on {
            self.open = Some((part, Table::open(previous.name((part, row)))?, 0));
        }
        match &mut self.open {
            Some((_, table, at)) => Ok((table, at)),
            None => Err(Error::Bug("a catalog that was opened is closed".into())),
        }
    }
}
