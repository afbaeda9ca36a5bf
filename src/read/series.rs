//! Files lined up in time on one slice: steps of time, and what stands in each.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime};

use crate::error::{Error, Load, Result};
use crate::files::remote;
use crate::interval::iso;
use crate::limits::Limits;
use crate::read::gaps::{Gaps, fill, gaps};
use crate::read::mosaic::{Merge, Merger, SliceOptions, merged, untouched};
use crate::read::scene::Scene;
use crate::read::source::open_ahead;
use crate::slice::Slice;
use crate::workers;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// How long a step of the time axis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Calendar months; steps that divide a year, or are years, begin with one.
    Months(u32),
    /// Of one length.
    Micros(i64),
    /// One step for the whole interval.
    All,
}

/// What stands in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduce {
    /// The file whose time is nearest to the step's begin: of those in the step, or within the tolerance on either side; of
    /// two the earlier.
    Nearest,
    /// Of the pixels in the step.
    Median,
    /// First and last in time, and the others as for files that overlap.
    Merge(Merge),
}

/// The ways by their names.
pub const REDUCES: [(&str, Reduce); 9] = [
    ("nearest", Reduce::Nearest),
    ("mean", Reduce::Merge(Merge::Mean)),
    ("median", Reduce::Median),
    ("first", Reduce::Merge(Merge::First)),
    ("last", Reduce::Merge(Merge::Last)),
    ("min", Reduce::Merge(Merge::Min)),
    ("max", Reduce::Merge(Merge::Max)),
    ("sum", Reduce::Merge(Merge::Sum)),
    ("count", Reduce::Merge(Merge::Count)),
];

/// How a series is read.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesOptions {
    /// How each file is read.
    pub slice: SliceOptions,
    /// `None`: every time of a file is a step of its own.
    pub step: Option<Step>,
    /// What stands in a step.
    pub reduce: Reduce,
    /// How far from a step's begin the nearest file may lie; `None`: within the step.
    pub time_tolerance: Option<Step>,
}

impl Step {
    /// Reads `day`, `10 days`, `1 month`, `year`, `01:30:00` and `all`.
    pub fn parse(text: &str) -> Option<Step> {
        let text = text.trim().to_lowercase();
        if text == "all" {
            return Some(Step::All);
        }
        let clock: Vec<&str> = text.split(':').collect();
        if let [hours, minutes, seconds] = clock.as_slice() {
            let (h, m, s): (i64, i64, i64) =
                (hours.parse().ok()?, minutes.parse().ok()?, seconds.parse().ok()?);
            return Step::micros((h.checked_mul(3600)? + m * 60).checked_add(s)?.checked_mul(SECOND)?);
        }
        let (number, unit) = match text.split_once(' ') {
            Some((number, unit)) => (number.parse::<i64>().ok()?, unit.trim()),
            None => (1, text.as_str()),
        };
        match unit.strip_suffix('s').unwrap_or(unit) {
            "year" => Step::months(number.checked_mul(12)?),
            "month" => Step::months(number),
            "week" => Step::micros(number.checked_mul(7 * DAY)?),
            "day" => Step::micros(number.checked_mul(DAY)?),
            "hour" => Step::micros(number.checked_mul(3600 * SECOND)?),
            "minute" => Step::micros(number.checked_mul(60 * SECOND)?),
            "second" => Step::micros(number.checked_mul(SECOND)?),
            _ => None,
        }
    }

    /// From an INTERVAL: months, or days and microseconds, and not both.
    pub fn of(months: i32, days: i32, micros: i64) -> Option<Step> {
        match (months, i64::from(days).checked_mul(DAY)?.checked_add(micros)?) {
            (0, micros) => Step::micros(micros),
            (months, 0) => Step::months(months.into()),
            _ => None,
        }
    }

    fn months(number: i64) -> Option<Step> {
        u32::try_from(number).ok().filter(|n| (1..=12_000).contains(n)).map(Step::Months)
    }

    fn micros(number: i64) -> Option<Step> {
        (number > 0).then_some(Step::Micros(number))
    }

