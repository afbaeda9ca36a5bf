//! `geo_polygonize`: pixels back to polygons.

use std::collections::HashMap;

use crate::affine::Affine;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::record::{Typed, Wkb, record};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::{Holds, List, Vector, Wide};
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::format::gdal;
use crate::map::geometry;
use crate::projection;
use crate::workers::go_on;

/// The scalar `geo_polygonize`.
pub struct GeoPolygonize;

/// A polygon, and the value of its pixels.
struct Polygon {
    geometry: Wkb,
    value: f64,
}
record! { Polygon { geometry: Wkb, value: f64 } }

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_polygonize",
    kind: Kind::Scalar,
    summary: "Turns connected pixels of equal value into polygons along their edges.",
    parameters: &[
        Parameter {
            name: "data",
            types: "DOUBLE[] | BIGINT[] | UBIGINT[] | HUGEINT[] | UHUGEINT[] | BOOLEAN[]",
            given: Given::Required,
            meaning: "Pixels of one band, row-major, in any numeric type, such as `read_slice(...).data`; of BOOLEAN, those that are true.",
        },
        Parameter {
            name: "shape",
            types: "BIGINT[]",
            given: Given::Required,
            meaning: "Rows and columns, or [1, rows, columns]: the `shape` of a read.",
        },
        Parameter {
            name: "transform",
            types: "DOUBLE[]",
            given: Given::Required,
            meaning: "GDAL's six numbers: the `transform` of a read.",
        },
        Parameter {
            name: "crs",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "CRS of the transform: the `crs` of a read.",
        },
        Parameter {
            name: "options",
            types: "STRUCT",
            given: Given::Optional,
            meaning: "The keys below, constant for the query.",
        },
        Parameter {
            name: "connectedness",
            types: "INTEGER",
            given: Given::Option("4"),
            meaning: "4: pixels hang together over their edges; 8: over their corners too.",
        },
        Parameter {
            name: "to_crs",
            types: "VARCHAR",
            given: Given::Option("NULL"),
            meaning: "CRS to project the polygons to, vertex by vertex; without it they stay in `crs`.",
        },
    ],
    columns: &[Column {
        name: "polygons",
        types: <Vec<Polygon>>::TYPE,
        meaning: "A polygon (with holes) for each region, and the value of its pixels.",
    }],
    nulls: "NULL for a NULL argument. Pixels that are NULL or NaN, or false, belong to no polygon; an empty list when there is no other.",
    errors: &[
        "data does not have rows x columns values",
        "a whole number above 2^53 that `value`, a DOUBLE, does not hold exactly",
        "a transform that is not six numbers that span a plane",
        "a connectedness other than 4 and 8, or a CRS that PROJ does not know",
    ],
    examples: &[Example {
        title: "The land of a mask as polygons",
        sql: "SELECT p.value, p.geometry FROM (\n\
              \x20 SELECT unnest(geo_polygonize(list_transform(data, lambda x: x > 0), shape, transform, crs)) AS p\n\
              \x20 FROM read_patch('test/data/small/land.tif', size := [18, 36]));",
        rows: &["1.0\tPOLYGON ((0 60, 0 -30, 90 -30, 90 60, 0 60))"],
    }],
    references: &["GDALPolygonize, as rasterio.features.shapes"],
};

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    eight: bool,
    to: Option<Crs>,
}

impl ScalarFunction for GeoPolygonize {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let args = call.options()?;
        let eight = match args.integer("connectedness", 4, 8)? {
            None | Some(4) => false,
            Some(8) => true,
            Some(other) => return Err(args.blame("connectedness")(Error::invalid(other, "4 or 8"))),
        };
        let to = args.text("to_crs")?.map(|name| Crs::new(&name));
        if let Some(to) = &to {
            projection::crs_facts(to.as_str()).map_err(args.blame("to_crs"))?;
        }
        Ok(Bound { eight, to })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            if input.any_null(row) {
                return Ok(None);
            }
            let [data, shape, transform] = [0, 1, 2].map(|i| input.column(i).list(row));
            let grid = Grid::read(&shape, &transform)?;
            let crs = Crs::new(input.column(3).str(row)?);
            projection::crs_facts(crs.as_str()).map_err(blame("crs"))?;
            let polygons = polygons(bound, &data, &grid, &crs)?;
            let polygon = |(wkb, value)| Polygon { geometry: Wkb(wkb), value };
            Ok(Some(polygons.into_iter().map(polygon).collect::<Vec<_>>()))
        })
    }
}

/// Where the pixels lie.
struct Grid {
    height: usize,
    width: usize,
    transform: Affine,
}

fn blame(parameter: &str) -> impl Fn(Error) -> Error {
    let blamed = format!("geo_polygonize({parameter})");
    move |error| error.at(&blamed)
}

