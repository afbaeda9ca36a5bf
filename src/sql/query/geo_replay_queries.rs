//! `geo_replay_queries`: queries made again from their parameters.

use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::table::{Plan, TableFunction};
use crate::error::{Error, Result, one_of};
use crate::format::parquet;
use crate::limits::Limits;
use crate::sql::query::query_arguments::{evaluation, names, training};
use crate::sql::query::query_rows::{Asked, Bound, COLUMNS, Scan};
use crate::sql::query::{geo_eval_queries, geo_train_queries};
use crate::value::Value;

/// The table function `geo_replay_queries`.
pub struct GeoReplayQueries;

/// The key of a Parquet file's metadata that holds the parameters.
const KEY: &str = "geoquilt_queries";

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_replay_queries",
    kind: Kind::Table,
    summary: "Makes queries from a STRUCT of parameters, or again from those in a saved file.",
    parameters: &[Parameter {
        name: "source",
        types: "ANY",
        given: Given::Required,
        meaning: "A STRUCT of `kind`, `train` or `eval`, and the parameters of `geo_train_queries` or `geo_eval_queries` by their names. Or the path of a Parquet file that has such a STRUCT as JSON in its metadata, under the key `geoquilt_queries`. To save queries: `SET VARIABLE asked = {kind: 'train', n: 100, size: 10, t_min: DATE '2023-04-01', t_max: DATE '2023-06-30'}`, then `COPY (FROM geo_replay_queries(getvariable('asked'))) TO 'train.parquet' (KV_METADATA {geoquilt_queries: to_json(getvariable('asked'))})`.",
    }],
    columns: &COLUMNS,
    nulls: "No parameter may be NULL.",
    errors: &[
        "a file without the key, or with one that is no JSON object",
        "no `kind`, or one that is none; a parameter that the function does not have",
        "what `geo_train_queries` and `geo_eval_queries` refuse",
    ],
    examples: &[Example {
        title: "Two queries from a STRUCT",
        sql: "SELECT query_id, bbox.ymin, t_min FROM geo_replay_queries({kind: 'eval', size: 90, bbox: {xmin: 0, ymin: -90, xmax: 90, ymax: 90}, t_min: '2020-02-28', t_max: '2020-03-01'}) LIMIT 3;",
        rows: &[
            "0\t-90.0\t2020-02-28 00:00:00",
            "1\t0.0\t2020-02-28 00:00:00",
            "2\t-90.0\t2020-02-29 00:00:00",
        ],
    }],
    references: &[],
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Queries {
    Train,
    Eval,
}

const KINDS: [(&str, Queries); 2] = [("train", Queries::Train), ("eval", Queries::Eval)];

impl TableFunction for GeoReplayQueries {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = Scan;

    fn bind(args: &Args, _limits: Limits) -> Result<Plan<Bound>> {
        let must = "a path, or a struct such as {kind: 'train', n: 100, size: 10, ...}";
        let parameters = match args.required("source", must)? {
            Value::Text(path) => saved(path).map_err(args.blame("source"))?,
            Value::Struct(fields) => fields.clone(),
            other => return Err(args.blame("source")(Error::invalid(other, must))),
        };
        let bound = bound(parameters).map_err(args.blame("source"))?;
        Ok(Plan { columns: DOC.schema()?, rows: bound.rows(), bound })
    }

    fn start(bound: &Arc<Bound>, _wanted: &[usize]) -> Result<Scan> {
        bound.scan()
    }

    fn next(scan: &Scan, out: &mut Chunk<'_>) -> Result<()> {
        scan.fill(out)
    }
}

fn bound(parameters: Vec<(String, Value)>) -> Result<Bound> {
    let (kind, parameters): (Vec<_>, Vec<_>) =
        parameters.into_iter().partition(|(name, _)| name.eq_ignore_ascii_case("kind"));
    let kind = match kind.first() {
        Some((_, Value::Text(kind))) => one_of(kind, "a kind of queries", &KINDS)?,
        Some((_, other)) => return Err(Error::invalid(other, "kind: \"train\" or \"eval\"")),
        None => {
            return Err(Error::conflict("kind was not given", "For example {kind: 'train', n: 100, ...}"));
        }
    };
    let doc = match kind {
        Queries::Train => &geo_train_queries::DOC,
        Queries::Eval => &geo_eval_queries::DOC,
    };
    let parameters = Value::Struct(parameters);
    let args = Args::of_struct(doc.name, &parameters, &names(doc), "a struct of parameters")?;
    let (asked, mask) = match kind {
        Queries::Train => training(&args).map(|(asked, mask)| (Asked::Training(asked), mask))?,
        Queries::Eval => evaluation(&args).map(|(asked, mask)| (Asked::Evaluation(asked), mask))?,
    };
    Ok(Bound { asked, mask })
}

/// The parameters that a file was saved with.
fn saved(path: &str) -> Result<Vec<(String, Value)>> {
    let problem = |reason: &str| {
        let remedy = format!("Save it with KV_METADATA {{{KEY}: to_json(getvariable('asked'))}}");
        Error::conflict(format!("\"{path}\" {reason}"), remedy)
    };
    let text = parquet::noted(path, KEY)?.ok_or_else(|| problem(&format!("has no metadata \"{KEY}\"")))?;
    let json: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| problem(&format!("has metadata \"{KEY}\" that is no JSON: {error}")))?;
    match value(&json) {
        Value::Struct(fields) => Ok(fields),
        _ => Err(problem(&format!("has metadata \"{KEY}\" that is no JSON object"))),
    }
}

fn value(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(fields) => {
            Value::Struct(fields.iter().map(|(name, json)| (name.clone(), value(json))).collect())
        }
    }
}
