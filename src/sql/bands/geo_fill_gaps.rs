//! `geo_fill_gaps`: the gaps of patches and of series, filled from around them.

use crate::bands::fill::{self, Around, Between, InSpace, InTime};
use crate::bridge::args::Args;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter, option};
use crate::bridge::pieces::Pieces;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Load, Result};
use crate::limits::Limits;
use crate::sql::shared::options::OPTIONS;
use crate::sql::shared::stitching::numbers::{self, DATA, INEXACT, Row, list_type};
use crate::sql_type::SqlType;
use crate::time::Length;
use crate::value::Value;

/// The scalar `geo_fill_gaps`.
pub struct GeoFillGaps;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_fill_gaps",
    kind: Kind::Scalar,
    summary: "Fills gaps of patches from the pixels around, or from steps before and after.",
    parameters: &[
        Parameter {
            name: "data",
            types: DATA,
            given: Given::Required,
            meaning: "Pixels in the order [band, row, col], or steps in the order [time, band, row, col].",
        },
        Parameter {
            name: "shape",
            types: "BIGINT[]",
            given: Given::Required,
            meaning: "The shape of the data: rows and columns are its last two numbers, and along time steps its first.",
        },
        Parameter {
            name: "times",
            types: "ANY",
            given: Given::Optional,
            meaning: "TIMESTAMP[]: the times of the steps, each later than the one before, as `read_series` gives them. With them gaps are filled along time.",
        },
        OPTIONS,
        option(
            "along",
            "VARCHAR",
            "'space'",
            "`space`: within each band, from the pixels around. `time`: at each pixel, from the steps before and after, one step apart unless `times` tells more; the default where there are times.",
        ),
        option(
            "method",
            "VARCHAR",
            "'idw' or 'linear'",
            "In space `idw`, GDAL's: the nearest pixel of each of the four quadrants, weighed by 1 / distance; or `nearest`. Along time `linear`, between the step before and the step after; `nearest`, of two equally near the earlier; `previous`.",
        ),
        option(
            "distance",
            "DOUBLE",
            "100",
            "In space: no pixel farther away counts, in pixels between centres.",
        ),
        option(
            "smooth",
            "BIGINT",
            "0",
            "In space: so often each filled pixel becomes the mean of the 3 x 3 pixels around it. As in GDAL those of the first and last row stay.",
        ),
        option(
            "reach",
            "BIGINT | INTERVAL",
            "none",
            "Along time: no step farther away counts, of `linear` neither of the two. An INTERVAL where there are times, else a number of steps.",
        ),
        option("mask", "BOOLEAN", "false", "Also tell which values were filled."),
    ],
    columns: &[Column {
        name: "gaps",
        types: "STRUCT(data FLOAT[], filled BOOLEAN[])",
        meaning: "`data` as it came, with gaps filled where something near enough is there; worked out in DOUBLE; FLOAT, or DOUBLE for data of DOUBLE or of whole numbers of 32 or 64 bits. `filled` is true where a value is new, and NULL unless `mask` asks for it. What was filled is no source of other values.",
    }],
    nulls: "NULL for a NULL argument. NULL and NaN are gaps; one that stays is as it came.",
    errors: &[
        "data that is not as long as shape says; along time, a shape without a step in front of rows and columns",
        "times that are not one a step, that are NULL or infinite, or of which one is not later than the one before",
        "a method of the other way (those known are listed), or an option of the other way",
        "a distance, smooth or reach that is none: 0 or below, an INTERVAL without times, a number of steps with them",
        "options that are not constant, an unknown key, a chunk above geoquilt_max_chunk_mb",
        INEXACT,
    ],
    examples: &[
        Example {
            title: "Half the gaps have a pixel near enough",
            sql: "SELECT g.data, g.filled FROM (SELECT geo_fill_gaps([1, NULL, NULL, 4, NULL, NULL, NULL]::FLOAT[], [1, 7], {distance: 2, mask: true}) AS g);",
            rows: &["[1.0, 2.0, 3.0, 4.0, 4.0, 4.0, NULL]\t[false, true, true, false, true, true, false]"],
        },
        Example {
            title: "A series by its own times: the gap lies a day after the first, and three days before the last",
            sql: "SELECT geo_fill_gaps([10, NULL, 30]::FLOAT[], [3, 1, 1, 1], [TIMESTAMP '2020-01-01', TIMESTAMP '2020-01-02', TIMESTAMP '2020-01-05']).data AS linear,\n\
                  \x20 geo_fill_gaps([10, NULL, 30]::FLOAT[], [3, 1, 1, 1], {along: 'time', method: 'previous', reach: 1}).data AS previous;",
            rows: &["[10.0, 15.0, 30.0]\t[10.0, 10.0, 30.0]"],
        },
    ],
    references: &[
        "GDALFillNodata, rasterio.fill.fillnodata: idw, distance, smooth",
        "xarray: DataArray.interpolate_na(method = 'linear'), ffill(limit)",
    ],
};

