//! Streams over a registry whose rows each are a read of their own: slices, series, windows of arrays. Workers read ahead
//! of the reader, in order and within a budget.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Column, FunctionDoc, Parameter, column, named};
use crate::bridge::rows::Cell;
use crate::bridge::table::Plan;
use crate::bridge::vector::Vector;
use crate::dtype::Pixels;
use crate::dtype::with_pixels;
use crate::error::{Error, Result};
use crate::files::{self, remote};
use crate::grid::records::{Record, Records};
use crate::limits::Limits;
use crate::on_error::{ON_ERROR, OnError};
use crate::progress::Progress;
use crate::read::gaps::Gaps;
use crate::read::scene::Scene;
use crate::sql::shared::paths::{count, scenes};
use crate::sql::shared::remedies::told;
use crate::sql_type::SqlType;
use crate::value::Value;
use crate::workers::{Ordered, each_waiting};

/// What becomes of a row that cannot be read.
pub const ON_ERROR_OF_ROWS: Parameter = named(
    "on_error",
    "VARCHAR",
    "'fail'",
    "A row that cannot be read stops the query (`fail`), is left out (`skip`), or gets NULL data and a column `error` (`report`).",
);
/// Why a row could not be read.
pub const ERROR: Column =
    column("error", "VARCHAR", "Only with `on_error := 'report'`: why the row could not be read, else NULL.");

/// Reads the rows of a registry.
pub trait RowReader: Send + Sync + 'static {
    /// The columns that it fills behind the values, by the names that its function documents.
    const OTHERS: &'static [&'static str];

    /// Bytes that a row's values take, more or less; nothing is opened to tell.
    fn cost(&self, record: &Record) -> usize;

    /// A row's values, unless nobody asks for them, and its other columns.
    ///
    /// # Errors
    /// Whatever keeps the row from being read.
    fn read(&self, record: &Record, with_values: bool) -> Result<RowRead>;
}

/// What was read of a row.
pub struct RowRead {
    /// The values, and the runs of them that are none.
    pub values: Option<(Pixels, Gaps)>,
    /// In the order of [`RowReader::OTHERS`].
    pub others: Vec<Value>,
}

/// What a column of the result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// A registry's own column, by its index there.
    Own(usize),
    Data,
    /// One of [`RowReader::OTHERS`].
    Other(usize),
    Error,
}

/// What a stream knows before any row.
pub struct Bound<R> {
    function: &'static str,
    records: Records,
    columns: Vec<Content>,
    reader: Arc<R>,
    on_error: OnError,
    limits: Limits,
}

impl<R> Bound<R> {
    /// How many threads may take rows at once.
    pub fn threads(&self) -> usize {
        self.limits.threads
    }
}

/// A row of the registry as far as it could be had, and what was read of it.
type Row = (Option<Record>, Result<RowRead>);

/// A stream under way.
pub struct Scan<R> {
    feed: Mutex<Feed>,
    bound: Arc<Bound<R>>,
    progress: Progress,
}

struct Feed {
    pool: Ordered<Vec<Row>>,
    left: std::vec::IntoIter<Row>,
}

/// Values that one job reads: enough to pay for the trip.
const JOB_BYTES: usize = 1 << 20;
/// Rows of one job at most.
const JOB_ROWS: usize = 256;
/// What a row costs besides its values, more or less.
const ROW_BYTES: usize = 1024;
/// Values that wait for the reader.
const AHEAD_BYTES: usize = 64 << 20;
/// Values that are taken at once: past this an interrupt would be seen late.
const TAKEN_BYTES: usize = 4 << 20;

/// What becomes of rows that cannot be read.
///
/// # Errors
/// None of the rules.
pub fn on_error(args: &Args) -> Result<OnError> {
    Ok(args.choice("on_error", "a rule for rows that cannot be read", &ON_ERROR)?.unwrap_or(OnError::Fail))
}

