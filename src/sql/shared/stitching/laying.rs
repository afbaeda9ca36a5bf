//! Patches out of DuckDB's vectors onto a field, and the field into one.

use std::ops::Range;

use bytemuck::Pod;

use crate::bridge::args::{exact_number, number};
use crate::bridge::pieces::Pieces;
use crate::bridge::vector::{Holds, Plain, Vector};
use crate::dtype::with_dtype;
use crate::dtype::{Dtype, Pixel};
use crate::error::{Error, Load, Result};
use crate::sql::shared::stitching::numbers::exact;
use crate::sql_type::SqlType;
use crate::stitch::canvas::Span;
use crate::stitch::field::{Field, Own, Plan};
use crate::stitch::tile::{Method, Told};
use crate::value::Value;

/// What a stitching gives of narrow numbers: see [`field_type`].
pub const FIELD: &str =
    "STRUCT(data FLOAT[], shape BIGINT[], transform DOUBLE[], crs VARCHAR, weights FLOAT[])";
const WIDE_FIELD: &str =
    "STRUCT(data DOUBLE[], shape BIGINT[], transform DOUBLE[], crs VARCHAR, weights DOUBLE[])";

/// Whether sums of numbers of a type need all of a double's bits, and are told in doubles.
pub fn is_wide(dtype: Dtype) -> bool {
    dtype.worked_out() == Dtype::Float64
}

/// The type of the field of data whose items are of a type.
///
/// # Errors
/// A type that does not parse, which is a defect.
pub fn field_type(item: Option<&SqlType>) -> Result<SqlType> {
    let wide = item.and_then(SqlType::dtype).is_some_and(is_wide);
    SqlType::parse(if wide { WIDE_FIELD } else { FIELD })
}

/// What the answer takes in memory.
pub fn answer_bytes(plan: &Plan, bands: usize, weights: bool) -> usize {
    let lists = plan.method.parts() + usize::from(weights);
    let size = if plan.wide { 8 } else { 4 };
    plan.canvas.pixels().saturating_mul(bands).saturating_mul(lists * size)
}

/// Refuses an answer of more bytes than a bound.
///
/// # Errors
/// [`Error::TooLarge`].
pub fn check_answer(plan: &Plan, bands: usize, weights: bool, limit: u64) -> Result<()> {
    let needed = answer_bytes(plan, bands, weights) as u64;
    if needed <= limit {
        return Ok(());
    }
    let load = Load::Field { canvas: plan.canvas.to_string() };
    Err(Error::TooLarge { load, needed, limit })
}

/// Lays the patch of a row.
///
/// # Errors
/// As [`Field::begin`], or a whole number that a double does not hold.
pub fn lay(field: &mut Field, data: &mut Pieces<'_>, row: usize, span: &Span, own: Own<'_>) -> Result<()> {
    let patch = field.begin(span, data.length(row), own)?;
    let mut at = 0;
    with_dtype!(data.dtype(), T => data.each::<T>(row, |values, nulls| {
        exact(values, nulls)?;
        let valid = (!nulls.none()).then_some(|i: usize| !nulls.is_null(i));
        field.lay(&patch, at, values, valid);
        at += values.len();
        Ok(())
    }))
}

/// A weight of each pixel, from a row's list of weights or of variances; 0 where it is NULL.
///
/// # Errors
/// The column holds no numbers, or a weight that is negative or not finite, or a variance that is not above 0.
pub fn weights(column: &Vector<'_>, row: usize, of_variance: bool) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    let must = if of_variance { "variances above 0" } else { "finite weights of at least 0" };
    let mut take = |given: Option<f64>| {
        let Some(given) = given else {
            all.push(0.0);
            return Ok(());
        };
        let weight = if of_variance { 1.0 / given } else { given };
        let sound = weight.is_finite() && weight >= 0.0 && (!of_variance || given > 0.0);
        all.push(weight);
        if sound { Ok(()) } else { Err(Error::invalid(given, must)) }
    };
    if let Ok(mut pieces) = Pieces::of(column) {
        with_dtype!(pieces.dtype(), T => pieces.each::<T>(row, |values, nulls| {
            exact(values, nulls)?;
            let given = values.iter().enumerate().map(|(i, value)| (!nulls.is_null(i)).then(|| value.f64()));
            given.into_iter().try_for_each(&mut take)
        }))?;
        return Ok(all);
    }
    // Such as a list of DECIMAL.
    let value = Value::of(column, row);
    let Value::List(items) = &value else { return Err(Error::invalid(&value, must)) };
    for item in items {
        match (item, number(item)) {
            (Value::Null, _) => take(None)?,
            (_, Some(given)) => take(Some(given))?,
            _ => return Err(Error::invalid(item, must)),
        }
    }
    Ok(all)
}

/// What a row has of its own.
#[derive(Debug, Default)]
pub struct OwnValues {
    weight: Option<f64>,
    each: Option<Vec<f64>>,
    /// Its place in the order of patches.
    pub rank: Option<f64>,
}

