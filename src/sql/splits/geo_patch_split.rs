//! `geo_patch_split`: the draw behind `patch_registry`.

use crate::bbox::Bbox;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::record::{Read, Typed, record};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::grid::split::{Part, Scheme, Split, split};
use crate::map::apart::Boxes;
use crate::sql::shared::extents::{boxes, gap};
use crate::sql::shared::windows::WindowRow;

/// The scalar `geo_patch_split`.
pub struct GeoPatchSplit;

/// A patch to be split.
pub struct PatchRow {
    win: Option<WindowRow>,
    bbox: Option<Bbox>,
    block: Option<i64>,
}
record! { PatchRow { win: Option<WindowRow>, bbox: Option<Bbox>, block: Option<i64> } }

/// How patches are split.
pub struct SchemeRow {
    val_fraction: Option<f64>,
    test_fraction: Option<f64>,
    folds: Option<i64>,
    min_gap: Option<f64>,
    seed: i64,
}
record! {
    SchemeRow {
        val_fraction: Option<f64>,
        test_fraction: Option<f64>,
        folds: Option<i64>,
        min_gap: Option<f64>,
        seed: i64,
    }
}

/// What became of a patch.
pub struct SplitRow {
    split: String,
    fold: Option<i64>,
    buffer_folds: Vec<i64>,
    cause: Option<String>,
}
record! { SplitRow { split: String, fold: Option<i64>, buffer_folds: Vec<i64>, cause: Option<String> } }

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_patch_split",
    kind: Kind::Scalar,
    summary: "The split of each patch of a list: shares, folds, blocks and gaps.",
    parameters: &[
        Parameter {
            name: "patches",
            types: <Vec<PatchRow>>::TYPE,
            given: Given::Required,
            meaning: "Patches in the order that the draw goes by. `block` goes to one split whole; where it is NULL the patch goes by itself. Boxes in a CRS tell distances; without them the windows tell who shares pixels.",
        },
        Parameter {
            name: "crs",
            types: "VARCHAR",
            given: Given::Required,
            meaning: "The CRS of the boxes; NULL for none.",
        },
        Parameter {
            name: "scheme",
            types: SchemeRow::TYPE,
            given: Given::Required,
            meaning: "As the parameters of `geoquilt.patch_registry`; a NULL fraction is 0. With `min_gap`, and wherever there are blocks, patches that lie too near to another split are in none.",
        },
        Parameter { name: "options", types: "STRUCT", given: Given::Optional, meaning: "The keys below." },
        Parameter {
            name: "place",
            types: "VARCHAR",
            given: Given::Option("'geo_patch_split'"),
            meaning: "The function that errors name.",
        },
    ],
    columns: &[column(
        "splits",
        <Vec<SplitRow>>::TYPE,
        "For each patch its `split`: `train`, `val`, `test` or `buffer`; its `fold` and the `buffer_folds` that it lies too near to; and the `cause` of a buffer: `overlap` or `min_gap`.",
    )],
    nulls: "NULL where patches or scheme is NULL.",
    errors: &[
        "val_fraction or test_fraction outside [0, 1], or both together above 1",
        "folds below 2, beside val_fraction, or above the number of patches or blocks",
        "min_gap below 0, without boxes and CRS, or so wide that it leaves a split empty",
        "fewer blocks than splits",
    ],
    examples: &[Example {
        title: "Two folds of four patches in a row; those in the middle lie nearer than 1 m to the other fold",
        sql: "SELECT s.fold, s.buffer_folds FROM (\n\
              \x20   SELECT unnest(geo_patch_split([{win: NULL, bbox: {xmin: i * 10, ymin: 0, xmax: i * 10 + 10, ymax: 10}, block: i // 2} FOR i IN range(4)],\n\
              \x20       'EPSG:32632', {val_fraction: 0, test_fraction: 0, folds: 2, min_gap: 1, seed: 7})) AS s);",
        rows: &["0\t[]", "0\t[1]", "1\t[0]", "1\t[]"],
    }],
    references: &["docs/decisions.md: splits"],
};

/// What a call knows before any row.
pub struct Bound {
    threads: usize,
    caller: String,
    /// What errors blame for the patches.
    patches: String,
}

