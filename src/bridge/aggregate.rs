//! Aggregate functions: DuckDB's C calls on one side, a trait on the other.
//!
//! What a user calls is a macro in the schema `geoquilt`, for three reasons: the aggregate has no bind, so that
//! named parameters and options are the macro's; on DuckDB 1.5.6 an aggregate over a window or with ORDER BY ends the
//! process, and on a macro the binder refuses both; and the macro hands over the bound of memory and whose query it is, which
//! an aggregate cannot look up. The aggregate itself is hidden under the macro's name after `gq_`.
//!
//! DuckDB keeps a pointer a state, null until a row comes: a group costs what it holds.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use duckdb::ffi;

use crate::bridge::call::{accepted, contain};
use crate::bridge::chunk::Input;
use crate::bridge::connection::Connection;
use crate::bridge::doc::{FunctionDoc, with_null};
use crate::bridge::logical_type::LogicalType;
use crate::bridge::query;
use crate::bridge::text::text;
use crate::bridge::vector::Vector;
use crate::error::{Error, Load, Result};
use crate::sql_type::SqlType;
use crate::workers::{Carried, carried, carrying, go_on};

/// A function that gathers the rows of a group.
pub trait AggregateFunction: 'static {
    /// The macro.
    const DOC: &'static FunctionDoc;
    /// What the macro hands over by position, alternatives parted by ` | `; behind these it hands over
    /// `current_setting('geoquilt_aggregate_mb')` and `gq_query()`.
    const ARGUMENTS: &'static [&'static str];
    /// What is gathered of a group, by one thread.
    type State: Default + Send + 'static;
    /// The arguments of a chunk, made ready to be read row by row.
    type Rows<'a>;

    /// The type of the result for arguments of some types: that of [`FunctionDoc::columns`], unless it goes by them.
    ///
    /// # Errors
    /// A type that does not parse, which is a defect.
    fn returns(_arguments: &[SqlType]) -> Result<SqlType> {
        SqlType::parse(Self::DOC.columns.first().map_or("VARCHAR", |c| c.types))
    }

    /// Bytes that all states hold.
    fn held() -> &'static AtomicUsize;

    /// # Errors
    /// Arguments that cannot be read.
    fn rows<'a>(input: &'a Input<'_>) -> Result<Self::Rows<'a>>;

    /// Adds a row, whose arguments may be NULL.
    ///
    /// # Errors
    /// Becomes DuckDB's `Invalid Input Error`.
    fn update(state: &mut Self::State, rows: &mut Self::Rows<'_>, row: usize) -> Result<()>;

    /// Adds another state, which stays as it is. Which state a row went to, and in which order states come, must not
    /// change the result by more than its documentation says.
    ///
    /// # Errors
    /// As [`AggregateFunction::update`].
    fn combine(state: &mut Self::State, other: &Self::State) -> Result<()>;

    /// Writes the result into a row of a vector of the type of [`AggregateFunction::returns`]. A group without rows is NULL
    /// and does not come here.
    ///
    /// # Errors
    /// As [`AggregateFunction::update`].
    fn finish(state: &Self::State, out: &mut Vector<'_>, row: usize) -> Result<()>;

    /// What a state holds on the heap.
    fn bytes(state: &Self::State) -> usize;
}

/// A state, how many of its bytes are counted, and what it works for.
struct Slot<F: AggregateFunction> {
    state: F::State,
    counted: usize,
    carried: Carried,
}

impl<F: AggregateFunction> Slot<F> {
    fn count(&mut self) {
        let now = size_of::<Slot<F>>() + F::bytes(&self.state);
        if now > self.counted {
            F::held().fetch_add(now - self.counted, Relaxed);
        } else if now < self.counted {
            F::held().fetch_sub(self.counted - now, Relaxed);
        }
        self.counted = now;
    }
}

impl<F: AggregateFunction> Drop for Slot<F> {
    fn drop(&mut self) {
        F::held().fetch_sub(self.counted, Relaxed);
    }
}

/// Where DuckDB keeps its pointer to a state.
type StatePointer<F> = *mut *mut Slot<F>;

/// # Safety
/// `states` has a pointer of ours at `index`.
unsafe fn state_pointer<F: AggregateFunction>(
    states: *mut ffi::duckdb_aggregate_state,
    index: usize,
) -> StatePointer<F> {
    // SAFETY: the caller vouches for it.
    unsafe { (*states.add(index)).cast() }
}

/// The state behind a pointer, made where there is none.
///
/// # Safety
/// The pointer is live and nobody else's for as long as the reference.
unsafe fn slot<'a, F: AggregateFunction>(pointer: StatePointer<F>) -> &'a mut Slot<F> {
    // SAFETY: the pointer kept is null or what `Box::into_raw` gave.
    unsafe {
        if (*pointer).is_null() {
            let slot = Slot { state: F::State::default(), counted: 0, carried: carried() };
            *pointer = Box::into_raw(Box::new(slot));
        }
        &mut **pointer
    }
}

fn report<F: AggregateFunction>(info: ffi::duckdb_function_info, work: impl FnOnce() -> Result<()>) {
    if let Err(error) = contain(F::DOC, work) {
        // SAFETY: `info` is live for the callback; DuckDB copies the message.
        unsafe { ffi::duckdb_aggregate_function_set_error(info, error.as_ptr()) }
    }
}

unsafe extern "C" fn state_size(_info: ffi::duckdb_function_info) -> ffi::idx_t {
    size_of::<*mut c_void>() as ffi::idx_t
}

unsafe extern "C" fn state_init(_info: ffi::duckdb_function_info, state: ffi::duckdb_aggregate_state) {
    // SAFETY: the state has the size of a pointer.
    unsafe { state.cast::<*mut c_void>().write(std::ptr::null_mut()) }
}

unsafe extern "C" fn update<F: AggregateFunction>(
    info: ffi::duckdb_function_info,
    raw: ffi::duckdb_data_chunk,
    states: *mut ffi::duckdb_aggregate_state,
) {
    report::<F>(info, || {
        // SAFETY: the chunk is live for the callback.
        let input = unsafe { Input::from_raw(raw) };
        carrying(query::of(&input), || {
            let mut rows = F::rows(&input)?;
            for row in 0..input.rows() {
                go_on()?;
                // SAFETY: there is a state for each row; two rows may share one, which is lent to one at a time.
                let slot = unsafe { slot(state_pointer::<F>(states, row)) };
                F::update(&mut slot.state, &mut rows, row)?;
                let before = slot.counted;
                slot.count();
                if slot.counted > before {
                    check::<F>(&input, row)?;
                }
            }
            Ok(())
        })
    });
}

/// Memory that DuckDB does not count has a bound of its own, the last argument.
fn check<F: AggregateFunction>(input: &Input<'_>, row: usize) -> Result<()> {
    let Some(index) = input.columns().checked_sub(2) else { return Ok(()) };
    let bound = input.column(index);
    let limit_mb = if bound.is_null(row) { u64::MAX } else { bound.get::<u64>(row) };
    let (needed, limit) = (F::held().load(Relaxed) as u64, limit_mb.saturating_mul(1 << 20));
    if needed <= limit { Ok(()) } else { Err(Error::TooLarge { load: Load::Groups, needed, limit }) }
}

unsafe extern "C" fn combine<F: AggregateFunction>(
    info: ffi::duckdb_function_info,
    sources: *mut ffi::duckdb_aggregate_state,
    targets: *mut ffi::duckdb_aggregate_state,
    count: ffi::idx_t,
) {
    report::<F>(info, || {
        for index in 0..count as usize {
            // SAFETY: there are as many states on both sides, and no state is on both.
            unsafe {
                let source = *state_pointer::<F>(sources, index);
                if let Some(source) = source.as_ref() {
                    carrying(source.carried.clone(), || {
                        go_on()?;
                        let target = slot(state_pointer::<F>(targets, index));
                        F::combine(&mut target.state, &source.state)?;
                        target.count();
                        Ok(())
                    })?;
                }
            }
        }
        Ok(())
    });
}

unsafe extern "C" fn finalize<F: AggregateFunction>(
    info: ffi::duckdb_function_info,
    states: *mut ffi::duckdb_aggregate_state,
    out: ffi::duckdb_vector,
    count: ffi::idx_t,
    offset: ffi::idx_t,
) {
    report::<F>(info, || {
        let (count, offset) = (count as usize, offset as usize);
        // SAFETY: the vector has a row for each state, from `offset` on.
        let mut out = unsafe { Vector::from_raw(out, offset + count) };
        for index in 0..count {
            // SAFETY: there is a state for each index, which nobody writes now.
            match unsafe { (*state_pointer::<F>(states, index)).as_ref() } {
                Some(slot) => carrying(slot.carried.clone(), || {
                    go_on()?;
                    F::finish(&slot.state, &mut out, offset + index)
                })?,
                None => out.set_null(offset + index),
            }
        }
        Ok(())
    });
}

unsafe extern "C" fn destroy<F: AggregateFunction>(
    states: *mut ffi::duckdb_aggregate_state,
    count: ffi::idx_t,
) {
    for index in 0..count as usize {
        // SAFETY: there is a state for each index; what it holds is dropped once, since the pointer is null afterwards.
        // A drop that panics is swallowed, since DuckDB has no room for an error here.
        let _ = catch_unwind(AssertUnwindSafe(|| unsafe {
            let pointer = state_pointer::<F>(states, index);
            let slot = std::mem::replace(&mut *pointer, std::ptr::null_mut());
            if !slot.is_null() {
                drop(Box::from_raw(slot));
            }
        }));
    }
}

/// Every combination of types that the arguments may have, with the bound and the query behind them.
fn overloads(arguments: &[&str]) -> Result<Vec<Vec<SqlType>>> {
    let mut overloads = vec![Vec::new()];
    for types in arguments.iter().chain(&["UBIGINT", "UBIGINT"]) {
        let types = with_null(types.split(" | ").map(SqlType::parse).collect::<Result<Vec<_>>>()?);
        let longer = |shorter: &Vec<SqlType>| {
            let longer = types.iter().map(|ty| shorter.iter().cloned().chain([ty.clone()]).collect());
            longer.collect::<Vec<Vec<SqlType>>>()
        };
        overloads = overloads.iter().flat_map(longer).collect();
    }
    Ok(overloads)
}

/// # Errors
/// DuckDB refuses the function.
pub fn register_aggregate<F: AggregateFunction>(connection: &Connection) -> Result<()> {
    let name = text(&format!("gq_{}", F::DOC.name))?;
    // SAFETY: every handle is made, filled, registered and destroyed here; DuckDB copies all of it.
    unsafe {
        let mut set = ffi::duckdb_create_aggregate_function_set(name.as_ptr());
        for types in overloads(F::ARGUMENTS)? {
            let mut function = ffi::duckdb_create_aggregate_function();
            ffi::duckdb_aggregate_function_set_name(function, name.as_ptr());
            for ty in &types {
                ffi::duckdb_aggregate_function_add_parameter(function, LogicalType::new(ty)?.raw());
            }
            let returns = LogicalType::new(&F::returns(&types)?)?;
            ffi::duckdb_aggregate_function_set_return_type(function, returns.raw());
            ffi::duckdb_aggregate_function_set_functions(
                function,
                Some(state_size),
                Some(state_init),
                Some(update::<F>),
                Some(combine::<F>),
                Some(finalize::<F>),
            );
            ffi::duckdb_aggregate_function_set_destructor(function, Some(destroy::<F>));
            // NULL arguments reach us.
            ffi::duckdb_aggregate_function_set_special_handling(function);
            ffi::duckdb_add_aggregate_function_to_set(set, function);
            ffi::duckdb_destroy_aggregate_function(&mut function);
        }
        let state = ffi::duckdb_register_aggregate_function_set(connection.raw(), set);
        ffi::duckdb_destroy_aggregate_function_set(&mut set);
        accepted(state, F::DOC.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overloads_are_all_combinations_and_end_with_the_bound_and_the_query() {
        let texts = |arguments: &[&str]| -> Vec<String> {
            let all = overloads(arguments).unwrap();
            all.iter().map(|o| o.iter().map(SqlType::to_string).collect::<Vec<_>>().join(" ")).collect()
        };
        assert_eq!(texts(&[]), ["UBIGINT UBIGINT"]);
        let types = ["FLOAT[]", "DOUBLE[]", "NULL"];
        let want = types.map(|ty| format!("{ty} BIGINT[] UBIGINT UBIGINT"));
        assert_eq!(texts(&["FLOAT[] | DOUBLE[]", "BIGINT[]"]), want);
        assert!(overloads(&["FLOTE"]).is_err());
    }
}
