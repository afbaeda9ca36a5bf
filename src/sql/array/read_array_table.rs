//! `FROM read_array(paths, variable)`: streams an array, a row for each place on its first dimension.

use std::sync::{Arc, Mutex, PoisonError};

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::bridge::table::{Plan, TableFunction};
use crate::dtype::{DTYPES, Dtype, Nodata, Pixel, Pixels};
use crate::error::{Error, Result};
use crate::format::hyperslab::index_count;
use crate::limits::Limits;
use crate::read::array_plan::{Opened, Part, check_size, section};
use crate::read::array_slice::{Onto, Planes, read_onto};
use crate::read::values::{Decoding, decode};
use crate::sql::array::selection::{
    FILL, ISEL, MASKED, MERGES_OF_FILES, ONTO, OPTIONS, PATH, RESAMPLING, Request, SCALED, SEL, TOLERANCE,
    VARIABLE, option,
};
use crate::sql::raster::patch_scan::sql_type;
use crate::value::Value;
use crate::workers::Ordered;
use crate::{files, with_dtype};

/// The table function `read_array`.
pub struct ReadArrayTable;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_array",
    kind: Kind::Table,
    summary: "Streams an array, a row for each place on its first dimension.",
    parameters: &[
        Parameter { name: "paths", types: "VARCHAR | VARCHAR[]", given: Given::Required, meaning: PATH },
        Parameter { name: "variable", types: "VARCHAR", given: Given::Required, meaning: VARIABLE },
        named("sel", "STRUCT", "NULL", SEL),
        named("isel", "STRUCT", "NULL", ISEL),
        named("slice", "STRUCT", "NULL", ONTO),
        named("resampling", "VARCHAR", "'nearest'", RESAMPLING),
        named("merge", "VARCHAR", "'first'", MERGES_OF_FILES),
        named("tolerance", "DOUBLE", "NULL", TOLERANCE),
        named("scaled", "BOOLEAN", "true", SCALED),
        named("masked", "BOOLEAN", "true", MASKED),
        named("fill", "DOUBLE | VARCHAR", "NULL", FILL),
        named(
            "dtype",
            "VARCHAR",
            "the variable's",
            "Type of `data`: the variable's own (once scaled or resampled, a float; `nearest`, `mode`, `min`, `max`, `med`, `q1` and `q3` pick values), or `float32` or `float64`.",
        ),
    ],
    columns: &[
        column("path", "VARCHAR", "The file."),
        column(
            "place",
            "BIGINT",
            "Index on the first dimension that stays, in its file; NULL when none stays.",
        ),
        column(
            "time",
            "TIMESTAMP",
            "Its time, UTC, when that dimension is a time axis; else NULL. Days that TIMESTAMP's calendar lacks, such as 29 and 30 February of `360_day`, are the last day of their month.",
        ),
        column(
            "coord",
            "DOUBLE",
            "Its coordinate as a number, when it has one and is not a time axis; else NULL.",
        ),
        column(
            "data",
            "ANY[]",
            "The values at that place, row-major in the order of `dims`, in the type of `dtype`; NULL where there is none.",
        ),
        column(
            "shape",
            "BIGINT[]",
            "Sizes of the other dimensions that stay, and of `y` and `x` on a slice.",
        ),
        column("dims", "VARCHAR[]", "Their names."),
    ],
    nulls: "No parameter may be NULL.",
    errors: &[
        "as of the scalar read_array",
        "dtype: not the variable's own type and no float; files of one query that differ in type",
        "the values at one place above geoquilt_max_chunk_mb",
    ],
    examples: &[
        Example {
            title: "A row a month",
            sql: "SELECT place, time, data[:3] AS first, shape, dims\n\
                  FROM read_array('test/data/small/ocean.zarr', 'temp', isel := {depth: 0});",
            rows: &[
                "0\t2020-01-15 00:00:00\t[10.0, 10.5, 11.0]\t[3, 6]\t[lat, lon]",
                "1\t2020-02-15 00:00:00\t[28.0, 28.5, 29.0]\t[3, 6]\t[lat, lon]",
            ],
        },
        Example {
            title: "A row a depth, in the stored type",
            sql: "SELECT place, coord, data, typeof(data) AS type\n\
                  FROM read_array('test/data/small/ocean.zarr', 'temp', sel := {time: '2020-01', lat: 5, lon: 0}, scaled := false);",
            rows: &["0\t5.0\t[0]\tSMALLINT[]", "1\t15.0\t[18]\tSMALLINT[]"],
        },
        Example {
            title: "A row a month, on the grid of a slice",
            sql: "SELECT place, time, data, shape, dims\n\
                  FROM read_array('test/data/small/ocean.zarr', 'temp', sel := {depth: 5}, resampling := 'bilinear',\n\
                  \x20   slice := geo_slice({xmin: 30, ymin: 5, xmax: 60, ymax: 15}, [15, 10], 'EPSG:4326'));",
            rows: &[
                "0\t2020-01-15 00:00:00\t[12.125, 12.375]\t[1, 2]\t[y, x]",
                "1\t2020-02-15 00:00:00\t[30.125, 30.375]\t[1, 2]\t[y, x]",
            ],
        },
    ],
    references: &["xarray: DataArray.sel, DataArray.isel, decode_cf"],
};

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    parts: Vec<Part>,
    decoding: Decoding,
    onto: Option<Onto>,
    dtype: Dtype,
    limits: Limits,
}

