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

    /// The value in a row of a vector, whatever its type.
    pub fn of(vector: &Vector<'_>, row: usize) -> Value {
        if vector.is_null(row) {
            return Value::Null;
        }
        let ty = vector.ty();
        let items = |child: Vector<'_>, places: std::ops::Range<usize>| {
            Value::List(places.map(|place| Value::of(&child, place)).collect())
        };
        // SAFETY: the type is alive, and asked only for what a type of its kind has.
        let (id, fields, size) = unsafe {
            let id = ffi::duckdb_get_type_id(ty.raw());
            let is = |kind| id == kind;
            let fields = match is(ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT) {
                true => (0..ffi::duckdb_struct_type_child_count(ty.raw()))
                    .map(|i| take_text(ffi::duckdb_struct_type_child_name(ty.raw(), i)))
                    .collect(),
                false => Vec::new(),
            };
            let size = match id {
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY => ffi::duckdb_array_type_array_size(ty.raw()) as usize,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL => ffi::duckdb_decimal_scale(ty.raw()).into(),
                _ => 0,
            };
            (id, fields, size)
        };
        match id {
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN => Value::Bool(vector.get(row)),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TINYINT => Value::Int(vector.get::<i8>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT => Value::Int(vector.get::<u8>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT => Value::Int(vector.get::<i16>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT => Value::Int(vector.get::<u16>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER => Value::Int(vector.get::<i32>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER => Value::Int(vector.get::<u32>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT => Value::Int(vector.get(row)),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_FLOAT => Value::Double(vector.get::<f32>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE => Value::Double(vector.get(row)),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL => {
                // SAFETY: the type is alive and a decimal.
                let stored = match unsafe { ffi::duckdb_decimal_internal_type(ty.raw()) } {
                    ffi::DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT => i64::from(vector.get::<i16>(row)),
                    ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER => i64::from(vector.get::<i32>(row)),
                    ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT => vector.get::<i64>(row),
                    _ => return Value::Other("a DECIMAL of more than 18 digits".into()),
                };
                Value::Double(stored as f64 / 10f64.powi(size as i32))
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR => Value::Text(vector.str(row).to_string()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_DATE => Value::Date(vector.get(row)),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ => {
                Value::Timestamp(vector.get(row))
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_S => {
                Value::Timestamp(vector.get::<i64>(row).saturating_mul(1_000_000))
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_MS => {
                Value::Timestamp(vector.get::<i64>(row).saturating_mul(1000))
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_NS => {
                Value::Timestamp(vector.get::<i64>(row).div_euclid(1000))
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_LIST => {
                let (child, places) = vector.list(row);
                items(child, places)
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY => {
                items(vector.array_child(size), row * size..(row + 1) * size)
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT => {
                let field = |(i, name): (usize, String)| (name, Value::of(&vector.field(i), row));
                Value::Struct(fields.into_iter().enumerate().map(field).collect())
            }
            _ => Value::Other("a value of another type".into()),
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
