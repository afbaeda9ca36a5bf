//! `read_slice(paths, slice)`: one or many rasters on the grid of a slice.

use std::ops::Range;
use std::sync::Mutex;

use crate::bridge::args::Args;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::{Holds, Vector};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::read::mosaic::{MERGES, Merge, QualityMask, SliceOptions, band_count, read_slice};
use crate::read::patch::BandName;
use crate::resampling::{RESAMPLINGS, Resampling, Warp};
use crate::slice::Slice;
use crate::sql::raster::read_patch::{BANDS, FILL, patch_options};
use crate::sql::shared::slice_value;
use crate::sql::shared::slice_value::SLICE;
use crate::sql_type::SqlType;
use crate::value::Value;
use crate::{files, workers};

pub struct ReadSlice;

pub const RESAMPLING: &str = "GDAL's method: `nearest`, `bilinear`, `cubic`, `cubic_spline`, `lanczos`, `average`, `mode`, `max`, `min`, `med`, `q1`, `q3`, `sum`, `rms`. Where the file's pixels lie on the slice's own, they are copied whatever it says.";
pub const MERGE: &str = "What stands where several files have a pixel: `first` or `last` in the order of the paths, `min`, `max`, `sum`, `mean`, or `count`, which is 0 where none has.";
pub const MASK_BAND: &str = "A quality band of each file, by number or name; it is brought onto the slice by nearest, and takes pixels away before files are merged.";
pub const MASK_BITS: &str =
    "Bits of the quality band (0 is the lowest): a pixel with any of them set is not a pixel.";
pub const MASK_VALUES: &str = "Values of the quality band that make a pixel none, as classes do.";
pub const SCALED: &str = "Give `pixel * scale + offset` of the band's header instead of the stored pixel; computed before resampling, in float64.";
pub const DTYPE: &str = "`float32` or `float64`: weigh pixels in this type, so that means of integers keep their fraction; what comes out is FLOAT all the same. Otherwise results are rounded to the file's own type, as gdalwarp and rasterio do.";
pub const TOLERANCE: &str = "How far, in pixels of the file, a pixel's place may be interpolated beside the exact one; 0 projects each.";
pub const BOUNDLESS: &str = "A slice that no file touches is all NULL instead of an error.";

