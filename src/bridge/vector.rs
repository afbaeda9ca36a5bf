//! DuckDB's vectors: the unsafe ground on which rows are read and written.
//!
//! Every vector that reaches us is flat (the C API flattens), lives as long as the callback it came with, and is used
//! by one thread. A vector notes its type when it is made, and what is read or written as another type is a defect that
//! ends the query, and no more. Who writes holds the vector as `&mut`, and children belong to their parents: so nobody
//! reads what another writes.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;
use std::rc::Rc;

use bytemuck::Pod;
use duckdb::ffi;

use crate::bridge::guarded;
use crate::bridge::layout::{Layout, Physical};
use crate::bridge::logical_type::LogicalType;
use crate::error::{Error, Result};
use crate::value::CalendarInterval;

/// A type whose values lie bare in a vector.
///
/// # Safety
/// The type has the size and the meaning of what `PHYSICAL` says, and `load` reads one whatever its bits are.
pub unsafe trait Plain: Copy {
    /// What a vector of such values notes.
    const PHYSICAL: Physical;

    /// The value behind a pointer; anything where that is NULL.
    ///
    /// # Safety
    /// The pointer is to a row of a vector of this type.
    unsafe fn load(pointer: *const Self) -> Self {
        // SAFETY: the caller vouches for the pointer.
        unsafe { pointer.read() }
    }
}
macro_rules! plain {
    ($($type:ty: $physical:ident),*) => {$(
        // SAFETY: DuckDB keeps values of this width bare, and any bits are one.
        unsafe impl Plain for $type {
            const PHYSICAL: Physical = Physical::$physical;
        }
    )*};
}
plain!(i8: I8, u8: U8, i16: I16, u16: U16, i32: I32, u32: U32, i64: I64, u64: U64, f32: F32, f64: F64);
// These are `duckdb_interval`, `duckdb_hugeint` and `duckdb_list_entry`.
plain!(CalendarInterval: Interval, Wide: Wide, ListEntry: Entry);

// SAFETY: a BOOLEAN is a byte. Where it is NULL, that may be any byte, which is no `bool`.
unsafe impl Plain for bool {
    const PHYSICAL: Physical = Physical::Bool;

    unsafe fn load(pointer: *const bool) -> bool {
        // SAFETY: as the trait says.
        unsafe { pointer.cast::<u8>().read() != 0 }
    }
}

/// A HUGEINT, a UUID or a wide DECIMAL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Wide {
    lower: u64,
    upper: i64,
}

impl Wide {
    /// The two halves of a number.
    pub fn new(value: i128) -> Wide {
        Wide { lower: value as u64, upper: (value >> 64) as i64 }
    }

    /// The number.
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

/// What a vector holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// VARCHAR.
    Text,
    /// GEOMETRY, with a CRS or without.
    Geometry,
    /// BOOLEAN.
    Boolean,
    /// BIGINT.
    Whole,
    /// UBIGINT.
    WholeUnsigned,
    /// HUGEINT.
    Huge,
    /// UHUGEINT.
    HugeUnsigned,
    /// LIST.
    List,
    /// STRUCT.
    Struct,
    /// Any other type.
    Other,
}

/// One vector: a column of a chunk, or a child of one.
pub struct Vector<'a> {
    raw: ffi::duckdb_vector,
    /// Null where the rows lie in children.
    data: *mut u8,
    /// A bit a row, set where there is a value; null while every row has one.
    validity: *mut u64,
    rows: usize,
    layout: Rc<Layout>,
    /// The fields of a STRUCT, the items of an ARRAY, and the items of a LIST once one was written.
    children: Vec<Vector<'a>>,
    chunk: PhantomData<&'a ()>,
}

