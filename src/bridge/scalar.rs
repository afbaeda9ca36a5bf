//! Scalar functions: DuckDB's C calls on one side, a trait on the other.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use duckdb::ffi;

use crate::bridge::args::Args;
use crate::bridge::call::{accepted, contain, drop_box, reading};
use crate::bridge::chunk::Input;
use crate::bridge::connection::{Connection, database_of};
use crate::bridge::doc::FunctionDoc;
use crate::bridge::file_system::DuckFiles;
use crate::bridge::logical_type::{LogicalType, geometry_crs, struct_fields};
use crate::bridge::settings;
use crate::bridge::text::text;
use crate::bridge::value::RawValue;
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::files::remote::{Manners, Session};
use crate::limits::Limits;
use crate::sql_type::SqlType;
use crate::value::Value;

/// What is known of a scalar's arguments before any row. They are looked at one by one, when asked for: DuckDB cannot
/// show one that holds a subquery.
pub struct Call {
    doc: &'static FunctionDoc,
    info: ffi::duckdb_bind_info,
    /// The user's bounds in force.
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
    pub fn crs(&self, index: usize) -> Result<Option<String>> {
        self.of_type(index, geometry_crs)
    }

    /// Names and types of the fields of an argument that is a STRUCT.
    ///
    /// # Errors
    /// The argument holds a subquery.
    pub fn fields(&self, index: usize) -> Result<Vec<(String, String)>> {
        self.of_type(index, struct_fields)
    }

    /// The index of the options, where they were given: at the end, also of fewer arguments than may come before them.
    ///
    /// # Errors
    /// The last argument may be the options, and holds a subquery.
    pub fn options_index(&self) -> Result<Option<usize>> {
        // SAFETY: the type is live.
        let is_struct = |ty: &LogicalType| unsafe {
            ffi::duckdb_get_type_id(ty.raw()) == ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT
        };
        self.doc.options_index(self.arguments(), |last| self.of_type(last, is_struct))
    }

    /// The options, by their names.
    ///
    /// # Errors
    /// They are no constant struct, or a key is unknown.
    pub fn options(&self) -> Result<Args> {
        let Some(index) = self.options_index()? else { return Ok(Args::new(self.doc, Vec::new())) };
        // SAFETY: `info` is live, and the context is owned and destroyed here.
        let options = self.look(index, |expression| unsafe {
            let mut context = std::ptr::null_mut();
            ffi::duckdb_scalar_function_get_client_context(self.info, &mut context);
            let options = fold(self.doc, expression, context);
            ffi::duckdb_destroy_client_context(&mut context);
            options
        })?;
        Args::of_options(self.doc, &options?)
    }

    /// The options, or the argument that holds those of each row.
    ///
    /// # Errors
    /// As [`Call::options`], but that they may hang on columns.
    pub fn options_or_column(&self) -> Result<Options> {
        let Some(index) = self.options_index()? else { return self.options().map(Options::Constant) };
        // SAFETY: the expression is live.
        match self.look(index, |expression| unsafe { ffi::duckdb_expression_is_foldable(expression) })? {
            true => self.options().map(Options::Constant),
            false => Ok(Options::Column(index)),
        }
    }

    fn of_type<T>(&self, index: usize, look: impl FnOnce(&LogicalType) -> T) -> Result<T> {
        // SAFETY: the expression is live, and gives its type away.
        self.look(index, |expression| unsafe {
            look(&LogicalType::from_raw(ffi::duckdb_expression_return_type(expression)))
        })
    }

    fn look<T>(&self, index: usize, look: impl FnOnce(ffi::duckdb_expression) -> T) -> Result<T> {
        // SAFETY: `info` is live; the expression is owned and destroyed here.
        unsafe {
            let mut expression = ffi::duckdb_scalar_function_bind_get_argument(self.info, index as u64);
            if expression.is_null() {
                let problem =
                    format!("argument {} holds a subquery, whose type DuckDB does not show", index + 1);
                let remedy = "Put the subquery into FROM, or its result into a variable with SET VARIABLE";
                return Err(Error::conflict(problem, remedy));
            }
            let found = look(expression);
            ffi::duckdb_destroy_expression(&mut expression);
            Ok(found)
        }
    }
}

/// Options as they were given.
pub enum Options {
    /// One for the query.
    Constant(Args),
    /// The argument that holds those of each row.
    Column(usize),
}

