//! Streams of patches: what `read_patch` and `read_blocks` share. Workers decode ahead of DuckDB, in order and
//! within a budget; DuckDB's threads copy patches into their chunks.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Column, FunctionDoc};
use crate::bridge::table::Plan;
use crate::bridge::vector::Vector;
use crate::dtype::{DTYPES, Dtype, Nodata, Pixel};
use crate::error::{Error, Result};
use crate::files::Location;
use crate::format::Header;
use crate::grid::edge::Edge;
use crate::grid::registry::{Registry, RegistryRow, Target};
use crate::limits::Limits;
use crate::on_error::{ON_ERROR, OnError};
use crate::progress::Progress;
use crate::read::HELD_BYTES;
use crate::read::patch::{
    Held, PatchOptions, Recent, band_numbers, block_keys, check_patch, common_dtype, copy_patch, fetch_patch,
    pixel_count,
};
use crate::read::source::Source;
use crate::sql::shared::options::patch_options;
use crate::sql::shared::remedies::told;
use crate::sql_type::SqlType;
use crate::value::Value;
use crate::window::Window;
use crate::with_dtype;
use crate::workers::Ordered;

/// How a raster is cut into windows.
// A variant's line says what its fields are.
#[allow(missing_docs)]
#[derive(Clone, Copy)]
pub enum Cut {
    /// Windows of one size, a stride apart.
    Grid { size: (usize, usize), stride: (usize, usize), edge: Edge },
    /// The blocks that the file is stored in.
    Blocks,
}

/// Where the patches come from.
// A variant's line says what its fields are.
#[allow(missing_docs)]
pub enum Origin {
    /// Rasters, cut into windows.
    Rasters { paths: Vec<String>, cut: Cut },
    /// The rows of a registry.
    Registry(Registry),
}

/// What a stream knows before any row.
pub struct Bound {
    function: &'static str,
    origin: Origin,
    options: PatchOptions,
    dtype: Dtype,
    /// How many bands the first file gives: what a patch costs is reckoned with it.
    bands: usize,
    on_error: OnError,
    /// For each column before `data`, its place in the rows of the origin.
    carried: Vec<usize>,
    limits: Limits,
}

impl Bound {
    /// How many threads may take patches at once.
    pub fn threads(&self) -> usize {
        self.limits.threads
    }
}

/// The columns of the documentation that come before `data` where a raster is cut: path, number, window.
const OWN: usize = 3;

/// A stream under way.
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

struct Ready {
    file: File,
    window: Window,
    /// Nothing when the query does not ask for pixels, or when the blocks are left to the cache.
    held: Option<Held>,
}

/// A file of the scan, looked at once for all of its patches.
#[derive(Clone)]
struct File {
    source: Arc<Source>,
    bands: Arc<[usize]>,
}

/// The files of the scan by path.
type Files = Mutex<FxHashMap<Arc<str>, Result<File>>>;

/// More files than this are looked at again.
const MAX_FILES: usize = 1 << 16;

/// Pixels of one chunk: past this, a chunk ends, so that it stays in the processor's cache and an interrupt is
/// soon seen.
const CHUNK_BYTES: usize = 4 << 20;
/// Pixels that one job makes ready: enough to pay for the trip.
const JOB_BYTES: usize = 1 << 20;
/// Jobs ahead of the reader, for each worker.
const JOBS_AHEAD: usize = 4;

/// # Errors
/// Arguments that are wrong, or a first file that can not be read.
pub fn bind(doc: &'static FunctionDoc, args: &Args, limits: Limits, origin: Origin) -> Result<Plan<Bound>> {
    let options = patch_options(args)?;
    let on_error = on_error(args)?;
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
            doc.columns.iter().take(OWN).map(column).collect::<Result<_>>()?
        }
    };
    let mut columns = Vec::new();
    let mut carried = Vec::new();
    for (place, (name, ty)) in theirs.into_iter().enumerate() {
        // A registry carries the grid's crs, say: what read_patch gives itself, it gives from the file.
        if !doc.columns.iter().skip(OWN).any(|ours| name.eq_ignore_ascii_case(ours.name)) {
            columns.push((name, ty));
            carried.push(place);
        }
    }
    for column in doc.columns.iter().skip(OWN) {
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
    Ok(Plan {
        columns,
        rows,
        bound: Bound { function: doc.name, origin, options, dtype, bands, on_error, carried, limits },
    })
}

