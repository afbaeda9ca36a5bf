//! Arrow's C interface: rows that a program hands over, copied into arrays of ours, and columns that it gets, which stay
//! where they are until it lets go of them.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::Arc;

use arrow::array::{ArrayData, ArrayRef, RecordBatch, RecordBatchOptions, make_array, new_empty_array};
use arrow::buffer::Buffer as ArrowBuffer;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use crate::error::{Error, Result};
use crate::format::parquet::with_crs;
use crate::tensor::buffer::Buffer;

/// `struct ArrowSchema`.
#[repr(C)]
pub struct CSchema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut CSchema,
    dictionary: *mut CSchema,
    release: Option<unsafe extern "C" fn(*mut CSchema)>,
    private_data: *mut c_void,
}

/// `struct ArrowArray`.
#[repr(C)]
pub struct CArray {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *mut *const c_void,
    children: *mut *mut CArray,
    dictionary: *mut CArray,
    release: Option<unsafe extern "C" fn(*mut CArray)>,
    private_data: *mut c_void,
}

/// `struct ArrowArrayStream`.
#[repr(C)]
pub struct CStream {
    /// Gives the type of what comes.
    pub get_schema: Option<unsafe extern "C" fn(*mut CStream, *mut CSchema) -> c_int>,
    /// Gives the next array; one without a release at the end.
    pub get_next: Option<unsafe extern "C" fn(*mut CStream, *mut CArray) -> c_int>,
    /// What the last error was.
    pub get_last_error: Option<unsafe extern "C" fn(*mut CStream) -> *const c_char>,
    /// Ends the stream.
    pub release: Option<unsafe extern "C" fn(*mut CStream)>,
    /// The producer's own.
    pub private_data: *mut c_void,
}

impl CSchema {
    const EMPTY: CSchema = CSchema {
        format: std::ptr::null(),
        name: std::ptr::null(),
        metadata: std::ptr::null(),
        flags: 0,
        n_children: 0,
        children: std::ptr::null_mut(),
        dictionary: std::ptr::null_mut(),
        release: None,
        private_data: std::ptr::null_mut(),
    };
}

impl CArray {
    /// An array that is none: the end of a stream.
    pub const EMPTY: CArray = CArray {
        length: 0,
        null_count: 0,
        offset: 0,
        n_buffers: 0,
        n_children: 0,
        buffers: std::ptr::null_mut(),
        children: std::ptr::null_mut(),
        dictionary: std::ptr::null_mut(),
        release: None,
        private_data: std::ptr::null_mut(),
    };
}

/// A schema, an array or a stream that is released once.
struct Owned<T>(T, unsafe fn(&mut T));

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the value is live and owned here; its own release is called once.
        unsafe { (self.1)(&mut self.0) }
    }
}

/// # Safety
/// The schema is live or released.
unsafe fn release_schema(schema: &mut CSchema) {
    if let Some(release) = schema.release {
        // SAFETY: the producer's own.
        unsafe { release(schema) }
    }
}

/// # Safety
/// The array is live or released.
unsafe fn release_array(array: &mut CArray) {
    if let Some(release) = array.release {
        // SAFETY: the producer's own.
        unsafe { release(array) }
    }
}

/// # Safety
/// The stream is live or released.
unsafe fn release_stream(stream: &mut CStream) {
    if let Some(release) = stream.release {
        // SAFETY: the producer's own.
        unsafe { release(stream) }
    }
}

