//! `read_plan`: what reading the patches of rasters, or of a registry, would cost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashSet;

use crate::bridge::args::Args;
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::bridge::table::{Plan, TableFunction};
use crate::error::{Error, Result};
use crate::files::{Location, remote};
use crate::limits::Limits;
use crate::read::block_cache::Key;
use crate::read::patch::PatchOptions;
use crate::read::plan::FileWindow;
use crate::read::source::{Cost, Source, open_ahead};
use crate::read::steps::bands_at;
use crate::read::stream::Target;
use crate::sql::raster::patch_scan::{Origin, targets};
use crate::sql::raster::read_patch_table::origin;
use crate::sql::shared::options::{BANDS, BOUNDLESS, patch_options};
use crate::value::Value;
use crate::workers::{each_waiting, go_on};

/// The table function `read_plan`.
pub struct ReadPlan;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_plan",
    kind: Kind::Table,
    summary: "What reading patches would cost: blocks, bytes and requests, a row a file.",
    parameters: &[
        Parameter {
            name: "source",
            types: "VARCHAR | VARCHAR[] | TABLE[]",
            given: Given::Required,
            meaning: "As in read_patch: rasters, or a registry.",
        },
        named("size", "BIGINT | BIGINT[]", "128", "As in read_patch."),
        named("stride", "BIGINT | BIGINT[]", "size", "As in read_patch."),
        named("edge", "VARCHAR", "'snap'", "As in read_patch."),
        BANDS.named(),
        BOUNDLESS.named(),
    ],
    columns: &[
        column("path", "VARCHAR", "A file, in the order in which they are first asked for."),
        column("host", "VARCHAR", "The host, or the bucket, that a URL names; NULL of a local file."),
        column("windows", "UBIGINT", "Windows that are read of it."),
        column("blocks", "UBIGINT", "Blocks of bands that these lie in, each once."),
        column("decoded", "UBIGINT", "Those that the block cache holds."),
        column(
            "bytes",
            "UBIGINT",
            "Bytes that the others take in the file; NULL where its format does not tell.",
        ),
        column(
            "requests",
            "UBIGINT",
            "Ranges to be fetched over the network, beside the one that looks at the file; NULL as `bytes`.",
        ),
        column(
            "fetched",
            "UBIGINT",
            "Bytes of these requests, with what lies between near blocks; NULL as `bytes`.",
        ),
    ],
    nulls: "No parameter may be NULL. A registry row whose path or win is NULL is an error.",
    errors: &[
        "source: no such file, no raster, no Parquet, or a registry without path and win",
        "size, stride, edge: as in geo_patch_grid",
        "a window wholly outside its raster, unless boundless",
    ],
    examples: &[Example {
        title: "Two windows of one block, and one of the next file",
        sql: "SELECT parse_filename(path) AS file, windows, blocks, requests FROM read_plan([\n\
              \x20   {path: 'test/data/small/sst_20180101.tif', win: {row_off: 0, col_off: 0, height: 1, width: 3}},\n\
              \x20   {path: 'test/data/small/sst_20180101.tif', win: {row_off: 0, col_off: 1, height: 1, width: 3}},\n\
              \x20   {path: 'test/data/small/sst_20190101.tif', win: {row_off: 0, col_off: 0, height: 1, width: 3}}]);",
        rows: &["sst_20180101.tif\t2\t1\t0", "sst_20190101.tif\t1\t1\t0"],
    }],
    references: &["rasterio: DatasetReader.block_windows; GDAL: BLOCK_OFFSET and BLOCK_SIZE of a band"],
};

/// What a plan knows before any row.
pub struct Bound {
    origin: Origin,
    options: PatchOptions,
    limits: Limits,
}

impl TableFunction for ReadPlan {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = Mutex<std::vec::IntoIter<Vec<Value>>>;

    fn bind(args: &Args, limits: Limits) -> Result<Plan<Bound>> {
        let bound = Bound { origin: origin(args)?, options: patch_options(args)?, limits };
        Ok(Plan { columns: DOC.schema()?, rows: None, bound })
    }

    fn start(bound: &Arc<Bound>, _wanted: &[usize]) -> Result<Self::Scan> {
        let mut files = Files::default();
        let mut targets = targets(&bound.origin)?;
        loop {
            let portion: Vec<Target> = targets.by_ref().take(PORTION).collect::<Result<_>>()?;
            if portion.is_empty() {
                break;
            }
            open_ahead(portion.iter().map(|target| &*target.path));
            for target in portion {
                go_on()?;
                files.add(&target, &bound.options)?;
            }
        }
        Ok(Mutex::new(files.rows(&bound.limits)?.into_iter()))
    }

    fn next(scan: &Self::Scan, out: &mut Chunk<'_>) -> Result<()> {
        let mut left = scan.lock().unwrap_or_else(PoisonError::into_inner);
        let rows: Vec<Vec<Value>> = left.by_ref().take(out.capacity()).collect();
        out.set_rows(rows.len());
        rows.into_iter().enumerate().for_each(|(row, values)| out.write(row, values));
        Ok(())
    }
}

/// Rows whose files are opened side by side.
const PORTION: usize = 4096;

/// What is read of one file.
struct File {
    source: Arc<Source>,
    windows: u64,
    keys: FxHashSet<Key>,
    cost: Cost,
}

/// Files in the order in which they are first asked for.
#[derive(Default)]
struct Files {
    files: Vec<File>,
    by_path: HashMap<Arc<str>, usize>,
}

impl Files {
    fn add(&mut self, target: &Target, options: &PatchOptions) -> Result<()> {
        let next = self.files.len();
        let index = *self.by_path.entry(target.path.clone()).or_insert(next);
        if index == next {
            let source = Source::open(&target.path)?;
            self.files.push(File { source, windows: 0, keys: FxHashSet::default(), cost: Cost::default() });
        }
        let file = self.files.get_mut(index).ok_or_else(|| Error::Bug(format!("no file {index}")))?;
        let bands = bands_at(&file.source, options, target.step)?.into();
        let window = FileWindow { source: file.source.clone(), window: target.window, bands, own: None };
        file.keys.extend(window.request(options).block_keys()?);
        file.windows += 1;
        Ok(())
    }

    fn rows(mut self, limits: &Limits) -> Result<Vec<Vec<Value>>> {
        let threads = remote::threads(limits.threads, self.by_path.keys().map(|path| &**path));
        each_waiting(&mut self.files, threads, |file| {
            let mut keys: Vec<Key> = file.keys.drain().collect();
            keys.sort_unstable();
            file.cost = file.source.cost(&keys)?;
            Ok(())
        })?;
        let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let row = |file: File| {
            let Cost { blocks, decoded, stored } = file.cost;
            let stored = stored.map(|stored| [stored.bytes, stored.requests, stored.fetched].map(number));
            let mut row = vec![
                Value::Text(file.source.path().to_string()),
                host(file.source.path()).map_or(Value::Null, Value::Text),
            ];
            row.extend([file.windows, blocks, decoded].map(number));
            row.extend(stored.unwrap_or([Value::Null, Value::Null, Value::Null]));
            row
        };
        Ok(self.files.into_iter().map(row).collect())
    }
}

/// The host that a URL names, without who asks.
fn host(path: &str) -> Option<String> {
    let location = Location::parse(path);
    let (_, rest) = location.file().split_once("://").filter(|_| location.is_url())?;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_string())
}
