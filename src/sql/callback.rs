//! Registration and callbacks: DuckDB's C calls on one side, two Rust traits on the other.
//!
//! No panic leaves a callback: each one catches it and reports a defect by name.

use std::any::Any;
use std::ffi::{CStr, CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use duckdb::ffi;

use crate::error::{Error, Result};
use crate::files::remote::{self, Session};
use crate::read::Limits;
use crate::sql::args::{self, Args};
use crate::sql::chunk::{Chunk, Input, LogicalType, Vector, text};
use crate::sql::doc::{FunctionDoc, Given, Parameter};
use crate::sql::file_system::DuckFiles;
use crate::sql::settings;
use crate::sql::types::SqlType;
use crate::sql::value::{RawValue, Value, element_type, geometry_crs, struct_fields};

/// The columns that a table function will give, and what it needs to give them.
pub struct Plan<B> {
    pub columns: Vec<(String, SqlType)>,
    /// How many rows there will be, where that is known before reading.
    pub rows: Option<u64>,
    pub bound: B,
}

pub trait TableFunction: 'static {
    const DOC: &'static FunctionDoc;
    type Bound: Send + Sync + 'static;
    type Scan: Send + Sync + 'static;

    /// Reads arguments and headers, never pixels.
    ///
    /// # Errors
    /// Becomes DuckDB's `Binder Error`.
    fn bind(args: &Args, limits: Limits) -> Result<Plan<Self::Bound>>;

    /// `wanted` are the places of the columns that the query asks for.
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

/// What is known of a scalar's arguments before any row. They are looked at one by one, when asked for: DuckDB can not
/// show one that holds a subquery.
pub struct Call {
    doc: &'static FunctionDoc,
    info: ffi::duckdb_bind_info,
    pub limits: Limits,
}

impl Call {
    /// How many arguments there are.
    pub fn arguments(&self) -> usize {
        // SAFETY: `info` is live while the scalar is bound, and a `Call` goes no further.
        unsafe { ffi::duckdb_scalar_function_bind_get_argument_count(self.info) as usize }
    }

    /// The CRS of an argument that is a GEOMETRY with one.
    ///
    /// # Errors
    /// The argument holds a subquery.
    pub fn crs(&self, place: usize) -> Result<Option<String>> {
        self.of_type(place, geometry_crs)
    }

    /// # Errors
    /// The argument holds a subquery.
    pub fn is_geometry(&self, place: usize) -> Result<bool> {
        // SAFETY: the type is live.
        let is = |ty: &LogicalType| unsafe { ffi::duckdb_get_type_id(ty.raw()) };
        Ok(self.of_type(place, is)? == ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY)
    }

    /// Names and types of the fields of an argument that is a STRUCT.
    ///
    /// # Errors
    /// The argument holds a subquery.
    pub fn fields(&self, place: usize) -> Result<Vec<(String, String)>> {
        self.of_type(place, struct_fields)
    }

    /// The place of the options, where they were given: at the end, also of fewer arguments than may come before them.
    ///
    /// # Errors
    /// An argument that may be the options holds a subquery.
    pub fn bag(&self) -> Result<Option<usize>> {
        let by_place = |p: &&Parameter| matches!(p.given, Given::Required | Given::Optional);
        let parameters: Vec<_> = self.doc.parameters.iter().filter(by_place).collect();
        let bag = parameters.iter().position(|p| p.given == Given::Optional && p.types == "STRUCT");
        let (Some(bag), Some(last)) = (bag, self.arguments().checked_sub(1)) else { return Ok(None) };
        // SAFETY: the type is live.
        let is_struct = |ty: &LogicalType| unsafe {
            ffi::duckdb_get_type_id(ty.raw()) == ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT
        };
        let optional = parameters.get(last).is_some_and(|p| p.given == Given::Optional);
        let given = last == bag || optional && self.of_type(last, is_struct)?;
        Ok(given.then_some(last))
    }

    /// The options, by their names.
    ///
    /// # Errors
    /// They are no constant struct, or a key is unknown.
    pub fn options(&self) -> Result<Args> {
        let Some(bag) = self.bag()? else { return Ok(Args::new(self.doc, Vec::new())) };
        // SAFETY: `info` is live, and the context is owned and destroyed here.
        let options = self.look(bag, |expression| unsafe {
            let mut context = std::ptr::null_mut();
            ffi::duckdb_scalar_function_get_client_context(self.info, &mut context);
            let options = fold(self.doc, expression, context);
            ffi::duckdb_destroy_client_context(&mut context);
            options
        })?;
        Args::of_options(self.doc, &options?)
    }

    fn of_type<T>(&self, place: usize, look: impl FnOnce(&LogicalType) -> T) -> Result<T> {
        // SAFETY: the expression is live, and gives its type away.
        self.look(place, |expression| unsafe {
            look(&LogicalType::from_raw(ffi::duckdb_expression_return_type(expression)))
        })
    }

    fn look<T>(&self, place: usize, look: impl FnOnce(ffi::duckdb_expression) -> T) -> Result<T> {
        // SAFETY: `info` is live; the expression is owned and destroyed here.
        unsafe {
            let mut expression = ffi::duckdb_scalar_function_bind_get_argument(self.info, place as u64);
            if expression.is_null() {
                let problem =
                    format!("argument {} holds a subquery, whose type DuckDB does not show", place + 1);
                let remedy = "Put the subquery into FROM, or its result into a variable with SET VARIABLE";
                return Err(Error::conflict(problem, remedy));
            }
            let found = look(expression);
            ffi::duckdb_destroy_expression(&mut expression);
            Ok(found)
        }
    }
}

pub trait ScalarFunction: 'static {
    const DOC: &'static FunctionDoc;
    type Bound: Send + Sync + 'static;

    /// # Errors
    /// Becomes DuckDB's `Binder Error`.
    fn bind(call: Call) -> Result<Self::Bound>;

    /// Fills a row of `out` for each row of `input`.
    ///
    /// # Errors
    /// Becomes DuckDB's `Invalid Input Error`.
    fn call(bound: &Self::Bound, input: &Input<'_>, out: Vector<'_>) -> Result<()>;
}

