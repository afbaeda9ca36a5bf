//! [`Value`] out of DuckDB's constants and vectors, and into vectors.

#![allow(unsafe_code)]

use std::mem::ManuallyDrop;

use duckdb::ffi;

use crate::bridge::layout::Physical;
use crate::bridge::logical_type::{LogicalType, geometry_crs};
use crate::bridge::text::take_text;
use crate::bridge::vector::{Vector, Wide};
use crate::sql_type::SqlType;
use crate::value::{CalendarInterval, Value};
use crate::workers::{STRIDE, go_on_or_leave};

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
                    let wide = ffi::duckdb_get_hugeint(raw.0);
                    whole(i128::from(wide.upper) << 64 | i128::from(wide.lower))
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL if ffi::duckdb_decimal_width(ty) > 15 => {
                    let decimal = ffi::duckdb_get_decimal(raw.0);
                    let digits = i128::from(decimal.value.upper) << 64 | i128::from(decimal.value.lower);
                    Value::Decimal(digits, decimal.scale)
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
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ => {
                    Value::Timestamp(ffi::duckdb_get_timestamp_tz(raw.0).micros)
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_NS => {
                    Value::Nanos(ffi::duckdb_get_timestamp_ns(raw.0).nanos)
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIME => Value::Time(ffi::duckdb_get_time(raw.0).micros),
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTERVAL => {
                    let ffi::duckdb_interval { months, days, micros } = ffi::duckdb_get_interval(raw.0);
                    Value::Interval(CalendarInterval { months, days, micros })
                }
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_UUID => {
                    let uuid = ffi::duckdb_get_uuid(raw.0);
                    Value::Uuid(u128::from(uuid.upper) << 64 | u128::from(uuid.lower))
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
                id @ (ffi::DUCKDB_TYPE_DUCKDB_TYPE_BLOB | ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY) => {
                    // The C interface casts to BLOB, which no GEOMETRY can be in DuckDB 1.5.6: as the one row of a vector
                    // it has its bytes.
                    let mut row = ffi::duckdb_create_vector(ty, 1);
                    ffi::duckdb_vector_reference_value(row, raw.0);
                    let bytes = Vector::from_raw(row, 1).bytes(0).to_vec();
                    ffi::duckdb_destroy_vector(&mut row);
                    if id == ffi::DUCKDB_TYPE_DUCKDB_TYPE_BLOB {
                        return Value::Bytes(bytes);
                    }
                    let crs = take_text(ffi::duckdb_geometry_type_get_crs(ty));
                    Value::Geometry(bytes, (!crs.is_empty()).then_some(crs))
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
        let layout = vector.layout();
        let items = |child: &Vector<'_>, rows: std::ops::Range<usize>| {
            let item = |row: usize| {
                if row.is_multiple_of(STRIDE) {
                    go_on_or_leave();
                }
                Value::of(child, row)
            };
            Value::List(rows.map(item).collect())
        };
        match layout.id {
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN => Value::Bool(vector.get(row)),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TINYINT => Value::Int(vector.get::<i8>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT => Value::Int(vector.get::<u8>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT => Value::Int(vector.get::<i16>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT => Value::Int(vector.get::<u16>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER => Value::Int(vector.get::<i32>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER => Value::Int(vector.get::<u32>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT => Value::Int(vector.get(row)),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT => whole(vector.get::<u64>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT => whole(vector.get::<Wide>(row).number()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UHUGEINT => whole_unsigned(vector.get::<Wide>(row).number() as u128),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_FLOAT => Value::Double(vector.get::<f32>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE => Value::Double(vector.get(row)),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL => {
                let scale = layout.digits.1;
                let stored = match layout.physical {
                    Physical::I16 => i64::from(vector.get::<i16>(row)),
                    Physical::I32 => i64::from(vector.get::<i32>(row)),
                    Physical::I64 => vector.get::<i64>(row),
                    _ => return Value::Decimal(vector.get::<Wide>(row).number(), scale),
                };
                // Beyond, a double rounds before it divides.
                if stored.unsigned_abs() > 1 << 53 {
                    return Value::Decimal(stored.into(), scale);
                }
                Value::Double(stored as f64 / 10f64.powi(scale.into()))
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR => match vector.str(row) {
                Ok(text) => Value::Text(text.to_string()),
                Err(_) => Value::Bytes(vector.bytes(row).to_vec()),
            },
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_BLOB => Value::Bytes(vector.bytes(row).to_vec()),
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
                let list = vector.list(row);
                items(list.items(), list.rows())
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_MAP => {
                let list = vector.list(row);
                let (keys, values) = (list.items().field(0), list.items().field(1));
                let pair = |row| (Value::of(keys, row), Value::of(values, row));
                Value::Map(list.rows().map(pair).collect())
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY => {
                items(vector.items(), row * layout.size..(row + 1) * layout.size)
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT => {
                let field =
                    |(i, (name, _)): (usize, &(String, _))| (name.clone(), Value::of(vector.field(i), row));
                Value::Struct(layout.parts.iter().enumerate().map(field).collect())
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY => {
                Value::Geometry(vector.bytes(row).to_vec(), geometry_crs(&layout.ty))
            }
            _ => Value::Other("a value of another type".into()),
        }
    }

    /// Writes the value into a row of a vector. A value of another type than the vector's becomes NULL: the types of
    /// values were chosen together with the vector's.
    pub fn write(&self, vector: &mut Vector<'_>, row: usize) {
        let (id, digits, size) = (vector.layout().id, vector.layout().digits, vector.layout().size);
        match (self, id) {
            (Value::Bool(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN) => vector.set(row, *v),
            (Value::Int(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_TINYINT) => vector.set(row, *v as i8),
            (Value::Int(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT) => vector.set(row, *v as u8),
            (Value::Int(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT) => vector.set(row, *v as i16),
            (Value::Int(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT) => vector.set(row, *v as u16),
            (Value::Int(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER) => vector.set(row, *v as i32),
            (Value::Int(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER) => vector.set(row, *v as u32),
            (Value::Int(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT) => vector.set(row, *v),
            (Value::Int(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT) => vector.set(row, *v as u64),
            (Value::Int(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT | ffi::DUCKDB_TYPE_DUCKDB_TYPE_UHUGEINT) => {
                vector.set(row, Wide::new((*v).into()))
            }
            // What is beyond BIGINT comes as its digits.
            (Value::Other(digits), ffi::DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT) => match digits.parse::<u64>() {
                Ok(v) => vector.set(row, v),
                Err(_) => vector.set_null(row),
            },
            (Value::Other(digits), ffi::DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT) => match digits.parse::<i128>() {
                Ok(v) => vector.set(row, Wide::new(v)),
                Err(_) => vector.set_null(row),
            },
            (Value::Other(digits), ffi::DUCKDB_TYPE_DUCKDB_TYPE_UHUGEINT) => match digits.parse::<u128>() {
                Ok(v) => vector.set(row, Wide::new(v as i128)),
                Err(_) => vector.set_null(row),
            },
            (Value::Double(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_FLOAT) => vector.set(row, *v as f32),
            (Value::Double(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE) => vector.set(row, *v),
            (Value::Date(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_DATE) => vector.set(row, *v),
            (
                Value::Timestamp(v),
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ,
            )
            | (Value::Nanos(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_NS)
            | (Value::Time(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIME) => vector.set(row, *v),
            (Value::Time(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIME_TZ) => {
                vector.set(row, (*v as u64) << 24 | AT_UTC);
            }
            (Value::Interval(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTERVAL) => vector.set(row, *v),
            // DuckDB keeps a UUID with its first bit turned, so that UUIDs sort as signed numbers.
            (Value::Uuid(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_UUID) => {
                vector.set(row, Wide::new((v ^ 1 << 127) as i128));
            }
            (Value::Bytes(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_UUID) => {
                match <[u8; 16]>::try_from(v.as_slice()) {
                    Ok(bytes) => Value::Uuid(u128::from_be_bytes(bytes)).write(vector, row),
                    Err(_) => vector.set_null(row),
                }
            }
            (Value::Decimal(v, _), ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL) => set_decimal(vector, row, *v),
            (Value::Double(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL) => {
                set_decimal(vector, row, (v * 10f64.powi(digits.1.into())).round() as i128);
            }
            (Value::Text(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR) => vector.set_bytes(row, v.as_bytes()),
            (Value::Bytes(v), ffi::DUCKDB_TYPE_DUCKDB_TYPE_BLOB | ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY)
            | (Value::Geometry(v, _), ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY) => vector.set_bytes(row, v),
            // A map's entries may come as Parquet has them: a list of key and value.
            (Value::List(values), ffi::DUCKDB_TYPE_DUCKDB_TYPE_LIST | ffi::DUCKDB_TYPE_DUCKDB_TYPE_MAP) => {
                let (items, first) = vector.push_list(row, values.len());
                values.iter().enumerate().for_each(|(i, value)| value.write(items, first + i));
            }
            (Value::List(values), ffi::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY) if values.len() == size => {
                let items = vector.items_mut();
                values.iter().enumerate().for_each(|(i, value)| value.write(items, row * size + i));
            }
            (Value::Struct(values), ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT) => {
                let fields = vector.layout().parts.len();
                for (i, (_, value)) in values.iter().enumerate().take(fields) {
                    value.write(vector.field_mut(i), row);
                }
            }
            (Value::Map(pairs), ffi::DUCKDB_TYPE_DUCKDB_TYPE_MAP) => {
                let (items, first) = vector.push_list(row, pairs.len());
                for (i, (key, value)) in pairs.iter().enumerate() {
                    key.write(items.field_mut(0), first + i);
                    value.write(items.field_mut(1), first + i);
                }
            }
            _ => vector.set_null(row),
        }
    }
}

/// What DuckDB's TIME WITH TIME ZONE holds below its microseconds for the zone of UTC: the seconds to the last zone.
const AT_UTC: u64 = 16 * 3600 - 1;

/// The digits of a DECIMAL, in the whole number that its width takes.
fn set_decimal(vector: &mut Vector<'_>, row: usize, digits: i128) {
    match vector.layout().physical {
        Physical::I16 => vector.set(row, digits as i16),
        Physical::I32 => vector.set(row, digits as i32),
        Physical::I64 => vector.set(row, digits as i64),
        _ => vector.set(row, Wide::new(digits)),
    }
}

/// What a sum gives: mostly small. A number beyond BIGINT is none that we take.
fn whole(number: i128) -> Value {
    i64::try_from(number).map_or_else(|_| Value::Other(number.to_string()), Value::Int)
}

fn whole_unsigned(number: u128) -> Value {
    i64::try_from(number).map_or_else(|_| Value::Other(number.to_string()), Value::Int)
}

/// The type of the items of a list value, whether it has any; `None` for another value, or a type that no column
/// of ours has.
///
/// # Safety
/// `raw` holds null or a live value.
pub unsafe fn element_type(raw: &RawValue) -> Option<SqlType> {
    // SAFETY: the value is live, its own type must not be destroyed, and the child is a new handle that we own.
    unsafe {
        if raw.0.is_null() {
            return None;
        }
        let ty = ffi::duckdb_get_value_type(raw.0);
        if ffi::duckdb_get_type_id(ty) != ffi::DUCKDB_TYPE_DUCKDB_TYPE_LIST {
            return None;
        }
        LogicalType::from_raw(ffi::duckdb_list_type_child_type(ty)).sql_type()
    }
}

/// The CRS that a value's type carries: that of a GEOMETRY, or of one within a list or a struct.
///
/// # Safety
/// `raw` holds null or a live value.
pub unsafe fn crs_of(raw: &RawValue) -> Option<String> {
    if raw.0.is_null() {
        return None;
    }
    // SAFETY: the value is live, and its own type is not ours to destroy.
    unsafe {
        let ty = ManuallyDrop::new(LogicalType::from_raw(ffi::duckdb_get_value_type(raw.0)));
        geometry_crs(&ty)
    }
}
