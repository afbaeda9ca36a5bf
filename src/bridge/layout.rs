//! How the values of a type lie in a vector.

use std::rc::Rc;

use duckdb::ffi;

use crate::bridge::logical_type::LogicalType;

/// What one row of a vector is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Physical {
    /// A byte, 0 or 1.
    Bool,
    /// A signed whole number of 8 bits.
    I8,
    /// An unsigned whole number of 8 bits.
    U8,
    /// A signed whole number of 16 bits.
    I16,
    /// An unsigned whole number of 16 bits.
    U16,
    /// A signed whole number of 32 bits, or a date.
    I32,
    /// An unsigned whole number of 32 bits.
    U32,
    /// A signed whole number of 64 bits, or a time.
    I64,
    /// An unsigned whole number of 64 bits.
    U64,
    /// A float of 32 bits.
    F32,
    /// A float of 64 bits.
    F64,
    /// A whole number of 128 bits.
    Wide,
    /// Months, days and microseconds.
    Interval,
    /// Where a list lies in the child.
    Entry,
    /// Bytes: text, a blob, a geometry.
    Bytes,
    /// Nothing of its own: the rows lie in children.
    Nested,
    /// What no function of ours reads.
    Unknown,
}

impl Physical {
    /// Bytes of a row in the vector itself.
    pub(super) fn size(self) -> usize {
        match self {
            Physical::Bool | Physical::I8 | Physical::U8 => 1,
            Physical::I16 | Physical::U16 => 2,
            Physical::I32 | Physical::U32 | Physical::F32 => 4,
            Physical::I64 | Physical::U64 | Physical::F64 => 8,
            Physical::Wide | Physical::Interval | Physical::Entry | Physical::Bytes => 16,
            Physical::Nested | Physical::Unknown => 0,
        }
    }
}

/// A type, as a vector notes it once and looks at it for each row.
pub(super) struct Layout {
    pub(super) ty: LogicalType,
    pub(super) id: ffi::duckdb_type,
    pub(super) physical: Physical,
    /// Width and scale of a DECIMAL.
    pub(super) digits: (u8, u8),
    /// How many items a row of an ARRAY has.
    pub(super) size: usize,
    /// The fields of a STRUCT by name, or the items of a LIST, a MAP or an ARRAY.
    pub(super) parts: Vec<(String, Rc<Layout>)>,
}

impl Layout {
    pub(super) fn of(ty: LogicalType) -> Layout {
        let (id, digits) = (ty.id(), ty.digits());
        let parts = ty.parts().into_iter().map(|(name, part)| (name, Rc::new(Layout::of(part)))).collect();
        Layout { id, physical: physical(id, digits.0), digits, size: ty.array_size(), parts, ty }
    }

    pub(super) fn is(&self, id: ffi::duckdb_type) -> bool {
        self.id == id
    }
}

fn physical(id: ffi::duckdb_type, width: u8) -> Physical {
    match id {
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN => Physical::Bool,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_TINYINT => Physical::I8,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT => Physical::U8,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT => Physical::I16,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT => Physical::U16,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER
        | ffi::DUCKDB_TYPE_DUCKDB_TYPE_DATE
        | ffi::DUCKDB_TYPE_DUCKDB_TYPE_SQLNULL => Physical::I32,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER => Physical::U32,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT
        | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIME
        | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP
        | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_S
        | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_MS
        | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_NS
        | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ => Physical::I64,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT | ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIME_TZ => Physical::U64,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_FLOAT => Physical::F32,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE => Physical::F64,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT
        | ffi::DUCKDB_TYPE_DUCKDB_TYPE_UHUGEINT
        | ffi::DUCKDB_TYPE_DUCKDB_TYPE_UUID => Physical::Wide,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL => match width {
            0..=4 => Physical::I16,
            5..=9 => Physical::I32,
            10..=18 => Physical::I64,
            _ => Physical::Wide,
        },
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTERVAL => Physical::Interval,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR
        | ffi::DUCKDB_TYPE_DUCKDB_TYPE_BLOB
        | ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY => Physical::Bytes,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_LIST | ffi::DUCKDB_TYPE_DUCKDB_TYPE_MAP => Physical::Entry,
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT | ffi::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY => Physical::Nested,
        _ => Physical::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_lies_in_the_smallest_whole_number_that_holds_its_digits() {
        let of = |width| physical(ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL, width);
        assert_eq!([4, 5, 9, 10, 18, 19, 38].map(of), {
            use Physical::{I16, I32, I64, Wide};
            [I16, I32, I32, I64, I64, Wide, Wide]
        });
    }

    #[test]
    fn a_type_that_no_function_takes_is_unknown() {
        let types = [ffi::DUCKDB_TYPE_DUCKDB_TYPE_UNION, ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIT, 0, 999];
        assert!(types.iter().all(|id| physical(*id, 0) == Physical::Unknown));
    }
}