/// Runs a callback's work; a panic becomes a defect's message.
fn contain<T>(doc: &FunctionDoc, work: impl FnOnce() -> Result<T>) -> std::result::Result<T, CString> {
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Error::Bug(said(&panic))));
    result.map_err(|error| message(&error.at(doc.name).to_string()))
}

/// A message as C text.
pub fn message(message: &str) -> CString {
    CString::new(message.replace('\0', "\\0")).unwrap_or_default()
}

/// What a panic said.
pub fn said(panic: &Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
}

unsafe extern "C" fn drop_box<T>(data: *mut c_void) {
    // SAFETY: DuckDB gives back once what `Box::into_raw` gave it. A drop that panics is swallowed, since
    // DuckDB has no place for an error here.
    let _ = catch_unwind(AssertUnwindSafe(|| unsafe { drop(Box::from_raw(data.cast::<T>())) }));
}

// ---------------------------------------------------------------------------------------------------
// Table functions

struct TableBound<B> {
    bound: Arc<B>,
    /// What bind learned of remote files, for the first scan: one that follows, of a prepared statement, looks anew.
    session: Mutex<Arc<Session>>,
    files: Arc<DuckFiles>,
    retries: u32,
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
        let next = Arc::new(Session::new(self.files.clone(), self.retries));
        std::mem::replace(&mut *self.session.lock().unwrap_or_else(PoisonError::into_inner), next)
    }
}

/// Runs work that may read through DuckDB's file system.
fn reading<T>(session: &Arc<Session>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    remote::within(Some(session.clone()), work)
}

