//! Whose query an aggregate works for: DuckDB tells its scalars, and not its aggregates. So `gq_query()`, a scalar, gives a
//! number a row, which the macros hand over, and by which the session is found as long as that scalar, or a state, has it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustc_hash::FxHashMap;

use crate::bridge::chunk::Input;
use crate::bridge::connection::Connection;
use crate::bridge::doc::{FunctionDoc, Kind, column};
use crate::bridge::scalar::{Call, ScalarFunction, register_scalar};
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::files::remote::{self, Session};
use crate::workers::Carried;

/// The scalar `gq_query`. No user calls it.
struct Query;

static DOC: FunctionDoc = FunctionDoc {
    name: "gq_query",
    kind: Kind::Scalar,
    summary: "The number of the query.",
    parameters: &[],
    columns: &[column("number", "UBIGINT", "A number.")],
    nulls: "",
    errors: &[],
    examples: &[],
    references: &[],
};

static SESSIONS: Mutex<Option<FxHashMap<u64, Weak<Session>>>> = Mutex::new(None);

/// Notes the session of the query that this thread works for, and gives its number.
fn note() -> u64 {
    let Some(session) = remote::current() else { return 0 };
    let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let sessions = sessions.get_or_insert_default();
    if !sessions.contains_key(&session.id()) {
        sessions.retain(|_, session| session.strong_count() > 0);
        sessions.insert(session.id(), Arc::downgrade(&session));
    }
    session.id()
}

/// What an aggregate is to carry that works on these arguments, whose last one is the number.
pub(super) fn of(input: &Input<'_>) -> Carried {
    let column = input.column(input.columns().checked_sub(1).filter(|_| input.rows() > 0)?);
    if column.is_null(0) {
        return None;
    }
    let sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
    sessions.as_ref()?.get(&column.get::<u64>(0))?.upgrade().map(|session| session as _)
}

/// # Errors
/// DuckDB refuses the function.
pub fn register(connection: &Connection) -> Result<()> {
    register_scalar::<Query>(connection)
}

impl ScalarFunction for Query {
    const DOC: &'static FunctionDoc = &DOC;
    // Folded into a constant it would be the number of a session that is over.
    const VOLATILE: bool = true;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call((): &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let number = note();
        (0..input.rows()).for_each(|row| out.set(row, number));
        Ok(())
    }
}
