//! Features one after another, in the file's order: the number, the attributes and the geometry of each.

#![allow(unsafe_code)]

use std::ffi::CStr;

use chrono::{NaiveDate, NaiveTime};
use gdal::cpl::CslStringList;
use gdal::vector::LayerAccess;
use gdal_sys as c;

use crate::error::{Error, Result};
use crate::format::gdal::vector::VectorSource;
use crate::format::gdal::vsi;
use crate::projection::library::{failure_of, reason};
use crate::sql_type::SqlType;
use crate::value::Value;
use crate::workers::go_on;

/// What a layer's features have.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The attributes by name, in file order.
    pub attributes: Vec<(String, SqlType)>,
    /// Whether there are geometries.
    pub spatial: bool,
}

/// A feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Its number, where the format has one.
    pub fid: Option<i64>,
    /// A value for each attribute; those that were not asked for are NULL.
    pub values: Vec<Value>,
    /// As WKB with lines for arcs.
    pub geometry: Option<Vec<u8>>,
}

/// A layer that is read from its first feature to its last.
pub struct Features {
    source: VectorSource,
    layer: usize,
    schema: Schema,
    /// The attributes to be read, and whether the geometry is.
    wanted: (Vec<bool>, bool),
    done: bool,
}

impl VectorSource {
    /// # Errors
    /// The layer cannot be read.
    pub fn schema(&self, layer_index: usize) -> Result<Schema> {
        let path = self.location().text();
        vsi::watched(self.location(), || {
            let layer =
                self.dataset().layer(layer_index).map_err(|e| Error::unreadable(path, reason(&e, path)))?;
            let defn = layer.defn();
            let attributes = (0..defn.fields().count()).map(|index| {
                // SAFETY: the definition is the layer's, which is open, and has a field of each number below its count; the
                // name is copied at once.
                unsafe {
                    let field = c::OGR_FD_GetFieldDefn(defn.c_defn(), index as i32);
                    let name = CStr::from_ptr(c::OGR_Fld_GetNameRef(field)).to_string_lossy().into_owned();
                    (name, sql_type(c::OGR_Fld_GetType(field), c::OGR_Fld_GetSubType(field)))
                }
            });
            Ok(Schema { attributes: attributes.collect(), spatial: defn.geom_fields().next().is_some() })
        })
    }
}

impl Features {
    /// The features of a layer. What is not wanted (of the attributes by number, and the geometry) is not read, where the
    /// format can leave it out.
    ///
    /// # Errors
    /// The layer cannot be read.
    pub fn begin(source: VectorSource, layer: usize, wanted: (Vec<bool>, bool)) -> Result<Features> {
        let schema = source.schema(layer)?;
        let features = Features { source, layer, schema, wanted, done: false };
        features.watched(|features| {
            let layer = features.layer()?;
            let mut ignored = CslStringList::new();
            let unwanted = features.schema.attributes.iter().zip(&features.wanted.0);
            for ((name, _), _) in unwanted.filter(|(_, wanted)| !**wanted) {
                // A name with a zero byte is read for nothing.
                let _ = ignored.add_string(name);
            }
            if !features.wanted.1 {
                let _ = ignored.add_string("OGR_GEOMETRY");
            }
            // SAFETY: the layer is open; GDAL copies the list. A format that cannot leave anything out reads all.
            unsafe {
                c::OGR_L_SetIgnoredFields(layer.c_layer(), ignored.as_ptr().cast());
                c::OGR_L_ResetReading(layer.c_layer());
            }
            Ok(())
        })?;
        Ok(features)
    }

    /// At most `most` further features; none after the last.
    ///
    /// # Errors
    /// One that is damaged.
    pub fn next(&mut self, most: usize) -> Result<Vec<Feature>> {
        if self.done {
            return Ok(Vec::new());
        }
        let found = self.watched(|features| {
            let layer = features.layer()?;
            let (found, failure) = failure_of(|| {
                let mut found = Vec::new();
                while found.len() < most {
                    go_on()?;
                    // SAFETY: the layer is open; what it gives is ours to destroy.
                    let handle = unsafe { Handle(c::OGR_L_GetNextFeature(layer.c_layer())) };
                    if handle.0.is_null() {
                        break;
                    }
                    found.push(features.feature(&handle)?);
                }
                Ok(found)
            });
            let found: Vec<Feature> = found?;
            // A damaged feature ends the layer as if it were the last: only what GDAL says tells the difference.
            match failure {
                Some(failure) => Err(Error::unreadable(features.path(), failure)),
                None => Ok(found),
            }
        })?;
        self.done = found.len() < most;
        Ok(found)
    }

    fn path(&self) -> &str {
        self.source.location().text()
    }

