//! `geo_patch_grid`: patches over a raster, a mask, or a box.

use std::sync::{Arc, Mutex, PoisonError};

use crate::bridge::args::{Args, bbox, number};
use crate::bridge::chunk::Chunk;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::bridge::record::text;
use crate::bridge::rows::Cell;
use crate::bridge::table::{Plan, TableFunction};
use crate::bridge::vector::Vector;
use crate::crs::{CRS84, Crs};
use crate::error::{Error, Result};
use crate::grid::edge::{EDGES, Edge};
use crate::grid::land::{Fractions, LandRule, SummedRows, Trust};
use crate::grid::mask::Mask;
use crate::grid::region::Region;
use crate::grid::sampler::{Places, Sampler};
use crate::grid::{Grid, GridOptions, LandSource, Lattice, Patch};
use crate::limits::Limits;
use crate::projection;
use crate::read::source::Source;
use crate::sql::grid::array_grid::{self, ArrayGrid, ArrayScan};
use crate::sql::grid::sampler_arguments::{self, SAMPLER};
use crate::sql::shared::shapes::BOX;
use crate::sql::shared::windows::{WIN, WindowRow};
use crate::value::Value;
use crate::workers::Ordered;

/// The table function `geo_patch_grid`.
pub struct GeoPatchGrid;