unsafe extern "C" fn table_bind<F: TableFunction>(info: ffi::duckdb_bind_info) {
    // SAFETY: `info` is live for the callback; every handle taken from it is owned by a guard.
    let work = || unsafe {
        let (mut values, mut elements) = (Vec::new(), Vec::new());
        let positional = F::DOC.parameters.iter().filter(|p| p.given == Given::Required);
        for (i, parameter) in positional.enumerate() {
            let raw = RawValue(ffi::duckdb_bind_get_parameter(info, i as u64));
            values.push((parameter.name.to_string(), Value::read(&raw)));
            elements.extend(element_type(&raw).map(|ty| (parameter.name.to_string(), ty)));
        }
        for name in args::named(F::DOC) {
            let raw = RawValue(ffi::duckdb_bind_get_named_parameter(info, text(name)?.as_ptr()));
            if !raw.0.is_null() {
                values.push((name.to_string(), Value::read(&raw)));
            }
        }
        let mut context = std::ptr::null_mut();
        ffi::duckdb_table_function_get_client_context(info, &mut context);
        let limits = settings::read(context)?;
        ffi::duckdb_table_function_get_client_context(info, &mut context);
        let files = Arc::new(DuckFiles::new(context));
        let session = Arc::new(Session::new(files.clone(), limits.remote_retries));
        let args = Args::new(F::DOC, values).with_elements(elements);
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
            retries: limits.remote_retries,
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
        ffi::duckdb_init_set_init_data(
            info,
            Box::into_raw(scan).cast(),
            Some(drop_box::<TableScan<F::Scan>>),
        );
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
///
/// # Safety
/// `connection` is live.
pub unsafe fn register_table<F: TableFunction>(connection: ffi::duckdb_connection) -> Result<()> {
    let doc = F::DOC;
    let name = text(doc.name)?;
    // SAFETY: the function handle is made, filled, registered and destroyed here; DuckDB copies all of it.
    unsafe {
        let mut function = ffi::duckdb_create_table_function();
        ffi::duckdb_table_function_set_name(function, name.as_ptr());
        for parameter in doc.parameters {
            let ty = LogicalType::new(&parameter.registered()?)?;
            match parameter.given {
                Given::Required => ffi::duckdb_table_function_add_parameter(function, ty.raw()),
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
        let state = ffi::duckdb_register_table_function(connection, function);
        ffi::duckdb_destroy_table_function(&mut function);
        accepted(state, doc.name)
    }
}

fn accepted(state: ffi::duckdb_state, name: &str) -> Result<()> {
    if state == ffi::DuckDBSuccess { Ok(()) } else { Err(Error::Bug(format!("DuckDB refuses {name}"))) }
}

// ---------------------------------------------------------------------------------------------------
// Scalar functions

/// Shared by all copies that DuckDB makes of a call's bind data.
struct ScalarBound<B> {
    bound: B,
    retries: u32,
    /// The session of the query that runs, while it does.
    session: Mutex<Weak<Session>>,
}

impl<B> ScalarBound<B> {
    /// One session for all threads of a query: the first one makes it, and the last one ends it.
    fn session(&self, files: DuckFiles) -> Arc<Session> {
        let mut known = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        known.upgrade().unwrap_or_else(|| {
            let session = Arc::new(Session::new(Arc::new(files), self.retries));
            *known = Arc::downgrade(&session);
            session
        })
    }
}

unsafe extern "C" fn copy_arc<T>(data: *mut c_void) -> *mut c_void {
    // SAFETY: the data is a live Box<Arc<T>>.
    unsafe { Box::into_raw(Box::new((*data.cast::<Arc<T>>()).clone())).cast() }
}

unsafe extern "C" fn scalar_bind<F: ScalarFunction>(info: ffi::duckdb_bind_info) {
    // SAFETY: `info` is live for the callback; every handle taken from it is destroyed here.
    let work = || unsafe {
        let mut context = std::ptr::null_mut();
        ffi::duckdb_scalar_function_get_client_context(info, &mut context);
        let limits = settings::read(context)?;
        ffi::duckdb_scalar_function_get_client_context(info, &mut context);
        let retries = limits.remote_retries;
        let session = Arc::new(Session::new(Arc::new(DuckFiles::new(context)), retries));
        let bound = reading(&session, || F::bind(Call { doc: F::DOC, info, limits }))?;
        let data = Arc::new(ScalarBound { bound, retries, session: Mutex::default() });
        let data = Box::into_raw(Box::new(data)).cast();
        ffi::duckdb_scalar_function_set_bind_data(info, data, Some(drop_box::<Arc<ScalarBound<F::Bound>>>));
        ffi::duckdb_scalar_function_set_bind_data_copy(info, Some(copy_arc::<ScalarBound<F::Bound>>));
        Ok(())
    };
    if let Err(error) = contain(F::DOC, work) {
        // SAFETY: DuckDB copies the message.
        unsafe { ffi::duckdb_scalar_function_bind_set_error(info, error.as_ptr()) }
    }
}

/// Options are one for the whole query, so that a mistake in them is seen before the first row.
///
/// # Safety
/// `expression` and `context` are live.
unsafe fn fold(
    doc: &FunctionDoc,
    expression: ffi::duckdb_expression,
    context: ffi::duckdb_client_context,
) -> Result<Value> {
    let not_constant = || {
        Error::invalid("an expression over columns", "a constant struct").at(format!("{}(options)", doc.name))
    };
    // SAFETY: the value and the error data are owned and destroyed here.
    unsafe {
        if !ffi::duckdb_expression_is_foldable(expression) {
            return Err(not_constant());
        }
        let mut raw = RawValue(std::ptr::null_mut());
        let mut error = ffi::duckdb_expression_fold(context, expression, &mut raw.0);
        let failed = ffi::duckdb_error_data_has_error(error);
        ffi::duckdb_destroy_error_data(&mut error);
        if failed { Err(not_constant()) } else { Ok(Value::read(&raw)) }
    }
}

/// Once for each thread of a query: bind data may outlive the connection (an index keeps it), a query does not.
unsafe extern "C" fn scalar_init<F: ScalarFunction>(info: ffi::duckdb_init_info) {
    // SAFETY: the bind data is what `scalar_bind` set; the context is owned by the session.
    let work = || unsafe {
        let data =
            &*ffi::duckdb_scalar_function_init_get_bind_data(info).cast::<Arc<ScalarBound<F::Bound>>>();
        let mut context = std::ptr::null_mut();
        ffi::duckdb_scalar_function_init_get_client_context(info, &mut context);
        let session = Box::new(data.session(DuckFiles::new(context)));
        ffi::duckdb_scalar_function_init_set_state(
            info,
            Box::into_raw(session).cast(),
            Some(drop_box::<Arc<Session>>),
        );
        Ok(())
    };
    if let Err(error) = contain(F::DOC, work) {
        // SAFETY: DuckDB copies the message.
        unsafe { ffi::duckdb_scalar_function_init_set_error(info, error.as_ptr()) }
    }
}

unsafe extern "C" fn scalar_call<F: ScalarFunction>(
    info: ffi::duckdb_function_info,
    raw: ffi::duckdb_data_chunk,
    out: ffi::duckdb_vector,
) {
    // SAFETY: the bind data is what `scalar_bind` set, the state what `scalar_init` set; the output vector has the
    // input's rows.
    let work = || unsafe {
        let data = &*ffi::duckdb_scalar_function_get_bind_data(info).cast::<Arc<ScalarBound<F::Bound>>>();
        let session = &*ffi::duckdb_scalar_function_get_state(info).cast::<Arc<Session>>();
        let input = Input::from_raw(raw);
        reading(session, || F::call(&data.bound, &input, Vector::from_raw(out, input.rows())))
    };
    if let Err(error) = contain(F::DOC, work) {
        // SAFETY: DuckDB copies the message.
        unsafe { ffi::duckdb_scalar_function_set_error(info, error.as_ptr()) }
    }
}

/// # Errors
/// DuckDB refuses the function.
///
/// # Safety
/// `connection` is live.
pub unsafe fn register_scalar<F: ScalarFunction>(connection: ffi::duckdb_connection) -> Result<()> {
    let doc = F::DOC;
    let name = text(doc.name)?;
    let returns = doc.columns.first().map_or("VARCHAR", |c| c.types);
    // SAFETY: every handle is made, filled, registered and destroyed here; DuckDB copies all of it.
    unsafe {
        let mut set = ffi::duckdb_create_scalar_function_set(name.as_ptr());
        for types in doc.overloads()? {
            let mut function = ffi::duckdb_create_scalar_function();
            ffi::duckdb_scalar_function_set_name(function, name.as_ptr());
            for ty in &types {
                ffi::duckdb_scalar_function_add_parameter(function, LogicalType::new(ty)?.raw());
            }
            ffi::duckdb_scalar_function_set_return_type(
                function,
                LogicalType::new(&SqlType::parse(returns)?)?.raw(),
            );
            // NULL arguments reach us, since a NULL may stand in one field of a struct as well.
            ffi::duckdb_scalar_function_set_special_handling(function);
            ffi::duckdb_scalar_function_set_bind(function, Some(scalar_bind::<F>));
            ffi::duckdb_scalar_function_set_init(function, Some(scalar_init::<F>));
            ffi::duckdb_scalar_function_set_function(function, Some(scalar_call::<F>));
            ffi::duckdb_add_scalar_function_to_set(set, function);
            ffi::duckdb_destroy_scalar_function(&mut function);
        }
        let state = ffi::duckdb_register_scalar_function_set(connection, set);
        ffi::duckdb_destroy_scalar_function_set(&mut set);
        accepted(state, doc.name)
    }
}

// ---------------------------------------------------------------------------------------------------
// SQL at LOAD

/// Runs a statement whose result does not matter.
///
/// # Errors
/// What DuckDB says of it.
///
/// # Safety
/// `connection` is live.
pub unsafe fn run(connection: ffi::duckdb_connection, sql: &str) -> Result<()> {
    // SAFETY: as documented.
    unsafe { query(connection, sql, |_| ()) }
}

/// Runs a query and looks at its result.
///
/// # Errors
/// What DuckDB says of it.
///
/// # Safety
/// `connection` is live.
pub unsafe fn query<T>(
    connection: ffi::duckdb_connection,
    sql: &str,
    look: impl FnOnce(&mut ffi::duckdb_result) -> T,
) -> Result<T> {
    let sql = text(sql)?;
    // SAFETY: the result is initialised by DuckDB whatever the outcome, and destroyed here.
    unsafe {
        let mut result = std::mem::zeroed();
        let state = ffi::duckdb_query(connection, sql.as_ptr(), &mut result);
        let answer = if state == ffi::DuckDBSuccess {
            Ok(look(&mut result))
        } else {
            let error = ffi::duckdb_result_error(&mut result);
            let said = if error.is_null() {
                String::new()
            } else {
                CStr::from_ptr(error).to_string_lossy().into_owned()
            };
            Err(Error::Bug(format!("{said} in {}", sql.to_string_lossy())))
        };
        ffi::duckdb_destroy_result(&mut result);
        answer
    }
}