/// The rows of a stream, which is taken over and released.
///
/// # Errors
/// What the producer says; a stream of no structs, or arrays that are not what their schema says.
///
/// # Safety
/// `stream` is a live stream of Arrow's C interface, which the caller gives away.
pub unsafe fn rows(stream: *mut CStream) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let bad = |what: &str| Error::conflict(format!("the rows are no stream of Arrow: {what}"), "");
    if stream.is_null() {
        return Err(bad("there is none"));
    }
    // SAFETY: the caller's; what is moved out is marked as released, as the interface wants it.
    let mut stream = unsafe {
        let moved = std::ptr::read(stream);
        (*stream).release = None;
        Owned(moved, release_stream)
    };
    let (Some(get_schema), Some(get_next)) = (stream.0.get_schema, stream.0.get_next) else {
        return Err(bad("it was released"));
    };
    let mut schema = Owned(CSchema::EMPTY, release_schema);
    // SAFETY: the stream is live.
    if unsafe { get_schema(&mut stream.0, &mut schema.0) } != 0 {
        // SAFETY: as above.
        return Err(unsafe { said(&mut stream.0) });
    }
    // SAFETY: the schema is live.
    let fields = match unsafe { field(&schema.0) }.map(|field| field.data_type().clone()) {
        Some(DataType::Struct(fields)) => fields,
        _ => return Err(bad("its items are no structs, or have a column whose type cannot be carried")),
    };
    let schema = Arc::new(Schema::new(fields));
    let mut batches = Vec::new();
    loop {
        let mut array = Owned(CArray::EMPTY, release_array);
        // SAFETY: the stream is live.
        if unsafe { get_next(&mut stream.0, &mut array.0) } != 0 {
            // SAFETY: as above.
            return Err(unsafe { said(&mut stream.0) });
        }
        if array.0.release.is_none() {
            return Ok((schema, batches));
        }
        // SAFETY: the array is live, and is what the schema says, by the interface.
        batches.push(unsafe { batch(&array.0, &schema) }?);
    }
}

/// # Safety
/// The stream is live, and its last call failed.
unsafe fn said(stream: &mut CStream) -> Error {
    // SAFETY: the caller's; the text lives until the next call.
    let words = unsafe {
        let text = stream.get_last_error.map_or(std::ptr::null(), |get| get(stream));
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    };
    let words = words.unwrap_or_else(|| "it does not say why".into());
    Error::conflict(format!("the rows could not be had: {words}"), "")
}

/// A field; `None` for a type that is not carried.
///
/// # Safety
/// The schema is live.
unsafe fn field(schema: &CSchema) -> Option<Field> {
    // SAFETY: the schema's pointers are live, or null where the interface lets them be.
    unsafe {
        if schema.format.is_null() || !schema.dictionary.is_null() {
            return None;
        }
        let format = CStr::from_ptr(schema.format).to_str().ok()?;
        let name = match schema.name.is_null() {
            true => String::new(),
            false => CStr::from_ptr(schema.name).to_string_lossy().into_owned(),
        };
        let count = usize::try_from(schema.n_children).ok()?;
        let child = |index: usize| {
            let child = (index < count && !schema.children.is_null()).then(|| *schema.children.add(index))?;
            field(child.as_ref()?).map(Arc::new)
        };
        let data_type = match format {
            "+s" => {
                // A column that is not carried leaves its place to one that nobody can name.
                let or_none =
                    |index| child(index).unwrap_or_else(|| Arc::new(Field::new("", DataType::Null, true)));
                DataType::Struct((0..count).map(or_none).collect::<Fields>())
            }
            "+l" => DataType::List(child(0)?),
            "+L" => DataType::LargeList(child(0)?),
            _ => match format.strip_prefix("+w:") {
                Some(size) => DataType::FixedSizeList(child(0)?, size.parse().ok()?),
                None => plain_type(format)?,
            },
        };
        Some(Field::new(name, data_type, true).with_metadata(with_crs(marks(schema.metadata))))
    }
}

