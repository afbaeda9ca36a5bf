//! What queries are told, by name: for those that are drawn and those that are laid.

use crate::bridge::args::{Args, number};
use crate::bridge::doc::{FunctionDoc, Parameter, named};
use crate::bridge::record::text;
use crate::error::{Error, Result};
use crate::query::area::Area;
use crate::query::evaluation::Evaluation;
use crate::query::land;
use crate::query::size::{Size, UNITS, Unit};
use crate::query::training::Training;
use crate::query::{Days, MODES, Mode};
use crate::sql::shared::shapes::BOX;
use crate::value::Value;

pub(super) const SIZE: Parameter =
    named("size", "DOUBLE", "NULL", "Side of a box, above 0, in `unit`. It must be given.");
pub(super) const UNIT: Parameter = named(
    "unit",
    "VARCHAR",
    "'deg'",
    "`deg`, or `km`: then a box is as wide in degrees as `geo_patch_degrees` says at its own latitude.",
);
pub(super) const T_MIN: Parameter =
    named("t_min", "DATE | TIMESTAMP | VARCHAR", "NULL", "The first day, UTC. It must be given.");
pub(super) const T_MAX: Parameter =
    named("t_max", "DATE | TIMESTAMP | VARCHAR", "NULL", "The last day, inside. It must be given.");
pub(super) const WINDOW_DAYS: Parameter =
    named("window_days", "BIGINT", "1", "Days of a query; all of them lie from `t_min` to `t_max`.");
pub(super) const MASK: Parameter = named(
    "mask",
    "VARCHAR",
    "NULL",
    "Land mask, a raster whose pixels above 0.5 are land; without it no land is counted. Under `oceantaco` one of 720 x 1440 pixels of a quarter of a degree.",
);

/// The meaning of `bbox`.
pub(super) const BBOX: &str = "Longitudes and latitudes, degrees; xmin > xmax crosses the antimeridian.";
/// The type of `bbox`.
pub(super) const BBOX_TYPE: &str = text![BOX];

/// The names of a function's parameters.
pub(super) fn names(doc: &FunctionDoc) -> Vec<&'static str> {
    doc.parameters.iter().map(|parameter| parameter.name).collect()
}

fn missing(args: &Args, parameter: &str, example: &str) -> Error {
    let problem = format!("{parameter} was not given");
    args.blame(parameter)(Error::conflict(problem, format!("For example {parameter} := {example}")))
}

fn size(args: &Args) -> Result<Size> {
    let value = args.number("size")?.ok_or_else(|| missing(args, "size", "10"))?;
    let unit = args.choice("unit", "a unit", &UNITS)?.unwrap_or(Unit::Degrees);
    if value <= 0.0 {
        return Err(args.blame("size")(Error::invalid(value, "a size above 0")));
    }
    Ok(Size { value, unit })
}

fn mode(args: &Args) -> Result<Mode> {
    Ok(args.choice("mode", "a mode", &MODES)?.unwrap_or(Mode::Sphere))
}

fn area(args: &Args, mode: Mode) -> Result<Area> {
    let at = args.blame("bbox");
    let must = "a box {xmin, ymin, xmax, ymax}";
    let corners = match args.get("bbox") {
        None => return Area::new(-180.0, -90.0, 180.0, 90.0),
        Some(value) => {
            Args::of_struct("bbox", value, &["xmin", "ymin", "xmax", "ymax"], must).map_err(&at)?
        }
    };
    let corner = |name: &str| {
        let missing = || at(Error::invalid("NULL", format!("a number for {name}")));
        corners.get(name).and_then(number).ok_or_else(missing)
    };
    let area = Area::new(corner("xmin")?, corner("ymin")?, corner("xmax")?, corner("ymax")?).map_err(&at)?;
    if mode == Mode::OceanTaco && area.east > 180.0 {
        let problem = format!("the box {area} crosses the antimeridian, which mode \"oceantaco\" does not");
        return Err(at(Error::conflict(problem, "Leave the mode at 'sphere', or give a box on each side")));
    }
    Ok(area)
}

/// A day in microseconds.
pub(super) const DAY: i64 = 86_400_000_000;

fn days(args: &Args) -> Result<Days> {
    let time = |name: &'static str| {
        let must = "a DATE, a TIMESTAMP, or text such as '2023-04-01'";
        let value = args.get(name).ok_or_else(|| missing(args, name, "DATE '2023-04-01'"))?;
        value.time().ok_or_else(|| args.blame(name)(Error::invalid(value, must)))
    };
    let (first, last) = (time("t_min")?.start.div_euclid(DAY), time("t_max")?.stop.div_euclid(DAY));
    let show = |day: i64| Value::Date(i32::try_from(day).unwrap_or_default()).to_string();
    if last < first {
        let must = format!("at or after t_min, {}", &show(first)[..10]);
        return Err(args.blame("t_max")(Error::invalid(&show(last)[..10], must)));
    }
    let window = args.integer("window_days", 1, 1_000_000)?.unwrap_or(1);
    if window > last - first + 1 {
        let must = format!("at most {}, the days from t_min to t_max", last - first + 1);
        return Err(args.blame("window_days")(Error::invalid(window, must)));
    }
    Ok(Days { first, last, window })
}

/// The mask, where there is one.
fn mask(args: &Args, mode: Mode) -> Result<Option<String>> {
    let mask = args.text("mask")?;
    if let Some(path) = &mask {
        land::check(path, mode).map_err(args.blame("mask"))?;
    }
    if mask.is_none() && args.get("max_land_fraction").is_some() {
        let error = Error::conflict("land is counted on a mask", "For example mask := 'land_mask.tif'");
        return Err(args.blame("max_land_fraction")(error));
    }
    Ok(mask)
}

/// The most queries of one draw.
const MAX_QUERIES: i64 = 10_000_000;

/// What is drawn, and the mask.
///
/// # Errors
/// A parameter of the wrong form, or one that is missing.
pub(super) fn training(args: &Args) -> Result<(Training, Option<String>)> {
    let mode = mode(args)?;
    let n = args.integer("n", 1, MAX_QUERIES)?.ok_or_else(|| missing(args, "n", "100"))?;
    let asked = Training {
        n: n as usize,
        size: size(args)?,
        area: area(args, mode)?,
        days: days(args)?,
        max_overlap: args.fraction("max_spatial_overlap")?.unwrap_or(1.0),
        max_land: args.fraction("max_land_fraction")?.unwrap_or(0.3),
        seed: args.integer("seed", 0, i64::MAX)?.unwrap_or(42) as u64,
        mode,
    };
    Ok((asked, mask(args, mode)?))
}

/// What is laid, and the mask.
///
/// # Errors
/// As [`training`].
pub(super) fn evaluation(args: &Args) -> Result<(Evaluation, Option<String>)> {
    let mode = mode(args)?;
    let overlap = args.fraction("spatial_overlap")?.unwrap_or(0.0);
    if overlap > 0.99 {
        return Err(args.blame("spatial_overlap")(Error::invalid(overlap, "a share between 0 and 0.99")));
    }
    let asked = Evaluation {
        size: size(args)?,
        overlap,
        area: area(args, mode)?,
        days: days(args)?,
        step_days: args.integer("step_days", 1, 1_000_000)?.unwrap_or(1) as u64,
        max_land: args.fraction("max_land_fraction")?.unwrap_or(0.5),
        mode,
    };
    Ok((asked, mask(args, mode)?))
}
