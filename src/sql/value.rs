//! A constant that a query gave: DuckDB's `duckdb_value` as an owned Rust value.

use std::ffi::{CStr, c_char, c_void};
use std::fmt;

use duckdb::ffi;

use crate::sql::chunk::{LogicalType, Vector};
use crate::sql::types::SqlType;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970, UTC.
    Timestamp(i64),
    List(Vec<Value>),
    Struct(Vec<(String, Value)>),
    Map(Vec<(Value, Value)>),
    /// A type that no function of ours takes, as DuckDB prints it.
    Other(String),
}

impl fmt::Display for Value {
    /// As one would write it in SQL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Bool(v) => write!(f, "{v}"),
            Value::Int(v) => write!(f, "{v}"),
            Value::Double(v) => write!(f, "{v}"),
            Value::Text(v) => write!(f, "\"{v}\""),
            Value::Bytes(v) => write!(f, "a blob of {} bytes", v.len()),
            Value::Date(v) => write!(f, "{}", crate::interval::iso(i64::from(*v) * 86_400_000_000)),
            Value::Timestamp(v) => write!(f, "{}", crate::interval::iso(*v)),
            Value::List(values) => {
                let texts: Vec<String> = values.iter().map(Value::to_string).collect();
                write!(f, "[{}]", texts.join(", "))
            }
            Value::Struct(fields) => {
                let texts: Vec<String> = fields.iter().map(|(k, v)| format!("{k}: {v}")).collect();
                write!(f, "{{{}}}", texts.join(", "))
            }
            Value::Map(pairs) => write!(f, "a map of {} pairs", pairs.len()),
            Value::Other(text) => f.write_str(text),
        }
    }
}

/// A `duckdb_value`, destroyed with its owner.
pub struct RawValue(pub ffi::duckdb_value);

impl Drop for RawValue {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: we own the handle and drop it once.
            unsafe { ffi::duckdb_destroy_value(&mut self.0) }
        }
    }
}

/// Text that DuckDB allocated, taken over and freed.
///
/// # Safety
/// `text` is null or a live C string from DuckDB's allocator.
pub unsafe fn take_text(text: *mut c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller vouches for the string; it is freed after the copy.
    unsafe {
        let owned = CStr::from_ptr(text).to_string_lossy().into_owned();
        ffi::duckdb_free(text.cast::<c_void>());
        owned
    }
}

