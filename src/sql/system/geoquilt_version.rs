//! `geoquilt_version`: what this extension is made of, and its settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Column, Example, FunctionDoc, Kind};
use crate::bridge::settings::SETTINGS;
use crate::bridge::table::{Plan, TableFunction};
use crate::error::Result;
use crate::format::{gdal, geotiff};
use crate::limits::Limits;
use crate::sql::shared::catalog_crs::catalog_crs;
use crate::sql_type::SqlType;
use crate::value::Value;

pub struct GeoquiltVersion;

static DOC: FunctionDoc = FunctionDoc {
    name: "geoquilt_version",
    kind: Kind::Table,
    summary: "Version of geoquilt and of GDAL, its drivers, and the settings.",
    parameters: &[],
    columns: &[
        Column { name: "version", types: "VARCHAR", meaning: "Version of geoquilt." },
        Column { name: "gdal", types: "VARCHAR", meaning: "Version of the GDAL inside." },
        Column { name: "drivers", types: "VARCHAR[]", meaning: "GDAL drivers inside, by short name." },
        Column { name: "catalog_crs", types: "VARCHAR[]", meaning: "CRSs that a catalog can be built in." },
        Column {
            name: "settings",
            types: "STRUCT(name VARCHAR, value UBIGINT, meaning VARCHAR)[]",
            meaning: "Settings in force; change one with SET.",
        },
        Column {
            name: "headers",
            types: "STRUCT(own UBIGINT, gdal UBIGINT)",
            meaning: "Headers of rasters read by geoquilt itself, and rasters opened by GDAL, since the process began.",
        },
    ],
    nulls: "There are none.",
    errors: &[],
    examples: &[Example {
        title: "Can this build read GRIB?",
        sql: "SELECT list_contains(drivers, 'GRIB') AS grib FROM geoquilt_version();",
        rows: &["true"],
    }],
    references: &[],
};

impl TableFunction for GeoquiltVersion {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = (Vec<SqlType>, Limits);
    type Scan = (Arc<(Vec<SqlType>, Limits)>, AtomicBool);

    fn bind(_args: &Args, limits: Limits) -> Result<Plan<Self::Bound>> {
        let types = DOC.columns.iter().map(|c| SqlType::parse(c.types)).collect::<Result<Vec<_>>>()?;
        let columns =
            DOC.columns.iter().zip(&types).map(|(c, ty)| (c.name.to_string(), ty.clone())).collect();
        Ok(Plan { columns, rows: Some(1), bound: (types, limits) })
    }

    fn start(bound: &Arc<Self::Bound>, _wanted: &[usize]) -> Result<Self::Scan> {
        Ok((bound.clone(), AtomicBool::new(false)))
    }

    fn next((bound, done): &Self::Scan, out: &mut Chunk<'_>) -> Result<()> {
        if done.swap(true, Relaxed) {
            out.set_rows(0);
            return Ok(());
        }
        let (types, limits) = bound.as_ref();
        for (index, (ty, value)) in types.iter().zip(facts(limits)).enumerate() {
            if let Some(vector) = out.column(index) {
                value.write(&vector, 0, ty);
            }
        }
        out.set_rows(1);
        Ok(())
    }
}

fn facts(limits: &Limits) -> Vec<Value> {
    let (gdal, drivers) = gdal::version();
    let texts = |texts: Vec<String>| Value::List(texts.into_iter().map(Value::Text).collect());
    let field = |name: &str, value: Value| (name.to_string(), value);
    let setting = |s: &crate::bridge::settings::Setting| {
        Value::Struct(vec![
            field("name", Value::Text(s.name.into())),
            field("value", Value::Int(s.value(limits) as i64)),
            field("meaning", Value::Text(s.meaning.into())),
        ])
    };
    vec![
        Value::Text(env!("CARGO_PKG_VERSION").into()),
        Value::Text(gdal),
        texts(drivers),
        texts(catalog_crs()),
        Value::List(SETTINGS.iter().map(setting).collect()),
        Value::Struct(vec![
            field("own", Value::Int(geotiff::headers_read() as i64)),
            field("gdal", Value::Int(gdal::rasters_opened() as i64)),
        ]),
    ]
}