/// A scan under way.
pub struct Scan {
    feed: Mutex<Feed>,
    bound: Arc<Bound>,
}

struct Feed {
    pool: Ordered<Batch>,
    open: Option<(Batch, u64)>,
}

/// Rows that one worker read: places `from .. from + count` of a part's first dimension.
struct Batch {
    part: usize,
    from: u64,
    count: u64,
    /// Nothing when the query asks for no values.
    values: Option<Values>,
}

enum Values {
    Stored(Pixels),
    Warped(Planes),
}

impl Bound {
    /// Values of one place on a part's other dimensions: pixels of the slice, or one.
    fn cells(&self) -> u64 {
        self.onto.as_ref().map_or(1, |onto| onto.slice.area() as u64)
    }
}

/// Values that one job reads at once: whole chunks on the first dimension, as far as they fit.
const JOB_BYTES: u64 = 16 << 20;
/// Values that wait for the reader.
const AHEAD_BYTES: usize = 128 << 20;
/// A value on a slice while it waits: a number, and whether it is one.
const PLANE_BYTES: u64 = 9;
/// Values of one chunk: past this, a chunk ends, so that an interrupt is soon seen.
const CHUNK_BYTES: u64 = 4 << 20;

impl TableFunction for ReadArrayTable {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = Scan;

    fn bind(args: &Args, limits: Limits) -> Result<Plan<Bound>> {
        let paths = files::expand(&args.paths("paths")?).map_err(args.place("paths"))?;
        let must = "the name of a variable";
        let Value::Text(variable) = args.required("variable", must)? else {
            return Err(args.place("variable")(Error::invalid("NULL", must)));
        };
        let mut request = Request::default();
        for name in OPTIONS {
            if let Some(value) = args.get(name) {
                option(&mut request, name, value)?;
            }
        }
        let (onto, decoding) = (request.onto()?, request.decoding);
        let parts = request.parts(&paths, variable, &mut Opened::default())?;
        let dtype = dtype(args, &parts, &decoding, onto.as_ref())?;
        let bound = Bound { parts, decoding, onto, dtype, limits };
        for part in &bound.parts {
            let values = row_places(part).saturating_mul(bound.cells());
            check_size(&part.facts()?.name, values, dtype.size(), &limits)?;
        }
        let data = sql_type(dtype).list();
        let columns = DOC.schema_with(|name, ty| Some(if name == "data" { data.clone() } else { ty }))?;
        let rows = bound.parts.iter().map(|part| first(part).map_or(1, |(_, count)| count)).sum();
        Ok(Plan { columns, rows: Some(rows), bound })
    }

    fn start(bound: &Arc<Bound>, wanted: &[usize]) -> Result<Scan> {
        let with_values = DOC.column("data").is_some_and(|data| wanted.contains(&data));
        let jobs = jobs(bound.clone());
        let work_bound = bound.clone();
        let work = move |mut batch: Batch| {
            if with_values {
                batch.values = Some(read(&work_bound, &batch)?);
            }
            Ok(batch)
        };
        let pool = Ordered::start(jobs, bound.limits.threads, AHEAD_BYTES, work)?;
        Ok(Scan { feed: Mutex::new(Feed { pool, open: None }), bound: bound.clone() })
    }

