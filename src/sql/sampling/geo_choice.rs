//! `geo_choice`: places drawn by their weights, as NumPy draws them.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::rows::{Numbers, rows};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::{Holds, Vector};
use crate::error::{Error, Result};
use crate::random::Pcg64;
use crate::workers::Steps;

/// The scalar `geo_choice`.
pub struct GeoChoice;

const MAX_DRAWS: i64 = 100_000_000;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_choice",
    kind: Kind::Scalar,
    summary: "Places drawn by their weights, as NumPy draws them for a seed.",
    parameters: &[
        Parameter {
            name: "weights",
            types: "DOUBLE[] | BIGINT",
            given: Given::Required,
            meaning: "A weight for each place, 0 or above; NULL is 0. Or how many places there are, each as likely as any other.",
        },
        Parameter {
            name: "n",
            types: "BIGINT",
            given: Given::Required,
            meaning: "How many are drawn, up to 100,000,000.",
        },
        Parameter {
            name: "seed",
            types: "BIGINT",
            given: Given::Required,
            meaning: "Seed of the stream, 0 or above.",
        },
        Parameter {
            name: "replace",
            types: "BOOLEAN",
            given: Given::Required,
            meaning: "A place may be drawn again.",
        },
        Parameter { name: "options", types: "STRUCT", given: Given::Optional, meaning: "The keys below." },
        Parameter {
            name: "place",
            types: "VARCHAR",
            given: Given::Option("'geo_choice'"),
            meaning: "The function that errors name.",
        },
        Parameter {
            name: "noun",
            types: "VARCHAR",
            given: Given::Option("'places'"),
            meaning: "What errors call the places.",
        },
    ],
    columns: &[Column {
        name: "places",
        types: "BIGINT[]",
        meaning: "From 0, in the order of the draw: `numpy.random.default_rng(seed).choice(len(weights), n, replace, weights / sum(weights))`, bit for bit but for the rounding of that sum.",
    }],
    nulls: "NULL for a NULL argument.",
    errors: &[
        "a weight that is negative, NaN or infinite, or weights that are all 0",
        "n below 0, or without replacement above the places whose share of the sum is not 0",
        "a negative seed",
    ],
    examples: &[Example {
        title: "By weight, and each as likely as any other",
        sql: "SELECT geo_choice([0.5, 0, 2, 1, 4], 4, 7, true) AS weighted, geo_choice(10, 4, 7, false) AS distinct_places;",
        rows: &["[4, 4, 4, 2]\t[6, 5, 9, 8]"],
    }],
    references: &["numpy.random.Generator.choice"],
};

/// What errors say.
pub struct Bound {
    caller: String,
    noun: String,
}

impl ScalarFunction for GeoChoice {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let args = call.options()?;
        let caller = args.text("place")?.unwrap_or_else(|| DOC.name.into());
        Ok(Bound { caller, noun: args.text("noun")?.unwrap_or_else(|| "places".into()) })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let blame = |parameter: &str| {
            let blamed = format!("{}({parameter})", bound.caller);
            move |error: Error| error.at(&blamed)
        };
        rows(input, out, |row| {
            if (0..4).any(|i| input.column(i).is_null(row)) {
                return Ok(None);
            }
            let (n, seed) = (input.column(1).get::<i64>(row), input.column(2).get::<i64>(row));
            let replace: bool = input.column(3).get(row);
            if !(0..=MAX_DRAWS).contains(&n) {
                return Err(blame("n")(Error::invalid(n, format!("between 0 and {MAX_DRAWS}"))));
            }
            let seed = u64::try_from(seed).map_err(|_| blame("seed")(Error::invalid(seed, "0 or above")))?;
            let mut rng = Pcg64::new(seed);
            if input.column(0).holds() != Holds::List {
                let there: i64 = input.column(0).get(row);
                return alike(there, n, replace, &mut rng, &bound.noun).map_err(blame("n")).map(Some);
            }
            let weights = weights(input.column(0), row).map_err(blame("weight"))?;
            if n == 0 {
                return Ok(Some(Numbers(Vec::new())));
            }
            let total: f64 = weights.iter().sum();
            if !total.is_finite() {
                return Err(blame("weight")(Error::invalid("the sum of the weights", "a finite number")));
            }
            // Of what rounds to no share of the sum nothing is ever drawn.
            let above = weights.iter().filter(|weight| **weight / total > 0.0).count();
            if above == 0 {
                let problem = format!("all {} {} have a weight of 0", weights.len(), bound.noun);
                return Err(blame("weight")(Error::conflict(problem, "Give one of them more at least")));
            }
            if !replace && n > above as i64 {
                return Err(blame("n")(too_many(n, above as i64, &bound.noun)));
            }
            let drawn = rng.weighted(&weights, n as usize, replace);
            let drawn = drawn.ok_or_else(|| Error::Bug("weights that were looked at".into()))?;
            Ok(Some(Numbers(drawn.into_iter().map(|index| index as i64).collect::<Vec<i64>>())))
        })
    }
}

fn too_many(n: i64, there: i64, noun: &str) -> Error {
    let problem = format!("{n} {noun} were asked for, and there are {there}");
    Error::conflict(problem, "Ask for fewer, or draw with replacement")
}

fn alike(there: i64, n: i64, replace: bool, rng: &mut Pcg64, noun: &str) -> Result<Numbers<i64>> {
    if n > 0 && (there < 1 || !replace && n > there) {
        return Err(too_many(n, there.max(0), noun));
    }
    let drawn: Vec<u64> = match replace {
        true => {
            let steps = Steps::default();
            let draw = |_| {
                steps.step();
                rng.integer(there as u64 - 1)
            };
            (0..n).map(draw).collect()
        }
        false => rng.choice(there.max(0) as u64, n as u64),
    };
    Ok(Numbers(drawn.into_iter().map(|index| index as i64).collect()))
}

fn weights(lists: &Vector<'_>, row: usize) -> Result<Vec<f64>> {
    let list = lists.list(row);
    let mut weights = Vec::with_capacity(list.rows().len());
    for (index, item) in list.rows().enumerate() {
        let weight = if list.items().is_null(item) { 0.0 } else { list.items().get::<f64>(item) };
        if !(weight.is_finite() && weight >= 0.0) {
            return Err(Error::invalid(
                format!("{weight}, number {}", index + 1),
                "a finite number of 0 or above",
            ));
        }
        weights.push(weight);
    }
    Ok(weights)
}
