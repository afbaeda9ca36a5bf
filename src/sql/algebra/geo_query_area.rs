//! `geo_query_area`: what a user asks a catalog for, in the catalog's CRS.

use crate::bbox::Bbox;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::record::{Read, text};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::{Holds, Vector};
use crate::crs::{CRS84, Crs};
use crate::error::{Error, Result};
use crate::map::{Shape, project};
use crate::projection;
use crate::sql::shared::shapes::{BOX, Shapes};
use crate::sql::shared::slice_value;
use crate::sql::shared::slice_value::SLICE;

/// The scalar `geo_query_area`.
pub struct GeoQueryArea;

/// Points on each side before projecting, as for a catalog's footprints.
const DENSIFY: usize = 21;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_query_area",
    kind: Kind::Scalar,
    summary: "The area that catalog_query asks for, projected to the catalog's CRS.",
    parameters: &[
        Parameter {
            name: "bbox",
            types: text![BOX, " | DOUBLE[] | VARCHAR"],
            given: Given::Required,
            meaning: "A box, or its four numbers in that order, or NULL, which DuckDB takes for text; other text is refused. One of longitudes with xmin > xmax crosses the antimeridian.",
        },
        Parameter {
            name: "geometry",
            types: "GEOMETRY",
            given: Given::Required,
            meaning: "Instead of a box: any shape, or NULL.",
        },
        Parameter {
            name: "crs",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "CRS of the two; NULL is `OGC:CRS84`.",
        },
        Parameter {
            name: "to",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "CRS of the catalog; NULL is `OGC:CRS84`.",
        },
        Parameter {
            name: "slice",
            types: SLICE,
            given: Given::Optional,
            meaning: "Instead of both: the box of a slice, in its own CRS.",
        },
    ],
    columns: &[column("area", "GEOMETRY", "In `to`. Its sides are densified before they are projected.")],
    nulls: "NULL when neither a box nor a geometry is given: everywhere.",
    errors: &[
        "two of a box, a geometry and a slice, or a crs beside a slice",
        "a box with a NULL or infinite corner, in disorder, or off the globe; an empty geometry",
        "a CRS that PROJ does not know, or an area beyond the reach of the catalog's CRS",
    ],
    examples: &[Example {
        title: "A box of UTM zone 32, for a catalog in longitude and latitude",
        sql: "SELECT round(geo_bbox(geo_query_area({xmin: 500000, ymin: 5000000, xmax: 600000, ymax: 5100000}, NULL, 'EPSG:32632', NULL)).xmin, 4) AS xmin;",
        rows: &["9.0"],
    }],
    references: &["docs/decisions.md: set algebra"],
};

impl ScalarFunction for GeoQueryArea {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let (boxes, geometries) = (input.column(0), input.column(1));
        let (crs, to) = (input.column(2), input.column(3));
        let mut shapes = Shapes::new(geometries);
        let name = |column: &Vector<'_>, row| match column.is_null(row) {
            true => Ok(Crs::lon_lat()),
            false => column.str(row).map(Crs::new),
        };
        rows(input, out, |row| {
            let (from, to) = (name(crs, row)?, name(to, row)?);
            let slice = match input.columns() {
                5.. => slice_value::read(input.column(4), row).map_err(|e| e.at("catalog_query(slice)"))?,
                _ => None,
            };
            if let Some((slice, _)) = slice {
                if ![boxes, geometries, crs].iter().all(|other| other.is_null(row)) {
                    let problem = "a slice says where, and in which CRS";
                    let remedy = "Leave bbox, geometry and crs out";
                    return Err(Error::conflict(problem, remedy).at("catalog_query(slice)"));
                }
                let b = slice.bbox;
                let shape = of_box(Some([b.xmin, b.ymin, b.xmax, b.ymax]), &slice.crs)?;
                return carried(&shape, &slice.crs, &to).map(Some);
            }
            let asked = match (boxes.is_null(row), geometries.is_null(row)) {
                (true, true) => {
                    known(&from)?;
                    None
                }
                (false, false) => {
                    let problem = "bbox and geometry are two ways to say where";
                    return Err(Error::conflict(problem, "Give one of them").at("catalog_query(geometry)"));
                }
                (false, true) => Some(of_box(numbers(boxes, row)?, &from)?),
                (true, false) => {
                    let shape = shapes.get(row).map_err(|e| e.at("catalog_query(geometry)"))?;
                    let empty =
                        || Error::invalid("an empty geometry", "a geometry that holds a point at least");
                    Some(shape.cloned().ok_or_else(|| empty().at("catalog_query(geometry)"))?)
                }
            };
            asked.map(|shape| carried(&shape, &from, &to)).transpose()
        })
    }
}

