//! Table functions: DuckDB's C calls on one side, a trait on the other.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use duckdb::ffi;

use crate::bridge::args::{self, Args};
use crate::bridge::call::{accepted, contain, drop_box, reading};
use crate::bridge::chunk::Chunk;
use crate::bridge::connection::{Connection, carry, database_of};
use crate::bridge::doc::{FunctionDoc, Given};
use crate::bridge::file_system::DuckFiles;
use crate::bridge::logical_type::LogicalType;
use crate::bridge::python;
use crate::bridge::settings;
use crate::bridge::text::text;
use crate::bridge::value::{RawValue, crs_of, element_type};
use crate::error::{Error, Result};
use crate::files::remote::{Manners, Session};
use crate::limits::Limits;
use crate::sql_type::SqlType;
use crate::value::Value;

/// The columns that a table function will give, and what it needs to give them.
pub struct Plan<B> {
    /// Names and types, in order.
    pub columns: Vec<(String, SqlType)>,
    /// How many rows there will be, where that is known before reading.
    pub rows: Option<u64>,
    /// What the scan needs.
    pub bound: B,
}

/// A function that gives rows in FROM.
pub trait TableFunction: 'static {
    /// What it says of itself.
    const DOC: &'static FunctionDoc;
    /// What bind learns: the arguments, and the user's bounds.
    type Bound: Send + Sync + 'static;
    /// A scan under way, shared by the threads that read it.
    type Scan: Send + Sync + 'static;

    /// Reads arguments and headers, never pixels.
    ///
    /// # Errors
    /// Becomes DuckDB's `Binder Error`.
    fn bind(args: &Args, limits: Limits) -> Result<Plan<Self::Bound>>;

    /// `wanted` are the indices of the columns that the query asks for.
    ///
    /// # Errors
    /// Becomes DuckDB's `Invalid Input Error`, as for `next`.
    fn start(bound: &Arc<Self::Bound>, wanted: &[usize]) -> Result<Self::Scan>;

    /// How many threads may call `next` at once. DuckDB takes one where the order of rows must be kept.
    fn threads(_bound: &Self::Bound) -> usize {
        1
    }

    /// Fills the next rows; none ends the scan.
    ///
    /// # Errors
    /// As `start`.
    fn next(scan: &Self::Scan, out: &mut Chunk<'_>) -> Result<()>;
}

/// A table function that takes no arguments and whose rows are known at once.
pub trait Listing: 'static {
    /// Its documentation, from which its columns come.
    const DOC: &'static FunctionDoc;

    /// The rows of a scan, each with a value for every column.
    fn rows(limits: &Limits) -> Vec<Vec<Value>>;
}

impl<L: Listing> TableFunction for L {
    const DOC: &'static FunctionDoc = <L as Listing>::DOC;
    type Bound = Limits;
    type Scan = Mutex<std::vec::IntoIter<Vec<Value>>>;

    fn bind(_args: &Args, limits: Limits) -> Result<Plan<Limits>> {
        Ok(Plan { columns: <L as Listing>::DOC.schema()?, rows: None, bound: limits })
    }

    fn start(limits: &Arc<Limits>, _wanted: &[usize]) -> Result<Self::Scan> {
        Ok(Mutex::new(L::rows(limits).into_iter()))
    }

    fn next(scan: &Self::Scan, out: &mut Chunk<'_>) -> Result<()> {
        let mut left = scan.lock().unwrap_or_else(PoisonError::into_inner);
        let rows: Vec<Vec<Value>> = left.by_ref().take(out.capacity()).collect();
        out.set_rows(rows.len());
        rows.into_iter().enumerate().for_each(|(row, values)| out.write(row, values));
        Ok(())
    }
}

struct TableBound<B> {
    bound: Arc<B>,
    /// What bind learned of remote files, for the first scan: one that follows, of a prepared statement, looks anew.
    session: Mutex<Arc<Session>>,
    files: Arc<DuckFiles>,
    manners: Manners,
}

struct TableScan<S> {
    /// Dropped first: its workers end before the session does.
    scan: S,
    projection: Vec<usize>,
    session: Arc<Session>,
}

impl<B> TableBound<B> {
    /// The session of a scan.
    fn session(&self) -> Arc<Session> {
        let next = Arc::new(Session::new(self.files.clone(), self.manners));
        std::mem::replace(&mut *self.session.lock().unwrap_or_else(PoisonError::into_inner), next)
    }
}

unsafe extern "C" fn drop_scan<S>(data: *mut c_void) {
    // SAFETY: DuckDB gives back once what `table_init` gave it.
    let scan = unsafe { Box::from_raw(data.cast::<TableScan<S>>()) };
    let end = || match scan.session.is_used() {
        // Its workers may read through a file system of Python's.
        true => python::without_lock(|| drop(scan)),
        false => drop(scan),
    };
    // A drop that panics is swallowed, since DuckDB has no room for an error here.
    let _ = catch_unwind(AssertUnwindSafe(end));
}

