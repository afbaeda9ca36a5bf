//! What both forms of `geo_time_windows` are told of windows and anchors.

use crate::bridge::args::Args;
use crate::error::{Error, Result};
use crate::interval::iso;
use crate::time::Length;
use crate::time::anchors::{MAX_ANCHORS, Sampler};
use crate::time::windows::{Geometry, Windows};
use crate::value::Value;

pub(super) const GEOMETRY: &str = "The windows of an anchor: `lookback`, `lookback` and `horizon` (`lookback_horizon`), one for each of `scales` (`multi_scale`), or that of the anchor's phase in every period (`phase`).";
pub(super) const LOOKBACK: &str = "Length of (anchor - lookback, anchor]; months and years by the calendar.";
pub(super) const HORIZON: &str = "Length of (anchor, anchor + horizon].";
pub(super) const SCALES: &str =
    "Lengths that all end at the anchor; each is a row, whose role is the length as text.";
pub(super) const PERIOD: &str = "From one phase to the next, such as INTERVAL 1 DAY or 1 YEAR.";
pub(super) const PHASE_WIDTH: &str = "Full width of a window of a phase, centred on it, in days or less.";
pub(super) const CAUSAL: &str = "Windows of a phase end at the anchor: the past alone.";
pub(super) const TIMES: &str = "Anchors of `event` and `explicit`.";
pub(super) const N: &str = "How many anchors `random` draws, again and again among those with whole windows.";
pub(super) const SEED: &str = "Seed of the draw: NumPy's stream, `numpy.random.default_rng(seed)`.";
pub(super) const PARTIAL: &str = "What lies on the axis of a window that reaches beyond it is a window too. Otherwise windows are whole or not there.";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Lookback,
    LookbackHorizon,
    MultiScale,
    Phase,
}

