//! What a read of one variable over one or several array files takes from each of them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Load, Result};
use crate::format::array::Variable;
use crate::format::hyperslab::{Run, places};
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
    pub source: Arc<ArraySource>,
    /// The variable's place in the file's header.
    pub variable: usize,
    /// Of each dimension.
    pub selected: Vec<Selected>,
    pub axes: Vec<Option<Arc<Axis>>>,
}

impl Part {
    /// # Errors
    /// [`Error::Bug`]: the variable is gone.
    pub fn facts(&self) -> Result<&Variable> {
        self.source.variable(self.variable)
    }

    pub fn runs(&self) -> Vec<Vec<Run>> {
        self.selected.iter().map(|selected| selected.runs.clone()).collect()
    }

    /// How many places on each dimension.
    pub fn counts(&self) -> Vec<u64> {
        self.selected.iter().map(|selected| places(&selected.runs)).collect()
    }

    /// How many places on all dimensions that stay: values, or planes where a slice takes the place of two.
    pub fn places(&self) -> u64 {
        let counts = self.counts();
        self.kept().filter_map(|dim| counts.get(dim).copied()).fold(1, u64::saturating_mul)
    }

    /// The dimensions that stay.
    pub fn kept(&self) -> impl Iterator<Item = usize> + '_ {
        self.selected.iter().enumerate().filter(|(_, selected)| selected.kept).map(|(dim, _)| dim)
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

/// What a selection takes from each file, in the order of the files; those that it takes nothing from are left out.
/// Over several files the time is one axis, from the first file to the last.
///
/// # Errors
/// A file that can not be opened or lacks the variable, a selection that names what is not there.
pub fn plan(
    paths: &[String],
    variable: &str,
    selection: &Selection,
    opened: &mut Opened,
) -> Result<Vec<Part>> {
    let open = |path: &String| {
        let source = opened.get(path)?;
        let variable = source.header().variable(path, variable)?;
        Ok((source, variable))
    };
    let files: Vec<(Arc<ArraySource>, usize)> = paths.iter().map(open).collect::<Result<_>>()?;
    let Some((first, place)) = files.first() else { return Err(Error::Bug("no array file".into())) };
    let time = time_dimension(first, *place).filter(|_| files.len() > 1);
    let (own, shared) = match time {
        Some(dim) => split(first, *place, dim, selection)?,
        None => (selection.clone(), Selection::default()),
    };
    let mut parts = Vec::with_capacity(files.len());
    for (source, variable) in files {
        let selected = select::select(&source, variable, &own)?;
        let axes = select::axes(&source, variable)?;
        parts.push(Part { source, variable, selected, axes });
    }
    match (time, shared.dims.as_slice()) {
        (Some(dim), [(_, wanted)]) => share(parts, dim, wanted, shared.tolerance),
        _ => Ok(parts),
    }
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

/// Selects on the time axis of all files together.
fn share(parts: Vec<Part>, dim: usize, wanted: &axis::Wanted, tolerance: Option<f64>) -> Result<Vec<Part>> {
    let mut instants = Vec::new();
    let mut ends = Vec::with_capacity(parts.len());
    let mut name = String::new();
    for part in &parts {
        let axis = part.axes.get(dim).and_then(Option::as_ref);
        let Some((axis, times)) = axis.and_then(|axis| Some((axis, axis.instants.as_ref()?))) else {
            if let Some(axis) = axis {
                return Err(axis.no_time());
            }
            let problem =
                format!("\"{}\" of \"{}\" has no time axis", part.facts()?.name, part.source.path());
            return Err(Error::conflict(
                problem,
                "Files are joined along the time: read the others by themselves",
            ));
        };
        name.clone_from(&axis.name);
        instants.extend_from_slice(times);
        ends.push(instants.len() as u64);
    }
    let size = instants.len() as u64;
    let joint = Axis::new(&name, None, vec![f64::NAN; instants.len()], Some(instants), false, false);
    let chosen = axis::resolve(&name, size, Some(&joint), wanted, tolerance)?;
    let mut first = 0;
    let mut taken = Vec::new();
    for (mut part, end) in parts.into_iter().zip(ends) {
        let within: Vec<Run> = chosen.runs.iter().filter_map(|run| within(*run, first, end)).collect();
        if let (Some(selected), false) = (part.selected.get_mut(dim), within.is_empty()) {
            *selected = Selected { shifts: vec![0.0; within.len()], runs: within, kept: chosen.kept };
            taken.push(part);
        }
        first = end;
    }
    Ok(taken)
}

/// The part of a run that lies in `first .. end`, counted from `first`.
fn within(run: Run, first: u64, end: u64) -> Option<Run> {
    let skipped = first.saturating_sub(run.start).div_ceil(run.step);
    let start = run.start + skipped * run.step;
    let count = end.saturating_sub(start).div_ceil(run.step).min(run.count.saturating_sub(skipped));
    (count > 0).then(|| Run { start: start - first, count, step: run.step })
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

/// # Errors
/// [`Error::TooLarge`]: a selection may name more values than there is memory.
pub fn check_size(variable: &str, values: u64, value_bytes: usize, limits: &Limits) -> Result<()> {
    let bytes = values.saturating_mul(value_bytes as u64);
    if bytes <= limits.chunk as u64 {
        return Ok(());
    }
    let load = Load::Values { variable: variable.into(), values };
    Err(Error::TooLarge { load, needed: bytes, limit: limits.chunk as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_cut_at_the_ends_of_files() {
        let run = Run { start: 1, count: 5, step: 3 };
        let all: Vec<u64> = run.places().collect();
        let mut again = Vec::new();
        for (first, end) in [(0, 2), (2, 3), (3, 9), (9, 20)] {
            again.extend(within(run, first, end).into_iter().flat_map(|run| run.places()).map(|p| p + first));
        }
        assert_eq!(again, all);
    }

    #[test]
    fn sections_of_a_selection_put_together_are_the_selection() {
        let runs = vec![Run { start: 30, count: 4, step: 2 }, Run { start: 0, count: 3, step: 1 }];
        let selected = Selected { runs, shifts: vec![-360.0, 0.0], kept: true };
        let of = |s: &Selected| s.runs.iter().flat_map(|run| run.places()).collect::<Vec<u64>>();
        for step in 1..8 {
            let sections = (0..7).step_by(step).map(|from| section(&selected, from as u64, step as u64));
            assert_eq!(sections.flat_map(|s| of(&s)).collect::<Vec<u64>>(), of(&selected));
        }
    }
}
