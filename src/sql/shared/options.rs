//! Options that several functions take: how each is documented, and how it is read.

pub mod by_row;

use std::sync::Arc;

use crate::bridge::args::{Args, number};
use crate::bridge::doc::{Given, Parameter, option};
use crate::crs::Crs;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::format::LayerName;
use crate::projection::geometry::from_wkt;
use crate::read::mosaic::{BitField, MERGES, Merge, QualityMask, SliceOptions};
use crate::read::patch::{BandName, PatchOptions};
use crate::read::within::Within;
use crate::resampling::{RESAMPLINGS, Resampling, Warp};
use crate::sql::shared::crs::asked_crs;
use crate::value::Value;

/// The argument that holds the options of a scalar.
pub const OPTIONS: Parameter = Parameter {
    name: "options",
    types: "STRUCT",
    given: Given::Optional,
    meaning: "The keys below, constant for the query.",
};
/// Which bands are read.
pub const BANDS: Parameter = option(
    "bands",
    "BIGINT[] | VARCHAR[]",
    "all",
    "Bands to read, by number (from 1) or by name, in this order; all bands of the file unless given.",
);
/// Native pixels as numbers with a unit.
pub const SCALED: Parameter = option(
    "scaled",
    "BOOLEAN",
    "false",
    "Give `pixel * scale + offset` of the band's header instead of the stored pixel.",
);
/// What is no pixel.
pub const NODATA: Parameter = option(
    "nodata",
    "DOUBLE | VARCHAR",
    "the file's",
    "The stored value (or 'nan') that is no pixel, where the header tells none or another: 0 in Sentinel-2's bands. It stands in place of the file's own; masks and alpha bands count beside it.",
);
/// What stands for NULL.
pub const FILL: Parameter = option(
    "fill",
    "DOUBLE | VARCHAR",
    "NULL",
    "A number (or 'nan') in place of NULL pixels: a dense list, which reaches NumPy without a copy.",
);
/// Windows beyond the raster.
pub const BOUNDLESS: Parameter = option(
    "boundless",
    "BOOLEAN",
    "false",
    "A window wholly outside the raster is all NULL instead of an error.",
);
/// The shape that pixels are to lie within.
pub const WITHIN: [Parameter; 3] = [
    option(
        "within",
        "GEOMETRY | VARCHAR",
        "NULL",
        "A shape, or its WKT: pixels whose centre lies outside of it are no pixels. Its parts and holes count. It is brought onto the pixels vertex by vertex, as `geo_rasterize` does.",
    ),
    option("within_crs", "VARCHAR", "'OGC:CRS84'", "CRS of a shape whose type has none, in the order x, y."),
    option("all_touched", "BOOLEAN", "false", "Every pixel that the shape touches lies within."),
];
/// What is read onto a slice, and how: see [`slice_options`].
pub const SLICE_OPTIONS: [Parameter; 17] = [
    BANDS,
    NODATA,
    option(
        "resampling",
        "VARCHAR",
        "'nearest'",
        "GDAL's method: `nearest`, `bilinear`, `cubic`, `cubic_spline`, `lanczos`, `average`, `mode`, `max`, `min`, `med`, `q1`, `q3`, `sum`, `rms`. Where the file's pixels lie on the slice's own, they are copied whatever it says.",
    ),
    option(
        "merge",
        "VARCHAR",
        "'first'",
        "What stands where several files have a pixel: `first` or `last` in the order of the paths, `min`, `max`, `sum`, `mean`, or `count`, which is 0 where none has.",
    ),
    option(
        "mask_band",
        "BIGINT | VARCHAR",
        "none",
        "A quality band of each file, by number or name; it is brought onto the slice by nearest, and takes pixels away before files are merged.",
    ),
    option(
        "mask_path",
        "VARCHAR",
        "none",
        "A raster that holds the quality band for all files, in any CRS and pixels; its first band unless mask_band names another. Files of one scene that hold its bands and its mask are a STRUCT of paths instead.",
    ),
    option(
        "mask_bits",
        "BIGINT[]",
        "[]",
        "Bits of the quality band (0 is the lowest): a pixel with any of them set is not a pixel. Bits beyond the band's type are an error.",
    ),
    option(
        "mask_field",
        "STRUCT(first_bit BIGINT, n_bits BIGINT, values BIGINT[])",
        "none",
        "A number in some bits of the quality band, such as Landsat's confidence of a cloud: `{first_bit: 8, n_bits: 2, values: [3]}` makes no pixel of one whose bits 8 and 9 hold 3. A list of such is taken too.",
    ),
    option(
        "mask_values",
        "BIGINT[]",
        "[]",
        "Values of the quality band that make a pixel none, as classes do; the band's own nodata counts where it is among them.",
    ),
    option(
        "scaled",
        "BOOLEAN",
        "false",
        "Give `pixel * scale + offset` of the band's header instead of the stored pixel; computed before resampling, in float64.",
    ),
    option(
        "dtype",
        "VARCHAR",
        "the file's",
        "`float32` or `float64`: weigh pixels in this type, so that means of integers keep their fraction; what comes out is FLOAT all the same. Otherwise results are rounded to the file's own type, as gdalwarp and rasterio do.",
    ),
    option(
        "tolerance",
        "DOUBLE",
        "0.125",
        "How far, in pixels of the file, a pixel's place may be interpolated beside the exact one; 0 projects each.",
    ),
    FILL,
    option("boundless", "BOOLEAN", "false", "A slice that no file touches is all NULL instead of an error."),
    WITHIN[0],
    WITHIN[1],
    WITHIN[2],
];