    fn next(scan: &Scan, out: &mut Chunk<'_>) -> Result<()> {
        let mut feed = scan.feed.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut row, mut bytes) = (0, 0);
        while row < out.capacity() && bytes < CHUNK_BYTES {
            let (batch, done) = match feed.open.take() {
                Some(open) => open,
                None => match feed.pool.next() {
                    Some(batch) => (batch?, 0),
                    None => break,
                },
            };
            bytes += write_row(&scan.bound, &batch, done, out, row)?;
            row += 1;
            if done + 1 < batch.count {
                feed.open = Some((batch, done + 1));
            }
        }
        out.set_rows(row);
        Ok(())
    }
}

/// The first dimension that stays, and how many of its places were selected.
fn first(part: &Part) -> Option<(usize, u64)> {
    let dim = part.kept().next()?;
    Some((dim, index_count(&part.selected.get(dim)?.runs)))
}

/// Places of a row: those on the other dimensions that stay.
fn row_places(part: &Part) -> u64 {
    part.places() / first(part).map_or(1, |(_, count)| count.max(1))
}

fn dtype(args: &Args, parts: &[Part], decoding: &Decoding, onto: Option<&Onto>) -> Result<Dtype> {
    let asked = args.choice("dtype", "a type of values", &DTYPES)?;
    let mut found = None;
    for part in parts {
        let facts = part.facts()?;
        let Some(own) = facts.dtype else {
            let reason = format!("its type is {}, and only numbers can be read", facts.dtype_name);
            return Err(Error::values(part.source.path(), &facts.name, reason));
        };
        // Scaled or resampled values are no longer the stored integers.
        let as_stored = decoding.linear(facts).is_none() && onto.is_none_or(|onto| onto.resampling.picks());
        let natural = match own {
            own if as_stored || matches!(own, Dtype::Float32 | Dtype::Float64) => own,
            own if own.size() <= 2 => Dtype::Float32,
            _ => Dtype::Float64,
        };
        let float = asked.filter(|asked| matches!(asked, Dtype::Float32 | Dtype::Float64));
        let dtype = float.unwrap_or(natural);
        if found.is_some_and(|found| found != dtype) {
            let problem =
                format!("\"{}\" has {dtype} values, and the files before it others", part.source.path());
            return Err(Error::conflict(problem, "Give dtype := 'float32' or 'float64'"));
        }
        if let Some(asked) = asked.filter(|asked| *asked != dtype) {
            let problem = format!("the values are {natural}, which {asked} cannot hold");
            let error = Error::conflict(problem, format!("One of: {natural}, float32, float64"));
            return Err(args.place("dtype")(error));
        }
        if let Some(fill) = decoding.fill
            && !with_dtype!(dtype, T => <T as Pixel>::nodata(Nodata::Float(fill)).is_some())
        {
            let problem = format!("{fill} is not a value of {dtype} values");
            return Err(args.place("fill")(Error::conflict(problem, "Give dtype := 'float32'")));
        }
        found = Some(dtype);
    }
    found.ok_or_else(|| Error::Bug("nothing to read".into()))
}

/// Batches of places whose chunks are decoded together, in order.
fn jobs(bound: Arc<Bound>) -> impl Iterator<Item = Result<(usize, Batch)>> + Send {
    (0..bound.parts.len()).flat_map(move |number| {
        let (count, row_bytes, chunk) = bound.parts.get(number).map_or((0, 1, 1), |part| {
            let (dim, count) = first(part).unwrap_or((0, 1));
            let facts = part.facts().ok();
            let size = match bound.onto {
                Some(_) => PLANE_BYTES,
                None => facts.and_then(|v| v.dtype).map_or(8, Dtype::size) as u64,
            };
            let chunk = facts.and_then(|v| v.chunk.as_ref()?.get(dim).copied()).unwrap_or(1);
            (count, row_places(part).saturating_mul(bound.cells()).saturating_mul(size), chunk)
        });
        let fit = (JOB_BYTES / row_bytes.max(1)).max(1);
        // Whole chunks where several fit, so that two jobs seldom need the same one; planes take longer to warp.
        let rows = if fit > chunk && bound.onto.is_none() { fit - fit % chunk } else { fit.min(chunk) };
        (0..count.div_ceil(rows)).map(move |job| {
            let from = job * rows;
            let count = rows.min(count - from);
            let cost = usize::try_from(count.saturating_mul(row_bytes)).unwrap_or(usize::MAX);
            Ok((cost, Batch { part: number, from, count, values: None }))
        })
    })
}

