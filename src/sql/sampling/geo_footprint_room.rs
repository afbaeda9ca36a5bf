//! `geo_footprint_room`: how much there is to draw from in the footprint of a catalog's row.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Kind};
use crate::bridge::record::{Typed, record};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::map::block::area;
use crate::sql::sampling::footprints::{EntryRow, FOOTPRINT, Words, crs_of};
use crate::sql::sampling::patch_sample;
use crate::sql::shared::shapes::Shapes;
use crate::value::Value;

/// The scalar `geo_footprint_room`.
pub struct GeoFootprintRoom;

/// What there is.
pub struct RoomRow {
    area: f64,
    problem: Option<String>,
}
record! { RoomRow { area: f64, problem: Option<String> } }

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_footprint_room",
    kind: Kind::Scalar,
    summary: "The area of a row's footprint, and whether a patch fits into it.",
    parameters: &FOOTPRINT,
    columns: &[Column {
        name: "room",
        types: RoomRow::TYPE,
        meaning: "`area` in square metres of EPSG:6933; `problem` is NULL where a patch fits, else `too_small`, or `no_footprint` for one that is NULL, empty or without an area.",
    }],
    nulls: "Never NULL.",
    errors: &["as geoquilt.patch_sample"],
    examples: &[Example {
        title: "A global file has 18 rows, and the Earth 510 million square kilometres",
        sql: "SELECT s, round(r.area / 1e12) AS area, r.problem FROM (\n\
              \x20   SELECT s, geo_footprint_room(geometry, NULL, {path: path, kind: kind, width: width, height: height, transform: transform, crs: crs, t_min: t_min, t_max: t_max},\n\
              \x20       {size: s}) AS r FROM geo_catalog_build('test/data/small/land.tif'), (VALUES (18), (19)) v(s)) ORDER BY s;",
        rows: &["18\t510.0\tNULL", "19\t510.0\ttoo_small"],
    }],
    references: &["EPSG:6933: NSIDC EASE-Grid 2.0 Global"],
};

impl ScalarFunction for GeoFootprintRoom {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let mut shapes = Shapes::new(input.column(0));
        rows(input, out, |row| {
            let words = Words::of(&patch_sample::DOC, &Value::of(input.column(3), row))?;
            let none = |problem: &str| RoomRow { area: 0.0, problem: Some(problem.into()) };
            let Some(shape) = shapes.get(row)? else { return Ok(Some(none("no_footprint"))) };
            let crs = crs_of(input.column(1), row)?;
            let entry = EntryRow::of(input.column(2), row)?;
            let area = area(shape, crs.as_str()).map_err(words.blame("catalog"))?;
            if area == 0.0 {
                return Ok(Some(none("no_footprint")));
            }
            let ground = words.ground(shape, crs.as_str(), &entry)?;
            let fits = ground.is_some_and(|ground| ground.spots(words.size).is_some());
            Ok(Some(RoomRow { area, problem: (!fits).then(|| "too_small".into()) }))
        })
    }
}