/// Reads [`BANDS`], [`SCALED`], [`NODATA`], [`FILL`], [`BOUNDLESS`] and [`WITHIN`].
///
/// # Errors
/// A value of the wrong form.
pub fn patch_options(args: &Args) -> Result<PatchOptions> {
    let must = "a list of band numbers (from 1) or names";
    let bands = match args.get("bands") {
        None => None,
        Some(value) => {
            let band = |item: &Value| match item {
                Value::Int(n) => Some(BandName::Number(*n)),
                Value::Text(name) => Some(BandName::Name(name.clone())),
                _ => None,
            };
            let bands: Option<Vec<BandName>> = match value {
                Value::List(items) => items.iter().map(band).collect(),
                one => band(one).map(|b| vec![b]),
            };
            let bad = || args.blame("bands")(Error::invalid(value, must));
            Some(bands.filter(|b| !b.is_empty()).ok_or_else(bad)?)
        }
    };
    let number_or_nan = |parameter: &str| match args.get(parameter) {
        None => Ok(None),
        Some(Value::Text(text)) if text.eq_ignore_ascii_case("nan") => Ok(Some(f64::NAN)),
        Some(value) => {
            let bad = || args.blame(parameter)(Error::invalid(value, "a number, or 'nan'"));
            number(value).map(Some).ok_or_else(bad)
        }
    };
    let (fill, nodata) = (number_or_nan("fill")?, number_or_nan("nodata")?);
    let scaled = args.flag("scaled")?.unwrap_or(false);
    let boundless = args.flag("boundless")?.unwrap_or(false);
    Ok(PatchOptions { bands, scaled, nodata, fill, boundless, within: within(args)? })
}

fn within(args: &Args) -> Result<Option<Arc<Within>>> {
    let must = "a GEOMETRY, or WKT such as 'POLYGON ((0 0, 1 0, 1 1, 0 0))'";
    let empty = || args.blame("within")(Error::invalid("an empty geometry", "one that has a place"));
    let (wkb, own) = match args.get("within") {
        None => {
            let Some(idle) = ["within_crs", "all_touched"].into_iter().find(|p| args.get(p).is_some()) else {
                return Ok(None);
            };
            let problem = format!("{idle} says something of a shape, and none is given");
            return Err(args.blame(idle)(Error::conflict(problem, "Give it: {within: geometry}")));
        }
        Some(Value::Geometry(wkb, crs)) => (wkb.clone(), crs.clone()),
        Some(Value::Bytes(wkb)) => (wkb.clone(), None),
        Some(Value::Text(text)) => (from_wkt(text).map_err(args.blame("within"))?.ok_or_else(empty)?, None),
        Some(other) => return Err(args.blame("within")(Error::invalid(other, must))),
    };
    let crs = asked_crs(args, "within_crs", own)?.unwrap_or_else(Crs::lon_lat);
    let all_touched = args.flag("all_touched")?.unwrap_or(false);
    Within::new(&wkb, crs, all_touched).map(|within| Some(Arc::new(within))).map_err(args.blame("within"))
}

/// Reads [`SLICE_OPTIONS`].
///
/// # Errors
/// A value of the wrong form, or a mask of which one half is missing.
pub fn slice_options(args: &Args) -> Result<SliceOptions> {
    let patch = patch_options(args)?;
    if let Some(fill) = patch.fill.filter(|fill| fill.is_finite() && (*fill as f32).is_infinite()) {
        return Err(args.blame("fill")(Error::invalid(fill, "a number that FLOAT can hold, or 'nan'")));
    }
    let resampling =
        args.choice("resampling", "a resampling method", &RESAMPLINGS)?.unwrap_or(Resampling::Nearest);
    let merge = args.choice("merge", "a rule for merging", &MERGES)?.unwrap_or(Merge::First);
    let floats = [("float32", Dtype::Float32), ("float64", Dtype::Float64)];
    let dtype = args.choice("dtype", "a type to weigh pixels in", &floats)?;
    let tolerance = args.number("tolerance")?.unwrap_or(0.125);
    if tolerance < 0.0 {
        return Err(args.blame("tolerance")(Error::invalid(tolerance, "0 or more pixels")));
    }
    let warp = Warp { resampling, tolerance, scaled: patch.scaled, nodata: patch.nodata, dtype };
    Ok(SliceOptions { patch, warp, merge, mask: quality_mask(args)? })
}

