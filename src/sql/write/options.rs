//! What the formats of COPY share: options, and rows of pixels out of DuckDB's vectors.

use crate::affine::Affine;
use crate::bridge::args::{Args, number};
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Parameter, option};
use crate::bridge::pieces::Pieces;
use crate::bridge::vector::Plain;
use crate::dtype::with_dtype;
use crate::dtype::{DTYPES, Dtype, Nodata, Pixel, Pixels};
use crate::error::{Error, Result, one_of};
use crate::projection;
use crate::read::source::Source;
use crate::sql::shared::stitching::canvases;
use crate::sql::shared::stitching::columns::{Columns, Part};
use crate::sql::shared::stitching::laying;
use crate::sql::shared::stitching::numbers::exact;
use crate::sql::shared::stitching::{self, IN_COPY};
use crate::stitch::canvas::Canvas;
use crate::stitch::field::Plan;
use crate::stitch::tile::Method;
use crate::value::Value;
use crate::write::pack::{self, Format, Packing};
use crate::write::patches::Patches;

/// What patches are laid on.
pub const CANVAS: Parameter = option(
    "CANVAS",
    "ANY",
    "none",
    "What patches are laid on: `[rows, cols]`, a slice, or a STRUCT, as `geoquilt.stitch` takes it.",
);
/// A raster on whose grid patches are laid.
pub const TEMPLATE: Parameter =
    option("TEMPLATE", "VARCHAR", "none", "A raster whose rows, columns, transform and CRS are the canvas.");
/// Of a canvas without one.
pub const TRANSFORM: Parameter =
    option("TRANSFORM", "DOUBLE[]", "none", "Transform of the canvas, where `CANVAS` has none.");
/// Of a canvas without one.
pub const CRS: Parameter = option("CRS", "VARCHAR", "none", "CRS of the canvas, where `CANVAS` has none.");
/// How patches are laid.
pub const STITCH: Parameter = option(
    "STITCH",
    "VARCHAR",
    "'last'",
    "What becomes of several patches on a pixel: a method of `geoquilt.stitch`, with its TAPER, PERIODIC, ALPHA, SIGMA, TAPERED, NORMALISE and SKIP_NAN. Unless given, a later row lies over an earlier one.",
);
/// The taper.
pub const TAPER: Parameter =
    option("TAPER", "VARCHAR | DOUBLE[]", "'hann'", "As that of `geoquilt.stitch`, and so are the next six.");
/// Of the taper.
pub const PERIODIC: Parameter = option("PERIODIC", "BOOLEAN", "true", "Whether the taper's end is left out.");
/// Of the taper.
pub const ALPHA: Parameter = option("ALPHA", "DOUBLE", "0.5", "Of `tukey`.");
/// Of the taper.
pub const SIGMA: Parameter = option("SIGMA", "DOUBLE", "0.25", "Of `gaussian`.");
/// Of the data.
pub const TAPERED: Parameter =
    option("TAPERED", "BOOLEAN", "false", "The data were multiplied by the taper already.");
/// Of the sum.
pub const NORMALISE: Parameter =
    option("NORMALISE", "BOOLEAN", "true", "False gives the sum of weighted values itself.");
/// Of NaN.
pub const SKIP_NAN: Parameter = option("SKIP_NAN", "BOOLEAN", "false", "NaN is no value.");
/// The type that is stored.
pub const DTYPE: Parameter = option(
    "DTYPE",
    "VARCHAR",
    "the data's",
    "The type of the file's pixels: `uint8`, `int16`, `float32` and so on. Numbers are rounded to whole ones, halves to even. Of stitched means it is `float32`, or `float64` for DOUBLE and whole numbers of 32 or 64 bits.",
);
/// Of packed numbers.
pub const SCALE: Parameter =
    option("SCALE", "DOUBLE", "1", "The file stores `(value - OFFSET) / SCALE`, and says so.");
