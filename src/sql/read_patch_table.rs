//! `FROM read_patch(source)`: streams patches of rasters, or of a registry, in bounded memory.

use std::sync::{Arc, Mutex, PoisonError};

use crate::dtype::{DTYPES, Dtype, Nodata, Pixel};
use crate::error::{Error, Result};
use crate::files;
use crate::format::Header;
use crate::grid::edge::{EDGES, Edge};
use crate::progress::Progress;
use crate::read::patch::{
    Held, PatchOptions, band_numbers, check_patch, common_dtype, copy_patch, fetch_patch, pixel_count,
};
use crate::read::source::Source;
use crate::read::{HELD_BYTES, Limits};
use crate::sql::args::Args;
use crate::sql::callback::{Plan, TableFunction};
use crate::sql::chunk::{Chunk, Vector};
use crate::sql::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::sql::read_patch::{BANDS, BOUNDLESS, FILL, SCALED, patch_options};
use crate::sql::registry_rows::{Registry, RegistryRow};
use crate::sql::types::SqlType;
use crate::sql::value::Value;
use crate::window::Window;
use crate::with_dtype;
use crate::workers::Ordered;

pub struct ReadPatchTable;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_patch",
    kind: Kind::Table,
    summary: "Streams the patches of rasters, or of a registry, in bounded memory.",
    parameters: &[
        Parameter {
            name: "source",
            types: "VARCHAR | VARCHAR[] | TABLE[]",
            given: Given::Required,
            meaning: "Rasters (a path, a glob, a list), each cut by size, stride and edge; or a registry: the path of a `.parquet` file, or a LIST of STRUCT, with columns `path` and `win`.",
        },
        named(
            "size",
            "BIGINT | BIGINT[]",
            "128",
            "Height and width of a patch over a raster: one number, or [rows, cols].",
        ),
        named("stride", "BIGINT | BIGINT[]", "size", "Rows and columns from one patch to the next."),
        named(
            "edge",
            "VARCHAR",
            "'snap'",
            "`drop`, `snap`, `overflow`, `center` or `pad`, as in geo_patch_grid.",
        ),
        named("bands", "BIGINT[] | VARCHAR[]", "all", BANDS),
        named("scaled", "BOOLEAN", "false", SCALED),
        named("fill", "DOUBLE | VARCHAR", "NULL", FILL),
        named("boundless", "BOOLEAN", "false", BOUNDLESS),
        named(
            "dtype",
            "VARCHAR",
            "the first file's",
            "Type of `data`: the file's own (once scaled, a float), or `float32` or `float64`.",
        ),
        named(
            "on_error",
            "VARCHAR",
            "'fail'",
            "A patch that can not be read stops the query (`fail`), is left out (`skip`), or gets NULL data and a column `error` (`report`).",
        ),
    ],
    columns: &[
        column(
            "path",
            "VARCHAR",
            "The raster. Over a registry, its columns come first, in their order, except those named like one of the following.",
        ),
        column("patch_id", "BIGINT", "Over rasters: place in the full grid, row-major."),
        column(
            "win",
            "STRUCT(row_off BIGINT, col_off BIGINT, height INTEGER, width INTEGER)",
            "The window, in pixels.",
        ),
        column(
            "data",
            "ANY[]",
            "Pixels in the order [band, row, col], in the type of `dtype`; NULL where there is none.",
        ),
        column("shape", "INTEGER[3]", "Bands, rows, columns of `data`."),
        column(
            "transform",
            "DOUBLE[6]",
            "GDAL's six numbers of the window; NULL when the raster has no geotransform.",
        ),
        column("crs", "VARCHAR", "CRS of the raster; NULL when it has none."),
        column(
            "error",
            "VARCHAR",
            "Only with `on_error := 'report'`: why the patch could not be read, else NULL.",
        ),
    ],
    nulls: "No parameter may be NULL. A registry row whose path or win is NULL is an error.",
    errors: &[
        "source: no such file, no raster, no Parquet, or a registry without path and win",
        "size, stride, edge: as in geo_patch_grid",
        "dtype: not the file's own type and no float; files of one query that differ in type",
        "a window wholly outside its raster, unless boundless",
        "pixels that can not be decoded: the file, the band and the window are named",
    ],
    examples: &[
        Example {
            title: "Every patch of a raster, in its own type",
            sql: "SELECT patch_id, win.col_off AS col, shape, len(data) AS n, list_min(data) AS lowest, typeof(data) AS type\n\
                  FROM read_patch('test/data/small/sst_20180101.tif', size := 12, edge := 'drop');",
            rows: &[
                "0\t0\t[1, 12, 12]\t144\t0.0\tFLOAT[]",
                "1\t12\t[1, 12, 12]\t144\t0.75\tFLOAT[]",
                "2\t24\t[1, 12, 12]\t144\t1.5\tFLOAT[]",
            ],
        },
        Example {
            title: "Rows of a registry, given as a list",
            sql: "SELECT split, data FROM read_patch([\n\
                  \x20   {path: 'test/data/small/sst_20180101.tif', win: {row_off: 0, col_off: 0, height: 1, width: 3}, split: 'train'},\n\
                  \x20   {path: 'test/data/small/sst_20190101.tif', win: {row_off: 0, col_off: 0, height: 1, width: 3}, split: 'val'}]);",
            rows: &["train\t[0.0, 0.0625, 0.125]", "val\t[2.0, 2.0625, 2.125]"],
        },
    ],
    references: &[
        "rasterio: DatasetReader.read(window, masked = True, boundless = True), DatasetReader.window_transform",
    ],
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnError {
    Fail,
    Skip,
    Report,
}

