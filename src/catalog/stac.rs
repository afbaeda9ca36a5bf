//! STAC items in a catalog: their assets become files.
//!
//! Items come as JSON (an Item, an ItemCollection, a list of Items, or one a line) or as stac-geoparquet, whose rows
//! are put back into the same JSON. STAC 1.0 and 1.1, with the projection, raster, eo and file extensions.

mod asset;
mod document;

use std::sync::Arc;

use arrow::array::RecordBatch;
use geo::{Geometry, MultiPolygon};
use serde_json::{Map, Value};

use crate::affine::Affine;
use crate::bbox::Bbox;
use crate::error::{Error, ReasonResult, Result};
use crate::files::{self, Sight};
use crate::format::Kind;
use crate::format::parquet::{self, Table};
use crate::interval::Interval;
use crate::map::{Footprint, geometry};
use crate::projection::geometry::from_geojson;
use crate::value;
use crate::workers::go_on;
use document::Document;

/// An asset of an item, as a row of a catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct StacRow {
    /// The asset's href, resolved against where the item lies.
    pub path: String,
    /// By media type or suffix.
    pub kind: Option<Kind>,
    /// In lon/lat, as WKB with its box.
    pub geometry: Option<(Vec<u8>, Bbox)>,
    /// The item's time.
    pub interval: Interval,
    /// By the projection extension.
    pub crs: Option<String>,
    /// By the projection extension.
    pub transform: Option<Affine>,
    /// Rows and columns.
    pub size: Option<(i64, i64)>,
    /// Empty where none are told.
    pub bands: Vec<StacBand>,
    /// The item's properties as text.
    pub attributes: Vec<(String, String)>,
    /// `file:size`.
    pub bytes: Option<i64>,
    /// Microseconds since 1970, UTC.
    pub modified: Option<i64>,
    /// All assets of the item.
    pub assets: Arc<Vec<Asset>>,
}

/// The rows of one item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemRows {
    /// A row an asset that is wanted.
    pub rows: Vec<StacRow>,
    /// Keys and roles of its assets, when none of them was asked for.
    pub others: Vec<String>,
}

/// A band as an item tells of it: its type may be one that no raster of ours has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StacBand {
    /// Its name.
    pub name: Option<String>,
    /// The stored type.
    pub dtype: Option<String>,
    /// The stored value that is none.
    pub nodata: Option<f64>,
    /// `value = stored * scale + offset`.
    pub scale: Option<f64>,
    /// 0 without it.
    pub offset: Option<f64>,
    /// Of the scaled value.
    pub unit: Option<String>,
}

/// A file of an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Asset {
    /// Its key.
    pub name: String,
    /// Where it is, resolved.
    pub href: String,
    /// `type` of the asset.
    pub media_type: Option<String>,
    /// What it is for.
    pub roles: Vec<String>,
    /// For people.
    pub title: Option<String>,
}

impl Asset {
    /// By its key or by a role.
    pub fn is_wanted(&self, wanted: &[String]) -> bool {
        wanted.is_empty() || wanted.iter().any(|name| *name == self.name || self.roles.contains(name))
    }
}

/// Some of a file's items, to be taken apart in one go.
pub enum Part {
    /// A JSON file.
    File(String),
    /// Rows of a stac-geoparquet file.
    Rows(String, RecordBatch),
}

