//! `geo_balance`: rows whose classes are as even together as they can be.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::rows::{Numbers, rows};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::grid::balance::balanced;
use crate::random::Pcg64;

/// The scalar `geo_balance`.
pub struct GeoBalance;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_balance",
    kind: Kind::Scalar,
    summary: "Which rows geoquilt.balanced_sample takes.",
    parameters: &[
        Parameter {
            name: "shares",
            types: "DOUBLE[]",
            given: Given::Required,
            meaning: "The shares of the classes in each row, row after row; NULL is 0.",
        },
        Parameter {
            name: "classes",
            types: "BIGINT",
            given: Given::Required,
            meaning: "How many classes there are.",
        },
        Parameter { name: "n", types: "BIGINT", given: Given::Required, meaning: "How many rows are taken." },
        Parameter {
            name: "seed",
            types: "BIGINT",
            given: Given::Required,
            meaning: "Seed of the rows that the search begins with, 0 or above.",
        },
    ],
    columns: &[Column {
        name: "places",
        types: "BIGINT[]",
        meaning: "Rows from 0, in order: some drawn, then exchanged one by one for what makes the sums of the shares most even, until none of 2048 that are tried does.",
    }],
    nulls: "NULL for a NULL argument.",
    errors: &[
        "a share that is negative, NaN or infinite",
        "n below 1, or above the rows that there are",
        "a negative seed",
    ],
    examples: &[Example {
        title: "Two rows of ten hold the second class",
        sql: "SELECT geo_balance([1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0], 2, 4, 7) AS places;",
        rows: &["[2, 5, 6, 9]"],
    }],
    references: &[],
};

impl ScalarFunction for GeoBalance {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            if input.any_null(row) {
                return Ok(None);
            }
            let list = input.column(0).list(row);
            let share =
                |item: usize| if list.items().is_null(item) { 0.0 } else { list.items().get::<f64>(item) };
            let shares: Vec<f64> = list.rows().map(share).collect();
            if let Some(bad) = shares.iter().find(|share| !(share.is_finite() && **share >= 0.0)) {
                let error = Error::invalid(bad, "a share of 0 or above");
                return Err(error.at("balanced_sample(fractions)"));
            }
            let whole = |i: usize| input.column(i).get::<i64>(row);
            let (classes, n, seed) = (whole(1), whole(2), whole(3));
            let seed = u64::try_from(seed)
                .map_err(|_| Error::invalid(seed, "0 or above").at("balanced_sample(seed)"))?;
            let there = shares.len() / classes.max(1) as usize;
            if n < 1 || n as usize > there {
                let problem = format!("{n} rows were asked for, and {there} have classes");
                return Err(
                    Error::conflict(problem, "Ask for one at least, and no more").at("balanced_sample(n)")
                );
            }
            let chosen = balanced(&shares, classes.max(1) as usize, n as usize, &mut Pcg64::new(seed))?;
            Ok(Some(Numbers(chosen.into_iter().map(|index| index as i64).collect::<Vec<i64>>())))
        })
    }
}
