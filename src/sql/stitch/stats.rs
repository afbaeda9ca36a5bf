//! `geoquilt.stats`: the pixels of many patches in a few numbers, band by band.

use std::sync::atomic::AtomicUsize;

use crate::bridge::aggregate::AggregateFunction;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column, named};
use crate::bridge::pieces::{Nulls, Pieces};
use crate::bridge::vector::{Plain, Vector};
use crate::dtype::with_dtype;
use crate::dtype::{Dtype, Pixel};
use crate::error::{Error, Result};
use crate::sql::shared::stitching::numbers::{self, INEXACT};
use crate::stitch::distribution::Distribution;
use crate::stitch::statistics::{Bands, Mask, Room, Sample, Summary};
use crate::value::Value;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/stats.sql");

/// The aggregate `geoquilt.stats`.
pub struct Stats;

/// What statistics of bands are.
pub const STATS: &str = "STRUCT(n BIGINT, mean DOUBLE, std DOUBLE, \"min\" DOUBLE, \"max\" DOUBLE, percentiles DOUBLE[], sketch STRUCT(points DOUBLE[], counts BIGINT[], rank_error BIGINT))[]";
/// Whether parts are to tell percentiles of the whole.
pub const MERGEABLE: Parameter = named(
    "mergeable",
    "BOOLEAN",
    "false",
    "Also give `sketch`, from which `geoquilt.stats_merge` tells the percentiles of the whole: up to a MiB a band, which a table is not to show unasked.",
);

static DOC: FunctionDoc = FunctionDoc {
    name: "stats",
    kind: Kind::Aggregate,
    summary: "Count, mean, deviation, extremes and percentiles of patches, band by band.",
    parameters: &[
        Parameter {
            name: "data",
            types: "ANY[]",
            given: Given::Required,
            meaning: "Pixels in the order [band, row, col]: the `data` of a read, any list of numbers.",
        },
        Parameter {
            name: "shape",
            types: "BIGINT[]",
            given: Given::Required,
            meaning: "Bands, rows, columns: the `shape` of a read; two numbers are rows and columns of one band.",
        },
        MERGEABLE,
    ],
    columns: &[column(
        "bands",
        STATS,
        "An entry a band. `n` counts the pixels that are neither NULL nor NaN; `std` is the population's (ddof 0); `percentiles` are those of 2, 25, 50, 75 and 98 %, between two pixels in proportion. `n`, `mean`, `std`, `min` and `max` do not depend on the order of rows or on threads, to the bit: sums are exact, `mean` is rounded once, `std` is within one unit in its last place. `percentiles` are exact of whole numbers from -32,768 to 65,535, in whatever type, and of up to 32,768 other pixels; beyond, their rank is wrong by at most (levels + 3) / 16384 of those `n` others for levels = floor(log2(n / 65536)) + 1: 0.07 % of ten million pixels, 0.1 % of a thousand million. `sketch` is NULL unless `mergeable`: how the pixels are spread, as values and how many pixels each stands for, and by how much a rank among them may be wrong. Up to 65,536 different values stand for themselves where percentiles are exact, else 4,096 of them for all.",
    )],
    nulls: "Rows whose data or shape is NULL count nothing, which is how rows are left out (`CASE WHEN ... THEN data END`): an aggregate behind a macro takes no FILTER, DISTINCT, ORDER BY or OVER. NULL where no row counts. A band without pixels has n = 0, the rest NULL. An infinite pixel counts: `std` is then NaN.",
    errors: &[
        "data does not have as many values as shape says",
        "a shape that is not two or three numbers of at least 0",
        "rows of one group that differ in their number of bands",
        "groups that take more than `geoquilt_aggregate_mb` (1024 MiB) together, over all queries of the process: a band takes 2 MiB at most",
        INEXACT,
    ],
    examples: &[
        Example {
            title: "The bands of a raster, patch by patch",
            sql: "SELECT s[1].n AS n, round(s[1].mean, 6) AS mean, round(s[1].std, 6) AS std, s[1].min AS least, s[1].max AS most, s[1].percentiles AS percentiles\n\
                  FROM (SELECT geoquilt.stats(data, shape) AS s FROM read_patch('test/data/small/sst_20180101.tif', size := 6));",
            rows: &["639\t20.185739\t11.768021\t0.0\t40.4375\t[0.7975, 9.96875, 19.9375, 30.46875, 39.64]"],
        },
        Example {
            title: "A group a year",
            sql: "SELECT year, s[1].n AS n, s[1].min AS least, s[1].max AS most FROM (\n\
                  \x20 SELECT regexp_extract(path, '_(\\d{4})', 1) AS year, geoquilt.stats(data, shape) AS s\n\
                  \x20 FROM read_patch('test/data/small/sst_*.tif', size := 18) GROUP BY year)\n\
                  ORDER BY year;",
            rows: &["2018\t1278\t0.0\t40.4375", "2019\t639\t2.0\t42.4375"],
        },
    ],
    references: &[
        "numpy.mean, std, percentile (linear)",
        "Manku, Rajagopalan and Lindsay, SIGMOD 1998: the sketch",
    ],
};

