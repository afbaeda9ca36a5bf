//! `geo_time_windows` over an axis of a row's own: which of its steps each window holds.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter, option};
use crate::bridge::record::{Timestamp, Typed, record};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Load, Result};
use crate::interval::Interval;
use crate::limits::Limits;
use crate::sql::shared::options::OPTIONS;
use crate::sql::time::window_arguments::{
    self, CAUSAL, GEOMETRY, HORIZON, LOOKBACK, N, PARTIAL, PERIOD, PHASE_WIDTH, SCALES, SEED, TIMES,
};
use crate::time::Length;
use crate::time::anchors::{self, Sampler};
use crate::time::windows::Windows;
use crate::workers::{STRIDE, go_on};

/// The scalar `geo_time_windows`.
pub struct GeoTimeWindows;

/// A window of an axis.
pub struct AxisWindow {
    window_id: i64,
    anchor: Timestamp,
    role: String,
    t_min: Timestamp,
    t_max: Timestamp,
    steps: Vec<Option<i64>>,
}
record! {
    AxisWindow {
        window_id: i64,
        anchor: Timestamp,
        role: String,
        t_min: Timestamp,
        t_max: Timestamp,
        steps: Vec<Option<i64>>,
    }
}

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_time_windows",
    kind: Kind::Scalar,
    summary: "Windows of time over a real axis, and which of its steps each holds.",
    parameters: &[
        Parameter {
            name: "axis",
            types: "TIMESTAMP[]",
            given: Given::Required,
            meaning: "The times of the steps, in any order, with gaps or without. Each stands for the time since the one before it; the first for as long as the second.",
        },
        OPTIONS,
        option("geometry", "VARCHAR", "'lookback'", GEOMETRY),
        option("lookback", "INTERVAL", "none", LOOKBACK),
        option("horizon", "INTERVAL", "none", HORIZON),
        option("scales", "INTERVAL[]", "none", SCALES),
        option("period", "INTERVAL", "none", PERIOD),
        option("phase_width", "INTERVAL", "none", PHASE_WIDTH),
        option("causal", "BOOLEAN", "false", CAUSAL),
        option(
            "sampler",
            "VARCHAR",
            "'regular'",
            "Which times are anchors: `regular` and `causal`, all of the axis (with `step`, those a step or more after, or before, the last one taken, from the first or the last time on); `event`, the `times`, which need not be steps; `explicit`, the `times`, which must be; `random`, drawn among the steps with whole windows.",
        ),
        option(
            "step",
            "INTERVAL",
            "none",
            "The steps of a sample: window by window a place each, so that all samples have as many; a place without a step is NULL, and of several steps in one place the last counts. With `regular` and `causal`, from one anchor to the next as well.",
        ),
        option("times", "TIMESTAMP[]", "none", TIMES),
        option("n", "BIGINT", "none", N),
        option("seed", "BIGINT", "7", SEED),
        option("partial", "BOOLEAN", "false", PARTIAL),
    ],
    columns: &[Column {
        name: "windows",
        types: <Vec<AxisWindow>>::TYPE,
        meaning: "The windows, anchor by anchor. `steps` are places in `axis`, from 1, in order of time: `list_transform(w.steps, lambda i: paths[i])`.",
    }],
    nulls: "NULL for a NULL axis; a NULL time on it is no step. An axis on which no whole window fits has an empty list.",
    errors: &[
        "a length of zero or below; a phase_width beyond its period; a step longer than a window",
        "a key that the geometry or the sampler does not take, or one that it lacks",
        "windows and steps that take more than geoquilt_max_chunk_mb",
        "times: off the axis, or (unless `partial`) with a window that reaches beyond it; of `explicit`, no step of the axis",
    ],
    examples: &[
        Example {
            title: "Three days of a daily axis with a gap, as places and as NULL",
            sql: "SELECT w.anchor, w.steps FROM (SELECT unnest(geo_time_windows([TIMESTAMP '2020-01-01', TIMESTAMP '2020-01-02', TIMESTAMP '2020-01-04', TIMESTAMP '2020-01-05'],\n\
                  \x20   {lookback: INTERVAL 3 DAY, step: INTERVAL 1 DAY})) AS w);",
            rows: &["2020-01-04 00:00:00\t[2, NULL, 3]", "2020-01-05 00:00:00\t[NULL, 3, 4]"],
        },
        Example {
            title: "Steps of two scales",
            sql: "SELECT w.role, w.steps FROM (SELECT unnest(geo_time_windows(list(TIMESTAMP '2020-01-01' + INTERVAL (i) DAY ORDER BY i),\n\
                  \x20   {geometry: 'multi_scale', scales: [INTERVAL 2 DAY, INTERVAL 5 DAY], sampler: 'explicit', times: [TIMESTAMP '2020-01-08']})) AS w FROM range(10) t(i));",
            rows: &["2 days\t[7, 8]", "5 days\t[4, 5, 6, 7, 8]"],
        },
    ],
    references: &["docs/examples.md: series with lookback and horizon"],
};

/// What a call knows before any row.
pub struct Bound {
    windows: Windows,
    roles: Vec<String>,
    /// None takes every step of the axis, from either end.
    sampler: Option<Sampler>,
    /// `explicit`: anchors are steps.
    explicit: bool,
    step: Option<Length>,
    limits: Limits,
}

