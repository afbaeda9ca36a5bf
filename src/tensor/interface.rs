//! What the file exports beside DuckDB's entry: a small C interface, which Python's package opens by `ctypes`.
//!
//! ```c
//! uint32_t geoquilt_interface(void);                                   // the version of what follows
//! int geoquilt_open(struct ArrowArrayStream *rows, const char *spec, void **reader, char **error);
//! int geoquilt_batches(const void *reader, const int64_t *order, size_t count, size_t size, int drop_last,
//!                      struct ArrowArrayStream *batches, char **error);
//! int geoquilt_wait(struct ArrowArrayStream *batches, uint32_t milliseconds);   // 1: get_next will not wait
//! void geoquilt_close(void *reader);
//! void geoquilt_free(char *error);
//! ```
//!
//! `geoquilt_open` takes the rows over and looks at them once; `spec` is JSON ([`crate::tensor::spec`]). `geoquilt_batches`
//! reads the rows that `order` names, `size` a batch, as often as it is called, from any thread. A batch is a struct of
//! `row` (the index of each row), a fixed-shape tensor for each read (`arrow.fixed_shape_tensor`; where rows are padded,
//! `arrow.variable_shape_tensor` of one shape a batch), `NAME_mask` where one was asked for, and `error` where errors are
//! reported. Releasing the stream ends its workers.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::bridge::call::{message, said, tell_by};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::sql::load;
use crate::sql::shared::remedies::told;
use crate::tensor::batches::{Batch, Batches, Reader};
use crate::tensor::buffer::Buffer;
use crate::tensor::c_data::{CArray, CSchema, CStream, Column, Values, export_array, export_schema, rows};
use crate::tensor::row_tensor::Tensor;
use crate::workers::{Here, fault};

/// The version of the interface.
const VERSION: u32 = 1;
/// What a call gives that failed.
const FAILED: c_int = 5;
const WELL: c_int = 0;

/// Runs a call's work; a panic becomes a defect's message.
fn contain<T>(work: impl FnOnce() -> Result<T>) -> std::result::Result<T, CString> {
    let work = || {
        let _here = Here::enter()?;
        work()
    };
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let words = said(&panic);
        Err(fault(panic, || words))
    });
    result.map_err(|error| message(&told(&error)))
}

/// # Safety
/// `error` is null, or takes a pointer.
unsafe fn answer(result: std::result::Result<(), CString>, error: *mut *mut c_char) -> c_int {
    match result {
        Ok(()) => WELL,
        Err(text) => {
            if !error.is_null() {
                // SAFETY: the caller's.
                unsafe { *error = text.into_raw() };
            }
            FAILED
        }
    }
}

/// The version of the interface.
#[unsafe(no_mangle)]
pub extern "C" fn geoquilt_interface() -> u32 {
    VERSION
}

/// Takes rows over, and what is read of each.
///
/// # Safety
/// `rows` is a live stream, `spec` a text, `reader` takes a pointer, `error` is null or takes one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn geoquilt_open(
    stream: *mut CStream,
    spec: *const c_char,
    reader: *mut *mut c_void,
    error: *mut *mut c_char,
) -> c_int {
    let work = || {
        tell_by(told);
        load::start();
        // SAFETY: the caller's.
        let (schema, batches) = unsafe { rows(stream) }?;
        // SAFETY: the caller's.
        let spec = unsafe { CStr::from_ptr(spec) }.to_string_lossy();
        Reader::open(&schema, batches, &spec)
    };
    let opened = contain(work).map(|opened| {
        // SAFETY: the caller's.
        unsafe { *reader = Arc::into_raw(Arc::new(opened)).cast_mut().cast() }
    });
    // SAFETY: the caller's.
    unsafe { answer(opened, error) }
}

/// Starts reading rows.
///
/// # Safety
/// `reader` is open, `order` holds `count` numbers, `out` takes a stream, `error` is null or takes a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn geoquilt_batches(
    reader: *const c_void,
    order: *const i64,
    count: usize,
    size: usize,
    drop_last: c_int,
    out: *mut CStream,
    error: *mut *mut c_char,
) -> c_int {
    let work = || {
        // SAFETY: the caller's: the reader is open, and stays so by the count that is added.
        let reader = unsafe {
            Arc::increment_strong_count(reader.cast::<Reader>());
            Arc::from_raw(reader.cast::<Reader>())
        };
        let order = match count {
            0 => Vec::new(),
            // SAFETY: the caller's.
            _ => unsafe { std::slice::from_raw_parts(order, count) }.to_vec(),
        };
        Batches::start(&reader, order, size, drop_last != 0)
    };
    let started = contain(work).map(|batches| {
        let stream = CStream {
            get_schema: Some(get_schema),
            get_next: Some(get_next),
            get_last_error: Some(get_last_error),
            release: Some(release),
            private_data: Box::into_raw(Box::new(Stream { batches, error: CString::default() })).cast(),
        };
        // SAFETY: the caller's; what lay there is nothing.
        unsafe { std::ptr::write(out, stream) }
    });
    // SAFETY: the caller's.
    unsafe { answer(started, error) }
}

