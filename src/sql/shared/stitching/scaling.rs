//! How pixels are brought to one scale, and back: what `geo_normalise` and `geo_denormalise` share.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Given, Parameter, option};
use crate::bridge::pieces::Pieces;
use crate::bridge::scalar::Call;
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::sql::shared::options::OPTIONS;
use crate::sql::shared::stitching::numbers::{self, PIXELS, Row, SHAPE, field};
use crate::value::Value;

/// What each of the two takes.
pub const PARAMETERS: [Parameter; 5] = [
    PIXELS,
    SHAPE,
    Parameter {
        name: "stats",
        types: "ANY",
        given: Given::Required,
        meaning: "A STRUCT a band, as `geoquilt.stats` gives them, of the training data; from a file as well. Used are `mean` and `std`, `min` and `max`, or `percentiles` (those of 2, 25, 50, 75 and 98 %).",
    },
    OPTIONS,
    option(
        "method",
        "VARCHAR",
        "'zscore'",
        "`zscore`: (x - mean) / std. `minmax`: (x - min) / (max - min), from 0 to 1. `robust`: (x - median) / (p75 - p25). A divisor of 0 counts as 1.",
    ),
];

/// Pixels that are scaled together, so that they stay near.
const RUN: usize = 4096;

/// What is taken off, and what is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    ZScore,
    MinMax,
    Robust,
}

/// What a call knows before any row.
pub struct Bound {
    function: &'static str,
    method: Method,
    back: bool,
    limits: Limits,
}

/// # Errors
/// An unknown method or key.
pub fn bind(call: &Call, function: &'static str, back: bool) -> Result<Bound> {
    let methods = [("zscore", Method::ZScore), ("minmax", Method::MinMax), ("robust", Method::Robust)];
    let method = call.options()?.choice("method", "a method", &methods)?.unwrap_or(Method::ZScore);
    Ok(Bound { function, method, back, limits: call.limits })
}

/// Centre and divisor of each band.
fn scales(method: Method, stats: &Value) -> Result<Vec<(f64, f64)>> {
    let bad = || Error::invalid(stats, "a list with a STRUCT a band, as geoquilt.stats gives it");
    let Value::List(bands) = stats else { return Err(bad()) };
    let mut found = Vec::with_capacity(bands.len());
    for (index, band) in bands.iter().enumerate() {
        let Value::Struct(fields) = band else { return Err(bad()) };
        let percentile = |index: usize| {
            let all = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("percentiles"));
            match all {
                Some((_, Value::List(all))) => all.get(index).and_then(crate::bridge::args::number),
                _ => None,
            }
        };
        let get = |name: &str| field(fields, name);
        let (pair, names) = match method {
            Method::ZScore => (get("mean").zip(get("std")), "mean and std"),
            Method::MinMax => (get("min").zip(get("max")).map(|(min, max)| (min, max - min)), "min and max"),
            Method::Robust => {
                let spread = percentile(1).zip(percentile(3)).map(|(low, high)| high - low);
                (percentile(2).zip(spread), "percentiles")
            }
        };
        let pair =
            pair.filter(|(centre, divisor)| centre.is_finite() && divisor.is_finite() && *divisor >= 0.0);
        let (centre, divisor) = pair.ok_or_else(|| {
            let problem = format!("band {} has no {names}, or none that is finite", index + 1);
            Error::conflict(problem, "Gather statistics of pixels that are there: n tells how many were")
        })?;
        found.push((centre, if divisor == 0.0 { 1.0 } else { divisor }));
    }
    Ok(found)
}

/// Writes each row's pixels, scaled or scaled back.
///
/// # Errors
/// A shape that is not the data's, or statistics that are not one a band.
pub fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
    let blame = |parameter: &str| {
        let blamed = format!("{}({parameter})", bound.function);
        move |error: Error| error.at(&blamed)
    };
    let (shapes, stats) = (input.column(1), input.column(2));
    let mut data = Pieces::of(input.column(0))?;
    let null = |row: usize| (0..3).any(|i| input.column(i).is_null(row));
    let lengths: Vec<Option<usize>> =
        (0..input.rows()).map(|row| (!null(row)).then(|| data.length(row))).collect();
    let wide = data.dtype().worked_out() == crate::dtype::Dtype::Float64;
    let mut known: Option<(Value, Vec<(f64, f64)>)> = None;
    let mut part = Row::default();
    numbers::write_parts(out, wide, &lengths, &bound.limits, |row, put| {
        let [bands, height, width] = numbers::shape(shapes, row, data.length(row)).map_err(blame("shape"))?;
        let told = Value::of(stats, row);
        if known.as_ref().is_none_or(|(value, _)| *value != told) {
            let scales = scales(bound.method, &told).map_err(blame("stats"))?;
            known = Some((told, scales));
        }
        let scales = known.as_ref().map_or(&[][..], |(_, scales)| scales);
        if scales.len() != bands {
            let problem = format!("statistics of {} bands for a patch of {bands}", scales.len());
            return Err(blame("stats")(Error::conflict(
                problem,
                "Gather them from patches of the same bands",
            )));
        }
        let area = height * width;
        for (band, (centre, divisor)) in scales.iter().enumerate() {
            for from in (band * area..(band + 1) * area).step_by(RUN) {
                part.read_part(&mut data, row, from..(from + RUN).min((band + 1) * area))?;
                match bound.back {
                    false => part.values.iter_mut().for_each(|x| *x = (*x - centre) / divisor),
                    true => part.values.iter_mut().for_each(|x| *x = *x * divisor + centre),
                }
                put.put(from, &part.values, part.mask())?;
            }
        }
        Ok(())
    })
}