const MAX_SIDE: i64 = 1 << 20;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_patch_grid",
    kind: Kind::Table,
    summary: "Places patches over a raster, a box or a variable, and filters them by land.",
    parameters: &[
        Parameter {
            name: "source",
            types: text!["VARCHAR | ", BOX],
            given: Given::Required,
            meaning: "A raster, whose pixels the patches are cut from; or a box, cut into square cells of `resolution` from its upper left corner; or an array file, of which `variable` is cut.",
        },
        named(
            "variable",
            "VARCHAR",
            "NULL",
            "A variable of an array file, of any number of dimensions. Beside it stand `size`, `stride`, `edge`, and of the samplers `regular` and `random`.",
        ),
        named(
            "size",
            "BIGINT | BIGINT[] | STRUCT(dim BIGINT)",
            "128",
            "Height and width of a patch in pixels: one number, or [rows, cols]. Of a variable, places along its dimensions, `{time: 12, lat: 64, lon: 64}`; one that is not named is whole.",
        ),
        named(
            "stride",
            "BIGINT | BIGINT[] | STRUCT(dim BIGINT)",
            "size",
            "Rows and columns from one patch to the next; of a variable, places along its dimensions.",
        ),
        named(
            "edge",
            "VARCHAR",
            "'snap'",
            "Where the last window does not fit: `drop` leaves it out, `snap` moves it inward, `overflow` lets it hang over, `center` splits the overhang on both sides, `pad` starts one at every multiple of the stride. An axis shorter than the window has one partial window (`is_partial`), under `drop` too, and is an error under `snap`.",
        ),
        named(
            "resolution",
            "DOUBLE",
            "NULL",
            "Side of a cell over a box, in units of its CRS. Where the box is not a whole number of cells, the last row and column reach beyond it.",
        ),
        named("crs", "VARCHAR", "'OGC:CRS84'", "CRS of a box."),
        named(
            "mask",
            "VARCHAR",
            "source",
            "Land mask, a raster in any CRS, whose pixels above 0.5 count as land. Without it the source itself is the mask, and must look like one: numbers from 0 to 1, or 0 and one other number. Data of another kind, sea surface temperatures say, are refused: name their mask, or the source itself where its pixels are meant all the same.",
        ),
        named(
            "mask_value",
            "DOUBLE",
            "NULL",
            "Mask pixels of this value are land; without it, those above 0.5.",
        ),
        named(
            "max_land_fraction",
            "DOUBLE",
            "NULL",
            "Patches with a larger share of land are rejected; without it, none is.",
        ),
        named(
            "force_include",
            "STRUCT(name VARCHAR, xmin DOUBLE, ymin DOUBLE, xmax DOUBLE, ymax DOUBLE, max_land_fraction DOUBLE)[]",
            "[]",
            "Regions in degrees with a land cap of their own (1 unless given): a patch whose centre lies in one is kept up to that cap. xmin > xmax crosses the antimeridian. The first that takes a patch names it.",
        ),
        named(
            "include_rejected",
            "BOOLEAN",
            "false",
            "Give rejected patches too, with their status. `random` and `poisson_disk` draw among those that are kept, and take no such word.",
        ),
        SAMPLER[0],
        SAMPLER[1],
        SAMPLER[2],
        SAMPLER[3],
        SAMPLER[4],
        SAMPLER[5],
        SAMPLER[6],
        SAMPLER[7],
    ],
    columns: &[
        column(
            "patch_id",
            "BIGINT",
            "Place in the full grid, row-major from the upper left, whatever is filtered; under `explicit` the place in `anchors`, from 0; under `random` and `poisson_disk` the patches are counted as they are drawn.",
        ),
        column("win", WIN, "The window, in pixels."),
        column(
            "bbox",
            BOX,
            "Outer edges of the window, in `crs`; of a variable those of its rows and columns on the map, NULL where its coordinates do not tell.",
        ),
        column("crs", "VARCHAR", "CRS of the grid."),
        column("lon_center", "DOUBLE", "Longitude of the centre, degrees; a circular mean on a globe."),
        column("lat_center", "DOUBLE", "Latitude of the centre, degrees."),
        column("is_partial", "BOOLEAN", "The window hangs over the raster's edge."),
        column(
            "land_fraction",
            "DOUBLE",
            "Land pixels / (height x width); NULL when no land filter was asked for.",
        ),
        column("ocean_fraction", "DOUBLE", "1 - land_fraction - invalid_fraction."),
        column("invalid_fraction", "DOUBLE", "Pixels with nodata or beyond the mask / (height x width)."),
        column("force_included", "BOOLEAN", "A forced region takes the patch."),
        column("force_region", "VARCHAR", "Its name, or NULL."),
        column("status", "VARCHAR", "`kept` within the cap, `forced` above it by a region's, `rejected`."),
        column(
            "isel",
            "ANY",
            "Of a variable alone, in place of all but `patch_id`, `bbox`, `crs` and `is_partial`: a STRUCT of its dimensions, each with the first and the last place, both inside, as `read_array` takes it. The last dimension runs fastest.",
        ),
        column("path", "VARCHAR", "Of a variable alone: the file. The grid is a registry of `read_array`."),
        column("variable", "VARCHAR", "Of a variable alone: its name."),
    ],
    nulls: "No parameter may be NULL. Fractions are NULL unless max_land_fraction, force_include, mask or mask_value asks for them.",
    errors: &[
        "size, stride: not a whole number of at least 1; edge 'snap' and an axis shorter than the window",
        "source: no raster, a rotated transform, no CRS; a box out of order or without a resolution",
        "resolution: not above 0, or wider than the box",
        "mask: does not cover the grid, or has no pixel in a patch; none is named, and the source does not look like one",
        "max_land_fraction: outside [0, 1]",
        "n, replace, jitter, min_distance, anchors, anchors_crs, seed: given to a sampler that does not take it, or not given to one that needs it",
        "n: more than there are places that the filters keep",
        "min_distance, jitter: not above 0; jitter above 1",
        "anchors: not points or windows, or a point off the grid",
        "variable: not in the file; a dimension in size or stride that it lacks, an axis shorter than its window, or a word that such a grid does not take",
    ],
    examples: &[
        Example {
            title: "The five edge rules over 30 columns, windows of 16, stride 8",
            sql: "SELECT edge, list(DISTINCT win.col_off ORDER BY win.col_off) AS starts FROM (\n\
                  \x20   SELECT 'drop' AS edge, win FROM geo_patch_grid({xmin: 0, ymin: 0, xmax: 30, ymax: 30}, resolution := 1, size := 16, stride := 8, edge := 'drop')\n\
                  \x20   UNION ALL SELECT 'snap', win FROM geo_patch_grid({xmin: 0, ymin: 0, xmax: 30, ymax: 30}, resolution := 1, size := 16, stride := 8)\n\
                  \x20   UNION ALL SELECT 'overflow', win FROM geo_patch_grid({xmin: 0, ymin: 0, xmax: 30, ymax: 30}, resolution := 1, size := 16, stride := 8, edge := 'overflow')\n\
                  \x20   UNION ALL SELECT 'center', win FROM geo_patch_grid({xmin: 0, ymin: 0, xmax: 30, ymax: 30}, resolution := 1, size := 16, stride := 8, edge := 'center')\n\
                  \x20   UNION ALL SELECT 'pad', win FROM geo_patch_grid({xmin: 0, ymin: 0, xmax: 30, ymax: 30}, resolution := 1, size := 16, stride := 8, edge := 'pad')\n\
                  ) GROUP BY edge ORDER BY edge;",
            rows: &[
                "center\t[-1, 7, 15]",
                "drop\t[0, 8]",
                "overflow\t[0, 8, 16]",
                "pad\t[0, 8, 16, 24]",
                "snap\t[0, 8, 14]",
            ],
        },
        Example {
            title: "Ocean patches, and a region that may hold more land",
            sql: "SELECT status, count(*) AS patches, round(max(land_fraction), 3) AS most_land\n\
                  FROM geo_patch_grid('test/data/small/land.tif', size := 6, max_land_fraction := 0.3, include_rejected := true,\n\
                  \x20   force_include := [{name: 'home', xmin: -60, ymin: 0, xmax: 60, ymax: 90, max_land_fraction: 0.6}])\n\
                  GROUP BY status ORDER BY status;",
            rows: &["forced\t1\t0.5", "kept\t15\t0.25", "rejected\t2\t1.0"],
        },
        Example {
            title: "Random places with little land, each as likely as any other",
            sql: "SELECT patch_id, win.row_off, win.col_off, land_fraction\n\
                  FROM geo_patch_grid('test/data/small/land.tif', size := 6, max_land_fraction := 0.1, sampler := 'random', n := 3, seed := 1);",
            rows: &["0\t9\t29\t0.0", "1\t0\t4\t0.0", "2\t10\t29\t0.0"],
        },
        Example {
            title: "Places at least 3000 km apart, and how many fit",
            sql: "SELECT count(*) AS patches FROM geo_patch_grid({xmin: -180, ymin: -90, xmax: 180, ymax: 90}, resolution := 1, size := 8, sampler := 'poisson_disk', min_distance := 3000);",
            rows: &["38"],
        },
        Example {
            title: "A patch around each of two stations, moved inward at the edge",
            sql: "SELECT patch_id, win.row_off, win.col_off FROM geo_patch_grid('test/data/small/land.tif', size := 6,\n\
                  \x20   sampler := 'explicit', anchors := [{x: 10.2, y: 54.3}, {x: -179.5, y: 89.5}]);",
            rows: &["0\t1\t16", "1\t0\t0"],
        },
        Example {
            title: "Windows of a variable in three dimensions, as read_array takes them, with their boxes",
            sql: "SELECT patch_id, isel, bbox, round(list_avg(read_array(path, variable, {isel: isel}).data), 3) AS mean\n\
                  FROM geo_patch_grid('test/data/small/sst.nc', variable := 'sst', size := {time: 2, lat: 9, lon: 18}) LIMIT 2;",
            rows: &[
                "0\t{'time': [0, 1], 'lat': [0, 8], 'lon': [0, 17]}\t{'xmin': 0.0, 'ymin': 0.0, 'xmax': 180.0, 'ymax': 90.0}\t11.656",
                "1\t{'time': [0, 1], 'lat': [0, 8], 'lon': [18, 35]}\t{'xmin': 180.0, 'ymin': 0.0, 'xmax': 360.0, 'ymax': 90.0}\t10.531",
            ],
        },
    ],
    references: &[
        "The production grid: PyPI depth-recon, dataset_grid_utils.py",
        "Edge rules: xbatcher, rslearn, torchgeo GridGeoSampler, georeader",
        "Bridson, Fast Poisson disk sampling in arbitrary dimensions, SIGGRAPH 2007",
        "numpy.random.default_rng(seed): integers, uniform, choice, permutation",
    ],
};

