//! DuckDB's types as written in SQL: the text in a function's documentation is what is registered.

use std::fmt;

use crate::dtype::Dtype;
use crate::error::{Error, Result};

/// A type, parsed from text such as `STRUCT(name VARCHAR, "offset" DOUBLE)[]`.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlType {
    /// BOOLEAN.
    Boolean,
    /// TINYINT, 8 bits.
    TinyInt,
    /// UTINYINT, 8 bits.
    UTinyInt,
    /// SMALLINT, 16 bits.
    SmallInt,
    /// USMALLINT, 16 bits.
    USmallInt,
    /// INTEGER, 32 bits.
    Integer,
    /// UINTEGER, 32 bits.
    UInteger,
    /// BIGINT, 64 bits.
    BigInt,
    /// UBIGINT, 64 bits.
    UBigInt,
    /// HUGEINT, 128 bits: what a sum of whole numbers is.
    HugeInt,
    /// UHUGEINT, 128 bits.
    UHugeInt,
    /// FLOAT, 32 bits.
    Float,
    /// DOUBLE, 64 bits.
    Double,
    /// VARCHAR: text in UTF-8.
    Varchar,
    /// BLOB: bytes.
    Blob,
    /// DATE: days.
    Date,
    /// JSON: text that DuckDB takes apart.
    Json,
    /// TIME: microseconds of a day.
    Time,
    /// TIME WITH TIME ZONE: microseconds of a day, UTC.
    TimeTz,
    /// TIMESTAMP: microseconds, UTC.
    Timestamp,
    /// TIMESTAMP WITH TIME ZONE: an instant in microseconds.
    TimestampTz,
    /// TIMESTAMP_NS: nanoseconds, UTC.
    TimestampNs,
    /// INTERVAL: months, days and microseconds.
    Interval,
    /// UUID.
    Uuid,
    /// Width and scale in digits.
    Decimal(u8, u8),
    /// With the CRS of the column, where it has one.
    Geometry(Option<String>),
    /// The type of a NULL that was given none.
    Null,
    /// A parameter that takes several types.
    Any,
    /// Items of one type, as many as there are.
    List(Box<SqlType>),
    /// Items of one type, always as many.
    Array(Box<SqlType>, u64),
    /// Fields by name.
    Struct(Vec<(String, SqlType)>),
    /// Keys and values.
    Map(Box<SqlType>, Box<SqlType>),
}

const PLAIN: [(&str, SqlType); 28] = [
    ("BOOLEAN", SqlType::Boolean),
    ("TINYINT", SqlType::TinyInt),
    ("UTINYINT", SqlType::UTinyInt),
    ("SMALLINT", SqlType::SmallInt),
    ("USMALLINT", SqlType::USmallInt),
    ("INTEGER", SqlType::Integer),
    ("UINTEGER", SqlType::UInteger),
    ("BIGINT", SqlType::BigInt),
    ("UBIGINT", SqlType::UBigInt),
    ("HUGEINT", SqlType::HugeInt),
    ("UHUGEINT", SqlType::UHugeInt),
    ("FLOAT", SqlType::Float),
    ("DOUBLE", SqlType::Double),
    ("VARCHAR", SqlType::Varchar),
    ("BLOB", SqlType::Blob),
    ("DATE", SqlType::Date),
    ("JSON", SqlType::Json),
    ("TIME", SqlType::Time),
    ("TIMETZ", SqlType::TimeTz),
    ("TIMESTAMP", SqlType::Timestamp),
    ("TIMESTAMPTZ", SqlType::TimestampTz),
    ("TIMESTAMP_NS", SqlType::TimestampNs),
    ("INTERVAL", SqlType::Interval),
    ("UUID", SqlType::Uuid),
    ("GEOMETRY", SqlType::Geometry(None)),
    ("NULL", SqlType::Null),
    ("ANY", SqlType::Any),
    ("TABLE", SqlType::Any),
];

impl SqlType {
    /// # Errors
    /// [`Error::Bug`]: only our own documentation is parsed.
    pub fn parse(text: &str) -> Result<SqlType> {
        let mut parser = Parser { rest: text };
        let parsed = parser.ty().filter(|_| parser.rest.trim().is_empty());
        parsed.ok_or_else(|| Error::Bug(format!("\"{text}\" is not a type")))
    }

