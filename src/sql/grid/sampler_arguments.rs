//! The arguments of `geo_patch_grid` that say where patches stand.

use std::f64::consts::PI;

use crate::bridge::args::{Args, number};
use crate::bridge::doc::{Parameter, named};
use crate::dtype::told;
use crate::error::{Error, Result};
use crate::grid::edge::Edge;
use crate::grid::sampler::{MAX_PLACES, Sampler};
use crate::grid::{GridOptions, Lattice};
use crate::map::{geometry, sphere};
use crate::projection;
use crate::projection::geometry::from_wkt;
use crate::sql::shared::crs::asked_crs;
use crate::value::Value;
use geo::Geometry;

/// Their documentation.
pub(super) const SAMPLER: [Parameter; 8] = [
    named(
        "sampler",
        "VARCHAR",
        "'regular'",
        "Where patches stand: `regular`, a stride apart by the edge rule; `jittered`, those moved a little; `random`, drawn among all places of whole windows that are kept, each as likely as any other; `poisson_disk`, drawn so that no two centres are nearer than `min_distance`, until no more fit; `explicit`, at `anchors`.",
    ),
    named(
        "n",
        "BIGINT",
        "NULL",
        "How many patches `random` draws; of `poisson_disk`, how many are drawn out of all that fit, which is the default.",
    ),
    named("replace", "BOOLEAN", "true", "`random` may draw a place again; false draws distinct ones."),
    named(
        "jitter",
        "DOUBLE",
        "0.5",
        "`jittered` moves each place by up to this share of the stride either way, evenly, rounded to whole pixels, and not beyond where windows may start.",
    ),
    named(
        "min_distance",
        "DOUBLE",
        "NULL",
        "Between the centres of `poisson_disk`: kilometres along great circles where the CRS is in degrees, up to half the globe, else units of the CRS.",
    ),
    named(
        "anchors",
        "STRUCT(x DOUBLE, y DOUBLE)[] | GEOMETRY[] | STRUCT(row_off BIGINT, col_off BIGINT)[]",
        "NULL",
        "Where `explicit` patches stand: the centres, as `{x, y}` or points, or upper left corners as `{row_off, col_off}` (whole windows too, of this size). A window that hangs over is moved inward under edge `snap`, left out under `drop`, and hangs over else. From a table: `SET VARIABLE a = (SELECT list({x: lon, y: lat}) FROM stations)`, then `getvariable('a')`.",
    ),
    named(
        "anchors_crs",
        "VARCHAR",
        "the grid's",
        "CRS of anchors that are points; geometries whose type carries one need no word.",
    ),
    named("seed", "BIGINT", "7", "Seed of every draw: NumPy's stream, `numpy.random.default_rng(seed)`."),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Name {
    Regular,
    Jittered,
    Random,
    PoissonDisk,
    Explicit,
}

const NAMES: [(&str, Name); 5] = [
    ("regular", Name::Regular),
    ("jittered", Name::Jittered),
    ("random", Name::Random),
    ("poisson_disk", Name::PoissonDisk),
    ("explicit", Name::Explicit),
];

/// Reads them.
///
/// # Errors
/// A word that the sampler does not take, or lacks; a value of the wrong form.
pub(super) fn read(args: &Args, lattice: &Lattice, options: &GridOptions) -> Result<Sampler> {
    let name = args.choice("sampler", "a sampler", &NAMES)?.unwrap_or(Name::Regular);
    let takes: &[&str] = match name {
        Name::Regular => &["stride", "edge"],
        Name::Jittered => &["jitter", "seed", "stride", "edge"],
        Name::Random => &["n", "replace", "seed"],
        Name::PoissonDisk => &["min_distance", "n", "seed"],
        Name::Explicit => &["anchors", "anchors_crs", "edge"],
    };
    let all = ["n", "replace", "jitter", "min_distance", "anchors", "anchors_crs", "seed", "stride", "edge"];
    let word = NAMES.iter().find(|(_, known)| *known == name).map_or("regular", |(word, _)| word);
    for parameter in all {
        if args.get(parameter).is_some() && !takes.contains(&parameter) {
            let problem = format!("sampler \"{word}\" takes no {parameter}");
            let remedy = format!("It takes {}", takes.join(", "));
            return Err(args.blame(parameter)(Error::conflict(problem, remedy)));
        }
    }
    if options.include_rejected && matches!(name, Name::Random | Name::PoissonDisk) {
        let problem =
            format!("sampler \"{word}\" draws among the places that are kept, and has no rejected ones");
        return Err(args.blame("include_rejected")(Error::conflict(problem, "Leave it out")));
    }
    let seed = args.integer("seed", 0, i64::MAX)?.unwrap_or(7) as u64;
    let n = args.integer("n", 1, MAX_PLACES as i64)?.map(|n| n as usize);
    let needs = |parameter: &str, example: &str| {
        let problem = format!("sampler \"{word}\" needs {parameter}");
        args.blame(parameter)(Error::conflict(problem, format!("For example {parameter} := {example}")))
    };
    Ok(match name {
        Name::Regular => Sampler::Regular,
        Name::Jittered => {
            let jitter = args.number("jitter")?.unwrap_or(0.5);
            if !(jitter > 0.0 && jitter <= 1.0) {
                return Err(args.blame("jitter")(Error::invalid(
                    jitter,
                    "above 0 and at most 1, a share of the stride",
                )));
            }
            Sampler::Jittered { jitter, seed }
        }
        Name::Random => {
            let n = n.ok_or_else(|| needs("n", "1000"))?;
            Sampler::Random { n, replace: args.flag("replace")?.unwrap_or(true), seed }
        }
        Name::PoissonDisk => {
            let min_distance = args.number("min_distance")?.ok_or_else(|| needs("min_distance", "100"))?;
            if min_distance <= 0.0 {
                let must = "above 0: kilometres where the CRS is in degrees, else units of the CRS";
                return Err(args.blame("min_distance")(Error::invalid(min_distance, must)));
            }
            let half = PI * sphere::RADIUS_KM;
            if lattice.geographic && min_distance > half {
                let must = format!("a distance of at most half the globe, {} km", half.floor());
                return Err(args.blame("min_distance")(Error::invalid(told(min_distance), must)));
            }
            Sampler::PoissonDisk { min_distance, n, seed }
        }
        Name::Explicit => {
            let Some(Value::List(items)) = args.get("anchors") else {
                return Err(needs("anchors", "[{x: 10.2, y: 54.3}]"));
            };
            let spots = anchors(args, items, lattice, options).map_err(args.blame("anchors"))?;
            Sampler::Explicit(spots)
        }
    })
}

const MUST: &str = "a list of points as {x, y} or POINT geometries, or of windows as {row_off, col_off}";

/// An anchor: a centre in the CRS, or an upper left corner.
enum Anchor {
    Point(f64, f64),
    Corner(i64, i64),
}

fn anchors(
    args: &Args,
    items: &[Value],
    lattice: &Lattice,
    options: &GridOptions,
) -> Result<Vec<(i64, i64)>> {
    let read: Vec<Anchor> = items.iter().map(|item| anchor(item, options)).collect::<Result<_>>()?;
    let mut points: Vec<(f64, f64)> = read
        .iter()
        .filter_map(|anchor| match anchor {
            Anchor::Point(x, y) => Some((*x, *y)),
            Anchor::Corner(..) => None,
        })
        .collect();
    if let Some(crs) = asked_crs(args, "anchors_crs", args.crs("anchors").map(str::to_string))? {
        projection::project(crs.as_str(), &lattice.crs, &mut points)?;
    }
    let mut points = points.into_iter();
    let (height, width) = (options.size.0 as i64, options.size.1 as i64);
    let mut spots = Vec::with_capacity(items.len());
    for (index, anchor) in read.into_iter().enumerate() {
        let spot = match anchor {
            Anchor::Corner(row, col) => (row, col),
            Anchor::Point(..) => {
                let (x, y) = points.next().unwrap_or((f64::NAN, f64::NAN));
                let (row, col) = on_grid(lattice, x, y).ok_or_else(|| {
                    let problem = format!("anchor {} at ({x}, {y}) lies off the grid", index + 1);
                    Error::conflict(problem, format!("Leave it out: the grid is the {}", bounds(lattice)))
                })?;
                // The window whose centre is nearest; a single pixel is the one that holds the point.
                let start = |at: f64, size: i64| (at - size as f64 / 2.0 + 0.5).floor() as i64;
                (start(row, height), start(col, width))
            }
        };
        let whole = |start: i64, size: i64, axis: usize| start >= 0 && start + size <= axis as i64;
        let inside = whole(spot.0, height, lattice.height) && whole(spot.1, width, lattice.width);
        let beyond = |start: i64, size: i64, axis: usize| start + size <= 0 || start >= axis as i64;
        if beyond(spot.0, height, lattice.height) || beyond(spot.1, width, lattice.width) {
            let problem =
                format!("anchor {}, row {} and column {}, lies off the grid", index + 1, spot.0, spot.1);
            let remedy = format!("It has {} rows and {} columns", lattice.height, lattice.width);
            return Err(Error::conflict(problem, remedy));
        }
        match options.edge {
            Edge::Drop if !inside => {}
            Edge::Snap => {
                let (last_row, last_col) = crate::grid::sampler::last_start(lattice, options.size)?;
                spots.push((spot.0.clamp(0, last_row), spot.1.clamp(0, last_col)));
            }
            _ => spots.push(spot),
        }
    }
    Ok(spots)
}

fn bounds(lattice: &Lattice) -> String {
    lattice.bbox().map_or_else(|_| "box of the raster".into(), |bbox| bbox.to_string())
}

/// Row and column of a point within the grid, its outer edges included; on a globe a longitude may lie a turn away.
fn on_grid(lattice: &Lattice, x: f64, y: f64) -> Option<(f64, f64)> {
    let turns: &[f64] = if lattice.geographic { &[0.0, 360.0, -360.0] } else { &[0.0] };
    turns.iter().map(|turn| lattice.transform.row_col(x + turn, y)).find(|(row, col)| {
        (0.0..=lattice.height as f64).contains(row) && (0.0..=lattice.width as f64).contains(col)
    })
}

fn point(wkb: &[u8]) -> Result<Option<Anchor>> {
    Ok(match geometry::read(wkb)? {
        Some(Geometry::Point(point)) => Some(Anchor::Point(point.x(), point.y())),
        _ => None,
    })
}

fn anchor(item: &Value, options: &GridOptions) -> Result<Anchor> {
    let bad = || Error::invalid(item, MUST);
    match item {
        Value::Bytes(wkb) | Value::Geometry(wkb, _) => point(wkb)?.ok_or_else(bad),
        Value::Text(text) => match from_wkt(text).map_err(|_| bad())? {
            Some(wkb) => point(&wkb)?.ok_or_else(bad),
            None => Err(bad()),
        },
        Value::Struct(fields) => {
            let get =
                |name: &str| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v);
            let whole = |name: &str| match get(name) {
                Some(Value::Int(n)) => Some(*n),
                _ => None,
            };
            if let (Some(row), Some(col)) = (whole("row_off"), whole("col_off")) {
                let size = (options.size.0 as i64, options.size.1 as i64);
                let own = (whole("height").unwrap_or(size.0), whole("width").unwrap_or(size.1));
                if own != size {
                    let problem = format!(
                        "an anchor is a window of {} x {}, and patches are of {} x {}",
                        own.0, own.1, size.0, size.1
                    );
                    return Err(Error::conflict(problem, "Give that as size"));
                }
                return Ok(Anchor::Corner(row, col));
            }
            let coordinate = |name: &str| get(name).and_then(number).filter(|v| v.is_finite());
            match (coordinate("x"), coordinate("y")) {
                (Some(x), Some(y)) => Ok(Anchor::Point(x, y)),
                _ => Err(bad()),
            }
        }
        _ => Err(bad()),
    }
}