const ON_ERROR: [(&str, OnError); 3] =
    [("fail", OnError::Fail), ("skip", OnError::Skip), ("report", OnError::Report)];

/// Where the patches come from.
enum Origin {
    Rasters { paths: Vec<String>, size: (usize, usize), stride: (usize, usize), edge: Edge },
    Registry(Registry),
}

pub struct Bound {
    origin: Origin,
    options: PatchOptions,
    dtype: Dtype,
    /// How many bands the first file gives: what a patch costs is reckoned with it.
    bands: usize,
    on_error: OnError,
    types: Vec<SqlType>,
    /// For each column before `data`, its place in the rows of the origin.
    carried: Vec<usize>,
    limits: Limits,
}

pub struct Scan {
    patches: Mutex<Feed>,
    bound: Arc<Bound>,
    progress: Progress,
}

struct Feed {
    pool: Ordered<Vec<Outcome>>,
    left: std::vec::IntoIter<Outcome>,
}

/// A patch whose blocks are decoded, and which is yet to be copied into a chunk.
struct Outcome {
    carried: Vec<Value>,
    ready: Result<Ready>,
}

/// It names its file and does not hold it: patches of as many files must not keep them all open.
struct Ready {
    path: String,
    header: Arc<Header>,
    window: Window,
    bands: Vec<usize>,
    /// Nothing when the query does not ask for pixels, or when the blocks are left to the cache.
    held: Option<Held>,
}

/// Pixels of one chunk: past this, a chunk ends, so that it stays in the processor's cache and an interrupt is
/// soon seen.
const CHUNK_BYTES: usize = 4 << 20;
/// Pixels that one job makes ready: enough to pay for the trip.
const JOB_BYTES: usize = 1 << 20;
/// Jobs ahead of the reader, for each worker.
const JOBS_AHEAD: usize = 4;

impl TableFunction for ReadPatchTable {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = Scan;

    fn bind(args: &Args, limits: Limits) -> Result<Plan<Bound>> {
        let options = patch_options(args)?;
        let on_error =
            args.choice("on_error", "a rule for broken files", &ON_ERROR)?.unwrap_or(OnError::Fail);
        let origin = origin(args)?;
        let first = first_path(&origin, on_error)?;
        let dtype = dtype(args, first.as_deref(), &options, on_error)?;
        check_fill(args, &options, dtype)?;
        let first_bands =
            first.as_deref().map(|path| Source::open(path).and_then(|s| band_numbers(&s, &options)));
        let bands = first_bands.and_then(Result::ok).map_or(1, |bands| bands.len());
        let theirs = match &origin {
            Origin::Registry(registry) => registry.columns.clone(),
            Origin::Rasters { .. } => {
                let column = |c: &Column| Ok((c.name.to_string(), SqlType::parse(c.types)?));
                DOC.columns.iter().take(3).map(column).collect::<Result<_>>()?
            }
        };
        let mut columns = Vec::new();
        let mut carried = Vec::new();
        for (place, (name, ty)) in theirs.into_iter().enumerate() {
            // A registry carries the grid's crs, say: what read_patch gives itself, it gives from the file.
            if !DOC.columns.iter().skip(3).any(|ours| name.eq_ignore_ascii_case(ours.name)) {
                columns.push((name, ty));
                carried.push(place);
            }
        }
        for column in DOC.columns.iter().skip(3) {
            let ty = match column.name {
                "data" => sql_type(dtype).list(),
                "error" if on_error != OnError::Report => continue,
                _ => SqlType::parse(column.types)?,
            };
            columns.push((column.name.to_string(), ty));
        }
        let rows = match &origin {
            Origin::Registry(registry) if on_error != OnError::Skip => Some(registry.rows),
            _ => None,
        };
        let types = columns.iter().map(|(_, ty)| ty.clone()).collect();
        Ok(Plan {
            columns,
            rows,
            bound: Bound { origin, options, dtype, bands, on_error, types, carried, limits },
        })
    }