const FORMS: [(&str, Form); 4] = [
    ("lookback", Form::Lookback),
    ("lookback_horizon", Form::LookbackHorizon),
    ("multi_scale", Form::MultiScale),
    ("phase", Form::Phase),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Name {
    Regular,
    Causal,
    Event,
    Random,
    Explicit,
}

const NAMES: [(&str, Name); 5] = [
    ("regular", Name::Regular),
    ("causal", Name::Causal),
    ("event", Name::Event),
    ("random", Name::Random),
    ("explicit", Name::Explicit),
];

/// A length of time, where it was given.
pub(super) fn length(args: &Args, parameter: &str) -> Result<Option<Length>> {
    args.get(parameter).map(|value| one(value).map_err(args.blame(parameter))).transpose()
}

fn one(value: &Value) -> Result<Length> {
    match value {
        Value::Interval(interval) => Length::new(*interval),
        other => Err(Error::invalid(other, "an interval above zero, such as INTERVAL 7 DAY")),
    }
}

/// A list of lengths.
pub(super) fn lengths(args: &Args, parameter: &str) -> Result<Option<Vec<Length>>> {
    match args.get(parameter) {
        None => Ok(None),
        Some(Value::List(items)) => {
            items.iter().map(one).collect::<Result<_>>().map(Some).map_err(args.blame(parameter))
        }
        Some(other) => {
            let must = "a list of intervals, such as [INTERVAL 1 DAY, INTERVAL 30 DAY]";
            Err(args.blame(parameter)(Error::invalid(other, must)))
        }
    }
}

/// What there is of a word that the rest asks for.
pub(super) fn needed<T>(
    args: &Args,
    parameter: &str,
    why: &str,
    example: &str,
    given: Option<T>,
) -> Result<T> {
    given.ok_or_else(|| {
        let problem = format!("{why} needs {parameter}");
        args.blame(parameter)(Error::conflict(problem, format!("For example {example}")))
    })
}

/// No word but these may stand beside a choice.
pub(super) fn only(args: &Args, choice: &str, all: &[&str], takes: &[&str]) -> Result<()> {
    match all.iter().find(|p| args.get(p).is_some() && !takes.contains(p)) {
        None => Ok(()),
        Some(parameter) => {
            let remedy = format!("It takes {}", takes.join(", "));
            Err(args.blame(parameter)(Error::conflict(format!("{choice} takes no {parameter}"), remedy)))
        }
    }
}

/// The windows of an anchor.
///
/// # Errors
/// A length that is missing, none, or of another form.
pub(super) fn windows(args: &Args) -> Result<Windows> {
    let form = args.choice("geometry", "a form of windows", &FORMS)?.unwrap_or(Form::Lookback);
    let word = FORMS.iter().find(|(_, known)| *known == form).map_or("lookback", |(word, _)| word);
    let why = format!("geometry \"{word}\"");
    let takes: &[&str] = match form {
        Form::Lookback => &["lookback"],
        Form::LookbackHorizon => &["lookback", "horizon"],
        Form::MultiScale => &["scales"],
        Form::Phase => &["period", "phase_width", "causal"],
    };
    only(args, &why, &["lookback", "horizon", "scales", "period", "phase_width", "causal"], takes)?;
    let given = |parameter: &str, example: &str| {
        needed(args, parameter, &why, &format!("{parameter}: {example}"), length(args, parameter)?)
    };
    let geometry = match form {
        Form::Lookback => Geometry::Lookback(given("lookback", "INTERVAL 7 DAY")?),
        Form::LookbackHorizon => Geometry::LookbackHorizon(
            given("lookback", "INTERVAL 7 DAY")?,
            given("horizon", "INTERVAL 1 DAY")?,
        ),
        Form::MultiScale => {
            let scales = lengths(args, "scales")?;
            Geometry::MultiScale(needed(
                args,
                "scales",
                &why,
                "scales: [INTERVAL 1 DAY, INTERVAL 30 DAY]",
                scales,
            )?)
        }
        Form::Phase => Geometry::Phase {
            period: given("period", "INTERVAL 1 YEAR")?,
            width: given("phase_width", "INTERVAL 30 DAY")?,
            causal: args.flag("causal")?.unwrap_or(false),
        },
    };
    let blamed = if form == Form::MultiScale { "scales" } else { "phase_width" };
    Windows::new(geometry, args.flag("partial")?.unwrap_or(false)).map_err(args.blame(blamed))
}

/// How anchors are found; `None` of `regular` and `causal` without a step.
///
/// # Errors
/// A word that the sampler does not take, or lacks.
pub(super) fn sampler(args: &Args) -> Result<Option<Sampler>> {
    let name = args.choice("sampler", "a sampler of times", &NAMES)?.unwrap_or(Name::Regular);
    let word = NAMES.iter().find(|(_, known)| *known == name).map_or("regular", |(word, _)| word);
    let why = format!("sampler \"{word}\"");
    let takes: &[&str] = match name {
        Name::Regular | Name::Causal => &["step"],
        Name::Event | Name::Explicit => &["times", "step"],
        Name::Random => &["n", "seed", "step"],
    };
    only(args, &why, &["step", "times", "n", "seed"], takes)?;
    let step = length(args, "step")?;
    Ok(match name {
        Name::Regular => step.map(Sampler::Regular),
        Name::Causal => step.map(Sampler::Causal),
        Name::Event | Name::Explicit => {
            let mut times =
                needed(args, "times", &why, "times: [TIMESTAMP '2020-01-31 12:00:00']", times(args)?)?;
            if name == Name::Event {
                times.sort_unstable();
                times.dedup();
            }
            Some(Sampler::Listed(times))
        }
        Name::Random => {
            let n = args.integer("n", 1, MAX_ANCHORS as i64)?;
            let n = needed(args, "n", &why, "n: 100", n)? as usize;
            Some(Sampler::Random { n, step, seed: args.integer("seed", 0, i64::MAX)?.unwrap_or(7) as u64 })
        }
    })
}

fn times(args: &Args) -> Result<Option<Vec<i64>>> {
    let must = "a list of TIMESTAMPs; a DATE is its first instant";
    let bad = |value: &Value| args.blame("times")(Error::invalid(value, must));
    match args.get("times") {
        None => Ok(None),
        Some(Value::List(items)) => items
            .iter()
            .map(|item| item.time().map(|at| at.start).ok_or_else(|| bad(item)))
            .collect::<Result<_>>()
            .map(Some),
        Some(other) => Err(bad(other)),
    }
}

/// An axis that ends before it begins is none.
pub(super) fn backwards(t_min: i64, t_max: i64) -> Error {
    Error::invalid(iso(t_max), format!("at or after t_min, {}", iso(t_min)))
}
