//! [`Value`] out of DuckDB's constants and vectors, and into vectors.

use duckdb::ffi;

use crate::bridge::logical_type::LogicalType;
use crate::bridge::text::take_text;
use crate::bridge::vector::{Vector, Wide};
use crate::sql_type::SqlType;
use crate::value::{CalendarInterval, Value};

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
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT => whole(vector.get::<u64>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT => whole(vector.get::<Wide>(row).number()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_FLOAT => Value::Double(vector.get::<f32>(row).into()),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE => Value::Double(vector.get(row)),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL => {
                // SAFETY: the type is alive and a decimal.
                let stored = match unsafe { ffi::duckdb_decimal_internal_type(ty.raw()) } {
                    ffi::DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT => i64::from(vector.get::<i16>(row)),
                    ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER => i64::from(vector.get::<i32>(row)),
                    ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT => vector.get::<i64>(row),
                    _ => return Value::Decimal(vector.get::<Wide>(row).number(), size as u8),
                };
                // Beyond, a double rounds before it divides.
                if stored.unsigned_abs() > 1 << 53 {
                    return Value::Decimal(stored.into(), size as u8);
                }
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
                let list = vector.list(row);
                items(list.items(), list.places())
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
            (Value::Timestamp(v), SqlType::Timestamp | SqlType::TimestampTz) => vector.set(row, *v),
            (Value::Nanos(v), SqlType::TimestampNs) | (Value::Time(v), SqlType::Time) => vector.set(row, *v),
            (Value::Interval(v), SqlType::Interval) => vector.set(row, *v),
            // DuckDB keeps a UUID with its first bit turned, so that UUIDs sort as signed numbers.
            (Value::Uuid(v), SqlType::Uuid) => vector.set(row, Wide::new((v ^ 1 << 127) as i128)),
            (Value::Bytes(v), SqlType::Uuid) => match <[u8; 16]>::try_from(v.as_slice()) {
                Ok(bytes) => Value::Uuid(u128::from_be_bytes(bytes)).write(vector, row, ty),
                Err(_) => vector.set_null(row, ty),
            },
            (Value::Decimal(v, _), SqlType::Decimal(width, _)) => set_decimal(vector, row, *v, *width),
            (Value::Double(v), SqlType::Decimal(width, scale)) => {
                let digits = (v * 10f64.powi(i32::from(*scale))).round();
                set_decimal(vector, row, digits as i128, *width);
            }
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
            _ => vector.set_null(row, ty),
        }
    }
}

/// The digits of a DECIMAL, in the whole number that its width takes.
fn set_decimal(vector: &Vector<'_>, row: usize, digits: i128, width: u8) {
    match width {
        0..=4 => vector.set(row, digits as i16),
        5..=9 => vector.set(row, digits as i32),
        10..=18 => vector.set(row, digits as i64),
        _ => vector.set(row, Wide::new(digits)),
    }
}

/// What a sum gives: mostly small. A number beyond BIGINT is none that we take.
fn whole(number: i128) -> Value {
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