impl Value {
    /// # Safety
    /// `raw` holds null or a live value.
    pub unsafe fn read(raw: &RawValue) -> Value {
        // SAFETY: every handle is live (the caller's, or one made here and owned by a RawValue), and each
        // getter is called only for the type that the value has. A value's own type must not be destroyed.
        unsafe {
            if raw.0.is_null() || ffi::duckdb_is_null_value(raw.0) {
                return Value::Null;
            }
            let ty = ffi::duckdb_get_value_type(raw.0);
            match ffi::duckdb_get_type_id(ty) {
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN => Value::Bool(ffi::duckdb_get_bool(raw.0)),
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_TINYINT
                | ffi::DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT
                | ffi::DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT
                | ffi::DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT
                | ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER
                | ffi::DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER
                | ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT => Value::Int(ffi::duckdb_get_int64(raw.0)),
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT | ffi::DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT => {
                    // What a sum gives: mostly small. A number beyond BIGINT is none that we take.
                    let wide = ffi::duckdb_get_hugeint(raw.0);
                    match i64::try_from(i128::from(wide.upper) << 64 | i128::from(wide.lower)) {
                        Ok(number) => Value::Int(number),
                        Err(_) => Value::Other(take_text(ffi::duckdb_value_to_string(raw.0))),
                    }
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL
                | ffi::DUCKDB_TYPE_DUCKDB_TYPE_FLOAT
                | ffi::DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE => Value::Double(ffi::duckdb_get_double(raw.0)),
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR => {
                    Value::Text(take_text(ffi::duckdb_get_varchar(raw.0)))
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_DATE => Value::Date(ffi::duckdb_get_date(raw.0).days),
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP => {
                    Value::Timestamp(ffi::duckdb_get_timestamp(raw.0).micros)
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_LIST => {
                    let item = |i| Value::read(&RawValue(ffi::duckdb_get_list_child(raw.0, i)));
                    Value::List((0..ffi::duckdb_get_list_size(raw.0)).map(item).collect())
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT => {
                    let field = |i| {
                        let name = take_text(ffi::duckdb_struct_type_child_name(ty, i));
                        (name, Value::read(&RawValue(ffi::duckdb_get_struct_child(raw.0, i))))
                    };
                    Value::Struct((0..ffi::duckdb_struct_type_child_count(ty)).map(field).collect())
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_MAP => {
                    let pair = |i| {
                        let key = Value::read(&RawValue(ffi::duckdb_get_map_key(raw.0, i)));
                        (key, Value::read(&RawValue(ffi::duckdb_get_map_value(raw.0, i))))
                    };
                    Value::Map((0..ffi::duckdb_get_map_size(raw.0)).map(pair).collect())
                }
                _ => Value::Other(take_text(ffi::duckdb_value_to_string(raw.0))),
            }
        }
    }

    /// Writes the value into a row of a vector of type `ty`. A value of another type becomes NULL: the
    /// types of values were chosen together with the vector's.
    pub fn write(&self, vector: &Vector<'_>, row: usize, ty: &SqlType) {
        match (self, ty) {
            (Value::Bool(v), SqlType::Boolean) => vector.set(row, *v),
            (Value::Int(v), SqlType::TinyInt) => vector.set(row, *v as i8),
            (Value::Int(v), SqlType::UTinyInt) => vector.set(row, *v as u8),
            (Value::Int(v), SqlType::SmallInt) => vector.set(row, *v as i16),
            (Value::Int(v), SqlType::USmallInt) => vector.set(row, *v as u16),
            (Value::Int(v), SqlType::Integer) => vector.set(row, *v as i32),
            (Value::Int(v), SqlType::UInteger) => vector.set(row, *v as u32),
            (Value::Int(v), SqlType::BigInt | SqlType::UBigInt) => vector.set(row, *v),
            (Value::Double(v), SqlType::Float) => vector.set(row, *v as f32),
            (Value::Double(v), SqlType::Double) => vector.set(row, *v),
            (Value::Date(v), SqlType::Date) => vector.set(row, *v),
            (Value::Timestamp(v), SqlType::Timestamp) => vector.set(row, *v),
            (Value::Text(v), SqlType::Varchar) => vector.set_bytes(row, v.as_bytes()),
            (Value::Bytes(v), SqlType::Blob | SqlType::Geometry(_)) => vector.set_bytes(row, v),
            (Value::List(values), SqlType::List(child)) => {
                let (items, first) = vector.push_list(row, values.len());
                for (i, value) in values.iter().enumerate() {
                    value.write(&items, first + i, child);
                }
            }
            (Value::List(values), SqlType::Array(child, size)) if values.len() as u64 == *size => {
                let items = vector.array_child(values.len());
                for (i, value) in values.iter().enumerate() {
                    value.write(&items, row * values.len() + i, child);
                }
            }
            (Value::Struct(values), SqlType::Struct(fields)) => {
                for (i, ((_, value), (_, field))) in values.iter().zip(fields).enumerate() {
                    value.write(&vector.field(i), row, field);
                }
            }
            (Value::Map(pairs), SqlType::Map(key, value)) => {
                let (items, first) = vector.push_list(row, pairs.len());
                for (i, (k, v)) in pairs.iter().enumerate() {
                    k.write(&items.field(0), first + i, key);
                    v.write(&items.field(1), first + i, value);
                }
            }
            // A map's entries as Parquet has them: a list of key and value.
            (Value::List(entries), SqlType::Map(key, value)) => {
                let (items, first) = vector.push_list(row, entries.len());
                let pair =
                    SqlType::Struct(vec![("key".into(), *key.clone()), ("value".into(), *value.clone())]);
                for (i, entry) in entries.iter().enumerate() {
                    entry.write(&items, first + i, &pair);
                }
            }
            _ => vector.set_null(row, ty),
        }
    }
}

/// The CRS that a GEOMETRY type carries, if any.
pub fn geometry_crs(ty: &LogicalType) -> Option<String> {
    // SAFETY: the type is alive, and the text is taken over; a null text means that it has no CRS.
    let crs = unsafe {
        if ffi::duckdb_get_type_id(ty.raw()) != ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY {
            return None;
        }
        take_text(ffi::duckdb_geometry_type_get_crs(ty.raw()))
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
fn type_text(ty: &LogicalType) -> String {
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
