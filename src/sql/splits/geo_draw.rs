//! `geo_draw`: NumPy's draw without replacement.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::rows::{Numbers, rows};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::random::Pcg64;

/// The scalar `geo_draw`.
pub struct GeoDraw;

const MOST: i64 = 100_000_000;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_draw",
    kind: Kind::Scalar,
    summary: "As many of the numbers 0 to n - 1, each once, as NumPy chooses for a seed.",
    parameters: &[
        Parameter {
            name: "n",
            types: "BIGINT",
            given: Given::Required,
            meaning: "How many numbers there are, 0 to 100,000,000.",
        },
        Parameter {
            name: "size",
            types: "BIGINT",
            given: Given::Required,
            meaning: "How many are wanted, 0 to n.",
        },
        Parameter {
            name: "seed",
            types: "BIGINT",
            given: Given::Required,
            meaning: "Seed of the stream, 0 or above.",
        },
    ],
    columns: &[column(
        "chosen",
        "BIGINT[]",
        "`numpy.random.default_rng(seed).choice(n, size, replace=False)`, in its order.",
    )],
    nulls: "NULL for a NULL argument.",
    errors: &["n or seed below 0, n above 100,000,000, size below 0 or above n"],
    examples: &[Example {
        title: "Three of ten",
        sql: "SELECT geo_draw(10, 3, 7) AS places;",
        rows: &["[7, 5, 6]"],
    }],
    references: &["numpy.random.Generator.choice (PCG64, SeedSequence)"],
};

impl ScalarFunction for GeoDraw {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call((): &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            if input.any_null(row) {
                return Ok(None);
            }
            let number = |index: usize, name: &str, highest: i64| {
                let value: i64 = input.column(index).get(row);
                let number = u64::try_from(value).ok().filter(|_| value <= highest);
                number.ok_or_else(|| {
                    Error::invalid(value, format!("between 0 and {highest}")).at(format!("geo_draw({name})"))
                })
            };
            let n = number(0, "n", MOST)?;
            let size = number(1, "size", n as i64)?;
            let seed = number(2, "seed", i64::MAX)?;
            let chosen = Pcg64::new(seed).choice(n, size);
            Ok(Some(Numbers(chosen.into_iter().map(|at| at as i64).collect())))
        })
    }
}