fn quality_mask(args: &Args) -> Result<Option<QualityMask>> {
    let bits = whole_numbers(args, "mask_bits", 0, 63)?;
    let values = whole_numbers(args, "mask_values", i64::MIN, i64::MAX)?;
    let fields = bit_fields(args)?;
    let path = args.text("mask_path")?;
    let band = match args.get("mask_band") {
        None => path.as_ref().map(|_| BandName::Number(1)),
        Some(Value::Int(number)) => Some(BandName::Number(*number)),
        Some(Value::Text(name)) => Some(BandName::Name(name.clone())),
        Some(other) => {
            return Err(args.blame("mask_band")(Error::invalid(other, "a band by number (from 1) or name")));
        }
    };
    match (band, bits.is_empty() && values.is_empty() && fields.is_empty()) {
        (Some(band), false) => {
            let bits = bits.iter().fold(0, |all, bit| all | 1 << bit);
            Ok(Some(QualityMask { path, band, bits, values, fields }))
        }
        (None, true) => Ok(None),
        (Some(_), true) => {
            let problem = "a mask_band without mask_bits, mask_field or mask_values takes nothing away";
            Err(args.blame("mask_band")(Error::conflict(problem, "Say which: {mask_bits: [10, 11]}")))
        }
        (None, false) => {
            let problem = "mask_bits, mask_field and mask_values are those of a mask_band or a mask_path, and none is named";
            Err(args.blame("mask_bits")(Error::conflict(problem, "Name it: {mask_band: 'QA60'}")))
        }
    }
}

fn bit_fields(args: &Args) -> Result<Vec<BitField>> {
    let Some(value) = args.get("mask_field") else { return Ok(Vec::new()) };
    let must = "{first_bit: 8, n_bits: 2, values: [3]}, or a list of those, within 64 bits, and values that so many bits hold";
    let bad = || args.blame("mask_field")(Error::invalid(value, must));
    let fields: Option<Vec<BitField>> = match value {
        Value::List(items) => items.iter().map(bit_field).collect(),
        one => bit_field(one).map(|field| vec![field]),
    };
    fields.filter(|fields| !fields.is_empty()).ok_or_else(bad)
}

fn bit_field(value: &Value) -> Option<BitField> {
    let Value::Struct(keys) = value else { return None };
    let get =
        |name: &str| keys.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let whole = |value: &Value| match value {
        Value::Int(number) => u32::try_from(*number).ok(),
        _ => None,
    };
    let (first, count) = (get("first_bit").and_then(whole)?, get("n_bits").and_then(whole)?);
    let most = i64::MAX.unsigned_abs().min(u64::MAX.checked_shr(64u32.checked_sub(count)?)?);
    let number = |value: &Value| match value {
        Value::Int(number) => u64::try_from(*number).is_ok_and(|n| n <= most).then_some(*number),
        _ => None,
    };
    let values: Vec<i64> = match get("values")? {
        Value::List(items) => items.iter().map(number).collect::<Option<_>>()?,
        one => vec![number(one)?],
    };
    let sound = keys.len() == 3 && count > 0 && first.checked_add(count)? <= 64 && !values.is_empty();
    sound.then_some(BitField { first, count, values })
}

fn whole_numbers(args: &Args, parameter: &'static str, lowest: i64, highest: i64) -> Result<Vec<i64>> {
    let Some(value) = args.get(parameter) else { return Ok(Vec::new()) };
    let whole = |item: &Value| match item {
        Value::Int(n) if (lowest..=highest).contains(n) => Some(*n),
        _ => None,
    };
    let numbers: Option<Vec<i64>> = match value {
        Value::List(items) => items.iter().map(whole).collect(),
        one => whole(one).map(|n| vec![n]),
    };
    let must = match parameter {
        "mask_bits" => "a list of bits from 0 to 63, such as [10, 11]",
        _ => "a list of whole numbers, such as [3, 8, 9]",
    };
    numbers.ok_or_else(|| args.blame(parameter)(Error::invalid(value, must)))
}

/// The one layer of a vector file that is asked for.
///
/// # Errors
/// A layer that is neither a name nor a number.
pub fn layer_name(args: &Args) -> Result<Option<LayerName>> {
    Ok(match args.get("layer") {
        None | Some(Value::Null) => None,
        Some(Value::Text(name)) => Some(LayerName::Name(name.clone())),
        Some(Value::Int(number)) => Some(LayerName::Number(*number)),
        Some(other) => {
            let must = "a layer's name, or its number (from 1)";
            return Err(args.blame("layer")(Error::invalid(other, must)));
        }
    })
}
