//! `geoquilt.stats_merge`: statistics of parts as those of the whole.

use std::sync::atomic::AtomicUsize;

use crate::bridge::aggregate::AggregateFunction;
use crate::bridge::args::number;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::sql::shared::stitching::numbers::field;
use crate::sql::stitch::stats::{MERGEABLE, STATS, sketch};
use crate::stitch::distribution::{Distribution, Gathered};
use crate::stitch::double::Double;
use crate::stitch::statistics::percentiles;
use crate::value::Value;
use crate::workers::Steps;

/// The statement that creates the macro.
pub const SQL: &str = include_str!("../../../sql/stats_merge.sql");

/// The aggregate `geoquilt.stats_merge`.
pub struct StatsMerge;

static DOC: FunctionDoc = FunctionDoc {
    name: "stats_merge",
    kind: Kind::Aggregate,
    summary: "Statistics of parts, of files or of machines, as those of the whole.",
    parameters: &[
        Parameter {
            name: "stats",
            types: "ANY",
            given: Given::Required,
            meaning: "What `geoquilt.stats` gives: a STRUCT a band with `n`, `mean`, `std`, `min` and `max`, from files as well; and `sketch`, where percentiles are wanted.",
        },
        MERGEABLE,
    ],
    columns: &[column(
        "bands",
        STATS,
        "An entry a band. Sums are those of pairs of doubles in one order, so that neither order nor threads change a bit; `mean` and `std` agree with those of the whole as far as those of the parts, rounded to doubles, tell: `mean` within two units in the last place of the greatest value, `std` likewise. `percentiles` come from the sketches of the parts: exact where each part's is and there are at most 65,536 different values, as of short whole numbers; else their rank is wrong by at most the sum of the parts' errors and a 131,072th of `n`, once for each million values of sketches. They are NULL where a part has no sketch, unless one part has all pixels. `sketch` is NULL unless `mergeable`.",
    )],
    nulls: "Rows whose statistics are NULL count nothing, nor do bands with n = 0. NULL where no row counts.",
    errors: &[
        "anything but a list with a STRUCT a band that has n, and mean, std, min and max where n is above 0",
        "numbers that no pixels have: n below 0, values where n is 0, NaN without an infinite min or max, min above max, std below 0 or above max - min, a mean or percentiles beyond min and max, percentiles that fall",
        "a sketch that has not as many counts as points, or not n pixels in all",
        "rows of one group that differ in their number of bands",
        "groups that take more than `geoquilt_aggregate_mb`",
    ],
    examples: &[
        Example {
            title: "Each file by itself, and all of them",
            sql: "SELECT m[1].n AS n, round(m[1].mean, 6) AS mean, m[1].n = w[1].n AND abs(m[1].std - w[1].std) < 1e-12 AS same FROM\n\
              \x20 (SELECT geoquilt.stats_merge(s) AS m FROM (\n\
              \x20   SELECT path, geoquilt.stats(data, shape) AS s FROM read_patch('test/data/small/sst_*.tif', size := 18) GROUP BY path)),\n\
              \x20 (SELECT geoquilt.stats(data, shape) AS w FROM read_patch('test/data/small/sst_*.tif', size := 18));",
            rows: &["1917\t20.852406\ttrue"],
        },
        Example {
            title: "With the percentiles of the whole",
            sql: "SELECT round(m[1].percentiles[3], 4) AS median, m[1].percentiles = w[1].percentiles AS same FROM\n\
              \x20 (SELECT geoquilt.stats_merge(s) AS m FROM (\n\
              \x20   SELECT path, geoquilt.stats(data, shape, mergeable := true) AS s FROM read_patch('test/data/small/sst_*.tif', size := 18) GROUP BY path)),\n\
              \x20 (SELECT geoquilt.stats(data, shape) AS w FROM read_patch('test/data/small/sst_*.tif', size := 18));",
            rows: &["20.75\ttrue"],
        },
    ],
    references: &["Chan, Golub and LeVeque, 1979: updating formulae for variances"],
};

