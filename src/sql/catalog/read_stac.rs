//! `read_stac`: STAC items as catalog rows.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bbox::Bbox;
use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::bridge::table::{Plan, TableFunction};
use crate::catalog::stac::{self, Asset, ItemRows, Part, StacBand, StacRow};
use crate::catalog::{BUILT_WITH, SCHEMA_VERSION};
use crate::crs::CRS84;
use crate::error::{Error, Result};
use crate::files::{self, Sight};
use crate::limits::Limits;
use crate::on_error::{ON_ERROR, OnError};
use crate::sql::catalog::columns::{BAND, VARIABLE};
use crate::sql::shared::remedies::told;
use crate::sql::shared::shapes::BOX;
use crate::sql_type::SqlType;
use crate::value::Value;
use crate::workers::{Ordered, go_on};

/// The table function `read_stac`.
pub struct ReadStac;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_stac",
    kind: Kind::Table,
    summary: "Reads STAC items as catalog rows: one row an asset, without opening it.",
    parameters: &[
        Parameter {
            name: "items",
            types: "VARCHAR | VARCHAR[]",
            given: Given::Required,
            meaning: "Files of STAC items as a path, a glob, or a list of those: an Item, an ItemCollection, a list of Items, one Item a line, or stac-geoparquet.",
        },
        named(
            "assets",
            "VARCHAR | VARCHAR[]",
            "NULL",
            "Keys or roles (`data`, `B04`) of the assets to take; all of them unless given.",
        ),
        named(
            "on_error",
            "VARCHAR",
            "'fail'",
            "An item that is none stops the query (`fail`), is left out (`skip`), or gets a row of its file and a column `error` (`report`).",
        ),
    ],
    columns: &[
        column("path", "VARCHAR", "The asset's href, resolved against the item's own place."),
        column(
            "kind",
            "VARCHAR",
            "`raster`, `array` or `vector`, by the asset's media type or suffix; NULL when neither tells.",
        ),
        column("driver", "VARCHAR", "NULL: the file is not opened."),
        column(
            "geometry",
            "GEOMETRY",
            "The item's, in OGC:CRS84; a polygon that crosses the antimeridian is cut in two.",
        ),
        column("bbox", BOX, "Envelope of `geometry`; `xmin <= xmax` always."),
        column(
            "t_min",
            "TIMESTAMP",
            "`start_datetime`, or `datetime` where start and end are not both told; UTC, inside. A time without a zone is taken as UTC, a date as its midnight.",
        ),
        column("t_max", "TIMESTAMP", "`end_datetime`, or `datetime`; UTC, inside."),
        column(
            "crs",
            "VARCHAR",
            "`proj:code`, `proj:epsg`, `proj:projjson` or `proj:wkt2` of the asset, else of the item: the first that PROJ knows. A code that names nothing (`EPSG:None`) is passed over.",
        ),
        column(
            "transform",
            "DOUBLE[]",
            "`proj:transform` as GDAL's six numbers, else made of `proj:bbox` and `proj:shape`.",
        ),
        column("width", "INTEGER", "Columns: the second of `proj:shape`."),
        column("height", "INTEGER", "Rows: the first of `proj:shape`."),
        column(
            "bands",
            BAND,
            "`bands` (1.1), or `raster:bands` and `eo:bands`; NULL when there are none. Readers heed the file's own header: where the item alone tells `bands[1].nodata`, `.scale` and `.offset`, apply them as the example does.",
        ),
        column("variables", VARIABLE, "NULL."),
        column("time_var", "VARCHAR", "NULL."),
        column("n_times", "BIGINT", "NULL."),
        column("t_step", "DOUBLE", "NULL."),
        column("layers", "STRUCT(name VARCHAR, geometry_type VARCHAR, n_features BIGINT)[]", "NULL."),
        column(
            "attributes",
            "MAP(VARCHAR, VARCHAR)",
            "`item`, `collection` and `asset` (the key), and the item's properties that are text, numbers or true or false, such as `eo:cloud_cover`.",
        ),
        column("tags", "MAP(VARCHAR, VARCHAR)", "NULL: the file is not opened."),
        column("size", "BIGINT", "`file:size`, bytes."),
        column("modified", "TIMESTAMP", "`updated` of the asset, else of the item, UTC."),
        column("schema_version", "INTEGER", "2: the version of these columns."),
        column("built_with", BUILT_WITH, "NULL: the row was not built from the file."),
        column(
            "assets",
            "STRUCT(name VARCHAR, href VARCHAR, type VARCHAR, roles VARCHAR[], title VARCHAR)[]",
            "All assets of the item, their hrefs resolved.",
        ),
        column("error", "VARCHAR", "Only with `on_error := 'report'`: why it is not an item, else NULL."),
    ],
    nulls: "No parameter may be NULL but assets, which then takes all. An item without a geometry has a NULL geometry and bbox.",
    errors: &[
        "items: no file matches a glob; a path does not exist, or is a directory",
        "a file that is neither JSON nor Parquet, or is a STAC Catalog or Collection, which holds no items",
        "an item without id, properties, assets, or time; with a time that is not RFC 3339; with a geometry that is not GeoJSON, or not in degrees; with a proj:shape or proj:transform that is none",
        "assets: no item has an asset of that key or role (those seen are listed)",
    ],
    examples: &[
        Example {
            title: "Files of one item, bands and all",
            sql: "SELECT path, attributes['asset'] AS asset, crs, height, bands[1].name AS band, bands[1].nodata AS nodata\n\
                  FROM read_stac('test/data/small/item.json', assets := 'data');",
            rows: &["test/data/small/sst_20180101.tif\tsst\tEPSG:4326\t18\tsst\t-9999.0"],
        },
        Example {
            title: "Items are catalog rows: filter them, then read",
            sql: "SELECT read_patch(path, {row_off: 0, col_off: 0, height: 1, width: 3}) AS sst\n\
                  FROM read_stac('test/data/small/item.json', assets := 'sst') WHERE attributes['eo:cloud_cover']::DOUBLE < 20;",
            rows: &["[0.0, 0.0625, 0.125]"],
        },
        Example {
            title: "Scale, offset and nodata of the item, for a file whose header tells none",
            sql: "SELECT list_transform(read_patch(path, {row_off: 0, col_off: 0, height: 1, width: 3}), lambda v:\n\
                  \x20   CASE WHEN v IS DISTINCT FROM bands[1].nodata THEN v * coalesce(bands[1].scale, 1) + coalesce(bands[1].\"offset\", 0) END) AS sst\n\
                  FROM read_stac('test/data/small/item.json', assets := 'sst');",
            rows: &["[0.0, 0.0625, 0.125]"],
        },
    ],
    references: &[
        "https://github.com/radiantearth/stac-spec/blob/v1.1.0/item-spec/item-spec.md",
        "https://github.com/stac-extensions/projection, raster, eo, file",
        "https://github.com/stac-utils/stac-geoparquet/blob/main/spec/stac-geoparquet-spec.md",
    ],
};

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    paths: Vec<String>,
    wanted: Arc<Vec<String>>,
    on_error: OnError,
    limits: Limits,
}