    /// Where the step that holds an instant begins.
    fn begin(self, instant: i64) -> Option<i64> {
        match self {
            Step::All => Some(instant),
            Step::Micros(length) if length % DAY == 0 => Some(instant.div_euclid(DAY) * DAY),
            Step::Micros(length) if DAY % length == 0 => Some(instant.div_euclid(length) * length),
            Step::Micros(_) => Some(instant.div_euclid(SECOND) * SECOND),
            Step::Months(length) => {
                let date = naive(instant)?.date();
                let month = i64::from(date.year()) * 12 + i64::from(date.month0());
                let even = length % 12 == 0 || 12 % length == 0;
                let month = if even { month.div_euclid(length.into()) * i64::from(length) } else { month };
                let year = i32::try_from(month.div_euclid(12)).ok()?;
                let first = NaiveDate::from_ymd_opt(year, month.rem_euclid(12) as u32 + 1, 1)?;
                Some(first.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
            }
        }
    }

    /// `count` steps after an instant.
    fn after(self, instant: i64, count: u32) -> Option<i64> {
        match self {
            Step::All => Some(i64::MAX),
            Step::Micros(length) => instant.checked_add(length.checked_mul(count.into())?),
            Step::Months(length) => {
                let later = naive(instant)?.checked_add_months(Months::new(length.checked_mul(count)?))?;
                Some(later.and_utc().timestamp_micros())
            }
        }
    }
}

fn naive(instant: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(instant).map(|t| t.naive_utc())
}

/// One step: its time, and the files in it, those of one time together, in order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Bin {
    /// Its begin, microseconds.
    pub time: i64,
    /// The files of each of its times.
    pub groups: Vec<Vec<usize>>,
}

/// The axis of a series over files at `times`: files beyond the slice's interval are left out.
///
/// # Errors
/// No file lies in the interval, or its steps, of `each` bytes, take more than the bound.
pub fn axis(
    times: &[i64],
    slice: &Slice,
    options: &SeriesOptions,
    each: usize,
    limits: &Limits,
) -> Result<Vec<Bin>> {
    let inside = |t: i64| slice.t_min.is_none_or(|min| t >= min) && slice.t_max.is_none_or(|max| t <= max);
    let mut order: Vec<usize> =
        (0..times.len()).filter(|i| times.get(*i).is_some_and(|t| inside(*t))).collect();
    let time_of = |i: usize| times.get(i).copied().unwrap_or_default();
    order.sort_by_key(|i| time_of(*i));
    let groups: Vec<(i64, Vec<usize>)> = order
        .chunk_by(|a, b| time_of(*a) == time_of(*b))
        .map(|group| (group.first().map_or(0, |i| time_of(*i)), group.to_vec()))
        .collect();
    let (Some((earliest, _)), Some((latest, _))) = (groups.first(), groups.last()) else {
        let problem = format!("none of {} times lies in the slice's interval", times.len());
        return Err(Error::conflict(problem, "Widen its t_min and t_max, or leave them NULL"));
    };
    let Some(step) = options.step else {
        let one = |(time, group): (i64, Vec<usize>)| Bin { time, groups: vec![group] };
        return Ok(groups.into_iter().map(one).collect());
    };
    let too_far = || Error::invalid("step", "steps within the years that a TIMESTAMP holds");
    let start = step.begin(slice.t_min.unwrap_or(*earliest)).ok_or_else(too_far)?;
    let stop = slice.t_max.unwrap_or(*latest);
    let most = (limits.chunk / each.max(1)).max(1);
    let mut bins = Vec::new();
    let mut time = start;
    while time <= stop {
        if bins.len() >= most {
            let load = Load::Steps { first: iso(start), last: iso(stop), most };
            let needed = (most as u64 + 1).saturating_mul(each as u64);
            return Err(Error::TooLarge { load, needed, limit: limits.chunk as u64 });
        }
        bins.push(Bin { time, groups: Vec::new() });
        let count = u32::try_from(bins.len()).map_err(|_| too_far())?;
        time = step.after(start, count).ok_or_else(too_far)?;
    }
    match options.reduce {
        Reduce::Nearest => pick_nearest(&mut bins, &groups, step, options.time_tolerance),
        _ => {
            for (time, group) in groups {
                let after = bins.partition_point(|bin| bin.time <= time);
                if let Some(bin) = after.checked_sub(1).and_then(|i| bins.get_mut(i)) {
                    bin.groups.push(group);
                }
            }
        }
    }
    Ok(bins)
}

