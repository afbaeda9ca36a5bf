//! `read_array(path, variable, selection)`: a hyperslab of an array file as a list.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::files;
use crate::limits::Limits;
use crate::read::array_plan::{Opened, check_size};
use crate::sql::array::array_job::ArrayJob;
use crate::sql::array::selection::{
    FILL, ISEL, MASKED, MERGES_OF_FILES, ONTO, PATH, RESAMPLING, Request, SCALED, SEL, TOLERANCE, VARIABLE,
    request,
};
use crate::value::Value;

/// The scalar `read_array`.
pub struct ReadArray;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_array",
    kind: Kind::Scalar,
    summary: "Reads a hyperslab of an array file, selected by value or by index.",
    parameters: &[
        Parameter { name: "path", types: "VARCHAR | VARCHAR[]", given: Given::Required, meaning: PATH },
        Parameter { name: "variable", types: "VARCHAR", given: Given::Required, meaning: VARIABLE },
        Parameter {
            name: "selection",
            types: "ANY",
            given: Given::Optional,
            meaning: "A struct, which may differ from row to row: a field for each dimension selected by value, as in `sel`, and the keys below. A dimension is named as in the file, by its coordinate, or as `time`, `lat`, `lon`, `x`, `y`, `depth`; one that is not named is read whole. One value or index takes its dimension away.",
        },
        Parameter { name: "sel", types: "STRUCT", given: Given::Option("NULL"), meaning: SEL },
        Parameter { name: "isel", types: "STRUCT", given: Given::Option("NULL"), meaning: ISEL },
        Parameter { name: "slice", types: "STRUCT", given: Given::Option("NULL"), meaning: ONTO },
        Parameter {
            name: "resampling",
            types: "VARCHAR",
            given: Given::Option("'nearest'"),
            meaning: RESAMPLING,
        },
        Parameter {
            name: "merge",
            types: "VARCHAR",
            given: Given::Option("'first'"),
            meaning: MERGES_OF_FILES,
        },
        Parameter { name: "tolerance", types: "DOUBLE", given: Given::Option("NULL"), meaning: TOLERANCE },
        Parameter { name: "scaled", types: "BOOLEAN", given: Given::Option("true"), meaning: SCALED },
        Parameter { name: "masked", types: "BOOLEAN", given: Given::Option("true"), meaning: MASKED },
        Parameter { name: "fill", types: "DOUBLE | VARCHAR", given: Given::Option("NULL"), meaning: FILL },
    ],
    columns: &[Column {
        name: "array",
        types: "STRUCT(data FLOAT[], shape BIGINT[], dims VARCHAR[], coords MAP(VARCHAR, DOUBLE[]), times TIMESTAMP[])",
        meaning: "`data` row-major in the order of `dims`, the last one fastest, NULL where there is no value; `shape` and `dims` of the dimensions that stay; `coords` of every dimension that has them, those taken away too; `times` of the time axis, NULL without one. Days that TIMESTAMP's calendar lacks, such as 29 and 30 February of `360_day`, are the last day of their month: two places may then have one time, and are told apart by index.",
    }],
    nulls: "NULL for a NULL path, variable, selection or field of it.",
    errors: &[
        "the file is absent, not an array file, or damaged; a chunk cannot be decoded: file, variable and chunk are named",
        "a variable or dimension that the file does not have (those it has are listed)",
        "a value or index outside its axis (what the axis has is told)",
        "a dimension without coordinates selected by value",
        "a time that stands at several places of its axis; files that have one time, or other coordinates than each other (the two are named)",
        "a whole number, of a variable of whole numbers, that FLOAT cannot hold exactly, and a number beyond the largest FLOAT: the table function read_array has the variable's own type",
        "a chunk above geoquilt_max_chunk_mb: the table function read_array streams instead",
    ],
    examples: &[
        Example {
            title: "By value: the nearest depth, a range of latitudes, one month",
            sql: "SELECT a.data, a.dims, a.coords['lat'] AS lat, a.times[1] AS time\n\
                  FROM (SELECT read_array('test/data/small/ocean.zarr', 'temp', {time: '2020-02', depth: 12, lat: [0, 20], lon: 30}) AS a);",
            rows: &["[37.5, NULL]\t[lat]\t[5.0, 15.0]\t2020-02-15 00:00:00"],
        },
        Example {
            title: "By index, from both ends, and as stored",
            sql: "SELECT a.data, a.shape\n\
                  FROM (SELECT read_array('test/data/small/ocean.zarr', 'temp', {isel: {time: -1, depth: 0, lat: [0, 1], lon: {stop: 4, step: 2}}, scaled: false, masked: false}) AS a);",
            rows: &["[36.0, 38.0, 42.0, 44.0]\t[2, 2]"],
        },
        Example {
            title: "Onto the grid of a slice, as scenes and elevation are: the month of the slice, bilinear",
            sql: "SELECT a.data, a.shape, a.dims, a.coords['x'] AS x\n\
                  FROM (SELECT read_array('test/data/small/ocean.zarr', 'temp', {depth: 5, resampling: 'bilinear',\n\
                  \x20   slice: geo_slice({xmin: 30, ymin: 5, xmax: 60, ymax: 15}, [15, 10], 'EPSG:4326', TIMESTAMP '2020-01-01', TIMESTAMP '2020-01-31')}) AS a);",
            rows: &["[12.125, 12.375]\t[1, 1, 2]\t[time, y, x]\t[37.5, 52.5]"],
        },
    ],
    references: &[
        "xarray: Dataset.sel(method = 'nearest'), Dataset.isel, decode_cf",
        "https://cfconventions.org/cf-conventions/cf-conventions.html",
        "https://zarr-specs.readthedocs.io",
    ],
};

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    limits: Limits,
}