static HELD: AtomicUsize = AtomicUsize::new(0);

/// What is gathered of a group.
#[derive(Default)]
pub struct State {
    gathered: Gathered,
    /// The sketch is wanted.
    mergeable: bool,
}

/// Numbers that a float of 32 bits holds are gathered as such.
#[derive(Default)]
enum Gathered {
    #[default]
    /// No row yet.
    Empty,
    /// In floats of 32 bits.
    Single(Bands<f32>),
    /// In doubles.
    Double(Bands<f64>),
}

/// The arguments of a chunk.
pub struct Rows<'a> {
    data: Pieces<'a>,
    shape: &'a Vector<'a>,
    mergeable: &'a Vector<'a>,
    single: Room<f32>,
    double: Room<f64>,
}

impl AggregateFunction for Stats {
    const DOC: &'static FunctionDoc = &DOC;
    const ARGUMENTS: &'static [&'static str] = &[numbers::DATA, "BIGINT[]", "BOOLEAN"];
    type State = State;
    type Rows<'a> = Rows<'a>;

    fn held() -> &'static AtomicUsize {
        &HELD
    }

    fn rows<'a>(input: &'a Input<'_>) -> Result<Rows<'a>> {
        Ok(Rows {
            data: Pieces::of(input.column(0))?,
            shape: input.column(1),
            mergeable: input.column(2),
            single: Room::default(),
            double: Room::default(),
        })
    }

    fn update(state: &mut State, rows: &mut Rows<'_>, row: usize) -> Result<()> {
        if rows.data.is_null(row) || rows.shape.is_null(row) {
            return Ok(());
        }
        let (bands, pixels) = layout(rows.shape, row, rows.data.length(row))?;
        let dtype = rows.data.dtype();
        state.mergeable = !rows.mergeable.is_null(row) && rows.mergeable.get(row);
        if matches!(state.gathered, Gathered::Empty) {
            state.gathered = match dtype {
                Dtype::Float64 => Gathered::Double(Bands::default()),
                wide if wide.is_wide_integer() => Gathered::Double(Bands::default()),
                _ => Gathered::Single(Bands::default()),
            };
        }
        let Rows { data, single, double, .. } = rows;
        match &mut state.gathered {
            Gathered::Single(all) => {
                all.expect(bands).map_err(blame("shape"))?;
                with_dtype!(dtype, T => add::<T, f32>(all, data, row, pixels, single))
            }
            Gathered::Double(all) => {
                all.expect(bands).map_err(blame("shape"))?;
                with_dtype!(dtype, T => add::<T, f64>(all, data, row, pixels, double))
            }
            Gathered::Empty => Ok(()),
        }
    }

    fn combine(state: &mut State, other: &State) -> Result<()> {
        state.mergeable |= other.mergeable;
        if matches!(state.gathered, Gathered::Empty) {
            state.gathered = match &other.gathered {
                Gathered::Empty => Gathered::Empty,
                Gathered::Single(_) => Gathered::Single(Bands::default()),
                Gathered::Double(_) => Gathered::Double(Bands::default()),
            };
        }
        let merged = match (&mut state.gathered, &other.gathered) {
            (Gathered::Single(to), Gathered::Single(from)) => to.merge(from),
            (Gathered::Double(to), Gathered::Double(from)) => to.merge(from),
            (_, Gathered::Empty) => Ok(()),
            _ => Err(Error::Bug("a state of another type".into())),
        };
        merged.map_err(blame("shape"))
    }

    fn finish(state: &State, out: &mut Vector<'_>, row: usize) -> Result<()> {
        let summaries = match &state.gathered {
            Gathered::Empty => None,
            Gathered::Single(bands) => Some(bands.summaries(state.mergeable)),
            Gathered::Double(bands) => Some(bands.summaries(state.mergeable)),
        };
        let value = summaries.map_or(Value::Null, |all| Value::List(all.iter().map(entry).collect()));
        value.write(out, row);
        Ok(())
    }

    fn bytes(state: &State) -> usize {
        match &state.gathered {
            Gathered::Empty => 0,
            Gathered::Single(bands) => bands.bytes(),
            Gathered::Double(bands) => bands.bytes(),
        }
    }
}