/// Of packed numbers.
pub const OFFSET: Parameter = option("OFFSET", "DOUBLE", "0", "See SCALE.");
/// What stands for NULL.
pub const NODATA: Parameter = option(
    "NODATA",
    "DOUBLE | VARCHAR",
    "NaN in floats, none in whole numbers",
    "The stored value that NULL is written as, and that stands for no pixel when the file is read: a number or 'nan'.",
);
/// Names of bands.
pub const BANDS: Parameter = option("BANDS", "VARCHAR[]", "none", "Names of the bands, one each.");
/// What a file says of itself.
pub const TAGS: Parameter = option(
    "TAGS",
    "MAP(VARCHAR, VARCHAR)",
    "none",
    "What the file says of itself: names and texts, as a MAP or a STRUCT.",
);

/// Options that only patches have.
const OF_PATCHES: [&str; 6] = ["CANVAS", "TEMPLATE", "TRANSFORM", "CRS", "STITCH", "TAPER"];

/// # Errors
/// An option of patches, where the columns are others.
pub fn no_patches(args: &Args, remedy: &str) -> Result<()> {
    match OF_PATCHES.into_iter().find(|name| args.get(name).is_some()) {
        None => Ok(()),
        Some(name) => {
            let problem = format!("{name} is for patches, and the columns are those of a canvas");
            Err(args.blame(name)(Error::conflict(problem, remedy)))
        }
    }
}

/// A word, in small letters.
///
/// # Errors
/// Anything but text.
pub fn word(args: &Args, name: &str) -> Result<Option<String>> {
    Ok(args.text(name)?.map(|text| text.to_lowercase()))
}

/// How numbers of a type become the file's, by DTYPE, NODATA, SCALE and OFFSET.
///
/// # Errors
/// An option of the wrong form, or a NODATA that the type cannot have.
pub fn packing(args: &Args, own: Dtype, masked: bool, format: Format) -> Result<Packing> {
    let dtype = match word(args, "DTYPE")? {
        None => own,
        Some(text) => one_of(&text, "a type of pixels", &DTYPES).map_err(args.blame("DTYPE"))?,
    };
    let scaling = match (args.number("SCALE")?, args.number("OFFSET")?) {
        (None, None) => None,
        (scale, offset) => Some((scale.unwrap_or(1.0), offset.unwrap_or(0.0))),
    };
    if scaling.is_some_and(|(scale, _)| scale == 0.0) {
        return Err(args.blame("SCALE")(Error::invalid(0, "a number other than 0")));
    }
    let asked = asked_nodata(args)?;
    if masked && asked.is_some() {
        let problem = "MASK and NODATA both say which pixels are none";
        return Err(args.blame("MASK")(Error::conflict(problem, "Give one of them")));
    }
    let nodata = if masked { None } else { pack::nodata(dtype, asked).map_err(args.blame("NODATA"))? };
    Ok(Packing { dtype, nodata, masked, scaling, format })
}

/// How patches are laid.
///
/// # Errors
/// No canvas, or an option of the wrong form.
pub fn plan(args: &Args, dtype: Dtype) -> Result<Plan> {
    let canvas = match (args.get("CANVAS"), args.text("TEMPLATE")?) {
        (Some(value), None) => canvases::canvas(value).map_err(args.blame("CANVAS"))?,
        (None, Some(path)) => {
            let source = Source::open(&path).map_err(args.blame("TEMPLATE"))?;
            let header = source.header();
            let (transform, crs) = (header.transform, header.crs.clone());
            Canvas { transform, crs, ..Canvas::new(&[header.height as i64, header.width as i64])? }
        }
        (Some(_), Some(_)) => {
            let problem = "CANVAS and TEMPLATE both say what patches are laid on";
            return Err(args.blame("TEMPLATE")(Error::conflict(problem, "Give one of them")));
        }
        (None, None) => {
            let problem = "patches need a canvas";
            let remedy = "Say CANVAS [rows, cols], with TRANSFORM and CRS, or TEMPLATE 'file.tif', on whose grid they lie";
            return Err(args.blame("CANVAS")(Error::conflict(problem, remedy)));
        }
    };
    let given = args.get("TRANSFORM").map(transform).transpose().map_err(args.blame("TRANSFORM"))?.flatten();
    let crs = args.text("CRS")?;
    if given.is_some() && canvas.transform.is_some() || crs.is_some() && canvas.crs.is_some() {
        let problem = "the canvas has a transform or a CRS of its own";
        return Err(args.blame("TRANSFORM")(Error::conflict(problem, "Give them once")));
    }
    let canvas = Canvas { transform: canvas.transform.or(given), crs: canvas.crs.or(crs), ..canvas };
    if let Some(crs) = &canvas.crs {
        projection::crs_facts(crs).map_err(args.blame("CRS"))?;
    }
    let mut asked = stitching::asked(args, &IN_COPY)?;
    if args.get("STITCH").is_none() {
        if let Some(name) =
            ["TAPER", "TAPERED", "NORMALISE"].into_iter().find(|name| args.get(name).is_some())
        {
            let problem = format!("{name} without STITCH");
            return Err(args.blame(name)(Error::conflict(problem, "Say how: STITCH overlap_add")));
        }
        asked.method = Method::Last;
    }
    Ok(asked.plan(canvas, laying::is_wide(dtype)))
}

