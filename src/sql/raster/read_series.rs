//! `read_series(paths, times, slice)`: files lined up in time on the grid of a slice.

use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter, join, option};
use crate::bridge::record::text;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Load, Result};
use crate::limits::Limits;
use crate::read::mosaic::band_count;
use crate::read::scene::Scene;
use crate::read::series::{Bin, REDUCES, Reduce, SeriesOptions, Step, axis, read_series};
use crate::slice::Slice;
use crate::sql::shared::options::by_row::{ByRow, OPTIONS_BY_ROW};
use crate::sql::shared::options::{SLICE_OPTIONS, slice_options};
use crate::sql::shared::paths::{SCENES, count, scenes};
use crate::sql::shared::slice_value;
use crate::sql::shared::slice_value::SLICE;
use crate::value::Value;

/// The scalar `read_series`.
pub struct ReadSeries;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_series",
    kind: Kind::Scalar,
    summary: "Reads a catalog's files on one slice as [time, band, row, col].",
    parameters: &join::<{ SLICE_OPTIONS.len() + 7 }>(&[
        &[
            Parameter {
                name: "paths",
                types: "ANY",
                given: Given::Required,
                meaning: text![
                    "As from `list(path)` over a catalog, in any order, one for each time. ",
                    SCENES
                ],
            },
            Parameter {
                name: "times",
                types: "TIMESTAMP[]",
                given: Given::Required,
                meaning: "The time of each, UTC, as from `list(t_min)` over the same rows. Files of one time are merged into one image.",
            },
            Parameter {
                name: "slice",
                types: SLICE,
                given: Given::AsItIs,
                meaning: "The grid to fill. Files whose time lies outside its closed interval are left out, and the steps run from its `t_min` to its `t_max`; where those are NULL, from the first file to the last.",
            },
            OPTIONS_BY_ROW,
            STEP,
            REDUCE,
            TIME_TOLERANCE,
        ],
        &SLICE_OPTIONS,
    ]),
    columns: &[Column {
        name: "series",
        types: "STRUCT(data FLOAT[], shape INTEGER[], times TIMESTAMP[], transform DOUBLE[], crs VARCHAR)",
        meaning: "`data` in the order [time, band, row, col], NULL where no file has a pixel; `shape` is steps, bands, rows, columns; `times` the start of each step, or each time; `transform` and `crs` the slice's.",
    }],
    nulls: "NULL for NULL paths, times or slice; a NULL among the paths or times is an error. A step without a file is all NULL.",
    errors: &[
        "as many times as paths are needed",
        "no time lies in the slice's interval, or no file touches the slice",
        "a step or a time_tolerance that is not a length of time, reduce without a step, or time_tolerance without `nearest`",
        "more steps, or a larger result, than geoquilt_max_chunk_mb allows",
        "what read_slice refuses",
    ],
    examples: &[
        Example {
            title: "One pixel, every file",
            sql: "SELECT s.data, s.shape, s.times[3] FROM (\n\
                  \x20   SELECT read_series(list(path), list(t_min), geo_slice({xmin: 0, ymin: 0, xmax: 10, ymax: 10}, 10, 'EPSG:4326')) AS s\n\
                  \x20   FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<date>\\d{8})'));",
            rows: &["[19.125, 19.125, 21.125]\t[3, 1, 1, 1]\t2019-01-01 00:00:00"],
        },
        Example {
            title: "The mean of each year",
            sql: "SELECT s.data, s.times FROM (\n\
                  \x20   SELECT read_series(list(path), list(t_min), geo_slice({xmin: 0, ymin: 0, xmax: 10, ymax: 10}, 10, 'EPSG:4326'),\n\
                  \x20       {step: INTERVAL 1 YEAR, reduce: 'mean'}) AS s\n\
                  \x20   FROM geo_catalog_build('test/data/small/sst*.tif', filename_regex := '(?P<date>\\d{8})'));",
            rows: &["[19.125, 21.125]\t['2018-01-01 00:00:00', '2019-01-01 00:00:00']"],
        },
    ],
    references: &[
        "xarray: DataArray.resample(time = ...), DataArray.reindex(method = 'nearest', tolerance = ...)",
    ],
};