    /// The type of a list of these.
    pub fn list(self) -> SqlType {
        SqlType::List(Box::new(self))
    }

    /// The type of a list's or an array's items.
    pub fn item(&self) -> Option<&SqlType> {
        match self {
            SqlType::List(item) | SqlType::Array(item, _) => Some(item),
            _ => None,
        }
    }

    /// The type of pixels that a number's type is. Whole numbers of 128 bits are taken for ones of 64.
    pub fn dtype(&self) -> Option<Dtype> {
        Some(match self {
            SqlType::TinyInt => Dtype::Int8,
            SqlType::UTinyInt => Dtype::UInt8,
            SqlType::SmallInt => Dtype::Int16,
            SqlType::USmallInt => Dtype::UInt16,
            SqlType::Integer => Dtype::Int32,
            SqlType::UInteger => Dtype::UInt32,
            SqlType::BigInt | SqlType::HugeInt => Dtype::Int64,
            SqlType::UBigInt | SqlType::UHugeInt => Dtype::UInt64,
            SqlType::Float => Dtype::Float32,
            SqlType::Double => Dtype::Float64,
            _ => return None,
        })
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn eat(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn word(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        if let Some(quoted) = text.strip_prefix('"') {
            let (name, rest) = quoted.split_once('"')?;
            self.rest = rest;
            return Some(name);
        }
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }

    fn ty(&mut self) -> Option<SqlType> {
        let mut ty = match self.word()? {
            "STRUCT" => self.fields()?,
            "MAP" => {
                self.eat("(")?;
                let key = self.ty()?;
                self.eat(",")?;
                let value = self.ty()?;
                self.eat(")")?;
                SqlType::Map(Box::new(key), Box::new(value))
            }
            word => PLAIN.iter().find(|(name, _)| *name == word)?.1.clone(),
        };
        while self.eat("[").is_some() {
            ty = if self.eat("]").is_some() {
                ty.list()
            } else {
                let size = self.word()?.parse().ok()?;
                self.eat("]")?;
                SqlType::Array(Box::new(ty), size)
            };
        }
        Some(ty)
    }

    fn fields(&mut self) -> Option<SqlType> {
        self.eat("(")?;
        let mut fields = Vec::new();
        loop {
            let name = self.word()?.to_string();
            fields.push((name, self.ty()?));
            if self.eat(",").is_none() {
                self.eat(")")?;
                return Some(SqlType::Struct(fields));
            }
        }
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlType::List(child) => write!(f, "{child}[]"),
            SqlType::Array(child, size) => write!(f, "{child}[{size}]"),
            SqlType::Map(key, value) => write!(f, "MAP({key}, {value})"),
            SqlType::Struct(fields) => {
                f.write_str("STRUCT(")?;
                for (i, (name, ty)) in fields.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{name} {ty}")?;
                }
                f.write_str(")")
            }
            SqlType::Decimal(width, scale) => write!(f, "DECIMAL({width}, {scale})"),
            SqlType::Geometry(Some(_)) => f.write_str("GEOMETRY"),
            plain => f.write_str(PLAIN.iter().find(|(_, ty)| ty == plain).map_or("?", |(name, _)| name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_prints_as_it_was_written() {
        for text in [
            "DOUBLE[6]",
            "MAP(VARCHAR, VARCHAR)",
            "STRUCT(name VARCHAR, dims VARCHAR[], shape BIGINT[])[]",
            "STRUCT(row_off BIGINT, col_off BIGINT, height INTEGER, width INTEGER)",
        ] {
            assert_eq!(SqlType::parse(text).unwrap().to_string(), text);
        }
        for (name, ty) in PLAIN.iter().filter(|(name, _)| *name != "TABLE") {
            assert_eq!(SqlType::parse(name).unwrap(), *ty);
            assert_eq!(ty.to_string(), *name);
        }
        for wrong in ["", "INT", "DOUBLE[", "DOUBLE[x]", "MAP(VARCHAR)", "STRUCT()", "DOUBLE DOUBLE"] {
            assert!(SqlType::parse(wrong).is_err(), "{wrong}");
        }
        assert!(SqlType::parse("STRUCT(a)").is_err() && SqlType::parse("INT[").is_err());
        assert!(SqlType::parse("STRUCT(\"offset\" DOUBLE)").is_ok());
    }
}
