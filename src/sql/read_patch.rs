//! `read_patch(path, window)`: the pixels of one window as a list.

use std::rc::Rc;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::read::Limits;
use crate::read::patch::{
    BandName, PatchOptions, band_numbers, check_patch, pixel_count, prepare, read_patch,
};
use crate::read::source::Source;
use crate::sql::args::{Args, number};
use crate::sql::callback::{Call, ScalarFunction};
use crate::sql::chunk::{Input, Vector};
use crate::sql::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::sql::types::SqlType;
use crate::sql::value::Value;
use crate::window::Window;

pub struct ReadPatch;

pub const BANDS: &str =
    "Bands to read, by number (from 1) or by name, in this order; all bands of the file unless given.";
pub const SCALED: &str = "Give `pixel * scale + offset` of the band's header instead of the stored pixel.";
pub const FILL: &str =
    "A number (or 'nan') in place of NULL pixels: a dense list, which reaches NumPy without a copy.";
pub const BOUNDLESS: &str = "A window wholly outside the raster is all NULL instead of an error.";

static DOC: FunctionDoc = FunctionDoc {
    name: "read_patch",
    kind: Kind::Scalar,
    summary: "Reads the native pixels of one window of a raster as a list.",
    parameters: &[
        Parameter {
            name: "path",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A raster that GDAL reads, or one inside a file, such as `NETCDF:\"sst.nc\":tos`.",
        },
        Parameter {
            name: "win",
            types: "STRUCT(row_off BIGINT, col_off BIGINT, height INTEGER, width INTEGER)",
            given: Given::Required,
            meaning: "The window in pixels, from the upper left; it may hang over the edge.",
        },
        Parameter {
            name: "options",
            types: "STRUCT",
            given: Given::Optional,
            meaning: "The keys below, constant for the query.",
        },
        Parameter {
            name: "bands",
            types: "BIGINT[] | VARCHAR[]",
            given: Given::Option("all"),
            meaning: BANDS,
        },
        Parameter { name: "scaled", types: "BOOLEAN", given: Given::Option("false"), meaning: SCALED },
        Parameter { name: "fill", types: "DOUBLE | VARCHAR", given: Given::Option("NULL"), meaning: FILL },
        Parameter { name: "boundless", types: "BOOLEAN", given: Given::Option("false"), meaning: BOUNDLESS },
    ],
    columns: &[Column {
        name: "pixels",
        types: "FLOAT[]",
        meaning: "`bands x height x width` values in the order [band, row, col]; NULL where there is no pixel (nodata, masked, or beyond the raster). NaN stays NaN.",
    }],
    nulls: "NULL for a NULL path or window, or a window with a NULL field.",
    errors: &[
        "the file is absent, no raster, or damaged",
        "the window is below 1 x 1, or wholly outside and not boundless",
        "a band that the file does not have (those it has are listed)",
        "a chunk above geoquilt_max_chunk_mb: the table function read_patch streams instead",
        "options that are not constant, or an unknown key",
    ],
    examples: &[
        Example {
            title: "Four pixels, one of them nodata",
            sql: "SELECT read_patch('test/data/small/sst_20180101.tif', {row_off: 8, col_off: 2, height: 2, width: 2}) AS sst;",
            rows: &["[18.125, 18.1875, NULL, 20.4375]"],
        },
        Example {
            title: "A window that hangs over the edge, dense",
            sql: "SELECT read_patch('test/data/small/sst_20180101.tif', {row_off: -1, col_off: 0, height: 2, width: 2}, {fill: 'nan'}) AS sst;",
            rows: &["[nan, nan, 0.0, 0.0625]"],
        },
    ],
    references: &["rasterio: DatasetReader.read(window, masked = True, boundless = True)"],
};

pub struct Bound {
    options: PatchOptions,
    limits: Limits,
}

/// Reads the options that the scalar and the table function share.
///
/// # Errors
/// A value of the wrong form.
pub fn patch_options(args: &Args) -> Result<PatchOptions> {
    let must = "a list of band numbers (from 1) or names";
    let bands = match args.get("bands") {
        None => None,
        Some(value) => {
            let band = |item: &Value| match item {
                Value::Int(n) => Some(BandName::Number(*n)),
                Value::Text(name) => Some(BandName::Name(name.clone())),
                _ => None,
            };
            let bands: Option<Vec<BandName>> = match value {
                Value::List(items) => items.iter().map(band).collect(),
                one => band(one).map(|b| vec![b]),
            };
            let bad = || args.place("bands")(Error::invalid(value, must));
            Some(bands.filter(|b| !b.is_empty()).ok_or_else(bad)?)
        }
    };
    let fill = match args.get("fill") {
        None => None,
        Some(Value::Text(text)) if text.eq_ignore_ascii_case("nan") => Some(f64::NAN),
        Some(value) => {
            let bad = || args.place("fill")(Error::invalid(value, "a number, or 'nan'"));
            Some(number(value).ok_or_else(bad)?)
        }
    };
    let scaled = args.flag("scaled")?.unwrap_or(false);
    let boundless = args.flag("boundless")?.unwrap_or(false);
    Ok(PatchOptions { bands, scaled, fill, boundless })
}