/// Parts of files in order: a JSON file is one, a Parquet file one for each of its batches.
pub fn parts(paths: Vec<String>) -> impl Iterator<Item = Result<Part>> + Send {
    paths.into_iter().flat_map(|path| -> Box<dyn Iterator<Item = Result<Part>> + Send> {
        if !Sight::at(&path).is_ok_and(|sight| sight.magic().starts_with(b"PAR1")) {
            return Box::new(std::iter::once(Ok(Part::File(path))));
        }
        match Table::open(&path) {
            Ok(table) => Box::new(table.map(move |batch| batch.map(|b| Part::Rows(path.clone(), b)))),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    })
}

/// The rows of each item in a part, or why it is none; with the file that it stands in.
///
/// # Errors
/// The file cannot be read, or holds no items at all.
pub fn items(part: &Part, wanted: &[String]) -> Result<Vec<(String, Result<ItemRows>)>> {
    match part {
        Part::File(path) => {
            let whole = documents(path)?;
            let several = whole.len() > 1;
            let read = |(i, item): (usize, &Value)| {
                go_on()?;
                Ok((path.clone(), read_item(item, None, path, i, several, wanted)))
            };
            whole.iter().enumerate().map(read).collect()
        }
        Part::Rows(path, batch) => {
            let read = |row| {
                let found = item_of_row(batch, row, path)
                    .and_then(|(item, wkb)| read_item(&item, Some(wkb), path, row, true, wanted));
                (path.clone(), found)
            };
            Ok((0..batch.num_rows()).map(read).collect())
        }
    }
}

/// Every item of a JSON file.
fn documents(path: &str) -> Result<Vec<Value>> {
    let text = files::text(path)?;
    let bad = |problem: String| Error::unreadable(path, problem);
    let (mut found, mut any) = (Vec::new(), false);
    for document in
        serde_json::Deserializer::from_str(text.trim_start_matches('\u{feff}')).into_iter::<Document>()
    {
        go_on()?;
        let Document(document) = document.map_err(|e| bad(format!("it is not JSON ({e})")))?;
        any = true;
        let kind = document.get("type").and_then(Value::as_str).unwrap_or_default().to_string();
        match (kind.as_str(), document) {
            ("FeatureCollection", Value::Object(mut fields)) => match fields.remove("features") {
                Some(Value::Array(features)) => found.extend(features),
                _ => return Err(bad("an ItemCollection without features".into())),
            },
            ("Catalog" | "Collection", _) => {
                return Err(bad(format!(
                    "it is a STAC {kind}, which holds no items itself: give its items' files"
                )));
            }
            (_, Value::Array(items)) => found.extend(items),
            (_, item) => found.push(item),
        }
    }
    // A search that finds nothing gives a collection of zero items; nothing at all is no answer.
    if any { Ok(found) } else { Err(bad("it holds no STAC items".into())) }
}

/// A row of stac-geoparquet as the item that it was, and its geometry.
fn item_of_row(batch: &RecordBatch, row: usize, path: &str) -> Result<(Value, Option<Vec<u8>>)> {
    const TOP: [&str; 8] =
        ["type", "stac_version", "stac_extensions", "id", "bbox", "links", "assets", "collection"];
    let (mut item, mut properties, mut wkb) = (Map::new(), Map::new(), None);
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let name = field.name();
        if name == "geometry" {
            wkb = match parquet::value(column.as_ref(), row) {
                Some(value::Value::Bytes(wkb)) => Some(wkb),
                Some(value::Value::Null) => None,
                _ => {
                    let reason = format!("its geometry is stored as {}, not as WKB", field.data_type());
                    return Err(Error::unreadable(path, reason));
                }
            };
            continue;
        }
        let value = parquet::json(column.as_ref(), row);
        if value.is_null() {
            continue;
        }
        let target = if TOP.contains(&name.as_str()) { &mut item } else { &mut properties };
        target.insert(name.clone(), value);
    }
    properties.entry("datetime").or_insert(Value::Null);
    item.insert("properties".into(), Value::Object(properties));
    Ok((Value::Object(item), wkb))
}

/// The rows of one item. `wkb` is given where the geometry does not stand in the JSON.
fn read_item(
    item: &Value,
    wkb: Option<Option<Vec<u8>>>,
    path: &str,
    index: usize,
    several: bool,
    wanted: &[String],
) -> Result<ItemRows> {
    let id = item.get("id").and_then(Value::as_str);
    let bad = |problem: String| {
        let item = id.map_or_else(|| format!("item {}", index + 1), |id| format!("item \"{id}\""));
        Error::BadItem { path: path.into(), item, problem }
    };
    let Some(id) = id else { return Err(bad("it has no id".into())) };
    if item.get("type").is_some_and(|kind| kind != "Feature") {
        return Err(bad(format!("its type is {}, not \"Feature\"", shown(item.get("type")))));
    }
    let Some(properties) = item.get("properties").and_then(Value::as_object) else {
        return Err(bad("it has no properties".into()));
    };
    let interval = interval(properties).map_err(|reason| bad(reason.to_string()))?;
    let wkb = match wkb {
        Some(wkb) => wkb,
        None => match item.get("geometry") {
            None | Some(Value::Null) => None,
            Some(geometry) => Some(from_geojson(&geometry.to_string()).map_err(|e| bad(e.to_string()))?),
        },
    };
    let geometry = match wkb {
        Some(wkb) => lay(&wkb, sides(item.get("bbox"))).map_err(|e| bad(e.to_string()))?,
        None => None,
    };
    let Some(fields) = item.get("assets").and_then(Value::as_object) else {
        return Err(bad("it has no assets".into()));
    };
    let base = asset::base_of(item, path, several);
    let mut found = Vec::with_capacity(fields.len());
    for (name, fields) in fields {
        let Some(fields) = fields.as_object() else {
            return Err(bad(format!("its asset \"{name}\" is not an object")));
        };
        let asset = asset::read(name, fields, &base).map_err(|reason| bad(reason.to_string()))?;
        found.push((asset, fields));
    }
    let assets = Arc::new(found.iter().map(|(asset, _)| asset.clone()).collect::<Vec<_>>());
    let mut rows = Vec::new();
    for (asset, fields) in found.into_iter().filter(|(asset, _)| asset.is_wanted(wanted)) {
        let look = asset::Look { fields, properties };
        let kind = asset::kind_of(&asset);
        rows.push(StacRow {
            kind,
            geometry: geometry.clone(),
            interval,
            crs: look.crs(),
            transform: look.placed().map_err(&bad)?,
            size: look.size().map_err(&bad)?,
            bands: look.bands(),
            attributes: attributes(id, item, &asset.name, properties),
            bytes: look.own("file:size").and_then(asset::whole).filter(|bytes| *bytes >= 0),
            modified: look.either("updated").and_then(Value::as_str).and_then(instant),
            assets: assets.clone(),
            path: asset.href,
        });
    }
    let keys =
        |asset: &Asset| [asset.name.clone()].into_iter().chain(asset.roles.clone()).collect::<Vec<_>>();
    let others = if rows.is_empty() { assets.iter().flat_map(keys).collect() } else { Vec::new() };
    Ok(ItemRows { rows, others })
}