/// The types without parts.
fn plain_type(format: &str) -> Option<DataType> {
    Some(match format {
        "n" => DataType::Null,
        "b" => DataType::Boolean,
        "c" => DataType::Int8,
        "C" => DataType::UInt8,
        "s" => DataType::Int16,
        "S" => DataType::UInt16,
        "i" => DataType::Int32,
        "I" => DataType::UInt32,
        "l" => DataType::Int64,
        "L" => DataType::UInt64,
        "f" => DataType::Float32,
        "g" => DataType::Float64,
        "u" => DataType::Utf8,
        "U" => DataType::LargeUtf8,
        "z" => DataType::Binary,
        "Z" => DataType::LargeBinary,
        "tdD" => DataType::Date32,
        _ => {
            let (unit, zone) = format.strip_prefix("ts")?.split_once(':')?;
            let unit = match unit {
                "s" => TimeUnit::Second,
                "m" => TimeUnit::Millisecond,
                "u" => TimeUnit::Microsecond,
                "n" => TimeUnit::Nanosecond,
                _ => return None,
            };
            DataType::Timestamp(unit, (!zone.is_empty()).then(|| zone.into()))
        }
    })
}

/// What a schema notes of itself: a count, then keys and values, each behind its length.
///
/// # Safety
/// `metadata` is null, or of this form.
unsafe fn marks(metadata: *const c_char) -> HashMap<String, String> {
    let mut found = HashMap::new();
    if metadata.is_null() {
        return found;
    }
    let mut at = metadata.cast::<u8>();
    // SAFETY: the form is the interface's.
    unsafe {
        let mut number = || {
            let number = at.cast::<i32>().read_unaligned();
            at = at.add(4);
            number.max(0) as usize
        };
        let count = number();
        for _ in 0..count {
            let mut text = || {
                let length = at.cast::<i32>().read_unaligned().max(0) as usize;
                let bytes = std::slice::from_raw_parts(at.add(4), length);
                at = at.add(4 + length);
                String::from_utf8_lossy(bytes).into_owned()
            };
            let (key, value) = (text(), text());
            found.insert(key, value);
        }
    }
    found
}

/// # Safety
/// The array is live, and of the schema's type.
unsafe fn batch(array: &CArray, schema: &SchemaRef) -> Result<RecordBatch> {
    let length = usize::try_from(array.length).unwrap_or(0);
    let offset = usize::try_from(array.offset).unwrap_or(0);
    let bad =
        |reason: String| Error::conflict(format!("the rows are not what their schema says: {reason}"), "");
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for (index, field) in schema.fields().iter().enumerate() {
        if *field.data_type() == DataType::Null {
            columns.push(new_nulls(length));
            continue;
        }
        // SAFETY: a struct's array has a child for each field.
        let data = unsafe {
            let child = (!array.children.is_null()).then(|| *array.children.add(index));
            let child = child.and_then(|child| child.as_ref());
            child
                .map(|child| data(child, field.data_type()))
                .ok_or_else(|| bad("a column is missing".into()))?
        };
        let column = make_array(data.map_err(bad)?);
        if column.len() < offset + length {
            return Err(bad(format!("column {} is too short", field.name())));
        }
        columns.push(column.slice(offset, length));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(length));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|e| bad(e.to_string()))
}

fn new_nulls(length: usize) -> ArrayRef {
    arrow::array::new_null_array(&DataType::Null, length)
}