static HELD: AtomicUsize = AtomicUsize::new(0);

/// Pixels that can be counted one by one.
const MOST: f64 = (1u64 << 53) as f64;
/// The percentiles that statistics tell.
const PERCENTILES: [u8; 5] = [2, 25, 50, 75, 98];

/// What a part tells of a band.
#[derive(Debug, Clone)]
struct Part {
    n: f64,
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
    percentiles: Value,
}

/// The parts of a band.
#[derive(Debug, Default)]
struct Parts {
    numbers: Vec<Part>,
    spread: Gathered,
    /// A part had no sketch.
    lacks: bool,
}

/// Parts, band by band.
#[derive(Debug, Default)]
pub struct State {
    bands: Option<Vec<Parts>>,
    mergeable: bool,
}

/// The arguments of a chunk.
pub struct Rows<'a> {
    stats: &'a Vector<'a>,
    mergeable: &'a Vector<'a>,
}

fn blame(error: Error) -> Error {
    error.at("geoquilt.stats_merge(stats)")
}

/// What a part tells of a band, where it has pixels, and its distribution, where that is kept.
type Told = Option<(Part, Option<Distribution>)>;

fn parts(stats: &Value) -> Result<Vec<Told>> {
    let must = "a list with a STRUCT(n, mean, std, min, max) a band, as geoquilt.stats gives it";
    let bad = || blame(Error::invalid(stats, must));
    let Value::List(bands) = stats else { return Err(bad()) };
    let mut found = Vec::with_capacity(bands.len());
    for band in bands {
        let Value::Struct(fields) = band else { return Err(bad()) };
        let get = |name: &str| field(fields, name);
        let n = get("n").ok_or_else(bad)?;
        let percentiles = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("percentiles"));
        let percentiles = percentiles.map_or(Value::Null, |(_, value)| value.clone());
        let numbers = ["mean", "std", "min", "max"].map(|name| (name, get(name)));
        let which = found.len() + 1;
        if let Some(problem) = impossible(n, numbers, &percentiles) {
            let remedy = "Give what geoquilt.stats made, or numbers of pixels that are there";
            return Err(blame(Error::conflict(format!("band {which} has {problem}"), remedy)));
        }
        if n == 0.0 {
            found.push(None);
            continue;
        }
        let [Some(mean), Some(std), Some(min), Some(max)] = numbers.map(|(_, number)| number) else {
            return Err(bad());
        };
        let sketch = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("sketch"));
        let spread = match sketch {
            None | Some((_, Value::Null)) => None,
            Some((_, sketch)) => Some(spread(sketch, n)?),
        };
        found.push(Some((Part { n, mean, std, min, max, percentiles }, spread)));
    }
    Ok(found)
}

