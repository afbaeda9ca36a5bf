//! What `read_patch` and `read_blocks` share: the columns of a stream of patches, and how its rows are written.

use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::FunctionDoc;
use crate::bridge::rows::Cell;
use crate::bridge::table::Plan;
use crate::bridge::vector::Vector;
use crate::dtype::with_dtype;
use crate::dtype::{DTYPES, Dtype, Nodata, Pixel};
use crate::error::{Error, Result};
use crate::grid::cut::{Cut, CutWindow};
use crate::grid::records::Record;
use crate::grid::registry::Registry;
use crate::limits::Limits;
use crate::on_error::{ON_ERROR, OnError};
use crate::progress::Progress;
use crate::read::patch::{PatchOptions, common_dtype};
use crate::read::source::{Source, open_ahead};
use crate::read::steps::bands_at;
use crate::read::stream::{Patch, PatchStream, ReadyPatch, Row, StreamOptions, Target};
use crate::sql::shared::options::patch_options;
use crate::sql::shared::remedies::told;
use crate::sql::shared::windows::WindowRow;
use crate::sql_type::SqlType;

/// Where the patches come from.
// A variant's line says what its fields are.
#[allow(missing_docs)]
pub enum Origin {
    /// Rasters, cut into windows.
    Rasters { paths: Vec<String>, cut: Cut },
    /// The rows of a registry.
    Registry(Registry),
}

/// What a row of either carries past the reading.
enum Carried {
    Raster(CutWindow),
    Registry(Record),
}

/// What a column of the result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// A registry's own column, by its index there.
    Own(usize),
    Path,
    Number,
    Win,
    Data,
    Shape,
    Transform,
    Crs,
    Error,
}

/// The columns that stand behind those of the origin.
const READ: [(&str, Content); 5] = [
    ("data", Content::Data),
    ("shape", Content::Shape),
    ("transform", Content::Transform),
    ("crs", Content::Crs),
    ("error", Content::Error),
];

/// The columns of a raster that is cut into windows.
const CUT: [(&str, Content); 4] = [
    ("path", Content::Path),
    ("patch_id", Content::Number),
    ("block_id", Content::Number),
    ("win", Content::Win),
];

fn named(columns: &[(&str, Content)], name: &str) -> Option<Content> {
    columns.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, content)| *content)
}

/// What a stream knows before any row.
pub struct Bound {
    function: &'static str,
    origin: Origin,
    columns: Vec<Content>,
    options: StreamOptions,
}

impl Bound {
    /// How many threads may take patches at once.
    pub fn threads(&self) -> usize {
        self.options.limits.threads
    }

    fn position(&self, content: Content) -> Option<usize> {
        self.columns.iter().position(|have| *have == content)
    }
}

/// A stream under way.
pub struct Scan {
    stream: PatchStream<Carried>,
    bound: Arc<Bound>,
    progress: Progress,
}

/// Reads the arguments and the first file's header.
///
/// # Errors
/// Arguments that are wrong, or a first file that cannot be read.
pub fn bind(doc: &'static FunctionDoc, args: &Args, limits: Limits, origin: Origin) -> Result<Plan<Bound>> {
    let patch = patch_options(args)?;
    let on_error = args.choice("on_error", "a rule for broken files", &ON_ERROR)?.unwrap_or(OnError::Fail);
    let first = first_source(args, &origin, on_error)?;
    let of_first = first.map(|(source, step)| {
        let bands = bands_at(&source, &patch, step)?;
        Ok((bands.len(), common_dtype(&source, &bands)?))
    });
    let (bands, own) = match of_first {
        Some(Err(error)) if on_error == OnError::Fail => return Err(error),
        Some(Ok((bands, own))) => (bands, own),
        Some(Err(_)) | None => (1, Dtype::Float32),
    };
    let dtype = dtype(args, own, &patch)?;
    check_fill(args, &patch, dtype)?;
    let columns = columns(doc, &origin, dtype, on_error)?;
    let rows = match &origin {
        Origin::Registry(registry) if on_error != OnError::Skip => Some(registry.rows),
        _ => None,
    };
    let options = StreamOptions { patch, dtype, bands, on_error, with_pixels: true, limits };
    let (schema, contents) = columns.into_iter().map(|(name, content, ty)| ((name, ty), content)).unzip();
    let bound = Bound { function: doc.name, origin, columns: contents, options };
    Ok(Plan { columns: schema, rows, bound })
}