/// What a call knows before any row.
pub enum Bound {
    /// Patches of pixels.
    Pixels(Box<Pixels>),
    /// Windows of a variable.
    Array(Arc<ArrayGrid>),
}

/// The constant arguments, and the user's bounds.
pub struct Pixels {
    lattice: Lattice,
    options: GridOptions,
    sampler: Sampler,
    spots: Places,
    /// The source, where it is a raster.
    source: Option<String>,
    mask: Option<String>,
    rule: Option<LandRule>,
    limits: Limits,
}

/// A scan under way.
pub enum Scan {
    /// Of patches of pixels.
    Pixels(Patches),
    /// Of windows of a variable.
    Array(Arc<ArrayGrid>, ArrayScan),
}

/// Patches as they come.
pub struct Patches {
    batches: Mutex<Batches>,
    crs: String,
    regions: Vec<String>,
}

struct Batches {
    pool: Ordered<Vec<Patch>>,
    /// What is left of the batch in hand.
    left: std::vec::IntoIter<Patch>,
}

/// Candidates that one worker judges at once: few enough to share out, enough to pay for the trip.
const BATCH: usize = 16_384;

impl TableFunction for GeoPatchGrid {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;
    type Scan = Scan;

    fn bind(args: &Args, limits: Limits) -> Result<Plan<Bound>> {
        if let Some(grid) = ArrayGrid::read(args, &DOC)? {
            let (columns, rows) = (grid.columns(&DOC)?, Some(grid.len() as u64));
            return Ok(Plan { columns, rows, bound: Bound::Array(Arc::new(grid)) });
        }
        let size = args.pair("size", 1, MAX_SIDE)?.unwrap_or((128, 128));
        let stride = args.pair("stride", 1, MAX_SIDE)?.unwrap_or(size);
        let edge = args.choice("edge", "an edge rule", &EDGES)?.unwrap_or(Edge::Snap);
        let (lattice, source) = lattice(args)?;
        let max_land_fraction = args.fraction("max_land_fraction")?;
        let regions = regions(args)?;
        let mask = args.text("mask")?;
        let mask_value = args.number("mask_value")?;
        let wants_land =
            max_land_fraction.is_some() || !regions.is_empty() || mask.is_some() || mask_value.is_some();
        let rule = wants_land.then(|| mask_value.map_or(LandRule::AboveHalf, LandRule::Equals));
        if wants_land && mask.is_none() && source.is_none() {
            let error =
                Error::conflict("a land filter over a box needs a mask", "Give mask := 'land_mask.tif'");
            return Err(args.blame("max_land_fraction")(error));
        }
        if let (Some(path), Some(rule)) = (&mask, rule) {
            Mask::open(path, rule).map_err(args.blame("mask"))?;
        }
        let include_rejected = args.flag("include_rejected")?.unwrap_or(false);
        let options = GridOptions { size, stride, edge, max_land_fraction, regions, include_rejected };
        let sampler = sampler_arguments::read(args, &lattice, &options)?;
        let spots = sampler.spots(&lattice, &options).map_err(args.blame("size"))?;
        let of_a_variable = ["isel", "path", "variable"];
        let columns = DOC.schema_with(|name, ty| (!of_a_variable.contains(&name)).then_some(ty))?;
        let rows = match sampler {
            Sampler::Random { n, .. } => Some(n as u64),
            Sampler::PoissonDisk { n, .. } => n.map(|n| n as u64),
            _ => Some(spots.len() as u64),
        };
        let pixels = Pixels { lattice, options, sampler, spots, source, mask, rule, limits };
        Ok(Plan { columns, rows, bound: Bound::Pixels(Box::new(pixels)) })
    }

