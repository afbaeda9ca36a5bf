//! `geoquilt_functions`: help in the tool itself.

use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::table::Listing;
use crate::limits::Limits;
use crate::sql::GROUPS;
use crate::value::Value;

/// The table function `geoquilt_functions`.
pub struct GeoquiltFunctions;

static DOC: FunctionDoc = FunctionDoc {
    name: "geoquilt_functions",
    kind: Kind::Table,
    summary: "Every function of geoquilt, with its parameters and runnable examples.",
    parameters: &[],
    columns: &[
        Column {
            name: "name",
            types: "VARCHAR",
            meaning: "Name of the function, with its schema where it has one, or of the format.",
        },
        Column {
            name: "kind",
            types: "VARCHAR",
            meaning: "`scalar`, `table`, `table macro`, `scalar macro`, `aggregate` or `copy`.",
        },
        Column { name: "signature", types: "VARCHAR", meaning: "As one would type it, with defaults." },
        Column { name: "summary", types: "VARCHAR", meaning: "What it does, in a sentence." },
        Column {
            name: "parameters",
            types: "STRUCT(name VARCHAR, type VARCHAR, given VARCHAR, \"default\" VARCHAR, meaning VARCHAR)[]",
            meaning: "`given` is `required`, `optional`, `named` (with :=) or `option` (a key of options, or an option of COPY).",
        },
        Column {
            name: "columns",
            types: "STRUCT(name VARCHAR, type VARCHAR, meaning VARCHAR)[]",
            meaning: "Result columns, or a scalar's one result.",
        },
        Column { name: "nulls", types: "VARCHAR", meaning: "What NULL does and means." },
        Column { name: "errors", types: "VARCHAR[]", meaning: "What is refused." },
        Column {
            name: "examples",
            types: "STRUCT(title VARCHAR, sql VARCHAR)[]",
            meaning: "Statements that run as they stand from the repository's root.",
        },
        Column { name: "references", types: "VARCHAR[]", meaning: "Where the rules come from." },
        Column {
            name: "chapter",
            types: "VARCHAR",
            meaning: "The subject that it belongs to, as in the reference.",
        },
    ],
    nulls: "There are none.",
    errors: &[],
    examples: &[Example {
        title: "What there is",
        sql: "SELECT signature FROM geoquilt_functions() WHERE name = 'st_land_fraction';",
        rows: &["st_land_fraction(shape, mask, [options])"],
    }],
    references: &[],
};

impl Listing for GeoquiltFunctions {
    const DOC: &'static FunctionDoc = &DOC;

    fn rows(_limits: &Limits) -> Vec<Vec<Value>> {
        let all = GROUPS.iter().flat_map(|group| group.functions.iter().map(|f| (group.title, f.doc)));
        all.map(|(chapter, doc)| describe(chapter, doc)).collect()
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_string())
}

fn texts(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|t| text(t)).collect())
}

fn row(fields: &[(&str, Value)]) -> Value {
    Value::Struct(fields.iter().map(|(name, value)| ((*name).to_string(), value.clone())).collect())
}

fn describe(chapter: &str, doc: &FunctionDoc) -> Vec<Value> {
    let parameter = |p: &Parameter| {
        let (given, default) = match p.given {
            Given::Required | Given::AsItIs => ("required", Value::Null),
            Given::Optional => ("optional", Value::Null),
            Given::Named(default) => ("named", text(default)),
            Given::Option(default) => ("option", text(default)),
        };
        row(&[
            ("name", text(p.name)),
            ("type", text(p.types)),
            ("given", text(given)),
            ("default", default),
            ("meaning", text(p.meaning)),
        ])
    };
    let column =
        |c: &Column| row(&[("name", text(c.name)), ("type", text(c.types)), ("meaning", text(c.meaning))]);
    let example = |e: &Example| row(&[("title", text(e.title)), ("sql", text(e.sql))]);
    vec![
        text(&doc.full_name()),
        text(doc.kind.name()),
        text(&doc.signature()),
        text(doc.summary),
        Value::List(doc.parameters.iter().map(parameter).collect()),
        Value::List(doc.columns.iter().map(column).collect()),
        text(doc.nulls),
        texts(doc.errors),
        Value::List(doc.examples.iter().map(example).collect()),
        texts(doc.references),
        text(chapter),
    ]
}
