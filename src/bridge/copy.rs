//! Formats of `COPY ... TO`: DuckDB's C calls on one side, a trait on the other.
//!
//! What DuckDB does around them (1.5.6 and 2.0.0, tried): `bind` sees the types of the query's columns and not their
//! names; the path is known when the query starts, and where the target is there already it is `tmp_` and the target's
//! name beside it (`USE_TMP_FILE`), which DuckDB renames after `finish`. Sinks come one after another, or, with
//! `PARTITION_BY` and `PER_THREAD_OUTPUT`, from several threads: a lock keeps them to one. After an error or an
//! interrupt `finish` does not run, and the writer is dropped, on 1.5.6 later than what `bind` gave: so a writer owns
//! that too, and its drop is where a partial file is removed.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_void};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use duckdb::ffi;

use crate::bridge::args::Args;
use crate::bridge::call::{accepted, contain, drop_box, reading};
use crate::bridge::chunk::Input;
use crate::bridge::connection::{Connection, database_of};
use crate::bridge::doc::FunctionDoc;
use crate::bridge::file_system::DuckFiles;
use crate::bridge::logical_type::{LogicalType, type_text};
use crate::bridge::settings;
use crate::bridge::text::text;
use crate::bridge::value::RawValue;
use crate::error::{Error, Result, one_of};
use crate::files::remote::{Manners, Session};
use crate::limits::Limits;
use crate::sql_type::SqlType;
use crate::value::Value;

/// What is known before any row.
pub struct CopyCall {
    /// Types of the query's columns.
    pub columns: Vec<SqlType>,
    /// The options of the statement, by their names in upper case.
    pub options: Args,
    /// The user's bounds in force.
    pub limits: Limits,
}

/// A format that COPY writes.
pub trait CopyFunction: 'static {
    /// What it says of itself.
    const DOC: &'static FunctionDoc;
    /// Other names of the format: a file's ending is taken for its format where FORMAT is left out.
    const ALIASES: &'static [&'static str];
    /// What bind learns: the options, and the columns of the query.
    type Bound: Send + Sync + 'static;
    /// One file under way. Dropped before it is finished, it leaves nothing behind.
    type Writer: Send + 'static;

    /// # Errors
    /// Becomes DuckDB's `Binder Error`.
    fn bind(call: CopyCall) -> Result<Self::Bound>;

    /// Begins a file, before any row.
    ///
    /// # Errors
    /// Becomes DuckDB's `Invalid Input Error`, as those of what follows.
    fn open(bound: &Arc<Self::Bound>, target: &Path) -> Result<Self::Writer>;

    /// Takes a chunk of rows, in the query's order.
    ///
    /// # Errors
    /// As [`CopyFunction::open`].
    fn sink(writer: &mut Self::Writer, rows: &Input<'_>) -> Result<()>;

    /// Ends the file, which appears whole.
    ///
    /// # Errors
    /// As [`CopyFunction::open`].
    fn finish(writer: Self::Writer) -> Result<()>;
}

/// A file's state: `None` once it is finished, or given up after an error.
struct State<F: CopyFunction> {
    writer: Mutex<Option<F::Writer>>,
    /// By which it reads, and asks what it may write.
    session: Arc<Session>,
}

unsafe extern "C" fn bind<F: CopyFunction>(info: ffi::duckdb_copy_function_bind_info) {
    // SAFETY: `info` is live for the callback; every handle taken from it is destroyed here.
    let work = || unsafe {
        let context = ffi::duckdb_copy_function_bind_get_client_context(info);
        let database = database_of(ffi::duckdb_copy_function_bind_get_extra_info(info));
        let limits = settings::read(context, database)?;
        let count = ffi::duckdb_copy_function_bind_get_column_count(info);
        let column = |i| {
            let ty = LogicalType::from_raw(ffi::duckdb_copy_function_bind_get_column_type(info, i));
            ty.sql_type().ok_or_else(|| {
                let problem = format!("column {} is of type {}", i + 1, type_text(&ty));
                Error::conflict(problem, "Leave it out of the query")
            })
        };
        let columns = (0..count).map(column).collect::<Result<Vec<_>>>()?;
        let given = RawValue(ffi::duckdb_copy_function_bind_get_options(info));
        let options = options(F::DOC, Value::read(&given))?;
        let context = ffi::duckdb_copy_function_bind_get_client_context(info);
        let session =
            Arc::new(Session::new(Arc::new(DuckFiles::new(context, database)), Manners::from(&limits)));
        let bound = Arc::new(reading(&session, || F::bind(CopyCall { columns, options, limits }))?);
        let data = Box::into_raw(Box::new(bound)).cast();
        ffi::duckdb_copy_function_bind_set_bind_data(info, data, Some(drop_box::<Arc<F::Bound>>));
        Ok(())
    };
    if let Err(error) = contain(F::DOC, work) {
        // SAFETY: DuckDB copies the message.
        unsafe { ffi::duckdb_copy_function_bind_set_error(info, error.as_ptr()) }
    }
}