/// An array, copied.
///
/// # Safety
/// The array is live, and of this type.
unsafe fn data(array: &CArray, data_type: &DataType) -> std::result::Result<ArrayData, String> {
    let length = usize::try_from(array.length).map_err(|e| e.to_string())?;
    let offset = usize::try_from(array.offset).map_err(|e| e.to_string())?;
    let end = offset + length;
    if end == 0 {
        return Ok(new_empty_array(data_type).to_data());
    }
    // SAFETY: each buffer holds what the interface says for the type, from its beginning to the array's end.
    unsafe {
        let buffer = |index: usize, bytes: usize| -> std::result::Result<ArrowBuffer, String> {
            let known =
                i64::try_from(index).is_ok_and(|index| index < array.n_buffers) && !array.buffers.is_null();
            let start = if known { *array.buffers.add(index) } else { std::ptr::null() };
            match (start.is_null(), bytes) {
                (_, 0) => Ok(ArrowBuffer::from(&[] as &[u8])),
                (true, _) => Err("a buffer is missing".into()),
                (false, _) => Ok(ArrowBuffer::from(std::slice::from_raw_parts(start.cast::<u8>(), bytes))),
            }
        };
        let child = |index: usize, field: &Field| {
            let known =
                i64::try_from(index).is_ok_and(|index| index < array.n_children) && !array.children.is_null();
            let child = if known { *array.children.add(index) } else { std::ptr::null_mut() };
            child
                .as_ref()
                .map_or_else(|| Err("a child is missing".into()), |child| data(child, field.data_type()))
        };
        let mut builder = ArrayData::builder(data_type.clone()).len(length).offset(offset);
        if array.null_count != 0 && array.n_buffers > 0 && !(*array.buffers).is_null() {
            builder = builder.null_bit_buffer(Some(buffer(0, end.div_ceil(8))?));
        }
        builder = match data_type {
            DataType::Null => builder,
            DataType::Boolean => builder.add_buffer(buffer(1, end.div_ceil(8))?),
            DataType::Utf8 | DataType::Binary => {
                let offsets = buffer(1, (end + 1) * 4)?;
                let last = offsets.typed_data::<i32>().last().copied().unwrap_or(0);
                let bytes = buffer(2, usize::try_from(last).map_err(|e| e.to_string())?)?;
                builder.add_buffer(offsets).add_buffer(bytes)
            }
            DataType::LargeUtf8 | DataType::LargeBinary => {
                let offsets = buffer(1, (end + 1) * 8)?;
                let last = offsets.typed_data::<i64>().last().copied().unwrap_or(0);
                let bytes = buffer(2, usize::try_from(last).map_err(|e| e.to_string())?)?;
                builder.add_buffer(offsets).add_buffer(bytes)
            }
            DataType::List(item) => {
                builder.add_buffer(buffer(1, (end + 1) * 4)?).add_child_data(child(0, item)?)
            }
            DataType::LargeList(item) => {
                builder.add_buffer(buffer(1, (end + 1) * 8)?).add_child_data(child(0, item)?)
            }
            DataType::FixedSizeList(item, _) => builder.add_child_data(child(0, item)?),
            DataType::Struct(fields) => {
                let mut children = Vec::with_capacity(fields.len());
                for (index, field) in fields.iter().enumerate() {
                    children.push(match field.data_type() {
                        DataType::Null => new_nulls(end).to_data(),
                        _ => child(index, field)?,
                    });
                }
                builder.child_data(children)
            }
            plain => {
                let width = plain.primitive_width().ok_or_else(|| format!("{plain} is not carried"))?;
                builder.add_buffer(buffer(1, end * width)?)
            }
        };
        builder.build().map_err(|e| e.to_string())
    }
}

/// A column's type, as it goes out.
pub struct Column {
    /// Its name.
    pub name: String,
    /// By the interface.
    pub format: String,
    /// Names and texts that say more of it.
    pub marks: Vec<(String, String)>,
    /// Its parts.
    pub children: Vec<Column>,
}

impl Column {
    /// A column without parts.
    pub fn plain(name: &str, format: &str) -> Column {
        Column { name: name.into(), format: format.into(), marks: Vec::new(), children: Vec::new() }
    }
}

/// A column's values, as they go out.
pub struct Values {
    /// How many.
    pub length: usize,
    /// How many of them are NULL.
    pub nulls: usize,
    /// The first says which those are.
    pub buffers: Vec<Option<Buffer>>,
    /// Those of its parts.
    pub children: Vec<Values>,
}

impl Values {
    /// Values of which none is NULL, in one buffer.
    pub fn plain(length: usize, buffer: Buffer) -> Values {
        Values { length, nulls: 0, buffers: vec![None, Some(buffer)], children: Vec::new() }
    }
}

