//! `FROM read_array(paths, variable)`: streams an array, a row for each place on its first dimension.

use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::bridge::record::text;
use crate::bridge::table::{Plan, TableFunction};
use crate::dtype::with_dtype;
use crate::dtype::{DTYPES, Dtype, Nodata, Pixel};
use crate::error::{Error, Result};
use crate::files;
use crate::limits::Limits;
use crate::progress::Progress;
use crate::read::array_plan::{Opened, Part};
use crate::read::array_slice::GridTarget;
use crate::read::array_stream::{ArrayReading, ArrayRow, ArrayStream};
use crate::read::values::Decoding;
use crate::sql::array::array_job::natural;
use crate::sql::array::array_rows::ArrayReader;
use crate::sql::array::selection::{
    FILL, ISEL, MASKED, MERGES_OF_FILES, ONTO, OPTIONS, PATH, RESAMPLING, Request, SCALED, SEL, TOLERANCE,
    VARIABLE, option,
};
use crate::sql::raster::patch_scan::sql_type;
use crate::sql::shared::registries::registry;
use crate::sql::shared::row_scan::{self, ERROR, ON_ERROR_OF_ROWS};
use crate::value::Value;

/// The table function `read_array`.
pub struct ReadArrayTable;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_array",
    kind: Kind::Table,
    summary: "Streams an array along its first dimension, or windows of arrays of a registry.",
    parameters: &[
        Parameter {
            name: "paths",
            types: "VARCHAR | VARCHAR[] | TABLE[]",
            given: Given::Required,
            meaning: text![
                PATH,
                " Or a registry: the path of a `.parquet` file, or a LIST of STRUCT, with a column `paths` (or `path`), whose rows each are read as by the scalar. Columns `sel`, `isel` and `slice` of it add to the parameters of these names, and `selection` STRUCT is the scalar's."
            ],
        },
        Parameter {
            name: "variable",
            types: "VARCHAR",
            given: Given::Required,
            meaning: text![VARIABLE, " NULL where a registry has a column `variable`."],
        },
        named(
            "sel",
            "STRUCT",
            "NULL",
            text![
                SEL,
                " The scalar takes such fields beside its options too, `{time: '2000-01', fill: 'nan'}`; here they stand in `sel` alone."
            ],
        ),
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
            "Type of `data`, which the scalar gives as FLOAT alone: the variable's own (once scaled or resampled, a float; `nearest`, `mode`, `min`, `max`, `med`, `q1` and `q3` pick values), or `float32` or `float64`.",
        ),
        ON_ERROR_OF_ROWS,
    ],
    columns: &[
        column(
            "path",
            "VARCHAR",
            "The file. Over a registry, its columns come first, in their order, except those named like `data` or a column behind it.",
        ),
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
        column(
            "coords",
            "MAP(VARCHAR, DOUBLE[])",
            "Over a registry: the coordinates of every dimension that has them, those taken away too; `data`, `shape` and `dims` are then of all dimensions that stay.",
        ),
        column("times", "TIMESTAMP[]", "Over a registry: the times of the time axis, NULL without one."),
        ERROR,
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
        Example {
            title: "Windows, a row of a registry each",
            sql: "SELECT id, data, dims, times[1] AS time FROM read_array([\n\
                  \x20   {id: 'a', path: 'test/data/small/ocean.zarr', isel: {time: 1, lat: [0, 1], lon: [0, 1]}},\n\
                  \x20   {id: 'b', path: 'test/data/small/ocean.zarr', isel: {time: 0, lat: [1, 2], lon: [4, 4]}}], 'temp', isel := {depth: 0});",
            rows: &[
                "a\t[28.0, 28.5, 31.0, 31.5]\t[lat, lon]\t2020-02-15 00:00:00",
                "b\t[15.0, 18.0]\t[lat, lon]\t2020-01-15 00:00:00",
            ],
        },
    ],
    references: &["xarray: DataArray.sel, DataArray.isel, decode_cf"],
};

/// What a call knows before any row.
pub enum Bound {
    /// An array, a row for each index.
    Array(Arc<ArrayReading>),
    /// A registry, a row for each of its own.
    Registry(Arc<row_scan::Bound<ArrayReader>>),
}

/// A scan under way.
pub enum Scan {
    /// Of an array.
    Array(ArrayStream, Arc<ArrayReading>, Progress),
    /// Of a registry.
    Registry(row_scan::Scan<ArrayReader>),
}

impl TableFunction for ReadArrayTable {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = Scan;

