//! Where windows stand in time.

use crate::error::{Error, Result};
use crate::interval::{Interval, iso};
use crate::random::Pcg64;
use crate::time::Length;
use crate::time::windows::Windows;
use crate::workers::{STRIDE, go_on};

/// How anchors are found.
#[derive(Debug, Clone, PartialEq)]
pub enum Sampler {
    /// From the axis's first instant on, a step apart.
    Regular(Length),
    /// From the axis's last instant back, a step apart.
    Causal(Length),
    /// At these instants, in this order.
    Listed(Vec<i64>),
    /// Drawn among instants that have whole windows.
    Random {
        /// How many.
        n: usize,
        /// Only instants a step apart from the axis's first.
        step: Option<Length>,
        /// Seed of the stream.
        seed: u64,
    },
}

/// Anchors are held in memory.
pub const MAX_ANCHORS: usize = 10_000_000;

/// The instants a step apart, from one on until beyond the axis.
fn steps(axis: &Interval, from: i64, step: &Length, sign: i64) -> Result<Vec<i64>> {
    let mut found = Vec::new();
    while let Some(at) = step.shift(from, sign * found.len() as i64) {
        if at < axis.start || at > axis.stop {
            break;
        }
        if found.len() % STRIDE == 0 {
            go_on()?;
        }
        if found.len() == MAX_ANCHORS {
            let must = format!("long enough for at most {MAX_ANCHORS} anchors on {axis}");
            return Err(Error::invalid(format!("step {step}"), must));
        }
        found.push(at);
    }
    if sign < 0 {
        found.reverse();
    }
    Ok(found)
}

/// The anchors on an axis, `None` of a listed one that has no window.
///
/// # Errors
/// A listed anchor off the axis or without a whole window; a draw from nothing.
pub fn anchors(sampler: &Sampler, axis: &Interval, windows: &Windows) -> Result<Vec<i64>> {
    match sampler {
        Sampler::Regular(step) => whole(steps(axis, axis.start, step, 1)?, axis, windows),
        Sampler::Causal(step) => whole(steps(axis, axis.stop, step, -1)?, axis, windows),
        Sampler::Listed(times) => {
            check(times, axis, windows)?;
            Ok(times.clone())
        }
        Sampler::Random { n, step: Some(step), seed } => {
            let all = whole(steps(axis, axis.start, step, 1)?, axis, windows)?;
            pick(&all, *n, *seed, axis)
        }
        Sampler::Random { n, step: None, seed } => draw(*n, *seed, axis, windows),
    }
}

/// Those of some instants that have whole windows.
///
/// # Errors
/// The query was interrupted.
pub fn whole(mut all: Vec<i64>, axis: &Interval, windows: &Windows) -> Result<Vec<i64>> {
    let mut going = Ok(());
    all.retain(|at| {
        going = going.clone().and_then(|()| go_on());
        going.is_ok() && windows.at(*at, axis).is_some()
    });
    going.map(|()| all)
}

/// # Errors
/// An anchor off the axis, or without a whole window.
pub fn check(times: &[i64], axis: &Interval, windows: &Windows) -> Result<()> {
    let off: Vec<i64> = times.iter().copied().filter(|at| *at < axis.start || *at > axis.stop).collect();
    if let Some(first) = off.first() {
        let problem = format!(
            "{} of {} anchors lie outside of {axis}, the first at {}",
            off.len(),
            times.len(),
            iso(*first)
        );
        return Err(Error::conflict(problem, "Leave them out"));
    }
    let mut cut = (0, None);
    for at in times {
        go_on()?;
        if windows.at(*at, axis).is_none() {
            cut = (cut.0 + 1, cut.1.or(Some(*at)));
        }
    }
    if let (count, Some(first)) = cut {
        let problem = format!(
            "the windows of {count} of {} anchors reach beyond {axis}, the first those of {}",
            times.len(),
            iso(first)
        );
        return Err(Error::conflict(problem, "Leave them out, or take what there is of them: partial"));
    }
    Ok(())
}

/// `n` of these, each as likely as any other, again and again.
///
/// # Errors
/// There is none.
pub fn pick(all: &[i64], n: usize, seed: u64, axis: &Interval) -> Result<Vec<i64>> {
    if all.is_empty() {
        return Err(nothing(axis));
    }
    let mut rng = Pcg64::new(seed);
    let last = all.len() as u64 - 1;
    let mut found = Vec::new();
    for drawn in 0..n {
        if drawn % STRIDE == 0 {
            go_on()?;
        }
        found.extend(all.get(rng.integer(last) as usize).copied());
    }
    Ok(found)
}

fn nothing(axis: &Interval) -> Error {
    Error::conflict(format!("no whole window fits into {axis}"), "Give shorter windows, or a longer axis")
}

fn draw(n: usize, seed: u64, axis: &Interval, windows: &Windows) -> Result<Vec<i64>> {
    let (first, last) = windows.bounds(axis).ok_or_else(|| nothing(axis))?;
    let mut rng = Pcg64::new(seed);
    let mut found = Vec::with_capacity(n);
    let most = n.saturating_mul(1000).saturating_add(10_000);
    for _ in 0..most {
        if found.len() == n {
            break;
        }
        go_on()?;
        let at = first + rng.integer(last.abs_diff(first)) as i64;
        if windows.at(at, axis).is_some() {
            found.push(at);
        }
    }
    if found.len() == n { Ok(found) } else { Err(nothing(axis)) }
}
