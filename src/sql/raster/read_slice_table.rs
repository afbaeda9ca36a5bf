//! `FROM read_slice(registry)`: streams slices, a row each, in bounded memory.

use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, join};
use crate::bridge::table::{Plan, TableFunction};
use crate::dtype::Pixels;
use crate::error::{Error, Load, Result};
use crate::grid::records::{Record, Records};
use crate::limits::Limits;
use crate::read::gaps::Gaps;
use crate::read::mosaic::{SliceOptions, band_count, read_slice};
use crate::read::scene::Scene;
use crate::slice::Slice;
use crate::sql::shared::options::{SLICE_OPTIONS, slice_options};
use crate::sql::shared::registries::only_registry;
use crate::sql::shared::row_scan::{
    self, Bound, ERROR, ON_ERROR_OF_ROWS, RowOptions, RowRead, RowReader, Scan, ScenesColumn,
};
use crate::sql::shared::slice_value;
use crate::sql_type::SqlType;
use crate::value::Value;

/// The table function `read_slice`.
pub struct ReadSliceTable;

/// [`SLICE_OPTIONS`] as parameters that are given by name.
pub const NAMED_SLICE_OPTIONS: [Parameter; SLICE_OPTIONS.len()] = {
    let mut named = SLICE_OPTIONS;
    let mut i = 0;
    while i < named.len() {
        named[i] = SLICE_OPTIONS[i].named();
        i += 1;
    }
    named
};

static DOC: FunctionDoc = FunctionDoc {
    name: "read_slice",
    kind: Kind::Table,
    summary: "Streams slices of a registry, a row each, warped and merged, in bounded memory.",
    parameters: &join::<{ SLICE_OPTIONS.len() + 2 }>(&[
        &[Parameter {
            name: "registry",
            types: "VARCHAR | TABLE[]",
            given: Given::Required,
            meaning: "The path of a `.parquet` file, or a LIST of STRUCT, with columns `paths` VARCHAR[] (or `path`) and `slice`, as the scalar takes them. Fields of a column `options` STRUCT stand for the parameters below in their row.",
        }],
        &NAMED_SLICE_OPTIONS,
        &[ON_ERROR_OF_ROWS],
    ]),
    columns: &[
        column(
            "data",
            "FLOAT[]",
            "Pixels in the order [band, row, col], NULL where no file has one. The registry's columns come first, in their order, except those named like one of these.",
        ),
        column("shape", "INTEGER[]", "Bands, rows, columns of `data`."),
        column("transform", "DOUBLE[]", "GDAL's six numbers of the slice."),
        column("crs", "VARCHAR", "The slice's."),
        ERROR,
    ],
    nulls: "No parameter may be NULL. A registry row whose paths or slice is NULL is an error.",
    errors: &[
        "registry: no Parquet and no list of structs, or one without paths and slice",
        "as of the scalar read_slice, row by row",
    ],
    examples: &[Example {
        title: "Slices of a registry, given as a list, in its order; one with an option of its own",
        sql: "SELECT id, data, shape FROM read_slice([\n\
              \x20   {id: 'a', path: 'test/data/small/sst_20190101.tif', slice: geo_slice({xmin: 0, ymin: 0, xmax: 10, ymax: 10}, 5, 'EPSG:4326'), options: NULL},\n\
              \x20   {id: 'b', path: 'test/data/small/sst_20180101.tif', slice: geo_slice({xmin: 0, ymin: 0, xmax: 10, ymax: 10}, 5, 'EPSG:4326'), options: {resampling: 'bilinear'}}]);",
        rows: &[
            "a\t[21.125, 21.125, 21.125, 21.125]\t[1, 2, 2]",
            "b\t[18.546875, 18.578125, 19.671875, 19.703125]\t[1, 2, 2]",
        ],
    }],
    references: &["rasterio.warp.reproject and rasterio.merge.merge, as of the scalar"],
};

/// Reads the slices of rows.
pub struct SliceReader {
    paths: ScenesColumn,
    slice: SliceColumn,
    options: RowOptions,
    /// Where rows have no options of their own.
    plain: Option<Arc<SliceOptions>>,
    /// How many bands the first row gives: what a row costs is reckoned with it.
    bands: usize,
    limits: Limits,
}

/// Which column of a registry is the slice.
#[derive(Debug, Clone, Copy)]
pub struct SliceColumn(usize);

impl SliceColumn {
    /// # Errors
    /// A registry without one.
    pub fn of(records: &Records) -> Result<SliceColumn> {
        let is_slice = |index: &usize| matches!(records.columns.get(*index), Some((_, SqlType::Struct(_))));
        let found = records.find("slice").filter(is_slice);
        found
            .map(SliceColumn)
            .ok_or_else(|| records.bad("a registry has a column slice, as geo_slice makes it"))
    }

    /// The slice of a row, and its CRS as the user names it.
    ///
    /// # Errors
    /// A NULL, or a slice that cannot be.
    pub fn read(self, record: &Record) -> Result<(Slice, String)> {
        let missing = || Error::invalid("NULL", "a slice, as geo_slice makes it");
        slice_value::of_value(record.value(self.0).as_ref())?.ok_or_else(missing)
    }