/// The options that a format knows, from the struct that DuckDB makes of them; NULL where there are none.
fn options(doc: &FunctionDoc, given: Value) -> Result<Args> {
    let fields = match given {
        Value::Struct(fields) => fields,
        _ => Vec::new(),
    };
    let known: Vec<(&str, ())> = doc.option_names().into_iter().map(|name| (name, ())).collect();
    for (name, _) in &fields {
        one_of(name, "an option", &known).map_err(|e| e.at(doc.name))?;
    }
    Ok(Args::new(doc, fields))
}

unsafe extern "C" fn open<F: CopyFunction>(info: ffi::duckdb_copy_function_global_init_info) {
    // SAFETY: the bind data is what `bind` set, and the path lives as long as the callback.
    let work = || unsafe {
        let bound = &*ffi::duckdb_copy_function_global_init_get_bind_data(info).cast::<Arc<F::Bound>>();
        let path = ffi::duckdb_copy_function_global_init_get_file_path(info);
        let path = if path.is_null() { "".into() } else { CStr::from_ptr(path).to_string_lossy() };
        let context = ffi::duckdb_copy_function_global_init_get_client_context(info);
        let files = Arc::new(DuckFiles::new(context, 0));
        let session =
            Arc::new(Session::new(files, Manners { retries: 0, ..Manners::from(&Limits::default()) }));
        let writer = reading(&session, || F::open(bound, Path::new(path.as_ref())))?;
        let writer = Mutex::new(Some(writer));
        let state: *mut State<F> = Box::into_raw(Box::new(State { writer, session }));
        ffi::duckdb_copy_function_global_init_set_global_state(
            info,
            state.cast::<c_void>(),
            Some(drop_box::<State<F>>),
        );
        Ok(())
    };
    if let Err(error) = contain(F::DOC, work) {
        // SAFETY: DuckDB copies the message.
        unsafe { ffi::duckdb_copy_function_global_init_set_error(info, error.as_ptr()) }
    }
}

unsafe extern "C" fn sink<F: CopyFunction>(
    info: ffi::duckdb_copy_function_sink_info,
    raw: ffi::duckdb_data_chunk,
) {
    // SAFETY: the state is what `open` set, and the chunk is live for the callback.
    let work = || unsafe {
        let state = &*ffi::duckdb_copy_function_sink_get_global_state(info).cast::<State<F>>();
        let mut writer = state.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = writer.as_mut() else { return Ok(()) };
        let sunk = reading(&state.session, || F::sink(open, &Input::from_raw(raw)));
        if sunk.is_err() {
            *writer = None;
        }
        sunk
    };
    if let Err(error) = contain(F::DOC, work) {
        // SAFETY: DuckDB copies the message.
        unsafe { ffi::duckdb_copy_function_sink_set_error(info, error.as_ptr()) }
    }
}

unsafe extern "C" fn finish<F: CopyFunction>(info: ffi::duckdb_copy_function_finalize_info) {
    // SAFETY: the state is what `open` set.
    let work = || unsafe {
        let state = &*ffi::duckdb_copy_function_finalize_get_global_state(info).cast::<State<F>>();
        let writer = state.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        reading(&state.session, || writer.map_or(Ok(()), F::finish))
    };
    if let Err(error) = contain(F::DOC, work) {
        // SAFETY: DuckDB copies the message.
        unsafe { ffi::duckdb_copy_function_finalize_set_error(info, error.as_ptr()) }
    }
}

/// # Errors
/// DuckDB refuses the format.
pub fn register_copy<F: CopyFunction>(connection: &Connection) -> Result<()> {
    for format in F::ALIASES.iter().chain([&F::DOC.name]) {
        let name = text(format)?;
        // SAFETY: the handle is made, filled, registered and destroyed here; DuckDB copies all of it.
        unsafe {
            let mut function = ffi::duckdb_create_copy_function();
            ffi::duckdb_copy_function_set_name(function, name.as_ptr());
            ffi::duckdb_copy_function_set_extra_info(function, connection.database(), None);
            ffi::duckdb_copy_function_set_bind(function, Some(bind::<F>));
            ffi::duckdb_copy_function_set_global_init(function, Some(open::<F>));
            ffi::duckdb_copy_function_set_sink(function, Some(sink::<F>));
            ffi::duckdb_copy_function_set_finalize(function, Some(finish::<F>));
            let state = ffi::duckdb_register_copy_function(connection.raw(), function);
            ffi::duckdb_destroy_copy_function(&mut function);
            accepted(state, format)?;
        }
    }
    Ok(())
}
