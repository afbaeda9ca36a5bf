//! A value whose type is known only when a query runs: a constant, a cell of a row, a column carried along.

use std::fmt;

use crate::interval::{Interval, iso, written};

/// An INTERVAL: months, days and microseconds.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalendarInterval {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}
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
    /// Nanoseconds since 1970, UTC.
    Nanos(i64),
    /// Microseconds since midnight.
    Time(i64),
    Interval(CalendarInterval),
    Uuid(u128),
    /// A DECIMAL of more digits than a double holds: the digits, and how many of them stand behind the point.
    Decimal(i128, u8),
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