impl ScalarFunction for GeoPatchSplit {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        let named = call.options()?.text("place")?;
        // A macro's patches are those of its grid.
        let patches = named.as_ref().map(|caller| format!("{caller}(grid)"));
        Ok(Bound {
            threads: call.limits.threads,
            caller: named.unwrap_or_else(|| DOC.name.into()),
            patches: patches.unwrap_or_else(|| format!("{}(patches)", DOC.name)),
        })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        rows(input, out, |row| {
            let Some(scheme) = SchemeRow::read(input.column(2), row)? else { return Ok(None) };
            let Some(patches) = <Vec<PatchRow>>::read(input.column(0), row)? else { return Ok(None) };
            let scheme = read(&scheme, &bound.caller)?;
            let crs = input.column(1);
            let crs = if crs.is_null(row) { Vec::new() } else { vec![crs.str(row)?.to_string()] };
            let apart = patches.iter().any(|patch| patch.block.is_some()) || scheme.1;
            let found = match apart {
                true => {
                    let extents = patches.iter().map(|patch| (patch.bbox, patch.win.as_ref(), 0));
                    Some(boxes(&bound.patches, extents, crs)?)
                }
                false => None,
            };
            let blocks: Vec<i64> =
                patches.iter().enumerate().map(|(at, patch)| patch.block.unwrap_or(at as i64)).collect();
            let parts = checked_split(&blocks, found.as_ref(), &scheme.0, bound)?;
            Ok(Some(parts.into_iter().map(SplitRow::from).collect::<Vec<SplitRow>>()))
        })
    }
}

fn checked_split(
    blocks: &[i64],
    boxes: Option<&Boxes>,
    scheme: &Scheme,
    bound: &Bound,
) -> Result<Vec<Split>> {
    let caller = &bound.caller;
    if scheme.gap > 0.0 && !blocks.is_empty() && boxes.is_some_and(|boxes| !boxes.is_measured()) {
        let problem = "a gap in metres was asked for, and the patches have no bbox in a CRS of known units";
        return Err(Error::conflict(problem, "Give a grid with bbox and crs, as geo_patch_grid does")
            .at(format!("{caller}(min_gap)")));
    }
    split(blocks, boxes, scheme, bound.threads).map_err(|error| error.at(caller))
}

/// The scheme, and whether patches are to be kept apart.
fn read(row: &SchemeRow, caller: &str) -> Result<(Scheme, bool)> {
    let share = |name: &str, value: Option<f64>| match value.unwrap_or(0.0) {
        value if (0.0..=1.0).contains(&value) => Ok(value),
        value => Err(Error::invalid(value, "a fraction between 0 and 1").at(format!("{caller}({name})"))),
    };
    let (val, test) = (share("val_fraction", row.val_fraction)?, share("test_fraction", row.test_fraction)?);
    if val + test > 1.0 {
        let problem = format!("val_fraction and test_fraction are {} together, which is above 1", val + test);
        return Err(Error::conflict(problem, "").at(format!("{caller}(test_fraction)")));
    }
    let bad = |what: &str, value: &dyn std::fmt::Display, must: &str| {
        Error::invalid(value, must).at(format!("{caller}({what})"))
    };
    let folds = match row.folds {
        None => 0,
        Some(folds) if (2..=1_000_000).contains(&folds) => folds as usize,
        Some(folds) => return Err(bad("folds", &folds, "at least 2")),
    };
    if folds > 0 && val > 0.0 {
        let problem = "folds and val_fraction are two ways to validate";
        return Err(Error::conflict(problem, "Give one of them").at(format!("{caller}(folds)")));
    }
    let gap = row.min_gap.map(|metres| gap(&format!("{caller}(min_gap)"), metres)).transpose()?;
    let seed = u64::try_from(row.seed).map_err(|_| bad("seed", &row.seed, "0 or above"))?;
    Ok((Scheme { val, test, folds, gap: gap.unwrap_or(0.0), seed }, gap.is_some()))
}

impl From<Split> for SplitRow {
    fn from(split: Split) -> SplitRow {
        let (name, cause) = match split.part {
            Part::Train => ("train", None),
            Part::Val => ("val", None),
            Part::Test => ("test", None),
            Part::Buffer(true) => ("buffer", Some("overlap")),
            Part::Buffer(false) => ("buffer", Some("min_gap")),
        };
        SplitRow {
            split: name.into(),
            fold: split.fold,
            buffer_folds: split.buffer_folds,
            cause: cause.map(Into::into),
        }
    }
}