impl<'a> Vector<'a> {
    /// # Safety
    /// `raw` is a live flat vector of at least `rows` rows for as long as `'a`, and nobody else reads or writes what
    /// this one writes.
    pub unsafe fn from_raw(raw: ffi::duckdb_vector, rows: usize) -> Vector<'a> {
        // SAFETY: the vector is alive; the type that comes is ours to destroy.
        unsafe {
            let ty = LogicalType::from_raw(ffi::duckdb_vector_get_column_type(raw));
            Vector::with_layout(raw, rows, Rc::new(Layout::of(ty)))
        }
    }

    /// # Safety
    /// As [`Vector::from_raw`], and the layout is that of the vector's type.
    unsafe fn with_layout(raw: ffi::duckdb_vector, rows: usize, layout: Rc<Layout>) -> Vector<'a> {
        let mut children = Vec::new();
        // SAFETY: a struct's children live as long as it does and have its rows; an array's child has `rows * size`.
        unsafe {
            if layout.is(ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT) {
                for (i, (_, part)) in layout.parts.iter().enumerate() {
                    let child = ffi::duckdb_struct_vector_get_child(raw, i as u64);
                    children.push(Vector::with_layout(child, rows, part.clone()));
                }
            } else if layout.is(ffi::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY) {
                for (_, part) in &layout.parts {
                    let child = ffi::duckdb_array_vector_get_child(raw);
                    children.push(Vector::with_layout(child, rows * layout.size, part.clone()));
                }
            }
        }
        let (data, validity) = (std::ptr::null_mut(), std::ptr::null_mut());
        let mut vector = Vector { raw, data, validity, rows, layout, children, chunk: PhantomData };
        vector.look_again(rows);
        vector
    }

    /// Notes anew where the rows lie, which a list's child does when it grows.
    fn look_again(&mut self, rows: usize) {
        self.rows = rows;
        // SAFETY: the vector is alive; one without data of its own is not asked for it.
        unsafe {
            if self.layout.physical != Physical::Nested {
                self.data = ffi::duckdb_vector_get_data(self.raw).cast();
            }
            self.validity = ffi::duckdb_vector_get_validity(self.raw);
        }
        // The items of a list inside stay where they are: they belong to its entries.
        if self.layout.physical == Physical::Nested {
            let each = self.layout.size.max(1);
            self.children.iter_mut().for_each(|child| child.look_again(rows * each));
        }
    }

    fn check(&self, row: usize) -> usize {
        // An index beyond the vector would be our own mistake: better a refused query than a torn heap.
        assert!(row < self.rows, "row {row} of {}", self.rows);
        row
    }

    fn check_type(&self, physical: Physical) {
        assert!(self.layout.physical == physical, "{:?} taken for {physical:?}", self.layout.physical);
    }

    /// The first value, of a type that was checked.
    fn base<T: Plain>(&self) -> *mut T {
        self.check_type(T::PHYSICAL);
        self.data.cast()
    }

    /// Whether a row is NULL.
    pub fn is_null(&self, row: usize) -> bool {
        let row = self.check(row);
        // SAFETY: the mask of a vector covers its rows.
        !self.validity.is_null() && unsafe { *self.validity.add(row / 64) } >> (row % 64) & 1 == 0
    }

    /// The bare value of a row; anything when the row is NULL.
    pub fn get<T: Plain>(&self, row: usize) -> T {
        // SAFETY: the row is inside, and its type is this one.
        unsafe { T::load(self.base::<T>().add(self.check(row))) }
    }

    /// The bytes of a VARCHAR, BLOB or GEOMETRY.
    pub fn bytes(&self, row: usize) -> &[u8] {
        self.check_type(Physical::Bytes);
        // SAFETY: a string_t holds its bytes itself up to 12, else a pointer that lives with the chunk.
        unsafe {
            let string = self.data.add(self.check(row) * 16).cast::<ffi::duckdb_string_t>();
            let length = ffi::duckdb_string_t_length(*string) as usize;
            std::slice::from_raw_parts(ffi::duckdb_string_t_data(string).cast(), length)
        }
    }

    /// The text of a VARCHAR.
    ///
    /// # Errors
    /// Bytes that are not UTF-8, which DuckDB lets no VARCHAR be.
    pub fn str(&self, row: usize) -> Result<&str> {
        let bytes = self.bytes(row);
        std::str::from_utf8(bytes).map_err(|_| Error::invalid(format!("{bytes:?}"), "text in UTF-8"))
    }

    /// What the vector's type is, as far as a function of several types must know.
    pub fn holds(&self) -> Holds {
        match self.layout.id {
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR => Holds::Text,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY => Holds::Geometry,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN => Holds::Boolean,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT => Holds::Whole,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT => Holds::WholeUnsigned,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT => Holds::Huge,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UHUGEINT => Holds::HugeUnsigned,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_LIST => Holds::List,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT => Holds::Struct,
            _ => Holds::Other,
        }
    }

    pub(super) fn raw(&self) -> ffi::duckdb_vector {
        self.raw
    }

    /// Where a row's list or array begins in the child, and how many items it has.
    pub(super) fn list_entry(&self, row: usize) -> (usize, usize) {
        if self.layout.is(ffi::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY) {
            return (self.check(row) * self.layout.size, self.layout.size);
        }
        let entry = self.get::<ListEntry>(row);
        (entry.offset as usize, entry.length as usize)
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A field of a STRUCT, by its number.
    pub fn field(&self, index: usize) -> &Vector<'a> {
        &self.children[index]
    }

    /// A field of a STRUCT, by its name in any case.
    pub fn named(&self, name: &str) -> Option<&Vector<'a>> {
        let at = self.layout.parts.iter().position(|(have, _)| have.eq_ignore_ascii_case(name))?;
        self.children.get(at)
    }

    /// The fields of a STRUCT by their names in any case; of one without names, by their places. `None` where one is
    /// missing, or for another type.
    pub fn named_fields<const N: usize>(&self, names: [&str; N]) -> Option<[&Vector<'a>; N]> {
        if self.holds() != Holds::Struct {
            return None;
        }
        let unnamed = self.layout.parts.iter().all(|(name, _)| name.is_empty());
        let mut found = [self; N];
        for (index, (slot, name)) in found.iter_mut().zip(names).enumerate() {
            *slot = if unnamed && self.children.len() == N {
                self.children.get(index)?
            } else {
                self.named(name)?
            };
        }
        Some(found)
    }

    /// A field of a STRUCT, by its number, to be written.
    pub fn field_mut(&mut self, index: usize) -> &mut Vector<'a> {
        &mut self.children[index]
    }

    /// The fields of a STRUCT by their names, which must be all of them, in their order.
    ///
    /// # Errors
    /// [`Error::Bug`]: other names than the type's.
    pub fn fields_mut<const N: usize>(&mut self, names: [&str; N]) -> Result<[&mut Vector<'a>; N]> {
        let same = self.layout.parts.iter().map(|(name, _)| name.as_str()).eq(names);
        let fields = self.children.first_chunk_mut::<N>().filter(|_| same);
        let fields = fields.ok_or_else(|| Error::Bug(format!("a struct of other fields than {names:?}")))?;
        Ok(fields.each_mut())
    }

    /// Sets the bare value of a row.
    pub fn set<T: Plain>(&mut self, row: usize, value: T) {
        // SAFETY: as `get`.
        unsafe { self.base::<T>().add(self.check(row)).write(value) }
    }

    /// Sets a VARCHAR, BLOB or GEOMETRY.
    pub fn set_bytes(&mut self, row: usize, bytes: &[u8]) {
        self.check_type(Physical::Bytes);
        let row = self.check(row);
        // SAFETY: the row is one of a vector of bytes. A VARCHAR's are checked for UTF-8, which ours are.
        unsafe { guarded::assign(self.raw, row, bytes) }
    }

    /// NULL; of a struct, every field as well, and of an array, every item: DuckDB reads these without asking for
    /// the whole.
    pub fn set_null(&mut self, row: usize) {
        let row = self.check(row);
        self.nulls().set_runs(row, std::slice::from_ref(&(0..1)));
        match self.layout.physical {
            Physical::Nested => {
                let each = self.layout.size.max(1);
                for child in &mut self.children {
                    (row * each..(row + 1) * each).for_each(|row| child.set_null(row));
                }
            }
            Physical::Entry => self.set(row, ListEntry { offset: 0, length: 0 }),
            _ => {}
        }
    }

    /// A row's list, copied flat: DuckDB flattens a column but not what is in its lists, so that a list of NULLs may
    /// come as one NULL that stands for all of them.
    pub fn list(&self, row: usize) -> List {
        let entry = self.get::<ListEntry>(row);
        let length = entry.length;
        let item = &self.layout.parts[0].1;
        // SAFETY: this is a list vector, whose child has the entry's items. The selection names each of them, and the
        // copy has room for them; both are destroyed by their guards.
        unsafe {
            let child = ffi::duckdb_list_vector_get_child(self.raw);
            let raw = ffi::duckdb_create_vector(item.ty.raw(), length.max(1));
            if length > 0 {
                let chosen = ffi::duckdb_create_selection_vector(length);
                let data = ffi::duckdb_selection_vector_get_data_ptr(chosen);
                let indices = std::slice::from_raw_parts_mut(data, length as usize);
                for (index, from) in indices.iter_mut().zip(entry.offset..) {
                    *index = from as ffi::sel_t;
                }
                ffi::duckdb_vector_copy_sel(child, raw, chosen, length, 0, 0);
                ffi::duckdb_destroy_selection_vector(chosen);
            }
            List { items: Vector::with_layout(raw, length as usize, item.clone()) }
        }
    }

    /// Gives a list vector's child this many rows, and returns it.
    fn resize(&mut self, size: usize) -> &mut Vector<'a> {
        self.check_type(Physical::Entry);
        // SAFETY: this is a list vector. Reserve keeps what is there and may move the child, which is looked at
        // afterwards.
        unsafe {
            self.make_room(size);
            ffi::duckdb_list_vector_set_size(self.raw, size as u64);
            let child = ffi::duckdb_list_vector_get_child(self.raw);
            match self.children.first_mut().filter(|known| known.raw == child) {
                Some(known) => known.look_again(size),
                None => {
                    self.children = vec![Vector::with_layout(child, size, self.layout.parts[0].1.clone())];
                }
            }
        }
        &mut self.children[0]
    }

    /// Adds `length` rows at the end of a list vector's child, gives them to this row, and returns the
    /// child and the first of them.
    pub fn push_list(&mut self, row: usize, length: usize) -> (&mut Vector<'a>, usize) {
        self.check_type(Physical::Entry);
        // SAFETY: this is a list vector.
        let offset = unsafe { ffi::duckdb_list_vector_get_size(self.raw) };
        self.set(row, ListEntry { offset, length: length as u64 });
        (self.resize(offset as usize + length), offset as usize)
    }

    /// Writes a row's list of plain values: a shape or a transform. They are lists, and no ARRAY of fixed length: DuckDB
    /// writes a NULL ARRAY to Parquet in a way that other readers refuse.
    pub fn set_list<T: Plain + Pod>(&mut self, row: usize, values: &[T]) {
        let (items, first) = self.push_list(row, values.len());
        items.slice_mut::<T>(first, values.len()).copy_from_slice(values);
    }

    /// Makes room for all lists of a chunk at once.
    pub fn reserve_list(&mut self, elements: usize) {
        self.check_type(Physical::Entry);
        // SAFETY: this is a list vector; DuckDB keeps what is there, and the child is looked at again before it is
        // written.
        unsafe { self.make_room(elements) }
    }

    /// # Safety
    /// This is a list vector.
    unsafe fn make_room(&self, items: usize) {
        let size = self.layout.parts.first().map_or(0, |(_, item)| item.physical.size());
        // SAFETY: the caller vouches for it.
        unsafe { guarded::reserve(self.raw, items, items.saturating_mul(size)) }
    }

    /// Gives each row of a list vector without lists its own rows of the child, none where the length is `None`.
    /// Returns the child's NULLs, and the items of each row that has a length, in order and to be written in place.
    pub fn lists<T: Plain + Pod>(&mut self, lengths: &[Option<usize>]) -> (Nulls<'_>, Vec<&mut [T]>) {
        let total: usize = lengths.iter().flatten().sum();
        let mut offset = 0;
        for (row, length) in lengths.iter().enumerate() {
            if let Some(length) = *length {
                self.set(row, ListEntry { offset: offset as u64, length: length as u64 });
                offset += length;
            }
        }
        let child = self.resize(total);
        let base = child.base::<T>();
        // SAFETY: the child has `total` rows of this type, lent out here alone: its NULLs lie elsewhere.
        let mut rest = unsafe { slice(base, total) };
        let mut lists = Vec::new();
        for length in lengths.iter().flatten() {
            let (head, tail) = rest.split_at_mut(*length);
            lists.push(head);
            rest = tail;
        }
        (child.nulls(), lists)
    }

    /// Rows `from .. from + length` of a bare vector, to be written in place.
    pub fn slice_mut<T: Plain + Pod>(&mut self, from: usize, length: usize) -> &mut [T] {
        assert!(from + length <= self.rows, "rows {from}+{length} of {}", self.rows);
        // SAFETY: the rows are inside and of this type, and borrowed with the vector.
        unsafe { slice(self.base::<T>().wrapping_add(from), length) }
    }

    /// NULL for runs of rows, counted from `base`.
    pub fn set_null_runs(&mut self, base: usize, runs: &[Range<usize>]) {
        self.nulls().set_runs(base, runs);
    }

    fn nulls(&mut self) -> Nulls<'_> {
        Nulls { raw: self.raw, rows: self.rows, validity: &mut self.validity }
    }

    /// The items of an ARRAY, one row's after another's.
    pub(super) fn items(&self) -> &Vector<'a> {
        &self.children[0]
    }

    /// The same, to be written.
    pub(super) fn items_mut(&mut self) -> &mut Vector<'a> {
        &mut self.children[0]
    }
}