/// Without a tolerance a step has what lies in it, or nothing: a neighbour's file is of another time.
fn pick_nearest(bins: &mut [Bin], groups: &[(i64, Vec<usize>)], step: Step, tolerance: Option<Step>) {
    for bin in bins {
        let after = groups.partition_point(|(time, _)| *time < bin.time);
        let Some(tolerance) = tolerance else {
            let next = step.after(bin.time, 1).unwrap_or(i64::MAX);
            let first = groups.get(after).filter(|(time, _)| *time < next);
            bin.groups.extend(first.map(|(_, group)| group.clone()));
            continue;
        };
        let before = after.checked_sub(1).and_then(|i| groups.get(i));
        let far = |time: i64| bin.time.abs_diff(time);
        let near = match (before, groups.get(after)) {
            (Some(a), Some(b)) if far(a.0) <= far(b.0) => Some(a),
            (_, Some(b)) => Some(b),
            (a, None) => a,
        };
        let most = tolerance.after(bin.time, 1).map_or(u64::MAX, |next| bin.time.abs_diff(next));
        if let Some((_, group)) = near.filter(|(time, _)| far(*time) <= most) {
            bin.groups.push(group.clone());
        }
    }
}

/// Fills `out`, `[time, band, row, col]`, with one read for each step, on up to `limits.threads` threads. Returns the
/// runs without a pixel, in order.
///
/// # Errors
/// As `mosaic::read_slice`; a median of more than a chunk may hold.
pub fn read_series(
    scenes: &[Scene],
    bins: &[Bin],
    slice: &Slice,
    options: &SeriesOptions,
    limits: &Limits,
    out: &mut [f32],
) -> Result<Vec<Range<usize>>> {
    let length = (out.len() / bins.len().max(1)).max(1);
    let outside = options.slice.patch.within.as_ref().map(|within| within.outside(slice)).transpose()?;
    let touched = AtomicBool::new(false);
    let all: Mutex<Vec<(usize, Gaps)>> = Mutex::default();
    let mut jobs: Vec<_> = bins.iter().zip(out.chunks_mut(length)).enumerate().collect();
    let paths = || scenes.iter().flat_map(Scene::paths);
    open_ahead(paths());
    workers::each(&mut jobs, remote::threads(limits.threads, paths()), |(index, (bin, part))| {
        let (mut runs, met) = read_bin(scenes, bin, slice, options, limits, part)?;
        if met {
            touched.store(true, Relaxed);
        }
        if let Some(outside) = &outside {
            runs = outside.cut(runs, part.len());
        }
        runs = fill(runs, options.slice.patch.fill, part);
        if !runs.is_empty() {
            all.lock().unwrap_or_else(PoisonError::into_inner).push((*index * length, runs));
        }
        Ok(())
    })?;
    if !touched.load(Relaxed) && !options.slice.patch.boundless {
        return Err(untouched(scenes, slice));
    }
    let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.sort_unstable_by_key(|(base, _)| *base);
    Ok(all
        .into_iter()
        .flat_map(|(base, runs)| runs.into_iter().map(move |r| r.start + base..r.end + base))
        .collect())
}

