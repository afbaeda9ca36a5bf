//! `geoquilt_version`: what this extension is made of, and its settings.

use crate::bridge::doc::{Column, Example, FunctionDoc, Kind};
use crate::bridge::settings::SETTINGS;
use crate::bridge::table::Listing;
use crate::format::{gdal, geotiff};
use crate::limits::Limits;
use crate::sql::shared::catalog_crs::catalog_crs;
use crate::value::Value;

/// The table function `geoquilt_version`.
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
            types: "STRUCT(name VARCHAR, value VARCHAR, meaning VARCHAR)[]",
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

impl Listing for GeoquiltVersion {
    const DOC: &'static FunctionDoc = &DOC;

    fn rows(limits: &Limits) -> Vec<Vec<Value>> {
        vec![row(limits)]
    }
}

fn row(limits: &Limits) -> Vec<Value> {
    let (gdal, drivers) = gdal::version();
    let texts = |texts: Vec<String>| Value::List(texts.into_iter().map(Value::Text).collect());
    let field = |name: &str, value: Value| (name.to_string(), value);
    let setting = |s: &crate::bridge::settings::Setting| {
        Value::Struct(vec![
            field("name", Value::Text(s.name.into())),
            field("value", Value::Text(s.value(limits))),
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