/// Which way gaps are filled.
#[derive(Debug, Clone, Copy)]
enum Way {
    Space(InSpace),
    Time(Between, Option<Reach>),
}

/// How far away a step may be.
#[derive(Debug, Clone, Copy)]
enum Reach {
    Steps(f64),
    Length(Length),
}

/// What a call knows before any row.
pub struct Bound {
    way: Way,
    mask: bool,
    with_times: bool,
    limits: Limits,
}

fn blame(parameter: &'static str) -> impl Fn(Error) -> Error {
    move |error| error.at(format!("geo_fill_gaps({parameter})"))
}

impl ScalarFunction for GeoFillGaps {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn returns(arguments: &[SqlType]) -> Result<SqlType> {
        let fields = [("data", list_type(arguments)?), ("filled", SqlType::Boolean.list())];
        Ok(SqlType::Struct(fields.map(|(name, ty)| (name.to_string(), ty)).into()))
    }

    fn bind(call: Call) -> Result<Bound> {
        let args = call.options()?;
        let before_options = call.arguments() - usize::from(call.options_index()?.is_some());
        let with_times = before_options > 2;
        let way = way(&args, with_times)?;
        Ok(Bound { way, mask: args.flag("mask")?.unwrap_or(false), with_times, limits: call.limits })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let arguments = if bound.with_times { 3 } else { 2 };
        let mut data = Pieces::of(input.column(0))?;
        let mut asked = Vec::with_capacity(input.rows());
        for row in 0..input.rows() {
            if (0..arguments).any(|i| input.column(i).is_null(row)) {
                asked.push(None);
                continue;
            }
            let shape = numbers::shape(input.column(1), row, data.length(row)).map_err(blame("shape"))?;
            let times = match bound.way {
                Way::Space(_) => Vec::new(),
                Way::Time(..) => times(bound, input, row)?,
            };
            asked.push(Some((shape, times)));
        }
        let lengths: Vec<Option<usize>> =
            asked.iter().enumerate().map(|(row, asked)| asked.as_ref().map(|_| data.length(row))).collect();
        // What was filled takes a byte a value on top, as much as a chunk of their own.
        let values = lengths.iter().flatten().fold(0usize, |sum, length| sum.saturating_add(*length));
        bound.limits.allow(if bound.mask { values } else { 0 }, || Load::Chunk)?;
        let wide = data.dtype().worked_out().size() == 8;
        let mut pixels = Row::default();
        let (mut has, mut marked) = (Vec::new(), Vec::new());
        let [numbers_out, filled_out] = out.fields_mut(["data", "filled"])?;
        numbers::write(numbers_out, wide, &lengths, &bound.limits, |row, result| {
            let Some((shape, times)) = &asked[row] else { return Ok(()) };
            pixels.read(&mut data, row)?;
            has.clear();
            has.extend((0..pixels.values.len()).map(|at| pixels.has(at) && !pixels.values[at].is_nan()));
            marked.clear();
            marked.resize(has.len(), false);
            work(bound, &mut pixels.values, &has, (*shape, times.as_slice()), &mut marked)?;
            if bound.mask {
                let (items, first) = filled_out.push_list(row, marked.len());
                marked.iter().enumerate().for_each(|(at, filled)| items.set(first + at, *filled));
            }
            result.values.extend_from_slice(&pixels.values);
            if !pixels.valid.is_empty() {
                result
                    .valid
                    .extend(pixels.valid.iter().zip(&marked).map(|(valid, filled)| *valid || *filled));
            }
            Ok(())
        })?;
        for (row, asked) in asked.iter().enumerate() {
            match (asked, bound.mask) {
                (None, _) => out.set_null(row),
                (Some(_), false) => out.field_mut(1).set_null(row),
                (Some(_), true) => {}
            }
        }
        Ok(())
    }
}

/// Fills the gaps of a row.
fn work(
    bound: &Bound,
    values: &mut [f64],
    has: &[bool],
    (shape, times): ([usize; 3], &[f64]),
    marked: &mut [bool],
) -> Result<()> {
    let [_, height, width] = shape;
    match bound.way {
        Way::Space(rule) => {
            let area = (height * width).max(1);
            let bands = values.chunks_mut(area).zip(has.chunks(area)).zip(marked.chunks_mut(area));
            for ((values, has), marked) in bands {
                fill::plane(values, has, width, &rule, marked)?;
            }
            Ok(())
        }
        Way::Time(method, reach) => {
            let reach = reach.map(|reach| match reach {
                Reach::Steps(steps) => steps,
                Reach::Length(length) => length.micros(),
            });
            fill::series(values, has, times, &InTime { method, reach }, marked)
        }
    }
}