    fn start(bound: &Arc<Bound>, wanted: &[usize]) -> Result<Scan> {
        // Which rows there are must not depend on the columns asked for.
        let with_pixels = wanted.contains(&bound.carried.len()) || bound.on_error != OnError::Fail;
        let rows = rows(bound)?;
        let jobs = Jobs { rows, bytes_per_pixel: bound.dtype.size() * bound.bands };
        let work_bound = bound.clone();
        let work = move |rows: Vec<Result<RegistryRow>>| {
            let mut room = HELD_BYTES;
            rows.into_iter().map(|row| outcome(&work_bound, row, with_pixels, &mut room)).collect()
        };
        let threads = bound.limits.threads;
        let pool = Ordered::start(jobs, threads, threads * JOBS_AHEAD, work)?;
        let feed = Feed { pool, left: Vec::new().into_iter() };
        let total = match &bound.origin {
            Origin::Registry(registry) => Some(registry.rows),
            Origin::Rasters { .. } => None,
        };
        let progress = Progress::start(DOC.name, total);
        Ok(Scan { patches: Mutex::new(feed), bound: bound.clone(), progress })
    }

    fn threads(bound: &Bound) -> usize {
        bound.limits.threads
    }

    fn next(scan: &Scan, out: &mut Chunk<'_>) -> Result<()> {
        loop {
            let patches = take(scan, out.capacity())?;
            let rows = write_rows(&scan.bound, &patches, out)?;
            // A chunk without rows ends the scan: where all were left out, the next are taken.
            if rows > 0 || patches.is_empty() {
                out.set_rows(rows);
                return Ok(());
            }
        }
    }
}

/// The patches of one chunk. What follows, the copying, needs no lock.
fn take(scan: &Scan, capacity: usize) -> Result<Vec<Outcome>> {
    let mut feed = scan.patches.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut patches, mut bytes) = (Vec::new(), 0);
    while patches.len() < capacity && bytes < CHUNK_BYTES {
        match feed.left.next() {
            Some(outcome) => {
                bytes += outcome.ready.as_ref().map_or(0, |r| r.pixels() * scan.bound.dtype.size());
                scan.progress.count(outcome.ready.is_err());
                patches.push(outcome);
            }
            None => match feed.pool.next() {
                Some(batch) => feed.left = batch?.into_iter(),
                None => break,
            },
        }
    }
    Ok(patches)
}

impl Ready {
    fn pixels(&self) -> usize {
        pixel_count(&self.window, self.bands.len())
    }
}

