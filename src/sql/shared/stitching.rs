//! What the ways to stitch share: how their parameters are documented, and how they are read.

pub mod canvases;
pub mod columns;
pub mod laying;
pub mod numbers;
pub mod scaling;

use crate::bridge::args::{Args, number};
use crate::bridge::doc::{Parameter, option};
use crate::error::{Error, Result, one_of};
use crate::stitch::canvas::Canvas;
use crate::stitch::field::Plan;
use crate::stitch::taper::{Curve, Taper};
use crate::stitch::tile::{METHODS, Method};
use crate::value::Value;

/// The names of tapers.
pub const TAPERS: [(&str, Curve); 4] = [
    ("boxcar", Curve::Boxcar),
    ("hann", Curve::Hann),
    ("tukey", Curve::Tukey { alpha: 0.5 }),
    ("gaussian", Curve::Gaussian { sigma: 0.25 }),
];

/// The method.
pub const METHOD: Parameter = option(
    "method",
    "VARCHAR",
    "'overlap_add'",
    "What becomes of several values on a pixel. `overlap_add`: their mean, weighted by the taper. `mean`, `median`, `variance` (ddof 0), `mean_std` (the deviations as further bands behind the means), `min`, `max`, `sum`, `count`. `weighted`: their mean by `weight`; `inverse_variance`: by 1 / `variance`. `first`, `last`: the one of the least or greatest `rank`, of equal ones the smaller value. `mode`: the commonest, `vote`: the one whose tapers add up to most, of equal ones the smaller. All but `overlap_add` and `vote` ignore the taper.",
);
/// The taper.
pub const TAPER: Parameter = option(
    "taper",
    "VARCHAR | DOUBLE[]",
    "'hann'",
    "How much a pixel counts by where it lies in its patch: `hann`, `tukey`, `gaussian` or `boxcar` (geo_taper), or a weight a pixel along each axis; the product over the axes. A zero at the end of a named taper counts where nothing else lies, a zero of one's own never.",
);
/// Whether the end is left out.
pub const PERIODIC: Parameter = option(
    "periodic",
    "BOOLEAN",
    "true",
    "Windows that overlap by half add up to one; false makes both ends of the taper alike, as `numpy.hanning`.",
);
/// Of tukey.
pub const ALPHA: Parameter =
    option("alpha", "DOUBLE", "0.5", "The share of a `tukey` taper that is not flat, from 0 to 1.");
/// Of gaussian.
pub const SIGMA: Parameter =
    option("sigma", "DOUBLE", "0.25", "The deviation of a `gaussian` taper, as a share of half the window.");
/// Values that were multiplied.
pub const TAPERED: Parameter = option(
    "tapered",
    "BOOLEAN",
    "false",
    "The data were multiplied by the taper already: their sum is divided by the sum of the taper. Of `overlap_add`.",
);
/// Sums as they are.
pub const NORMALISE: Parameter = option(
    "normalise",
    "BOOLEAN",
    "true",
    "False gives the sum of weighted values itself. Of `overlap_add`.",
);
/// NaN.
pub const SKIP_NAN: Parameter =
    option("skip_nan", "BOOLEAN", "false", "NaN is no value; otherwise a mean with NaN is NaN, as in NumPy.");
/// Weights on request.
pub const WEIGHTS: Parameter = option(
    "weights",
    "BOOLEAN",
    "false",
    "Give `weights` too: what was divided by, or how many values there are.",
);

/// What the call asks for, beside the canvas.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// What becomes of several values.
    pub method: Method,
    /// Weights within a patch.
    pub taper: Taper,
    tapered: bool,
    normalise: bool,
    skip_nan: bool,
    /// Weights are told.
    pub weights: bool,
}

impl Asked {
    /// On a canvas, for values that need all of a double or not.
    pub fn plan(&self, canvas: Canvas, wide: bool) -> Plan {
        let Asked { method, tapered, normalise, skip_nan, .. } = *self;
        Plan { canvas, method, taper: self.taper.clone(), tapered, normalise, skip_nan, wide }
    }
}

/// How a function writes the names of these parameters.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    method: &'static str,
    taper: &'static str,
    periodic: &'static str,
    alpha: &'static str,
    sigma: &'static str,
    tapered: &'static str,
    normalise: &'static str,
    skip_nan: &'static str,
    weights: &'static str,
}