/// The way that is asked for.
fn way(args: &Args, with_times: bool) -> Result<Way> {
    let along = args.choice("along", "a way to fill gaps", &[("space", false), ("time", true)])?;
    if let (Some(false), true) = (along, with_times) {
        let remedy = "Leave the times out, or along";
        return Err(args.blame("along")(Error::conflict("times are those of gaps along time", remedy)));
    }
    let along_time = along.unwrap_or(with_times);
    let others: &[&str] = if along_time { &["distance", "smooth"] } else { &["reach"] };
    if let Some(other) = others.iter().find(|other| args.get(other).is_some()) {
        let (way, takes) = if along_time { ("time", "reach") } else { ("space", "distance and smooth") };
        let problem = format!("gaps are filled along {way}, which takes no {other}");
        return Err(args.blame(other)(Error::conflict(problem, format!("It takes {takes}"))));
    }
    if along_time {
        let methods =
            [("linear", Between::Linear), ("nearest", Between::Nearest), ("previous", Between::Previous)];
        let method = args.choice("method", "a method along time", &methods)?.unwrap_or(Between::Linear);
        return Ok(Way::Time(method, reach(args, with_times)?));
    }
    let methods = [("idw", Around::InverseDistance), ("nearest", Around::Nearest)];
    let method = args.choice("method", "a method in space", &methods)?.unwrap_or(Around::InverseDistance);
    let distance = args.number("distance")?.unwrap_or(100.0);
    if distance <= 0.0 {
        return Err(args.blame("distance")(Error::invalid(distance, "a number of pixels above 0")));
    }
    let smooth = args.integer("smooth", 0, 1000)?.unwrap_or(0) as usize;
    Ok(Way::Space(InSpace { method, distance, smooth }))
}

fn reach(args: &Args, with_times: bool) -> Result<Option<Reach>> {
    let Some(value) = args.get("reach") else { return Ok(None) };
    let blame = args.blame("reach");
    match (value, with_times) {
        (Value::Int(steps), false) if *steps > 0 => Ok(Some(Reach::Steps(*steps as f64))),
        (Value::Interval(interval), true) => {
            let length = Length::new(*interval).map_err(&blame)?;
            if length.has_months() {
                return Err(blame(Error::invalid(
                    length,
                    "an interval of days and hours: months have no one length",
                )));
            }
            Ok(Some(Reach::Length(length)))
        }
        (other, true) => Err(blame(Error::invalid(other, "an interval above zero, such as INTERVAL 3 DAY"))),
        (other, false) => {
            let must = "a number of steps above 0; an interval goes with times";
            Err(blame(Error::invalid(other, must)))
        }
    }
}

/// Where the steps of a row stand: at their times, or one apart.
fn times(bound: &Bound, input: &Input<'_>, row: usize) -> Result<Vec<f64>> {
    let sides = input.column(1).list(row).numbers::<i64>().unwrap_or_default();
    let steps = match *sides.as_slice() {
        [steps, _, _, ..] => steps.max(0) as usize,
        _ => {
            let must = "[time, band, row, col], or [time, row, col]";
            return Err(blame("shape")(Error::invalid(numbers::given(input.column(1), row), must)));
        }
    };
    if !bound.with_times {
        return Ok((0..steps).map(|step| step as f64).collect());
    }
    let given = Value::of(input.column(2), row);
    // The ends of the numbers are DuckDB's infinities.
    let instant = |item: &Value| {
        item.time().map(|time| time.start).filter(|time| time.unsigned_abs() < i64::MAX as u64)
    };
    let found: Option<Vec<i64>> = match &given {
        Value::List(items) => items.iter().map(instant).collect(),
        _ => None,
    };
    let must = "a list of TIMESTAMP, none of them NULL or infinite";
    let found = found.ok_or_else(|| blame("times")(Error::invalid(&given, must)))?;
    if found.len() != steps {
        let must = format!("{steps}, one for each step of the shape {sides:?}");
        return Err(blame("times")(Error::invalid(format!("{} times", found.len()), must)));
    }
    if !found.is_sorted_by(|a, b| a < b) {
        let problem = "a time that is not later than the one before";
        let remedy = "Order the steps by their times: geo_time_reduce(..., {method: 'sequential'})";
        return Err(blame("times")(Error::conflict(problem, remedy)));
    }
    // From the first one on, which doubles tell to the microsecond.
    let first = found.first().copied().unwrap_or_default();
    Ok(found.iter().map(|time| (i128::from(*time) - i128::from(first)) as f64).collect())
}