/// The length of a step.
pub const STEP: Parameter = option(
    "step",
    "INTERVAL | VARCHAR",
    "each time",
    "Length of a step: an INTERVAL, or a text such as `month`, `10 days`, `1 hour`, or `all` for one. Months and years begin with a month or year, days at midnight. Without it every time of a file is a step.",
);
/// What stands in a step.
pub const REDUCE: Parameter = option(
    "reduce",
    "VARCHAR",
    "'nearest'",
    "What stands in a step: the file of it that is `nearest` to its start; or, pixel by pixel over the files from its start to the next, `mean`, `median`, `first`, `last`, `min`, `max`, `sum`, `count`. Needs a step.",
);

/// How far a file may lie from a step.
pub const TIME_TOLERANCE: Parameter = option(
    "time_tolerance",
    "INTERVAL | VARCHAR",
    "within the step",
    "For `nearest`, how far from the start of a step its file may lie, before it or after, as a length of time or `all`: a step then may have the file of a neighbour. Without it a step that no file lies in is all NULL.",
);

/// Reads [`STEP`], [`REDUCE`], [`TIME_TOLERANCE`] and the options of a slice.
///
/// # Errors
/// A step or a tolerance that is no length of time, a way to reduce without a step, a tolerance beside another one than
/// `nearest`, or as [`slice_options`].
pub fn series_options(args: &Args) -> Result<SeriesOptions> {
    let (step, time_tolerance) = (length(args, "step")?, length(args, "time_tolerance")?);
    let reduce = args.choice("reduce", "a way to reduce a step", &REDUCES)?;
    if let (Some(_), None) = (reduce, step) {
        let problem = "reduce says what stands in a step, and no step is given";
        return Err(args.blame("reduce")(Error::conflict(problem, "Give one: {step: 'month'}")));
    }
    let reduce = reduce.unwrap_or(Reduce::Nearest);
    if time_tolerance.is_some() && (step.is_none() || reduce != Reduce::Nearest) {
        let problem = "it says how far the file nearest to a step may lie, and no such file is looked for";
        return Err(args.blame("time_tolerance")(Error::conflict(
            problem,
            "Give a step too, and reduce as 'nearest': {step: 'day', time_tolerance: '12 hours'}",
        )));
    }
    Ok(SeriesOptions { slice: slice_options(args)?, step, reduce, time_tolerance })
}

/// A length of time; `None` where none is given.
fn length(args: &Args, parameter: &str) -> Result<Option<Step>> {
    let Some(value) = args.get(parameter) else { return Ok(None) };
    let length = match value {
        Value::Text(text) => Step::parse(text),
        Value::Interval(i) => Step::of(i.months, i.days, i.micros),
        _ => None,
    };
    let must = "an INTERVAL, 'all', or a number of years, months, weeks, days, hours, minutes or seconds such as '3 months'";
    let bad = || args.blame(parameter)(Error::invalid(value, must));
    length.map(Some).ok_or_else(bad)
}

/// The steps of a series, and the bands of each.
pub struct SeriesPlan {
    /// The steps, and which files are in them.
    pub bins: Vec<Bin>,
    /// Bands of a step.
    pub bands: usize,
    /// Pixels of all steps.
    pub pixels: usize,
}

