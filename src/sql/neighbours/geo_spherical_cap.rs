//! `geo_spherical_cap`: the pixels of a slice within a great-circle distance of a place.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::record::{Typed, record};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::map::sphere::{self, Cap};
use crate::projection;
use crate::sql::shared::slice_value::{self, SLICE};
use crate::sql::shared::windows::WindowRow;

/// The scalar `geo_spherical_cap`.
pub struct GeoSphericalCap;

/// A pixel of a cap.
pub struct CellRow {
    row: i64,
    col: i64,
    distance_km: f64,
}
record! { CellRow { row as "\"row\"": i64, col: i64, distance_km: f64 } }

/// What a cap holds.
pub struct CapRow {
    cells: Vec<CellRow>,
    wins: Vec<WindowRow>,
}
record! { CapRow { cells: Vec<CellRow>, wins: Vec<WindowRow> } }

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_spherical_cap",
    kind: Kind::Scalar,
    summary: "The pixels of a slice within a great-circle distance of a place.",
    parameters: &[
        Parameter {
            name: "lon",
            types: "DOUBLE",
            given: Given::Required,
            meaning: "Longitude of the place, degrees.",
        },
        Parameter {
            name: "lat",
            types: "DOUBLE",
            given: Given::Required,
            meaning: "Its latitude, -90 to 90.",
        },
        Parameter {
            name: "radius_km",
            types: "DOUBLE",
            given: Given::Required,
            meaning: "The distance, itself inside, on a sphere of 6371.0088 km.",
        },
        Parameter {
            name: "slice",
            types: SLICE,
            given: Given::AsItIs,
            meaning: "The grid, in a CRS of longitudes and latitudes; a pixel is where its centre is.",
        },
    ],
    columns: &[Column {
        name: "cap",
        types: CapRow::TYPE,
        meaning: "`cells`, row by row from the upper left, and `wins`, the windows around them: two where the cap crosses the edge of a slice that goes around the globe, none where it holds no pixel.",
    }],
    nulls: "NULL for a NULL argument.",
    errors: &[
        "lon not finite, lat beyond 90 degrees, radius_km not above 0",
        "slice: a CRS that is not of longitudes and latitudes",
        "pixels that take more than geoquilt_max_chunk_mb",
    ],
    examples: &[Example {
        title: "A cap over the antimeridian lies in two windows",
        sql: "SELECT len(cap.cells) AS cells, cap.wins[1].col_off AS west, cap.wins[2].col_off AS east FROM (\n\
              \x20   SELECT geo_spherical_cap(180, 0, 300, geo_slice({xmin: -180, ymin: -90, xmax: 180, ymax: 90}, 1, 'OGC:CRS84')) AS cap);",
        rows: &["24\t0\t357"],
    }],
    references: &["sklearn.metrics.pairwise.haversine_distances"],
};

impl ScalarFunction for GeoSphericalCap {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Limits;

    fn bind(call: Call) -> Result<Limits> {
        Ok(call.limits)
    }

    fn call(limits: &Limits, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            if input.any_null(row) {
                return Ok(None);
            }
            let number = |index: usize| input.column(index).get::<f64>(row);
            let (lon, lat, radius_km) = (number(0), number(1), number(2));
            let bad = |name: &str, value: f64, must: &str| {
                Err(Error::invalid(value, must).at(format!("geo_spherical_cap({name})")))
            };
            if !lon.is_finite() {
                return bad("lon", lon, "a finite number of degrees");
            }
            if !(-90.0..=90.0).contains(&lat) {
                return bad("lat", lat, "between -90 and 90");
            }
            if !(radius_km > 0.0 && radius_km.is_finite()) {
                return bad("radius_km", radius_km, "a distance above 0");
            }
            let at = |error: Error| error.at("geo_spherical_cap(slice)");
            let Some((slice, _)) = slice_value::read(input.column(3), row).map_err(at)? else {
                return Ok(None);
            };
            if !projection::crs_facts(slice.crs.as_str()).map_err(at)?.geographic {
                let must = "one of longitudes and latitudes";
                return Err(at(Error::invalid(format!("a slice in \"{}\"", slice.crs.as_str()), must)));
            }
            let grid = sphere::Degrees {
                transform: slice.affine(),
                height: slice.height as usize,
                width: slice.width as usize,
            };
            let Cap { cells, windows } = sphere::cap(&grid, (lon, lat), radius_km, limits).map_err(at)?;
            let cell = |(row, col, distance_km): (i64, i64, f64)| CellRow { row, col, distance_km };
            Ok(Some(CapRow {
                cells: cells.into_iter().map(cell).collect(),
                wins: windows.iter().map(WindowRow::from).collect(),
            }))
        })
    }
}
