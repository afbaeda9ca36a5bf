//! What a read of one variable over one or several array files takes from each of them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cf::{self, Axes};
use crate::error::{Error, Load, Result};
use crate::format::array::Variable;
use crate::format::hyperslab::{Run, index_count};
use crate::interval::{Interval, iso};
use crate::limits::Limits;
use crate::read::array::ArraySource;
use crate::read::axis::{self, Axis, Selected, Selection};
use crate::read::select;

/// The files of one call, each looked at once: a store of many documents takes long to be told from what it was.
#[derive(Default)]
pub struct Opened(HashMap<String, Arc<ArraySource>>);

impl Opened {
    /// # Errors
    /// As [`ArraySource::open`].
    pub fn get(&mut self, path: &str) -> Result<Arc<ArraySource>> {
        if let Some(source) = self.0.get(path) {
            return Ok(source.clone());
        }
        let source = ArraySource::open(path)?;
        self.0.insert(path.to_string(), source.clone());
        Ok(source)
    }
}

/// The part of a read that one file gives.
#[derive(Clone)]
pub struct Part {
    /// The file.
    pub source: Arc<ArraySource>,
    /// The variable's index in the file's header.
    pub variable: usize,
    /// Of each dimension.
    pub selected: Vec<Selected>,
    /// Of each dimension, where it has one.
    pub axes: Vec<Option<Arc<Axis>>>,
    /// The same times of other files, which lie elsewhere: they are merged on a slice, in this order.
    pub also: Vec<Part>,
}

impl Part {
    /// # Errors
    /// [`Error::Bug`]: the variable is gone.
    pub fn metadata(&self) -> Result<&Variable> {
        self.source.variable(self.variable)
    }

    /// What is read on each dimension.
    pub fn runs(&self) -> Vec<Vec<Run>> {
        self.selected.iter().map(|selected| selected.runs.clone()).collect()
    }

    /// How many values on each dimension.
    pub fn counts(&self) -> Vec<u64> {
        self.selected.iter().map(|selected| index_count(&selected.runs)).collect()
    }

    /// How many values on all dimensions that stay: values, or planes where a slice replaces two.
    pub fn value_count(&self) -> u64 {
        let counts = self.counts();
        self.kept().filter_map(|dim| counts.get(dim).copied()).fold(1, u64::saturating_mul)
    }

    /// The dimensions that stay.
    pub fn kept(&self) -> impl Iterator<Item = usize> + '_ {
        self.selected.iter().enumerate().filter(|(_, selected)| selected.kept).map(|(dim, _)| dim)
    }

    /// Leaves `count` indices of one dimension, from the `from`-th of those that were selected on.
    #[must_use]
    pub fn section(mut self, dim: usize, from: u64, count: u64) -> Part {
        if let Some(selected) = self.selected.get_mut(dim) {
            *selected = section(selected, from, count);
        }
        self.also = self.also.into_iter().map(|part| part.section(dim, from, count)).collect();
        self
    }

    /// The dimension that is the time.
    pub fn time(&self) -> Option<usize> {
        time_dimension(&self.source, self.variable)
    }
}

fn time_dimension(source: &ArraySource, variable: usize) -> Option<usize> {
    match source.axes(variable).ok()?.time.as_ref()?.dims.as_slice() {
        [dim] => Some(*dim),
        _ => None,
    }
}

/// What a selection takes from each file; those that it takes nothing from are left out. Over several files the time is one
/// axis, in the order of the times. `onto` a slice the files may lie on grids of their own, and then those of one time are
/// merged.
///
/// # Errors
/// A file that cannot be opened or lacks the variable, a selection that names what is not there, files that differ in other
/// coordinates than the time, a time that stands in two of them.
pub fn plan(
    paths: &[String],
    variable: &str,
    selection: &Selection,
    opened: &mut Opened,
    onto: bool,
) -> Result<Vec<Part>> {
    let open = |path: &String| {
        let source = opened.get(path)?;
        let variable = source.header().variable(path, variable)?;
        Ok((source, variable))
    };
    let files: Vec<(Arc<ArraySource>, usize)> = paths.iter().map(open).collect::<Result<_>>()?;
    let Some((first, variable)) = files.first() else { return Err(Error::Bug("no array file".into())) };
    let time = time_dimension(first, *variable).filter(|_| files.len() > 1);
    let (own, shared) = match time {
        Some(dim) => split(first, *variable, dim, selection)?,
        None => (selection.clone(), Selection::default()),
    };
    let mut parts = Vec::with_capacity(files.len());
    for (source, variable) in files {
        let selected = select::select(&source, variable, &own)?;
        let axes = select::axes(&source, variable)?;
        parts.push(Part { source, variable, selected, axes, also: Vec::new() });
    }
    if let Some((first, others)) = parts.split_first() {
        others.iter().try_for_each(|other| same_place(first, other, time, onto))?;
    }
    let wanted = shared.dims.first().map(|(_, wanted)| wanted);
    match time {
        Some(dim) => in_time(&parts, dim, wanted, (shared.tolerance, onto)),
        None if onto && parts.len() > 1 => at_one_time(parts),
        None => Ok(parts),
    }
}

