//! A catalog made before, from which the rows of unchanged files are taken over: those that tell how they were made.
//!
//! Memory: some 40 bytes a row for the index, and the rows of one portion of the build. Rows are found again by
//! reading the catalog on from where the last portion ended: once through in all where it lies in the order of the
//! build, once for each portion where it was sorted otherwise.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;

use crate::catalog::SCHEMA_VERSION;
use crate::error::{Error, Result};
use crate::files::Stamp;
use crate::format::parquet::{Table, value};
use crate::value::Value;

/// Which row: which file of the catalog, and which of its rows.
pub(crate) type RowId = (u32, u64);

/// What is known of the catalog before its rows are read.
pub(crate) struct Previous {
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
    /// Reads path, size and time of every row. A file that stands in several rows is known by its newest. A row of
    /// an earlier schema version, or one that does not tell how it was made, is as good as none: its file is read.
    ///
    /// # Errors
    /// No Parquet, or a catalog of a later version.
    pub(crate) fn open(parts: &[String]) -> Result<Previous> {
        let mut states = HashMap::new();
        for (part, path) in parts.iter().enumerate() {
            let columns = ["path", "size", "modified", "schema_version", "built_with"];
            let table = Table::open_columns(path, &columns)?;
            let mut row = 0;
            for batch in table {
                let batch = batch?;
                let column = |name: &str| batch.column_by_name(name).cloned();
                let missing = || Error::Bug(format!("\"{path}\" lost a column"));
                let paths = column("path").ok_or_else(missing)?;
                let sizes = column("size").ok_or_else(missing)?;
                let times = column("modified").ok_or_else(missing)?;
                let versions = column("schema_version").ok_or_else(missing)?;
                let built_with = column("built_with").ok_or_else(missing)?;
                for i in 0..batch.num_rows() {
                    match value(versions.as_ref(), i) {
                        Some(Value::Int(version)) if version > i64::from(SCHEMA_VERSION) => {
                            return Err(later_version(path, version));
                        }
                        Some(Value::Int(version)) if version == i64::from(SCHEMA_VERSION) => {}
                        _ => continue,
                    }
                    if built_with.is_null(i) {
                        continue;
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
    pub(crate) fn find(&self, path: &str, stamp: &Stamp) -> Option<RowId> {
        let state = self.states.get(&key(path))?;
        let same = i64::try_from(stamp.size) == Ok(state.size) && stamp.modified == Some(state.modified);
        same.then_some(state.row)
    }

    /// The name of the part that a row lies in.
    pub(crate) fn name(&self, row: RowId) -> &str {
        self.parts.get(row.0 as usize).map_or("", String::as_str)
    }
}

fn key(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

fn later_version(path: &str, version: i64) -> Error {
    let problem =
        format!("has rows of schema version {version}, made by a later geoquilt: this is {SCHEMA_VERSION}");
    Error::BadCatalog {
        path: path.into(),
        problem,
        remedy: "Leave previous out, and all files are read".into(),
    }
}

/// Fetches rows, going on through the catalog from portion to portion.
#[derive(Default)]
pub(crate) struct Fetcher {
    /// The part under way, its batches, and the index of the next of them.
    open: Option<(u32, Table, u64)>,
}

impl Fetcher {
    /// The rows that were asked for, by their ids.
    ///
    /// # Errors
    /// The catalog can no longer be read.
    pub(crate) fn fetch(
        &mut self,
        previous: &Previous,
        mut wanted: Vec<RowId>,
    ) -> Result<HashMap<RowId, Kept>> {
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
            let end = rest.partition_point(|id| *id < (part, *at));
            let (here, later) = rest.split_at(end);
            rest = later;
            if here.is_empty() {
                continue;
            }
            let indices = UInt32Array::from_iter_values(here.iter().map(|(_, row)| (row - first) as u32));
            let rows = take_record_batch(&batch, &indices)
                .map_err(|e| Error::Bug(format!("rows of a batch cannot be taken: {e}")))?;
            let rows = Arc::new(rows);
            for (i, id) in here.iter().enumerate() {
                found.insert(*id, Kept { rows: rows.clone(), row: i });
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