fn read_bin(
    scenes: &[Scene],
    bin: &Bin,
    slice: &Slice,
    options: &SeriesOptions,
    limits: &Limits,
    out: &mut [f32],
) -> Result<(Gaps, bool)> {
    let named =
        |group: &[usize]| -> Vec<Scene> { group.iter().filter_map(|i| scenes.get(*i).cloned()).collect() };
    let merge = match options.reduce {
        Reduce::Merge(Merge::Count) => Merge::Count,
        Reduce::Merge(merge) => merge,
        Reduce::Nearest | Reduce::Median => Merge::First,
    };
    if let ([group], false) = (bin.groups.as_slice(), merge == Merge::Count) {
        return merged(&named(group), slice, &options.slice, out);
    }
    let is_median = options.reduce == Reduce::Median;
    let held = bin.groups.len().saturating_mul(out.len()).saturating_mul(4);
    if is_median {
        limits.allow(held, || Load::Median { times: bin.groups.len(), slice: slice.to_string() })?;
    }
    let mut touched = false;
    let mut merger = Merger::new(merge, out.len());
    let mut stack: Vec<(Vec<f32>, Vec<u8>)> = Vec::new();
    let mut pixels = vec![0.0f32; out.len()];
    // As for files that overlap, the last pixel is the first from the end.
    let order: Box<dyn Iterator<Item = &Vec<usize>>> = match merge {
        Merge::Last => Box::new(bin.groups.iter().rev()),
        _ => Box::new(bin.groups.iter()),
    };
    for group in order {
        let (runs, met) = merged(&named(group), slice, &options.slice, &mut pixels)?;
        touched |= met;
        let mut valid = vec![1u8; out.len()];
        for run in runs {
            if let Some(gap) = valid.get_mut(run) {
                gap.fill(0);
            }
        }
        if is_median {
            stack.push((pixels.clone(), valid));
        } else {
            merger.add_pixels(&pixels, &valid, out);
            if merger.is_full() {
                break;
            }
        }
    }
    let runs = if is_median { median(&stack, out) } else { merger.finish(out) };
    Ok((runs, touched))
}