/// Waits for the next batch; 1 where it, or the end, can be had at once.
///
/// # Safety
/// `batches` is a live stream of [`geoquilt_batches`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn geoquilt_wait(batches: *mut CStream, milliseconds: u32) -> c_int {
    // SAFETY: the caller's.
    let stream = unsafe { &*(*batches).private_data.cast::<Stream>() };
    let wait = || stream.batches.wait(Duration::from_millis(milliseconds.into()));
    c_int::from(catch_unwind(AssertUnwindSafe(wait)).unwrap_or(true))
}

/// Lets go of a reader; its streams go on.
///
/// # Safety
/// `reader` is open, and used no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn geoquilt_close(reader: *mut c_void) {
    // SAFETY: the caller's.
    let close = || unsafe { drop(Arc::from_raw(reader.cast::<Reader>().cast_const())) };
    let _ = catch_unwind(AssertUnwindSafe(close));
}

/// Frees an error's text.
///
/// # Safety
/// `error` came from a call here, or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn geoquilt_free(error: *mut c_char) {
    if !error.is_null() {
        // SAFETY: the caller's.
        drop(unsafe { CString::from_raw(error) });
    }
}

/// A stream's own.
struct Stream {
    batches: Batches,
    error: CString,
}

impl Stream {
    fn keep<T>(&mut self, work: impl FnOnce(&mut Batches) -> Result<T>) -> Option<T> {
        let batches = &mut self.batches;
        match contain(|| work(batches)) {
            Ok(done) => Some(done),
            Err(error) => {
                self.error = error;
                None
            }
        }
    }
}

/// # Safety
/// As of Arrow's C interface.
unsafe extern "C" fn get_schema(stream: *mut CStream, out: *mut CSchema) -> c_int {
    // SAFETY: the caller's.
    let own = unsafe { &mut *(*stream).private_data.cast::<Stream>() };
    let column = own.keep(|batches| {
        let pads = batches.reader().pads();
        let names: Vec<String> = batches.reader().names().map(str::to_string).collect();
        let first = batches.peek()?;
        let mut children = vec![Column::plain("row", "l")];
        for (name, tensor) in names.iter().zip(first.map_or(&[] as &[Tensor], |first| &first.tensors)) {
            children.extend(columns(name, tensor, pads));
        }
        if first.is_some_and(|first| first.errors.is_some()) {
            children.push(Column::plain("error", "u"));
        }
        Ok(Column { children, ..Column::plain("", "+s") })
    });
    let Some(column) = column else { return FAILED };
    // SAFETY: the caller's; what lay there is nothing.
    unsafe { std::ptr::write(out, export_schema(column)) };
    WELL
}

/// # Safety
/// As of Arrow's C interface.
unsafe extern "C" fn get_next(stream: *mut CStream, out: *mut CArray) -> c_int {
    // SAFETY: the caller's.
    let own = unsafe { &mut *(*stream).private_data.cast::<Stream>() };
    let array = own.keep(|batches| {
        let pads = batches.reader().pads();
        Ok(match batches.take()? {
            Some(batch) => export_array(values(batch, pads)?),
            None => CArray::EMPTY,
        })
    });
    let Some(array) = array else { return FAILED };
    // SAFETY: the caller's; what lay there is nothing.
    unsafe { std::ptr::write(out, array) };
    WELL
}

/// # Safety
/// As of Arrow's C interface.
unsafe extern "C" fn get_last_error(stream: *mut CStream) -> *const c_char {
    // SAFETY: the caller's.
    unsafe { (*(*stream).private_data.cast::<Stream>()).error.as_ptr() }
}

/// # Safety
/// As of Arrow's C interface.
unsafe extern "C" fn release(stream: *mut CStream) {
    // SAFETY: the caller's; the box is ours, and taken once.
    unsafe {
        let own = Box::from_raw((*stream).private_data.cast::<Stream>());
        (*stream).release = None;
        let _ = catch_unwind(AssertUnwindSafe(move || drop(own)));
    }
}

