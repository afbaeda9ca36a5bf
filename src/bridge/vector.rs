//! DuckDB's vectors: the unsafe ground on which rows are read and written.
//!
//! Every vector that reaches us is flat (the C API flattens), lives as long as the callback it came with,
//! and is used by one thread.

use std::marker::PhantomData;

use duckdb::ffi;

use crate::bridge::logical_type::LogicalType;
use crate::sql_type::SqlType;
use crate::value::CalendarInterval;

/// A type whose values lie bare in a vector.
///
/// # Safety
/// The type's size and meaning are those of the DuckDB type that it is used with.
pub unsafe trait Plain: Copy {}
macro_rules! plain {
    ($($type:ty),*) => {$(
        // SAFETY: DuckDB keeps values of this width bare.
        unsafe impl Plain for $type {}
    )*};
}
// SAFETY: `CalendarInterval` is `duckdb_interval`.
unsafe impl Plain for CalendarInterval {}
plain!(bool, i8, u8, i16, u16, i32, u32, i64, u64, f32, f64);

/// A HUGEINT, a UUID or a wide DECIMAL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Wide {
    lower: u64,
    upper: i64,
}
// SAFETY: this is `duckdb_hugeint`.
unsafe impl Plain for Wide {}

impl Wide {
    pub fn new(value: i128) -> Wide {
        Wide { lower: value as u64, upper: (value >> 64) as i64 }
    }

    pub fn number(self) -> i128 {
        i128::from(self.upper) << 64 | i128::from(self.lower)
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
struct ListEntry {
    offset: u64,
    length: u64,
}
// SAFETY: this is `duckdb_list_entry`.
unsafe impl Plain for ListEntry {}

/// What a vector holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Text,
    Geometry,
    Boolean,
    /// BIGINT and UBIGINT.
    Whole,
    WholeUnsigned,
    List,
    Struct,
    Other,
}

/// One vector: a column of a chunk, or a child of one.
#[derive(Clone, Copy)]
pub struct Vector<'a> {
    raw: ffi::duckdb_vector,
    rows: usize,
    chunk: PhantomData<&'a ()>,
}