/// The columns of a stream, `data` in the type of its values: the registry's own, then those that are read.
///
/// # Errors
/// [`Error::Bug`]: a column that the function does not document.
pub fn plan<R: RowReader>(
    doc: &'static FunctionDoc,
    (records, reader): (Records, R),
    data: SqlType,
    on_error: OnError,
    limits: Limits,
) -> Result<Plan<Bound<R>>> {
    let read = |name: &str| match name.to_ascii_lowercase().as_str() {
        "data" => Some(Content::Data),
        "error" => Some(Content::Error),
        name => R::OTHERS.iter().position(|other| *other == name).map(Content::Other),
    };
    let mut columns = Vec::new();
    for (index, (name, ty)) in records.columns.iter().enumerate() {
        if read(name).is_none() {
            columns.push((name.clone(), Content::Own(index), ty.clone()));
        }
    }
    for column in doc.columns {
        let ty = match read(column.name) {
            None => continue,
            Some(Content::Error) if on_error != OnError::Report => continue,
            Some(Content::Data) => data.clone().list(),
            Some(_) => SqlType::parse(column.types)?,
        };
        let content =
            read(column.name).ok_or_else(|| Error::Bug(format!("nothing fills {}", column.name)))?;
        columns.push((column.name.to_string(), content, ty));
    }
    let rows = (on_error != OnError::Skip).then_some(records.rows);
    let (schema, contents) = columns.into_iter().map(|(name, content, ty)| ((name, ty), content)).unzip();
    let bound =
        Bound { function: doc.name, records, columns: contents, reader: Arc::new(reader), on_error, limits };
    Ok(Plan { columns: schema, rows, bound })
}

/// Starts the workers.
///
/// # Errors
/// The registry can no longer be read, or there is no thread.
pub fn start<R: RowReader>(bound: &Arc<Bound<R>>, wanted: &[usize]) -> Result<Scan<R>> {
    let asked =
        |is: fn(&Content) -> bool| wanted.iter().filter_map(|index| bound.columns.get(*index)).any(is);
    // Which rows there are must not depend on the columns asked for.
    let judged = bound.on_error != OnError::Fail;
    let with_values = judged || asked(|content| *content == Content::Data);
    let is_read = with_values || asked(|content| !matches!(content, Content::Own(_)));
    let (reader, on_error) = (bound.reader.clone(), bound.on_error);
    let scale = Arc::new(AtomicUsize::new(1));
    let measured = scale.clone();
    let read = move |record: &Record| {
        let read = match is_read {
            true => reader.read(record, with_values)?,
            false => RowRead { values: None, others: Vec::new() },
        };
        if let Some((values, _)) = &read.values {
            let more = values.bytes().div_ceil(reader.cost(record).max(1));
            measured.fetch_max(more, Relaxed);
        }
        Ok(read)
    };
    let work = move |records: Vec<Result<Record>>| {
        let row = |record| match record {
            Ok(record) => (Some(record), Err(Error::Bug("a row that was not read".into()))),
            Err(error) => (None, Err(error)),
        };
        let mut rows: Vec<Row> = records.into_iter().map(row).collect();
        let fill = |(record, done): &mut Row| {
            if let Some(record) = record {
                *done = read(record);
            }
            match done {
                Err(error) if on_error == OnError::Fail => Err(error.clone()),
                _ => Ok(()),
            }
        };
        // The first row tells whether there are URLs to wait for: the others are then read side by side.
        if let Some((first, rest)) = rows.split_first_mut() {
            fill(first)?;
            each_waiting(rest, remote::waiting(), fill)?;
        }
        Ok(rows)
    };
    let threads = bound.limits.threads;
    let jobs = Jobs { records: bound.records.records()?, reader: bound.reader.clone(), scale };
    let pool = Ordered::start(jobs, threads, AHEAD_BYTES, work)?;
    let progress = Progress::start(bound.function, Some(bound.records.rows));
    let feed = Mutex::new(Feed { pool, left: Vec::new().into_iter() });
    Ok(Scan { feed, bound: bound.clone(), progress })
}

/// Puts neighbouring rows together until a job is worth the trip.
struct Jobs<I, R> {
    records: I,
    reader: Arc<R>,
    /// How often more than was reckoned a row has taken.
    scale: Arc<AtomicUsize>,
}