/// A value as one would read it in the file.
fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "missing".into(), Value::to_string)
}

/// Microseconds since 1970 of an RFC 3339 text. As readers of STAC do, it takes a time without a zone as UTC, a date as
/// its midnight, and the short zones of ISO 8601 (`+01`, `+0100`).
fn instant(text: &str) -> Option<i64> {
    let text = text.trim();
    let zoned = || {
        let parse = |form| chrono::DateTime::parse_from_str(text, form).ok();
        ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"].into_iter().find_map(parse)
    };
    if let Some(instant) = chrono::DateTime::parse_from_rfc3339(text).ok().or_else(zoned) {
        return Some(instant.timestamp_micros());
    }
    let parse = |form| chrono::NaiveDateTime::parse_from_str(text, form).ok();
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let midnight = || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let told = forms.into_iter().find_map(parse).or_else(midnight)?;
    Some(told.and_utc().timestamp_micros())
}

/// From start to end where both are told, else the one instant.
fn interval(properties: &Map<String, Value>) -> ReasonResult<Interval> {
    let time = |name: &str| match properties.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match instant(text) {
            Some(instant) => Ok(Some(instant)),
            None => {
                Err(format!("its {name} \"{text}\" is not an RFC 3339 time such as 2020-01-31T12:00:00Z"))
            }
        },
        Some(other) => Err(format!("its {name} is {other}, no text")),
    };
    let (start, stop) = (time("start_datetime")?, time("end_datetime")?);
    let interval = match (start.zip(stop), time("datetime")?) {
        (Some((start, stop)), _) => Interval { start, stop },
        (None, Some(instant)) => Interval { start: instant, stop: instant },
        (None, None) => {
            return Err("it has neither a datetime nor both start_datetime and end_datetime".into());
        }
    };
    if interval.start > interval.stop {
        return Err(format!("its interval {interval} ends before it starts").into());
    }
    Ok(interval)
}

/// West and east of an item's box.
fn sides(bbox: Option<&Value>) -> Option<(f64, f64)> {
    match bbox? {
        Value::Array(corners) => {
            let number = |i: usize| corners.get(i).and_then(Value::as_f64);
            number(0).zip(number(corners.len() / 2))
        }
        Value::Object(corners) => {
            let number = |name: &str| corners.get(name).and_then(Value::as_f64);
            number("xmin").zip(number("xmax"))
        }
        _ => None,
    }
}

/// A box whose west lies east of its east goes over the antimeridian (RFC 7946, 5.2). So does a ring with an edge of more
/// than half a turn, when the box is not the ring's own: a ring that was not cut runs from one side to the other.
fn crosses_antimeridian(sides: Option<(f64, f64)>, shape: &MultiPolygon<f64>) -> bool {
    let Some((west, east)) = sides else { return false };
    let rings = || shape.iter().flat_map(|part| std::iter::once(part.exterior()).chain(part.interiors()));
    let long = || rings().flat_map(|ring| ring.lines()).any(|edge| edge.dx().abs() > 180.0);
    let lons = || rings().flat_map(|ring| ring.coords()).map(|c| c.x);
    let own = (lons().fold(f64::INFINITY, f64::min), lons().fold(f64::NEG_INFINITY, f64::max));
    let is_own = (own.0 - west).abs() < 1e-6 && (own.1 - east).abs() < 1e-6;
    west > east || long() && !is_own
}

