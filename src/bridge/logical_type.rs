//! DuckDB's types: made from ours, and told as ours.
//!
//! A GEOMETRY type that carries a CRS cannot be made by the C API, but a query's column has one, and queries run at
//! LOAD alone. So the types of the CRSs that columns may have are fetched then and kept: plain memory, with no tie
//! to a database.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::{Mutex, PoisonError};

use duckdb::ffi;

use crate::bridge::connection::Connection;
use crate::bridge::text::{take_text, text};
use crate::error::Result;
use crate::sql_type::SqlType;

/// The name by which DuckDB tells JSON from other text.
const JSON: &CStr = c"JSON";

/// A `duckdb_logical_type`, destroyed with its owner.
pub struct LogicalType(ffi::duckdb_logical_type);

// SAFETY: a logical type is immutable once made, and DuckDB copies it wherever it is handed over.
unsafe impl Send for LogicalType {}
// SAFETY: as above.
unsafe impl Sync for LogicalType {}

impl Drop for LogicalType {
    fn drop(&mut self) {
        // SAFETY: we own the handle and drop it once.
        unsafe { ffi::duckdb_destroy_logical_type(&mut self.0) }
    }
}

impl LogicalType {
    /// # Errors
    /// A name with a zero byte.
    pub fn new(ty: &SqlType) -> Result<LogicalType> {
        let id = match ty {
            SqlType::Boolean => ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN,
            SqlType::TinyInt => ffi::DUCKDB_TYPE_DUCKDB_TYPE_TINYINT,
            SqlType::UTinyInt => ffi::DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT,
            SqlType::SmallInt => ffi::DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT,
            SqlType::USmallInt => ffi::DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT,
            SqlType::Integer => ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER,
            SqlType::UInteger => ffi::DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER,
            SqlType::BigInt => ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT,
            SqlType::UBigInt => ffi::DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT,
            SqlType::HugeInt => ffi::DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT,
            SqlType::UHugeInt => ffi::DUCKDB_TYPE_DUCKDB_TYPE_UHUGEINT,
            SqlType::Null => ffi::DUCKDB_TYPE_DUCKDB_TYPE_SQLNULL,
            SqlType::Float => ffi::DUCKDB_TYPE_DUCKDB_TYPE_FLOAT,
            SqlType::Double => ffi::DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE,
            SqlType::Varchar => ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR,
            SqlType::Blob => ffi::DUCKDB_TYPE_DUCKDB_TYPE_BLOB,
            SqlType::Date => ffi::DUCKDB_TYPE_DUCKDB_TYPE_DATE,
            SqlType::Json => {
                let text = LogicalType::new(&SqlType::Varchar)?;
                // SAFETY: the type is live, and DuckDB copies the name.
                unsafe { ffi::duckdb_logical_type_set_alias(text.0, JSON.as_ptr()) }
                return Ok(text);
            }
            SqlType::Time => ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIME,
            SqlType::TimeTz => ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIME_TZ,
            SqlType::Timestamp => ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP,
            SqlType::TimestampTz => ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ,
            SqlType::TimestampNs => ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_NS,
            SqlType::Interval => ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTERVAL,
            SqlType::Uuid => ffi::DUCKDB_TYPE_DUCKDB_TYPE_UUID,
            SqlType::Decimal(width, scale) => {
                // SAFETY: two plain numbers.
                return Ok(LogicalType(unsafe { ffi::duckdb_create_decimal_type(*width, *scale) }));
            }
            SqlType::Any => ffi::DUCKDB_TYPE_DUCKDB_TYPE_ANY,
            SqlType::Geometry(Some(crs)) => {
                if let Some(known) = with_crs(crs) {
                    return Ok(known);
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY
            }
            SqlType::Geometry(None) => ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY,
            SqlType::List(child) => {
                let child = LogicalType::new(child)?;
                // SAFETY: the child is alive; DuckDB copies it.
                return Ok(LogicalType(unsafe { ffi::duckdb_create_list_type(child.0) }));
            }
            SqlType::Array(child, size) => {
                let child = LogicalType::new(child)?;
                // SAFETY: as above.
                return Ok(LogicalType(unsafe { ffi::duckdb_create_array_type(child.0, *size) }));
            }
            SqlType::Map(key, value) => {
                let (key, value) = (LogicalType::new(key)?, LogicalType::new(value)?);
                // SAFETY: as above.
                return Ok(LogicalType(unsafe { ffi::duckdb_create_map_type(key.0, value.0) }));
            }
            SqlType::Struct(fields) => return LogicalType::structure(fields),
        };
        // SAFETY: a plain type id.
        Ok(LogicalType(unsafe { ffi::duckdb_create_logical_type(id) }))
    }

    fn structure(fields: &[(String, SqlType)]) -> Result<LogicalType> {
        let types = fields.iter().map(|(_, ty)| LogicalType::new(ty)).collect::<Result<Vec<_>>>()?;
        let names = fields.iter().map(|(name, _)| text(name)).collect::<Result<Vec<_>>>()?;
        let mut raw_types: Vec<_> = types.iter().map(|t| t.0).collect();
        let mut raw_names: Vec<_> = names.iter().map(|n| n.as_ptr()).collect();
        // SAFETY: both arrays have `fields.len()` live elements; DuckDB copies them.
        let raw = unsafe {
            ffi::duckdb_create_struct_type(
                raw_types.as_mut_ptr(),
                raw_names.as_mut_ptr(),
                fields.len() as u64,
            )
        };
        Ok(LogicalType(raw))
    }

    /// Takes over a handle that the caller owns.
    ///
    /// # Safety
    /// `raw` is a live logical type that nobody else destroys.
    pub unsafe fn from_raw(raw: ffi::duckdb_logical_type) -> LogicalType {
        LogicalType(raw)
    }

    /// The handle, which stays ours.
    pub fn raw(&self) -> ffi::duckdb_logical_type {
        self.0
    }

    /// DuckDB's number for the kind of type.
    pub(super) fn id(&self) -> ffi::duckdb_type {
        // SAFETY: the type is alive.
        unsafe { ffi::duckdb_get_type_id(self.0) }
    }

    /// Width and scale of a DECIMAL.
    pub(super) fn digits(&self) -> (u8, u8) {
        if self.id() != ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL {
            return (0, 0);
        }
        // SAFETY: the type is alive, and a decimal.
        unsafe { (ffi::duckdb_decimal_width(self.0), ffi::duckdb_decimal_scale(self.0)) }
    }

    /// How many items a row of an ARRAY has.
    pub(super) fn array_size(&self) -> usize {
        if self.id() != ffi::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY {
            return 0;
        }
        // SAFETY: the type is alive, and an array.
        unsafe { ffi::duckdb_array_type_array_size(self.0) as usize }
    }

    /// The types inside: the fields of a STRUCT by name, or the items of a LIST, a MAP or an ARRAY.
    pub(super) fn parts(&self) -> Vec<(String, LogicalType)> {
        // SAFETY: the type is alive, each getter is called for the kind of type that it is for, each name is taken
        // over, and each type is a new handle that we own.
        unsafe {
            let items = |raw| vec![(String::new(), LogicalType(raw))];
            match self.id() {
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT => {
                    let field = |i| {
                        let name = take_text(ffi::duckdb_struct_type_child_name(self.0, i));
                        (name, LogicalType(ffi::duckdb_struct_type_child_type(self.0, i)))
                    };
                    (0..ffi::duckdb_struct_type_child_count(self.0)).map(field).collect()
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_LIST | ffi::DUCKDB_TYPE_DUCKDB_TYPE_MAP => {
                    items(ffi::duckdb_list_type_child_type(self.0))
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY => items(ffi::duckdb_array_type_child_type(self.0)),
                _ => Vec::new(),
            }
        }
    }

    /// What type this is; `None` for one that no column of ours has.
    pub fn sql_type(&self) -> Option<SqlType> {
        // SAFETY: the type is alive, each getter is called for the kind of type that it is for, and each child is a
        // new handle that we own.
        unsafe {
            let child = |raw| LogicalType(raw).sql_type();
            Some(match ffi::duckdb_get_type_id(self.0) {
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN => SqlType::Boolean,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_TINYINT => SqlType::TinyInt,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT => SqlType::UTinyInt,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT => SqlType::SmallInt,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT => SqlType::USmallInt,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER | ffi::DUCKDB_TYPE_DUCKDB_TYPE_SQLNULL => {
                    SqlType::Integer
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER => SqlType::UInteger,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT => SqlType::BigInt,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT => SqlType::UBigInt,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT => SqlType::HugeInt,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_UHUGEINT => SqlType::UHugeInt,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_FLOAT => SqlType::Float,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE => SqlType::Double,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL => {
                    SqlType::Decimal(ffi::duckdb_decimal_width(self.0), ffi::duckdb_decimal_scale(self.0))
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR => {
                    match take_text(ffi::duckdb_logical_type_get_alias(self.0)).as_bytes() == JSON.to_bytes()
                    {
                        true => SqlType::Json,
                        false => SqlType::Varchar,
                    }
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_BLOB => SqlType::Blob,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY => SqlType::Geometry(geometry_crs(self)),
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_DATE => SqlType::Date,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIME => SqlType::Time,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP => SqlType::Timestamp,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ => SqlType::TimestampTz,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_NS => SqlType::TimestampNs,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTERVAL => SqlType::Interval,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_UUID => SqlType::Uuid,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_LIST => child(ffi::duckdb_list_type_child_type(self.0))?.list(),
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY => {
                    let item = child(ffi::duckdb_array_type_child_type(self.0))?;
                    SqlType::Array(Box::new(item), ffi::duckdb_array_type_array_size(self.0))
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_MAP => SqlType::Map(
                    Box::new(child(ffi::duckdb_map_type_key_type(self.0))?),
                    Box::new(child(ffi::duckdb_map_type_value_type(self.0))?),
                ),
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT => {
                    let field = |i| {
                        let name = take_text(ffi::duckdb_struct_type_child_name(self.0, i));
                        Some((name, child(ffi::duckdb_struct_type_child_type(self.0, i))?))
                    };
                    let fields = (0..ffi::duckdb_struct_type_child_count(self.0)).map(field);
                    SqlType::Struct(fields.collect::<Option<_>>()?)
                }
                _ => return None,
            })
        }
    }
}

/// The CRS that a GEOMETRY type carries, if any; of a list or a struct, that of a GEOMETRY in it.
pub fn geometry_crs(ty: &LogicalType) -> Option<String> {
    // SAFETY: the type is alive, each child is a new handle that we own, and the text is taken over; a null text
    // means that the type has no CRS.
    let crs = unsafe {
        let child = |raw| geometry_crs(&LogicalType::from_raw(raw));
        match ffi::duckdb_get_type_id(ty.raw()) {
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY => take_text(ffi::duckdb_geometry_type_get_crs(ty.raw())),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_LIST => return child(ffi::duckdb_list_type_child_type(ty.raw())),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT => {
                let mut fields = 0..ffi::duckdb_struct_type_child_count(ty.raw());
                return fields.find_map(|i| child(ffi::duckdb_struct_type_child_type(ty.raw(), i)));
            }
            _ => return None,
        }
    };
    (!crs.is_empty()).then_some(crs)
}

/// Names and types, as SQL text, of a STRUCT's fields; none for another type.
pub fn struct_fields(ty: &LogicalType) -> Vec<(String, String)> {
    // SAFETY: the type is alive, each name is taken over, and each field's type is a new handle that we own.
    unsafe {
        if ffi::duckdb_get_type_id(ty.raw()) != ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT {
            return Vec::new();
        }
        let field = |i| {
            let name = take_text(ffi::duckdb_struct_type_child_name(ty.raw(), i));
            let child = LogicalType::from_raw(ffi::duckdb_struct_type_child_type(ty.raw(), i));
            (name, type_text(&child))
        };
        (0..ffi::duckdb_struct_type_child_count(ty.raw())).map(field).collect()
    }
}

/// A type as SQL text, for messages and for comparison with the types that we know.
pub(super) fn type_text(ty: &LogicalType) -> String {
    // SAFETY: the type is alive, and a child's type is a new handle that we own.
    let id = unsafe { ffi::duckdb_get_type_id(ty.raw()) };
    let plain = match id {
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT => {
            let fields: Vec<String> =
                struct_fields(ty).into_iter().map(|(name, ty)| format!("{name} {ty}")).collect();
            return format!("STRUCT({})", fields.join(", "));
        }
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_LIST => {
            // SAFETY: as above.
            let child = unsafe { LogicalType::from_raw(ffi::duckdb_list_type_child_type(ty.raw())) };
            return format!("{}[]", type_text(&child));
        }
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY => "GEOMETRY",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR => "VARCHAR",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_BLOB => "BLOB",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE => "DOUBLE",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_FLOAT => "FLOAT",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL => "DECIMAL",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN => "BOOLEAN",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER => "INTEGER",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT => "BIGINT",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_DATE => "DATE",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIME => "TIME",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTERVAL => "INTERVAL",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP => "TIMESTAMP",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_S => "TIMESTAMP_S",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_MS => "TIMESTAMP_MS",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_NS => "TIMESTAMP_NS",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ => "TIMESTAMP WITH TIME ZONE",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_MAP => "MAP",
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_SQLNULL => "NULL",
        _ => "another type",
    };
    plain.to_string()
}

/// Each type inside a list type, whose child DuckDB copies out: a logical type has no copy of its own.
static KNOWN: Mutex<Option<HashMap<String, LogicalType>>> = Mutex::new(None);

/// The type for a CRS that was fetched.
fn with_crs(crs: &str) -> Option<LogicalType> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let list = known.as_ref()?.get(crs)?;
    // SAFETY: the list type is live, and its child is a new handle that we own.
    Some(unsafe { LogicalType::from_raw(ffi::duckdb_list_type_child_type(list.raw())) })
}

/// Whether the type for a CRS is known.
pub fn is_known_crs(crs: &str) -> bool {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.as_ref().is_some_and(|map| map.contains_key(crs))
}

/// Fetches the types of CRSs, each by its name and the definition that DuckDB is told, once for the process.
///
/// # Errors
/// DuckDB does not know a definition, or one cannot be made.
pub fn load_crs(connection: &Connection, crs: impl FnOnce() -> Result<Vec<(String, String)>>) -> Result<()> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.is_some() {
        return Ok(());
    }
    let crs = crs()?;
    let column = |(_, definition): &(String, String)| {
        format!("ST_SetCRS('POINT EMPTY'::GEOMETRY, '{}')", definition.replace('\'', "''"))
    };
    let columns: Vec<String> = crs.iter().map(column).collect();
    let types = connection.query(&format!("SELECT {}", columns.join(", ")), |result| {
        // SAFETY: the result is live; each type is a new handle that we own.
        let column = |i: usize| unsafe {
            let geometry = LogicalType::from_raw(ffi::duckdb_column_logical_type(result, i as u64));
            let list = || LogicalType::from_raw(ffi::duckdb_create_list_type(geometry.raw()));
            (list(), geometry_crs(&geometry).map(|own| (own, list())))
        };
        (0..crs.len()).map(column).collect::<Vec<_>>()
    })?;
    // By our own names, and by what DuckDB calls them.
    let (ours, own): (Vec<_>, Vec<_>) = types.into_iter().unzip();
    let ours = crs.into_iter().map(|(name, _)| name).zip(ours);
    *known = Some(own.into_iter().flatten().chain(ours).collect());
    Ok(())
}