/// What a series of files takes.
///
/// # Errors
/// Another number of times than of files, no time in the slice's interval, or more than a chunk may take.
pub fn plan_series(
    (scenes, given): (&[Scene], usize),
    times: &[i64],
    slice: &Slice,
    options: &SeriesOptions,
    limits: &Limits,
) -> Result<SeriesPlan> {
    let blame = |parameter: &'static str| move |error: Error| error.at(format!("read_series({parameter})"));
    if given != times.len() {
        let problem = format!("{given} paths have {} times", times.len());
        return Err(blame("times")(Error::conflict(
            problem,
            "Give as many, as list(t_min) beside list(path)",
        )));
    }
    if scenes.len() != times.len() {
        let problem =
            format!("a glob among the paths matches several files, which have {} times", times.len());
        return Err(blame("paths")(Error::conflict(problem, "Give each file's own path")));
    }
    let bands = band_count(scenes, &options.slice).map_err(blame("paths"))?;
    let length = slice.area().saturating_mul(bands);
    // A step takes its pixels, its time, and a list of its files.
    let each = length.saturating_mul(4).saturating_add(8 + size_of::<Bin>());
    let bins = axis(times, slice, options, each, limits).map_err(blame("slice"))?;
    let pixels = length.saturating_mul(bins.len());
    let what = || Load::Slices(format!("{} steps of {bands} bands of the {slice}", bins.len()));
    limits.allow(pixels.saturating_mul(4), what)?;
    Ok(SeriesPlan { bins, bands, pixels })
}

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    options: ByRow<SeriesOptions>,
    limits: Limits,
}

impl ScalarFunction for ReadSeries {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        Ok(Bound { options: ByRow::of(&call, &DOC, series_options)?, limits: call.limits })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let jobs = (0..input.rows()).map(|row| job(bound, input, row)).collect::<Result<Vec<_>>>()?;
        let total = jobs.iter().flatten().map(|job| job.plan.pixels).fold(0, usize::saturating_add);
        let what = || Load::Rows { what: format!("{} series", jobs.len()), streams: "read_series" };
        bound.limits.allow(total.saturating_mul(4), what)?;
        for (row, job) in jobs.iter().enumerate() {
            match job {
                Some(job) => read(bound, job, out, row)?,
                None => out.set_null(row),
            }
        }
        Ok(())
    }
}

/// What a row asks for.
struct Job {
    scenes: Vec<Scene>,
    slice: Slice,
    /// The slice's CRS, as the user names it.
    crs: String,
    plan: SeriesPlan,
    options: Arc<SeriesOptions>,
}

/// `None` where an argument is NULL.
fn job(bound: &Bound, input: &Input<'_>, row: usize) -> Result<Option<Job>> {
    let blame = |parameter: &'static str| move |error: Error| error.at(format!("read_series({parameter})"));
    let (names, instants, slices) = (input.column(0), input.column(1), input.column(2));
    if names.is_null(row) || instants.is_null(row) {
        return Ok(None);
    }
    let Some((slice, crs)) = slice_value::read(slices, row).map_err(blame("slice"))? else {
        return Ok(None);
    };
    let list = instants.list(row);
    let items = list.items();
    if list.rows().any(|i| items.is_null(i)) {
        let bad = Error::invalid("a NULL among the times", "times alone: filter with IS NOT NULL");
        return Err(blame("times")(bad));
    }
    let times: Vec<i64> = list.rows().map(|i| items.get::<i64>(i)).collect();
    let named = Value::of(names, row);
    let given = count(&named);
    let scenes = if given == times.len() { scenes(&named).map_err(blame("paths"))? } else { Vec::new() };
    let options = bound.options.row(input, row)?;
    let plan = plan_series((&scenes, given), &times, &slice, &options, &bound.limits)?;
    Ok(Some(Job { scenes, slice, crs, plan, options }))
}

/// Reads one row's series straight into the result.
fn read(bound: &Bound, job: &Job, out: &mut Vector<'_>, row: usize) -> Result<()> {
    let Job { scenes, slice, crs: name, plan: SeriesPlan { bins, bands, pixels }, options } = job;
    let [data, shape, steps, transform, crs] =
        out.fields_mut(["data", "shape", "times", "transform", "crs"])?;
    let (child, first) = data.push_list(row, *pixels);
    let part = child.slice_mut::<f32>(first, *pixels);
    let runs = read_series(scenes, bins, slice, options, &bound.limits, part)?;
    child.set_null_runs(first, &runs);
    let sides = [bins.len() as i32, *bands as i32, slice.height as i32, slice.width as i32];
    shape.set_list(row, &sides);
    steps.set_list(row, &bins.iter().map(|bin| bin.time).collect::<Vec<i64>>());
    transform.set_list(row, &slice.affine().0);
    crs.set_bytes(row, name.as_bytes());
    Ok(())
}