fn origin(args: &Args) -> Result<Origin> {
    let must =
        "a raster's path, a glob, a list of those, or a registry (a .parquet path, or a list of structs)";
    let source = args.required("source", must)?;
    let grid_parameter = ["size", "stride", "edge"].into_iter().find(|p| args.get(p).is_some());
    let registry = match source {
        Value::Text(path) if path.to_lowercase().ends_with(".parquet") => Some(Registry::parquet(path)),
        Value::List(items) if matches!(items.first(), Some(Value::Struct(_))) => Some(Registry::list(items)),
        _ => None,
    };
    if let Some(registry) = registry {
        let registry = registry.map_err(args.place("source"))?;
        return match grid_parameter {
            None => Ok(Origin::Registry(registry)),
            Some(parameter) => {
                let problem = "a registry has its own windows";
                Err(args.place(parameter)(Error::conflict(problem, "Leave size, stride and edge out")))
            }
        };
    }
    if let Value::Text(name) = source
        && !name.contains(['/', '.', '*'])
        && files::stamp(name).is_err()
    {
        let problem = format!("\"{name}\" is no file, and a table can not be read by name");
        let remedy = format!(
            "COPY {name} TO 'registry.parquet' and read that, or SET VARIABLE rows = (SELECT list({name}) FROM {name}) and read getvariable('rows')"
        );
        return Err(args.place("source")(Error::conflict(problem, remedy)));
    }
    let is_parquet = |v: &Value| matches!(v, Value::Text(path) if path.to_lowercase().ends_with(".parquet"));
    if matches!(source, Value::List(items) if items.iter().any(is_parquet)) {
        let problem = "a registry is one .parquet file, and no list of them";
        let remedy = "COPY (FROM 'registries_*.parquet') TO 'registry.parquet' puts several into one";
        return Err(args.place("source")(Error::conflict(problem, remedy)));
    }
    let patterns = args.paths("source").map_err(|_| args.place("source")(Error::invalid(source, must)))?;
    let paths = files::expand(&patterns).map_err(args.place("source"))?;
    let size = args.pair("size", 1, 1 << 20)?.unwrap_or((128, 128));
    let stride = args.pair("stride", 1, 1 << 20)?.unwrap_or(size);
    let edge = args.choice("edge", "an edge rule", &EDGES)?.unwrap_or(Edge::Snap);
    if let (Some(path), OnError::Fail) = (paths.first(), on_error(args)?) {
        let source = Source::open(path).map_err(args.place("source"))?;
        let header = source.header();
        edge.starts(header.height, size.0, stride.0).map_err(args.place("size"))?;
        edge.starts(header.width, size.1, stride.1).map_err(args.place("size"))?;
    }
    Ok(Origin::Rasters { paths, size, stride, edge })
}

fn on_error(args: &Args) -> Result<OnError> {
    Ok(args.choice("on_error", "a rule for broken files", &ON_ERROR)?.unwrap_or(OnError::Fail))
}

/// A file whose header tells the type of `data`: the first that opens.
fn first_path(origin: &Origin, on_error: OnError) -> Result<Option<String>> {
    let opens = |path: &String| on_error == OnError::Fail || Source::open(path).is_ok();
    Ok(match origin {
        Origin::Rasters { paths, .. } => paths.iter().find(|path| opens(path)).cloned(),
        Origin::Registry(registry) => {
            let mut rows = registry.read()?.filter_map(std::result::Result::ok).map(|row| row.path);
            rows.find(opens)
        }
    })
}

fn dtype(args: &Args, first: Option<&str>, options: &PatchOptions, on_error: OnError) -> Result<Dtype> {
    let asked = args.choice("dtype", "a pixel type", &DTYPES)?;
    let own = match first {
        None => None,
        Some(path) => {
            let bands = Source::open(path).and_then(|source| {
                let bands = band_numbers(&source, options)?;
                common_dtype(&source, &bands)
            });
            match bands {
                Ok(dtype) => Some(dtype),
                Err(error) if on_error == OnError::Fail => return Err(error),
                Err(_) => None,
            }
        }
    };
    // Scaled values are no longer the stored integers.
    let natural = match own.unwrap_or(Dtype::Float32) {
        own if !options.scaled || matches!(own, Dtype::Float32 | Dtype::Float64) => own,
        own if own.size() <= 2 => Dtype::Float32,
        _ => Dtype::Float64,
    };
    match asked {
        None => Ok(natural),
        Some(asked) if asked == natural || matches!(asked, Dtype::Float32 | Dtype::Float64) => Ok(asked),
        Some(asked) => {
            let why = if options.scaled { " once scaled" } else { "" };
            let problem = format!("the pixels are {natural}{why}, which {asked} does not hold");
            let own = if matches!(natural, Dtype::Float32 | Dtype::Float64) {
                String::new()
            } else {
                format!("{natural}, ")
            };
            let remedy = format!("One of: {own}float32, float64");
            Err(args.place("dtype")(Error::conflict(problem, remedy)))
        }
    }
}

/// A fill value that the type does not hold would become another one without a word.
fn check_fill(args: &Args, options: &PatchOptions, dtype: Dtype) -> Result<()> {
    let Some(fill) = options.fill else { return Ok(()) };
    if with_dtype!(dtype, T => <T as Pixel>::nodata(Nodata::Float(fill)).is_some()) {
        return Ok(());
    }
    let error = Error::conflict(format!("{fill} is no value of {dtype} pixels"), "Give dtype := 'float32'");
    Err(args.place("fill")(error))
}

