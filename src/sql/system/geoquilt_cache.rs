//! `geoquilt_cache`: what the process keeps of files, and how often that was of use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::bridge::table::{Plan, TableFunction};
use crate::error::Result;
use crate::limits::Limits;
use crate::read::source::{block_cache, file_counters};
use crate::sql_type::SqlType;

pub struct GeoquiltCache;

static DOC: FunctionDoc = FunctionDoc {
    name: "geoquilt_cache",
    kind: Kind::Table,
    summary: "Counters of the block cache and of open files, since the process began.",
    parameters: &[],
    columns: &[
        column("hits", "UBIGINT", "Blocks that were asked for and found decoded."),
        column("misses", "UBIGINT", "Blocks that were decoded, or could not be."),
        column("evicted", "UBIGINT", "Blocks let go to keep the limit."),
        column("blocks", "UBIGINT", "Blocks held now."),
        column("bytes", "UBIGINT", "Bytes of the blocks held now."),
        column("limit_bytes", "UBIGINT", "The most that is held: geoquilt_block_cache_mb."),
        column("files", "UBIGINT", "Files whose header is known, 16,384 at most: the older half goes first."),
        column("handles", "UBIGINT", "Open handles that no thread uses now."),
        column(
            "handles_limit",
            "UBIGINT",
            "The most of them: a quarter of the files that the process may have open (ulimit -n), 16 to 1,024.",
        ),
        column("opened", "UBIGINT", "How often a file was opened to read blocks."),
    ],
    nulls: "There are none.",
    errors: &[],
    examples: &[Example {
        title: "Is the cache within its limit?",
        sql: "SELECT bytes <= limit_bytes AS within FROM geoquilt_cache();",
        rows: &["true"],
    }],
    references: &[],
};

impl TableFunction for GeoquiltCache {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Limits;
    type Scan = (Arc<Limits>, AtomicBool);

    fn bind(_args: &Args, limits: Limits) -> Result<Plan<Limits>> {
        let columns = DOC.columns.iter().map(|c| Ok((c.name.to_string(), SqlType::parse(c.types)?)));
        Ok(Plan { columns: columns.collect::<Result<_>>()?, rows: Some(1), bound: limits })
    }

    fn start(bound: &Arc<Limits>, _wanted: &[usize]) -> Result<Self::Scan> {
        Ok((bound.clone(), AtomicBool::new(false)))
    }

    fn next((limits, done): &Self::Scan, out: &mut Chunk<'_>) -> Result<()> {
        if done.swap(true, Relaxed) {
            out.set_rows(0);
            return Ok(());
        }
        let (blocks, files) = (block_cache().counters(), file_counters());
        let counters = [
            blocks.hits,
            blocks.misses,
            blocks.evicted,
            blocks.blocks,
            blocks.bytes,
            limits.block_cache as u64,
            files.files as u64,
            files.handles as u64,
            files.handles_limit as u64,
            files.opened,
        ];
        for (index, counter) in counters.into_iter().enumerate() {
            if let Some(vector) = out.column(index) {
                vector.set(0, counter);
            }
        }
        out.set_rows(1);
        Ok(())
    }
}