/// # Safety
/// There are `length` values for as long as `'a`, lent to nobody else.
unsafe fn slice<'a, T>(base: *mut T, length: usize) -> &'a mut [T] {
    if length == 0 {
        return &mut [];
    }
    // SAFETY: the caller vouches for the values.
    unsafe { std::slice::from_raw_parts_mut(base, length) }
}

/// Which rows of a vector are NULL, to be written beside its values.
pub struct Nulls<'v> {
    raw: ffi::duckdb_vector,
    rows: usize,
    validity: &'v mut *mut u64,
}

impl Nulls<'_> {
    /// NULL for runs of rows, counted from `base`.
    pub fn set_runs(&mut self, base: usize, runs: &[Range<usize>]) {
        let Some(last) = runs.iter().map(|run| run.end).max() else { return };
        assert!(base + last <= self.rows, "run to {} of {}", base + last, self.rows);
        // SAFETY: the mask is made where there is none, and has one bit for each of the vector's rows.
        unsafe {
            if self.validity.is_null() {
                guarded::ensure_validity(self.raw, self.rows);
                *self.validity = ffi::duckdb_vector_get_validity(self.raw);
            }
            for run in runs {
                clear_bits(*self.validity, base + run.start, base + run.end);
            }
        }
    }
}

/// The items of a row's list: see [`Vector::list`].
pub struct List {
    items: Vector<'static>,
}

impl List {
    /// The items.
    pub fn items(&self) -> &Vector<'_> {
        &self.items
    }

    /// The rows of [`List::items`].
    pub fn rows(&self) -> Range<usize> {
        0..self.items.rows
    }

    /// The items as plain values; `None` where one of them is NULL.
    pub fn numbers<T: Plain>(&self) -> Option<Vec<T>> {
        self.rows().map(|row| (!self.items.is_null(row)).then(|| self.items.get(row))).collect()
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: we own the vector and drop it once; nothing reads it afterwards.
        unsafe { ffi::duckdb_destroy_vector(&mut self.items.raw) }
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

    #[test]
    fn a_wide_number_is_its_two_halves() {
        for value in [0, 1, -1, i128::MAX, i128::MIN, 1 << 64, -(1 << 64)] {
            assert_eq!(Wide::new(value).number(), value);
        }
    }
}