fn sql_type(dtype: Dtype) -> SqlType {
    match dtype {
        Dtype::Int8 => SqlType::TinyInt,
        Dtype::UInt8 => SqlType::UTinyInt,
        Dtype::Int16 => SqlType::SmallInt,
        Dtype::UInt16 => SqlType::USmallInt,
        Dtype::Int32 => SqlType::Integer,
        Dtype::UInt32 => SqlType::UInteger,
        Dtype::Int64 => SqlType::BigInt,
        Dtype::UInt64 => SqlType::UBigInt,
        Dtype::Float32 => SqlType::Float,
        Dtype::Float64 => SqlType::Double,
    }
}

type Rows = Box<dyn Iterator<Item = Result<RegistryRow>> + Send>;

/// The patches to read, in order, made as they are asked for.
fn rows(bound: &Arc<Bound>) -> Result<Rows> {
    match &bound.origin {
        Origin::Registry(registry) => registry.read(),
        Origin::Rasters { paths, .. } => {
            let bound = bound.clone();
            let files = paths.clone().into_iter();
            Ok(Box::new(files.flat_map(move |path| match windows(&bound, &path) {
                Ok(windows) => windows,
                Err(error) => Box::new(std::iter::once(Err(error.at(format!("read_patch: {path}"))))),
            })))
        }
    }
}

fn windows(bound: &Bound, path: &str) -> Result<Rows> {
    let Origin::Rasters { size, stride, edge, .. } = &bound.origin else {
        return Err(Error::Bug("no raster".into()));
    };
    let (size, path) = (*size, path.to_string());
    let source = match (Source::open(&path), bound.on_error) {
        (Ok(source), _) => source,
        (Err(error), OnError::Fail) => return Err(error),
        // The file's one row carries its error: it is met again when its first patch is read.
        (Err(_), _) => {
            let window = Window::new(0, 0, size.0 as i64, size.1 as i64)?;
            let carried = vec![Value::Text(path.clone()), Value::Null, Value::Null];
            return Ok(Box::new(std::iter::once(Ok(RegistryRow { path, window, carried }))));
        }
    };
    let header = source.header();
    let row_starts = edge.starts(header.height, size.0, stride.0)?;
    let col_starts = edge.starts(header.width, size.1, stride.1)?;
    let count = row_starts.len() * col_starts.len();
    Ok(Box::new((0..count).map(move |id| {
        let (row, col) = (row_starts.get(id / col_starts.len()), col_starts.get(id % col_starts.len()));
        let (Some(&row), Some(&col)) = (row, col) else { return Err(Error::Bug(format!("no patch {id}"))) };
        let window = Window::new(row, col, size.0 as i64, size.1 as i64)?;
        let win = [row, col, i64::from(window.height), i64::from(window.width)];
        let win = win.map(|n| (String::new(), Value::Int(n))).to_vec();
        let carried = vec![Value::Text(path.clone()), Value::Int(id as i64), Value::Struct(win)];
        Ok(RegistryRow { path: path.clone(), window, carried })
    })))
}

/// Puts neighbouring patches together until a job is worth the trip.
struct Jobs {
    rows: Rows,
    bytes_per_pixel: usize,
}

impl Iterator for Jobs {
    type Item = Result<(usize, Vec<Result<RegistryRow>>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let (mut job, mut bytes) = (Vec::new(), 0usize);
        while bytes < JOB_BYTES && job.len() < 2048 {
            let Some(row) = self.rows.next() else { break };
            let cost = |row: &RegistryRow| pixel_count(&row.window, self.bytes_per_pixel).saturating_add(256);
            bytes = bytes.saturating_add(row.as_ref().map_or(0, cost));
            job.push(row);
        }
        (!job.is_empty()).then_some(Ok((1, job)))
    }
}

fn outcome(bound: &Bound, row: Result<RegistryRow>, with_pixels: bool, room: &mut usize) -> Result<Outcome> {
    let (carried, ready) = match row {
        Ok(row) => {
            let ready = ready(bound, &row, with_pixels, room);
            (row.carried, ready)
        }
        Err(error) => (Vec::new(), Err(error)),
    };
    match (ready, bound.on_error) {
        (Err(error), OnError::Fail) => Err(error),
        (ready, _) => Ok(Outcome { carried, ready }),
    }
}