/// What an exported schema stands on.
struct SchemaHome {
    format: CString,
    name: CString,
    marks: Vec<u8>,
    children: Vec<*mut CSchema>,
}

/// What an exported array stands on.
struct ArrayHome {
    /// Held for as long as the program has the array.
    _buffers: Vec<Option<Buffer>>,
    starts: Vec<*const c_void>,
    children: Vec<*mut CArray>,
}

/// A type in the form of the interface.
pub fn export_schema(column: Column) -> CSchema {
    const NULLABLE: i64 = 2;
    let text = |text: &str| CString::new(text.replace('\0', "")).unwrap_or_default();
    let mut marks = Vec::new();
    if !column.marks.is_empty() {
        marks.extend((column.marks.len() as i32).to_ne_bytes());
        for part in column.marks.iter().flat_map(|(key, value)| [key, value]) {
            marks.extend((part.len() as i32).to_ne_bytes());
            marks.extend(part.as_bytes());
        }
    }
    let children =
        column.children.into_iter().map(|child| Box::into_raw(Box::new(export_schema(child)))).collect();
    let mut home =
        Box::new(SchemaHome { format: text(&column.format), name: text(&column.name), marks, children });
    CSchema {
        format: home.format.as_ptr(),
        name: home.name.as_ptr(),
        metadata: if home.marks.is_empty() { std::ptr::null() } else { home.marks.as_ptr().cast() },
        flags: NULLABLE,
        n_children: home.children.len() as i64,
        children: home.children.as_mut_ptr(),
        dictionary: std::ptr::null_mut(),
        release: Some(schema_released),
        private_data: Box::into_raw(home).cast(),
    }
}

/// Values in the form of the interface; nothing is copied.
pub fn export_array(values: Values) -> CArray {
    let start = |buffer: &Option<Buffer>| {
        buffer.as_ref().map_or(std::ptr::null(), |buffer| buffer.bytes().as_ptr().cast::<c_void>())
    };
    let starts = values.buffers.iter().map(start).collect();
    let children =
        values.children.into_iter().map(|child| Box::into_raw(Box::new(export_array(child)))).collect();
    let mut home = Box::new(ArrayHome { _buffers: values.buffers, starts, children });
    CArray {
        length: values.length as i64,
        null_count: values.nulls as i64,
        offset: 0,
        n_buffers: home.starts.len() as i64,
        n_children: home.children.len() as i64,
        buffers: home.starts.as_mut_ptr(),
        children: home.children.as_mut_ptr(),
        dictionary: std::ptr::null_mut(),
        release: Some(array_released),
        private_data: Box::into_raw(home).cast(),
    }
}

/// # Safety
/// The program gives back what [`export_schema`] gave it.
unsafe extern "C" fn schema_released(schema: *mut CSchema) {
    // SAFETY: as above: the home and the children are boxes of ours, each taken once. A child may have been moved away.
    unsafe {
        let home = Box::from_raw((*schema).private_data.cast::<SchemaHome>());
        for child in &home.children {
            let mut child = Box::from_raw(*child);
            release_schema(&mut child);
        }
        (*schema).release = None;
    }
}

