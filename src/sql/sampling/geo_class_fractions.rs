//! `geo_class_fractions`: the share of each class in a window or on a slice.

use std::collections::BTreeMap;

use crate::bridge::args::Args;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::record::text;
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Load, Result};
use crate::limits::Limits;
use crate::read::mosaic::{SliceOptions, read_slice};
use crate::read::patch::{BandName, PatchOptions};
use crate::read::plan::{FileWindow, read_patches};
use crate::sql::raster::read_patch::file_windows;
use crate::sql::shared::options::by_row::ByRow;
use crate::sql::shared::options::{BOUNDLESS, OPTIONS, slice_options};
use crate::sql::shared::paths::scenes;
use crate::sql::shared::slice_value::{self, SLICE};
use crate::sql::shared::windows::WIN;
use crate::value::Value;
use crate::workers::Steps;

/// The scalar `geo_class_fractions`.
pub struct GeoClassFractions;

/// Bytes of pixels in hand at a time.
const LOT: usize = 32 << 20;
/// More classes are none.
const MAX_CLASSES: usize = 65_536;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_class_fractions",
    kind: Kind::Scalar,
    summary: "The share of each class in a window or on a slice.",
    parameters: &[
        Parameter {
            name: "path",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A raster of whole numbers: land cover, labels, a mask.",
        },
        Parameter {
            name: "win",
            types: text![WIN, " | ", SLICE],
            given: Given::AsItIs,
            meaning: "A window in pixels of the raster; or a slice, onto which its nearest pixels come.",
        },
        OPTIONS,
        Parameter {
            name: "band",
            types: "BIGINT | VARCHAR",
            given: Given::Option("1"),
            meaning: "The band that holds the classes, by number (from 1) or name.",
        },
        BOUNDLESS,
    ],
    columns: &[Column {
        name: "fractions",
        types: "MAP(BIGINT, DOUBLE)",
        meaning: "Each class that is there, in order, with its pixels / (height x width). Shares of a window without nodata sum to 1.",
    }],
    nulls: "NULL for a NULL path, window or slice. NULL pixels (nodata, masks, beyond the edge) are no class, but count among the pixels.",
    errors: &[
        "the file is absent, no raster, or damaged; a band that it lacks",
        "a pixel that is not a whole number, or more than 65,536 classes",
        "a window or a slice wholly outside, and not boundless",
        "options that are not constant, or an unknown key",
    ],
    examples: &[Example {
        title: "Land and sea in two patches",
        sql: "SELECT patch_id, geo_class_fractions('test/data/small/land.tif', win) AS fractions\n\
              FROM geo_patch_grid('test/data/small/land.tif', size := 6) LIMIT 2 OFFSET 2;",
        rows: &["2\t{0=1.0}", "3\t{0=0.5, 1=0.5}"],
    }],
    references: &["numpy.unique(return_counts = True)"],
};

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    options: SliceOptions,
    /// Its patch options, for windows.
    patch: ByRow<PatchOptions>,
    limits: Limits,
    is_slice: bool,
}

