//! `geoquilt_progress`: how far the jobs of this process are.

use std::time::UNIX_EPOCH;

use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::bridge::table::Listing;
use crate::limits::Limits;
use crate::progress::{self, Job};
use crate::value::Value;

/// The table function `geoquilt_progress`.
pub struct GeoquiltProgress;

static DOC: FunctionDoc = FunctionDoc {
    name: "geoquilt_progress",
    kind: Kind::Table,
    summary: "Jobs of this process that are under way, for another connection to watch.",
    parameters: &[],
    columns: &[
        column("job", "BIGINT", "Number of the job, from 1 in this process; the oldest comes first."),
        column(
            "function",
            "VARCHAR",
            "`geo_catalog_build`, or one of the streams: `FROM read_patch`, `read_blocks`, `read_slice`, `read_series` and `read_array`. Scalars, which read a chunk at a time, are not told: stream what takes long.",
        ),
        column("done", "BIGINT", "Files, patches or rows done."),
        column(
            "total",
            "BIGINT",
            "Files, patches or rows in all; NULL where that is not known before the end.",
        ),
        column("errors", "BIGINT", "Those done that could not be read (on_error `skip` or `report`)."),
        column("reused", "BIGINT", "Those done that were taken from the catalog given as `previous`."),
        column("started", "TIMESTAMP", "When the job began, UTC."),
        column("elapsed", "DOUBLE", "Seconds since."),
        column("rate", "DOUBLE", "Files, patches or rows a second, on average."),
    ],
    nulls: "`total` alone may be NULL. No job, no row.",
    errors: &[],
    examples: &[Example {
        title: "How far is it? From a second connection, or a second cursor in Python; here nothing is under way",
        sql: "SELECT count(*) AS jobs, max(100 * done / total) AS percent, sum(errors) AS errors FROM geoquilt_progress();",
        rows: &["0\tNULL\tNULL"],
    }],
    references: &[],
};

impl Listing for GeoquiltProgress {
    const DOC: &'static FunctionDoc = &DOC;

    fn rows(_limits: &Limits) -> Vec<Vec<Value>> {
        progress::running().iter().map(|job| cells(job).to_vec()).collect()
    }
}

fn cells(job: &Job) -> [Value; 9] {
    let count = |n: u64| Value::Int(n as i64);
    let started = job.started.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
    let elapsed = job.elapsed.as_secs_f64();
    [
        count(job.job),
        Value::Text(job.function.into()),
        count(job.done),
        job.total.map_or(Value::Null, count),
        count(job.errors),
        count(job.reused),
        Value::Timestamp(started),
        Value::Double(elapsed),
        Value::Double(job.done as f64 / elapsed.max(1e-9)),
    ]
}