    fn bind(args: &Args, limits: Limits) -> Result<Plan<Bound>> {
        let mut request = Request::default();
        for name in OPTIONS {
            if let Some(value) = args.get(name) {
                option(&mut request, name, value)?;
            }
        }
        if let Some(records) = registry(args, "paths")? {
            let reader = ArrayReader::new(args, &records, request, limits)?;
            let (data, on_error) = (sql_type(reader.dtype()), row_scan::on_error(args)?);
            let Plan { columns, rows, bound } =
                row_scan::plan(&DOC, (records, reader), data, on_error, limits)?;
            return Ok(Plan { columns, rows, bound: Bound::Registry(Arc::new(bound)) });
        }
        if args.get("on_error").is_some() {
            let problem = "it says what becomes of a registry's rows, and no registry is given";
            return Err(args.blame("on_error")(Error::conflict(problem, "Leave it out")));
        }
        let paths = files::expand(&args.paths("paths")?).map_err(args.blame("paths"))?;
        let must = "the name of a variable";
        let Value::Text(variable) = args.required("variable", must)? else {
            return Err(args.blame("variable")(Error::invalid("NULL", must)));
        };
        let (onto, decoding) = (request.onto()?, request.decoding);
        let parts = request.parts(&paths, variable, &mut Opened::default())?;
        let dtype = dtype(args, &parts, &decoding, onto.as_ref())?;
        let reading = ArrayReading { parts, decoding, onto, dtype, limits };
        reading.check()?;
        let data = sql_type(dtype).list();
        let columns = DOC.schema_with(|name, ty| match name {
            "data" => Some(data.clone()),
            "coords" | "times" | "error" => None,
            _ => Some(ty),
        })?;
        let rows = Some(reading.rows());
        Ok(Plan { columns, rows, bound: Bound::Array(Arc::new(reading)) })
    }

    fn start(bound: &Arc<Bound>, wanted: &[usize]) -> Result<Scan> {
        match &**bound {
            Bound::Array(reading) => {
                let with_values = DOC.column("data").is_some_and(|data| wanted.contains(&data));
                let progress = Progress::start(DOC.name, Some(reading.rows()));
                Ok(Scan::Array(ArrayStream::start(reading, with_values)?, reading.clone(), progress))
            }
            Bound::Registry(bound) => row_scan::start(bound, wanted).map(Scan::Registry),
        }
    }

    fn threads(bound: &Bound) -> usize {
        match bound {
            Bound::Array(_) => 1,
            Bound::Registry(bound) => bound.threads(),
        }
    }

    fn next(scan: &Scan, out: &mut Chunk<'_>) -> Result<()> {
        match scan {
            Scan::Array(stream, reading, progress) => {
                let rows = stream.take(out.capacity())?;
                for (at, row) in rows.iter().enumerate() {
                    write_row(reading, row, out, at)?;
                    progress.count(false);
                }
                out.set_rows(rows.len());
                Ok(())
            }
            Scan::Registry(scan) => row_scan::next(scan, out),
        }
    }
}

fn dtype(args: &Args, parts: &[Part], decoding: &Decoding, onto: Option<&GridTarget>) -> Result<Dtype> {
    let asked = args.choice("dtype", "a type of values", &DTYPES)?;
    let mut found = None;
    for part in parts {
        let natural = natural(part, decoding, onto)?;
        let float = asked.filter(|asked| asked.is_float());
        let dtype = float.unwrap_or(natural);
        if found.is_some_and(|found| found != dtype) {
            let problem =
                format!("\"{}\" has {dtype} values, and the files before it others", part.source.path());
            return Err(Error::conflict(problem, "Give dtype := 'float32' or 'float64'"));
        }
        if let Some(asked) = asked.filter(|asked| *asked != dtype) {
            let problem = format!("the values are {natural}, which {asked} cannot hold");
            let error = Error::conflict(problem, format!("One of: {}", natural.offered()));
            return Err(args.blame("dtype")(error));
        }
        if let Some(fill) = decoding.fill
            && !with_dtype!(dtype, T => <T as Pixel>::nodata(Nodata::Float(fill)).is_some())
        {
            let problem = format!("{fill} is not a value of {dtype} values");
            return Err(args.blame("fill")(Error::conflict(problem, "Give dtype := 'float32'")));
        }
        found = Some(dtype);
    }
    found.ok_or_else(|| Error::Bug("nothing to read".into()))
}

fn write_row(reading: &ArrayReading, row: &ArrayRow, out: &mut Chunk<'_>, at: usize) -> Result<()> {
    for (index, column) in DOC.columns.iter().enumerate() {
        let Some(vector) = out.column(index) else { continue };
        let value = match column.name {
            "path" => Value::Text(row.path()?.to_string()),
            "place" => row.index().map_or(Value::Null, |index| Value::Int(index as i64)),
            "time" => row.time().map_or(Value::Null, Value::Timestamp),
            "coord" => row.coordinate().map_or(Value::Null, Value::Double),
            "shape" => {
                Value::List(row.dims()?.into_iter().map(|(_, size)| Value::Int(size as i64)).collect())
            }
            "dims" => {
                Value::List(row.dims()?.into_iter().map(|(name, _)| Value::Text(name.into())).collect())
            }
            "data" => {
                let length = row.length();
                let (child, first) = vector.push_list(at, length);
                let gaps = with_dtype!(reading.dtype, T => row.copy(child.slice_mut::<T>(first, length)))?;
                child.set_null_runs(first, &gaps);
                continue;
            }
            other => return Err(Error::Bug(format!("nothing fills column {other}"))),
        };
        value.write(vector, at);
    }
    Ok(())
}
