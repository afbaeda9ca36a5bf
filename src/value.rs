//! A value whose type is known only when a query runs: a constant, a cell of a row, a column carried along.

use std::fmt;

use crate::interval::{Interval, iso, written};

/// An INTERVAL: months, days and microseconds.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalendarInterval {
    /// Whole months.
    pub months: i32,
    /// Whole days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

/// A value of any type that our functions take.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// TRUE or FALSE.
    Bool(bool),
    /// A whole number of any width.
    Int(i64),
    /// A FLOAT, a DOUBLE, or a DECIMAL that a double holds.
    Double(f64),
    /// A VARCHAR.
    Text(String),
    /// A BLOB, or a GEOMETRY of a table's column as WKB.
    Bytes(Vec<u8>),
    /// A GEOMETRY as WKB, and the CRS that its type carries.
    Geometry(Vec<u8>, Option<String>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970, UTC.
    Timestamp(i64),
    /// Nanoseconds since 1970, UTC.
    Nanos(i64),
    /// Microseconds since midnight.
    Time(i64),
    /// A length of time.
    Interval(CalendarInterval),
    /// The 128 bits of a UUID, as written.
    Uuid(u128),
    /// A DECIMAL of more digits than a double holds: the digits, and how many of them stand behind the point.
    Decimal(i128, u8),
    /// A LIST or an ARRAY.
    List(Vec<Value>),
    /// Fields by name, in order.
    Struct(Vec<(String, Value)>),
    /// Keys and values, in order.
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
            Value::Geometry(..) => f.write_str("a geometry"),
            Value::Date(v) => write!(f, "{}", iso(i64::from(*v) * 86_400_000_000)),
            Value::Timestamp(v) => write!(f, "{}", iso(*v)),
            Value::Nanos(v) => write!(f, "{}", iso(v.div_euclid(1000))),
            Value::Time(v) => write!(f, "a time {v} microseconds after midnight"),
            Value::Interval(v) => {
                write!(f, "{} months, {} days, {} microseconds", v.months, v.days, v.micros)
            }
            Value::Uuid(v) => write!(f, "the UUID {v:032x}"),
            Value::Decimal(v, scale) => write!(f, "{v}e-{scale}"),
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

impl Value {
    /// The whole number that this is, whatever its type.
    pub fn whole(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Double(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(*number as i64),
            Value::Decimal(digits, scale) => {
                let unit = 10i128.checked_pow(u32::from(*scale))?;
                (digits % unit == 0).then(|| i64::try_from(digits / unit).ok()).flatten()
            }
            _ => None,
        }
    }

    /// The time that a value says, and the whole of it: a date is a day, text what it names, and a timestamp an instant.
    pub fn time(&self) -> Option<Interval> {
        const DAY: i64 = 86_400_000_000;
        match self {
            Value::Text(text) => written(text),
            Value::Date(days) => {
                let start = i64::from(*days).saturating_mul(DAY);
                Some(Interval { start, stop: start.saturating_add(DAY - 1) })
            }
            Value::Timestamp(at) => Some(Interval { start: *at, stop: *at }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_prints_as_one_would_write_it() {
        let text = |text: &str| Value::Text(text.to_string());
        let day = 86_400_000_000;
        for (value, want) in [
            (Value::Null, "NULL"),
            (Value::Bool(true), "true"),
            (Value::Int(-3), "-3"),
            (Value::Double(0.5), "0.5"),
            (text("a"), "\"a\""),
            (Value::Bytes(vec![0; 3]), "a blob of 3 bytes"),
            (Value::Date(1), "1970-01-02 00:00:00"),
            (Value::Timestamp(day + 1), "1970-01-02 00:00:00.000001"),
            (Value::Decimal(1234, 2), "1234e-2"),
            (Value::List(vec![Value::Int(1), Value::Null]), "[1, NULL]"),
            (Value::Struct(vec![("a".into(), Value::Int(1)), ("b".into(), text("c"))]), "{a: 1, b: \"c\"}"),
            (Value::Map(vec![(text("a"), Value::Int(1))]), "a map of 1 pairs"),
        ] {
            assert_eq!(value.to_string(), want);
        }
    }

    #[test]
    fn a_whole_number_is_one_in_any_type() {
        let wholes = [Value::Int(-3), Value::Double(-3.0), Value::Decimal(-300, 2)];
        assert!(wholes.iter().all(|value| value.whole() == Some(-3)));
        let others = [Value::Double(0.5), Value::Double(f64::NAN), Value::Decimal(-301, 2), Value::Null];
        assert!(others.iter().all(|value| value.whole().is_none()));
    }

    #[test]
    fn a_date_is_the_whole_day_and_a_timestamp_an_instant() {
        const DAY: i64 = 86_400_000_000;
        assert_eq!(Value::Date(-1).time(), Some(Interval { start: -DAY, stop: -1 }));
        assert_eq!(Value::Timestamp(7).time(), Some(Interval { start: 7, stop: 7 }));
        assert_eq!(Value::Int(7).time(), None);
    }
}
