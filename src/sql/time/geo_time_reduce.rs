//! `geo_time_reduce`: the steps of a series made one, or put in order.

use crate::bridge::args::{Args, number};
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter, option};
use crate::bridge::pieces::Pieces;
use crate::bridge::record::{Typed, record};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Load, Result};
use crate::limits::Limits;
use crate::sql::shared::options::OPTIONS;
use crate::sql::shared::stitching::numbers::{DATA, INEXACT, Row};
use crate::sql::time::geo_time_weights::{TAPER, taper, times};
use crate::sql::time::window_arguments::{lengths, needed, only};
use crate::time::reduce::{Method, Steps};
use crate::value::Value;

/// The scalar `geo_time_reduce`.
pub struct GeoTimeReduce;

/// What becomes of a series.
pub struct Reduced {
    data: Vec<Option<f64>>,
    shape: Vec<i64>,
}

record! { Reduced { data: Vec<Option<f64>>, shape: Vec<i64> } }

#[derive(Debug, Clone, Copy, PartialEq)]
enum Name {
    Mean,
    Weighted,
    Hierarchical,
    Sequential,
    Forecast,
}

const NAMES: [(&str, Name); 5] = [
    ("mean", Name::Mean),
    ("weighted", Name::Weighted),
    ("hierarchical", Name::Hierarchical),
    ("sequential", Name::Sequential),
    ("forecast", Name::Forecast),
];

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_time_reduce",
    kind: Kind::Scalar,
    summary: "Makes the steps of a series one, or puts them in order.",
    parameters: &[
        Parameter {
            name: "data",
            types: DATA,
            given: Given::Required,
            meaning: "The values, steps first: the `data` of `read_series`.",
        },
        Parameter {
            name: "shape",
            types: "BIGINT[]",
            given: Given::Required,
            meaning: "Steps first, then what a step has: the `shape` of `read_series`.",
        },
        Parameter {
            name: "times",
            types: "TIMESTAMP[]",
            given: Given::Required,
            meaning: "The time of each step.",
        },
        Parameter {
            name: "anchor",
            types: "TIMESTAMP",
            given: Given::Required,
            meaning: "The instant about which they lie.",
        },
        OPTIONS,
        option(
            "method",
            "VARCHAR",
            "'mean'",
            "`mean` of all steps; `weighted`, by a taper; `hierarchical`, a mean for each scale, then the mean of those; `sequential`, all steps, the earliest first, as a fold over them wants them; `forecast`, the steps after the anchor, the earliest first.",
        ),
        option("scales", "INTERVAL[]", "none", "Of `hierarchical`: lengths that end at the anchor."),
        option("weights", "DOUBLE[]", "equal", "Of `hierarchical`: what each scale's mean weighs."),
        TAPER[0],
        TAPER[1],
        TAPER[2],
        TAPER[3],
        TAPER[4],
    ],
    columns: &[Column {
        name: "reduced",
        types: Reduced::TYPE,
        meaning: "The values, and their shape: that of a step, or with the number of steps in front (`sequential`, `forecast`).",
    }],
    nulls: "NULL for a NULL argument. A NULL value counts nothing; a place where nothing counts is NULL.",
    errors: &[
        "data that has not as many values as shape says; times that are not as many as the steps",
        "weights: not as many as scales, negative, or all zero",
        "a key that the method does not take, or one that it lacks",
        INEXACT,
    ],
    examples: &[
        Example {
            title: "Two scales, whose means count alike",
            sql: "SELECT geo_time_reduce([1, 2, 3, 4], [4, 1], [TIMESTAMP '2020-01-01', TIMESTAMP '2020-01-02', TIMESTAMP '2020-01-03', TIMESTAMP '2020-01-04'], TIMESTAMP '2020-01-04',\n\
                  \x20   {method: 'hierarchical', scales: [INTERVAL 1 DAY, INTERVAL 4 DAY]}) AS r;",
            rows: &["{'data': [3.25], 'shape': [1]}"],
        },
        Example {
            title: "What is to be predicted, in order",
            sql: "SELECT geo_time_reduce([4, 1, 3], [3, 1], [TIMESTAMP '2020-01-04', TIMESTAMP '2020-01-01', TIMESTAMP '2020-01-03'], TIMESTAMP '2020-01-02', {method: 'forecast'}) AS r;",
            rows: &["{'data': [3.0, 4.0], 'shape': [2, 1]}"],
        },
    ],
    references: &["numpy.nanmean, numpy.ma.average"],
};