    fn start(bound: &Arc<Bound>, _wanted: &[usize]) -> Result<Scan> {
        let bound = match &**bound {
            Bound::Pixels(pixels) => pixels,
            Bound::Array(grid) => return Ok(Scan::Array(grid.clone(), ArrayGrid::start())),
        };
        let land = match (bound.rule, &bound.mask, &bound.source) {
            (None, _, _) => LandSource::None,
            (Some(rule), Some(mask), _) => LandSource::Other(Mask::open(mask, rule)?),
            (Some(rule), None, Some(path)) => {
                let source = Source::open(path)?;
                let rows = bound.sampler.rows(&bound.lattice, &bound.options, &bound.spots)?;
                let sums = SummedRows::build(&source, rule, &rows, bound.options.size, Trust::Unnamed);
                LandSource::Own(sums.map_err(|e| e.at(format!("{}(mask)", DOC.name)))?)
            }
            (Some(_), None, None) => return Err(Error::Bug("a land filter without a mask".into())),
        };
        let crs = bound.lattice.crs.clone();
        let regions = bound.options.regions.iter().map(|r| r.name.clone()).collect();
        let grid = Grid::new(bound.lattice.clone(), bound.options.clone(), bound.spots.clone(), land);
        let grid = grid.draw(&bound.sampler).map_err(|e| e.at(format!("{}(sampler)", DOC.name)))?;
        let jobs = (0..grid.len()).step_by(BATCH).map(|from| Ok((1, from)));
        let work = move |from: usize| grid.patches(from, from + BATCH);
        let pool = Ordered::start(jobs, bound.limits.threads, 8, work)?;
        let batches = Batches { pool, left: Vec::new().into_iter() };
        Ok(Scan::Pixels(Patches { batches: Mutex::new(batches), crs, regions }))
    }

