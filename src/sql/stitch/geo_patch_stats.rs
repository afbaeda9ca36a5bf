//! `geo_patch_stats`: what a window holds, in a few numbers.

use crate::bridge::args::Args;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::limits::Limits;
use crate::read::patch::PatchOptions;
use crate::read::plan::{FileWindow, read_patches};
use crate::sql::raster::read_patch::file_windows;
use crate::sql::shared::options::by_row::{ByRow, OPTIONS_BY_ROW};
use crate::sql::shared::options::{BANDS, BOUNDLESS, SCALED, WITHIN, patch_options};
use crate::sql::shared::windows::{WIN, WIN_MEANING};
use crate::stitch::statistics::{Glance, glance};
use crate::value::Value;

/// The scalar `geo_patch_stats`.
pub struct GeoPatchStats;

/// Bytes of pixels in hand at a time.
const LOT: usize = 32 << 20;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_patch_stats",
    kind: Kind::Scalar,
    summary: "Count, valid share, mean, deviation and extremes of a window, band by band.",
    parameters: &[
        Parameter {
            name: "path",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "A raster, as that of `read_patch`.",
        },
        Parameter { name: "win", types: WIN, given: Given::AsItIs, meaning: WIN_MEANING },
        OPTIONS_BY_ROW,
        BANDS,
        SCALED,
        BOUNDLESS,
        WITHIN[0],
        WITHIN[1],
        WITHIN[2],
    ],
    columns: &[column(
        "bands",
        "STRUCT(n BIGINT, valid DOUBLE, mean DOUBLE, std DOUBLE, \"min\" DOUBLE, \"max\" DOUBLE)[]",
        "An entry a band. `n` counts the pixels that are neither NULL nor NaN, `valid` is their share of the window; `std` is the population's (ddof 0). No list is made: patches are filtered by what they hold before they are read.",
    )],
    nulls: "NULL for a NULL path or window, or a window with a NULL field. A band without a pixel has n = 0 and valid = 0, the rest NULL.",
    errors: &[
        "the file is absent, no raster, or damaged",
        "the window is below 1 x 1, or wholly outside and not boundless",
        "a band that the file does not have (those it has are listed)",
        "an unknown key; a shape that is empty, or cannot be brought onto the window",
    ],
    examples: &[Example {
        title: "Patches that are half sea or more",
        sql: "SELECT patch_id, round(s[1].valid, 3) AS valid, round(s[1].mean, 3) AS mean FROM (\n\
              \x20 SELECT patch_id, geo_patch_stats('test/data/small/sst_20180101.tif', win) AS s\n\
              \x20 FROM geo_patch_grid('test/data/small/sst_20180101.tif', size := 9, stride := 9))\n\
              WHERE s[1].valid >= 0.5 ORDER BY patch_id LIMIT 2;",
        rows: &["0\t1.0\t9.25", "1\t1.0\t9.813"],
    }],
    references: &["rasterio: DatasetReader.read(window, masked = True), and numpy.ma"],
};

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    options: ByRow<PatchOptions>,
    limits: Limits,
}

impl ScalarFunction for GeoPatchStats {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        Ok(Bound { options: ByRow::of(&call, &DOC, dense_options)?, limits: call.limits })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let plain = PatchOptions::default();
        let options = bound.options.constant().unwrap_or(&plain);
        let windows = file_windows(input, &bound.options, &bound.limits)?;
        let asked: Vec<&FileWindow> = windows.iter().flatten().collect();
        let mut told = Vec::with_capacity(asked.len());
        let (mut pixels, mut from) = (Vec::<f64>::new(), 0);
        while from < asked.len() {
            let mut to = from + 1;
            let mut total = asked[from].pixels();
            while to < asked.len() && (total + asked[to].pixels()) * size_of::<f64>() <= LOT {
                total += asked[to].pixels();
                to += 1;
            }
            pixels.resize(total, 0.0);
            let (mut rest, mut parts) = (pixels.as_mut_slice(), Vec::with_capacity(to - from));
            for window in &asked[from..to] {
                let (part, after) = rest.split_at_mut(window.pixels());
                parts.push(part);
                rest = after;
            }
            // NaN fills what is no pixel.
            read_patches(&asked[from..to], parts, options, bound.limits.threads)?;
            let mut rest = pixels.as_slice();
            for window in &asked[from..to] {
                let (part, after) = rest.split_at(window.pixels());
                let bands = part.chunks_exact(window.window.area());
                told.push(Value::List(bands.map(|band| entry(&glance(band), band.len())).collect()));
                rest = after;
            }
            from = to;
        }
        let mut told = told.into_iter();
        rows(input, out, |row| Ok(windows[row].as_ref().and_then(|_| told.next())))
    }
}

/// NaN stands for what is no pixel.
fn dense_options(args: &Args) -> Result<PatchOptions> {
    Ok(PatchOptions { fill: Some(f64::NAN), ..patch_options(args)? })
}

fn entry(glance: &Glance, pixels: usize) -> Value {
    let number = |value: f64| if glance.n == 0 { Value::Null } else { Value::Double(value) };
    let fields = [
        ("n", Value::Int(glance.n as i64)),
        ("valid", Value::Double(glance.n as f64 / pixels as f64)),
        ("mean", number(glance.mean)),
        ("std", number(glance.std)),
        ("min", number(glance.min)),
        ("max", number(glance.max)),
    ];
    Value::Struct(fields.map(|(name, value)| (name.to_string(), value)).into())
}