/// The columns of the result: those of the origin, then those that are read.
fn columns(
    doc: &FunctionDoc,
    origin: &Origin,
    dtype: Dtype,
    on_error: OnError,
) -> Result<Vec<(String, Content, SqlType)>> {
    let mut columns = Vec::new();
    if let Origin::Registry(registry) = origin {
        for (index, (name, ty)) in registry.columns.iter().enumerate() {
            // A registry carries the grid's crs, say: what read_patch gives itself, it gives from the file.
            if named(&READ, name).is_none() {
                columns.push((name.clone(), Content::Own(index), ty.clone()));
            }
        }
    }
    let is_cut = matches!(origin, Origin::Rasters { .. });
    for column in doc.columns {
        let content = match (named(&READ, column.name), named(&CUT, column.name)) {
            (Some(Content::Error), _) if on_error != OnError::Report => continue,
            (Some(content), _) => content,
            (None, Some(content)) if is_cut => content,
            (None, Some(_)) => continue,
            (None, None) => return Err(Error::Bug(format!("nothing fills column {}", column.name))),
        };
        let ty = match content {
            Content::Data => sql_type(dtype).list(),
            _ => SqlType::parse(column.types)?,
        };
        columns.push((column.name.to_string(), content, ty));
    }
    Ok(columns)
}

/// A file, and the step of time that is read of it.
type First = (Arc<Source>, Option<u64>);

/// The file whose header tells the type of `data`: the first one, and of those that need not all open, the first that
/// does.
fn first_source(args: &Args, origin: &Origin, on_error: OnError) -> Result<Option<First>> {
    match (origin, on_error) {
        (Origin::Rasters { paths, cut }, OnError::Fail) => {
            let Some(path) = paths.first() else { return Ok(None) };
            let source = Source::open(path).map_err(args.blame("source"))?;
            cut.starts(source.header()).map_err(args.blame("size"))?;
            Ok(Some((source, None)))
        }
        (Origin::Rasters { paths, .. }, _) => {
            Ok(paths.iter().find_map(|path| Some((Source::open(path).ok()?, None))))
        }
        (Origin::Registry(registry), _) => {
            let mut targets = registry.read()?.filter_map(|row| row.ok()?.target.ok());
            match on_error {
                OnError::Fail => {
                    targets.next().map(|target| Ok((Source::open(&target.path)?, target.step))).transpose()
                }
                OnError::Skip | OnError::Report => {
                    Ok(targets.find_map(|target| Some((Source::open(&target.path).ok()?, target.step))))
                }
            }
        }
    }
}

