//! `geo_zonal_stats`: a raster's pixels under a polygon, in numbers.

use std::borrow::Cow;
use std::sync::Arc;

use crate::bridge::args::Args;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::record::{Typed, record};
use crate::bridge::rows::{Cell, Parallel};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::crs::Crs;
use crate::error::{Error, Load, Result, one_of};
use crate::kept::Shared;
use crate::limits::Limits;
use crate::map::geometry;
use crate::read::patch::BandName;
use crate::sql::shared::crs::{CallCrs, crs_of_call};
use crate::sql::shared::shapes;
use crate::value::Value;
use crate::zonal::{COVERAGES, Coverage, Layer, ZonalOptions, Zone, zone};

/// The scalar `geo_zonal_stats`.
pub struct GeoZonalStats;

/// The statistics in the order of the result's fields, and whether they need all pixels at once.
const STATS: [(&str, bool); 10] = [
    ("count", false),
    ("min", false),
    ("max", false),
    ("mean", false),
    ("median", true),
    ("std", false),
    ("sum", false),
    ("majority", true),
    ("minority", true),
    ("variety", true),
];

/// The statistics of a zone; those that were not asked for are NULL.
struct Stats {
    count: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
    median: Option<f64>,
    std: Option<f64>,
    sum: Option<f64>,
    majority: Option<f64>,
    minority: Option<f64>,
    variety: Option<i64>,
}
record! {
    Stats {
        count: Option<f64>,
        min: Option<f64>,
        max: Option<f64>,
        mean: Option<f64>,
        median: Option<f64>,
        std: Option<f64>,
        sum: Option<f64>,
        majority: Option<f64>,
        minority: Option<f64>,
        variety: Option<i64>,
    }
}

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_zonal_stats",
    kind: Kind::Scalar,
    summary: "Statistics of a raster's pixels under a polygon.",
    parameters: &[
        Parameter {
            name: "path",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A raster with a place on the map.",
        },
        Parameter {
            name: "geometry",
            types: "GEOMETRY",
            given: Given::AsItIs,
            meaning: "A polygon or multipolygon (WKT too), projected to the raster's CRS vertex by vertex.",
        },
        Parameter {
            name: "options",
            types: "STRUCT",
            given: Given::Optional,
            meaning: "The keys below, constant for the query.",
        },
        Parameter {
            name: "stats",
            types: "VARCHAR[]",
            given: Given::Option("all"),
            meaning: "Fields to fill, the others are NULL. Without median, majority, minority and variety a zone of any size takes no memory.",
        },
        Parameter {
            name: "coverage",
            types: "VARCHAR",
            given: Given::Option("'center'"),
            meaning: "`center`: a pixel counts when its centre lies inside. `touched`: when any of it does. `exact`: with the share of its area that lies inside.",
        },
        Parameter {
            name: "band",
            types: "BIGINT | VARCHAR",
            given: Given::Option("1"),
            meaning: "The band, by number (from 1) or by name.",
        },
        Parameter {
            name: "scaled",
            types: "BOOLEAN",
            given: Given::Option("false"),
            meaning: "Take `pixel * scale + offset` of the band's header instead of the stored pixel.",
        },
        Parameter {
            name: "weights",
            types: "VARCHAR",
            given: Given::Option("NULL"),
            meaning: "A raster on the same grid (cell areas, population): its first band, scaled, weighs `mean`, `sum` and `std`.",
        },
        Parameter {
            name: "crs",
            types: "VARCHAR",
            given: Given::Option("'OGC:CRS84'"),
            meaning: "CRS of a geometry whose type has none.",
        },
    ],
    columns: &[Column {
        name: "stats",
        types: Stats::TYPE,
        meaning: "`count` is the number of pixels, or the sum of their coverage when exact; `std` is the population's; `majority` is the value that covers most (the greatest of several), `minority` the one that covers least (the smallest of several), `variety` the number of values. Under exact coverage `median` is the weighted quantile.",
    }],
    nulls: "NULL for a NULL path and for a NULL or empty geometry. NULL, nodata, masked and NaN pixels are not counted, nor are those without a weight. Where no pixel is left, also beyond the raster, `count` and `variety` are 0 and the others NULL.",
    errors: &[
        "the raster is absent, damaged, rotated, or has no CRS or no such band (those it has are listed)",
        "the geometry is not a polygon, or cannot be projected",
        "weights on another grid",
        "a zone whose pixels take more than geoquilt_max_chunk_mb, with statistics that need them all at once",
        "an unknown statistic, coverage or option",
    ],
    examples: &[
        Example {
            title: "Pixels whose centres lie inside, and the same with exact coverage",
            sql: "SELECT s.count, s.mean, round(e.count, 4) AS exact_count, round(e.mean, 4) AS exact_mean FROM (\n\
                  \x20 SELECT geo_zonal_stats('test/data/small/sst_20180101.tif', zone) AS s,\n\
                  \x20        geo_zonal_stats('test/data/small/sst_20180101.tif', zone, {coverage: 'exact'}) AS e\n\
                  \x20 FROM (SELECT 'POLYGON ((0 0, 24 0, 24 30, 0 30, 0 0))'::GEOMETRY AS zone));",
            rows: &["6.0\t16.90625\t7.2\t16.9219"],
        },
        Example {
            title: "Land under a box in metres: majority of a mask",
            sql: "SELECT geo_zonal_stats('test/data/small/land.tif', 'POLYGON ((2e6 1e6, 6e6 1e6, 6e6 5e6, 2e6 5e6, 2e6 1e6))'::GEOMETRY, {crs: 'EPSG:3857', stats: ['majority']}).majority AS land;",
            rows: &["1.0"],
        },
    ],
    references: &[
        "rasterio.features.geometry_mask: pixel-centre rule",
        "exactextract 0.3: exact coverage, weighted quantile",
    ],
};

