//! `geoquilt_cache`: what the process keeps of files, and how often that was of use.

use crate::bridge::doc::{Example, FunctionDoc, Kind, column};
use crate::bridge::table::Listing;
use crate::limits::{Limits, block_cache_bytes};
use crate::read::source::{block_cache, file_counters};
use crate::value::Value;

/// The table function `geoquilt_cache`.
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
        column(
            "limit_bytes",
            "UBIGINT",
            "The most that is held: geoquilt_block_cache_mb, as any connection set it last.",
        ),
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

impl Listing for GeoquiltCache {
    const DOC: &'static FunctionDoc = &DOC;

    fn rows(_limits: &Limits) -> Vec<Vec<Value>> {
        let (blocks, files) = (block_cache().counters(), file_counters());
        let counters = [
            blocks.hits,
            blocks.misses,
            blocks.evicted,
            blocks.blocks,
            blocks.bytes,
            block_cache_bytes() as u64,
            files.files as u64,
            files.handles as u64,
            files.handles_limit as u64,
            files.opened,
        ];
        vec![counters.map(|count| Value::Int(count as i64)).to_vec()]
    }
}
