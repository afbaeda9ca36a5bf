//! `FROM read_series(registry)`: streams series of slices, a row each, in bounded memory.

use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, join};
use crate::bridge::table::{Plan, TableFunction};
use crate::dtype::Pixels;
use crate::error::{Error, Result};
use crate::grid::records::{Record, Records};
use crate::limits::Limits;
use crate::read::gaps::Gaps;
use crate::read::scene::Scene;
use crate::read::series::{SeriesOptions, read_series};
use crate::slice::Slice;
use crate::sql::raster::read_series::{
    REDUCE, STEP, SeriesPlan, TIME_TOLERANCE, plan_series, series_options,
};
use crate::sql::raster::read_slice_table::{NAMED_SLICE_OPTIONS, SliceColumn, transform, whole};
use crate::sql::shared::options::SLICE_OPTIONS;
use crate::sql::shared::registries::only_registry;
use crate::sql::shared::row_scan::{
    self, Bound, ERROR, ON_ERROR_OF_ROWS, RowOptions, RowRead, RowReader, Scan, ScenesColumn,
};
use crate::sql_type::SqlType;
use crate::value::Value;

/// The table function `read_series`.
pub struct ReadSeriesTable;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_series",
    kind: Kind::Table,
    summary: "Streams series of slices of a registry, a row each, in bounded memory.",
    parameters: &join::<{ SLICE_OPTIONS.len() + 5 }>(&[
        &[
            Parameter {
                name: "registry",
                types: "VARCHAR | TABLE[]",
                given: Given::Required,
                meaning: "The path of a `.parquet` file, or a LIST of STRUCT, with columns `paths` VARCHAR[], `times` TIMESTAMP[] and `slice`, as the scalar takes them. Fields of a column `options` STRUCT stand for the parameters below in their row.",
            },
            STEP.named(),
            REDUCE.named(),
            TIME_TOLERANCE.named(),
        ],
        &NAMED_SLICE_OPTIONS,
        &[ON_ERROR_OF_ROWS],
    ]),
    columns: &[
        column(
            "data",
            "FLOAT[]",
            "Pixels in the order [time, band, row, col], NULL where no file has one. The registry's columns come first, in their order, except those named like one of these.",
        ),
        column("shape", "INTEGER[]", "Steps, bands, rows, columns of `data`."),
        column("times", "TIMESTAMP[]", "The start of each step, or each time."),
        column("transform", "DOUBLE[]", "GDAL's six numbers of the slice."),
        column("crs", "VARCHAR", "The slice's."),
        ERROR,
    ],
    nulls: "No parameter may be NULL. A registry row whose paths, times or slice is NULL is an error.",
    errors: &[
        "registry: no Parquet and no list of structs, or one without paths, times and slice",
        "as of the scalar read_series, row by row",
    ],
    examples: &[Example {
        title: "The series of two places, given as a list",
        sql: "SELECT id, data, shape, times[2] AS last FROM read_series([\n\
              \x20   {id: x, paths: ['test/data/small/sst_20180101.tif', 'test/data/small/sst_20190101.tif'], times: [TIMESTAMP '2018-01-01', TIMESTAMP '2019-01-01'],\n\
              \x20    slice: geo_slice({xmin: x, ymin: 0, xmax: x + 10, ymax: 10}, 10, 'EPSG:4326')} FOR x IN [0, 40]]);",
        rows: &[
            "0\t[19.125, 21.125]\t[2, 1, 1, 1]\t2019-01-01 00:00:00",
            "40\t[19.375, 21.375]\t[2, 1, 1, 1]\t2019-01-01 00:00:00",
        ],
    }],
    references: &["xarray: DataArray.resample(time = ...), as of the scalar"],
};

/// Reads the series of rows.
pub struct SeriesReader {
    paths: ScenesColumn,
    times: usize,
    slice: SliceColumn,
    options: RowOptions,
    /// Where rows have no options of their own.
    plain: Option<Arc<SeriesOptions>>,
    limits: Limits,
}

/// What a row asks for.
pub struct SeriesJob {
    /// How it is read.
    pub options: Arc<SeriesOptions>,
    scenes: Vec<Scene>,
    slice: Slice,
    /// The slice's CRS, as the user names it.
    crs: String,
    plan: SeriesPlan,
    limits: Limits,
}

impl SeriesJob {
    /// Steps, bands, rows and columns.
    pub fn shape(&self) -> [usize; 4] {
        let slice = &self.slice;
        [self.plan.bins.len(), self.plan.bands, slice.height as usize, slice.width as usize]
    }

    /// Reads the pixels, `[time, band, row, col]`; gives the runs without one.
    ///
    /// # Errors
    /// As [`read_series`].
    pub fn read(&self, out: &mut [f32]) -> Result<Gaps> {
        // The rows themselves are what several threads share.
        let alone = Limits { threads: 1, ..self.limits };
        read_series(&self.scenes, &self.plan.bins, &self.slice, &self.options, &alone, out)
    }
}