fn part<'a>(bound: &'a Bound, batch: &Batch) -> Result<&'a Part> {
    bound.parts.get(batch.part).ok_or_else(|| Error::Bug("a batch of no file".into()))
}

fn read(bound: &Bound, batch: &Batch) -> Result<Values> {
    let mut part = part(bound, batch)?.clone();
    if let Some((dim, _)) = first(&part) {
        part = part.section(dim, batch.from, batch.count);
    }
    match &bound.onto {
        // The jobs themselves are what several threads share.
        Some(onto) => read_onto(&part, onto, &bound.decoding, 1).map(Values::Warped),
        None => part.source.read(part.variable, &part.runs(), 1).map(Values::Stored),
    }
}

/// Writes the `done`-th row of a batch; gives the bytes of its values.
fn write_row(bound: &Bound, batch: &Batch, done: u64, out: &mut Chunk<'_>, row: usize) -> Result<u64> {
    let part = part(bound, batch)?;
    let facts = part.facts()?;
    let (dim, here) = match first(part) {
        None => (None, None),
        Some((dim, _)) => {
            let selected = part.selected.get(dim);
            (Some(dim), selected.map(|selected| section(selected, batch.from + done, 1)))
        }
    };
    let axis = dim.and_then(|dim| part.axes.get(dim)?.as_ref());
    let at = here.as_ref().and_then(|here| here.runs.first()).map(|run| run.start);
    let time = axis.zip(here.as_ref()).and_then(|(axis, here)| *axis.instants_at(here)?.first()?);
    let coord = axis.filter(|axis| axis.instants.is_none()).zip(here.as_ref());
    let coord = coord.and_then(|(axis, here)| axis.values_at(here).first().copied());
    let rest = || part.kept().skip(1);
    let counts = part.counts();
    let size = |dim: usize| Value::Int(counts.get(dim).map_or(0, |n| *n as i64));
    let name = |dim: usize| facts.dims.get(dim).map_or(Value::Null, |name| Value::Text(name.clone()));
    let (mut shape, mut dims): (Vec<Value>, Vec<Value>) = rest().map(|dim| (size(dim), name(dim))).unzip();
    if let Some(Onto { slice, .. }) = &bound.onto {
        shape.extend([slice.height, slice.width].map(|side| Value::Int(side.into())));
        dims.extend(["y", "x"].map(|dim| Value::Text(dim.into())));
    }
    let values = [
        Value::Text(part.source.path().to_string()),
        at.map_or(Value::Null, |at| Value::Int(at as i64)),
        time.map_or(Value::Null, Value::Timestamp),
        coord.map_or(Value::Null, Value::Double),
        Value::Null,
        Value::List(shape),
        Value::List(dims),
    ];
    for (index, (value, column)) in values.iter().zip(DOC.columns).enumerate() {
        if let (Some(vector), true) = (out.column(index), column.name != "data") {
            value.write(vector, row);
        }
    }
    let data = DOC.column("data").and_then(|data| out.column(data));
    let (Some(data), Some(values)) = (data, &batch.values) else { return Ok(0) };
    let total = match values {
        Values::Stored(pixels) => pixels.len(),
        Values::Warped(planes) => planes.len(),
    };
    let length = total / batch.count.max(1) as usize;
    let from = done as usize * length;
    let (places, start) = data.push_list(row, length);
    let gaps = with_dtype!(bound.dtype, T => {
        let out = places.slice_mut::<T>(start, length);
        match values {
            Values::Warped(planes) => planes.write(from, bound.decoding.fill, out),
            Values::Stored(pixels) => {
                let short = || Error::Bug("a batch is short".into());
                decode(&pixels.slice(from, length).ok_or_else(short)?, facts, &bound.decoding, out)
            }
        }
    })?;
    places.set_null_runs(start, &gaps);
    Ok((length * bound.dtype.size()) as u64)
}
