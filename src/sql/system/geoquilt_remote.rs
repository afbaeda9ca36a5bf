//! `geoquilt_remote`: what was read from URLs.

use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::bridge::table::Listing;
use crate::files::remote;
use crate::limits::Limits;
use crate::value::Value;

/// The table function `geoquilt_remote`.
pub struct GeoquiltRemote;

static DOC: FunctionDoc = FunctionDoc {
    name: "geoquilt_remote",
    kind: Kind::Table,
    summary: "Counts what was read from URLs since the process began.",
    parameters: &[],
    columns: &[
        column(
            "opens",
            "UBIGINT",
            "Handles of DuckDB's file system opened; over HTTP each one asks for the size. geoquilt's own way needs none.",
        ),
        column("requests", "UBIGINT", "Ranges read, those tried again included."),
        column("bytes", "UBIGINT", "Bytes that came."),
        column("retries", "UBIGINT", "Reads and opens tried again."),
        column("held", "UBIGINT", "Bytes held in memory now, of at most geoquilt_remote_cache_mb."),
    ],
    nulls: "There are none.",
    errors: &[],
    examples: &[Example {
        title: "Local files are not counted",
        sql: "SELECT requests, bytes FROM geoquilt_remote();",
        rows: &["0\t0"],
    }],
    references: &["docs/decisions.md: remote files"],
};

impl Listing for GeoquiltRemote {
    const DOC: &'static FunctionDoc = &DOC;

    fn rows(_limits: &Limits) -> Vec<Vec<Value>> {
        let c = remote::counters();
        let counts = [c.opens, c.requests, c.bytes, c.retries, c.held];
        vec![counts.map(|count| Value::Int(count as i64)).to_vec()]
    }
}
