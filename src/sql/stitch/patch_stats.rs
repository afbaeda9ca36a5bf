//! `geoquilt.patch_stats`: statistics of the training pixels of a registry.

use std::sync::atomic::AtomicUsize;

use crate::bridge::aggregate::AggregateFunction;
use crate::bridge::args::Args;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::bridge::vector::Vector;
use crate::error::{Error, Lack, Other, Result};
use crate::limits::Limits;
use crate::read::patch::PatchOptions;
use crate::read::plan::{FileWindow, read_patches};
use crate::sql::raster::read_patch::file_windows;
use crate::sql::shared::options::by_row::ByRow;
use crate::sql::shared::options::patch_options;
use crate::sql::stitch::stats::{MERGEABLE, STATS, entry};
use crate::stitch::statistics::{Bands, Room};
use crate::value::Value;
use crate::workers;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/patch_stats.sql");

/// The aggregate behind the macro: it reads what it counts, so that no list of pixels is made.
pub struct PatchStats;

static DOC: FunctionDoc = FunctionDoc {
    name: "patch_stats",
    kind: Kind::Macro,
    summary: "Statistics of the pixels of a registry's rows, of the training rows unless told.",
    parameters: &[
        Parameter {
            name: "registry",
            types: "TABLE",
            given: Given::Required,
            meaning: "Rows with `path`, `win` and `split`, such as `geoquilt.patch_registry` gives: a table, view, CTE or Parquet file, by name.",
        },
        named("split", "VARCHAR", "'train'", "The rows that count: those whose `split` is this."),
        named(
            "once",
            "BOOLEAN",
            "false",
            "Count each pixel of a file once, however many windows hold it. A window beyond its raster counts nothing then.",
        ),
        named(
            "bands",
            "BIGINT[] | VARCHAR[]",
            "all",
            "Bands to count, by number (from 1) or by name, in this order, as `read_patch` takes them.",
        ),
        named(
            "scaled",
            "BOOLEAN",
            "false",
            "Count `pixel * scale + offset` of the band's header: the pixels of `read_patch` with `scaled`, and of `read_array`, which decodes unless told. Without it those that `read_patch` and `read_slice` give unless told, as stored.",
        ),
        named(
            "nodata",
            "DOUBLE | VARCHAR",
            "the file's",
            "The stored value (or 'nan') that is no pixel, as `read_patch` takes it.",
        ),
        MERGEABLE,
    ],
    columns: &[column(
        "stats",
        STATS,
        "An entry a band, as `geoquilt.stats` gives it and `geo_normalise` takes it. A pixel counts as often as windows hold it, unless `once`.",
    )],
    nulls: "NULL where no row has the split.",
    errors: &[
        "what read_patch and geoquilt.stats refuse, but for the size of a chunk: windows are read as they are counted",
        "a registry without path, win or split; one over Zarr stores, whose windows `read_array` reads: `geoquilt.stats` counts them",
    ],
    examples: &[
        Example {
            title: "A registry of three days, two of them to learn from",
            sql: "WITH days AS (SELECT file AS path, {row_off: 0, col_off: 0, height: 18, width: 36} AS win,\n\
              \x20 CASE WHEN file LIKE '%2018%' THEN 'train' ELSE 'val' END AS split FROM glob('test/data/small/sst_*.tif'))\n\
              SELECT stats[1].n AS n, stats[1].min AS least, stats[1].max AS most FROM geoquilt.patch_stats('days');",
            rows: &["1278\t0.0\t40.4375"],
        },
        Example {
            title: "Windows that overlap, and each pixel once",
            sql: "WITH half AS (SELECT path, win, 'train' AS split FROM read_patch('test/data/small/sst_20180101.tif', size := 12, stride := 6))\n\
              SELECT a.stats[1].n AS n, o.stats[1].n AS each_once FROM geoquilt.patch_stats('half') AS a, geoquilt.patch_stats('half', once := true) AS o;",
            rows: &["1422\t639"],
        },
    ],
    references: &["geoquilt.stats"],
};

static HELD: AtomicUsize = AtomicUsize::new(0);

/// Bytes of pixels in hand at a time.
const LOT: usize = 32 << 20;
/// Bytes of pixels that are worth a further thread.
const SHARE: usize = 1 << 20;

/// What is gathered of a group.
#[derive(Default)]
pub struct State {
    bands: Bands<f32>,
    /// The sketch is wanted.
    mergeable: bool,
}

/// The windows of a chunk, of which some are read.
pub struct Rows<'a> {
    windows: Vec<Option<FileWindow>>,
    /// What windows hold that were read and not yet asked for.
    told: Vec<Option<Bands<f32>>>,
    options: PatchOptions,
    threads: usize,
    mergeable: &'a Vector<'a>,
}

/// A window that is read, and its numbers.
struct Job<'a> {
    row: usize,
    pixels: &'a [f32],
    told: Bands<f32>,
}

