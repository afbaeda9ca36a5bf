//! `geo_row_shares`: the shares of classes in a column whose name a user gives.

use crate::bridge::args::number;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Kind};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::sql::sampling::geo_row_number::{Named, ROW};
use crate::value::Value;

/// The scalar `geo_row_shares`.
pub struct GeoRowShares;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_row_shares",
    kind: Kind::Scalar,
    summary: "The shares of classes in the column of a row that is named.",
    parameters: &ROW,
    columns: &[Column {
        name: "shares",
        types: "MAP(VARCHAR, DOUBLE)",
        meaning: "The classes as text, each with its share; a NULL share is not there.",
    }],
    nulls: "NULL for a NULL.",
    errors: &["a column that is not there (those that are, are listed), or holds no MAP of numbers"],
    examples: &[Example {
        title: "A column by its name",
        sql: "SELECT geo_row_shares(r, {name: 'f'}) AS shares FROM (SELECT MAP {1: 0.25, 7: 0.75} AS f) AS r;",
        rows: &["{1=0.25, 7=0.75}"],
    }],
    references: &[],
};

impl ScalarFunction for GeoRowShares {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Named;

    fn bind(call: Call) -> Result<Named> {
        Named::of(&call, DOC.name)
    }

    fn call(named: &Named, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            let value = named.value(input, row);
            let bad = || named.bad(&value, "a MAP of class and share");
            let pairs = match &value {
                Value::Null => return Ok(None),
                Value::Map(pairs) => pairs,
                _ => return Err(bad()),
            };
            let mut shares = Vec::with_capacity(pairs.len());
            for (class, share) in pairs {
                let class = match class {
                    Value::Text(class) => class.clone(),
                    class => class.to_string(),
                };
                match share {
                    Value::Null => {}
                    share => shares.push((Value::Text(class), Value::Double(number(share).ok_or_else(bad)?))),
                }
            }
            Ok(Some(Value::Map(shares)))
        })
    }
}
