//! `geo_time_weights`: what each step weighs, by how far it lies from an anchor.

use crate::bridge::args::Args;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter, option};
use crate::bridge::rows::{Numbers, rows};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::sql::shared::options::OPTIONS;
use crate::sql::time::window_arguments::{length, needed, only};
use crate::time::weights::{Taper, weights};

/// The scalar `geo_time_weights`.
pub struct GeoTimeWeights;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Name {
    CausalBoxcar,
    ExponentialDecay,
    Tukey,
    Periodic,
}

const NAMES: [(&str, Name); 4] = [
    ("causal_boxcar", Name::CausalBoxcar),
    ("exponential_decay", Name::ExponentialDecay),
    ("tukey", Name::Tukey),
    ("periodic", Name::Periodic),
];

/// The keys of a taper.
pub(super) const TAPER: [Parameter; 5] = [
    option(
        "taper",
        "VARCHAR",
        "'causal_boxcar'",
        "`causal_boxcar`: 1 up to the anchor, 0 after it. `exponential_decay`: exp(-(anchor - t) / tau), 0 after the anchor. `tukey`: cosine flanks over the share `alpha`, as scipy's, from the first time to the last, or over (anchor - length, anchor] with 0 outside. `periodic`: 0.5 (1 + cos(2 pi (t - anchor) / period)), on both sides.",
    ),
    option(
        "tau",
        "INTERVAL",
        "none",
        "Of `exponential_decay`; a month counts as the mean one, 30.436875 days.",
    ),
    option("alpha", "DOUBLE", "0.5", "Of `tukey`: 0 is a boxcar, 1 a Hann window."),
    option("period", "INTERVAL", "none", "Of `periodic`; months as for tau."),
    option("length", "INTERVAL", "none", "Of `causal_boxcar` and `tukey`: 0 at anchor - length and before."),
];

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_time_weights",
    kind: Kind::Scalar,
    summary: "What each time weighs, by how far it lies from an anchor.",
    parameters: &[
        Parameter {
            name: "times",
            types: "TIMESTAMP[]",
            given: Given::Required,
            meaning: "The times of the steps.",
        },
        Parameter {
            name: "anchor",
            types: "TIMESTAMP",
            given: Given::Required,
            meaning: "The instant that they are weighed by.",
        },
        OPTIONS,
        TAPER[0],
        TAPER[1],
        TAPER[2],
        TAPER[3],
        TAPER[4],
    ],
    columns: &[Column { name: "weights", types: "DOUBLE[]", meaning: "One for each time." }],
    nulls: "NULL for a NULL list, a NULL in it, or a NULL anchor.",
    errors: &[
        "a length of zero or below, alpha outside [0, 1]",
        "a key that the taper does not take, or one that it lacks",
    ],
    examples: &[Example {
        title: "Days fade, and what comes after the anchor weighs nothing",
        sql: "SELECT list_transform(geo_time_weights([TIMESTAMP '2020-01-01', TIMESTAMP '2020-01-02', TIMESTAMP '2020-01-03', TIMESTAMP '2020-01-04'],\n\
              \x20   TIMESTAMP '2020-01-03', {taper: 'exponential_decay', tau: INTERVAL 1 DAY}), lambda w: round(w, 6)) AS weights;",
        rows: &["[0.135335, 0.367879, 1.0, 0.0]"],
    }],
    references: &["scipy.signal.windows.tukey"],
};

/// Reads a taper.
///
/// # Errors
/// A value of the wrong form, a key that it does not take, or one that it lacks.
pub(super) fn taper(args: &Args) -> Result<Taper> {
    let name = args.choice("taper", "a taper in time", &NAMES)?.unwrap_or(Name::CausalBoxcar);
    let word = NAMES.iter().find(|(_, known)| *known == name).map_or("causal_boxcar", |(word, _)| word);
    let why = format!("taper \"{word}\"");
    let takes: &[&str] = match name {
        Name::CausalBoxcar => &["length"],
        Name::ExponentialDecay => &["tau"],
        Name::Tukey => &["alpha", "length"],
        Name::Periodic => &["period"],
    };
    only(args, &why, &["tau", "alpha", "period", "length"], takes)?;
    let given = |parameter: &str| {
        needed(args, parameter, &why, &format!("{parameter}: INTERVAL 3 DAY"), length(args, parameter)?)
    };
    Ok(match name {
        Name::CausalBoxcar => Taper::CausalBoxcar(length(args, "length")?),
        Name::ExponentialDecay => Taper::ExponentialDecay(given("tau")?),
        Name::Tukey => Taper::Tukey(args.fraction("alpha")?.unwrap_or(0.5), length(args, "length")?),
        Name::Periodic => Taper::Periodic(given("period")?),
    })
}

/// The times of a row; `None` where the list or one of them is NULL.
pub(super) fn times(lists: &Vector<'_>, row: usize) -> Option<Vec<i64>> {
    if lists.is_null(row) { None } else { lists.list(row).numbers::<i64>() }
}

impl ScalarFunction for GeoTimeWeights {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Taper;

    fn bind(call: Call) -> Result<Taper> {
        taper(&call.options()?)
    }

    fn call(taper: &Taper, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            if input.column(1).is_null(row) {
                return Ok(None);
            }
            let anchor = input.column(1).get::<i64>(row);
            if anchor == i64::MAX || anchor == -i64::MAX {
                return Err(Error::invalid("infinity", "a finite instant").at("geo_time_weights(anchor)"));
            }
            Ok(times(input.column(0), row).map(|times| Numbers(weights(taper, &times, anchor))))
        })
    }
}