/// In a call.
pub const IN_CALLS: Names = Names {
    method: "method",
    taper: "taper",
    periodic: "periodic",
    alpha: "alpha",
    sigma: "sigma",
    tapered: "tapered",
    normalise: "normalise",
    skip_nan: "skip_nan",
    weights: "weights",
};
/// As options of COPY.
pub const IN_COPY: Names = Names {
    method: "STITCH",
    taper: "TAPER",
    periodic: "PERIODIC",
    alpha: "ALPHA",
    sigma: "SIGMA",
    tapered: "TAPERED",
    normalise: "NORMALISE",
    skip_nan: "SKIP_NAN",
    weights: "WEIGHTS",
};

/// The curve by its name, with the numbers that go with it.
///
/// # Errors
/// Another name, or numbers that the curve cannot have.
pub fn curve(name: &str, args: &Args, names: &Names) -> Result<Curve> {
    let known = TAPERS.map(|(name, _)| (name, ()));
    one_of(name, "a taper", &known)?;
    let curve = TAPERS.iter().find(|(known, _)| *known == name);
    Ok(match curve.map_or(Curve::Hann, |(_, curve)| curve.clone()) {
        Curve::Tukey { alpha } => Curve::Tukey { alpha: args.fraction(names.alpha)?.unwrap_or(alpha) },
        Curve::Gaussian { sigma } => {
            let sigma = args.number(names.sigma)?.unwrap_or(sigma);
            if sigma <= 0.0 {
                return Err(args.blame(names.sigma)(Error::invalid(sigma, "above 0")));
            }
            Curve::Gaussian { sigma }
        }
        other => other,
    })
}

/// Reads the parameters above, given by their names.
///
/// # Errors
/// A value of the wrong form, or one that does not go with the method.
pub fn asked(args: &Args, names: &Names) -> Result<Asked> {
    let word = |name: &str| Ok::<_, Error>(args.text(name)?.map(|text| text.to_lowercase()));
    let method = match word(names.method)? {
        None => Method::OverlapAdd,
        Some(text) => one_of(&text, "a method", &METHODS).map_err(args.blame(names.method))?,
    };
    let curve = match args.get(names.taper) {
        None => Curve::Hann,
        Some(Value::Text(name)) => {
            curve(&name.to_lowercase(), args, names).map_err(args.blame(names.taper))?
        }
        Some(value) => Curve::Own(own(value).ok_or_else(|| {
            let must = "a taper's name, or a list of finite weights of at least 0";
            args.blame(names.taper)(Error::invalid(value, must))
        })?),
    };
    let tapered = flag(args, names.tapered)?.unwrap_or(false);
    let normalise = flag(args, names.normalise)?.unwrap_or(true);
    if method != Method::OverlapAdd && (tapered || !normalise) {
        let problem = "tapered and normalise are those of overlap_add";
        return Err(args.blame(names.method)(Error::conflict(problem, "Leave them out")));
    }
    let taper = Taper { curve, symmetric: !flag(args, names.periodic)?.unwrap_or(true) };
    let skip_nan = flag(args, names.skip_nan)?.unwrap_or(false);
    let weights = flag(args, names.weights)?.unwrap_or(false);
    if weights && matches!(method, Method::First | Method::Last) {
        let problem = "first and last have no weights";
        let remedy = "Leave weights out, or count by method count";
        return Err(args.blame(names.weights)(Error::conflict(problem, remedy)));
    }
    Ok(Asked { method, taper, tapered, normalise, skip_nan, weights })
}

/// A flag; a bare word of COPY, which is NULL, is set.
///
/// # Errors
/// Anything but TRUE or FALSE.
pub fn flag(args: &Args, name: &str) -> Result<Option<bool>> {
    match args.get(name) {
        Some(Value::Null) => Ok(Some(true)),
        Some(Value::Text(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(Value::Text(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        _ => args.flag(name),
    }
}

fn own(value: &Value) -> Option<Vec<f64>> {
    let Value::List(items) = value else { return None };
    let weights: Option<Vec<f64>> = items.iter().map(number).collect();
    weights.filter(|all| !all.is_empty() && all.iter().all(|w| *w >= 0.0 && w.is_finite()))
}