    fn threads(bound: &Bound) -> usize {
        match bound {
            Bound::Pixels(pixels) => pixels.limits.threads,
            Bound::Array(_) => 1,
        }
    }

    fn next(scan: &Scan, out: &mut Chunk<'_>) -> Result<()> {
        let scan = match scan {
            Scan::Pixels(patches) => patches,
            Scan::Array(grid, scan) => {
                grid.next(scan, out);
                return Ok(());
            }
        };
        let patches = take(scan, out.capacity())?;
        write_rows(scan, &patches, out)?;
        out.set_rows(patches.len());
        Ok(())
    }
}

/// The patches of one chunk. What follows, the writing, needs no lock.
fn take(scan: &Patches, capacity: usize) -> Result<Vec<Patch>> {
    let mut batches = scan.batches.lock().unwrap_or_else(PoisonError::into_inner);
    let mut patches = Vec::with_capacity(capacity);
    loop {
        let missing = capacity - patches.len();
        patches.extend(batches.left.by_ref().take(missing));
        if patches.len() == capacity {
            return Ok(patches);
        }
        match batches.pool.next() {
            Some(batch) => batches.left = batch?.into_iter(),
            None => return Ok(patches),
        }
    }
}

/// The pixels to cut, and the raster they belong to, if any.
fn lattice(args: &Args) -> Result<(Lattice, Option<String>)> {
    let at = args.blame("source");
    let resolution = args.number("resolution")?;
    match args.required("source", "a raster's path, or a box {xmin, ymin, xmax, ymax}")? {
        Value::Text(path) => {
            if resolution.is_some() || args.get("crs").is_some() {
                let problem = format!("\"{path}\" is a raster, which has its own resolution and crs");
                return Err(at(Error::conflict(
                    problem,
                    "Leave resolution and crs out, or give a box as source",
                )));
            }
            let size = args.pair("size", 1, MAX_SIDE).ok().flatten().unwrap_or((128, 128));
            let source = Source::open(path).map_err(|error| at(array_grid::hint(path, size, error)))?;
            let header = source.header();
            let (transform, crs) = header.georeference(path).map_err(&at)?;
            let geographic = projection::crs_facts(&crs)?.geographic;
            let (height, width) = (header.height, header.width);
            Ok((Lattice { height, width, transform, crs, geographic }, Some(path.clone())))
        }
        value => {
            let must = "a raster's path, or a box {xmin, ymin, xmax, ymax}";
            let fields = ["xmin", "ymin", "xmax", "ymax"];
            let corners = Args::of_struct(DOC.name, value, &fields, must).map_err(&at)?;
            let bbox = bbox(&corners).map_err(&at)?;
            let crs = args.text("crs")?.unwrap_or_else(|| CRS84.into());
            let Some(resolution) = resolution else {
                let problem = "a box needs a resolution, the side of a cell in units of its CRS";
                return Err(args.blame("resolution")(Error::conflict(
                    problem,
                    "For example resolution := 0.1",
                )));
            };
            let lattice =
                Lattice::over_box(&bbox, resolution, Crs::new(&crs).as_str()).map_err(
                    |error| match error {
                        Error::BadCrs { .. } => args.blame("crs")(error),
                        error => args.blame("resolution")(error),
                    },
                )?;
            Ok((lattice, None))
        }
    }
}