/// A function that gives a value for each row.
pub trait ScalarFunction: 'static {
    /// What it says of itself.
    const DOC: &'static FunctionDoc;
    /// It reads pixels: DuckDB then neither calls it while it plans, where a constant call would read them and become one
    /// object a number, nor takes two calls for one.
    const VOLATILE: bool = false;
    /// What bind learns: the constant arguments, and the user's bounds.
    type Bound: Send + Sync + 'static;

    /// The type of the result for arguments of some types: that of [`FunctionDoc::columns`], unless it goes by them.
    ///
    /// # Errors
    /// A type that does not parse, which is a defect.
    fn returns(_arguments: &[SqlType]) -> Result<SqlType> {
        SqlType::parse(Self::DOC.columns.first().map_or("VARCHAR", |c| c.types))
    }

    /// # Errors
    /// Becomes DuckDB's `Binder Error`.
    fn bind(call: Call) -> Result<Self::Bound>;

    /// Fills a row of `out` for each row of `input`.
    ///
    /// # Errors
    /// Becomes DuckDB's `Invalid Input Error`.
    fn call(bound: &Self::Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()>;
}

/// Shared by all copies that DuckDB makes of a call's bind data.
struct ScalarBound<B> {
    bound: B,
    manners: Manners,
    /// The number of the database.
    database: u64,
    /// The session of the query that runs, while it does.
    session: Mutex<Weak<Session>>,
}

impl<B> ScalarBound<B> {
    /// One session for all threads of a query: the first one makes it, and the last one ends it.
    fn session(&self, files: DuckFiles) -> Arc<Session> {
        let mut known = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        known.upgrade().unwrap_or_else(|| {
            let session = Arc::new(Session::new(Arc::new(files), self.manners));
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
        let database = database_of(ffi::duckdb_scalar_function_bind_get_extra_info(info));
        let limits = settings::read(context, database)?;
        ffi::duckdb_scalar_function_get_client_context(info, &mut context);
        let manners = Manners::from(&limits);
        let session = Arc::new(Session::new(Arc::new(DuckFiles::new(context, database)), manners));
        let bound = reading(&session, || F::bind(Call { doc: F::DOC, info, limits }))?;
        let data = Arc::new(ScalarBound { bound, manners, database, session: Mutex::default() });
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
        let session = Box::new(data.session(DuckFiles::new(context, data.database)));
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
        let mut out = Vector::from_raw(out, input.rows());
        reading(session, || F::call(&data.bound, &input, &mut out))
    };
    if let Err(error) = contain(F::DOC, work) {
        // SAFETY: DuckDB copies the message.
        unsafe { ffi::duckdb_scalar_function_set_error(info, error.as_ptr()) }
    }
}

/// # Errors
/// DuckDB refuses the function.
pub fn register_scalar<F: ScalarFunction>(connection: &Connection) -> Result<()> {
    let doc = F::DOC;
    let name = text(doc.name)?;
    // SAFETY: every handle is made, filled, registered and destroyed here; DuckDB copies all of it.
    unsafe {
        let mut set = ffi::duckdb_create_scalar_function_set(name.as_ptr());
        for types in doc.overloads()? {
            let mut function = ffi::duckdb_create_scalar_function();
            ffi::duckdb_scalar_function_set_name(function, name.as_ptr());
            ffi::duckdb_scalar_function_set_extra_info(function, connection.database(), None);
            for ty in &types {
                ffi::duckdb_scalar_function_add_parameter(function, LogicalType::new(ty)?.raw());
            }
            ffi::duckdb_scalar_function_set_return_type(
                function,
                LogicalType::new(&F::returns(&types)?)?.raw(),
            );
            // NULL arguments reach us, since a NULL may stand in one field of a struct as well.
            ffi::duckdb_scalar_function_set_special_handling(function);
            if F::VOLATILE {
                ffi::duckdb_scalar_function_set_volatile(function);
            }
            ffi::duckdb_scalar_function_set_bind(function, Some(scalar_bind::<F>));
            ffi::duckdb_scalar_function_set_init(function, Some(scalar_init::<F>));
            ffi::duckdb_scalar_function_set_function(function, Some(scalar_call::<F>));
            ffi::duckdb_add_scalar_function_to_set(set, function);
            ffi::duckdb_destroy_scalar_function(&mut function);
        }
        let state = ffi::duckdb_register_scalar_function_set(connection.raw(), set);
        ffi::duckdb_destroy_scalar_function_set(&mut set);
        accepted(state, doc.name)
    }
}
