//! The loop over the rows of a scalar's chunk, written once: plain, into lists, and on several threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytemuck::Pod;

use crate::bridge::chunk::Input;
use crate::bridge::vector::{Plain, Vector};
use crate::error::Result;
use crate::value::Value;
use crate::workers::{self, STRIDE, go_on};

/// What a row of a result is written from.
pub trait Cell {
    /// Writes the value into a row of a vector of its type.
    ///
    /// # Errors
    /// What keeps the value from being written.
    fn write(&self, out: &mut Vector<'_>, row: usize) -> Result<()>;
}

macro_rules! cells {
    ($($type:ty),*) => {$(
        impl Cell for $type {
            fn write(&self, out: &mut Vector<'_>, row: usize) -> Result<()> {
                out.set(row, *self);
                Ok(())
            }
        }
    )*};
}
cells!(bool, u8, i32, i64, u64, f32, f64);

impl Cell for &str {
    fn write(&self, out: &mut Vector<'_>, row: usize) -> Result<()> {
        out.set_bytes(row, self.as_bytes());
        Ok(())
    }
}

impl Cell for String {
    fn write(&self, out: &mut Vector<'_>, row: usize) -> Result<()> {
        out.set_bytes(row, self.as_bytes());
        Ok(())
    }
}

/// NULL where there is none.
impl<T: Cell> Cell for Option<T> {
    fn write(&self, out: &mut Vector<'_>, row: usize) -> Result<()> {
        match self {
            Some(value) => value.write(out, row),
            None => {
                out.set_null(row);
                Ok(())
            }
        }
    }
}

/// A list.
impl<T: Cell> Cell for Vec<T> {
    fn write(&self, out: &mut Vector<'_>, row: usize) -> Result<()> {
        let (items, first) = out.push_list(row, self.len());
        self.iter().enumerate().try_for_each(|(i, item)| {
            if i % STRIDE == 0 {
                go_on()?;
            }
            item.write(items, first + i)
        })
    }
}

/// A list of plain values, copied as a whole.
pub struct Numbers<T>(pub Vec<T>);

impl<T: Plain + Pod> Cell for Numbers<T> {
    fn write(&self, out: &mut Vector<'_>, row: usize) -> Result<()> {
        out.set_list(row, &self.0);
        Ok(())
    }
}

impl Cell for Value {
    fn write(&self, out: &mut Vector<'_>, row: usize) -> Result<()> {
        Value::write(self, out, row);
        Ok(())
    }
}

/// Writes a value for each row, NULL where there is none.
///
/// # Errors
/// The first row's that fails.
pub fn rows<T: Cell>(
    input: &Input<'_>,
    out: &mut Vector<'_>,
    mut value: impl FnMut(usize) -> Result<Option<T>>,
) -> Result<()> {
    (0..input.rows()).try_for_each(|row| {
        go_on()?;
        value(row)?.write(out, row)
    })
}

/// Writes a list of plain values for each row: `fill` adds a row's values to those of the rows before, and says whether
/// it has any list. All rows' lists are written at once.
///
/// # Errors
/// The first row's that fails.
pub fn lists<T: Plain + Pod>(
    input: &Input<'_>,
    out: &mut Vector<'_>,
    mut fill: impl FnMut(usize, &mut Vec<T>) -> Result<bool>,
) -> Result<()> {
    let mut values = Vec::new();
    let mut lengths = Vec::with_capacity(input.rows());
    for row in 0..input.rows() {
        let before = values.len();
        go_on()?;
        lengths.push(fill(row, &mut values)?.then(|| values.len() - before));
    }
    let mut rest = values.as_slice();
    for items in out.lists::<T>(&lengths).1 {
        let (list, after) = rest.split_at(items.len());
        items.copy_from_slice(list);
        rest = after;
    }
    null_rows(out, &lengths);
    Ok(())
}

/// Makes a list of plain values for each row that has a job, on several threads and straight where it belongs: `fill`
/// writes a job's values and gives the runs of them that are NULL.
///
/// # Errors
/// The first job's that fails.
pub fn lists_in_parallel<J: Sync, T: Plain + Pod + Send>(
    out: &mut Vector<'_>,
    jobs: &[Option<J>],
    threads: usize,
    length: impl Fn(&J) -> usize,
    fill: impl Fn(&J, &mut [T]) -> Result<Vec<Range<usize>>> + Sync,
) -> Result<()> {
    let lengths: Vec<Option<usize>> = jobs.iter().map(|job| job.as_ref().map(&length)).collect();
    let (mut nulls, lists) = out.lists::<T>(&lengths);
    let (mut first, mut parts) = (0, Vec::with_capacity(lists.len()));
    for (job, items) in jobs.iter().flatten().zip(lists) {
        let start = first;
        first += items.len();
        parts.push((job, start, items));
    }
    let gaps: Mutex<Vec<(usize, Vec<Range<usize>>)>> = Mutex::default();
    workers::each(&mut parts, threads, |(job, start, items)| {
        let runs = fill(job, items)?;
        if !runs.is_empty() {
            gaps.lock().unwrap_or_else(PoisonError::into_inner).push((*start, runs));
        }
        Ok(())
    })?;
    for (start, runs) in gaps.into_inner().unwrap_or_else(PoisonError::into_inner) {
        nulls.set_runs(start, &runs);
    }
    null_rows(out, &lengths);
    Ok(())
}

fn null_rows(out: &mut Vector<'_>, lengths: &[Option<usize>]) {
    let none = lengths.iter().enumerate().filter(|(_, length)| length.is_none());
    none.for_each(|(row, _)| out.set_null(row));
}

/// Rows that several threads work on.
pub struct Parallel {
    /// How many threads.
    pub threads: usize,
    /// How many rows at a time: what comes of them waits to be written.
    pub at_once: usize,
}

impl Parallel {
    /// Makes a job of each row, works on the jobs side by side, and writes what comes of them in the order of rows; a
    /// row without a job is NULL.
    ///
    /// # Errors
    /// The first row's that fails.
    pub fn rows<J: Send, R: Send>(
        &self,
        input: &Input<'_>,
        out: &mut Vector<'_>,
        mut job: impl FnMut(usize) -> Result<Option<J>>,
        work: impl Fn(&J) -> Result<R> + Sync,
        mut write: impl FnMut(J, R, &mut Vector<'_>, usize) -> Result<()>,
    ) -> Result<()> {
        let mut next = 0;
        while next < input.rows() {
            let end = next.saturating_add(self.at_once.max(1)).min(input.rows());
            let mut jobs = Vec::with_capacity(end - next);
            for row in next..end {
                match job(row)? {
                    Some(job) => jobs.push((row, job, None)),
                    None => out.set_null(row),
                }
            }
            workers::each(&mut jobs, self.threads, |(_, job, done)| {
                *done = Some(work(job)?);
                Ok(())
            })?;
            for (row, job, done) in jobs {
                if let Some(done) = done {
                    write(job, done, out, row)?;
                }
            }
            next = end;
        }
        Ok(())
    }
}