/// One row's work. It names its file, since a chunk of as many files must not hold them all open.
struct Job<'a> {
    path: &'a str,
    window: Window,
    bands: Rc<[usize]>,
}

impl ScalarFunction for ReadPatch {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let args = Args::of_call(&DOC, call.options.as_ref())?;
        let options = patch_options(&args)?;
        if let Some(fill) = options.fill.filter(|fill| fill.is_finite() && (*fill as f32).is_infinite()) {
            return Err(args.place("fill")(Error::invalid(fill, "a number that a FLOAT holds, or 'nan'")));
        }
        Ok(Bound { options, limits: call.limits })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: Vector<'_>) -> Result<()> {
        let jobs = jobs(bound, input)?;
        let lengths = jobs.iter().flatten().map(|job| pixel_count(&job.window, job.bands.len()));
        let elements = lengths.fold(0, usize::saturating_add);
        check_chunk(elements.saturating_mul(4), &bound.limits)?;
        out.reserve_list(elements);
        let mut open: Option<(&str, Arc<Source>)> = None;
        let mut prepared = 0;
        for (row, job) in jobs.iter().enumerate() {
            let Some(job) = job else {
                out.set_null(row, &SqlType::Float.list());
                continue;
            };
            let length = pixel_count(&job.window, job.bands.len());
            let (pixels, first) = out.push_list(row, length);
            let places = pixels.slice_mut::<f32>(first, length);
            let source = match &open {
                Some((path, source)) if *path == job.path => source.clone(),
                _ => Source::open(job.path)?,
            };
            open = Some((job.path, source.clone()));
            if row >= prepared && source.is_remote() {
                prepared = row + fetch_ahead(&source, jobs.get(row..).unwrap_or_default());
            }
            let gaps = read_patch(&source, &job.window, &job.bands, &bound.options, places)?;
            pixels.set_null_runs(first, &gaps);
        }
        Ok(())
    }
}

/// Pixels that a remote file's bytes are fetched for at once.
const AHEAD_PIXELS: usize = 2 << 20;

/// Has the next rows' bytes fetched together, where they are of this remote file; gives how many rows.
fn fetch_ahead(source: &Source, jobs: &[Option<Job<'_>>]) -> usize {
    let mut pixels = 0;
    let near = jobs.iter().map_while(Option::as_ref).take_while(|job| {
        pixels += pixel_count(&job.window, job.bands.len());
        job.path == source.path() && pixels <= AHEAD_PIXELS
    });
    let run: Vec<&Job<'_>> = near.collect();
    let Some(first) = run.first() else { return 1 };
    // What can not be read says so at its own row.
    let _ = prepare(source, run.iter().map(|job| &job.window), &first.bands);
    run.len()
}

/// What each row asks for; `None` for a row with a NULL. Neighbouring rows mostly share their file.
fn jobs<'a>(bound: &Bound, input: &Input<'a>) -> Result<Vec<Option<Job<'a>>>> {
    let (paths, windows) = (input.column(0), input.column(1));
    let mut known: Option<(&str, Rc<[usize]>)> = None;
    let mut jobs = Vec::with_capacity(input.rows());
    for row in 0..input.rows() {
        if input.any_null(row) || (0..4).any(|i| windows.field(i).is_null(row)) {
            jobs.push(None);
            continue;
        }
        let path = paths.str(row);
        let bands = match &known {
            Some((same, bands)) if *same == path => bands.clone(),
            _ => band_numbers(&*Source::open(path)?, &bound.options)?.into(),
        };
        known = Some((path, bands.clone()));
        let offset = |i| windows.field(i).get::<i64>(row);
        let side = |i| i64::from(windows.field(i).get::<i32>(row));
        let window = Window::new(offset(0), offset(1), side(2), side(3))?;
        check_patch(&window, bands.len(), 4, &bound.limits)?;
        jobs.push(Some(Job { path, window, bands }));
    }
    Ok(jobs)
}

fn check_chunk(bytes: usize, limits: &Limits) -> Result<()> {
    if bytes <= limits.chunk {
        return Ok(());
    }
    let mib = |bytes: usize| (bytes as u64).div_ceil(1 << 20);
    Err(Error::ChunkTooLarge { needed_mb: mib(bytes), limit_mb: mib(limits.chunk) })
}