impl<I: Iterator<Item = Result<Record>>, R: RowReader> Iterator for Jobs<I, R> {
    type Item = Result<(usize, Vec<Result<Record>>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let (mut job, mut bytes) = (Vec::new(), 0usize);
        let scale = self.scale.load(Relaxed);
        while bytes < JOB_BYTES && job.len() < JOB_ROWS {
            let Some(record) = self.records.next() else { break };
            let values = record.as_ref().map_or(0, |record| self.reader.cost(record));
            bytes = bytes.saturating_add(values.saturating_mul(scale)).saturating_add(ROW_BYTES);
            job.push(record);
        }
        (!job.is_empty()).then_some(Ok((bytes, job)))
    }
}

impl<R> Scan<R> {
    /// The next rows, at most so many; none at the end.
    fn take(&self, most: usize) -> Result<Vec<Row>> {
        let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < most && bytes < TAKEN_BYTES {
            match feed.left.next() {
                Some(row) => {
                    let values = row.1.as_ref().ok().and_then(|read| read.values.as_ref());
                    bytes += values.map_or(0, |(values, _)| values.bytes());
                    rows.push(row);
                }
                None => match feed.pool.next() {
                    Some(batch) => feed.left = batch?.into_iter(),
                    None => break,
                },
            }
        }
        Ok(rows)
    }
}

/// Fills the next rows.
///
/// # Errors
/// A row that cannot be read, unless such are left out or reported.
pub fn next<R: RowReader>(scan: &Scan<R>, out: &mut Chunk<'_>) -> Result<()> {
    loop {
        let taken = scan.take(out.capacity())?;
        taken.iter().for_each(|(_, read)| scan.progress.count(read.is_err()));
        let is_end = taken.is_empty();
        let kept: Vec<Row> = taken
            .into_iter()
            .filter(|(_, read)| read.is_ok() || scan.bound.on_error != OnError::Skip)
            .collect();
        // A chunk without rows ends the scan: where all were left out, the next are taken.
        if !kept.is_empty() || is_end {
            write(&scan.bound.columns, &kept, out)?;
            out.set_rows(kept.len());
            return Ok(());
        }
    }
}

fn write(columns: &[Content], rows: &[Row], out: &mut Chunk<'_>) -> Result<()> {
    for (index, content) in columns.iter().enumerate() {
        let Some(vector) = out.column(index) else { continue };
        if *content == Content::Data {
            let values = rows.iter().filter_map(|(_, read)| read.as_ref().ok()?.values.as_ref());
            vector.reserve_list(values.map(|(values, _)| values.len()).sum());
        }
        for (row, (record, read)) in rows.iter().enumerate() {
            let is_written = match (content, read) {
                (Content::Own(column), _) => match record {
                    Some(record) => {
                        record.value(*column).as_ref().write(vector, row);
                        true
                    }
                    None => false,
                },
                (Content::Data, Ok(RowRead { values: Some((values, gaps)), .. })) => {
                    write_values(values, gaps, vector, row);
                    true
                }
                (Content::Other(other), Ok(read)) => match read.others.get(*other) {
                    Some(value) => {
                        value.write(vector, row);
                        true
                    }
                    None => false,
                },
                (Content::Error, Err(error)) => {
                    told(error).write(vector, row)?;
                    true
                }
                _ => false,
            };
            if !is_written {
                vector.set_null(row);
            }
        }
    }
    Ok(())
}

fn write_values(values: &Pixels, gaps: &Gaps, vector: &mut Vector<'_>, row: usize) {
    let (child, first) = vector.push_list(row, values.len());
    with_pixels!(values, values => child.slice_mut(first, values.len()).copy_from_slice(values));
    child.set_null_runs(first, gaps);
}

/// Options of a query, which a row's own may take the place of.
pub struct RowOptions {
    doc: &'static FunctionDoc,
    known: Vec<&'static str>,
    given: Vec<(String, Value)>,
    column: Option<usize>,
}

