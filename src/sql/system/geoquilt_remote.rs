//! `geoquilt_remote`: what was read over DuckDB's file system.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::bridge::table::{Plan, TableFunction};
use crate::error::Result;
use crate::files::remote;
use crate::limits::Limits;
use crate::sql_type::SqlType;

pub struct GeoquiltRemote;

static DOC: FunctionDoc = FunctionDoc {
    name: "geoquilt_remote",
    kind: Kind::Table,
    summary: "Counts what was read from URLs since the process began.",
    parameters: &[],
    columns: &[
        column("opens", "UBIGINT", "Handles opened; over HTTP each one asks for the size."),
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

impl TableFunction for GeoquiltRemote {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();
    type Scan = AtomicBool;

    fn bind(_args: &Args, _limits: Limits) -> Result<Plan<()>> {
        let column = |c: &crate::bridge::doc::Column| Ok((c.name.to_string(), SqlType::parse(c.types)?));
        let columns = DOC.columns.iter().map(column).collect::<Result<_>>()?;
        Ok(Plan { columns, rows: Some(1), bound: () })
    }

    fn start(_bound: &Arc<()>, _wanted: &[usize]) -> Result<AtomicBool> {
        Ok(AtomicBool::new(false))
    }

    fn next(done: &AtomicBool, out: &mut Chunk<'_>) -> Result<()> {
        if done.swap(true, Relaxed) {
            out.set_rows(0);
            return Ok(());
        }
        let c = remote::counters();
        for (index, count) in [c.opens, c.requests, c.bytes, c.retries, c.held].into_iter().enumerate() {
            if let Some(vector) = out.column(index) {
                vector.set(0, count);
            }
        }
        out.set_rows(1);
        Ok(())
    }
}
