//! `FROM read_variables(paths)`: what array files hold, a row a variable.

use std::sync::{Arc, Mutex, PoisonError};

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::table::{Plan, TableFunction};
use crate::dtype::Nodata;
use crate::error::Result;
use crate::files;
use crate::format::array::{Attribute, Variable};
use crate::limits::Limits;
use crate::read::array::ArraySource;
use crate::value::Value;

/// The table function `read_variables`.
pub struct ReadVariables;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_variables",
    kind: Kind::Table,
    summary: "Lists what array files hold, a row a variable; `FROM 'cube.nc'` does this.",
    parameters: &[Parameter {
        name: "paths",
        types: "VARCHAR | VARCHAR[]",
        given: Given::Required,
        meaning: "NetCDF, HDF5 or GRIB files, Zarr stores (folders or zip files), globs, or a list of those.",
    }],
    columns: &[
        column("path", "VARCHAR", "The file, as the glob found it."),
        column(
            "variable",
            "VARCHAR",
            "Its name; in a group its path, `ocean/temp`. What `read_array` takes.",
        ),
        column("dims", "VARCHAR[]", "Names of its dimensions, slowest first."),
        column("shape", "BIGINT[]", "Their sizes."),
        column("dtype", "VARCHAR", "The stored type, as NumPy names it."),
        column("chunk", "BIGINT[]", "Sizes of the chunks it is stored in; NULL when it lies in one piece."),
        column("nodata", "DOUBLE", "The stored value that stands for none."),
        column("scale", "DOUBLE", "`value = stored * scale + offset`, NULL is 1."),
        column("offset", "DOUBLE", "NULL is 0."),
        column("unit", "VARCHAR", "Its `units`."),
        column("attributes", "MAP(VARCHAR, VARCHAR)", "All attributes, lists as `[1, 2]`."),
    ],
    nulls: "No parameter may be NULL.",
    errors: &["paths: no file matches a glob; a file is absent, not an array file, or damaged"],
    examples: &[
        Example {
            title: "What is in a cube",
            sql: "SELECT variable, dims, shape, dtype, chunk, unit FROM 'test/data/small/ocean.zarr' WHERE len(dims) > 1;",
            rows: &["temp\t[time, depth, lat, lon]\t[2, 2, 3, 6]\tint16\t[1, 2, 3, 6]\tdegC"],
        },
        Example {
            title: "Its attributes",
            sql: "SELECT variable, attributes['units'] AS units FROM read_variables('test/data/small/ocean.zarr') WHERE variable = 'time';",
            rows: &["time\tdays since 2020-01-01"],
        },
    ],
    references: &["ncdump -h; xarray: Dataset.info"],
};

impl TableFunction for ReadVariables {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Vec<String>;
    type Scan = Mutex<Scan>;

    fn bind(args: &Args, _limits: Limits) -> Result<Plan<Self::Bound>> {
        let paths = files::expand(&args.paths("paths")?).map_err(args.blame("paths"))?;
        Ok(Plan { columns: DOC.schema()?, rows: None, bound: paths })
    }

    fn start(bound: &Arc<Self::Bound>, _wanted: &[usize]) -> Result<Self::Scan> {
        Ok(Mutex::new(Scan { paths: bound.clone(), next: 0, open: None }))
    }

    fn next(scan: &Self::Scan, out: &mut Chunk<'_>) -> Result<()> {
        let mut scan = scan.lock().unwrap_or_else(PoisonError::into_inner);
        let mut row = 0;
        while row < out.capacity() {
            let (source, index) = match scan.open.take() {
                Some(open) => open,
                None => match scan.paths.get(scan.next) {
                    Some(path) => (ArraySource::open(path)?, 0),
                    None => break,
                },
            };
            let Some(variable) = source.header().variables.get(index) else {
                scan.next += 1;
                continue;
            };
            out.write(row, cells(source.path(), variable));
            row += 1;
            scan.open = Some((source, index + 1));
        }
        out.set_rows(row);
        Ok(())
    }
}

/// The file whose variables come next, and how many of it were given.
pub struct Scan {
    paths: Arc<Vec<String>>,
    next: usize,
    open: Option<(Arc<ArraySource>, usize)>,
}

fn cells(path: &str, variable: &Variable) -> [Value; 11] {
    let text = |text: &str| Value::Text(text.to_string());
    let number = |number: Option<f64>| number.map_or(Value::Null, Value::Double);
    let sizes = |sizes: &[u64]| Value::List(sizes.iter().map(|n| Value::Int(*n as i64)).collect());
    let attributes = variable.attributes.iter().map(|(name, value)| (text(name), Value::Text(shown(value))));
    [
        text(path),
        text(&variable.name),
        Value::List(variable.dims.iter().map(|dim| text(dim)).collect()),
        sizes(&variable.shape),
        text(&variable.dtype_name),
        variable.chunk.as_deref().map_or(Value::Null, sizes),
        number(variable.nodata.map(Nodata::f64)),
        number(variable.scale),
        number(variable.offset),
        variable.unit.as_deref().map_or(Value::Null, text),
        Value::Map(attributes.collect()),
    ]
}

fn shown(value: &Attribute) -> String {
    fn list<T: ToString>(values: &[T]) -> String {
        match values {
            [one] => one.to_string(),
            many => format!("[{}]", many.iter().map(T::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
    match value {
        Attribute::Text(text) => text.clone(),
        Attribute::Texts(texts) => list(texts),
        Attribute::Integers(values) => list(values),
        Attribute::Numbers(values) => list(values),
    }
}
