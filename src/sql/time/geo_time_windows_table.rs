//! `geo_time_windows`: windows of time about anchors on an axis.

use std::sync::{Arc, Mutex, PoisonError};

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::bridge::table::{Plan, TableFunction};
use crate::error::{Error, Result};
use crate::interval::Interval;
use crate::limits::Limits;
use crate::sql::time::window_arguments::{
    self, CAUSAL, GEOMETRY, HORIZON, LOOKBACK, N, PARTIAL, PERIOD, PHASE_WIDTH, SCALES, SEED, TIMES,
};
use crate::time::anchors::{Sampler, anchors};
use crate::time::windows::Windows;
use crate::value::Value;
use crate::workers::go_on;

/// The table function `geo_time_windows`.
pub struct GeoTimeWindowsTable;

const TIME: &str = "TIMESTAMP | DATE | VARCHAR";

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_time_windows",
    kind: Kind::Table,
    summary: "Windows of time about anchors: what a sample sees, and what it predicts.",
    parameters: &[
        Parameter {
            name: "t_min",
            types: TIME,
            given: Given::Required,
            meaning: "First instant of the axis, UTC. A DATE, or text that names a day, a month or a year, begins with it.",
        },
        Parameter {
            name: "t_max",
            types: TIME,
            given: Given::Required,
            meaning: "Its last instant, inside: a DATE, or text that names a day, is meant to its end.",
        },
        named("geometry", "VARCHAR", "'lookback'", GEOMETRY),
        named("lookback", "INTERVAL", "NULL", LOOKBACK),
        named("horizon", "INTERVAL", "NULL", HORIZON),
        named("scales", "INTERVAL[]", "NULL", SCALES),
        named("period", "INTERVAL", "NULL", PERIOD),
        named("phase_width", "INTERVAL", "NULL", PHASE_WIDTH),
        named("causal", "BOOLEAN", "false", CAUSAL),
        named(
            "sampler",
            "VARCHAR",
            "'regular'",
            "Where anchors stand: `regular`, a `step` apart from `t_min` on; `causal`, a `step` apart from `t_max` back, so that the last window ends where the axis does; `event` and `explicit`, at `times` (`event` in order of time and once each, `explicit` as they are); `random`, drawn.",
        ),
        named(
            "step",
            "INTERVAL",
            "NULL",
            "From one anchor to the next. With it, `random` draws among the anchors of `regular`, else among all instants.",
        ),
        named("times", "TIMESTAMP[]", "NULL", TIMES),
        named("n", "BIGINT", "NULL", N),
        named("seed", "BIGINT", "7", SEED),
        named("partial", "BOOLEAN", "false", PARTIAL),
    ],
    columns: &[
        column("window_id", "BIGINT", "Number of the anchor, from 0; its windows are a sample."),
        column("anchor", "TIMESTAMP", "The instant about which they lie, UTC."),
        column("role", "VARCHAR", "`lookback`, `horizon`, `phase`, or the scale, such as `7 days`."),
        column(
            "t_min",
            "TIMESTAMP",
            "First instant of the window: windows are open at their start, so it is a microsecond after that.",
        ),
        column("t_max", "TIMESTAMP", "Its last instant, inside."),
    ],
    nulls: "No parameter may be NULL.",
    errors: &[
        "t_max before t_min; a time that is none",
        "a length of zero or below, or with negative parts; a phase_width beyond its period",
        "a parameter that the geometry or the sampler does not take, or one that it lacks",
        "times: off the axis, or (unless `partial`) with a window that reaches beyond it",
        "no whole window fits into the axis",
        "more than 10,000,000 anchors",
    ],
    examples: &[
        Example {
            title: "A week to see and a day to predict, each day; the last window ends where the axis does",
            sql: "SELECT count(*) AS samples, min(t_min), max(t_max) FROM (\n\
                  \x20   SELECT window_id, min(t_min) AS t_min, max(t_max) AS t_max FROM geo_time_windows('2020-01-01', '2020-01-31', geometry := 'lookback_horizon',\n\
                  \x20       lookback := INTERVAL 7 DAY, horizon := INTERVAL 1 DAY, sampler := 'causal', step := INTERVAL 1 DAY) GROUP BY window_id);",
            rows: &["24\t2020-01-01 00:00:00\t2020-01-31 23:59:59.999999"],
        },
        Example {
            title: "Three scales of one event",
            sql: "SELECT role, t_min, t_max FROM geo_time_windows('2019', '2020', geometry := 'multi_scale', scales := [INTERVAL 6 HOUR, INTERVAL 7 DAY, INTERVAL 1 YEAR],\n\
                  \x20   sampler := 'event', times := [TIMESTAMP '2020-08-04 18:00:00']);",
            rows: &[
                "06:00:00\t2020-08-04 12:00:00.000001\t2020-08-04 18:00:00",
                "7 days\t2020-07-28 18:00:00.000001\t2020-08-04 18:00:00",
                "1 year\t2019-08-04 18:00:00.000001\t2020-08-04 18:00:00",
            ],
        },
        Example {
            title: "The same ten days of each summer",
            sql: "SELECT t_min, t_max FROM geo_time_windows('2018', '2020', geometry := 'phase', period := INTERVAL 1 YEAR, phase_width := INTERVAL 10 DAY,\n\
                  \x20   sampler := 'explicit', times := [DATE '2019-07-15']);",
            rows: &[
                "2018-07-10 00:00:00.000001\t2018-07-20 00:00:00",
                "2019-07-10 00:00:00.000001\t2019-07-20 00:00:00",
                "2020-07-10 00:00:00.000001\t2020-07-20 00:00:00",
            ],
        },
    ],
    references: &[
        "xbatcher, tslearn: windows with lookback and horizon",
        "numpy.random.default_rng(seed).integers",
    ],
};

