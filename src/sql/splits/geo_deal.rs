//! `geo_deal`: weights dealt to parts that weigh about the same.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::record::Read;
use crate::bridge::rows::{Numbers, rows};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::grid::split::deal;
use crate::random::Pcg64;

/// The scalar `geo_deal`.
pub struct GeoDeal;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_deal",
    kind: Kind::Scalar,
    summary: "Deals weights to n parts that weigh about the same.",
    parameters: &[
        Parameter {
            name: "weights",
            types: "DOUBLE[]",
            given: Given::Required,
            meaning: "What there is to deal, 0 or above each.",
        },
        Parameter {
            name: "n",
            types: "BIGINT",
            given: Given::Required,
            meaning: "How many parts, 1 to 1,000,000.",
        },
        Parameter {
            name: "seed",
            types: "BIGINT",
            given: Given::Optional,
            meaning: "Equal weights go in the order of `numpy.random.default_rng(seed).permutation`; without it in that of the list.",
        },
    ],
    columns: &[column(
        "parts",
        "BIGINT[]",
        "The part of each weight, 0 to n - 1: the heaviest first, each to the part that is lightest by then. No part weighs more than another by more than one weight.",
    )],
    nulls: "NULL for a NULL argument, or a list that holds one.",
    errors: &["a weight that is negative or not finite", "n outside 1 to 1,000,000, a seed below 0"],
    examples: &[Example {
        title: "Files of these sizes for two workers",
        sql: "SELECT geo_deal([5, 3, 3, 2, 1], 2) AS worker;",
        rows: &["[0, 1, 1, 0, 1]"],
    }],
    references: &["Graham, Bounds on multiprocessing timing anomalies, 1969"],
};

impl ScalarFunction for GeoDeal {
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
            let Some(weights) = <Vec<f64>>::read(input.column(0), row)? else { return Ok(None) };
            if let Some(bad) = weights.iter().find(|weight| !(**weight >= 0.0 && weight.is_finite())) {
                return Err(Error::invalid(bad, "a weight of 0 or above").at("geo_deal(weights)"));
            }
            let n: i64 = input.column(1).get(row);
            let parts = usize::try_from(n).ok().filter(|n| (1..=1_000_000).contains(n));
            let parts = parts.ok_or_else(|| Error::invalid(n, "between 1 and 1000000").at("geo_deal(n)"))?;
            let order = match input.columns() {
                3 => {
                    let seed: i64 = input.column(2).get(row);
                    let seed = u64::try_from(seed)
                        .map_err(|_| Error::invalid(seed, "0 or above").at("geo_deal(seed)"))?;
                    Pcg64::new(seed).permutation(weights.len()).into_iter().map(|at| at as usize).collect()
                }
                _ => (0..weights.len()).collect::<Vec<usize>>(),
            };
            let dealt = deal(&weights, parts, &order);
            Ok(Some(Numbers(dealt.into_iter().map(|part| part as i64).collect())))
        })
    }
}