/// A key of the options.
pub const fn option(
    name: &'static str,
    types: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Parameter {
    Parameter { name, types, given: Given::Option(default), meaning }
}

static DOC: FunctionDoc = FunctionDoc {
    name: "read_slice",
    kind: Kind::Scalar,
    summary: "Reads one or many rasters onto the grid of a slice, warped and merged.",
    parameters: &[
        Parameter {
            name: "paths",
            types: "VARCHAR | VARCHAR[]",
            given: Given::Required,
            meaning: "Rasters in any CRS, globs, or a list of those; they are merged in this order, the matches of a glob by name.",
        },
        Parameter {
            name: "slice",
            types: SLICE,
            given: Given::Required,
            meaning: "The grid to fill, as `geo_slice` makes it. Its times choose nothing here: choose files by their times before.",
        },
        Parameter {
            name: "options",
            types: "STRUCT",
            given: Given::Optional,
            meaning: "The keys below, constant for the query.",
        },
        option("bands", "BIGINT[] | VARCHAR[]", "all", BANDS),
        option("resampling", "VARCHAR", "'nearest'", RESAMPLING),
        option("merge", "VARCHAR", "'first'", MERGE),
        option("mask_band", "BIGINT | VARCHAR", "none", MASK_BAND),
        option("mask_bits", "BIGINT[]", "[]", MASK_BITS),
        option("mask_values", "BIGINT[]", "[]", MASK_VALUES),
        option("scaled", "BOOLEAN", "false", SCALED),
        option("dtype", "VARCHAR", "the file's", DTYPE),
        option("tolerance", "DOUBLE", "0.125", TOLERANCE),
        option("fill", "DOUBLE | VARCHAR", "NULL", FILL),
        option("boundless", "BOOLEAN", "false", BOUNDLESS),
    ],
    columns: &[Column {
        name: "read",
        types: "STRUCT(data FLOAT[], shape INTEGER[], transform DOUBLE[], crs VARCHAR)",
        meaning: "`data` in the order [band, row, col], NULL where no file has a pixel; `shape` is bands, rows, columns; `transform` GDAL's six numbers of the slice; `crs` the slice's. Pixels are read at full resolution: overviews are not used.",
    }],
    nulls: "NULL for NULL paths or a NULL slice (its times may be NULL); a NULL among the paths is an error. Nodata, masks and alpha bands of each file are respected; NaN stays NaN.",
    errors: &[
        "a file is absent, no raster, damaged, or has no CRS or no geotransform",
        "no transformation between the two CRSs",
        "no file touches the slice, which is not boundless",
        "a band that a file does not have (those it has are listed), or files with different numbers of bands",
        "a whole number that FLOAT cannot hold exactly, from 16777217 on, where pixels are copied or picked",
        "a slice, or a chunk of them, above geoquilt_max_chunk_mb",
        "options that are not constant, or an unknown key",
    ],
    examples: &[
        Example {
            title: "The pixels around a point, on a grid of 5 degrees: bilinear, and nearest",
            sql: "WITH slices AS (SELECT geo_slice({xmin: 0, ymin: 0, xmax: 10, ymax: 10}, 5, 'EPSG:4326') AS s)\n\
                  SELECT read_slice('test/data/small/sst_20180101.tif', s, {resampling: 'bilinear'}).data AS bilinear,\n\
                  \x20      read_slice('test/data/small/sst_20180101.tif', s).data AS nearest FROM slices;",
            rows: &["[18.546875, 18.578125, 19.671875, 19.703125]\t[19.125, 19.125, 19.125, 19.125]"],
        },
        Example {
            title: "The mean of two dates on a metric grid",
            sql: "SELECT r.data[1], r.shape, r.crs FROM (SELECT read_slice(['test/data/small/sst_20180101.tif', 'test/data/small/sst_20190101.tif'],\n\
                  \x20   geo_slice({xmin: 400000, ymin: 4000000, xmax: 600000, ymax: 4200000}, 100000, 'EPSG:32629'), {merge: 'mean'}) AS r);",
            rows: &["13.3125\t[1, 2, 2]\tEPSG:32629"],
        },
    ],
    references: &[
        "rasterio.warp.reproject and rasterio.vrt.WarpedVRT: resampling, nodata, tolerance",
        "rasterio.merge.merge: merging",
    ],
};

pub struct Bound {
    options: SliceOptions,
    limits: Limits,
}

/// Reads the options that `read_slice` and `read_series` share.
///
/// # Errors
/// A value of the wrong form, or a mask of which one half is missing.
pub fn slice_options(args: &Args) -> Result<SliceOptions> {
    let patch = patch_options(args)?;
    if let Some(fill) = patch.fill.filter(|fill| fill.is_finite() && (*fill as f32).is_infinite()) {
        return Err(args.place("fill")(Error::invalid(fill, "a number that FLOAT can hold, or 'nan'")));
    }
    let resampling =
        args.choice("resampling", "a resampling method", &RESAMPLINGS)?.unwrap_or(Resampling::Nearest);
    let merge = args.choice("merge", "a rule for merging", &MERGES)?.unwrap_or(Merge::First);
    let floats = [("float32", Dtype::Float32), ("float64", Dtype::Float64)];
    let dtype = args.choice("dtype", "a type to weigh pixels in", &floats)?;
    let tolerance = args.number("tolerance")?.unwrap_or(0.125);
    if tolerance < 0.0 {
        return Err(args.place("tolerance")(Error::invalid(tolerance, "0 or more pixels")));
    }
    let warp = Warp { resampling, tolerance, scaled: patch.scaled, dtype };
    Ok(SliceOptions { patch, warp, merge, mask: quality_mask(args)? })
}

fn quality_mask(args: &Args) -> Result<Option<QualityMask>> {
    let bits = whole_numbers(args, "mask_bits", 0, 63)?;
    let values = whole_numbers(args, "mask_values", i64::MIN, i64::MAX)?;
    let band = match args.get("mask_band") {
        None => None,
        Some(Value::Int(number)) => Some(BandName::Number(*number)),
        Some(Value::Text(name)) => Some(BandName::Name(name.clone())),
        Some(other) => {
            return Err(args.place("mask_band")(Error::invalid(other, "a band by number (from 1) or name")));
        }
    };
    match (band, bits.is_empty() && values.is_empty()) {
        (Some(band), false) => {
            let bits = bits.iter().fold(0, |all, bit| all | 1 << bit);
            Ok(Some(QualityMask { band, bits, values }))
        }
        (None, true) => Ok(None),
        (Some(_), true) => {
            let problem = "a mask_band without mask_bits or mask_values takes nothing away";
            Err(args.place("mask_band")(Error::conflict(problem, "Say which: {mask_bits: [10, 11]}")))
        }
        (None, false) => {
            let problem = "mask_bits and mask_values are those of a mask_band, and none is named";
            Err(args.place("mask_bits")(Error::conflict(problem, "Name it: {mask_band: 'QA60'}")))
        }
    }
}

fn whole_numbers(args: &Args, parameter: &'static str, lowest: i64, highest: i64) -> Result<Vec<i64>> {
    let Some(value) = args.get(parameter) else { return Ok(Vec::new()) };
    let whole = |item: &Value| match item {
        Value::Int(n) if (lowest..=highest).contains(n) => Some(*n),
        _ => None,
    };
    let numbers: Option<Vec<i64>> = match value {
        Value::List(items) => items.iter().map(whole).collect(),
        one => whole(one).map(|n| vec![n]),
    };
    let must = match parameter {
        "mask_bits" => "a list of bits from 0 to 63, such as [10, 11]",
        _ => "a list of whole numbers, such as [3, 8, 9]",
    };
    numbers.ok_or_else(|| args.place(parameter)(Error::invalid(value, must)))
}

/// The paths in a row of a VARCHAR or VARCHAR[] vector, globs expanded.
///
/// # Errors
/// A NULL among them, no path at all, or a glob that matches nothing.
pub fn paths(column: &Vector<'_>, row: usize) -> Result<Vec<String>> {
    let given = match column.holds() {
        Holds::List => {
            let list = column.list(row);
            let items = list.items();
            if list.places().any(|i| items.is_null(i)) {
                return Err(Error::invalid("a NULL among the paths", "paths alone: filter with IS NOT NULL"));
            }
            list.places().map(|i| items.str(i).to_string()).collect()
        }
        _ => vec![column.str(row).to_string()],
    };
    if given.is_empty() {
        return Err(Error::invalid("[]", "at least one path"));
    }
    files::expand(&given)
}

/// What a row asks for.
struct Job {
    paths: Vec<String>,
    slice: Slice,
    bands: usize,
}

impl Job {
    fn pixels(&self) -> usize {
        self.slice.area().saturating_mul(self.bands)
    }
}

/// # Errors
/// More bytes than a chunk of a scalar may take.
pub fn check_bytes(what: &str, bytes: usize, limits: &Limits) -> Result<()> {
    if bytes <= limits.chunk {
        return Ok(());
    }
    let mib = |bytes: usize| (bytes as u64).div_ceil(1 << 20);
    let (needed, limit) = (mib(bytes), mib(limits.chunk));
    Err(Error::conflict(
        format!("{what} would take {needed} MiB, above geoquilt_max_chunk_mb = {limit}"),
        format!(
            "Cut it into smaller slices or read fewer rows at once, stream native windows with FROM read_patch('registry.parquet'), or SET geoquilt_max_chunk_mb = {needed}"
        ),
    ))
}

impl ScalarFunction for ReadSlice {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let args = call.options()?;
        Ok(Bound { options: slice_options(&args)?, limits: call.limits })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: Vector<'_>) -> Result<()> {
        let ty = SqlType::parse(DOC.columns.first().map_or("", |c| c.types))?;
        let mut jobs = Vec::with_capacity(input.rows());
        for row in 0..input.rows() {
            jobs.push(job(bound, input, row)?);
        }
        let total = jobs.iter().flatten().map(Job::pixels).fold(0, usize::saturating_add);
        check_bytes(&format!("one chunk of {} slices", jobs.len()), total.saturating_mul(4), &bound.limits)?;

        let (data, shape, transform, crs) = (out.field(0), out.field(1), out.field(2), out.field(3));
        data.reserve_list(total);
        let mut child = None;
        for (row, job) in jobs.iter().enumerate() {
            let Some(job) = job else {
                out.set_null(row, &ty);
                continue;
            };
            let (places, first) = data.push_list(row, job.pixels());
            child = Some((places, child.map_or(first, |(_, start)| start)));
            let sides = [job.bands as i32, job.slice.height as i32, job.slice.width as i32];
            shape.set_list(row, &sides);
            transform.set_list(row, &job.slice.affine().0);
            crs.set_bytes(row, input.column(1).field(1).bytes(row));
        }
        let Some((places, start)) = child else { return Ok(()) };
        let mut rest = places.slice_mut::<f32>(start, total);
        let mut parts = Vec::with_capacity(jobs.len());
        let mut at = start;
        for job in jobs.iter().flatten() {
            let (part, after) = rest.split_at_mut(job.pixels());
            parts.push((job, at, part));
            (at, rest) = (at + job.pixels(), after);
        }
        let gaps: Mutex<Vec<(usize, Vec<Range<usize>>)>> = Mutex::default();
        workers::each(&mut parts, bound.limits.threads, |(job, first, part)| {
            let runs = read_slice(&job.paths, &job.slice, &bound.options, part)?;
            if !runs.is_empty() {
                gaps.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((*first, runs));
            }
            Ok(())
        })?;
        for (first, runs) in gaps.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            places.set_null_runs(first, &runs);
        }
        Ok(())
    }
}

fn job(bound: &Bound, input: &Input<'_>, row: usize) -> Result<Option<Job>> {
    let place = |parameter: &'static str| move |error: Error| error.at(format!("read_slice({parameter})"));
    let (names, slices) = (input.column(0), input.column(1));
    if names.is_null(row) {
        return Ok(None);
    }
    let Some(slice) = slice_value::read(&slices, row).map_err(place("slice"))? else { return Ok(None) };
    let paths = paths(&names, row).map_err(place("paths"))?;
    let bands = band_count(&paths, &bound.options).map_err(place("paths"))?;
    let job = Job { paths, slice, bands };
    let bytes = job.pixels().saturating_mul(4);
    check_bytes(&format!("{} of {bands} bands", job.slice), bytes, &bound.limits).map_err(place("slice"))?;
    Ok(Some(job))
}