/// Refuses files that differ in more than their times: their values would stand under coordinates that are not theirs.
fn same_place(first: &Part, other: &Part, time: Option<usize>, onto: bool) -> Result<()> {
    let (own, others) = (first.metadata()?, other.metadata()?);
    let (path, other_path) = (first.source.path(), other.source.path());
    let on_map = |part: &Part| {
        let axes = part.source.axes(part.variable).ok();
        [axes.and_then(Axes::y_dim), axes.and_then(Axes::x_dim)].map(|dim| dim.filter(|_| onto))
    };
    if own.dims.len() != others.dims.len() || onto && on_map(first) != on_map(other) {
        let problem = format!(
            "\"{}\" has the dimensions [{}] in \"{path}\" and [{}] in \"{other_path}\"",
            own.name,
            own.dims.join(", "),
            others.dims.join(", ")
        );
        return Err(Error::conflict(problem, "Read the files one by one"));
    }
    for (dim, (axis, other_axis)) in first.axes.iter().zip(&other.axes).enumerate() {
        let (Some(axis), Some(other_axis)) = (axis, other_axis) else { continue };
        if time == Some(dim) || on_map(first).contains(&Some(dim)) {
            continue;
        }
        let (Some(selected), Some(others)) = (first.selected.get(dim), other.selected.get(dim)) else {
            continue;
        };
        let (values, others) = (axis.values_at(selected), other_axis.values_at(others));
        let steps = values.iter().zip(values.iter().skip(1)).map(|(a, b)| (a - b).abs());
        let slack = 1e-3 * steps.fold(f64::INFINITY, f64::min);
        let slack = if slack.is_finite() { slack } else { 0.0 };
        let near = |(a, b): (&f64, &f64)| {
            (a - b).abs() <= slack.max(a.abs() * f64::from(f32::EPSILON)) || a.is_nan() && b.is_nan()
        };
        if values.len() == others.len() && values.iter().zip(&others).all(near) {
            continue;
        }
        let shown = |values: &[f64]| match values {
            [] => "nothing".to_string(),
            [one] => one.to_string(),
            [first, .., last] => format!("{first} to {last} ({} values)", values.len()),
        };
        let problem = format!(
            "\"{}\" is {} in \"{path}\" and {} in \"{other_path}\"",
            axis.name,
            shown(&values),
            shown(&others)
        );
        let remedy = "Files are joined along their time alone: read each place by itself, or bring them onto one grid with a slice of geo_slice(...), which merges files of one time";
        return Err(Error::conflict(problem, remedy));
    }
    Ok(())
}

/// Files without a time of their own dimension, merged; a single time of each must be the same.
fn at_one_time(mut parts: Vec<Part>) -> Result<Vec<Part>> {
    let time = |part: &Part| -> Result<Option<i64>> {
        let time = part.source.axes(part.variable)?.time.as_ref().filter(|time| time.dims.is_empty());
        let axis = time.map(|time| cf::time_axis(&*part.source.file()?, time.variable));
        Ok(axis.and_then(Result::ok).and_then(|axis| axis.instants.first().copied().flatten()))
    };
    let mut first = parts.remove(0);
    let at = time(&first)?;
    for part in &parts {
        let other = time(part)?;
        if other != at {
            let shown = |at: Option<i64>| at.map_or_else(|| "no time".into(), iso);
            let problem = format!(
                "\"{}\" is of {}, and \"{}\" of {}",
                first.source.path(),
                shown(at),
                part.source.path(),
                shown(other)
            );
            return Err(Error::conflict(
                problem,
                "Files without a dimension of time are merged where they are of one time: read each time by itself",
            ));
        }
    }
    first.also = parts;
    Ok(vec![first])
}