/// What a call knows before any row.
pub struct Bound {
    anchors: Vec<i64>,
    axis: Interval,
    windows: Windows,
    roles: Vec<String>,
}

/// The windows of the anchors before one that are still to come.
#[derive(Default)]
pub struct Left {
    next: usize,
    windows: std::vec::IntoIter<(usize, Interval)>,
}

impl TableFunction for GeoTimeWindowsTable {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = (Arc<Bound>, Mutex<Left>);

    fn bind(args: &Args, _limits: Limits) -> Result<Plan<Bound>> {
        let time = |name: &'static str| {
            let must = "a TIMESTAMP, a DATE, or text such as '2020' or '2020-01-31'";
            let value = args.required(name, must)?;
            value.time().ok_or_else(|| args.blame(name)(Error::invalid(value, must)))
        };
        let axis = Interval { start: time("t_min")?.start, stop: time("t_max")?.stop };
        if axis.stop < axis.start {
            return Err(args.blame("t_max")(window_arguments::backwards(axis.start, axis.stop)));
        }
        let windows = window_arguments::windows(args)?;
        let sampler = window_arguments::sampler(args)?;
        let sampler =
            window_arguments::needed(args, "step", "this sampler", "step := INTERVAL 1 DAY", sampler)?;
        if matches!(sampler, Sampler::Listed(_)) && args.get("step").is_some() {
            let problem = "anchors that are listed need no step";
            return Err(args.blame("step")(Error::conflict(problem, "Leave it out")));
        }
        let is_listed = matches!(sampler, Sampler::Listed(_));
        let blame = args.blame(if is_listed { "times" } else { "sampler" });
        let anchors = anchors(&sampler, &axis, &windows).map_err(&blame)?;
        if anchors.is_empty() && !is_listed {
            let problem = format!("no whole window of an anchor fits into {axis}");
            let remedy = "Give shorter windows, a smaller step, or partial := true";
            return Err(blame(Error::conflict(problem, remedy)));
        }
        let (columns, roles) = (DOC.schema()?, windows.roles());
        Ok(Plan { columns, rows: None, bound: Bound { anchors, axis, windows, roles } })
    }

    fn start(bound: &Arc<Bound>, _wanted: &[usize]) -> Result<Self::Scan> {
        Ok((bound.clone(), Mutex::default()))
    }

    fn next((bound, left): &Self::Scan, out: &mut Chunk<'_>) -> Result<()> {
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        while count < out.capacity() {
            let Some((role, window)) = left.windows.next() else {
                go_on()?;
                let Some(anchor) = bound.anchors.get(left.next) else { break };
                left.windows = bound.windows.at(*anchor, &bound.axis).unwrap_or_default().into_iter();
                left.next += 1;
                continue;
            };
            let (id, anchor) = (left.next - 1, bound.anchors.get(left.next - 1).copied().unwrap_or_default());
            let values = [
                Value::Int(id as i64),
                Value::Timestamp(anchor),
                Value::Text(bound.roles.get(role).cloned().unwrap_or_default()),
                Value::Timestamp(window.start),
                Value::Timestamp(window.stop),
            ];
            out.write(count, values);
            count += 1;
        }
        out.set_rows(count);
        Ok(())
    }
}