impl ScalarFunction for GeoTimeWindows {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let args = call.options()?;
        let windows = window_arguments::windows(&args)?;
        let sampler = window_arguments::sampler(&args)?;
        let explicit = args.text("sampler")?.is_some_and(|name| name == "explicit");
        Ok(Bound {
            roles: windows.roles(),
            windows,
            sampler,
            explicit,
            step: window_arguments::length(&args, "step")?,
            limits: call.limits,
        })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let lists = input.column(0);
        rows(input, out, |row| {
            if lists.is_null(row) {
                return Ok(None);
            }
            let list = lists.list(row);
            let mut axis: Vec<(i64, i64)> = list
                .rows()
                .filter(|i| !list.items().is_null(*i))
                .map(|i| (list.items().get::<i64>(i), i as i64 + 1))
                .collect();
            axis.sort_unstable();
            on_axis(bound, &axis).map(Some).map_err(|e| e.at("geo_time_windows(options)"))
        })
    }
}

fn on_axis(bound: &Bound, axis: &[(i64, i64)]) -> Result<Vec<AxisWindow>> {
    let (Some((first, _)), Some((last, _))) = (axis.first(), axis.last()) else { return Ok(Vec::new()) };
    // The first step stands for as long as the second.
    let before = axis.iter().find(|(t, _)| t > first).map_or(1, |(next, _)| next - first);
    let span = Interval { start: first - before + 1, stop: *last };
    let times: Vec<i64> = axis.iter().map(|(t, _)| *t).collect();
    let anchors = match &bound.sampler {
        None | Some(Sampler::Regular(_)) => thin(times.iter(), bound.step.as_ref(), 1)?,
        Some(Sampler::Causal(step)) => {
            let mut found = thin(times.iter().rev(), Some(step), -1)?;
            found.reverse();
            found
        }
        Some(Sampler::Listed(wanted)) => {
            if let Some(stray) = wanted.iter().find(|at| bound.explicit && times.binary_search(at).is_err()) {
                let problem = format!("{} is no step of the axis", crate::interval::iso(*stray));
                return Err(Error::conflict(problem, "Take sampler \"event\", whose times need be none"));
            }
            anchors::check(wanted, &span, &bound.windows)?;
            wanted.clone()
        }
        Some(Sampler::Random { n, seed, .. }) => {
            let mut all = anchors::whole(times, &span, &bound.windows)?;
            all.dedup();
            if all.is_empty() { Vec::new() } else { anchors::pick(&all, *n, *seed, &span)? }
        }
    };
    let (mut found, mut held, mut id) = (Vec::new(), 0usize, 0);
    for anchor in anchors {
        go_on()?;
        let Some(windows) = bound.windows.at(anchor, &span) else { continue };
        for (role, window) in windows {
            let steps = steps(axis, &window, bound.step.as_ref())?;
            held += size_of::<AxisWindow>() + steps.len() * size_of::<Option<i64>>();
            bound.limits.allow(held, || Load::Chunk)?;
            found.push(AxisWindow {
                window_id: id,
                anchor: Timestamp(anchor),
                role: bound.roles.get(role).cloned().unwrap_or_default(),
                t_min: Timestamp(window.start),
                t_max: Timestamp(window.stop),
                steps,
            });
        }
        id += 1;
    }
    Ok(found)
}

/// The times a step or more after the one before, each once.
fn thin<'a>(times: impl Iterator<Item = &'a i64>, step: Option<&Length>, sign: i64) -> Result<Vec<i64>> {
    let mut found: Vec<i64> = Vec::new();
    for (index, at) in times.enumerate() {
        if index % STRIDE == 0 {
            go_on()?;
        }
        let far = match (found.last(), step) {
            (None, _) => true,
            (Some(last), None) => at != last,
            (Some(last), Some(step)) => {
                step.shift(*last, sign).is_some_and(|next| if sign > 0 { *at >= next } else { *at <= next })
            }
        };
        if far {
            found.push(*at);
        }
    }
    Ok(found)
}

/// The steps in a window: all of them, or one for each place of a step's length, counted from its end.
fn steps(axis: &[(i64, i64)], window: &Interval, step: Option<&Length>) -> Result<Vec<Option<i64>>> {
    let from = axis.partition_point(|(t, _)| *t < window.start);
    let to = axis.partition_point(|(t, _)| *t <= window.stop);
    let within = axis.get(from..to).unwrap_or_default();
    let Some(step) = step else { return Ok(within.iter().map(|(_, spot)| Some(*spot)).collect()) };
    let mut spots = Vec::new();
    let mut end = window.stop;
    while end >= window.start {
        if spots.len() % STRIDE == 0 {
            go_on()?;
        }
        let Some(begin) = step.shift(window.stop, -(spots.len() as i64 + 1)) else { break };
        let until = within.partition_point(|(t, _)| *t <= end);
        spots.push(
            within.get(..until).and_then(<[_]>::last).filter(|(t, _)| *t > begin).map(|(_, spot)| *spot),
        );
        end = begin;
        if spots.len() > anchors::MAX_ANCHORS {
            let must = format!("long enough for at most {} places in {window}", anchors::MAX_ANCHORS);
            return Err(Error::invalid(format!("step {step}"), must));
        }
    }
    spots.reverse();
    Ok(spots)
}