impl Rows<'_> {
    /// Reads a window and as many behind it as a lot takes.
    fn read(&mut self, from: usize) -> Result<()> {
        let Rows { windows, told, options, threads, .. } = self;
        let mut total = 0;
        let rest = windows.iter().enumerate().skip(from);
        let ahead = rest.filter_map(|(row, window)| window.as_ref().map(|window| (row, window)));
        let lot: Vec<(usize, &FileWindow)> = ahead
            .take_while(|(_, window)| {
                let is_first = total == 0;
                total += window.pixels();
                is_first || total * size_of::<f32>() <= LOT
            })
            .collect();
        let asked: Vec<&FileWindow> = lot.iter().map(|(_, window)| *window).collect();
        let mut pixels = vec![0.0f32; asked.iter().map(|window| window.pixels()).sum()];
        let (mut free, mut parts) = (pixels.as_mut_slice(), Vec::with_capacity(asked.len()));
        for window in &asked {
            let (part, after) = free.split_at_mut(window.pixels());
            parts.push(part);
            free = after;
        }
        // NaN fills what is no pixel, and is not counted.
        let gaps = read_patches(&asked, parts, options, *threads)?;
        let (mut rest, mut jobs) = (pixels.as_slice(), Vec::with_capacity(asked.len()));
        for ((row, window), gaps) in lot.iter().zip(&gaps) {
            let (pixels, after) = rest.split_at(window.pixels());
            window.request(options).check_floats(pixels, gaps)?;
            jobs.push(Job { row: *row, pixels, told: Bands::default() });
            rest = after;
        }
        let useful = size_of_val(pixels.as_slice()).div_ceil(SHARE);
        workers::each(&mut jobs, (*threads).min(useful), |job| {
            let Some(window) = windows.get(job.row).and_then(Option::as_ref) else { return Ok(()) };
            job.told.expect(window.bands.len())?;
            let mut room = Room::default();
            for (band, pixels) in job.pixels.chunks_exact(window.window.area()).enumerate() {
                job.told.add(band, pixels, None::<fn(usize) -> bool>, &mut room);
            }
            Ok(())
        })?;
        for job in jobs {
            told[job.row] = Some(job.told);
        }
        Ok(())
    }
}

impl AggregateFunction for PatchStats {
    const DOC: &'static FunctionDoc = &DOC;
    // Path, window, bands and scale, whether the window may lie beyond the raster, whether the sketch is wanted, threads.
    const ARGUMENTS: &'static [&'static str] = &["VARCHAR", "ANY", "ANY", "BOOLEAN", "BOOLEAN", "UBIGINT"];
    type State = State;
    type Rows<'a> = Rows<'a>;

    fn held() -> &'static AtomicUsize {
        &HELD
    }

    fn rows<'a>(input: &'a Input<'_>) -> Result<Rows<'a>> {
        let first = |column: usize| !input.column(column).is_null(0);
        let boundless = input.rows() > 0 && first(3) && input.column(3).get::<bool>(0);
        let threads = if input.rows() > 0 && first(5) { input.column(5).get::<u64>(0) as usize } else { 1 };
        let given =
            if input.rows() > 0 { options(Value::of(input.column(2), 0))? } else { PatchOptions::default() };
        let options = PatchOptions { boundless, fill: Some(f64::NAN), ..given };
        let limits = Limits { threads: threads.max(1), ..Limits::default() };
        let windows = file_windows(input, &ByRow::all(options.clone()), &limits).map_err(of_arrays)?;
        let told = vec![None; windows.len()];
        Ok(Rows { windows, told, options, threads: limits.threads, mergeable: input.column(4) })
    }

    fn update(state: &mut State, rows: &mut Rows<'_>, row: usize) -> Result<()> {
        if rows.windows[row].is_none() {
            return Ok(());
        }
        if rows.told[row].is_none() {
            rows.read(row)?;
        }
        state.mergeable = !rows.mergeable.is_null(row) && rows.mergeable.get(row);
        match rows.told[row].take() {
            Some(told) => state.bands.merge(&told).map_err(blame),
            None => Err(Error::Bug(format!("window {row} was not read"))),
        }
    }

    fn combine(state: &mut State, other: &State) -> Result<()> {
        state.mergeable |= other.mergeable;
        state.bands.merge(&other.bands).map_err(blame)
    }

    fn finish(state: &State, out: &mut Vector<'_>, row: usize) -> Result<()> {
        let bands = state.bands.summaries(state.mergeable);
        let entries = || Value::List(bands.iter().map(entry).collect());
        let value = if bands.is_empty() { Value::Null } else { entries() };
        value.write(out, row);
        Ok(())
    }

    fn bytes(state: &State) -> usize {
        state.bands.bytes()
    }
}

fn blame(error: Error) -> Error {
    error.at("geoquilt.patch_stats(registry)")
}

/// The macro's parameters that say which pixels count; what is NULL was not given.
fn options(mut given: Value) -> Result<PatchOptions> {
    if let Value::Struct(fields) = &mut given {
        fields.retain(|(_, value)| *value != Value::Null);
    }
    patch_options(&Args::of_struct(
        "geoquilt.patch_stats",
        &given,
        &["bands", "scaled", "nodata"],
        "options",
    )?)
}

/// A store of arrays has no windows of pixels: what its statistics are made of instead.
fn of_arrays(error: Error) -> Error {
    let Error::Unsuited { lack: Lack::Kind(Other::Array), .. } = error.bare() else { return error };
    let remedy = "Count what read_array reads of the same rows: SELECT geoquilt.stats(data, shape) FROM read_array('registry.parquet', 'variable') WHERE split = 'train'";
    blame(Error::conflict(error.bare().to_string(), remedy))
}
