//! A STRUCT as a type of ours: from one list of fields its SQL type, how a row of it is read, and how it is written.

use crate::bridge::rows::Cell;
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::workers::{STRIDE, go_on};

/// A type that a column may have.
pub trait Typed {
    /// The type as SQL, as a `FunctionDoc` writes it.
    const TYPE: &'static str;
}

/// A type that a row of a column is read as.
pub trait Read: Sized {
    /// The value of a row; `None` where it is NULL, or a field of it that must not be.
    ///
    /// # Errors
    /// Text that is not UTF-8.
    fn read(column: &Vector<'_>, row: usize) -> Result<Option<Self>>;
}

/// Microseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp(pub i64);

/// A geometry as well-known binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wkb(pub Vec<u8>);

macro_rules! typed {
    ($($type:ty: $name:literal),*) => {$(
        impl Typed for $type {
            const TYPE: &'static str = $name;
        }
        impl Typed for Vec<$type> {
            const TYPE: &'static str = concat!($name, "[]");
        }
        impl Typed for Vec<Option<$type>> {
            const TYPE: &'static str = concat!($name, "[]");
        }
        impl Typed for Option<$type> {
            const TYPE: &'static str = $name;
        }
        impl Typed for Option<Vec<$type>> {
            const TYPE: &'static str = concat!($name, "[]");
        }
    )*};
}
typed!(bool: "BOOLEAN", i32: "INTEGER", i64: "BIGINT", f32: "FLOAT", f64: "DOUBLE", String: "VARCHAR");
typed!(Timestamp: "TIMESTAMP", Wkb: "GEOMETRY");

macro_rules! read {
    ($($type:ty),*) => {$(
        impl Read for $type {
            fn read(column: &Vector<'_>, row: usize) -> Result<Option<$type>> {
                Ok((!column.is_null(row)).then(|| column.get(row)))
            }
        }
    )*};
}
read!(bool, i32, i64, f32, f64);

impl Read for Timestamp {
    fn read(column: &Vector<'_>, row: usize) -> Result<Option<Timestamp>> {
        Ok((!column.is_null(row)).then(|| Timestamp(column.get(row))))
    }
}

impl Read for String {
    fn read(column: &Vector<'_>, row: usize) -> Result<Option<String>> {
        if column.is_null(row) { Ok(None) } else { column.str(row).map(|text| Some(text.to_string())) }
    }
}

/// A field that may be NULL.
impl<T: Read> Read for Option<T> {
    fn read(column: &Vector<'_>, row: usize) -> Result<Option<Option<T>>> {
        T::read(column, row).map(Some)
    }
}

impl Read for Wkb {
    fn read(column: &Vector<'_>, row: usize) -> Result<Option<Wkb>> {
        Ok((!column.is_null(row)).then(|| Wkb(column.bytes(row).to_vec())))
    }
}

impl Cell for Wkb {
    fn write(&self, out: &mut Vector<'_>, row: usize) -> Result<()> {
        out.set_bytes(row, &self.0);
        Ok(())
    }
}

/// A list; `None` where an item of it is NULL that must not be.
impl<T: Read> Read for Vec<T> {
    fn read(column: &Vector<'_>, row: usize) -> Result<Option<Vec<T>>> {
        if column.is_null(row) {
            return Ok(None);
        }
        let list = column.list(row);
        let read = |item: usize| {
            if item.is_multiple_of(STRIDE) {
                go_on()?;
            }
            T::read(list.items(), item)
        };
        list.rows().map(read).collect()
    }
}

impl Cell for Timestamp {
    fn write(&self, out: &mut Vector<'_>, row: usize) -> Result<()> {
        self.0.write(out, row)
    }
}

/// How long texts are in all.
pub const fn length(parts: &[&str]) -> usize {
    let (mut i, mut length) = (0, 0);
    while i < parts.len() {
        length += parts[i].len();
        i += 1;
    }
    length
}

/// Texts one after another: `N` is [`length`] of them.
pub const fn concat<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut all = [0; N];
    let (mut i, mut end) = (0, 0);
    while i < parts.len() {
        let part = parts[i].as_bytes();
        let mut j = 0;
        while j < part.len() {
            all[end] = part[j];
            (j, end) = (j + 1, end + 1);
        }
        i += 1;
    }
    all
}