impl ScalarFunction for GeoClassFractions {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let args = call.options()?;
        let band = match args.get("band") {
            None => BandName::Number(1),
            Some(Value::Int(number)) => BandName::Number(*number),
            Some(Value::Text(name)) => BandName::Name(name.clone()),
            Some(other) => {
                return Err(args.blame("band")(Error::invalid(other, "a band by number (from 1) or name")));
            }
        };
        let mut options = slice_options(&Args::new(&DOC, Vec::new()))?;
        options.patch.bands = Some(vec![band]);
        options.patch.fill = Some(f64::NAN);
        options.patch.boundless = args.flag("boundless")?.unwrap_or(false);
        let is_slice = call.fields(1)?.iter().any(|(name, _)| name.eq_ignore_ascii_case("bbox"));
        let patch = ByRow::all(options.patch.clone());
        Ok(Bound { options, patch, limits: call.limits, is_slice })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        if bound.is_slice {
            return rows(input, out, |row| on_slice(bound, input, row));
        }
        let options = &bound.options.patch;
        let windows = file_windows(input, &bound.patch, &bound.limits)?;
        let asked: Vec<&FileWindow> = windows.iter().flatten().collect();
        let mut told = Vec::with_capacity(asked.len());
        let (mut pixels, mut rest) = (Vec::<f64>::new(), asked.as_slice());
        while !rest.is_empty() {
            let mut total = 0;
            let fits = |window: &&&FileWindow| {
                total += window.pixels();
                total * size_of::<f64>() <= LOT
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (lot, after) = rest.split_at(count.min(rest.len()));
            rest = after;
            pixels.resize(lot.iter().map(|window| window.pixels()).sum(), 0.0);
            let (mut left, mut parts) = (pixels.as_mut_slice(), Vec::with_capacity(lot.len()));
            for window in lot {
                let (part, behind) = left.split_at_mut(window.pixels());
                parts.push(part);
                left = behind;
            }
            // NaN fills what is no pixel.
            read_patches(lot, parts, options, bound.limits.threads)?;
            let mut left = pixels.as_slice();
            for window in lot {
                let (part, behind) = left.split_at(window.pixels());
                told.push(shares(part.iter().copied()).map_err(|e| e.at("geo_class_fractions(path)"))?);
                left = behind;
            }
        }
        let mut told = told.into_iter();
        rows(input, out, |row| Ok(windows[row].as_ref().and_then(|_| told.next())))
    }
}

fn on_slice(bound: &Bound, input: &Input<'_>, row: usize) -> Result<Option<Value>> {
    let blame = |parameter: &str| {
        let blamed = format!("geo_class_fractions({parameter})");
        move |error: Error| error.at(&blamed)
    };
    if input.column(0).is_null(row) {
        return Ok(None);
    }
    let Some((slice, _)) = slice_value::read(input.column(1), row).map_err(blame("win"))? else {
        return Ok(None);
    };
    let scenes = scenes(&Value::of(input.column(0), row)).map_err(blame("path"))?;
    let what = || Load::Slices(slice.to_string());
    bound.limits.allow(slice.area().saturating_mul(size_of::<f32>()), what).map_err(blame("win"))?;
    let mut pixels = vec![0f32; slice.area()];
    read_slice(&scenes, &slice, &bound.options, &mut pixels)?;
    shares(pixels.iter().map(|pixel| f64::from(*pixel))).map(Some).map_err(blame("path"))
}

/// The share of each whole number; NaN is none.
fn shares(pixels: impl ExactSizeIterator<Item = f64>) -> Result<Value> {
    let all = pixels.len() as f64;
    let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
    // Neighbours are mostly of one class, which is then looked for once.
    let (mut last, mut run) = (f64::NAN, 0u64);
    let mut lay = |class: f64, run: u64| {
        if class.is_nan() || run == 0 {
            return Ok(());
        }
        if class.fract() != 0.0 || class.abs() > 9e15 {
            let remedy = "Make classes of the pixels first";
            return Err(Error::conflict(format!("a pixel of {class} is no class, a whole number"), remedy));
        }
        *counts.entry(class as i64).or_default() += run;
        if counts.len() > MAX_CLASSES {
            let problem = format!("the band has more than {MAX_CLASSES} values, and holds no classes");
            return Err(Error::conflict(problem, "Name the band that does"));
        }
        Ok(())
    };
    let steps = Steps::default();
    for pixel in pixels {
        steps.step();
        if pixel == last {
            run += 1;
        } else {
            lay(last, run)?;
            (last, run) = (pixel, 1);
        }
    }
    lay(last, run)?;
    let share = |(class, count): (i64, u64)| (Value::Int(class), Value::Double(count as f64 / all));
    Ok(Value::Map(counts.into_iter().map(share).collect()))
}