impl<'a> Vector<'a> {
    /// # Safety
    /// `raw` is a live flat vector of at least `rows` rows, for as long as `'a`.
    pub unsafe fn from_raw(raw: ffi::duckdb_vector, rows: usize) -> Vector<'a> {
        Vector { raw, rows, chunk: PhantomData }
    }

    /// The type of its values.
    pub fn ty(&self) -> LogicalType {
        // SAFETY: the vector is alive; the type that comes is ours to destroy.
        unsafe { LogicalType::from_raw(ffi::duckdb_vector_get_column_type(self.raw)) }
    }

    pub(super) fn raw(&self) -> ffi::duckdb_vector {
        self.raw
    }

    /// Where a row's list begins in the child, and how many items it has.
    pub(super) fn list_entry(&self, row: usize) -> (usize, usize) {
        let entry = self.get::<ListEntry>(row);
        (entry.offset as usize, entry.length as usize)
    }

    fn data<T: Plain>(&self) -> *mut T {
        // SAFETY: the vector is alive.
        unsafe { ffi::duckdb_vector_get_data(self.raw).cast() }
    }

    fn check(&self, row: usize) -> usize {
        // An index beyond the vector would be our own mistake: better a refused query than a torn heap.
        assert!(row < self.rows, "row {row} of {}", self.rows);
        row
    }

    pub fn is_null(&self, row: usize) -> bool {
        let row = self.check(row) as u64;
        // SAFETY: the validity of a live vector covers its rows; a null mask means all valid.
        unsafe {
            let validity = ffi::duckdb_vector_get_validity(self.raw);
            !validity.is_null() && !ffi::duckdb_validity_row_is_valid(validity, row)
        }
    }

    /// The bare value of a row; garbage when the row is NULL.
    pub fn get<T: Plain>(&self, row: usize) -> T {
        // SAFETY: the row is inside, and the caller names the type that the function was registered with.
        unsafe { *self.data::<T>().add(self.check(row)) }
    }

    /// The bytes of a VARCHAR, BLOB or GEOMETRY.
    pub fn bytes(&self, row: usize) -> &'a [u8] {
        // SAFETY: a string_t holds its bytes itself up to 12, else a pointer that lives with the chunk.
        unsafe {
            let string = self.data::<u8>().add(self.check(row) * 16).cast::<ffi::duckdb_string_t>();
            let length = ffi::duckdb_string_t_length(*string) as usize;
            std::slice::from_raw_parts(ffi::duckdb_string_t_data(string).cast(), length)
        }
    }

    pub fn str(&self, row: usize) -> &'a str {
        // DuckDB checks VARCHAR for UTF-8 on the way in.
        std::str::from_utf8(self.bytes(row)).unwrap_or_default()
    }

    pub fn field(&self, index: usize) -> Vector<'a> {
        // SAFETY: a struct's children live as long as it does and have its rows.
        unsafe { Vector::from_raw(ffi::duckdb_struct_vector_get_child(self.raw, index as u64), self.rows) }
    }

    /// What the vector's type is, as far as a function of several types must know.
    pub fn holds(&self) -> Holds {
        // SAFETY: the vector is alive; its type is a copy that the guard destroys.
        let ty = unsafe {
            let ty = LogicalType::from_raw(ffi::duckdb_vector_get_column_type(self.raw));
            ffi::duckdb_get_type_id(ty.raw())
        };
        match ty {
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR => Holds::Text,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY => Holds::Geometry,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN => Holds::Boolean,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT => Holds::Whole,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT => Holds::WholeUnsigned,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_LIST => Holds::List,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT => Holds::Struct,
            _ => Holds::Other,
        }
    }

    pub fn set<T: Plain>(&self, row: usize, value: T) {
        // SAFETY: as `get`.
        unsafe { *self.data::<T>().add(self.check(row)) = value }
    }

    /// Sets a VARCHAR, BLOB or GEOMETRY.
    pub fn set_bytes(&self, row: usize, bytes: &[u8]) {
        let row = self.check(row) as u64;
        // SAFETY: DuckDB copies the bytes. A VARCHAR's are checked for UTF-8, which ours are.
        unsafe {
            ffi::duckdb_vector_assign_string_element_len(
                self.raw,
                row,
                bytes.as_ptr().cast(),
                bytes.len() as u64,
            );
        }
    }

    /// NULL; of a struct, every field as well, and of an array, every place: DuckDB reads these without asking for
    /// the whole.
    pub fn set_null(&self, row: usize, ty: &SqlType) {
        let place = self.check(row) as u64;
        // SAFETY: the mask is made writable first and covers the vector's rows.
        unsafe {
            ffi::duckdb_vector_ensure_validity_writable(self.raw);
            ffi::duckdb_validity_set_row_invalid(ffi::duckdb_vector_get_validity(self.raw), place);
        }
        match ty {
            SqlType::Struct(fields) => {
                for (i, (_, field)) in fields.iter().enumerate() {
                    self.field(i).set_null(row, field);
                }
            }
            SqlType::Array(child, size) => {
                let size = *size as usize;
                let places = self.array_child(size);
                (row * size..(row + 1) * size).for_each(|place| places.set_null(place, child));
            }
            SqlType::List(_) | SqlType::Map(..) => self.set(row, ListEntry { offset: 0, length: 0 }),
            _ => {}
        }
    }

    /// A row's list, copied flat: DuckDB flattens a column but not what is in its lists, so that a list of NULLs may
    /// come as one NULL that stands for all of them.
    pub fn list(&self, row: usize) -> List {
        let entry = self.get::<ListEntry>(row);
        let length = entry.length;
        // SAFETY: this is a list vector, whose child has the entry's places. The selection names each of them, and the
        // copy has room for them; both are destroyed by their guards.
        unsafe {
            let child = ffi::duckdb_list_vector_get_child(self.raw);
            let ty = LogicalType::from_raw(ffi::duckdb_vector_get_column_type(child));
            let copy =
                List { raw: ffi::duckdb_create_vector(ty.raw(), length.max(1)), length: length as usize };
            if length > 0 {
                let chosen = ffi::duckdb_create_selection_vector(length);
                let data = ffi::duckdb_selection_vector_get_data_ptr(chosen);
                let places = std::slice::from_raw_parts_mut(data, length as usize);
                for (place, from) in places.iter_mut().zip(entry.offset..) {
                    *place = from as ffi::sel_t;
                }
                ffi::duckdb_vector_copy_sel(child, copy.raw, chosen, length, 0, 0);
                ffi::duckdb_destroy_selection_vector(chosen);
            }
            copy
        }
    }

    /// Adds `length` places at the end of a list vector's child, gives them to this row, and returns the
    /// child and the first place. Children of an earlier call must not be used again.
    pub fn push_list(&self, row: usize, length: usize) -> (Vector<'a>, usize) {
        // SAFETY: reserve keeps what is there and may move the child, which is fetched afterwards.
        unsafe {
            let offset = ffi::duckdb_list_vector_get_size(self.raw);
            let size = offset + length as u64;
            ffi::duckdb_list_vector_reserve(self.raw, size);
            ffi::duckdb_list_vector_set_size(self.raw, size);
            self.set(row, ListEntry { offset, length: length as u64 });
            (Vector::from_raw(ffi::duckdb_list_vector_get_child(self.raw), size as usize), offset as usize)
        }
    }

    /// Writes a row's list of plain values: a shape or a transform. They are lists, and no ARRAY of fixed length: DuckDB
    /// writes a NULL ARRAY to Parquet in a way that other readers refuse.
    pub fn set_list<T: Plain + Copy>(&self, row: usize, values: &[T]) {
        let (items, first) = self.push_list(row, values.len());
        items.slice_mut::<T>(first, values.len()).copy_from_slice(values);
    }

    /// Makes room for all lists of a chunk at once.
    pub fn reserve_list(&self, elements: usize) {
        // SAFETY: this is a list vector; DuckDB keeps what is there.
        unsafe {
            ffi::duckdb_list_vector_reserve(self.raw, elements as u64);
        }
    }

    /// Gives each row of a list vector without lists its own places in the child, none where the length is `None`.
    /// Returns the child, and the places of each row that has a length, in order and to be written in place.
    pub fn lists<T: Plain>(&self, lengths: &[Option<usize>]) -> (Vector<'a>, Vec<&'a mut [T]>) {
        let total: usize = lengths.iter().flatten().sum();
        let mut offset = 0;
        for (row, length) in lengths.iter().enumerate() {
            if let Some(length) = *length {
                self.set(row, ListEntry { offset: offset as u64, length: length as u64 });
                offset += length;
            }
        }
        // SAFETY: this is a list vector, whose child is fetched once it has its final size.
        let child = unsafe {
            ffi::duckdb_list_vector_reserve(self.raw, total as u64);
            ffi::duckdb_list_vector_set_size(self.raw, total as u64);
            Vector::from_raw(ffi::duckdb_list_vector_get_child(self.raw), total)
        };
        let mut rest = child.slice_mut::<T>(0, total);
        let mut places = Vec::new();
        for length in lengths.iter().flatten() {
            let (head, tail) = rest.split_at_mut(*length);
            places.push(head);
            rest = tail;
        }
        (child, places)
    }

    /// Places `from .. from + length` of a bare vector, to be written in place.
    pub fn slice_mut<T: Plain>(&self, from: usize, length: usize) -> &'a mut [T] {
        assert!(from + length <= self.rows, "places {from}+{length} of {}", self.rows);
        // SAFETY: the places are inside, and one thread writes a vector at a time.
        unsafe { std::slice::from_raw_parts_mut(self.data::<T>().add(from), length) }
    }

    /// NULL for runs of places, counted from `base`.
    pub fn set_null_runs(&self, base: usize, runs: &[std::ops::Range<usize>]) {
        let Some(last) = runs.last() else { return };
        assert!(base + last.end <= self.rows, "run to {} of {}", base + last.end, self.rows);
        // SAFETY: the mask is writable and has one bit for each of the vector's rows.
        unsafe {
            ffi::duckdb_vector_ensure_validity_writable(self.raw);
            let words = ffi::duckdb_vector_get_validity(self.raw);
            for run in runs {
                clear_bits(words, base + run.start, base + run.end);
            }
        }
    }

    pub fn array_child(&self, size: usize) -> Vector<'a> {
        // SAFETY: an array vector's child has `rows * size` places.
        unsafe { Vector::from_raw(ffi::duckdb_array_vector_get_child(self.raw), self.rows * size) }
    }
}

