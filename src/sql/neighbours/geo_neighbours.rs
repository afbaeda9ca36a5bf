//! `geo_neighbours`: the edges from anchors to the points near them.

use crate::bridge::args::Args;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter, option};
use crate::bridge::record::{Read, Typed, record};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::map::neighbours::{Metric, Near, Search, edges};
use crate::sql::shared::options::OPTIONS;

/// The scalar `geo_neighbours`.
pub struct GeoNeighbours;

struct PointRow {
    x: f64,
    y: f64,
}
record! { PointRow { x: f64, y: f64 } }

/// An edge.
pub struct EdgeRow {
    source: i64,
    target: i64,
    distance: f64,
}
record! { EdgeRow { source: i64, target: i64, distance: f64 } }

const METRICS: [(&str, Metric); 2] = [("sphere", Metric::Sphere), ("plane", Metric::Plane)];
const POINTS: &str = <Vec<PointRow>>::TYPE;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_neighbours",
    kind: Kind::Scalar,
    summary: "The edges from anchors to the points that lie near them.",
    parameters: &[
        Parameter {
            name: "points",
            types: POINTS,
            given: Given::Required,
            meaning: "Longitudes and latitudes in degrees, or coordinates on a plane.",
        },
        Parameter {
            name: "anchors",
            types: POINTS,
            given: Given::Required,
            meaning: "Whose neighbours are wanted; NULL for the points themselves, of which none is its own neighbour.",
        },
        Parameter {
            name: "near",
            types: "DOUBLE",
            given: Given::Required,
            meaning: "How many of the nearest, or with `within` how far, the distance itself inside.",
        },
        OPTIONS,
        option(
            "within",
            "BOOLEAN",
            "false",
            "`near` is a distance: all points within it, instead of so many of the nearest.",
        ),
        option(
            "metric",
            "VARCHAR",
            "'sphere'",
            "`sphere`: great circles in kilometres, on a radius of 6371.0088 km; `plane`: straight lines, in units of the coordinates.",
        ),
        option("own", "BOOLEAN", "false", "A point is a neighbour of its own."),
    ],
    columns: &[Column {
        name: "edges",
        types: <Vec<EdgeRow>>::TYPE,
        meaning: "Anchor by anchor, the nearest first, of equal distances the earlier point; `source` and `target` are places in `anchors` and `points`, from 1.",
    }],
    nulls: "NULL where points or near is NULL, or a coordinate is.",
    errors: &[
        "near: not a whole number of at least 1, or a distance not above 0",
        "a latitude beyond 90 degrees, or a coordinate that is not finite",
        "edges that take more than geoquilt_max_chunk_mb",
    ],
    examples: &[Example {
        title: "The nearest station to each, over the antimeridian",
        sql: "SELECT e.source, e.target, round(e.distance, 1) AS km FROM (SELECT unnest(geo_neighbours([{x: 179.5, y: 0}, {x: -179.5, y: 0}, {x: 170, y: 0}], NULL, 1)) AS e);",
        rows: &["1\t2\t111.2", "2\t1\t111.2", "3\t1\t1056.4"],
    }],
    references: &["scipy.spatial.cKDTree", "sklearn.metrics.pairwise.haversine_distances"],
};

/// What a call knows before any row.
pub struct Bound {
    within: bool,
    metric: Metric,
    own: bool,
    limits: Limits,
}

impl ScalarFunction for GeoNeighbours {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let args: Args = call.options()?;
        Ok(Bound {
            within: args.flag("within")?.unwrap_or(false),
            metric: args.choice("metric", "a metric", &METRICS)?.unwrap_or(Metric::Sphere),
            own: args.flag("own")?.unwrap_or(false),
            limits: call.limits,
        })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            if input.column(2).is_null(row) {
                return Ok(None);
            }
            let near = near(bound, input.column(2).get(row)).map_err(|e| e.at("geo_neighbours(near)"))?;
            let Some(points) =
                points(bound, input.column(0), row).map_err(|e| e.at("geo_neighbours(points)"))?
            else {
                return Ok(None);
            };
            let anchors = points_or_none(bound, input.column(1), row)?;
            let own = anchors.is_none() && !bound.own;
            let from = anchors.as_deref().unwrap_or(&points);
            let search = Search { near, metric: bound.metric, own, limits: bound.limits };
            let found = edges(&points, from, &search)?;
            let edge = |edge: &crate::map::neighbours::Edge| EdgeRow {
                source: edge.source as i64 + 1,
                target: edge.target as i64 + 1,
                distance: edge.distance,
            };
            Ok(Some(found.iter().map(edge).collect::<Vec<EdgeRow>>()))
        })
    }
}

fn points_or_none(bound: &Bound, lists: &Vector<'_>, row: usize) -> Result<Option<Vec<(f64, f64)>>> {
    if lists.is_null(row) {
        return Ok(None);
    }
    points(bound, lists, row).map_err(|e| e.at("geo_neighbours(anchors)"))
}

fn near(bound: &Bound, near: f64) -> Result<Near> {
    match bound.within {
        true if near.is_finite() && near > 0.0 => Ok(Near::Within(near)),
        true => Err(Error::invalid(near, "a distance above 0")),
        false if near >= 1.0 && near.fract() == 0.0 && near <= 1e9 => Ok(Near::Nearest(near as usize)),
        false => Err(Error::invalid(near, "a whole number of at least 1")),
    }
}

fn points(bound: &Bound, lists: &Vector<'_>, row: usize) -> Result<Option<Vec<(f64, f64)>>> {
    let Some(read) = <Vec<PointRow>>::read(lists, row)? else { return Ok(None) };
    let mut points = Vec::with_capacity(read.len());
    for (index, PointRow { x, y }) in read.into_iter().enumerate() {
        let sound = x.is_finite() && y.is_finite() && (bound.metric == Metric::Plane || y.abs() <= 90.0);
        if !sound {
            let must = match bound.metric {
                Metric::Sphere => "finite degrees, with a latitude between -90 and 90",
                Metric::Plane => "finite",
            };
            return Err(Error::invalid(format!("({x}, {y}), point {},", index + 1), must));
        }
        points.push((x, y));
    }
    Ok(Some(points))
}