fn dtype(args: &Args, own: Dtype, options: &PatchOptions) -> Result<Dtype> {
    let asked = args.choice("dtype", "a pixel type", &DTYPES)?;
    // Scaled values are no longer the stored integers.
    let natural = if options.scaled { own.worked_out() } else { own };
    match asked {
        None => Ok(natural),
        Some(asked) if asked == natural || asked.is_float() => Ok(asked),
        Some(asked) => {
            let why = if options.scaled { " once scaled" } else { "" };
            let problem = format!("the pixels are {natural}{why}, which {asked} cannot hold");
            let remedy = format!("One of: {}", natural.offered());
            Err(args.blame("dtype")(Error::conflict(problem, remedy)))
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
    Err(args.blame("fill")(error))
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

/// Starts the workers.
///
/// # Errors
/// The registry can no longer be read, or there is no thread.
pub fn start(bound: &Arc<Bound>, wanted: &[usize]) -> Result<Scan> {
    // Which rows there are must not depend on the columns asked for.
    let with_pixels = bound.options.on_error != OnError::Fail
        || bound.position(Content::Data).is_some_and(|data| wanted.contains(&data));
    let options = StreamOptions { with_pixels, ..bound.options.clone() };
    let stream = PatchStream::start(rows(bound)?, options)?;
    let total = match &bound.origin {
        Origin::Registry(registry) => Some(registry.rows),
        Origin::Rasters { .. } => None,
    };
    let progress = Progress::start(bound.function, total);
    Ok(Scan { stream, bound: bound.clone(), progress })
}

/// Files behind URLs that are opened side by side.
const FILES_AHEAD: usize = 256;

type Rows = Box<dyn Iterator<Item = Result<Row<Carried>>> + Send>;

/// The patches to read, in order, made as they are asked for.
fn rows(bound: &Bound) -> Result<Rows> {
    rows_of(&bound.origin, bound.options.on_error, bound.function)
}

/// The files and windows of an origin, in order.
///
/// # Errors
/// The registry can no longer be read.
pub fn targets(origin: &Origin) -> Result<Box<dyn Iterator<Item = Result<Target>> + Send>> {
    Ok(Box::new(rows_of(origin, OnError::Fail, "read_plan")?.map(|row| row?.target)))
}

fn rows_of(origin: &Origin, on_error: OnError, function: &'static str) -> Result<Rows> {
    match origin {
        Origin::Registry(registry) => {
            Ok(Box::new(registry.read()?.map(|row| row.map(|row| row.map(Carried::Registry)))))
        }
        Origin::Rasters { paths, cut } => {
            let cut = *cut;
            let of = move |path: String| -> Rows {
                match cut.rows(&path, on_error) {
                    Ok(rows) => Box::new(rows.map(|row| row.map(|row| row.map(Carried::Raster)))),
                    Err(error) => Box::new(std::iter::once(Err(error.at(format!("{function}: {path}"))))),
                }
            };
            let portions: Vec<Vec<String>> = paths.chunks(FILES_AHEAD).map(<[String]>::to_vec).collect();
            let opened = |portion: Vec<String>| {
                open_ahead(portion.iter().map(String::as_str));
                portion
            };
            Ok(Box::new(portions.into_iter().flat_map(opened).flat_map(of)))
        }
    }
}

/// Fills the next rows.
///
/// # Errors
/// A patch that cannot be read, unless such are left out or reported.
pub fn next(scan: &Scan, out: &mut Chunk<'_>) -> Result<()> {
    loop {
        let patches = scan.stream.take(out.capacity())?;
        patches.iter().for_each(|patch| scan.progress.count(patch.ready.is_err()));
        let rows = write_rows(&scan.bound, &patches, out)?;
        // A chunk without rows ends the scan: where all were left out, the next are taken.
        if rows > 0 || patches.is_empty() {
            out.set_rows(rows);
            return Ok(());
        }
    }
}

/// Copies patches into a chunk; gives the number of rows.
fn write_rows(bound: &Bound, patches: &[Patch<Carried>], out: &mut Chunk<'_>) -> Result<usize> {
    let data = bound.position(Content::Data);
    if let Some(data) = data.and_then(|data| out.column(data)) {
        data.reserve_list(patches.iter().filter_map(|p| p.ready.as_ref().ok()).map(ReadyPatch::pixels).sum());
    }
    let mut rows = 0;
    for patch in patches {
        let error = match (&patch.ready, data.and_then(|data| out.column(data))) {
            (Ok(ready), Some(data)) => write_pixels(bound.options.dtype, ready, data, rows).err(),
            (Ok(_), None) => None,
            (Err(error), _) => Some(error.clone()),
        };
        match (error, bound.options.on_error) {
            (Some(error), OnError::Fail) => return Err(error),
            (Some(_), OnError::Skip) => continue,
            (error, _) => write_row(bound, patch, error.as_ref(), out, rows)?,
        }
        rows += 1;
    }
    Ok(rows)
}

fn write_pixels(dtype: Dtype, ready: &ReadyPatch, data: &mut Vector<'_>, row: usize) -> Result<()> {
    let (child, first) = data.push_list(row, ready.pixels());
    let gaps = with_dtype!(dtype, T => ready.copy(child.slice_mut::<T>(first, ready.pixels())))?;
    child.set_null_runs(first, &gaps);
    Ok(())
}

/// Writes all columns but the pixels, which are there unless there is an error.
fn write_row(
    bound: &Bound,
    patch: &Patch<Carried>,
    error: Option<&Error>,
    out: &mut Chunk<'_>,
    row: usize,
) -> Result<()> {
    let ready = patch.ready.as_ref().ok().filter(|_| error.is_none());
    for (index, content) in bound.columns.iter().enumerate() {
        let Some(vector) = out.column(index) else { continue };
        let is_written = match (content, error, ready) {
            (Content::Data, _, ready) => ready.is_some(),
            (Content::Error, Some(error), _) => {
                vector.set_bytes(row, told(error).as_bytes());
                true
            }
            (Content::Shape | Content::Transform | Content::Crs, _, Some(ready)) => {
                write_facts(ready, *content, vector, row)
            }
            (Content::Own(_) | Content::Path | Content::Number | Content::Win, ..) => match &patch.carried {
                Some(carried) => carried.write(*content, vector, row)?,
                None => false,
            },
            _ => false,
        };
        if !is_written {
            vector.set_null(row);
        }
    }
    Ok(())
}

/// Writes what the file tells of a patch; false where it tells nothing.
fn write_facts(ready: &ReadyPatch, content: Content, vector: &mut Vector<'_>, row: usize) -> bool {
    let header = ready.header();
    match (content, header.transform, &header.crs) {
        (Content::Shape, ..) => vector.set_list(row, &ready.shape().map(|side| side as i32)),
        (Content::Transform, Some(transform), _) => {
            vector.set_list(row, &transform.of_window(ready.window()).0);
        }
        (Content::Crs, _, Some(crs)) => vector.set_bytes(row, crs.as_bytes()),
        _ => return false,
    }
    true
}

impl Carried {
    /// Writes one of the columns of the origin; false where it has no value.
    fn write(&self, content: Content, vector: &mut Vector<'_>, row: usize) -> Result<bool> {
        match (self, content) {
            (Carried::Registry(record), Content::Own(column)) => record.value(column).write(vector, row),
            (Carried::Raster(cut), Content::Path) => vector.set_bytes(row, cut.path.as_bytes()),
            (Carried::Raster(CutWindow { window: Some((number, _)), .. }), Content::Number) => {
                vector.set(row, *number);
            }
            (Carried::Raster(CutWindow { window: Some((_, window)), .. }), Content::Win) => {
                WindowRow::from(window).write(vector, row)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}