    /// How many pixels a band of it has; 0 where it is none.
    pub fn area(self, record: &Record) -> usize {
        self.read(record).map_or(0, |(slice, _)| slice.area())
    }
}

/// What a row asks for.
pub struct SliceJob {
    /// How it is read.
    pub options: Arc<SliceOptions>,
    scenes: Vec<Scene>,
    slice: Slice,
    /// The slice's CRS, as the user names it.
    crs: String,
    bands: usize,
}

impl SliceJob {
    /// Bands, rows and columns.
    pub fn shape(&self) -> [usize; 3] {
        [self.bands, self.slice.height as usize, self.slice.width as usize]
    }

    /// Reads the pixels, `[band, row, col]`; gives the runs without one.
    ///
    /// # Errors
    /// As [`read_slice`].
    pub fn read(&self, out: &mut [f32]) -> Result<Gaps> {
        read_slice(&self.scenes, &self.slice, &self.options, out)
    }
}

impl SliceReader {
    /// # Errors
    /// A registry without paths or slices, or options that are wrong for all rows.
    pub fn new(args: &Args, records: &Records, limits: Limits) -> Result<SliceReader> {
        let (paths, slice) = (ScenesColumn::of(records)?, SliceColumn::of(records)?);
        let options = RowOptions::of(&DOC, args, SLICE_OPTIONS.iter().map(|option| option.name), records);
        // What is missing for all rows, each may have.
        let plain = if options.differ() { None } else { Some(Arc::new(slice_options(args)?)) };
        let first = records.records()?.next().and_then(Result::ok);
        let bands = first.and_then(|record| {
            let own = slice_options(&options.of_row(&record).ok()?).ok()?;
            band_count(&paths.read(&record).ok()?.1, &own).ok()
        });
        Ok(SliceReader { paths, slice, options, plain, bands: bands.unwrap_or(1), limits })
    }

    /// What a row asks for.
    ///
    /// # Errors
    /// A row without paths or a slice, a first file that cannot be opened, or a slice above what a chunk may take.
    pub fn job(&self, record: &Record) -> Result<SliceJob> {
        let blame =
            |parameter: &'static str| move |error: Error| error.at(format!("read_slice({parameter})"));
        let (_, scenes) = self.paths.read(record).map_err(blame("paths"))?;
        let (slice, crs) = self.slice.read(record).map_err(blame("slice"))?;
        let options = match &self.plain {
            Some(plain) => plain.clone(),
            None => Arc::new(slice_options(&self.options.of_row(record)?)?),
        };
        let bands = band_count(&scenes, &options).map_err(blame("paths"))?;
        let what = || Load::Slices(format!("{slice} of {bands} bands"));
        let bytes = slice.area().saturating_mul(bands).saturating_mul(size_of::<f32>());
        self.limits.allow(bytes, what).map_err(blame("slice"))?;
        Ok(SliceJob { options, scenes, slice, crs, bands })
    }
}

impl RowReader for SliceReader {
    const OTHERS: &'static [&'static str] = &["shape", "transform", "crs"];

    fn cost(&self, record: &Record) -> usize {
        self.slice.area(record).saturating_mul(self.bands).saturating_mul(size_of::<f32>())
    }

    fn read(&self, record: &Record, with_values: bool) -> Result<RowRead> {
        let job = self.job(record)?;
        let sides = job.shape();
        let values = match with_values {
            true => {
                let mut pixels = vec![0f32; sides.iter().product()];
                let gaps = job.read(&mut pixels)?;
                Some((Pixels::Float32(pixels), gaps))
            }
            false => None,
        };
        let others = vec![whole(&sides.map(|side| side as i64)), transform(&job.slice), Value::Text(job.crs)];
        Ok(RowRead { values, others })
    }
}

/// Whole numbers as a list.
pub fn whole(numbers: &[i64]) -> Value {
    Value::List(numbers.iter().map(|number| Value::Int(*number)).collect())
}

/// GDAL's six numbers of a slice.
pub fn transform(slice: &Slice) -> Value {
    Value::List(slice.affine().0.map(Value::Double).to_vec())
}

impl TableFunction for ReadSliceTable {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound<SliceReader>;
    type Scan = Scan<SliceReader>;

    fn bind(args: &Args, limits: Limits) -> Result<Plan<Bound<SliceReader>>> {
        let records = only_registry(args, "registry")?;
        let reader = SliceReader::new(args, &records, limits).map_err(|error| match error {
            Error::BadRegistry { .. } => args.blame("registry")(error),
            other => other,
        })?;
        row_scan::plan(&DOC, (records, reader), SqlType::Float, row_scan::on_error(args)?, limits)
    }

    fn start(bound: &Arc<Bound<SliceReader>>, wanted: &[usize]) -> Result<Scan<SliceReader>> {
        row_scan::start(bound, wanted)
    }

    fn threads(bound: &Bound<SliceReader>) -> usize {
        bound.threads()
    }

    fn next(scan: &Scan<SliceReader>, out: &mut Chunk<'_>) -> Result<()> {
        row_scan::next(scan, out)
    }
}
