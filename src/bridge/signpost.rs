//! Functions that say where a macro of their name is: DuckDB 2.0 suggests no name of another schema, and others instead.

#![allow(unsafe_code)]

use std::ffi::c_void;

use duckdb::ffi;

use crate::bridge::call::{accepted, contain, drop_box};
use crate::bridge::connection::Connection;
use crate::bridge::doc::{FunctionDoc, Given, Kind};
use crate::bridge::logical_type::LogicalType;
use crate::bridge::text::text;
use crate::error::{Error, Result};
use crate::sql_type::SqlType;

/// A macro, and the schema that it is in.
struct Signpost {
    doc: &'static FunctionDoc,
    home: &'static str,
}

impl Signpost {
    fn error(&self) -> Error {
        let Signpost { doc, home } = self;
        let call = doc.signature().replacen("geoquilt.", &format!("{home}."), 1);
        Error::conflict(format!("the macro is called with its schema, {home}"), call)
    }
}

unsafe extern "C" fn table_bind(info: ffi::duckdb_bind_info) {
    // SAFETY: the extra info is what `register` set, and `info` is live for the callback.
    let signpost = unsafe { &*ffi::duckdb_bind_get_extra_info(info).cast::<Signpost>() };
    if let Err(error) = contain(signpost.doc, || Err::<(), Error>(signpost.error())) {
        // SAFETY: DuckDB copies the message.
        unsafe { ffi::duckdb_bind_set_error(info, error.as_ptr()) }
    }
}

unsafe extern "C" fn table_init(_info: ffi::duckdb_init_info) {}

unsafe extern "C" fn table_next(_info: ffi::duckdb_function_info, _out: ffi::duckdb_data_chunk) {}

unsafe extern "C" fn scalar_bind(info: ffi::duckdb_bind_info) {
    // SAFETY: as `table_bind`.
    let signpost = unsafe { &*ffi::duckdb_scalar_function_bind_get_extra_info(info).cast::<Signpost>() };
    if let Err(error) = contain(signpost.doc, || Err::<(), Error>(signpost.error())) {
        // SAFETY: DuckDB copies the message.
        unsafe { ffi::duckdb_scalar_function_bind_set_error(info, error.as_ptr()) }
    }
}

unsafe extern "C" fn scalar_call(
    _info: ffi::duckdb_function_info,
    _input: ffi::duckdb_data_chunk,
    _out: ffi::duckdb_vector,
) {
}

/// Registers the signpost of a macro.
///
/// # Errors
/// DuckDB refuses the function.
pub fn register(connection: &Connection, doc: &'static FunctionDoc, home: &'static str) -> Result<()> {
    let signpost: *mut c_void = Box::into_raw(Box::new(Signpost { doc, home })).cast();
    let name = text(doc.name)?;
    let any = LogicalType::new(&SqlType::Any)?;
    // SAFETY: every handle is made, filled, registered and destroyed here; DuckDB copies all of it, and owns the signpost.
    unsafe {
        if doc.kind != Kind::Macro {
            let mut function = ffi::duckdb_create_scalar_function();
            ffi::duckdb_scalar_function_set_name(function, name.as_ptr());
            ffi::duckdb_scalar_function_set_extra_info(function, signpost, Some(drop_box::<Signpost>));
            ffi::duckdb_scalar_function_set_varargs(function, any.raw());
            ffi::duckdb_scalar_function_set_return_type(function, LogicalType::new(&SqlType::Boolean)?.raw());
            ffi::duckdb_scalar_function_set_special_handling(function);
            ffi::duckdb_scalar_function_set_bind(function, Some(scalar_bind));
            ffi::duckdb_scalar_function_set_function(function, Some(scalar_call));
            let state = ffi::duckdb_register_scalar_function(connection.raw(), function);
            ffi::duckdb_destroy_scalar_function(&mut function);
            return accepted(state, doc.name);
        }
        let mut function = ffi::duckdb_create_table_function();
        ffi::duckdb_table_function_set_name(function, name.as_ptr());
        ffi::duckdb_table_function_set_extra_info(function, signpost, Some(drop_box::<Signpost>));
        for parameter in doc.parameters {
            match parameter.given {
                Given::Named(_) => {
                    let name = text(parameter.name)?;
                    ffi::duckdb_table_function_add_named_parameter(function, name.as_ptr(), any.raw());
                }
                _ => ffi::duckdb_table_function_add_parameter(function, any.raw()),
            }
        }
        ffi::duckdb_table_function_set_bind(function, Some(table_bind));
        ffi::duckdb_table_function_set_init(function, Some(table_init));
        ffi::duckdb_table_function_set_function(function, Some(table_next));
        let state = ffi::duckdb_register_table_function(connection.raw(), function);
        ffi::duckdb_destroy_table_function(&mut function);
        accepted(state, doc.name)
    }
}