/// The items of a row's list: see [`Vector::list`].
pub struct List {
    raw: ffi::duckdb_vector,
    length: usize,
}

impl List {
    pub fn items(&self) -> Vector<'_> {
        Vector { raw: self.raw, rows: self.length, chunk: PhantomData }
    }

    pub fn places(&self) -> std::ops::Range<usize> {
        0..self.length
    }

    /// The items as plain values; `None` where one of them is NULL.
    pub fn numbers<T: Plain>(&self) -> Option<Vec<T>> {
        let items = self.items();
        self.places().map(|place| (!items.is_null(place)).then(|| items.get(place))).collect()
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: we own the vector and drop it once.
        unsafe { ffi::duckdb_destroy_vector(&mut self.raw) }
    }
}

/// Clears bits `from .. to` of a bit mask, whole words at a time.
///
/// # Safety
/// The mask has at least `to` bits.
unsafe fn clear_bits(words: *mut u64, from: usize, to: usize) {
    let mut bit = from;
    while bit < to {
        let end = to.min((bit / 64 + 1) * 64);
        let ones = u64::MAX >> (64 - (end - bit));
        // SAFETY: bit < to, which the caller vouches for.
        unsafe { *words.add(bit / 64) &= !(ones << (bit % 64)) };
        bit = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_bits_clears_just_the_run() {
        for (from, to) in [(0, 1), (3, 9), (60, 70), (0, 192), (64, 128), (5, 5), (63, 64), (1, 191)] {
            let mut words = [u64::MAX; 3];
            // SAFETY: to <= 192.
            unsafe { clear_bits(words.as_mut_ptr(), from, to) };
            for bit in 0..192 {
                let set = words[bit / 64] >> (bit % 64) & 1 == 1;
                assert_eq!(set, !(from..to).contains(&bit), "{from}..{to} bit {bit}");
            }
        }
    }
}