/// What no pixels have, as the end of a sentence.
fn impossible(n: f64, numbers: [(&str, Option<f64>); 4], percentiles: &Value) -> Option<String> {
    if !(n >= 0.0 && n.fract() == 0.0 && n <= MOST) {
        return Some(format!("n = {n}, which is no number of pixels"));
    }
    let given = numbers.iter().find_map(|(name, number)| number.map(|number| (name, number)));
    if n == 0.0 {
        let (name, number) = given?;
        return Some(format!("n = 0, and {name} = {number}"));
    }
    let [Some(mean), Some(std), Some(min), Some(max)] = numbers.map(|(_, number)| number) else {
        return None;
    };
    // Of infinite pixels mean, deviation and percentiles are what they come to.
    let infinite = min.is_infinite() || max.is_infinite();
    let nan = numbers.iter().find(|(name, number)| {
        number.is_some_and(f64::is_nan) && !(infinite && matches!(*name, "mean" | "std"))
    });
    if let Some((name, _)) = nan {
        return Some(format!("{name} = NaN"));
    }
    if min > max {
        return Some(format!("min = {min}, which is above max = {max}"));
    }
    if std < 0.0 {
        return Some(format!("std = {std}, which is below 0"));
    }
    if infinite {
        return None;
    }
    // Numbers that went through a FLOAT are off by some.
    let slack = 1e-6 * min.abs().max(max.abs());
    let inside = |value: f64| value >= min - slack && value <= max + slack;
    if !inside(mean) {
        return Some(format!("mean = {mean}, which is not between min = {min} and max = {max}"));
    }
    if std > (max - min) + slack {
        return Some(format!("std = {std}, which is above the way from min = {min} to max = {max}"));
    }
    // Between numbers that are farther apart than a double counts, percentiles are infinite.
    let Value::List(items) = percentiles else { return None };
    if (max - min).is_infinite() {
        return None;
    }
    let told: Option<Vec<f64>> = items.iter().map(number).collect();
    let told = told.filter(|told| told.len() == PERCENTILES.len());
    let Some(told) = told else {
        return Some(format!("percentiles = {percentiles}, which are not the five of {PERCENTILES:?} %"));
    };
    if let Some(beyond) = told.iter().find(|value| !inside(**value)) {
        return Some(format!("a percentile of {beyond}, which is not between min = {min} and max = {max}"));
    }
    if let Some(pair) = told.windows(2).find(|pair| pair[0] > pair[1] + slack) {
        return Some(format!("percentiles that fall from {} to {}", pair[0], pair[1]));
    }
    None
}

/// The distribution of `n` pixels that a record keeps.
fn spread(sketch: &Value, n: f64) -> Result<Distribution> {
    let must = format!("points, as many counts, {n} pixels in all, and their rank_error");
    let bad = || blame(Error::invalid("a sketch", must.clone()));
    let Value::Struct(fields) = sketch else { return Err(bad()) };
    let list = |name: &str| match fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)) {
        Some((_, Value::List(items))) => Some(items),
        _ => None,
    };
    let (Some(points), Some(counts)) = (list("points"), list("counts")) else { return Err(bad()) };
    let pair = |(point, count): (&Value, &Value)| {
        let point = number(point).filter(|point| !point.is_nan())?;
        let count = number(count).filter(|count| *count >= 1.0 && count.fract() == 0.0)?;
        Some((point, count as u64))
    };
    let pairs: Option<Vec<(f64, u64)>> = points.iter().zip(counts).map(pair).collect();
    let error = field(fields, "rank_error").filter(|error| *error >= 0.0 && error.fract() == 0.0);
    let (Some(pairs), Some(error)) = (pairs, error) else { return Err(bad()) };
    let total = pairs.iter().try_fold(0u64, |sum, (_, count)| sum.checked_add(*count));
    let sound = points.len() == counts.len() && total.is_some_and(|total| total as f64 == n);
    if sound { Ok(Distribution::new(pairs, error as u64)) } else { Err(bad()) }
}

fn expect(state: &mut State, bands: usize) -> Result<&mut Vec<Parts>> {
    let all = state.bands.get_or_insert_with(|| (0..bands).map(|_| Parts::default()).collect());
    if all.len() == bands {
        return Ok(all);
    }
    let problem = format!("statistics of {} and of {bands} bands", all.len());
    Err(blame(Error::conflict(problem, "Group them by their bands, for example GROUP BY len(stats)")))
}

