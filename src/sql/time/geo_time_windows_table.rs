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
    rows: Vec<(i64, i64, usize, Interval)>,
    roles: Vec<String>,
}

impl TableFunction for GeoTimeWindowsTable {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = (Arc<Bound>, Mutex<usize>);

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
        let blamed = if matches!(sampler, Sampler::Listed(_)) { "times" } else { "sampler" };
        let rows = rows(&sampler, &axis, &windows).map_err(args.blame(blamed))?;
        let bound = Bound { rows, roles: windows.roles() };
        Ok(Plan { columns: DOC.schema()?, rows: Some(bound.rows.len() as u64), bound })
    }

    fn start(bound: &Arc<Bound>, _wanted: &[usize]) -> Result<Self::Scan> {
        Ok((bound.clone(), Mutex::new(0)))
    }

    fn next(scan: &Self::Scan, out: &mut Chunk<'_>) -> Result<()> {
        let mut next = scan.1.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = scan.0.rows.iter().skip(*next).take(out.capacity());
        let mut count = 0;
        for (row, (id, anchor, role, window)) in rows.enumerate() {
            let role = scan.0.roles.get(*role).cloned().unwrap_or_default();
            out.write(
                row,
                [
                    Value::Int(*id),
                    Value::Timestamp(*anchor),
                    Value::Text(role),
                    Value::Timestamp(window.start),
                    Value::Timestamp(window.stop),
                ],
            );
            count = row + 1;
        }
        *next += count;
        out.set_rows(count);
        Ok(())
    }
}

fn rows(sampler: &Sampler, axis: &Interval, windows: &Windows) -> Result<Vec<(i64, i64, usize, Interval)>> {
    let anchors = anchors(sampler, axis, windows)?;
    let mut rows = Vec::with_capacity(anchors.len());
    for (id, anchor) in anchors.iter().enumerate() {
        let found = windows.at(*anchor, axis).unwrap_or_default();
        rows.extend(found.into_iter().map(|(role, window)| (id as i64, *anchor, role, window)));
    }
    if rows.is_empty() && !matches!(sampler, Sampler::Listed(_)) {
        let problem = format!("no whole window of an anchor fits into {axis}");
        return Err(Error::conflict(problem, "Give shorter windows, a smaller step, or partial := true"));
    }
    Ok(rows)
}