impl OwnValues {
    /// As a field takes it.
    pub fn borrowed(&self) -> Own<'_> {
        Own { weight: self.weight, each: self.each.as_deref(), rank: self.rank }
    }
}

/// Reads weight, variance and rank of a row; where patches have an order anyhow, `needs_rank` is false.
///
/// # Errors
/// One that the method does not take, or lacks, or of the wrong form.
pub fn own(
    columns: [Option<&Vector<'_>>; 3],
    row: usize,
    (method, needs_rank): (Method, bool),
    blame: &dyn Fn(&str, Error) -> Error,
) -> Result<OwnValues> {
    let [weight, variance, rank] = columns.map(|column| column.filter(|column| !column.is_null(row)));
    let may_weigh = matches!(method, Method::OverlapAdd | Method::Vote);
    let ordered = matches!(method, Method::First | Method::Last);
    let (weighted, varied) = (method == Method::Weighted, method == Method::InverseVariance);
    for (name, given, needed, taken) in [
        ("weight", weight, weighted, weighted || may_weigh),
        ("variance", variance, varied, varied),
        ("rank", rank, ordered && needs_rank, ordered),
    ] {
        if given.is_some() && !taken {
            let problem = format!("{name} does not go with this method");
            let remedy = "weight is of weighted, overlap_add and vote, variance of inverse_variance, rank of first and last";
            return Err(blame(name, Error::conflict(problem, remedy)));
        }
        if given.is_none() && needed {
            let problem = format!("the method needs a {name}, which is NULL or was not given");
            let remedy = format!(
                "Give each row a {name}; COPY takes it as a column behind data and win, or as a field"
            );
            return Err(blame(name, Error::conflict(problem, remedy)));
        }
    }
    let mut found = OwnValues::default();
    if let Some(weight) = weight {
        if weight.holds() == Holds::List {
            found.each = Some(weights(weight, row, false).map_err(|error| blame("weight", error))?);
        } else {
            let value = Value::of(weight, row);
            let bad = || blame("weight", Error::invalid(&value, "a number, or a list with one a pixel"));
            found.weight = Some(number(&value).ok_or_else(bad)?);
        }
    }
    if let Some(variance) = variance {
        found.each = Some(weights(variance, row, true).map_err(|error| blame("variance", error))?);
    }
    if let Some(rank) = rank {
        let value = Value::of(rank, row);
        let given = match &value {
            Value::Timestamp(at) | Value::Nanos(at) => Some(*at as f64),
            Value::Date(day) => Some(f64::from(*day)),
            other => exact_number(other),
        };
        let must = "a number that DOUBLE holds exactly, a TIMESTAMP or a DATE";
        let bad = || blame("rank", Error::invalid(&value, must));
        found.rank = Some(given.filter(|rank| !rank.is_nan()).ok_or_else(bad)?);
    }
    Ok(found)
}

/// Writes a field into a row of a vector of [`field_type`].
///
/// # Errors
/// A vector of another type, which is a defect.
pub fn write(field: &Field, weights: bool, out: &mut Vector<'_>, row: usize) -> Result<()> {
    let plan = field.plan();
    let [data, shape, transform, crs, told] =
        out.fields_mut(["data", "shape", "transform", "crs", "weights"])?;
    let list = if plan.wide { list::<f64> } else { list::<f32> };
    list(field, Told::Value, data, row);
    shape.set_list(row, &plan.canvas.shape(field.out_bands()));
    match &plan.canvas.transform {
        Some(affine) => transform.set_list(row, &affine.0),
        None => transform.set_null(row),
    }
    match &plan.canvas.crs {
        Some(name) => crs.set_bytes(row, name.as_bytes()),
        None => crs.set_null(row),
    }
    match weights && !matches!(plan.method, Method::First | Method::Last) {
        true => list(field, Told::Weight, told, row),
        false => told.set_null(row),
    }
    Ok(())
}

/// What is told of all pixels as a list, NULL where nothing was laid.
fn list<T: Plain + Pod + Pixel>(field: &Field, told: Told, out: &mut Vector<'_>, row: usize) {
    let canvas = &field.plan().canvas;
    let bands = if told == Told::Weight { field.bands() } else { field.out_bands() };
    let (items, first) = out.push_list(row, canvas.pixels() * bands);
    let (mut gaps, mut at) = (Vec::<Range<usize>>::new(), 0);
    for band in 0..bands {
        for plane in 0..canvas.planes() {
            for index in 0..field.strips() {
                let part = items.slice_mut::<T>(first + at, field.strip_pixels(index));
                field.tell((band, plane), index, told, part, &mut |run| match gaps.last_mut() {
                    Some(last) if last.end == at + run.start => last.end = at + run.end,
                    _ => gaps.push(at + run.start..at + run.end),
                });
                at += part.len();
            }
        }
    }
    items.set_null_runs(first, &gaps);
}