fn polygons(bound: &Bound, data: &List, grid: &Grid, crs: &Crs) -> Result<Vec<(Vec<u8>, f64)>> {
    let (codes, values) = codes(data).map_err(blame("data"))?;
    let Grid { height, width, transform } = grid;
    if codes.len() != height.saturating_mul(*width) {
        let problem = format!("{} values for {height} rows and {width} columns", codes.len());
        return Err(blame("data")(Error::conflict(problem, "Give one band, row by row, and its own shape")));
    }
    let found = gdal::burn::polygonize(codes, transform, (*height, *width), bound.eight)?;
    let finish = |(wkb, code): (Vec<u8>, i32)| {
        go_on()?;
        let value = usize::try_from(code - 1).ok().and_then(|i| values.get(i).copied());
        let value = value.ok_or_else(|| Error::Bug(format!("a polygon of code {code}")))?;
        Ok((project(wkb, crs, bound.to.as_ref()).map_err(blame("crs"))?, value))
    };
    found.into_iter().map(finish).collect()
}

fn project(wkb: Vec<u8>, from: &Crs, to: Option<&Crs>) -> Result<Vec<u8>> {
    let Some(to) = to.filter(|to| *to != from) else { return Ok(wkb) };
    let Some(mut polygon) = geometry::read(&wkb)? else { return Ok(wkb) };
    geometry::project(&mut polygon, from.as_str(), to.as_str())?;
    geometry::write(&polygon)
}

/// A number from 1 for each value, 0 for no value: GDAL compares whole numbers, and any value is told exactly.
fn codes(data: &List) -> Result<(Vec<i32>, Vec<f64>)> {
    let items = data.items();
    let null = |index: usize| items.is_null(index);
    match items.holds() {
        Holds::Boolean => {
            let code = |index: usize| i32::from(!null(index) && items.get::<bool>(index));
            Ok((data.rows().map(code).collect(), vec![1.0]))
        }
        Holds::Whole => told(data.rows().map(|i| (!null(i)).then(|| i128::from(items.get::<i64>(i))))),
        Holds::WholeUnsigned => {
            told(data.rows().map(|i| (!null(i)).then(|| i128::from(items.get::<u64>(i)))))
        }
        Holds::Huge => told(data.rows().map(|i| (!null(i)).then(|| items.get::<Wide>(i).number()))),
        Holds::HugeUnsigned => {
            // What is beyond is refused as the largest of those that are not.
            let held =
                |i: usize| Some(items.get::<Wide>(i).number()).filter(|n| *n >= 0).unwrap_or(i128::MAX);
            told(data.rows().map(|i| (!null(i)).then(|| held(i))))
        }
        _ => {
            // Adding 0 makes one value of 0 and -0.
            let value = |index: usize| if null(index) { f64::NAN } else { items.get::<f64>(index) + 0.0 };
            let known = data.rows().map(|index| Some(value(index)).filter(|value| !value.is_nan()));
            Ok(numbered(known, |value| value.to_bits().into(), |value| value))
        }
    }
}

/// Whole numbers, each of which a double must hold.
fn told(values: impl Iterator<Item = Option<i128>>) -> Result<(Vec<i32>, Vec<f64>)> {
    let mut lost = None;
    let seen = values.inspect(|value| {
        lost = lost
            .or(value.filter(|value| value.unsigned_abs() > 1 << 53 && (*value as f64) as i128 != *value));
    });
    let found = numbered(seen, |value| value, |value| value as f64);
    match lost {
        None => Ok(found),
        Some(value) => Err(Error::conflict(
            format!(
                "{value} is a value of some pixels, and a DOUBLE, which `value` of a polygon is, does not hold it exactly"
            ),
            "Give the pixels numbers of their own: list_transform(data, lambda x: list_position(ids, x))",
        )),
    }
}

fn numbered<V: Copy + PartialEq>(
    values: impl Iterator<Item = Option<V>>,
    key: impl Fn(V) -> i128,
    number: impl Fn(V) -> f64,
) -> (Vec<i32>, Vec<f64>) {
    let mut known: HashMap<i128, i32> = HashMap::new();
    let mut found = Vec::new();
    let mut last = None;
    let code = |value: Option<V>| {
        let Some(value) = value else { return 0 };
        match last {
            Some((before, code)) if before == value => code,
            _ => {
                let next = found.len() as i32 + 1;
                let code = *known.entry(key(value)).or_insert(next);
                if code == next {
                    found.push(number(value));
                }
                last = Some((value, code));
                code
            }
        }
    };
    let codes = values.map(code).collect();
    (codes, found)
}

fn known(list: &List) -> impl Iterator<Item = usize> + '_ {
    list.rows().filter(|index| !list.items().is_null(*index))
}

impl Grid {
    fn read(shape: &List, transform: &List) -> Result<Grid> {
        let sides: Vec<i64> = known(shape).map(|p| shape.items().get(p)).collect();
        let side = |n: i64| usize::try_from(n).ok().filter(|n| (1..=i32::MAX as usize).contains(n));
        let pair = match sides.as_slice() {
            [rows, cols] | [1, rows, cols] => side(*rows).zip(side(*cols)),
            _ => None,
        };
        let must = "[rows, columns] or [1, rows, columns], at least 1";
        let (height, width) =
            pair.ok_or_else(|| Error::invalid(format!("{sides:?}"), must)).map_err(blame("shape"))?;
        let terms: Vec<f64> = known(transform).map(|p| transform.items().get(p)).collect();
        let transform = Affine::from_terms(&terms).map_err(blame("transform"))?;
        Ok(Grid { height, width, transform })
    }
}
