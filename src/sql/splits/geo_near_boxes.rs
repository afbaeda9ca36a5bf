//! `geo_near_boxes`: the pairs of patches that share ground or lie too near each other.

use crate::bbox::Bbox;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::record::{Read, Typed, record};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::map::apart::Near;
use crate::sql::shared::extents::{boxes, gap};
use crate::sql::shared::windows::WindowRow;

/// The scalar `geo_near_boxes`.
pub struct GeoNearBoxes;

/// A patch.
pub struct PatchRow {
    bbox: Option<Bbox>,
    win: Option<WindowRow>,
    crs: Option<i64>,
    part: i64,
}
record! { PatchRow { bbox: Option<Bbox>, win: Option<WindowRow>, crs: Option<i64>, part: i64 } }

/// Two patches.
pub struct PairRow {
    a: i64,
    b: i64,
    distance: Option<f64>,
    shares: bool,
}
record! { PairRow { a: i64, b: i64, distance: Option<f64>, shares: bool } }

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_near_boxes",
    kind: Kind::Scalar,
    summary: "The pairs of boxes of different parts that overlap or lie near each other.",
    parameters: &[
        Parameter {
            name: "patches",
            types: <Vec<PatchRow>>::TYPE,
            given: Given::Required,
            meaning: "Boxes, over the antimeridian too (`xmin > xmax`), each with the number of its CRS in `crss`, from 1, and the number of its part: pairs of one part do not count. Where a box or `crss` is missing the windows count, as of one raster.",
        },
        Parameter {
            name: "crss",
            types: "VARCHAR[]",
            given: Given::Required,
            meaning: "The CRSs of the boxes: degrees are measured on a sphere of 6371.0088 km, one projected CRS on its own plane; boxes of several CRSs by their envelopes in longitude and latitude.",
        },
        Parameter {
            name: "min_gap",
            types: "DOUBLE",
            given: Given::Required,
            meaning: "Boxes nearer than this count, in metres between their edges; with 0 those alone that overlap.",
        },
        Parameter { name: "options", types: "STRUCT", given: Given::Optional, meaning: "The keys below." },
        Parameter {
            name: "place",
            types: "VARCHAR",
            given: Given::Option("'geo_near_boxes'"),
            meaning: "The function that errors name.",
        },
    ],
    columns: &[column(
        "pairs",
        <Vec<PairRow>>::TYPE,
        "Numbers in the list, from 1, the smaller first; metres between the edges, NULL without a CRS; whether they overlap by more than a millionth of their side.",
    )],
    nulls: "NULL for a NULL argument; a patch without a part is none.",
    errors: &[
        "min_gap below 0, or above 0 without boxes in CRSs",
        "a patch with neither a box in a CRS nor a window",
        "more than 20,000,000 pairs",
    ],
    examples: &[Example {
        title: "Over the antimeridian, and nearer than 200 km",
        sql: "SELECT p.a, p.b, round(p.distance / 1000, 1) AS km, p.shares FROM (\n\
              \x20   SELECT unnest(geo_near_boxes([{bbox: {xmin: x, ymin: 0, xmax: x + 10, ymax: 10}, win: NULL, crs: 1, part: i} FOR x, i IN [-180, 170, 160, -168]],\n\
              \x20       ['OGC:CRS84'], 250000)) AS p);",
        rows: &["1\t2\t0.0\tfalse", "1\t4\t219.0\tfalse", "2\t3\t0.0\tfalse"],
    }],
    references: &["rstar; Guttman, R-trees, 1984"],
};

/// What a call knows before any row.
pub struct Bound {
    threads: usize,
    /// What errors blame for the boxes, and for the distance.
    blamed: [String; 2],
}

impl ScalarFunction for GeoNearBoxes {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let blamed = match call.options()?.text("place")? {
            // A macro's boxes are those of its registry.
            Some(caller) => [format!("{caller}(registry)"), format!("{caller}(min_gap)")],
            None => ["geo_near_boxes(patches)".into(), "geo_near_boxes(min_gap)".into()],
        };
        Ok(Bound { threads: call.limits.threads, blamed })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let [of_boxes, of_gap] = &bound.blamed;
        rows(input, out, |row| {
            if input.any_null(row) {
                return Ok(None);
            }
            let min_gap = gap(of_gap, input.column(2).get(row))?;
            let Some(patches) = <Vec<PatchRow>>::read(input.column(0), row)? else { return Ok(None) };
            let Some(crss) = <Vec<String>>::read(input.column(1), row)? else { return Ok(None) };
            let parts: Vec<i64> = patches.iter().map(|patch| patch.part).collect();
            let index = |patch: &PatchRow| patch.crs.map_or(usize::MAX, |crs| (crs - 1) as usize);
            let known = patches.iter().all(|patch| index(patch) < crss.len());
            let patches =
                patches.iter().map(|patch| (patch.bbox.filter(|_| known), patch.win.as_ref(), index(patch)));
            let boxes = boxes(of_boxes, patches, crss)?;
            if min_gap > 0.0 && !parts.is_empty() && !boxes.is_measured() {
                let problem = "a distance was asked for, and a patch has no bbox in a CRS of known units";
                return Err(
                    Error::conflict(problem, "Give each patch a bbox and a crs, or a gap of 0").at(of_gap)
                );
            }
            let pairs = boxes.pairs(&parts, min_gap, bound.threads).map_err(|e| e.at(of_boxes))?;
            let pair = |Near { a, b, metres, shares }: Near| PairRow {
                a: a as i64 + 1,
                b: b as i64 + 1,
                distance: metres,
                shares,
            };
            Ok(Some(pairs.into_iter().map(pair).collect::<Vec<PairRow>>()))
        })
    }
}