impl ScalarFunction for ReadArray {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        Ok(Bound { limits: call.limits })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let mut jobs = Vec::with_capacity(input.rows());
        let mut total = 0u64;
        let mut opened = Opened::default();
        for row in 0..input.rows() {
            let job = job(input, row, &mut opened)?;
            total = total.saturating_add(job.as_ref().map_or(0, |job| job.values as u64));
            jobs.push(job);
        }
        if let Some(job) = jobs.iter().flatten().next() {
            check_size(job.variable()?, total, size_of::<f32>(), &bound.limits)?;
        }
        let [data, shape, dims, coords, times] =
            out.fields_mut(["data", "shape", "dims", "coords", "times"])?;
        data.reserve_list(total as usize);
        for (row, job) in jobs.iter().enumerate() {
            let Some(job) = job else { continue };
            let (child, first) = data.push_list(row, job.values);
            let gaps = job.read(child.slice_mut::<f32>(first, job.values), bound.limits.threads)?;
            child.set_null_runs(first, &gaps);
            let fields = [&mut *shape, &mut *dims, &mut *coords, &mut *times];
            fields.into_iter().zip(job.rest()).for_each(|(field, value)| value.write(field, row));
        }
        let none = jobs.iter().enumerate().filter(|(_, job)| job.is_none());
        none.for_each(|(row, _)| out.set_null(row));
        Ok(())
    }
}

/// What a row asks for; `None` for one with a NULL.
fn job(input: &Input<'_>, row: usize, opened: &mut Opened) -> Result<Option<ArrayJob>> {
    if input.any_null(row) {
        return Ok(None);
    }
    let patterns = match Value::of(input.column(0), row) {
        Value::Text(path) => vec![path],
        Value::List(items) => {
            let text = |item: &Value| match item {
                Value::Text(path) => Some(path.clone()),
                _ => None,
            };
            match items.iter().map(text).collect::<Option<Vec<String>>>() {
                Some(paths) if !paths.is_empty() => paths,
                Some(_) => {
                    return Err(
                        Error::invalid("[]", "a path, or a list with paths in it").at("read_array(path)")
                    );
                }
                None => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    let paths = files::expand(&patterns).map_err(|e| e.at("read_array(path)"))?;
    let request = match input.columns() {
        3.. => match request(&Value::of(input.column(2), row))? {
            Some(request) => request,
            None => return Ok(None),
        },
        _ => Request::default(),
    };
    if let Some(fill) = request.decoding.fill.filter(|fill| fill.is_finite() && (*fill as f32).is_infinite())
    {
        let must = "a number that FLOAT can hold, or 'nan'";
        return Err(Error::invalid(fill, must).at("read_array(fill)"));
    }
    ArrayJob::new(&paths, input.column(1).str(row)?, &request, opened).map(Some)
}