/// The rows of one item, or why it is none; with its file.
type Item = (String, Result<ItemRows>);

/// One row to come: the item's file, and the row or the error.
type Row = (String, Result<StacRow>);

/// A scan under way.
pub struct Scan {
    items: Ordered<Vec<Item>>,
    waiting: Mutex<Waiting>,
    wanted: Arc<Vec<String>>,
    on_error: OnError,
}

#[derive(Default)]
struct Waiting {
    rows: VecDeque<Row>,
    /// Some row was put out.
    given: bool,
    /// Keys and roles of assets that were not asked for.
    others: BTreeSet<String>,
}

impl TableFunction for ReadStac {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = Scan;

    fn bind(args: &Args, limits: Limits) -> Result<Plan<Bound>> {
        let patterns = args.paths("items")?;
        let on_error =
            args.choice("on_error", "a rule for broken items", &ON_ERROR)?.unwrap_or(OnError::Fail);
        let wanted = match args.get("assets") {
            None | Some(Value::Null) => Vec::new(),
            Some(value) => names(value).ok_or_else(|| {
                args.blame("assets")(Error::invalid(value, "a key or a role, or a list of those"))
            })?,
        };
        let paths = files::expand(&patterns).map_err(args.blame("items"))?;
        for path in &paths {
            go_on()?;
            Sight::at(path).map_err(args.blame("items"))?;
        }
        let columns = columns(on_error)?;
        let bound = Bound { paths, wanted: Arc::new(wanted), on_error, limits };
        Ok(Plan { columns, rows: None, bound })
    }

    fn start(bound: &Arc<Bound>, _wanted: &[usize]) -> Result<Scan> {
        let (wanted, on_error) = (bound.wanted.clone(), bound.on_error);
        // What waits for the reader is bounded by the number of files and batches.
        let jobs = stac::parts(bound.paths.clone()).map(|part| part.map(|part| (1, part)));
        let filter = wanted.clone();
        let items = Ordered::start(jobs, bound.limits.threads, 64, move |part: Part| {
            let path = match &part {
                Part::File(path) | Part::Rows(path, _) => path.clone(),
            };
            match stac::items(&part, &filter) {
                Err(error) if on_error != OnError::Fail => Ok(vec![(path, Err(error))]),
                items => items,
            }
        })?;
        Ok(Scan { items, waiting: Mutex::default(), wanted, on_error })
    }

    fn next(scan: &Scan, out: &mut Chunk<'_>) -> Result<()> {
        let mut waiting = scan.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.rows.len() < out.capacity() {
            let Some(items) = scan.items.next() else { break };
            for (path, item) in items? {
                scan.take(path, item, &mut waiting)?;
            }
        }
        let mut rows = 0;
        while rows < out.capacity() {
            let Some((path, row)) = waiting.rows.pop_front() else { break };
            write_row(&path, &row, out, rows);
            rows += 1;
        }
        waiting.given |= rows > 0;
        out.set_rows(rows);
        if waiting.given || waiting.others.is_empty() {
            return Ok(());
        }
        let value = scan.wanted.join("\", \"");
        let choices = std::mem::take(&mut waiting.others).into_iter().collect();
        let noun = "an asset or a role of any item";
        Err(Error::NotOneOf { value, noun, choices }.at("read_stac(assets)"))
    }
}