impl SeriesReader {
    /// # Errors
    /// A registry without paths, times or slices, or options that are wrong for all rows.
    pub fn new(args: &Args, records: &Records, limits: Limits) -> Result<SeriesReader> {
        let (paths, slice) = (ScenesColumn::of(records)?, SliceColumn::of(records)?);
        let is_list = |index: &usize| matches!(records.columns.get(*index), Some((_, SqlType::List(_))));
        let times = records.find("times").filter(is_list);
        let times =
            times.ok_or_else(|| records.bad("a registry of series has a column times TIMESTAMP[]"))?;
        let known =
            [STEP.name, REDUCE.name].into_iter().chain(SLICE_OPTIONS.iter().map(|option| option.name));
        let options = RowOptions::of(&DOC, args, known, records);
        let plain = if options.differ() { None } else { Some(Arc::new(series_options(args)?)) };
        Ok(SeriesReader { paths, times, slice, options, plain, limits })
    }

    /// What a row asks for.
    ///
    /// # Errors
    /// A row without paths, times or a slice, a first file that cannot be opened, or a series above what a chunk may take.
    pub fn job(&self, record: &Record) -> Result<SeriesJob> {
        let blame =
            |parameter: &'static str| move |error: Error| error.at(format!("read_series({parameter})"));
        let (given, scenes) = self.paths.read(record).map_err(blame("paths"))?;
        let times = self.times(record).map_err(blame("times"))?;
        let (slice, crs) = self.slice.read(record).map_err(blame("slice"))?;
        let options = match &self.plain {
            Some(plain) => plain.clone(),
            None => Arc::new(series_options(&self.options.of_row(record)?)?),
        };
        let plan = plan_series((&scenes, given), &times, &slice, &options, &self.limits)?;
        Ok(SeriesJob { options, scenes, slice, crs, plan, limits: self.limits })
    }

    fn times(&self, record: &Record) -> Result<Vec<i64>> {
        const DAY: i64 = 86_400_000_000;
        let value = record.value(self.times);
        let instant = |item: &Value| match item {
            Value::Timestamp(at) => Some(*at),
            Value::Date(days) => i64::from(*days).checked_mul(DAY),
            _ => None,
        };
        let times = match value.as_ref() {
            Value::List(items) => items.iter().map(instant).collect::<Option<Vec<i64>>>(),
            _ => None,
        };
        times.ok_or_else(|| Error::invalid(value.as_ref(), "a list of TIMESTAMP, none of them NULL"))
    }
}

impl RowReader for SeriesReader {
    const OTHERS: &'static [&'static str] = &["shape", "times", "transform", "crs"];

    fn cost(&self, record: &Record) -> usize {
        let steps = match record.value(self.times).as_ref() {
            Value::List(items) => items.len(),
            _ => 1,
        };
        self.slice.area(record).saturating_mul(steps).saturating_mul(size_of::<f32>())
    }

    fn read(&self, record: &Record, with_values: bool) -> Result<RowRead> {
        let job = self.job(record)?;
        let values = match with_values {
            true => {
                let mut data = vec![0f32; job.plan.pixels];
                let gaps = job.read(&mut data)?;
                Some((Pixels::Float32(data), gaps))
            }
            false => None,
        };
        let steps = Value::List(job.plan.bins.iter().map(|bin| Value::Timestamp(bin.time)).collect());
        let sides = whole(&job.shape().map(|side| side as i64));
        let others = vec![sides, steps, transform(&job.slice), Value::Text(job.crs)];
        Ok(RowRead { values, others })
    }
}

impl TableFunction for ReadSeriesTable {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound<SeriesReader>;
    type Scan = Scan<SeriesReader>;

    fn bind(args: &Args, limits: Limits) -> Result<Plan<Bound<SeriesReader>>> {
        let records = only_registry(args, "registry")?;
        let reader = SeriesReader::new(args, &records, limits).map_err(|error| match error {
            Error::BadRegistry { .. } => args.blame("registry")(error),
            other => other,
        })?;
        row_scan::plan(&DOC, (records, reader), SqlType::Float, row_scan::on_error(args)?, limits)
    }

    fn start(bound: &Arc<Bound<SeriesReader>>, wanted: &[usize]) -> Result<Scan<SeriesReader>> {
        row_scan::start(bound, wanted)
    }

    fn threads(bound: &Bound<SeriesReader>) -> usize {
        bound.threads()
    }

    fn next(scan: &Scan<SeriesReader>, out: &mut Chunk<'_>) -> Result<()> {
        row_scan::next(scan, out)
    }
}