/// # Errors
/// The registry can no longer be read, or there is no thread.
pub fn start(bound: &Arc<Bound>, wanted: &[usize]) -> Result<Scan> {
    // Which rows there are must not depend on the columns asked for.
    let with_pixels = wanted.contains(&bound.carried.len()) || bound.on_error != OnError::Fail;
    let rows = rows(bound)?;
    let jobs = Jobs { rows, bytes_per_pixel: bound.dtype.size() * bound.bands };
    let (files, work_bound) = (Files::default(), bound.clone());
    let work = move |rows: Vec<Result<RegistryRow>>| {
        let recent = Recent::default();
        let mut maker = Maker { bound: &work_bound, files: &files, with_pixels, room: HELD_BYTES, recent };
        maker.fetch_ahead(&rows);
        rows.into_iter().map(|row| maker.outcome(row)).collect()
    };
    let threads = bound.limits.threads;
    let pool = Ordered::start(jobs, threads, threads * JOBS_AHEAD, work)?;
    let feed = Feed { pool, left: Vec::new().into_iter() };
    let total = match &bound.origin {
        Origin::Registry(registry) => Some(registry.rows),
        Origin::Rasters { .. } => None,
    };
    let progress = Progress::start(bound.function, total);
    Ok(Scan { patches: Mutex::new(feed), bound: bound.clone(), progress })
}

/// # Errors
/// A patch that can not be read, unless such are left out or reported.
pub fn next(scan: &Scan, out: &mut Chunk<'_>) -> Result<()> {
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
    fn header(&self) -> &Header {
        self.file.source.header()
    }

    fn pixels(&self) -> usize {
        pixel_count(&self.window, self.file.bands.len())
    }
}

/// # Errors
/// Another word than the three.
pub fn on_error(args: &Args) -> Result<OnError> {
    Ok(args.choice("on_error", "a rule for broken files", &ON_ERROR)?.unwrap_or(OnError::Fail))
}