    fn layer(&self) -> Result<gdal::vector::Layer<'_>> {
        let unreadable = |e| Error::unreadable(self.path(), reason(&e, self.path()));
        self.source.dataset().layer(self.layer).map_err(unreadable)
    }

    fn watched<T>(&self, work: impl FnOnce(&Features) -> Result<T>) -> Result<T> {
        vsi::watched(self.source.location(), || work(self))
    }

    fn feature(&self, handle: &Handle) -> Result<Feature> {
        // SAFETY: the feature is alive.
        let fid = unsafe { c::OGR_F_GetFID(handle.0) };
        let fid = (fid != NO_FID).then_some(fid);
        let attributes = self.schema.attributes.iter().zip(&self.wanted.0).enumerate();
        let value = |(index, ((_, ty), wanted)): (usize, (&(String, SqlType), &bool))| match *wanted {
            true => handle.value(index as i32, ty),
            false => Value::Null,
        };
        let values = attributes.map(value).collect();
        let geometry = if self.wanted.1 { handle.wkb() } else { Ok(None) };
        let geometry = geometry.map_err(|reason| {
            let reason = format!("the geometry of feature {} {reason}", fid.unwrap_or(NO_FID));
            Error::unreadable(self.path(), reason)
        })?;
        Ok(Feature { fid, values, geometry })
    }
}

/// GDAL's number of a feature that has none.
const NO_FID: i64 = -1;

/// A feature of GDAL's, destroyed with its owner.
struct Handle(c::OGRFeatureH);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: it is ours, and destroyed once; null is nothing.
        unsafe { c::OGR_F_Destroy(self.0) }
    }
}

impl Handle {
    /// The value of a field, which has that type.
    fn value(&self, index: i32, ty: &SqlType) -> Value {
        let feature = self.0;
        // SAFETY: the feature is alive and has the field, whose type is the layer's. What GDAL lends is copied at once, and
        // a list has as many items as it says.
        unsafe {
            if c::OGR_F_IsFieldSetAndNotNull(feature, index) == 0 {
                return Value::Null;
            }
            let list = |n: i32, item: &dyn Fn(usize) -> Value| {
                Value::List((0..usize::try_from(n).unwrap_or(0)).map(item).collect())
            };
            let mut n = 0;
            match ty {
                SqlType::Boolean => Value::Bool(c::OGR_F_GetFieldAsInteger(feature, index) != 0),
                SqlType::SmallInt | SqlType::Integer => {
                    Value::Int(c::OGR_F_GetFieldAsInteger(feature, index).into())
                }
                SqlType::BigInt => Value::Int(c::OGR_F_GetFieldAsInteger64(feature, index)),
                SqlType::Float | SqlType::Double => Value::Double(c::OGR_F_GetFieldAsDouble(feature, index)),
                SqlType::Blob => {
                    let bytes = c::OGR_F_GetFieldAsBinary(feature, index, &mut n);
                    let n = usize::try_from(n).unwrap_or(0);
                    let bytes = if n == 0 { &[] } else { std::slice::from_raw_parts(bytes, n) };
                    Value::Bytes(bytes.to_vec())
                }
                SqlType::Date | SqlType::Time | SqlType::Timestamp => {
                    self.time(index, ty).unwrap_or(Value::Null)
                }
                SqlType::List(item) => match item.as_ref() {
                    SqlType::Varchar => {
                        let texts = c::OGR_F_GetFieldAsStringList(feature, index);
                        list(c::CSLCount(texts), &|i| Value::Text(lent(*texts.add(i))))
                    }
                    SqlType::Double | SqlType::Float => {
                        let items = c::OGR_F_GetFieldAsDoubleList(feature, index, &mut n);
                        list(n, &|i| Value::Double(*items.add(i)))
                    }
                    SqlType::BigInt => {
                        let items = c::OGR_F_GetFieldAsInteger64List(feature, index, &mut n);
                        list(n, &|i| Value::Int(*items.add(i)))
                    }
                    SqlType::Boolean => {
                        let items = c::OGR_F_GetFieldAsIntegerList(feature, index, &mut n);
                        list(n, &|i| Value::Bool(*items.add(i) != 0))
                    }
                    _ => {
                        let items = c::OGR_F_GetFieldAsIntegerList(feature, index, &mut n);
                        list(n, &|i| Value::Int((*items.add(i)).into()))
                    }
                },
                _ => Value::Text(lent(c::OGR_F_GetFieldAsString(feature, index))),
            }
        }
    }

