//! `read_times(path, variable)`: the steps of an array file's time axis.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::record::{Timestamp, Typed, record};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Lack, Result};
use crate::interval::Interval;
use crate::read::array::ArraySource;
use crate::read::select::time_axis;

/// The scalar `read_times`.
pub struct ReadTimes;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_times",
    kind: Kind::Scalar,
    summary: "The steps of an array file's time axis, and when each of them is.",
    parameters: &[
        Parameter {
            name: "path",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A NetCDF, HDF5 or GRIB file, or a Zarr store.",
        },
        Parameter {
            name: "variable",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "The variable that holds the times, as `time_var` of a catalog, or one that has a time axis.",
        },
        Parameter { name: "options", types: "STRUCT", given: Given::Optional, meaning: "The key below." },
        Parameter {
            name: "undecoded",
            types: "VARCHAR",
            given: Given::Option("'error'"),
            meaning: "What an axis becomes whose units or calendar are not CF's: an `error`, or steps whose times are `null`.",
        },
    ],
    columns: &[Column {
        name: "steps",
        types: <Vec<TimeStep>>::TYPE,
        meaning: "In the order of the axis: the index, as `isel: {time: index}` takes it (NULL of a time that is no dimension), its time, UTC, and the interval that it stands for, both ends inside: from the lower bound (CF) to a microsecond before the upper one, and without bounds the time itself. NULL where the axis holds no time.",
    }],
    nulls: "NULL for a NULL argument.",
    errors: &[
        "the file is absent, not an array file, or damaged",
        "a variable that the file does not have (those it has are listed), or without a time axis",
        "units or a calendar that are not CF's, unless undecoded: 'null'",
    ],
    examples: &[Example {
        title: "The months of a cube",
        sql: "SELECT unnest(read_times('test/data/small/ocean.zarr', 'temp'), recursive := true);",
        rows: &[
            "0\t2020-01-15 00:00:00\t2020-01-15 00:00:00\t2020-01-15 00:00:00",
            "1\t2020-02-15 00:00:00\t2020-02-15 00:00:00\t2020-02-15 00:00:00",
        ],
    }],
    references: &[
        "https://cfconventions.org/cf-conventions/cf-conventions.html#time-coordinate",
        "xarray: decode_cf",
    ],
};

/// One step of an axis.
struct TimeStep {
    index: Option<i64>,
    time: Option<Timestamp>,
    t_min: Option<Timestamp>,
    t_max: Option<Timestamp>,
}
record! { TimeStep { index: Option<i64>, time: Option<Timestamp>, t_min: Option<Timestamp>, t_max: Option<Timestamp> } }

/// What becomes of an axis that cannot be decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Undecoded {
    /// The query stops.
    Error,
    /// Its steps have no times.
    Null,
}

const UNDECODED: [(&str, Undecoded); 2] = [("error", Undecoded::Error), ("null", Undecoded::Null)];

impl ScalarFunction for ReadTimes {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Undecoded;

    fn bind(call: Call) -> Result<Undecoded> {
        let rule = call.options()?.choice("undecoded", "a rule for times that are none", &UNDECODED)?;
        Ok(rule.unwrap_or(Undecoded::Error))
    }

    fn call(undecoded: &Undecoded, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            if input.column(0).is_null(row) || input.column(1).is_null(row) {
                return Ok(None);
            }
            let source =
                ArraySource::open(input.column(0).str(row)?).map_err(|e| e.at("read_times(path)"))?;
            steps(&source, input.column(1).str(row)?, *undecoded).map(Some)
        })
    }
}

fn steps(source: &ArraySource, name: &str, undecoded: Undecoded) -> Result<Vec<TimeStep>> {
    let variable = source.header().variable(source.path(), name).map_err(|e| e.at("read_times(variable)"))?;
    let timestamp = |at: Option<i64>| at.map(Timestamp);
    // A time that is no dimension has no index.
    let is_dimension = |time: usize| source.variable(time).is_ok_and(|time| !time.shape.is_empty());
    match time_axis(source, variable) {
        Ok(axis) => {
            let step = |(index, (time, cell)): (usize, (&Option<i64>, &Option<Interval>))| {
                let (start, stop) = (cell.map(|cell| cell.start), cell.map(|cell| cell.stop));
                TimeStep {
                    index: is_dimension(axis.variable).then_some(index as i64),
                    time: timestamp(*time),
                    t_min: timestamp(start),
                    t_max: timestamp(stop),
                }
            };
            Ok(axis.instants.iter().zip(&axis.cells).enumerate().map(step).collect())
        }
        Err(Error::Unsuited { lack: Lack::Times { .. }, .. }) if undecoded == Undecoded::Null => {
            let count = source.variable(variable)?.len();
            let step = |index| TimeStep {
                index: is_dimension(variable).then_some(index as i64),
                time: None,
                t_min: None,
                t_max: None,
            };
            Ok((0..count).map(step).collect())
        }
        Err(error) => Err(error.at("read_times(variable)")),
    }
}