/// A file whose header tells the type of `data`: the first that opens.
fn first_path(origin: &Origin, on_error: OnError) -> Result<Option<String>> {
    let opens = |path: &String| on_error == OnError::Fail || Source::open(path).is_ok();
    Ok(match origin {
        Origin::Rasters { paths, .. } => paths.iter().find(|path| opens(path)).cloned(),
        Origin::Registry(registry) => {
            let targets = registry.read()?.filter_map(|row| row.ok()?.target.ok());
            targets.map(|target| target.path.to_string()).find(opens)
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
            let problem = format!("the pixels are {natural}{why}, which {asked} cannot hold");
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
    let error =
        Error::conflict(format!("{fill} is not a value of {dtype} pixels"), "Give dtype := 'float32'");
    Err(args.place("fill")(error))
}

/// The type of a column of such pixels.
pub fn sql_type(dtype: Dtype) -> SqlType {
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
        Origin::Rasters { paths, cut } => {
            let (bound, cut) = (bound.clone(), *cut);
            let files = paths.clone().into_iter();
            Ok(Box::new(files.flat_map(move |path| match windows(&bound, cut, &path) {
                Ok(windows) => windows,
                Err(error) => Box::new(std::iter::once(Err(error.at(format!("{}: {path}", bound.function))))),
            })))
        }
    }
}

fn windows(bound: &Bound, cut: Cut, path: &str) -> Result<Rows> {
    let path: Arc<str> = path.into();
    let source = match (Source::open(&path), bound.on_error) {
        (Ok(source), _) => source,
        (Err(error), OnError::Fail) => return Err(error),
        // The file's one row carries its error.
        (Err(error), _) => {
            let carried = vec![Value::Text(path.to_string()), Value::Null, Value::Null];
            return Ok(Box::new(std::iter::once(Ok(RegistryRow { target: Err(error), carried }))));
        }
    };
    let header = source.header().clone();
    let (height, width) = (header.height, header.width);
    let (size, row_starts, col_starts) = match cut {
        Cut::Grid { size, stride, edge } => {
            (size, edge.starts(height, size.0, stride.0)?, edge.starts(width, size.1, stride.1)?)
        }
        Cut::Blocks => {
            let block = header.block;
            (block, Edge::Pad.starts(height, block.0, block.0)?, Edge::Pad.starts(width, block.1, block.1)?)
        }
    };
    let count = row_starts.len() * col_starts.len();
    Ok(Box::new((0..count).map(move |id| {
        let (row, col) = (row_starts.get(id / col_starts.len()), col_starts.get(id % col_starts.len()));
        let (Some(&row), Some(&col)) = (row, col) else { return Err(Error::Bug(format!("no patch {id}"))) };
        let mut window = Window::new(row, col, size.0 as i64, size.1 as i64)?;
        if let Cut::Blocks = cut {
            // What a block at the edge holds beyond the raster is no pixel of it.
            window = window.clip(height, width).unwrap_or(window);
        }
        let win = [row, col, i64::from(window.height), i64::from(window.width)];
        let win = win.map(|n| (String::new(), Value::Int(n))).to_vec();
        let carried = vec![Value::Text(path.to_string()), Value::Int(id as i64), Value::Struct(win)];
        Ok(RegistryRow { target: Ok(Target { path: path.clone(), window }), carried })
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
            let window =
                row.as_ref().ok().and_then(|row| row.target.as_ref().ok()).map(|target| target.window);
            let pixels = window.map_or(0, |window| pixel_count(&window, self.bytes_per_pixel));
            bytes = bytes.saturating_add(pixels).saturating_add(256);
            job.push(row);
        }
        (!job.is_empty()).then_some(Ok((1, job)))
    }
}

/// Makes the patches of one job ready.
struct Maker<'a> {
    bound: &'a Bound,
    files: &'a Files,
    with_pixels: bool,
    /// Bytes of blocks that the job may still hold; what is more must come from the cache.
    room: usize,
    recent: Recent,
}

impl Maker<'_> {
    /// Has remote files' bytes fetched for the whole job, what lies together in one request. What can not be read
    /// says so at its own patch.
    fn fetch_ahead(&self, rows: &[Result<RegistryRow>]) {
        let targets = rows.iter().filter_map(|row| row.as_ref().ok()?.target.as_ref().ok());
        let remote = |target: &&Target| self.with_pixels && Location::parse(&target.path).is_url();
        let targets: Vec<&Target> = targets.filter(remote).collect();
        for run in targets.chunk_by(|a, b| a.path == b.path) {
            let Some(Ok(file)) = run.first().map(|target| self.file(&target.path)) else { continue };
            let keys = |target: &&Target| {
                block_keys(&file.source, &target.window, &file.bands, &self.bound.options).unwrap_or_default()
            };
            let _ = file.source.prepare(&run.iter().flat_map(keys).collect::<Vec<_>>());
        }
    }

    fn outcome(&mut self, row: Result<RegistryRow>) -> Result<Outcome> {
        let (carried, ready) = match row {
            Ok(row) => (row.carried, row.target.and_then(|target| self.ready(&target))),
            Err(error) => (Vec::new(), Err(error)),
        };
        match (ready, self.bound.on_error) {
            (Err(error), OnError::Fail) => Err(error),
            (ready, _) => Ok(Outcome { carried, ready }),
        }
    }

    fn ready(&mut self, target: &Target) -> Result<Ready> {
        let bound = self.bound;
        let file = self.file(&target.path)?;
        let window = target.window;
        check_patch(&window, file.bands.len(), bound.dtype.size(), &bound.limits)?;
        let mut held = None;
        if self.with_pixels {
            let blocks = fetch_patch(&file.source, &window, &file.bands, &bound.options, &mut self.recent)?;
            if blocks.bytes <= self.room {
                self.room -= blocks.bytes;
                held = Some(blocks);
            }
        }
        Ok(Ready { file, window, held })
    }

    fn file(&self, path: &Arc<str>) -> Result<File> {
        let lock = || self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = lock().get(path) {
            return file.clone();
        }
        let file = look_at(self.bound, path);
        let mut files = lock();
        if files.len() >= MAX_FILES {
            files.clear();
        }
        files.insert(path.clone(), file.clone());
        file
    }
}

fn look_at(bound: &Bound, path: &str) -> Result<File> {
    let source = Source::open(path)?;
    let bands = band_numbers(&source, &bound.options)?;
    let own = common_dtype(&source, &bands)?;
    if own != bound.dtype && !matches!(bound.dtype, Dtype::Float32 | Dtype::Float64) {
        let problem = format!("\"{path}\" has {own} pixels, and the files before it {}", bound.dtype);
        return Err(Error::conflict(problem, "Give dtype := 'float32' or 'float64'"));
    }
    Ok(File { source, bands: bands.into() })
}

/// Copies patches into a chunk; gives the number of rows.
fn write_rows(bound: &Bound, patches: &[Outcome], out: &mut Chunk<'_>) -> Result<usize> {
    if let Some(data) = out.column(bound.carried.len()) {
        data.reserve_list(patches.iter().filter_map(|p| p.ready.as_ref().ok()).map(Ready::pixels).sum());
    }
    let mut rows = 0;
    for patch in patches {
        let error = match (&patch.ready, out.column(bound.carried.len())) {
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

fn write_pixels(bound: &Bound, ready: &Ready, data: &mut Vector<'_>, row: usize) -> Result<()> {
    let again;
    let held = match &ready.held {
        Some(held) => held,
        None => {
            let (source, bands) = (&ready.file.source, &ready.file.bands);
            again = fetch_patch(source, &ready.window, bands, &bound.options, &mut Recent::default())?;
            &again
        }
    };
    let (places, first) = data.push_list(row, ready.pixels());
    let gaps = with_dtype!(bound.dtype, T => {
        let out = places.slice_mut::<T>(first, ready.pixels());
        copy_patch(ready.header(), &ready.window, &ready.file.bands, &bound.options, held, out)
    })?;
    places.set_null_runs(first, &gaps);
    Ok(())
}

/// Writes all columns but the pixels, which are there unless there is an error.
fn write_row(bound: &Bound, patch: &Outcome, error: Option<&Error>, out: &mut Chunk<'_>, row: usize) {
    // Behind the columns carried along: data, shape, transform, crs, error.
    for index in 0..bound.carried.len() + 5 {
        let Some(vector) = out.column(index) else { continue };
        if let Some(place) = bound.carried.get(index) {
            patch.carried.get(*place).unwrap_or(&Value::Null).write(vector, row);
            continue;
        }
        let ready = patch.ready.as_ref().ok().filter(|_| error.is_none());
        let header = ready.map(Ready::header);
        match (index - bound.carried.len(), ready, header) {
            (0, Some(_), _) => {}
            (1, Some(ready), _) => {
                let window = &ready.window;
                let shape = [ready.file.bands.len() as i32, window.height as i32, window.width as i32];
                vector.set_list(row, &shape);
            }
            (2, Some(ready), Some(header)) => match header.transform {
                Some(transform) => {
                    vector.set_list(row, &transform.of_window(&ready.window).0);
                }
                None => vector.set_null(row),
            },
            (3, _, Some(header)) => match &header.crs {
                Some(crs) => vector.set_bytes(row, crs.as_bytes()),
                None => vector.set_null(row),
            },
            (4, _, _) => match error {
                Some(error) => vector.set_bytes(row, told(error).as_bytes()),
                None => vector.set_null(row),
            },
            _ => vector.set_null(row),
        }
    }
}