    /// A date, a time of day, or an instant in UTC; one without a zone is taken as UTC.
    fn time(&self, index: i32, ty: &SqlType) -> Option<Value> {
        /// GDAL's number of UTC; others are quarters of an hour away from it, and below it no zone is told.
        const UTC: i32 = 100;
        const QUARTER: i64 = 15 * 60;
        let (mut year, mut month, mut day, mut hour, mut minute) = (0, 0, 0, 0, 0);
        let (mut seconds, mut zone) = (0f32, 0);
        // SAFETY: the feature is alive and has the field; each number is written.
        let told = unsafe {
            c::OGR_F_GetFieldAsDateTimeEx(
                self.0,
                index,
                &mut year,
                &mut month,
                &mut day,
                &mut hour,
                &mut minute,
                &mut seconds,
                &mut zone,
            )
        };
        if told == 0 {
            return None;
        }
        // Seconds are told as a small float: thousandths are all that it holds.
        let millis = (f64::from(seconds) * 1e3).round() as i64;
        let micros = (i64::from(hour) * 3600 + i64::from(minute) * 60) * 1_000_000 + millis * 1000;
        let midnight = || {
            let date = NaiveDate::from_ymd_opt(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
            Some(date.and_time(NaiveTime::MIN).and_utc().timestamp_micros())
        };
        Some(match ty {
            SqlType::Time => Value::Time(micros),
            SqlType::Date => Value::Date(i32::try_from(midnight()?.div_euclid(86_400_000_000)).ok()?),
            _ => {
                let away = if zone > 1 { i64::from(zone - UTC) * QUARTER * 1_000_000 } else { 0 };
                Value::Timestamp(midnight()? + micros - away)
            }
        })
    }

    /// The geometry as ISO WKB, of the kinds that DuckDB has: lines along arcs, polygons for faces.
    fn wkb(&self) -> std::result::Result<Option<Vec<u8>>, String> {
        use c::OGRwkbGeometryType as Kind;
        // SAFETY: the feature is alive, and lends its geometry as long; what is made of a copy is ours to destroy.
        unsafe {
            let own = c::OGR_F_GetGeometryRef(self.0);
            if own.is_null() {
                return Ok(None);
            }
            let made = match c::OGR_GT_Flatten(c::OGR_G_GetGeometryType(own)) {
                Kind::wkbPolyhedralSurface | Kind::wkbTIN => {
                    c::OGR_G_ForceToMultiPolygon(c::OGR_G_Clone(own))
                }
                Kind::wkbTriangle => c::OGR_G_ForceToPolygon(c::OGR_G_Clone(own)),
                _ if c::OGR_G_HasCurveGeometry(own, 1) != 0 => {
                    c::OGR_G_GetLinearGeometry(own, 0.0, std::ptr::null_mut())
                }
                _ => std::ptr::null_mut(),
            };
            let geometry = if made.is_null() { own } else { made };
            let mut wkb = vec![0u8; c::OGR_G_WkbSizeEx(geometry)];
            let done = c::OGR_G_ExportToIsoWkb(geometry, c::OGRwkbByteOrder::wkbNDR, wkb.as_mut_ptr());
            if !made.is_null() {
                c::OGR_G_DestroyGeometry(made);
            }
            if done == c::OGRErr::OGRERR_NONE {
                Ok(Some(wkb))
            } else {
                Err("cannot be written as WKB".into())
            }
        }
    }
}

/// # Safety
/// A text of GDAL's that ends with a zero byte, or null.
unsafe fn lent(text: *const std::ffi::c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

fn sql_type(kind: c::OGRFieldType::Type, more: c::OGRFieldSubType::Type) -> SqlType {
    use c::{OGRFieldSubType as More, OGRFieldType as Kind};
    match (kind, more) {
        (Kind::OFTInteger, More::OFSTBoolean) => SqlType::Boolean,
        (Kind::OFTInteger, More::OFSTInt16) => SqlType::SmallInt,
        (Kind::OFTInteger, _) => SqlType::Integer,
        (Kind::OFTInteger64, _) => SqlType::BigInt,
        (Kind::OFTReal, More::OFSTFloat32) => SqlType::Float,
        (Kind::OFTReal, _) => SqlType::Double,
        (Kind::OFTIntegerList, More::OFSTBoolean) => SqlType::Boolean.list(),
        (Kind::OFTIntegerList, More::OFSTInt16) => SqlType::SmallInt.list(),
        (Kind::OFTIntegerList, _) => SqlType::Integer.list(),
        (Kind::OFTInteger64List, _) => SqlType::BigInt.list(),
        (Kind::OFTRealList, More::OFSTFloat32) => SqlType::Float.list(),
        (Kind::OFTRealList, _) => SqlType::Double.list(),
        (Kind::OFTStringList, _) => SqlType::Varchar.list(),
        (Kind::OFTBinary, _) => SqlType::Blob,
        (Kind::OFTDate, _) => SqlType::Date,
        (Kind::OFTTime, _) => SqlType::Time,
        (Kind::OFTDateTime, _) => SqlType::Timestamp,
        _ => SqlType::Varchar,
    }
}
