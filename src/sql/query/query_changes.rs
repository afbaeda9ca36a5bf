//! What saved queries and the same ones made again do not share.

use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::sql::shared::shapes::BOX;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/query_changes.sql");

/// What the macro says of itself.
pub static DOC: FunctionDoc = FunctionDoc {
    name: "query_changes",
    kind: Kind::Macro,
    summary: "Replays saved queries, and gives the rows that are not as they were saved.",
    parameters: &[Parameter {
        name: "path",
        types: "VARCHAR",
        given: Given::Required,
        meaning: "A Parquet file of queries with their parameters in its metadata: see `geo_replay_queries`.",
    }],
    columns: &[
        column(
            "side",
            "VARCHAR",
            "`file`: the row is saved and not made again; `replay`: the other way round.",
        ),
        column("query_id", "BIGINT", "The query."),
        column("bbox", BOX, "Its box."),
        column("t_min", "TIMESTAMP", "Its first instant."),
        column("t_max", "TIMESTAMP", "Its last instant."),
        column(
            "land_fraction",
            "DOUBLE",
            "Its land. No rows at all where the file is what its parameters make.",
        ),
    ],
    nulls: "NULL equals NULL.",
    errors: &["those of `geo_replay_queries`; a file without the columns of queries"],
    examples: &[Example {
        title: "Queries that NumPy drew",
        sql: "SELECT (SELECT count(*) FROM 'test/data/small/queries.parquet') AS saved, count(*) AS changed FROM geoquilt.query_changes('test/data/small/queries.parquet');",
        rows: &["20\t0"],
    }],
    references: &[],
};