/// A raster for each row must not fill memory.
const KEPT_LAYERS: usize = 64;

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    given: CallCrs,
    options: ZonalOptions,
    weights: Option<Layer>,
    wanted: [bool; STATS.len()],
    layers: Shared<String, Arc<Layer>>,
    threads: usize,
}

/// What a row asks for.
struct Job<'a> {
    path: &'a str,
    wkb: Cow<'a, [u8]>,
}

impl ScalarFunction for GeoZonalStats {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let args = call.options()?;
        let given = crs_of_call(&args, call.crs(1)?)?;
        let wanted = wanted(&args)?;
        let band = match args.get("band") {
            None => BandName::Number(1),
            Some(Value::Int(number)) => BandName::Number(*number),
            Some(Value::Text(name)) => BandName::Name(name.clone()),
            Some(other) => {
                return Err(args.blame("band")(Error::invalid(other, "one band, by number or by name")));
            }
        };
        let coverage = args.choice("coverage", "a rule of coverage", &COVERAGES)?.unwrap_or(Coverage::Center);
        let scaled = args.flag("scaled")?.unwrap_or(false);
        let keep = STATS.iter().zip(wanted).any(|((_, needs_all), wanted)| *needs_all && wanted);
        let options = ZonalOptions { coverage, band, scaled, keep, limits: call.limits };
        let weights = match args.text("weights")? {
            Some(path) => Some(Layer::open(&path, &BandName::Number(1)).map_err(args.blame("weights"))?),
            None => None,
        };
        let threads = call.limits.threads;
        Ok(Bound { given, options, weights, wanted, layers: Shared::new(KEPT_LAYERS), threads })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let (paths, given) = (input.column(0), input.column(1));
        let job = |row: usize| {
            if input.any_null(row) {
                return Ok(None);
            }
            let wkb = shapes::wkb(given, row).map_err(|e| e.at("geo_zonal_stats(geometry)"))?;
            let Some(wkb) = wkb else { return Ok(None) };
            Ok(Some(Job { path: paths.str(row)?, wkb }))
        };
        // Side by side, zones share what one may take; those that need more come afterwards, one at a time.
        let limits = bound.options.limits;
        let limits = Limits { chunk: limits.chunk / bound.threads.max(1), ..limits };
        let share = ZonalOptions { limits, ..bound.options.clone() };
        let work = |job: &Job<'_>| match one(bound, job, &share) {
            Err(Error::TooLarge { load: Load::Zone, .. }) => Ok(None),
            done => done.map(Some),
        };
        let parallel = Parallel { threads: bound.threads, at_once: input.rows() };
        parallel.rows(input, out, job, work, |job, done, out, row| {
            let stats = match done {
                Some(stats) => stats,
                None => one(bound, &job, &bound.options)?,
            };
            stats.write(out, row)
        })
    }
}

fn wanted(args: &Args) -> Result<[bool; STATS.len()]> {
    let Some(value) = args.get("stats") else { return Ok([true; STATS.len()]) };
    let bad = || args.blame("stats")(Error::invalid(value, "a list such as ['count', 'mean']"));
    let names = match value {
        Value::List(names) if !names.is_empty() => names.as_slice(),
        Value::Text(_) => std::slice::from_ref(value),
        _ => return Err(bad()),
    };
    let mut wanted = [false; STATS.len()];
    let choices: Vec<(&str, usize)> = STATS.iter().enumerate().map(|(i, (name, _))| (*name, i)).collect();
    for name in names {
        let Value::Text(name) = name else { return Err(bad()) };
        let index = one_of(name, "a statistic", &choices).map_err(args.blame("stats"))?;
        if let Some(flag) = wanted.get_mut(index) {
            *flag = true;
        }
    }
    Ok(wanted)
}

fn one(bound: &Bound, job: &Job<'_>, options: &ZonalOptions) -> Result<Option<Stats>> {
    let blame = |error: Error| bound.given.explain(error).at("geo_zonal_stats(geometry)");
    let crs = &bound.given.crs;
    let layer = bound.layer(job.path)?;
    let Some(mut geometry) = geometry::read(&job.wkb).map_err(blame)? else { return Ok(None) };
    bound.given.check(geometry::envelope(&geometry)).map_err(blame)?;
    if Crs::new(&layer.crs) != *crs {
        geometry::project(&mut geometry, crs.as_str(), &layer.crs).map_err(blame)?;
    }
    let polygons = geometry::polygons(geometry).map_err(blame)?;
    let mut zone = zone(&layer, bound.weights.as_ref(), polygons, options)?;
    let median = if options.keep { zone.median() } else { None };
    let (majority, minority, variety) = if options.keep { zone.common() } else { (None, None, 0) };
    let Zone { count, min, max, .. } = zone;
    let (mean, std, sum) = (zone.mean(), zone.std(), zone.sum());
    let [w_count, w_min, w_max, w_mean, w_median, w_std, w_sum, w_majority, w_minority, w_variety] =
        bound.wanted;
    Ok(Some(Stats {
        count: w_count.then_some(count),
        min: min.filter(|_| w_min),
        max: max.filter(|_| w_max),
        mean: mean.filter(|_| w_mean),
        median: median.filter(|_| w_median),
        std: std.filter(|_| w_std),
        sum: sum.filter(|_| w_sum),
        majority: majority.filter(|_| w_majority),
        minority: minority.filter(|_| w_minority),
        variety: w_variety.then_some(variety as i64),
    }))
}

impl Bound {
    fn layer(&self, path: &str) -> Result<Arc<Layer>> {
        self.layers.get_or_make(path, || Layer::open(path, &self.options.band).map(Arc::new))
    }
}