impl Scan {
    fn take(&self, path: String, item: Result<ItemRows>, waiting: &mut Waiting) -> Result<()> {
        match (item, self.on_error) {
            (Ok(item), _) => {
                waiting.rows.extend(item.rows.into_iter().map(|row| (path.clone(), Ok(row))));
                // A few are enough to show.
                if waiting.others.len() < 100 {
                    waiting.others.extend(item.others);
                }
                Ok(())
            }
            (Err(error), OnError::Fail) => Err(error),
            (Err(error), OnError::Report) => {
                waiting.rows.push_back((path, Err(error)));
                Ok(())
            }
            (Err(_), OnError::Skip) => Ok(()),
        }
    }
}

fn names(value: &Value) -> Option<Vec<String>> {
    let name = |item: &Value| match item {
        Value::Text(name) => Some(name.clone()),
        _ => None,
    };
    let names: Vec<String> = match value {
        Value::List(items) => items.iter().map(name).collect::<Option<_>>()?,
        one => vec![name(one)?],
    };
    (!names.is_empty()).then_some(names)
}

fn columns(on_error: OnError) -> Result<Vec<(String, SqlType)>> {
    DOC.schema_with(|name, ty| match name {
        "geometry" => Some(SqlType::Geometry(Some(CRS84.into()))),
        "error" if on_error != OnError::Report => None,
        _ => Some(ty),
    })
}

fn write_row(file: &str, row: &Result<StacRow>, out: &mut Chunk<'_>, at: usize) {
    for (index, column) in DOC.columns.iter().enumerate() {
        let Some(vector) = out.column(index) else { continue };
        let value = match (column.name, row) {
            ("schema_version", _) => Value::Int(SCHEMA_VERSION.into()),
            ("path", Err(_)) => text(file),
            ("error", Err(error)) => Value::Text(told(error)),
            (_, Err(_)) => Value::Null,
            (name, Ok(row)) => cell(name, row),
        };
        value.write(vector, at);
    }
}

fn cell(name: &str, row: &StacRow) -> Value {
    let time = |micros: Option<i64>| micros.map_or(Value::Null, Value::Timestamp);
    let count = |n: Option<i64>| n.map_or(Value::Null, Value::Int);
    match name {
        "path" => text(&row.path),
        "kind" => row.kind.map_or(Value::Null, |kind| text(kind.name())),
        "geometry" => row.geometry.as_ref().map_or(Value::Null, |(wkb, _)| Value::Bytes(wkb.clone())),
        "bbox" => row.geometry.as_ref().map_or(Value::Null, |(_, bbox)| corners(bbox)),
        "t_min" => time(Some(row.interval.start)),
        "t_max" => time(Some(row.interval.stop)),
        "crs" => maybe(row.crs.as_deref()),
        "transform" => {
            row.transform.map_or(Value::Null, |t| Value::List(t.0.into_iter().map(Value::Double).collect()))
        }
        "width" => count(row.size.map(|(_, width)| width)),
        "height" => count(row.size.map(|(height, _)| height)),
        "bands" if row.bands.is_empty() => Value::Null,
        "bands" => Value::List(row.bands.iter().map(band).collect()),
        "attributes" => Value::Map(row.attributes.iter().map(|(k, v)| (text(k), text(v))).collect()),
        "size" => count(row.bytes),
        "modified" => time(row.modified),
        "assets" => Value::List(row.assets.iter().map(asset).collect()),
        _ => Value::Null,
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_string())
}

fn maybe(words: Option<&str>) -> Value {
    words.map_or(Value::Null, text)
}

fn number(number: Option<f64>) -> Value {
    number.map_or(Value::Null, Value::Double)
}

fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Struct(fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
}

fn corners(b: &Bbox) -> Value {
    record([
        ("xmin", Value::Double(b.xmin)),
        ("ymin", Value::Double(b.ymin)),
        ("xmax", Value::Double(b.xmax)),
        ("ymax", Value::Double(b.ymax)),
    ])
}

fn band(band: &StacBand) -> Value {
    record([
        ("name", maybe(band.name.as_deref())),
        ("dtype", maybe(band.dtype.as_deref())),
        ("nodata", number(band.nodata)),
        ("scale", number(band.scale)),
        ("offset", number(band.offset)),
        ("unit", maybe(band.unit.as_deref())),
    ])
}

fn asset(asset: &Asset) -> Value {
    record([
        ("name", text(&asset.name)),
        ("href", text(&asset.href)),
        ("type", maybe(asset.media_type.as_deref())),
        ("roles", Value::List(asset.roles.iter().map(|role| text(role)).collect())),
        ("title", maybe(asset.title.as_deref())),
    ])
}