impl RowOptions {
    /// Those that were given for all rows, among the `known`.
    pub fn of(
        doc: &'static FunctionDoc,
        args: &Args,
        known: impl Iterator<Item = &'static str>,
        records: &Records,
    ) -> RowOptions {
        let known: Vec<&'static str> = known.collect();
        let given =
            known.iter().filter_map(|name| Some((name.to_string(), args.get(name)?.clone()))).collect();
        let is_struct = |index: &usize| matches!(records.columns.get(*index), Some((_, SqlType::Struct(_))));
        RowOptions { doc, known, given, column: records.find("options").filter(is_struct) }
    }

    /// Whether rows may have their own.
    pub fn differ(&self) -> bool {
        self.column.is_some()
    }

    /// Those of a row.
    ///
    /// # Errors
    /// Options that are no struct, or an unknown key.
    pub fn of_row(&self, record: &Record) -> Result<Args> {
        let mut values = self.given.clone();
        let own = self.column.map(|column| record.value(column).into_owned());
        if let Some(own) = own.filter(|own| *own != Value::Null) {
            let must = "a struct such as {bands: [1]}";
            let row = Args::of_struct(self.doc.name, &own, &self.known, must)
                .map_err(|error| error.at(format!("{}(options)", self.doc.name)))?;
            for name in &self.known {
                let Some(value) = row.get(name).filter(|value| **value != Value::Null) else { continue };
                values.retain(|(have, _)| have != name);
                values.push((name.to_string(), value.clone()));
            }
        }
        Ok(Args::new(self.doc, values))
    }
}

/// The scenes that a row names: `paths`, or else `path`.
#[derive(Debug, Clone, Copy)]
pub struct ScenesColumn(usize);

impl ScenesColumn {
    /// # Errors
    /// A registry that has neither.
    pub fn of(records: &Records) -> Result<ScenesColumn> {
        let is_scene = |ty: &SqlType| matches!(ty, SqlType::Varchar | SqlType::List(_) | SqlType::Struct(_));
        let find = |name| {
            records.find(name).filter(|index| records.columns.get(*index).is_some_and(|(_, ty)| is_scene(ty)))
        };
        let found = find("paths").or_else(|| find("path"));
        found
            .map(ScenesColumn)
            .ok_or_else(|| records.bad("a registry has a column paths VARCHAR[], or path VARCHAR"))
    }

    /// How many scenes a row names, and those.
    ///
    /// # Errors
    /// As [`scenes`].
    pub fn read(self, record: &Record) -> Result<(usize, Vec<Scene>)> {
        let value = record.value(self.0);
        Ok((count(value.as_ref()), scenes(value.as_ref())?))
    }
}

/// The files that a row names: `paths`, or else `path`.
#[derive(Debug, Clone, Copy)]
pub struct PathsColumn(usize);

impl PathsColumn {
    /// # Errors
    /// A registry that has neither.
    pub fn of(records: &Records) -> Result<PathsColumn> {
        let is_paths = |ty: &SqlType| match ty {
            SqlType::Varchar => true,
            SqlType::List(item) => **item == SqlType::Varchar,
            _ => false,
        };
        let find = |name| {
            records.find(name).filter(|index| records.columns.get(*index).is_some_and(|(_, ty)| is_paths(ty)))
        };
        let found = find("paths").or_else(|| find("path"));
        found
            .map(PathsColumn)
            .ok_or_else(|| records.bad("a registry has a column paths VARCHAR[], or path VARCHAR"))
    }

    /// The paths of a row, globs expanded.
    ///
    /// # Errors
    /// A NULL, no path, or a glob that matches nothing.
    pub fn read(self, record: &Record) -> Result<Vec<String>> {
        let text = |value: &Value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        let value = record.value(self.0);
        let paths = match value.as_ref() {
            Value::List(items) => items.iter().map(text).collect::<Option<Vec<String>>>(),
            one => text(one).map(|path| vec![path]),
        };
        let must = "a path, or a list of paths";
        let paths =
            paths.filter(|paths| !paths.is_empty()).ok_or_else(|| Error::invalid(value.as_ref(), must))?;
        files::expand(&paths)
    }
}