/// # Safety
/// The program gives back what [`export_array`] gave it.
unsafe extern "C" fn array_released(array: *mut CArray) {
    // SAFETY: as above.
    unsafe {
        let home = Box::from_raw((*array).private_data.cast::<ArrayHome>());
        for child in &home.children {
            let mut child = Box::from_raw(*child);
            release_array(&mut child);
        }
        (*array).release = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float32Type, Int64Type};

    /// A stream of one struct array, as a program makes it.
    struct OneBatch(Option<(CSchema, CArray)>);

    unsafe extern "C" fn schema(stream: *mut CStream, out: *mut CSchema) -> c_int {
        // SAFETY: the stream is one of `read`, which outlives it.
        unsafe {
            let (schema, _) = (*(*stream).private_data.cast::<OneBatch>()).0.as_mut().unwrap();
            std::ptr::write(out, std::mem::replace(schema, CSchema::EMPTY));
        }
        0
    }

    unsafe extern "C" fn next(stream: *mut CStream, out: *mut CArray) -> c_int {
        // SAFETY: as above.
        unsafe {
            let taken = (*(*stream).private_data.cast::<OneBatch>()).0.take();
            std::ptr::write(out, taken.map_or(CArray::EMPTY, |(_, array)| array));
        }
        0
    }

    unsafe extern "C" fn release(stream: *mut CStream) {
        // SAFETY: as above.
        unsafe { (*stream).release = None };
    }

    fn read(column: Column, values: Values) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let mut own = OneBatch(Some((export_schema(column), export_array(values))));
        let mut stream = CStream {
            get_schema: Some(schema),
            get_next: Some(next),
            get_last_error: None,
            release: Some(release),
            private_data: (&raw mut own).cast(),
        };
        // SAFETY: the stream is live, and not used afterwards.
        unsafe { rows(&mut stream) }
    }

    fn structs(children: Vec<(Column, Values)>, length: usize) -> (Column, Values) {
        let (columns, values) = children.into_iter().unzip();
        let column = Column { children: columns, ..Column::plain("", "+s") };
        (column, Values { length, nulls: 0, buffers: vec![None], children: values })
    }

    #[test]
    fn what_goes_out_comes_in_again() {
        let numbers = (Column::plain("n", "l"), Values::plain(3, Buffer::of(&[5i64, -6, 7])));
        let text = Values {
            length: 3,
            nulls: 1,
            buffers: vec![
                Some(Buffer::of(&[0b101u8])),
                Some(Buffer::of(&[0i32, 2, 2, 5])),
                Some(Buffer::of(b"abcde")),
            ],
            children: Vec::new(),
        };
        let items = Values::plain(6, Buffer::of(&[1f32, 2.0, 3.0, 4.0, 5.0, 6.0]));
        let pairs = Column { children: vec![Column::plain("item", "f")], ..Column::plain("pair", "+w:2") };
        let pairs = (pairs, Values { length: 3, nulls: 0, buffers: vec![None], children: vec![items] });
        let (column, values) = structs(vec![numbers, (Column::plain("t", "u"), text), pairs], 3);
        let (schema, batches) = read(column, values).unwrap();
        assert_eq!(schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(), ["n", "t", "pair"]);
        let batch = &batches[0];
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[5, -6, 7]);
        let text = batch.column(1).as_string::<i32>();
        assert_eq!((text.value(0), text.is_null(1), text.value(2)), ("ab", true, "cde"));
        let pair = batch.column(2).as_fixed_size_list().value(2);
        assert_eq!(pair.as_primitive::<Float32Type>().values(), &[5.0, 6.0]);
    }

    #[test]
    fn a_column_of_an_unknown_type_has_no_name_and_hides_no_other() {
        let other = (Column::plain("odd", "tDs"), Values::plain(1, Buffer::of(&[5i64])));
        let known = (Column::plain("n", "i"), Values::plain(1, Buffer::of(&[5i32])));
        let (column, values) = structs(vec![other, known], 1);
        let (schema, batches) = read(column, values).unwrap();
        assert_eq!((schema.field(0).name().as_str(), schema.field(1).name().as_str()), ("", "n"));
        assert_eq!(batches[0].num_rows(), 1);
    }

    #[test]
    fn text_that_is_none_is_refused() {
        let text = Values {
            length: 1,
            nulls: 0,
            buffers: vec![None, Some(Buffer::of(&[0i32, 2])), Some(Buffer::of(&[0xffu8, 0xfe]))],
            children: Vec::new(),
        };
        let (column, values) = structs(vec![(Column::plain("t", "u"), text)], 1);
        assert!(read(column, values).is_err());
    }
}