fn blame(parameter: &str) -> impl Fn(Error) -> Error {
    let blamed = format!("geoquilt.stats({parameter})");
    move |error| error.at(&blamed)
}

/// How many bands a row has, and how many pixels each of them.
fn layout(shape: &Vector<'_>, row: usize, length: usize) -> Result<(usize, usize)> {
    let sides = shape.list(row).numbers::<i64>().unwrap_or_default();
    let side = |n: &i64| usize::try_from(*n).ok();
    let split = match sides.as_slice() {
        [rows, cols] => side(rows).zip(side(cols)).and_then(|(r, c)| Some((1, r.checked_mul(c)?))),
        [bands, rows, cols] => match (side(bands), side(rows), side(cols)) {
            (Some(bands), Some(rows), Some(cols)) => rows.checked_mul(cols).map(|pixels| (bands, pixels)),
            _ => None,
        },
        _ => None,
    };
    let (bands, pixels) = split.ok_or_else(|| {
        blame("shape")(Error::invalid(
            numbers::given(shape, row),
            "[bands, rows, columns], as a read gives it",
        ))
    })?;
    if bands.checked_mul(pixels) != Some(length) {
        let problem = format!("{length} values for the shape {}", numbers::told(&sides));
        let remedy = "Give data and shape of the same read";
        return Err(blame("data")(Error::conflict(problem, remedy)));
    }
    Ok((bands, pixels))
}

/// Adds a row's pixels, piece by piece, each to its band of so many pixels.
fn add<T: Plain + Pixel, V: Sample>(
    state: &mut Bands<V>,
    data: &mut Pieces<'_>,
    row: usize,
    pixels: usize,
    room: &mut Room<V>,
) -> Result<()> {
    let added = by_band(data, row, pixels, |band, part: &[T], known| state.add(band, part, known, room));
    added.map_err(blame("data"))
}

/// Which pixels of a part of a list are there.
struct Known<'a> {
    nulls: Nulls<'a>,
    from: usize,
}

impl Mask for Known<'_> {
    #[inline]
    fn has(&self, index: usize) -> bool {
        !self.nulls.is_null(self.from + index)
    }
}

/// Gives a row's pixels to `take`, piece by piece: a band, some of its pixels, and, where not all are there, which are.
fn by_band<T: Plain + Pixel>(
    data: &mut Pieces<'_>,
    row: usize,
    pixels: usize,
    mut take: impl FnMut(usize, &[T], Option<Known<'_>>),
) -> Result<()> {
    let mut at = 0;
    data.each::<T>(row, |values, nulls| {
        numbers::exact(values, nulls)?;
        let mut from = 0;
        while from < values.len() {
            let count = (pixels - at % pixels).min(values.len() - from);
            let known = (!nulls.none()).then_some(Known { nulls, from });
            take(at / pixels, &values[from..from + count], known);
            at += count;
            from += count;
        }
        Ok(())
    })
}

/// A band in the order of the fields of [`STATS`].
pub(super) fn entry(summary: &Summary) -> Value {
    let number = |value: Option<f64>| value.map_or(Value::Null, Value::Double);
    let told = summary.of_values;
    let percentiles = told.map(|t| t.percentiles.into_iter().map(Value::Double).collect());
    let fields = [
        ("n", Value::Int(summary.n as i64)),
        ("mean", number(told.map(|t| t.mean))),
        ("std", number(told.map(|t| t.std))),
        ("min", number(told.map(|t| t.min))),
        ("max", number(told.map(|t| t.max))),
        ("percentiles", percentiles.map_or(Value::Null, Value::List)),
        ("sketch", summary.spread.as_ref().map_or(Value::Null, sketch)),
    ];
    Value::Struct(fields.map(|(name, value)| (name.to_string(), value)).into())
}

/// A distribution in the order of its fields in [`STATS`].
pub(super) fn sketch(spread: &Distribution) -> Value {
    let points = spread.counts.iter().map(|(value, _)| Value::Double(*value)).collect();
    let counts = spread.counts.iter().map(|(_, count)| Value::Int(*count as i64)).collect();
    let fields = [
        ("points", Value::List(points)),
        ("counts", Value::List(counts)),
        ("rank_error", Value::Int(spread.error as i64)),
    ];
    Value::Struct(fields.map(|(name, value)| (name.to_string(), value)).into())
}