fn format(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Int8 => "c",
        Dtype::UInt8 => "C",
        Dtype::Int16 => "s",
        Dtype::UInt16 => "S",
        Dtype::Int32 => "i",
        Dtype::UInt32 => "I",
        Dtype::Int64 => "l",
        Dtype::UInt64 => "L",
        Dtype::Float32 => "f",
        Dtype::Float64 => "g",
    }
}

/// The columns of a read.
fn columns(name: &str, tensor: &Tensor, pads: bool) -> Vec<Column> {
    let mut columns = vec![column(name, tensor, format(tensor.dtype), pads)];
    if tensor.mask.is_some() {
        columns.push(column(&format!("{name}_mask"), tensor, "C", pads));
    }
    columns
}

fn column(name: &str, tensor: &Tensor, format: &str, pads: bool) -> Column {
    let shape = tensor.shape.get(1..).unwrap_or_default();
    let item = |name: &str, format: &str| Column::plain(name, format);
    let list = |name: &str, format: String, item: Column| Column {
        children: vec![item],
        ..Column::plain(name, &format)
    };
    let (extension, told, mut column) = match pads {
        false => {
            let length: usize = shape.iter().product();
            let told = serde_json::json!({ "shape": shape }).to_string();
            ("arrow.fixed_shape_tensor", told, list(name, format!("+w:{length}"), item("item", format)))
        }
        true => {
            let data = list("data", "+l".into(), item("item", format));
            let sides = list("shape", format!("+w:{}", shape.len()), item("item", "i"));
            let whole = Column { children: vec![data, sides], ..Column::plain(name, "+s") };
            ("arrow.variable_shape_tensor", String::new(), whole)
        }
    };
    column.marks =
        vec![("ARROW:extension:name".into(), extension.into()), ("ARROW:extension:metadata".into(), told)];
    column
}

/// A batch as a struct of columns; its buffers are moved.
fn values(batch: Batch, pads: bool) -> Result<Values> {
    let count = batch.rows.len();
    let mut children = vec![Values::plain(count, Buffer::of(&batch.rows))];
    for tensor in batch.tensors {
        let Tensor { shape, values, mask, .. } = tensor;
        let sides = shape.get(1..).unwrap_or_default();
        children.push(laid(count, sides, values, pads)?);
        if let Some(mask) = mask {
            children.push(laid(count, sides, mask, pads)?);
        }
    }
    if let Some(errors) = batch.errors {
        children.push(texts(&errors)?);
    }
    Ok(Values { length: count, nulls: 0, buffers: vec![None], children })
}

fn laid(count: usize, sides: &[usize], buffer: Buffer, pads: bool) -> Result<Values> {
    let length: usize = sides.iter().product();
    let items = Values::plain(count * length, buffer);
    let fixed = |length: usize, items: Values| Values {
        length,
        nulls: 0,
        buffers: vec![None],
        children: vec![items],
    };
    if !pads {
        return Ok(fixed(count, items));
    }
    let whole = |number: usize| {
        let long = || {
            Error::conflict(
                format!("a batch of {count} rows of shape {sides:?} is too large"),
                "Ask for fewer rows a batch",
            )
        };
        i32::try_from(number).map_err(|_| long())
    };
    let starts = (0..=count).map(|row| whole(row * length)).collect::<Result<Vec<i32>>>()?;
    let one = sides.iter().map(|side| whole(*side)).collect::<Result<Vec<i32>>>()?;
    let shapes = one.repeat(count);
    let lists = Values {
        length: count,
        nulls: 0,
        buffers: vec![None, Some(Buffer::of(&starts))],
        children: vec![items],
    };
    let shapes = fixed(count, Values::plain(shapes.len(), Buffer::of(&shapes)));
    Ok(Values { length: count, nulls: 0, buffers: vec![None], children: vec![lists, shapes] })
}

fn texts(errors: &[Option<String>]) -> Result<Values> {
    let (mut valid, mut ends) = (vec![0u8; errors.len().div_ceil(8)], vec![0i32]);
    let mut bytes: Vec<u8> = Vec::new();
    for (index, error) in errors.iter().enumerate() {
        if let Some(error) = error {
            bytes.extend(error.as_bytes());
            if let Some(byte) = valid.get_mut(index / 8) {
                *byte |= 1 << (index % 8);
            }
        }
        ends.push(i32::try_from(bytes.len()).map_err(|_| Error::Bug("errors of 2 GiB".into()))?);
    }
    let nulls = errors.iter().filter(|error| error.is_none()).count();
    let buffers = vec![Some(Buffer::of(&valid)), Some(Buffer::of(&ends)), Some(Buffer::of(&bytes))];
    Ok(Values { length: errors.len(), nulls, buffers, children: Vec::new() })
}