/// The method that the statement names.
pub fn named_method(args: &Args, plan: &Plan) -> Option<Method> {
    args.get("STITCH").map(|_| plan.method)
}

/// The type of what is stitched: that of the data where values are picked, else a float.
pub fn result_type(plan: &Plan, dtype: Dtype) -> Dtype {
    match plan.method {
        Method::First | Method::Last | Method::Min | Method::Max | Method::Mode | Method::Vote => dtype,
        _ => dtype.worked_out(),
    }
}

/// What the file says of itself.
///
/// # Errors
/// Anything but names and texts.
pub fn tags(args: &Args) -> Result<Vec<(String, String)>> {
    let text = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    };
    let pairs: Option<Vec<(String, String)>> = match args.get("TAGS") {
        None => return Ok(Vec::new()),
        Some(Value::Map(pairs)) => {
            pairs.iter().map(|(key, value)| Some((text(key)?, text(value)?))).collect()
        }
        Some(Value::Struct(fields)) => {
            fields.iter().map(|(key, value)| Some((key.clone(), text(value)?))).collect()
        }
        Some(_) => None,
    };
    let sound = |pairs: &Vec<(String, String)>| {
        pairs
            .iter()
            .all(|(key, value)| !key.is_empty() && !key.contains(['=', '\0']) && !value.contains('\0'))
    };
    pairs.filter(sound).ok_or_else(|| {
        let must = "names and texts: MAP {'SENSOR': 'MSI'} or {SENSOR: 'MSI'}";
        args.blame("TAGS")(Error::invalid(args.get("TAGS").unwrap_or(&Value::Null), must))
    })
}

fn asked_nodata(args: &Args) -> Result<Option<Nodata>> {
    let Some(value) = args.get("NODATA") else { return Ok(None) };
    let text = match value {
        Value::Text(text) | Value::Other(text) => text.clone(),
        Value::Int(n) => return Ok(Some(Nodata::Integer((*n).into()))),
        other => number(other).map(|n| n.to_string()).unwrap_or_default(),
    };
    let parsed = text.parse().map(Nodata::Integer).or_else(|_| text.parse().map(Nodata::Float));
    parsed.map(Some).map_err(|_| args.blame("NODATA")(Error::invalid(value, "a number, or 'nan'")))
}

/// GDAL's six numbers; `None` where there are none.
///
/// # Errors
/// Anything else.
pub fn transform(value: &Value) -> Result<Option<Affine>> {
    let terms: Option<Vec<f64>> = match value {
        Value::Null => return Ok(None),
        Value::List(terms) => terms.iter().map(number).collect(),
        _ => None,
    };
    Affine::from_terms(&terms.unwrap_or_default()).map(Some).map_err(|error| match value {
        Value::List(_) => error,
        other => Error::invalid(other, "GDAL's six numbers, a DOUBLE[]"),
    })
}

/// The pixels of a row, as the file stores them; where a mask is made, which of them are there.
///
/// # Errors
/// A number that the type cannot hold, or NULL that nothing stands for.
pub fn pixels(
    data: &mut Pieces<'_>,
    row: usize,
    packing: &Packing,
    laid: Option<&mut Vec<bool>>,
) -> Result<Pixels> {
    match packing.scaling.is_none() && data.dtype() == packing.dtype {
        true => with_dtype!(data.dtype(), T => gather::<T>(data, row, packing, laid)),
        false => with_dtype!(packing.dtype, T => packed::<T>(data, row, packing, laid)),
    }
}