/// The selection of all dimensions but one, and of that one.
fn split(
    source: &ArraySource,
    variable: usize,
    dim: usize,
    selection: &Selection,
) -> Result<(Selection, Selection)> {
    let mut shared = Vec::new();
    let mut own = Vec::new();
    for item in &selection.dims {
        let is_time = select::dimension(source, variable, &item.0)? == dim;
        if is_time { shared.push(item.clone()) } else { own.push(item.clone()) }
    }
    if shared.len() > 1 {
        let problem = format!("dimension \"{}\" is selected twice", source.variable(variable)?.dims[dim]);
        return Err(Error::conflict(problem, "Select it once, by value or by index"));
    }
    let tolerance = selection.tolerance;
    Ok((Selection { dims: own, tolerance }, Selection { dims: shared, tolerance }))
}

/// One time of all files together: when, and where it stands in which of them.
struct Step {
    instant: Option<i64>,
    cell: Option<Interval>,
    of: Vec<(usize, u64)>,
}

/// The times of all files, in their order; `merged` those of one time are one.
fn steps(parts: &[Part], dim: usize, merged: bool) -> Result<(String, Vec<Step>)> {
    let mut name = String::new();
    let mut all: Vec<(Option<i64>, usize, u64)> = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let axis = part.axes.get(dim).and_then(Option::as_ref);
        let Some((axis, times)) = axis.and_then(|axis| Some((axis, axis.instants.as_ref()?))) else {
            if let Some(axis) = axis {
                return Err(axis.no_time());
            }
            let problem =
                format!("\"{}\" of \"{}\" has no time axis", part.metadata()?.name, part.source.path());
            return Err(Error::conflict(
                problem,
                "Files are joined along the time: read the others by themselves",
            ));
        };
        name.clone_from(&axis.name);
        all.extend((0..times.len()).map(|index| (axis.exact(index), number, index as u64)));
    }
    // Places that hold no time come last, in the order of the files.
    all.sort_by_key(|(at, ..)| at.unwrap_or(i64::MAX));
    let axis = |number: usize| parts.get(number)?.axes.get(dim)?.as_ref();
    let instant =
        |number: usize, index: u64| axis(number)?.instants.as_ref()?.get(index as usize).copied().flatten();
    let mut steps: Vec<Step> = Vec::with_capacity(all.len());
    let mut before = None;
    for (at, number, index) in all {
        let here = instant(number, index);
        let open = steps.last_mut().filter(|_| at.is_some() && before == Some(at));
        match open.filter(|step| step.of.iter().all(|(other, _)| *other != number)) {
            Some(step) if merged => step.of.push((number, index)),
            Some(step) => {
                let paths = [step.of.first().map_or(0, |(other, _)| *other), number];
                let [one, other] = paths.map(|n| parts.get(n).map_or("", |part| part.source.path()));
                let problem = format!(
                    "the time {} stands in \"{one}\" and in \"{other}\"",
                    here.map_or_else(String::new, iso)
                );
                let remedy = "Name each time once; files of one time that lie on different places are merged on a slice of geo_slice(...)";
                return Err(Error::conflict(problem, remedy));
            }
            None => {
                let cell = axis(number).and_then(|axis| axis.cell(index as usize));
                steps.push(Step { instant: here, cell, of: vec![(number, index)] });
            }
        }
        before = Some(at);
    }
    Ok((name, steps))
}