/// The corners of a box, or a list of them; `None` when one is NULL.
fn numbers(boxes: &Vector<'_>, row: usize) -> Result<Option<[f64; 4]>> {
    let must = "a box {xmin: 9, ymin: 45, xmax: 10, ymax: 46}, or these four numbers as a list";
    let wrong = |shown: String| Error::invalid(shown, must).at("catalog_query(bbox)");
    match boxes.holds() {
        Holds::List => {}
        Holds::Text => return Err(wrong(format!("\"{}\"", boxes.str(row)?))),
        _ => return Ok(Bbox::read(boxes, row)?.map(|b| [b.xmin, b.ymin, b.xmax, b.ymax])),
    }
    boxes
        .list(row)
        .numbers()
        .map(|list| list.try_into().map_err(|list: Vec<f64>| wrong(format!("{list:?}"))))
        .transpose()
}

fn known(crs: &Crs) -> Result<bool> {
    projection::crs_facts(crs.as_str()).map(|facts| facts.geographic).map_err(|e| e.at("catalog_query(crs)"))
}

fn carried(shape: &Shape, from: &Crs, to: &Crs) -> Result<Shape> {
    let globe = known(from)?;
    let bbox = shape.bbox();
    if globe && (bbox.ymin < -90.0 || bbox.ymax > 90.0 || bbox.xmin < -360.0 || bbox.xmax > 540.0) {
        let problem = format!("{bbox} lies off the globe, and {from} is in degrees");
        let remedy = "Say which CRS it is in, for example crs := 'EPSG:32632'";
        return Err(Error::conflict(problem, remedy).at("catalog_query(crs)"));
    }
    project(shape, from.as_str(), to.as_str(), DENSIFY).map_err(|error| match error {
        Error::Unprojectable { from, to, .. } => {
            let problem = format!("the area reaches beyond what {} can map", Crs::new(&to));
            let remedy =
                format!("Ask for less, or for a catalog in another CRS than {} asks of", Crs::new(&to));
            let remedy = if from == CRS84 { "Ask for a smaller area".to_string() } else { remedy };
            Error::conflict(problem, remedy).at("catalog_query(crs)")
        }
        error => error.at("catalog_query(catalog)"),
    })
}

fn of_box(corners: Option<[f64; 4]>, crs: &Crs) -> Result<Shape> {
    let blame = |e: Error| e.at("catalog_query(bbox)");
    let missing = || Error::invalid("a box with a NULL corner", "a box of four numbers");
    let [xmin, ymin, mut xmax, ymax] = corners.ok_or_else(missing).map_err(blame)?;
    if xmin > xmax && known(crs)? {
        xmax += 360.0;
    }
    Bbox::new(xmin, ymin, xmax, ymax).map(flat).map_err(blame)
}

/// A box without an area is the line or the point that it is.
fn flat(bbox: Bbox) -> Shape {
    use geo::{Coord, Geometry, LineString, Point};
    let (low, high) = (Coord { x: bbox.xmin, y: bbox.ymin }, Coord { x: bbox.xmax, y: bbox.ymax });
    let geometry = match (bbox.width() > 0.0, bbox.height() > 0.0) {
        (true, true) => return Shape::Box(bbox),
        (false, false) => Geometry::Point(Point(low)),
        _ => Geometry::LineString(LineString(vec![low, high])),
    };
    Shape::Thin { geometry, bbox }
}