impl AggregateFunction for StatsMerge {
    const DOC: &'static FunctionDoc = &DOC;
    const ARGUMENTS: &'static [&'static str] = &["ANY", "BOOLEAN"];
    type State = State;
    type Rows<'a> = Rows<'a>;

    fn held() -> &'static AtomicUsize {
        &HELD
    }

    fn rows<'a>(input: &'a Input<'_>) -> Result<Rows<'a>> {
        Ok(Rows { stats: input.column(0), mergeable: input.column(1) })
    }

    fn update(state: &mut State, rows: &mut Rows<'_>, row: usize) -> Result<()> {
        if rows.stats.is_null(row) {
            return Ok(());
        }
        state.mergeable = !rows.mergeable.is_null(row) && rows.mergeable.get(row);
        let parts = parts(&Value::of(rows.stats, row))?;
        let all = expect(state, parts.len())?;
        for (band, part) in all.iter_mut().zip(parts) {
            let Some((part, spread)) = part else { continue };
            band.numbers.push(part);
            match spread {
                Some(spread) => band.spread.add(&spread.counts, spread.error),
                None => band.lacks = true,
            }
        }
        Ok(())
    }

    fn combine(state: &mut State, other: &State) -> Result<()> {
        state.mergeable |= other.mergeable;
        let Some(from) = &other.bands else { return Ok(()) };
        let to = expect(state, from.len())?;
        for (to, from) in to.iter_mut().zip(from) {
            to.numbers.extend_from_slice(&from.numbers);
            to.spread.merge(&from.spread);
            to.lacks |= from.lacks;
        }
        Ok(())
    }

    fn finish(state: &State, out: &mut Vector<'_>, row: usize) -> Result<()> {
        let whole = |bands: &Vec<Parts>| bands.iter().map(|band| merged(band, state.mergeable)).collect();
        state.bands.as_ref().map(whole).map_or(Value::Null, Value::List).write(out, row);
        Ok(())
    }

    fn bytes(state: &State) -> usize {
        // Percentiles are five numbers or none.
        let of = |band: &Parts| {
            band.numbers.capacity() * (size_of::<Part>() + 5 * size_of::<Value>()) + band.spread.bytes()
        };
        state.bands.as_ref().map_or(0, |bands| bands.iter().map(of).sum())
    }
}

/// A band of the whole.
fn merged(band: &Parts, mergeable: bool) -> Value {
    let mut parts = band.numbers.clone();
    let steps = Steps::default();
    parts.sort_by(|a, b| {
        steps.step();
        let numbers = |part: &Part| [part.n, part.mean, part.std, part.min, part.max];
        let (a, b) = (numbers(a), numbers(b));
        a.iter()
            .zip(&b)
            .map(|(a, b)| a.total_cmp(b))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let sum = |term: &dyn Fn(&Part) -> Double| {
        parts.iter().fold(Double::default(), |sum, part| {
            steps.step();
            sum.plus(term(part))
        })
    };
    let one = |high: f64| Double { high, low: 0.0 };
    let n = sum(&|part| one(part.n));
    let number = |value: f64| if parts.is_empty() { Value::Null } else { Value::Double(value) };
    let mean = match parts.as_slice() {
        [only] => only.mean,
        _ => sum(&|part| Double::product(part.n, part.mean)).over(n),
    };
    let spread = |part: &Part| {
        let (own, off) =
            (Double::product(part.std, part.std), Double::product(part.mean - mean, part.mean - mean));
        let both = own.plus(off);
        Double::product(part.n, both.high).plus(Double::product(part.n, both.low))
    };
    let std = match parts.as_slice() {
        [only] => only.std,
        _ => sum(&spread).over(n).sqrt(),
    };
    let whole = (!band.lacks && !parts.is_empty()).then(|| band.spread.whole());
    let percentiles = match (parts.as_slice(), &whole) {
        ([only], _) => only.percentiles.clone(),
        (_, Some(whole)) => {
            let told = percentiles(whole.n(), |ranks| whole.at(ranks));
            Value::List(told.map(Value::Double).into())
        }
        _ => Value::Null,
    };
    let spread = whole.filter(|_| mergeable).map(Distribution::short);
    let fields = [
        ("n", Value::Int(n.high as i64)),
        ("mean", number(mean)),
        ("std", number(std)),
        ("min", number(parts.iter().map(|part| part.min).fold(f64::INFINITY, f64::min))),
        ("max", number(parts.iter().map(|part| part.max).fold(f64::NEG_INFINITY, f64::max))),
        ("percentiles", percentiles),
        ("sketch", spread.as_ref().map_or(Value::Null, sketch)),
    ];
    Value::Struct(fields.map(|(name, value)| (name.to_string(), value)).into())
}