/// A geometry as it stands in a catalog.
fn lay(wkb: &[u8], sides: Option<(f64, f64)>) -> Result<Option<(Vec<u8>, Bbox)>> {
    let Some(geometry) = geometry::read(wkb)? else { return Ok(None) };
    if let Some(own) = geometry::envelope(&geometry)
        && !(own.ymin >= -90.0 && own.ymax <= 90.0 && own.xmin >= -540.0 && own.xmax <= 540.0)
    {
        let problem = format!(
            "its geometry reaches from ({}, {}) to ({}, {}), and GeoJSON counts in degrees of longitude and latitude",
            own.xmin, own.ymin, own.xmax, own.ymax
        );
        return Err(Error::conflict(problem, ""));
    }
    let whole = match geometry {
        Geometry::Polygon(polygon) => MultiPolygon(vec![polygon]),
        Geometry::MultiPolygon(parts) => parts,
        other => {
            let bbox =
                geometry::envelope(&other).ok_or_else(|| Error::Bug("a geometry without a box".into()))?;
            return Ok(Some((geometry::write(&other)?, bbox)));
        }
    };
    let crosses = crosses_antimeridian(sides, &whole);
    let footprint = Footprint::of_lon_lat(whole, crosses)?;
    Ok(Some((crate::map::geometry::polygons_wkb(&footprint.polygons)?, footprint.bbox)))
}

/// Who the asset is, and the properties of its item that are no lists or objects.
fn attributes(id: &str, item: &Value, asset: &str, properties: &Map<String, Value>) -> Vec<(String, String)> {
    let mut found = vec![("item".to_string(), id.to_string())];
    if let Some(collection) = item.get("collection").and_then(Value::as_str) {
        found.push(("collection".into(), collection.into()));
    }
    found.push(("asset".into(), asset.into()));
    for (name, value) in properties {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => continue,
        };
        if !["item", "collection", "asset"].contains(&name.as_str()) {
            found.push((name.clone(), text));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::{Coord, Rect};
    use serde_json::json;

    #[test]
    fn an_interval_needs_an_instant_or_both_ends() {
        let of = |value: Value| interval(value.as_object().unwrap());
        assert!(of(json!({"datetime": "2020-01-01T00:00:00Z"})).is_ok());
        let both = json!({"datetime": null, "start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-01-02T00:00:00+01:00"});
        assert_eq!(of(both).unwrap().to_string(), "[2020-01-01 00:00:00, 2020-01-01 23:00:00]");
        assert!(of(json!({"datetime": null, "start_datetime": "2020-01-01T00:00:00Z"})).is_err());
        assert!(of(json!({"datetime": "yesterday"})).is_err());
        assert!(of(json!({"datetime": "2020-13-01"})).is_err());
        assert!(
            of(json!({"start_datetime": "2020-01-02T00:00:00Z", "end_datetime": "2020-01-01T00:00:00Z"}))
                .is_err()
        );
    }

    #[test]
    fn a_time_without_a_zone_is_utc() {
        let noon = instant("2020-01-31T12:00:00Z").unwrap();
        for text in [
            "2020-01-31T12:00:00",
            "2020-01-31 12:00:00",
            "2020-01-31T12:00",
            "2020-01-31T12:00:00.000",
            "2020-01-31T13:00:00+01",
            "2020-01-31T13:00:00+0100",
            "2020-01-31t12:00:00z",
        ] {
            assert_eq!(instant(text), Some(noon), "{text}");
        }
        assert_eq!(instant("2020-01-31"), instant("2020-01-31T00:00:00Z"));
        assert_eq!(instant("31.01.2020"), None);
    }

    #[test]
    fn a_box_from_east_to_west_crosses_and_so_does_a_ring_that_was_not_cut() {
        let ring = |west: f64, east: f64| {
            MultiPolygon(vec![
                Rect::new(Coord { x: west, y: -17.0 }, Coord { x: east, y: -16.0 }).to_polygon(),
            ])
        };
        let crosses = |bbox: Value, shape| crosses_antimeridian(sides(Some(&bbox)), &shape);
        let small = || ring(0.0, 1.0);
        assert!(crosses(json!([170, -10, -170, 10]), small()));
        assert!(crosses(json!([170, -10, 0, -170, 10, 100]), small()));
        assert!(!crosses(json!([-170, -10, 170, 10]), small()));
        assert!(!crosses_antimeridian(None, &ring(-179.1, 179.2)));
        assert!(crosses(json!([-180, -17, 180, -16]), ring(-179.1, 179.2)));
        assert!(!crosses(json!([-179.1, -17, 179.2, -16]), ring(-179.1, 179.2)));
        assert!(!crosses(json!([-180, -90, 180, 90]), ring(-180.0, 180.0)));
    }
}