fn regions(args: &Args) -> Result<Vec<Region>> {
    let at = args.blame("force_include");
    let must = "a list of {name, xmin, ymin, xmax, ymax, max_land_fraction}";
    let items = match args.get("force_include") {
        None => return Ok(Vec::new()),
        Some(Value::List(items)) => items,
        Some(value) => return Err(at(Error::invalid(value, must))),
    };
    let known = ["name", "xmin", "ymin", "xmax", "ymax", "max_land_fraction"];
    let region = |(i, item): (usize, &Value)| {
        let fields = Args::of_struct(DOC.name, item, &known, must)?;
        let name = fields.text("name")?.unwrap_or_else(|| format!("region_{i}"));
        let missing = |key: &str| Error::invalid(item, format!("{must}: a number for {key}"));
        let corner = |key: &str| fields.get(key).and_then(number).ok_or_else(|| missing(key));
        let bounds = [corner("xmin")?, corner("ymin")?, corner("xmax")?, corner("ymax")?];
        let cap = match fields.get("max_land_fraction") {
            None | Some(Value::Null) => 1.0,
            Some(value) => number(value).ok_or_else(|| missing("max_land_fraction"))?,
        };
        Region::new(name, bounds, cap)
    };
    items.iter().enumerate().map(region).collect::<Result<_>>().map_err(at)
}

fn write_rows(scan: &Patches, patches: &[Patch], out: &mut Chunk<'_>) -> Result<()> {
    for (index, column) in DOC.columns.iter().enumerate() {
        if let Some(vector) = out.column(index) {
            write_column(scan, column.name, patches, vector)?;
        }
    }
    Ok(())
}

fn write_column(scan: &Patches, name: &str, patches: &[Patch], vector: &mut Vector<'_>) -> Result<()> {
    fn each<T: Cell>(patches: &[Patch], vector: &mut Vector<'_>, of: impl Fn(&Patch) -> T) -> Result<()> {
        patches.iter().enumerate().try_for_each(|(row, patch)| of(patch).write(vector, row))
    }
    let fraction = |of: fn(&Fractions) -> f64| move |patch: &Patch| patch.fractions.as_ref().map(of);
    match name {
        "patch_id" => each(patches, vector, |p| p.id),
        "win" => each(patches, vector, |p| WindowRow::from(&p.window)),
        "bbox" => each(patches, vector, |p| p.bbox),
        "crs" => each(patches, vector, |_| scan.crs.as_str()),
        "lon_center" => each(patches, vector, |p| p.lon_center),
        "lat_center" => each(patches, vector, |p| p.lat_center),
        "is_partial" => each(patches, vector, |p| p.is_partial),
        "land_fraction" => each(patches, vector, fraction(Fractions::land)),
        "ocean_fraction" => each(patches, vector, fraction(Fractions::ocean)),
        "invalid_fraction" => each(patches, vector, fraction(Fractions::invalid)),
        "force_included" => each(patches, vector, |p| p.region.is_some()),
        "force_region" => {
            each(patches, vector, |p| p.region.and_then(|i| scan.regions.get(i)).map(String::as_str))
        }
        _ => each(patches, vector, |p| p.status.name()),
    }
}