/// The pixels of a row as they are, NULL as nodata.
fn gather<T: Plain + Pixel>(
    data: &mut Pieces<'_>,
    row: usize,
    packing: &Packing,
    mut laid: Option<&mut Vec<bool>>,
) -> Result<Pixels> {
    let mut pixels: Vec<T> = Vec::with_capacity(data.length(row));
    data.each::<T>(row, |values, nulls| {
        let from = pixels.len();
        pixels.extend_from_slice(values);
        if let Some(laid) = laid.as_deref_mut() {
            laid.extend((0..values.len()).map(|index| !nulls.is_null(index)));
        }
        if nulls.none() {
            return Ok(());
        }
        for (index, pixel) in pixels[from..].iter_mut().enumerate() {
            if nulls.is_null(index) {
                *pixel = packing.fill()?;
            }
        }
        Ok(())
    })?;
    Ok(T::pixels(pixels))
}

/// The pixels of a row in another type, or scaled.
fn packed<T: Pixel>(
    data: &mut Pieces<'_>,
    row: usize,
    packing: &Packing,
    mut laid: Option<&mut Vec<bool>>,
) -> Result<Pixels> {
    let mut pixels: Vec<T> = Vec::with_capacity(data.length(row));
    // Whole numbers stay such: doubles would round the large ones.
    let whole = packing.scaling.is_none() && !T::DTYPE.is_float();
    with_dtype!(data.dtype(), S => data.each::<S>(row, |values, nulls| {
        if let Some(laid) = laid.as_deref_mut() {
            laid.extend((0..values.len()).map(|index| !nulls.is_null(index)));
        }
        let known = values.iter().enumerate().map(|(i, value)| (!nulls.is_null(i)).then_some(value));
        if whole && !S::DTYPE.is_float() {
            pixels.extend(packing.pack_whole::<T>(known.map(|value| value.and_then(|v| v.integer())))?);
            return Ok(());
        }
        exact(values, nulls)?;
        pixels.extend(packing.pack::<T>(known.map(|value| value.map(|v| v.f64())))?);
        Ok(())
    }))?;
    Ok(T::pixels(pixels))
}

/// Lays the patches of a chunk, whose windows are those of a whole canvas where a part of one is written.
///
/// # Errors
/// A patch that cannot be laid.
pub fn lay(
    (format, columns): (&str, &Columns),
    part: Option<(&Canvas, i64, i64)>,
    patches: &mut Patches,
    rows: &mut usize,
    input: &Input<'_>,
) -> Result<()> {
    let blame = |part: &str| {
        let blamed = format!("{format}({part})");
        move |error: Error| error.at(&blamed)
    };
    let Some((data, win)) = columns.part(input, Part::Data).zip(columns.part(input, Part::Win)) else {
        return Err(Error::Bug("patches without data or win".into()));
    };
    let plan = patches.field.plan().clone();
    let mut pieces = Pieces::of(data)?;
    for row in 0..input.rows() {
        *rows += 1;
        if pieces.is_null(row) || win.is_null(row) {
            continue;
        }
        let whole = part.map_or(&plan.canvas, |(whole, ..)| whole);
        let span = canvases::span(&Value::of(win, row), whole).map_err(blame("win"))?;
        let Some(mut span) = span else { continue };
        if let Some((_, top, left)) = part {
            span.window.row_off -= top;
            span.window.col_off -= left;
        }
        patches.check(&span).map_err(blame("win"))?;
        let own = [Part::Weight, Part::Variance, Part::Rank].map(|part| columns.part(input, part));
        let needs_rank = own[2].is_some();
        let mut own = laying::own(own, row, (plan.method, needs_rank), &|name, error| blame(name)(error))?;
        // Unless a rank is given, a later row lies over an earlier one.
        own.rank = own.rank.or(Some(*rows as f64));
        laying::lay(&mut patches.field, &mut pieces, row, &span, own.borrowed()).map_err(blame("data"))?;
        patches.settle(&span).map_err(blame("win"))?;
    }
    Ok(())
}
