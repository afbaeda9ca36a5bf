//! `geo_row_number`: the number in a column whose name a user gives.

use crate::bridge::args::number;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::value::Value;

/// The scalar `geo_row_number`.
pub struct GeoRowNumber;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_row_number",
    kind: Kind::Scalar,
    summary: "The number in the column of a row that is named.",
    parameters: &ROW,
    columns: &[Column { name: "number", types: "DOUBLE", meaning: "As it stands there." }],
    nulls: "NULL for a NULL.",
    errors: &["a column that is not there (those that are, are listed), or holds no numbers"],
    examples: &[Example {
        title: "A column by its name",
        sql: "SELECT geo_row_number(r, {name: 'b'}) AS number FROM (SELECT 1 AS a, 2.5 AS b) AS r;",
        rows: &["2.5"],
    }],
    references: &[],
};

/// A row, and the name of one of its columns.
pub(super) const ROW: [Parameter; 5] = [
    Parameter {
        name: "row",
        types: "ANY",
        given: Given::Required,
        meaning: "A whole row: the name of a relation in FROM.",
    },
    Parameter { name: "options", types: "STRUCT", given: Given::Optional, meaning: "The keys below." },
    Parameter {
        name: "name",
        types: "VARCHAR",
        given: Given::Option("required"),
        meaning: "The name of the column.",
    },
    Parameter {
        name: "place",
        types: "VARCHAR",
        given: Given::Option("the function"),
        meaning: "What errors name: a macro and its parameter.",
    },
    Parameter {
        name: "words",
        types: "VARCHAR[]",
        given: Given::Option("[]"),
        meaning: "Names that stand for something else, and give NULL.",
    },
];

/// Which column it is, and what errors name.
pub struct Named {
    index: Option<usize>,
    caller: String,
    column: String,
}

impl Named {
    /// # Errors
    /// There is no column of that name.
    pub(super) fn of(call: &Call, function: &str) -> Result<Named> {
        let args = call.options()?;
        let caller = args.text("place")?.unwrap_or_else(|| function.into());
        let column = match args.get("name") {
            Some(Value::Text(name)) => name.clone(),
            other => {
                let shown = other.cloned().unwrap_or(Value::Null);
                return Err(Error::invalid(shown, "the name of a column, as text").at(caller));
            }
        };
        if args.names("words")?.unwrap_or_default().contains(&column) {
            return Ok(Named { index: None, caller, column });
        }
        let columns = call.fields(0)?;
        let index = columns.iter().position(|(name, _)| name.eq_ignore_ascii_case(&column));
        if index.is_none() {
            let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
            let problem = format!("\"{column}\" is not a column");
            return Err(Error::conflict(problem, format!("The columns are {}", names.join(", "))).at(caller));
        }
        Ok(Named { index, caller, column })
    }

    /// The value of a row; NULL where the name stands for something else.
    pub(super) fn value(&self, input: &Input<'_>, row: usize) -> Value {
        match self.index {
            Some(index) if !input.column(0).is_null(row) => Value::of(input.column(0).field(index), row),
            _ => Value::Null,
        }
    }

    /// A value that is none of those that serve.
    pub(super) fn bad(&self, value: &Value, must: &str) -> Error {
        let problem = format!("column \"{}\" holds {value}, which is not {must}", self.column);
        Error::conflict(problem, "Name another column, or make one of it").at(&self.caller)
    }
}

impl ScalarFunction for GeoRowNumber {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Named;

    fn bind(call: Call) -> Result<Named> {
        Named::of(&call, DOC.name)
    }

    fn call(named: &Named, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| match named.value(input, row) {
            Value::Null => Ok(None),
            value => number(&value).map(Some).ok_or_else(|| named.bad(&value, "a number")),
        })
    }
}