fn ready(bound: &Bound, row: &RegistryRow, with_pixels: bool, room: &mut usize) -> Result<Ready> {
    let source = Source::open(&row.path)?;
    let bands = band_numbers(&source, &bound.options)?;
    let own = common_dtype(&source, &bands)?;
    if own != bound.dtype && !matches!(bound.dtype, Dtype::Float32 | Dtype::Float64) {
        let problem = format!("\"{}\" has {own} pixels, and the files before it {}", row.path, bound.dtype);
        return Err(Error::conflict(problem, "Give dtype := 'float32' or 'float64'"));
    }
    check_patch(&row.window, bands.len(), bound.dtype.size(), &bound.limits)?;
    let mut held = None;
    if with_pixels {
        let blocks = fetch_patch(&source, &row.window, &bands, &bound.options)?;
        if blocks.bytes <= *room {
            *room -= blocks.bytes;
            held = Some(blocks);
        }
    }
    Ok(Ready { path: row.path.clone(), header: source.header().clone(), window: row.window, bands, held })
}

/// Copies patches into a chunk; gives the number of rows.
fn write_rows(bound: &Bound, patches: &[Outcome], out: &Chunk<'_>) -> Result<usize> {
    let data = out.column(bound.carried.len());
    if let Some(data) = &data {
        data.reserve_list(patches.iter().filter_map(|p| p.ready.as_ref().ok()).map(Ready::pixels).sum());
    }
    let mut rows = 0;
    for patch in patches {
        let error = match (&patch.ready, &data) {
            (Ok(ready), Some(data)) => write_pixels(bound, ready, data, rows).err(),
            (Ok(_), None) => None,
            (Err(error), _) => Some(error.clone()),
        };
        match (&error, bound.on_error) {
            (Some(error), OnError::Fail) => return Err(error.clone()),
            (Some(_), OnError::Skip) => continue,
            _ => write_row(bound, patch, error.as_ref(), out, rows),
        }
        rows += 1;
    }
    Ok(rows)
}

fn write_pixels(bound: &Bound, ready: &Ready, data: &Vector<'_>, row: usize) -> Result<()> {
    let again;
    let held = match &ready.held {
        Some(held) => held,
        None => {
            let source = Source::open(&ready.path)?;
            again = fetch_patch(&source, &ready.window, &ready.bands, &bound.options)?;
            &again
        }
    };
    let (places, first) = data.push_list(row, ready.pixels());
    let gaps = with_dtype!(bound.dtype, T => {
        let out = places.slice_mut::<T>(first, ready.pixels());
        copy_patch(&ready.header, &ready.window, &ready.bands, &bound.options, held, out)
    })?;
    places.set_null_runs(first, &gaps);
    Ok(())
}

/// Writes all columns but the pixels, which are there unless there is an error.
fn write_row(bound: &Bound, patch: &Outcome, error: Option<&Error>, out: &Chunk<'_>, row: usize) {
    for (index, ty) in bound.types.iter().enumerate() {
        let Some(vector) = out.column(index) else { continue };
        if let Some(place) = bound.carried.get(index) {
            patch.carried.get(*place).unwrap_or(&Value::Null).write(&vector, row, ty);
            continue;
        }
        let ready = patch.ready.as_ref().ok().filter(|_| error.is_none());
        let header = ready.map(|r| &r.header);
        match (index - bound.carried.len(), ready, header) {
            (0, Some(_), _) => {}
            (1, Some(ready), _) => {
                let window = &ready.window;
                let shape = [ready.bands.len() as i32, window.height as i32, window.width as i32];
                vector.array_child(3).slice_mut::<i32>(row * 3, 3).copy_from_slice(&shape);
            }
            (2, Some(ready), Some(header)) => match header.transform {
                Some(transform) => {
                    let six = transform.of_window(&ready.window).0;
                    vector.array_child(6).slice_mut::<f64>(row * 6, 6).copy_from_slice(&six);
                }
                None => vector.set_null(row, ty),
            },
            (3, _, Some(header)) => match &header.crs {
                Some(crs) => vector.set_bytes(row, crs.as_bytes()),
                None => vector.set_null(row, ty),
            },
            (4, _, _) => match error {
                Some(error) => vector.set_bytes(row, error.to_string().as_bytes()),
                None => vector.set_null(row, ty),
            },
            _ => vector.set_null(row, ty),
        }
    }
}