unsafe extern "C" fn table_bind<F: TableFunction>(info: ffi::duckdb_bind_info) {
    // SAFETY: `info` is live for the callback; every handle taken from it is owned by a guard.
    let work = || unsafe {
        let (mut values, mut elements, mut crs) = (Vec::new(), Vec::new(), Vec::new());
        let positional =
            F::DOC.parameters.iter().filter(|p| matches!(p.given, Given::Required | Given::AsItIs));
        for (i, parameter) in positional.enumerate() {
            let raw = RawValue(ffi::duckdb_bind_get_parameter(info, i as u64));
            values.push((parameter.name.to_string(), Value::read(&raw)));
            elements.extend(element_type(&raw).map(|ty| (parameter.name.to_string(), ty)));
            crs.extend(crs_of(&raw).map(|crs| (parameter.name.to_string(), crs)));
        }
        for name in args::named(F::DOC) {
            let raw = RawValue(ffi::duckdb_bind_get_named_parameter(info, text(name)?.as_ptr()));
            if !raw.0.is_null() {
                crs.extend(crs_of(&raw).map(|crs| (name.to_string(), crs)));
                values.push((name.to_string(), Value::read(&raw)));
            }
        }
        let mut context = std::ptr::null_mut();
        ffi::duckdb_table_function_get_client_context(info, &mut context);
        let database = database_of(ffi::duckdb_bind_get_extra_info(info));
        let limits = settings::read(context, database)?;
        ffi::duckdb_table_function_get_client_context(info, &mut context);
        let files = Arc::new(DuckFiles::new(context, database));
        let manners = Manners::from(&limits);
        let session = Arc::new(Session::new(files.clone(), manners));
        let args = Args::new(F::DOC, values).with_elements(elements).with_crs(crs);
        let plan = reading(&session, || F::bind(&args, limits))?;
        for (name, ty) in &plan.columns {
            ffi::duckdb_bind_add_result_column(info, text(name)?.as_ptr(), LogicalType::new(ty)?.raw());
        }
        if let Some(rows) = plan.rows {
            ffi::duckdb_bind_set_cardinality(info, rows, true);
        }
        let data = Box::new(TableBound {
            bound: Arc::new(plan.bound),
            session: Mutex::new(session),
            files,
            manners,
        });
        ffi::duckdb_bind_set_bind_data(
            info,
            Box::into_raw(data).cast(),
            Some(drop_box::<TableBound<F::Bound>>),
        );
        Ok(())
    };
    if let Err(error) = contain(F::DOC, work) {
        // SAFETY: DuckDB copies the message.
        unsafe { ffi::duckdb_bind_set_error(info, error.as_ptr()) }
    }
}

unsafe extern "C" fn table_init<F: TableFunction>(info: ffi::duckdb_init_info) {
    // SAFETY: the bind data is what `table_bind` set, and outlives the scan.
    let work = || unsafe {
        let data = &*ffi::duckdb_init_get_bind_data(info).cast::<TableBound<F::Bound>>();
        let count = ffi::duckdb_init_get_column_count(info);
        let projection: Vec<usize> =
            (0..count).map(|i| ffi::duckdb_init_get_column_index(info, i) as usize).collect();
        let session = data.session();
        let scan = reading(&session, || F::start(&data.bound, &projection))?;
        let scan = Box::new(TableScan { scan, projection, session });
        ffi::duckdb_init_set_init_data(info, Box::into_raw(scan).cast(), Some(drop_scan::<F::Scan>));
        ffi::duckdb_init_set_max_threads(info, F::threads(&data.bound) as u64);
        Ok(())
    };
    if let Err(error) = contain(F::DOC, work) {
        // SAFETY: DuckDB copies the message.
        unsafe { ffi::duckdb_init_set_error(info, error.as_ptr()) }
    }
}

unsafe extern "C" fn table_next<F: TableFunction>(
    info: ffi::duckdb_function_info,
    raw: ffi::duckdb_data_chunk,
) {
    // SAFETY: the init data is what `table_init` set; the chunk has the projected columns.
    let work = || unsafe {
        let data = &*ffi::duckdb_function_get_init_data(info).cast::<TableScan<F::Scan>>();
        reading(&data.session, || F::next(&data.scan, &mut Chunk::output(raw, &data.projection)))
    };
    if let Err(error) = contain(F::DOC, work) {
        // SAFETY: DuckDB copies the message.
        unsafe { ffi::duckdb_function_set_error(info, error.as_ptr()) }
    }
}

/// # Errors
/// DuckDB refuses the function.
pub fn register_table<F: TableFunction>(connection: &Connection) -> Result<()> {
    let doc = F::DOC;
    let name = text(doc.name)?;
    // SAFETY: the function handle is made, filled, registered and destroyed here; DuckDB copies all of it.
    unsafe {
        let mut function = ffi::duckdb_create_table_function();
        ffi::duckdb_table_function_set_name(function, name.as_ptr());
        carry(function, connection);
        for parameter in doc.parameters {
            let ty = LogicalType::new(&parameter.registered()?)?;
            match parameter.given {
                Given::Required | Given::AsItIs => {
                    ffi::duckdb_table_function_add_parameter(function, ty.raw())
                }
                Given::Named(_) => {
                    ffi::duckdb_table_function_add_named_parameter(
                        function,
                        text(parameter.name)?.as_ptr(),
                        ty.raw(),
                    );
                }
                Given::Optional | Given::Option(_) => {
                    return Err(Error::Bug(format!("{}: a table function has no options bag", doc.name)));
                }
            }
        }
        ffi::duckdb_table_function_set_bind(function, Some(table_bind::<F>));
        ffi::duckdb_table_function_set_init(function, Some(table_init::<F>));
        ffi::duckdb_table_function_set_function(function, Some(table_next::<F>));
        ffi::duckdb_table_function_supports_projection_pushdown(function, true);
        let state = ffi::duckdb_register_table_function(connection.raw(), function);
        ffi::duckdb_destroy_table_function(&mut function);
        accepted(state, doc.name)
    }
}
