//! `geoquilt.stats_merge`: statistics of parts as those of the whole.

use std::sync::atomic::AtomicUsize;

use crate::bridge::aggregate::AggregateFunction;
use crate::bridge::chunk::Input;
use crate::bridge::doc::{Example, FunctionDoc, Given, Kind, Parameter, column};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::sql::shared::stitching::numbers::field;
use crate::stitch::double::Double;
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
    parameters: &[Parameter {
        name: "stats",
        types: "ANY",
        given: Given::Required,
        meaning: "What `geoquilt.stats` gives: a STRUCT a band with `n`, `mean`, `std`, `min` and `max`, from files as well.",
    }],
    columns: &[column(
        "bands",
        "STRUCT(n BIGINT, mean DOUBLE, std DOUBLE, \"min\" DOUBLE, \"max\" DOUBLE, percentiles DOUBLE[])[]",
        "An entry a band. Sums are those of pairs of doubles in one order, so that neither order nor threads change a bit; `mean` and `std` agree with those of the whole as far as those of the parts, rounded to doubles, tell: `mean` within two units in the last place of the greatest value, `std` likewise. `percentiles` of parts do not tell those of the whole: they are NULL, unless one part has all pixels.",
    )],
    nulls: "Rows whose statistics are NULL count nothing, nor do bands with n = 0. NULL where no row counts.",
    errors: &[
        "anything but a list with a STRUCT a band that has n, and mean, std, min and max where n is above 0",
        "rows of one group that differ in their number of bands",
        "groups that take more than `geoquilt_aggregate_mb`",
    ],
    examples: &[Example {
        title: "Each file by itself, and all of them",
        sql: "SELECT m[1].n AS n, round(m[1].mean, 6) AS mean, m[1].n = w[1].n AND abs(m[1].std - w[1].std) < 1e-12 AS same FROM\n\
              \x20 (SELECT geoquilt.stats_merge(s) AS m FROM (\n\
              \x20   SELECT path, geoquilt.stats(data, shape) AS s FROM read_patch('test/data/small/sst_*.tif', size := 18) GROUP BY path)),\n\
              \x20 (SELECT geoquilt.stats(data, shape) AS w FROM read_patch('test/data/small/sst_*.tif', size := 18));",
        rows: &["1917\t20.852406\ttrue"],
    }],
    references: &["Chan, Golub and LeVeque, 1979: updating formulae for variances"],
};

static HELD: AtomicUsize = AtomicUsize::new(0);

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

/// Parts, band by band.
#[derive(Debug, Default)]
pub struct State(Option<Vec<Vec<Part>>>);

fn blame(error: Error) -> Error {
    error.at("geoquilt.stats_merge(stats)")
}

fn parts(stats: &Value) -> Result<Vec<Option<Part>>> {
    let must = "a list with a STRUCT(n, mean, std, min, max) a band, as geoquilt.stats gives it";
    let bad = || blame(Error::invalid(stats, must));
    let Value::List(bands) = stats else { return Err(bad()) };
    let mut found = Vec::with_capacity(bands.len());
    for band in bands {
        let Value::Struct(fields) = band else { return Err(bad()) };
        let get = |name: &str| field(fields, name);
        let n = get("n").filter(|n| *n >= 0.0 && n.fract() == 0.0).ok_or_else(bad)?;
        if n == 0.0 {
            found.push(None);
            continue;
        }
        let numbers = (get("mean"), get("std"), get("min"), get("max"));
        let (Some(mean), Some(std), Some(min), Some(max)) = numbers else { return Err(bad()) };
        let percentiles = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("percentiles"));
        let percentiles = percentiles.map_or(Value::Null, |(_, value)| value.clone());
        found.push(Some(Part { n, mean, std, min, max, percentiles }));
    }
    Ok(found)
}

fn expect(state: &mut State, bands: usize) -> Result<&mut Vec<Vec<Part>>> {
    let all = state.0.get_or_insert_with(|| vec![Vec::new(); bands]);
    if all.len() == bands {
        return Ok(all);
    }
    let problem = format!("statistics of {} and of {bands} bands", all.len());
    Err(blame(Error::conflict(problem, "Group them by their bands, for example GROUP BY len(stats)")))
}

impl AggregateFunction for StatsMerge {
    const DOC: &'static FunctionDoc = &DOC;
    const ARGUMENTS: &'static [&'static str] = &["ANY"];
    type State = State;
    type Rows<'a> = &'a Vector<'a>;

    fn held() -> &'static AtomicUsize {
        &HELD
    }

    fn rows<'a>(input: &'a Input<'_>) -> Result<&'a Vector<'a>> {
        Ok(input.column(0))
    }

    fn update(state: &mut State, rows: &mut &Vector<'_>, row: usize) -> Result<()> {
        if rows.is_null(row) {
            return Ok(());
        }
        let parts = parts(&Value::of(rows, row))?;
        let all = expect(state, parts.len())?;
        all.iter_mut().zip(parts).for_each(|(band, part)| band.extend(part));
        Ok(())
    }

    fn combine(state: &mut State, other: &State) -> Result<()> {
        let Some(from) = &other.0 else { return Ok(()) };
        let to = expect(state, from.len())?;
        to.iter_mut().zip(from).for_each(|(to, from)| to.extend_from_slice(from));
        Ok(())
    }

    fn finish(state: &State, out: &mut Vector<'_>, row: usize) -> Result<()> {
        let bands = state.0.as_ref().map(|bands| bands.iter().map(|band| merged(band)).collect());
        bands.map_or(Value::Null, Value::List).write(out, row);
        Ok(())
    }

    fn bytes(state: &State) -> usize {
        // Percentiles are five numbers or none.
        let of = |band: &Vec<Part>| band.capacity() * (size_of::<Part>() + 5 * size_of::<Value>());
        state.0.as_ref().map_or(0, |bands| bands.iter().map(of).sum())
    }
}

/// A band of the whole.
fn merged(parts: &[Part]) -> Value {
    let mut parts = parts.to_vec();
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
    let percentiles = match parts.as_slice() {
        [only] => only.percentiles.clone(),
        _ => Value::Null,
    };
    let fields = [
        ("n", Value::Int(n.high as i64)),
        ("mean", number(mean)),
        ("std", number(std)),
        ("min", number(parts.iter().map(|part| part.min).fold(f64::INFINITY, f64::min))),
        ("max", number(parts.iter().map(|part| part.max).fold(f64::NEG_INFINITY, f64::max))),
        ("percentiles", percentiles),
    ];
    Value::Struct(fields.map(|(name, value)| (name.to_string(), value)).into())
}
