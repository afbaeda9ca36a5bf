//! `geo_taper`: the weights of a window.

use crate::bridge::args::{Args, number};
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::rows::lists;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::{Holds, Vector};
use crate::error::{Error, Load, Result};
use crate::limits::Limits;
use crate::sql::shared::options::OPTIONS;
use crate::sql::shared::stitching::{ALPHA, IN_CALLS, PERIODIC, SIGMA, curve};
use crate::stitch::taper::Taper;
use crate::value::Value;
use crate::workers::{STRIDE, go_on};

/// The scalar `geo_taper`.
pub struct GeoTaper;

/// Weights of one list.
const MOST: i64 = 1 << 24;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_taper",
    kind: Kind::Scalar,
    summary: "The weights of a window along an axis, or at distances from a cap's middle.",
    parameters: &[
        Parameter {
            name: "name",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "`boxcar`: 1. `hann`: a raised cosine. `tukey`: flat, with a raised cosine along the share `alpha`. `gaussian`: a bell whose deviation is `sigma` times half the window.",
        },
        Parameter {
            name: "n",
            types: "BIGINT | DOUBLE[]",
            given: Given::Required,
            meaning: "Pixels of the window, 1 to 16777216; or distances from the middle, with `radius` behind them.",
        },
        Parameter {
            name: "radius",
            types: "DOUBLE | BIGINT",
            given: Given::Optional,
            meaning: "Of distances: where the taper ends, above 0, in their unit.",
        },
        OPTIONS,
        PERIODIC,
        ALPHA,
        SIGMA,
    ],
    columns: &[column(
        "weights",
        "DOUBLE[]",
        "One a pixel; a window of one pixel has the weight 1. One a distance: 0 beyond the radius, and for a distance that is NULL or NaN.",
    )],
    nulls: "NULL for a NULL argument.",
    errors: &[
        "a name that is no taper's (those known are listed)",
        "n below 1, a radius that is not above 0, distances without a radius or n with one",
        "a chunk above geoquilt_max_chunk_mb",
        "alpha outside 0 to 1, a sigma that is not above 0, an unknown key",
    ],
    examples: &[
        Example {
            title: "Periodic, whose halves add up to one, and with ends alike",
            sql: "SELECT [round(w, 6) FOR w IN geo_taper('hann', 4)] AS periodic, [round(w, 6) FOR w IN geo_taper('hann', 5, {periodic: false})] AS alike;",
            rows: &["[0.0, 0.5, 1.0, 0.5]\t[0.0, 0.5, 1.0, 0.5, 0.0]"],
        },
        Example {
            title: "A cap of 100 km",
            sql: "SELECT geo_taper('tukey', [0, 50, 75, 100, 120], 100, {alpha: 0.5}) AS weights;",
            rows: &["[1.0, 1.0, 0.5, 0.0, 0.0]"],
        },
    ],
    references: &["scipy.signal.windows: hann, tukey, gaussian, with sym = not periodic"],
};

/// What a call knows before any row.
pub struct Bound {
    args: Args,
    radius: bool,
    limits: Limits,
}

fn blame(parameter: &'static str) -> impl Fn(Error) -> Error {
    move |error| error.at(format!("geo_taper({parameter})"))
}

impl ScalarFunction for GeoTaper {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let args = call.options()?;
        // What does not hang on the taper's name is looked at once.
        for name in ["tukey", "gaussian"] {
            curve(name, &args, &IN_CALLS)?;
        }
        args.flag("periodic")?;
        let radius = call.arguments() - usize::from(call.options_index()?.is_some()) > 2;
        Ok(Bound { args, radius, limits: call.limits })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let (names, sizes) = (input.column(0), input.column(1));
        let by_distance = sizes.holds() == Holds::List;
        lists::<f64>(input, out, |row, all| {
            if (0..2 + usize::from(bound.radius)).any(|i| input.column(i).is_null(row)) {
                return Ok(false);
            }
            let curve = curve(names.str(row)?, &bound.args, &IN_CALLS).map_err(blame("name"))?;
            let taper = Taper { curve, symmetric: !bound.args.flag("periodic")?.unwrap_or(true) };
            match (by_distance, bound.radius) {
                (false, false) => {
                    let n = sizes.get::<i64>(row);
                    if !(1..=MOST).contains(&n) {
                        return Err(blame("n")(Error::invalid(n, format!("between 1 and {MOST} pixels"))));
                    }
                    let bytes = (all.len() + n as usize) * size_of::<f64>();
                    bound.limits.allow(bytes, || Load::Chunk)?;
                    all.extend(taper.weights(n as usize)?);
                }
                (true, true) => {
                    let given = Value::of(input.column(2), row);
                    let radius = number(&given).filter(|radius| *radius > 0.0 && radius.is_finite());
                    let radius = radius
                        .ok_or_else(|| blame("radius")(Error::invalid(&given, "a finite number above 0")))?;
                    let list = sizes.list(row);
                    for index in list.rows() {
                        if index % STRIDE == 0 {
                            go_on()?;
                        }
                        let null = list.items().is_null(index);
                        let distance = if null { f64::NAN } else { list.items().get::<f64>(index).abs() };
                        all.push(taper.at_distance(distance, radius)?);
                    }
                }
                (true, false) => {
                    let problem = "distances need the radius at which the taper ends";
                    return Err(blame("radius")(Error::conflict(
                        problem,
                        "Give it behind them: geo_taper('hann', distances, 100)",
                    )));
                }
                (false, true) => {
                    let problem = "a window of n pixels has no radius";
                    return Err(blame("radius")(Error::conflict(problem, "Leave it out, or give distances")));
                }
            }
            Ok(true)
        })
    }
}