impl ScalarFunction for GeoTimeReduce {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = (Method, Limits);

    fn bind(call: Call) -> Result<(Method, Limits)> {
        Ok((method(&call.options()?)?, call.limits))
    }

    fn call((method, limits): &(Method, Limits), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let (mut data, mut given) = (Pieces::of(input.column(0))?, Row::default());
        rows(input, out, |row| {
            if (0..4).any(|i| input.column(i).is_null(row)) {
                return Ok(None);
            }
            let Some(times) = times(input.column(2), row) else { return Ok(None) };
            let Some(shape) = input.column(1).list(row).numbers::<i64>() else { return Ok(None) };
            given.read(&mut data, row).map_err(|e| e.at("geo_time_reduce(data)"))?;
            let value = |index: usize| given.has(index).then(|| given.values[index]);
            let values: Vec<Option<f64>> = (0..given.values.len()).map(value).collect();
            let count = shape.iter().try_fold(1i64, |all, n| all.checked_mul(*n).filter(|_| *n >= 0));
            if shape.is_empty() || count != Some(values.len() as i64) {
                let must = format!("one whose product is {}, the number of values", values.len());
                return Err(Error::invalid(format!("{shape:?}"), must).at("geo_time_reduce(shape)"));
            }
            if shape.first() != Some(&(times.len() as i64)) {
                let must = format!("{shape:?}'s first, a time for each step");
                return Err(
                    Error::invalid(format!("{} times", times.len()), must).at("geo_time_reduce(times)")
                );
            }
            let steps = Steps { times: &times, values: &values };
            let (count, data) = steps
                .reduce(input.column(3).get(row), method)
                .map_err(|e| e.at("geo_time_reduce(weights)"))?;
            let rest = shape.iter().skip(1).copied();
            let shape: Vec<i64> = count.map(|n| n as i64).into_iter().chain(rest).collect();
            let data = match (times.is_empty(), count) {
                // A mean of no step is missing at each place.
                (true, None) => {
                    let count = shape.iter().try_fold(1usize, |all, n| all.checked_mul(*n as usize));
                    let count = count.unwrap_or(usize::MAX);
                    limits.allow(count.saturating_mul(size_of::<f64>()), || Load::Chunk)?;
                    vec![None; count]
                }
                _ => data,
            };
            Ok(Some(Reduced { data, shape }))
        })
    }
}

fn method(args: &Args) -> Result<Method> {
    let name = args.choice("method", "a way to reduce steps", &NAMES)?.unwrap_or(Name::Mean);
    let word = NAMES.iter().find(|(_, known)| *known == name).map_or("mean", |(word, _)| word);
    let why = format!("method \"{word}\"");
    let takes: &[&str] = match name {
        Name::Weighted => &["taper", "tau", "alpha", "period", "length"],
        Name::Hierarchical => &["scales", "weights"],
        Name::Mean | Name::Sequential | Name::Forecast => &[],
    };
    only(args, &why, &["taper", "tau", "alpha", "period", "length", "scales", "weights"], takes)?;
    Ok(match name {
        Name::Mean => Method::Mean,
        Name::Weighted => Method::Weighted(taper(args)?),
        Name::Hierarchical => {
            let scales = needed(
                args,
                "scales",
                &why,
                "scales: [INTERVAL 1 DAY, INTERVAL 30 DAY]",
                lengths(args, "scales")?,
            )?;
            Method::Hierarchical(scales, shares(args)?)
        }
        Name::Sequential => Method::Sequential,
        Name::Forecast => Method::Forecast,
    })
}

fn shares(args: &Args) -> Result<Vec<f64>> {
    let Some(value) = args.get("weights") else { return Ok(Vec::new()) };
    let must = "a list of numbers of 0 or more, not all 0";
    let bad = || args.blame("weights")(Error::invalid(value, must));
    let Value::List(items) = value else { return Err(bad()) };
    let shares: Option<Vec<f64>> =
        items.iter().map(|item| number(item).filter(|share| share.is_finite() && *share >= 0.0)).collect();
    shares.filter(|shares| shares.iter().any(|share| *share > 0.0)).ok_or_else(bad)
}