/// Selects on the time axis of all files together, and gives the parts in the order of the times: one for each stretch that
/// the same files make up.
fn in_time(
    parts: &[Part],
    dim: usize,
    wanted: Option<&axis::Wanted>,
    (tolerance, merged): (Option<f64>, bool),
) -> Result<Vec<Part>> {
    let (name, steps) = steps(parts, dim, merged)?;
    let size = steps.len() as u64;
    let chosen = match wanted {
        Some(wanted) => {
            let instants = steps.iter().map(|step| step.instant).collect();
            let cells = steps.iter().map(|step| step.cell).collect();
            let joint = Axis::new(&name, None, vec![f64::NAN; steps.len()], Some(instants), false, false);
            axis::resolve(&name, size, Some(&joint.in_cells(cells)), wanted, tolerance)?
        }
        None => Selected::all(size),
    };
    let mut taken: Vec<(Vec<usize>, Vec<Vec<Run>>)> = Vec::new();
    for index in chosen.runs.iter().flat_map(|run| run.indices()) {
        let Some(step) = steps.get(index as usize) else { continue };
        let files: Vec<usize> = step.of.iter().map(|(number, _)| *number).collect();
        if taken.last().is_none_or(|(last, _)| *last != files) {
            taken.push((files, vec![Vec::new(); step.of.len()]));
        }
        let Some((_, runs)) = taken.last_mut() else { continue };
        for (runs, (_, index)) in runs.iter_mut().zip(&step.of) {
            extend(runs, *index);
        }
    }
    let part = |(number, runs): (&usize, Vec<Run>)| {
        let mut part = parts.get(*number).cloned().ok_or_else(|| Error::Bug("a file is gone".into()))?;
        if let Some(selected) = part.selected.get_mut(dim) {
            *selected = Selected { shifts: vec![0.0; runs.len()], runs, kept: chosen.kept };
        }
        Ok(part)
    };
    let whole = |(files, runs): (Vec<usize>, Vec<Vec<Run>>)| {
        let mut layers = files.iter().zip(runs).map(part).collect::<Result<Vec<Part>>>()?;
        let mut first = layers.remove(0);
        first.also = layers;
        Ok(first)
    };
    taken.into_iter().map(whole).collect()
}

/// Adds an index to some runs, to the last of them where it goes on with it.
fn extend(runs: &mut Vec<Run>, index: u64) {
    match runs.last_mut() {
        Some(run) if run.count == 1 && index > run.start => {
            (run.count, run.step) = (2, index - run.start);
        }
        Some(run) if run.count > 1 && index == run.start + run.count * run.step => run.count += 1,
        _ => runs.push(Run { start: index, count: 1, step: 1 }),
    }
}

/// Places `from .. from + count` of those that some runs name.
pub fn section(selected: &Selected, from: u64, count: u64) -> Selected {
    let (mut skip, mut left) = (from, count);
    let (mut runs, mut shifts) = (Vec::new(), Vec::new());
    for (run, shift) in selected.runs.iter().zip(&selected.shifts) {
        let taken = run.count.saturating_sub(skip).min(left);
        if taken > 0 {
            runs.push(Run { start: run.start + skip * run.step, count: taken, step: run.step });
            shifts.push(*shift);
        }
        skip = skip.saturating_sub(run.count);
        left -= taken;
    }
    Selected { runs, shifts, kept: selected.kept }
}

/// Refuses more values than a chunk may take.
///
/// # Errors
/// [`Error::TooLarge`]: a selection may name more values than there is memory.
pub fn check_size(variable: &str, values: u64, value_bytes: usize, limits: &Limits) -> Result<()> {
    let bytes = usize::try_from(values.saturating_mul(value_bytes as u64)).unwrap_or(usize::MAX);
    limits.allow(bytes, || Load::Values { variable: variable.into(), values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_any_order_become_runs_that_name_them() {
        for indices in [vec![0, 1, 2, 3], vec![5, 3, 1], vec![0, 2, 4, 5, 6, 6], vec![7], vec![]] {
            let mut runs = Vec::new();
            indices.iter().for_each(|index| extend(&mut runs, *index));
            assert_eq!(runs.iter().flat_map(|run| run.indices()).collect::<Vec<u64>>(), indices);
        }
    }

    #[test]
    fn sections_of_a_selection_put_together_are_the_selection() {
        let runs = vec![Run { start: 30, count: 4, step: 2 }, Run { start: 0, count: 3, step: 1 }];
        let selected = Selected { runs, shifts: vec![-360.0, 0.0], kept: true };
        let of = |s: &Selected| s.runs.iter().flat_map(|run| run.indices()).collect::<Vec<u64>>();
        for step in 1..8 {
            let sections = (0..7).step_by(step).map(|from| section(&selected, from as u64, step as u64));
            assert_eq!(sections.flat_map(|s| of(&s)).collect::<Vec<u64>>(), of(&selected));
        }
    }
}