/// Bytes as the text that they are.
pub const fn as_text(bytes: &'static [u8]) -> &'static str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "",
    }
}

/// Texts that are constants, as one.
macro_rules! text {
    ($($part:expr),* $(,)?) => {{
        const PARTS: &[&str] = &[$($part),*];
        const BYTES: [u8; $crate::bridge::record::length(PARTS)] = $crate::bridge::record::concat(PARTS);
        $crate::bridge::record::as_text(&BYTES)
    }};
}
pub(crate) use text;

/// A struct whose fields are those of a STRUCT, in this order: `record! { Bbox { xmin: f64, ymin: f64 } }`. A field that
/// SQL must quote is written `offset as "\"offset\"": f64`.
macro_rules! record {
    ($record:ident { $($field:ident $(as $quoted:literal)?: $type:ty),+ $(,)? }) => {
        impl $crate::bridge::record::Typed for $record {
            const TYPE: &'static str = {
                // Each field comes with a comma, the last one's is cut off.
                const FIELDS: &str = $crate::bridge::record::text![
                    $($crate::bridge::record::record!(@ name $field $($quoted)?), " ",
                      <$type as $crate::bridge::record::Typed>::TYPE, ", "),+
                ];
                $crate::bridge::record::text!["STRUCT(", FIELDS.split_at(FIELDS.len() - 2).0, ")"]
            };
        }
        impl $crate::bridge::record::Typed for Option<$record> {
            const TYPE: &'static str = <$record as $crate::bridge::record::Typed>::TYPE;
        }
        impl $crate::bridge::record::Typed for Vec<$record> {
            const TYPE: &'static str =
                $crate::bridge::record::text![<$record as $crate::bridge::record::Typed>::TYPE, "[]"];
        }
        impl $crate::bridge::record::Read for $record {
            fn read(
                column: &$crate::bridge::vector::Vector<'_>,
                row: usize,
            ) -> $crate::error::Result<Option<Self>> {
                if column.is_null(row) {
                    return Ok(None);
                }
                let mut index = 0..;
                $(
                    let field = column.field(index.next().unwrap_or_default());
                    let Some($field) = <$type as $crate::bridge::record::Read>::read(field, row)? else {
                        return Ok(None);
                    };
                )+
                Ok(Some($record { $($field),+ }))
            }
        }
        impl $crate::bridge::rows::Cell for $record {
            fn write(
                &self,
                out: &mut $crate::bridge::vector::Vector<'_>,
                row: usize,
            ) -> $crate::error::Result<()> {
                let mut index = 0..;
                $(
                    let field = out.field_mut(index.next().unwrap_or_default());
                    $crate::bridge::rows::Cell::write(&self.$field, field, row)?;
                )+
                Ok(())
            }
        }
    };
    (@ name $field:ident) => { stringify!($field) };
    (@ name $field:ident $quoted:literal) => { $quoted };
}
pub(crate) use record;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql_type::SqlType;

    #[allow(dead_code)]
    struct Corner {
        x: f64,
        at: Option<Timestamp>,
    }
    record! { Corner { x: f64, at: Option<Timestamp> } }

    #[allow(dead_code)]
    struct Feature {
        offset: i64,
        corner: Corner,
        names: Vec<String>,
    }
    record! { Feature { offset as "\"offset\"": i64, corner: Corner, names: Vec<String> } }

    #[test]
    fn a_records_type_is_its_fields_in_their_order() {
        assert_eq!(Corner::TYPE, "STRUCT(x DOUBLE, at TIMESTAMP)");
        let want = "STRUCT(\"offset\" BIGINT, corner STRUCT(x DOUBLE, at TIMESTAMP), names VARCHAR[])";
        assert_eq!(Feature::TYPE, want);
        assert_eq!(<Vec<Feature>>::TYPE, format!("{want}[]"));
        assert!(SqlType::parse(Feature::TYPE).is_ok());
    }
}
