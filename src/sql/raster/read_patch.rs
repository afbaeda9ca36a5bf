//! `read_patch(path, window)`: the pixels of one window as a list.

use std::collections::HashMap;
use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Load, Result};
use crate::limits::Limits;
use crate::read::patch::{PatchOptions, check_patch};
use crate::read::plan::{FileWindow, read_patches};
use crate::read::source::Source;
use crate::read::steps::bands_at;
use crate::sql::shared::options::by_row::{ByRow, OPTIONS_BY_ROW};
use crate::sql::shared::options::{BANDS, BOUNDLESS, FILL, NODATA, SCALED, WITHIN, patch_options};
use crate::sql::shared::windows::{self, WIN, WIN_MEANING};

/// The scalar `read_patch`.
pub struct ReadPatch;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_patch",
    kind: Kind::Scalar,
    summary: "Reads the native pixels of one window of a raster as a list.",
    parameters: &[
        Parameter {
            name: "path",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A raster that GDAL reads, or one inside a file, such as `NETCDF:\"sst.nc\":tos`; a path, or a URL that DuckDB's file system opens.",
        },
        Parameter { name: "win", types: WIN, given: Given::AsItIs, meaning: WIN_MEANING },
        OPTIONS_BY_ROW,
        BANDS,
        SCALED,
        NODATA,
        FILL,
        BOUNDLESS,
        WITHIN[0],
        WITHIN[1],
        WITHIN[2],
    ],
    columns: &[Column {
        name: "pixels",
        types: "FLOAT[]",
        meaning: "`bands x height x width` values in the order [band, row, col]; NULL where there is no pixel (nodata, masked, or beyond the raster). NaN stays NaN.",
    }],
    nulls: "NULL for a NULL path or window, or a window with a NULL field.",
    errors: &[
        "the file is absent, no raster, or damaged",
        "the window is none, below 1 x 1, or wholly outside and not boundless",
        "a step that the raster's time axis does not have, or of a raster without one",
        "a band that the file does not have (those it has are listed)",
        "a whole number, of a file of whole numbers, that FLOAT cannot hold exactly, from 16777217 on, and a number beyond the largest FLOAT: the table function read_patch holds them",
        "a chunk above geoquilt_max_chunk_mb: the table function read_patch streams instead",
        "an unknown key; a shape that is empty, or cannot be brought onto the window; a shape, and a raster without a place on the map",
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

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    options: ByRow<PatchOptions>,
    limits: Limits,
}

impl ScalarFunction for ReadPatch {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        Ok(Bound { options: ByRow::of(&call, &DOC, float_options)?, limits: call.limits })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let plain = PatchOptions::default();
        let options = bound.options.constant().unwrap_or(&plain);
        let windows = file_windows(input, &bound.options, &bound.limits)?;
        let lengths: Vec<Option<usize>> =
            windows.iter().map(|window| window.as_ref().map(FileWindow::pixels)).collect();
        let pixels = lengths.iter().flatten().fold(0usize, |sum, length| sum.saturating_add(*length));
        bound.limits.allow(pixels.saturating_mul(4), || Load::Chunk)?;
        let (mut nulls, mut pixels) = out.lists::<f32>(&lengths);
        let windows: Vec<&FileWindow> = windows.iter().flatten().collect();
        let parts = pixels.iter_mut().map(|part| &mut **part).collect();
        let gaps = read_patches(&windows, parts, options, bound.limits.threads)?;
        let mut first = 0;
        for ((window, pixels), gaps) in windows.iter().zip(&pixels).zip(&gaps) {
            window.request(options).check_floats(pixels, gaps)?;
            nulls.set_runs(first, gaps);
            first += pixels.len();
        }
        let none = lengths.iter().enumerate().filter(|(_, length)| length.is_none());
        none.for_each(|(row, _)| out.set_null(row));
        Ok(())
    }
}

/// Options whose fill value a FLOAT holds.
fn float_options(args: &Args) -> Result<PatchOptions> {
    let options = patch_options(args)?;
    match options.fill.filter(|fill| fill.is_finite() && (*fill as f32).is_infinite()) {
        Some(fill) => Err(args.blame("fill")(Error::invalid(fill, "a number that FLOAT can hold, or 'nan'"))),
        None => Ok(options),
    }
}

/// What each row of paths and windows asks for; `None` for a row with a NULL. A file is looked at once for the chunk.
///
/// # Errors
/// A file that is not a raster, a band that it lacks, or a window that is none or too large.
pub fn file_windows(
    input: &Input<'_>,
    options: &ByRow<PatchOptions>,
    limits: &Limits,
) -> Result<Vec<Option<FileWindow>>> {
    let (paths, given) = (input.column(0), input.column(1));
    let plain = PatchOptions::default();
    let mut known: HashMap<&str, Arc<Source>> = HashMap::new();
    let mut of_all: HashMap<(&str, Option<u64>), Arc<[usize]>> = HashMap::new();
    let mut found = Vec::with_capacity(input.rows());
    for row in 0..input.rows() {
        // A window that is none is told after a file that is none.
        let window = windows::read(given, row).transpose();
        let (Some(window), false) = (window, input.any_null(row)) else {
            found.push(None);
            continue;
        };
        let (path, step) = (paths.str(row)?, windows::step(given, row)?);
        let source = match known.get(path) {
            Some(source) => source.clone(),
            None => known.entry(path).or_insert(Source::open(path)?).clone(),
        };
        let own = options.own(input, row)?;
        let bands: Arc<[usize]> = match (&own, of_all.get(&(path, step))) {
            (Some(own), _) => bands_at(&source, own, step)?.into(),
            (None, Some(bands)) => bands.clone(),
            (None, None) => {
                let bands = bands_at(&source, options.constant().unwrap_or(&plain), step)?.into();
                of_all.entry((path, step)).or_insert(bands).clone()
            }
        };
        let window = window?;
        check_patch(&window, bands.len(), 4, limits)?;
        found.push(Some(FileWindow { source, window, bands, own }));
    }
    Ok(found)
}