/// The middle value of each pixel, or the mean of the two in the middle. NaN makes NaN.
fn median(stack: &[(Vec<f32>, Vec<u8>)], out: &mut [f32]) -> Gaps {
    let mut empty = vec![false; out.len()];
    let mut values: Vec<f32> = Vec::with_capacity(stack.len());
    for (i, (cell, empty)) in out.iter_mut().zip(&mut empty).enumerate() {
        values.clear();
        let there = stack.iter().filter(|(_, valid)| valid.get(i).is_some_and(|v| *v != 0));
        values.extend(there.filter_map(|(pixels, _)| pixels.get(i)));
        values.sort_unstable_by(f32::total_cmp);
        let middle = values.len() / 2;
        let (low, high) = (middle.checked_sub(1).and_then(|i| values.get(i)), values.get(middle));
        match (low, high) {
            _ if values.iter().any(|v| v.is_nan()) => *cell = f32::NAN,
            (Some(low), Some(high)) if values.len().is_multiple_of(2) => {
                *cell = ((f64::from(*low) + f64::from(*high)) / 2.0) as f32;
            }
            (_, Some(high)) => *cell = *high,
            _ => *empty = true,
        }
    }
    gaps(&empty, |empty| *empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbox::Bbox;
    use crate::crs::Crs;
    use crate::read::patch::PatchOptions;
    use crate::resampling::Resampling;
    use crate::resampling::Warp;

    fn day(year: i32, month: u32, day: u32) -> i64 {
        let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
        date.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp_micros()
    }

    fn options(step: &str, reduce: Reduce) -> SeriesOptions {
        let warp = Warp {
            resampling: Resampling::Nearest,
            tolerance: 0.0,
            scaled: false,
            nodata: None,
            dtype: None,
        };
        let slice = SliceOptions { patch: PatchOptions::default(), warp, merge: Merge::First, mask: None };
        SeriesOptions { slice, step: Step::parse(step), reduce, time_tolerance: None }
    }

    fn hundred() -> Limits {
        Limits { chunk: 100, ..Limits::default() }
    }

    fn slice(t_min: Option<i64>, t_max: Option<i64>) -> Slice {
        let bbox = Bbox { xmin: 0.0, ymin: 0.0, xmax: 1.0, ymax: 1.0 };
        Slice::new(bbox, Crs::lon_lat(), (t_min, t_max), 1, 1).unwrap()
    }

    fn members(bins: &[Bin]) -> Vec<Vec<usize>> {
        bins.iter().map(|bin| bin.groups.concat()).collect()
    }

    #[test]
    fn steps_are_read_as_people_write_them() {
        assert_eq!(Step::parse("month"), Some(Step::Months(1)));
        assert_eq!(Step::parse("1 year"), Some(Step::Months(12)));
        assert_eq!(Step::parse("10 days"), Some(Step::Micros(10 * DAY)));
        assert_eq!(Step::parse("01:30:00"), Some(Step::Micros(5400 * SECOND)));
        assert_eq!(
            (Step::of(3, 0, 0), Step::of(0, 7, 0)),
            (Some(Step::Months(3)), Some(Step::Micros(7 * DAY)))
        );
        assert_eq!((Step::of(1, 1, 0), Step::of(0, 0, 0)), (None, None));
        for bad in ["", "0 days", "-1 months", "fortnight", "1.5 days", "99999999999999999 weeks"] {
            assert_eq!(Step::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn months_begin_with_a_month_and_hold_each_file_once() {
        let times = [day(2020, 3, 31), day(2020, 1, 15), day(2020, 3, 1), day(2020, 1, 15)];
        let bins =
            axis(&times, &slice(None, None), &options("month", Reduce::Median), 1, &hundred()).unwrap();
        assert_eq!(
            bins.iter().map(|b| b.time).collect::<Vec<_>>(),
            [day(2020, 1, 1), day(2020, 2, 1), day(2020, 3, 1)]
        );
        assert_eq!(members(&bins), [vec![1, 3], vec![], vec![2, 0]]);
        assert_eq!(bins[0].groups.len(), 1, "files of one time are one mosaic");
    }

    #[test]
    fn the_nearest_file_lies_in_its_step() {
        let times = [day(2020, 1, 16), day(2020, 1, 5), day(2020, 3, 31)];
        let monthly = options("month", Reduce::Nearest);
        let bins = axis(&times, &slice(None, None), &monthly, 1, &hundred()).unwrap();
        assert_eq!(members(&bins), [vec![1], vec![], vec![2]]);
        let whole =
            axis(&times, &slice(None, None), &options("all", Reduce::Nearest), 1, &hundred()).unwrap();
        assert_eq!(members(&whole), [vec![1]]);
        // At noon, half a step from two of them.
        let noons = [0, 2].map(|n| day(2020, 1, 1) + n * DAY + DAY / 2);
        let bins = axis(&noons, &slice(None, None), &options("day", Reduce::Nearest), 1, &hundred()).unwrap();
        assert_eq!(members(&bins), [vec![0], vec![], vec![1]]);
    }

    #[test]
    fn the_nearest_file_is_no_farther_than_the_tolerance_and_the_earlier_of_two() {
        let times = [day(2020, 1, 1), day(2020, 1, 3), day(2020, 1, 9)];
        let daily = SeriesOptions { time_tolerance: Step::parse("day"), ..options("day", Reduce::Nearest) };
        let bins = axis(&times, &slice(None, None), &daily, 1, &hundred()).unwrap();
        let picked = members(&bins);
        assert_eq!(picked[..4], [vec![0], vec![0], vec![1], vec![1]]);
        assert_eq!(picked[4..], [vec![], vec![], vec![], vec![2], vec![2]]);
    }

    #[test]
    fn the_interval_of_the_slice_is_closed_and_sets_the_axis() {
        let times = [day(2020, 1, 1), day(2020, 1, 2), day(2020, 1, 3)];
        let closed = slice(Some(day(2020, 1, 2)), Some(day(2020, 1, 3)));
        let bins = axis(&times, &closed, &options("none", Reduce::Nearest), 1, &hundred()).unwrap();
        assert_eq!(members(&bins), [vec![1], vec![2]]);
        let later = slice(Some(day(2021, 1, 1)), None);
        assert!(axis(&times, &later, &options("day", Reduce::Nearest), 1, &hundred()).is_err());
        assert!(axis(&times, &slice(None, None), &options("second", Reduce::Median), 1, &hundred()).is_err());
    }

    #[test]
    fn a_median_of_two_is_their_mean() {
        let stack = [(vec![1.0, 5.0, 0.0], vec![1, 1, 0]), (vec![2.0, 9.0, 0.0], vec![1, 0, 0])];
        let mut out = [0.0; 3];
        assert_eq!(median(&stack, &mut out).last(), Some(&(2..3)));
        assert_eq!(out[..2], [1.5, 5.0]);
    }
}
