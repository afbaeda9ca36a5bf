//! Axes: which indices of a dimension a value, a range or an index names. Nothing is read here.

use crate::error::{Bounds, Error, Result};
use crate::format::hyperslab::Run;
use crate::interval::{Interval, iso};

/// The coordinates of one dimension.
#[derive(Debug)]
pub struct Axis {
    /// Its dimension.
    pub name: String,
    /// Of its values.
    pub unit: Option<String>,
    /// The coordinate variable's values; NaN where there is none.
    pub values: Vec<f64>,
    /// Of a time axis: microseconds since 1970, UTC.
    pub instants: Option<Vec<Option<i64>>>,
    /// The instants in the file's own calendar, which tell days apart that TIMESTAMP's lacks.
    exact: Option<Vec<Option<i64>>>,
    /// What each time stands for, by the axis's bounds.
    cells: Vec<Option<Interval>>,
    /// What indices are told by: the instants of a time axis, else the values; longitudes run on where they jump by a turn.
    keys: Vec<f64>,
    /// Places in the order of their keys, those without one left out.
    order: Vec<usize>,
    longitude: bool,
    single: bool,
    /// Why the times of a time axis are not known: then it is one of numbers.
    undecoded: Option<Error>,
}

/// What a user names on an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Point {
    /// A value on an axis of numbers.
    Number(f64),
    /// A date stands for the whole of it.
    Time(Interval),
}

/// Which indices of a dimension are wanted.
// A variant's line says what its fields are.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// The index nearest to a value, or the one that a date holds.
    At(Point),
    /// All indices from one value to another, both inside.
    Between(Point, Point),
    /// One index; negative ones count from the end.
    Index(i64),
    /// Places from one to another, both inside.
    Indices(i64, i64),
    /// Python's `start:stop:step`.
    Steps { start: Option<i64>, stop: Option<i64>, step: i64 },
}

/// The indices of one dimension that were selected.
#[derive(Debug, Clone, PartialEq)]
pub struct Selected {
    /// The indices, in order.
    pub runs: Vec<Run>,
    /// What to add to the coordinates of each run: a turn around the globe, or nothing.
    pub shifts: Vec<f64>,
    /// The dimension stays: it was not selected by one value or index.
    pub kept: bool,
}

impl Selected {
    /// Every index, and the dimension stays.
    pub fn all(size: u64) -> Selected {
        Selected { runs: vec![Run::all(size)], shifts: vec![0.0], kept: true }
    }

    fn runs(runs: Vec<Run>) -> Selected {
        Selected { shifts: vec![0.0; runs.len()], runs, kept: true }
    }

    fn one(index: u64) -> Selected {
        Selected { kept: false, ..Selected::runs(vec![Run { start: index, count: 1, step: 1 }]) }
    }
}

/// A selection as the user gave it: dimensions by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// By the user's name of a dimension.
    pub dims: Vec<(String, Wanted)>,
    /// How far the nearest value may lie, in the axis's units; seconds on a time axis.
    pub tolerance: Option<f64>,
}

/// A turn around the globe.
const TURN: f64 = 360.0;
/// Microseconds.
const DAY: f64 = 86_400e6;

/// The indices of a dimension of `size` that are wanted.
///
/// # Errors
/// As [`select`].
pub fn resolve(
    dim: &str,
    size: u64,
    axis: Option<&Axis>,
    wanted: &Wanted,
    tolerance: Option<f64>,
) -> Result<Selected> {
    let by_value = || axis.ok_or_else(|| Error::NoAxis { name: dim.into(), dims: vec![dim.into()] });
    match *wanted {
        Wanted::At(point) => by_value()?.at(point, tolerance),
        Wanted::Between(from, to) => by_value()?.between(from, to),
        Wanted::Index(index) => Ok(Selected::one(from_start(dim, size, index)?)),
        Wanted::Indices(first, last) => {
            let (start, stop) = (from_start(dim, size, first)?, from_start(dim, size, last)?);
            if start > stop {
                let problem = format!("places {first} to {last} of dimension \"{dim}\" run backwards");
                return Err(Error::conflict(problem, "Give the lower one first"));
            }
            Ok(Selected::runs(vec![Run { start, count: stop - start + 1, step: 1 }]))
        }
        Wanted::Steps { start, stop, step } => {
            let step = u64::try_from(step).ok().filter(|step| *step > 0);
            let step = step.ok_or_else(|| Error::invalid("a step below 1", "a step of at least 1"))?;
            // Python's rule: bounds beyond the ends are cut to them.
            let cut = |index: Option<i64>, default: u64| match index {
                None => default,
                Some(index) if index < 0 => size.saturating_sub(index.unsigned_abs()),
                Some(index) => size.min(index.unsigned_abs()),
            };
            let (start, stop) = (cut(start, 0), cut(stop, size));
            let count = stop.saturating_sub(start).div_ceil(step);
            if count == 0 {
                let problem =
                    format!("no place of dimension \"{dim}\", which has {size}, lies in {start}:{stop}");
                return Err(Error::conflict(problem, "The stop is not inside"));
            }
            Ok(Selected::runs(vec![Run { start, count, step }]))
        }
    }
}

fn from_start(dim: &str, size: u64, index: i64) -> Result<u64> {
    let counted = if index < 0 { size.checked_sub(index.unsigned_abs()) } else { Some(index.unsigned_abs()) };
    counted.filter(|counted| *counted < size).ok_or_else(|| {
        let extent = match size {
            0 => "is empty".into(),
            size => format!("has the indices 0 to {}, or -1 to -{size} from the end", size - 1),
        };
        Error::out_of_range(format!("index {index}"), Bounds::Axis { name: dim.into(), extent })
    })
}

impl Axis {
    /// An axis from its coordinates; `single` when they are stored as float32.
    pub fn new(
        name: &str,
        unit: Option<String>,
        values: Vec<f64>,
        instants: Option<Vec<Option<i64>>>,
        longitude: bool,
        single: bool,
    ) -> Axis {
        let keys: Vec<f64> = match &instants {
            Some(instants) => instants.iter().map(|t| t.map_or(f64::NAN, |t| t as f64)).collect(),
            None if longitude => run_on(&values),
            None => values.clone(),
        };
        let mut order: Vec<usize> = (0..keys.len()).filter(|&i| keys[i].is_finite()).collect();
        order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
        let single = single && instants.is_none();
        Axis {
            name: name.into(),
            unit,
            values,
            instants,
            exact: None,
            cells: Vec::new(),
            keys,
            order,
            longitude,
            single,
            undecoded: None,
        }
    }

    /// The same axis, with its instants in the file's own calendar.
    #[must_use]
    pub fn in_calendar(self, exact: Option<Vec<Option<i64>>>) -> Axis {
        Axis { exact, ..self }
    }

    /// The same axis, with what each of its times stands for.
    #[must_use]
    pub fn in_cells(self, cells: Vec<Option<Interval>>) -> Axis {
        Axis { cells, ..self }
    }

    /// What a time stands for, by its index.
    pub fn cell(&self, index: usize) -> Option<Interval> {
        self.cells.get(index).copied().flatten()
    }

    /// The place of the one time whose interval holds all of another; none where several do.
    fn holder(&self, from: f64, to: f64) -> Option<usize> {
        let holds = |cell: &Option<Interval>| {
            cell.is_some_and(|cell| cell.start as f64 <= from && to <= cell.stop as f64)
        };
        let mut holders = (0..self.cells.len()).filter(|&index| self.cells.get(index).is_some_and(holds));
        let one = holders.next().filter(|_| holders.next().is_none())?;
        self.order.iter().position(|&index| index == one)
    }

    /// A time by its index, in the file's own calendar where that is known.
    pub fn exact(&self, index: usize) -> Option<i64> {
        let times = self.exact.as_ref().or(self.instants.as_ref())?;
        times.get(index).copied().flatten()
    }

    /// What to add to the value at an index so that it is its key, and then to that.
    fn shift(&self, index: usize, further: f64) -> f64 {
        match (self.longitude, self.keys.get(index).zip(self.values.get(index))) {
            (true, Some((key, value))) => ((key + further - value) / TURN).round() * TURN,
            _ => further,
        }
    }

    /// The same axis, whose times are not known for this reason.
    #[must_use]
    pub fn undecoded(self, undecoded: Option<Error>) -> Axis {
        Axis { undecoded, ..self }
    }

    /// Why its indices are not told by times.
    pub fn no_time(&self) -> Error {
        let plain = || Error::invalid("a time", format!("a number: \"{}\" is not a time axis", self.name));
        self.undecoded.clone().unwrap_or_else(plain)
    }

    /// A point as a closed interval of keys. Coordinates stored as float32 meet values of that precision.
    fn span(&self, point: Point) -> Result<(f64, f64)> {
        match (point, &self.instants) {
            (Point::Number(value), None) if value.is_finite() => {
                let value = if self.single { f64::from(value as f32) } else { value };
                Ok((value, value))
            }
            (Point::Time(interval), Some(_)) => Ok((interval.start as f64, interval.stop as f64)),
            (Point::Number(value), None) => Err(Error::invalid(value, "a finite number")),
            (Point::Number(value), Some(_)) => {
                Err(Error::invalid(value, format!("a TIMESTAMP or a DATE: \"{}\" is a time axis", self.name)))
            }
            (Point::Time(_), None) if self.undecoded.is_some() => Err(self.no_time()),
            (Point::Time(time), None) => Err(Error::invalid(
                iso(time.start),
                format!("a number: \"{}\" is not a time axis", self.name),
            )),
        }
    }

    /// The key of the n-th index in their order.
    fn key(&self, n: usize) -> Option<f64> {
        self.order.get(n).and_then(|&index| self.keys.get(index)).copied()
    }

    /// How many keys are below a value.
    fn below(&self, value: f64) -> usize {
        self.order.partition_point(|&index| self.keys.get(index).is_some_and(|key| *key < value))
    }

    /// From half a step before the lowest key to half a step behind the highest.
    fn extent(&self) -> Option<(f64, f64)> {
        let n = self.order.len();
        let (first, last) = (self.key(0)?, self.key(n.checked_sub(1)?)?);
        let half = |a: Option<f64>, b: Option<f64>| a.zip(b).map_or(0.0, |(a, b)| (b - a) / 2.0);
        Some((
            first - half(self.key(0), self.key(1)),
            last + half(self.key(n.wrapping_sub(2)), self.key(n - 1)),
        ))
    }

    fn at(&self, point: Point, tolerance: Option<f64>) -> Result<Selected> {
        let (from, to) = self.span(point)?;
        let within = self.order.partition_point(|&index| self.keys.get(index).is_some_and(|key| *key <= to));
        let many = within.saturating_sub(self.below(from));
        let holder = self.holder(from, to);
        if to > from && many > 1 && holder.is_none() {
            let (from, to) = (iso(from as i64), iso(to as i64));
            let problem = format!("axis \"{}\" has {many} values from {from} to {to}", self.name);
            let remedy = format!("Give ['{from}', '{to}'] for all of them, or a TIMESTAMP for one");
            return Err(Error::conflict(problem, remedy));
        }
        // A month or a year is not the one beside it.
        if self.instants.is_some() && to - from > DAY && many == 0 && holder.is_none() && tolerance.is_none()
        {
            return Err(self.off(point));
        }
        let Some((lowest, highest)) = self.extent() else { return Err(self.off(point)) };
        // The lowest turn that does not leave the value below the axis.
        let turn = ((lowest - to) / TURN).ceil() * TURN;
        let off = to < lowest || from > highest;
        let shift = if self.longitude && off && from + turn <= highest { turn } else { 0.0 };
        let (from, to) = (from + shift, to + shift);
        let after = self.below(from);
        let distance = |key: f64| (from - key).max(key - to).max(0.0);
        let left = after.checked_sub(1).and_then(|n| Some((distance(self.key(n)?), n)));
        let right = self.key(after).map(|key| (distance(key), after));
        // Of two as near the larger: pandas' rule.
        let nearest = match (left, right) {
            (Some(left), Some(right)) => Some(if left.0 < right.0 { left } else { right }),
            (one, other) => one.or(other),
        };
        let held = holder.and_then(|n| Some((distance(self.key(n)?), n)));
        let nearest = held.or(nearest);
        let Some((away, n)) = nearest else { return Err(self.off(point)) };
        let unit = if self.instants.is_some() { 1e6 } else { 1.0 };
        let near = match tolerance {
            Some(tolerance) => away <= tolerance * unit,
            None => held.is_some() || to >= lowest && from <= highest,
        };
        let Some(&index) = self.order.get(n).filter(|_| near) else { return Err(self.off(point)) };
        self.check_one(n, index)?;
        Ok(Selected { shifts: vec![self.shift(index, -shift)], ..Selected::one(index as u64) })
    }

    /// Refuses a time that stands at several indices: none of them is meant more than another.
    fn check_one(&self, n: usize, index: usize) -> Result<()> {
        let (Some(_), Some(key)) = (&self.instants, self.keys.get(index)) else { return Ok(()) };
        if self.key(n.wrapping_sub(1)) != Some(*key) && self.key(n + 1) != Some(*key) {
            return Ok(());
        }
        let same: Vec<usize> = (0..self.keys.len()).filter(|&i| self.keys.get(i) == Some(key)).collect();
        if same.len() < 2 {
            return Ok(());
        }
        let days = self.exact.as_ref().is_some_and(|exact| {
            same.iter().any(|&i| exact.get(i) != same.first().and_then(|&first| exact.get(first)))
        });
        let why = if days {
            ": its calendar has days that TIMESTAMP's lacks, which are the last of their month"
        } else {
            ""
        };
        let problem =
            format!("axis \"{}\" has {} values of {}{why}", self.name, same.len(), iso(*key as i64));
        let indices: Vec<String> = same.iter().map(usize::to_string).collect();
        let remedy =
            format!("Select by index, one of {}, or take all of them as a range", indices.join(", "));
        Err(Error::conflict(problem, remedy))
    }

    fn between(&self, from: Point, to: Point) -> Result<Selected> {
        let ((low, _), (_, high)) = (self.span(from)?, self.span(to)?);
        if low > high {
            let problem = format!("the range on axis \"{}\" ends before it starts", self.name);
            let mut remedy = "Give the lower value first, whichever way the axis runs".to_string();
            if self.longitude && low - TURN <= high {
                remedy = format!("{remedy}: [{}, {high}] runs east over the seam", low - TURN);
            }
            return Err(Error::conflict(problem, remedy));
        }
        let beyond = self.extent().filter(|(lowest, highest)| low < *lowest || high > *highest);
        let turns = match beyond.filter(|_| self.longitude) {
            // An index is taken once, so two turns and a part of a third are all that a range can need.
            Some((_, highest)) => {
                let first = ((low - highest) / TURN).ceil();
                vec![first * TURN, (first + 1.0) * TURN, (first + 2.0) * TURN]
            }
            None => vec![0.0],
        };
        // From west to east: the part that lies a turn further west goes first, if the axis runs eastwards.
        let eastwards = self.keys.first() <= self.keys.last();
        let (mut runs, mut shifts) = (Vec::<Run>::new(), Vec::new());
        let mut taken = vec![false; if turns.len() > 1 { self.keys.len() } else { 0 }];
        for n in 0..turns.len() {
            let turn = if eastwards { turns[n] } else { turns[turns.len() - 1 - n] };
            let mut open = false;
            for (index, key) in self.keys.iter().enumerate() {
                let here =
                    (low..=high).contains(&(key + turn)) && !taken.get(index).copied().unwrap_or(false);
                if here && let Some(taken) = taken.get_mut(index) {
                    *taken = true;
                }
                let shift = self.shift(index, turn);
                match runs.last_mut().filter(|_| here && open && shifts.last() == Some(&shift)) {
                    Some(run) => run.count += 1,
                    None if here => {
                        runs.push(Run { start: index as u64, count: 1, step: 1 });
                        shifts.push(shift);
                    }
                    None => {}
                }
                open = here;
            }
        }
        // Between two times of the axis: what is meant is the time whose interval goes on over all of it.
        if runs.is_empty()
            && let Some(&index) = self.holder(low, high).and_then(|n| self.order.get(n))
        {
            runs.push(Run { start: index as u64, count: 1, step: 1 });
            shifts.push(0.0);
        }
        if runs.is_empty() {
            return Err(self.off_range(from, to));
        }
        Ok(Selected { runs, shifts, kept: true })
    }

    /// The values at the indices that were selected.
    pub fn values_at(&self, selected: &Selected) -> Vec<f64> {
        let run = |(run, shift): (&Run, &f64)| -> Vec<f64> {
            run.indices().map(|p| self.values.get(p as usize).map_or(f64::NAN, |v| v + shift)).collect()
        };
        selected.runs.iter().zip(&selected.shifts).flat_map(run).collect()
    }

    /// The instants at the indices that were selected, of a time axis.
    pub fn instants_at(&self, selected: &Selected) -> Option<Vec<Option<i64>>> {
        let instants = self.instants.as_ref()?;
        let indices = selected.runs.iter().flat_map(|run| run.indices());
        Some(indices.map(|index| instants.get(index as usize).copied().flatten()).collect())
    }

    fn off(&self, point: Point) -> Error {
        let value = match point {
            Point::Number(value) => value.to_string(),
            Point::Time(time) => iso(time.start),
        };
        Error::out_of_range(value, Bounds::Axis { name: self.name.clone(), extent: self.says() })
    }

    fn off_range(&self, from: Point, to: Point) -> Error {
        let show = |point: Point, last: bool| match point {
            Point::Number(value) => value.to_string(),
            Point::Time(time) => iso(if last { time.stop } else { time.start }),
        };
        let value = format!("a value from {} to {}", show(from, false), show(to, true));
        Error::out_of_range(value, Bounds::Axis { name: self.name.clone(), extent: self.says() })
    }

    fn says(&self) -> String {
        let (Some(first), Some(last)) = (self.key(0), self.key(self.order.len().wrapping_sub(1))) else {
            return "has no values".into();
        };
        let show = |key: f64| match (&self.instants, &self.unit) {
            (Some(_), _) => iso(key as i64),
            (None, Some(unit)) => format!("{key} {unit}"),
            (None, None) => key.to_string(),
        };
        match self.order.len() {
            1 => format!("has the one value {}: give a tolerance to take it for one near by", show(first)),
            n => format!("has {n} values from {} to {}", show(first), show(last)),
        }
    }
}

/// Longitudes that jump by a turn, over Greenwich or the date line, made to run on; others stay.
fn run_on(values: &[f64]) -> Vec<f64> {
    let mut before = None;
    let onward = |value: &f64| {
        let here = before.map_or(*value, |before: f64| value + ((before - value) / TURN).round() * TURN);
        before = Some(here);
        here
    };
    let onward: Vec<f64> = values.iter().map(onward).collect();
    let steps = || onward.iter().zip(onward.iter().skip(1)).map(|(a, b)| b - a);
    let one_way = steps().all(|step| step > 0.0) || steps().all(|step| step < 0.0);
    let around = onward.first().zip(onward.last()).is_some_and(|(first, last)| (last - first).abs() > TURN);
    if one_way && !around { onward } else { values.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(values: &[f64]) -> Axis {
        Axis::new("a", None, values.to_vec(), None, false, false)
    }

    fn indices(selected: Result<Selected>) -> Vec<u64> {
        selected.unwrap().runs.iter().flat_map(|run| run.indices()).collect()
    }

    fn number(value: f64) -> Point {
        Point::Number(value)
    }

    #[test]
    fn the_nearest_place_wins_and_ties_go_to_the_larger_value() {
        let up = axis(&[0.0, 10.0, 20.0]);
        let down = axis(&[20.0, 10.0, 0.0]);
        for (value, index) in [(-5.0, 0), (4.9, 0), (5.0, 1), (14.0, 1), (25.0, 2)] {
            assert_eq!(indices(up.at(number(value), None)), [index]);
            assert_eq!(indices(down.at(number(value), None)), [2 - index]);
        }
        assert!(up.at(number(-5.1), None).is_err() && up.at(number(25.1), None).is_err());
        assert!(up.at(number(26.0), Some(6.0)).is_ok() && up.at(number(3.0), Some(2.0)).is_err());
        assert!(axis(&[3.0]).at(number(3.1), None).is_err());
        assert!(axis(&[]).at(number(0.0), None).is_err() && axis(&[f64::NAN]).at(number(0.0), None).is_err());
    }

    #[test]
    fn ranges_hold_both_ends_whichever_way_the_axis_runs() {
        let between = |values: &[f64], low, high| indices(axis(values).between(number(low), number(high)));
        assert_eq!(between(&[0.0, 1.0, 2.0, 3.0], 1.0, 2.0), [1, 2]);
        assert_eq!(between(&[3.0, 2.0, 1.0, 0.0], 1.0, 2.0), [1, 2]);
        assert_eq!(between(&[0.0, 5.0, 1.0, 6.0], 0.0, 2.0), [0, 2]);
        assert!(axis(&[0.0, 1.0]).between(number(0.2), number(0.8)).is_err());
        assert!(axis(&[0.0, 1.0]).between(number(1.0), number(0.0)).is_err());
    }

    #[test]
    fn longitudes_go_around_the_globe() {
        let values: Vec<f64> = (0..36).map(|i| f64::from(i) * 10.0).collect();
        let lon = Axis::new("lon", None, values, None, true, false);
        assert_eq!(indices(lon.at(number(-10.0), None)), [35]);
        let west = lon.between(number(-20.0), number(20.0)).unwrap();
        assert_eq!(lon.values_at(&west), [-20.0, -10.0, 0.0, 10.0, 20.0]);
        assert_eq!(indices(lon.at(number(710.0), None)), [35]);
        let all = lon.between(number(-180.0), number(180.0)).unwrap();
        assert_eq!(lon.values_at(&all).len(), 36);
        assert_eq!(lon.values_at(&all)[0], -180.0);
        assert_eq!(indices(lon.between(number(0.0), number(360.0))).len(), 36);
    }

    #[test]
    fn longitudes_that_jump_by_a_turn_run_on() {
        for values in [[358.5, 359.5, 0.5, 1.5], [178.5, 179.5, -179.5, -178.5], [1.5, 0.5, 359.5, 358.5]] {
            let lon = Axis::new("lon", None, values.to_vec(), None, true, false);
            for (index, value) in values.iter().enumerate() {
                for turn in [-360.0, 0.0, 360.0] {
                    let one = lon.at(number(value + turn), None).unwrap();
                    assert_eq!(lon.values_at(&one), [value + turn]);
                    assert_eq!(indices(Ok(one)), [index as u64]);
                }
                assert!(lon.at(number(value + 90.0), None).is_err());
            }
            assert_eq!(lon.values_at(&Selected::all(4)), values);
        }
        let lon = Axis::new("lon", None, vec![358.5, 359.5, 0.5, 1.5], None, true, false);
        let over = lon.between(number(-1.0), number(1.0)).unwrap();
        assert_eq!(lon.values_at(&over), [-0.5, 0.5]);
    }

    #[test]
    fn a_time_that_stands_twice_is_not_taken_for_one() {
        let times = vec![Some(0), Some(5), Some(5), Some(9)];
        let time = Axis::new("time", None, vec![0.0; 4], Some(times), false, false);
        let at = |t: i64| time.at(Point::Time(Interval { start: t, stop: t }), None);
        assert_eq!(indices(at(9)), [3]);
        assert!(at(5).is_err() && at(6).is_err());
    }

    #[test]
    fn a_time_is_that_whose_interval_holds_it() {
        let at = |axis: &Axis, start: i64, stop: i64| {
            axis.at(Point::Time(Interval { start, stop }), None).map(|one| indices(Ok(one))[0])
        };
        let cells = |bounds: &[(i64, i64)]| {
            bounds.iter().map(|&(start, stop)| Some(Interval { start, stop })).collect::<Vec<_>>()
        };
        let axis = |times: &[i64]| {
            let times: Vec<_> = times.iter().copied().map(Some).collect();
            Axis::new("time", None, vec![0.0; times.len()], Some(times), false, false)
        };
        // Labels in the middle, at the start and at the end of what they stand for.
        for labels in [[5, 20, 35], [0, 10, 30], [10, 30, 40]] {
            let held = axis(&labels).in_cells(cells(&[(0, 9), (10, 29), (30, 39)]));
            for time in 0..40 {
                let want = [9, 29, 39].iter().position(|stop| time <= *stop).unwrap() as u64;
                assert_eq!(at(&held, time, time), Ok(want), "{labels:?} {time}");
            }
            assert_eq!(at(&held, 10, 29), Ok(1));
            assert_eq!(
                indices(held.between(
                    Point::Time(Interval { start: 22, stop: 22 }),
                    Point::Time(Interval { start: 24, stop: 24 })
                )),
                [1]
            );
        }
        // What lies in two intervals goes by the labels again: a day of data from noon to noon is that of its midnight.
        let noon = axis(&[0, 24, 48]).in_cells(cells(&[(-12, 11), (12, 35), (36, 59)]));
        assert_eq!(at(&noon, 24, 47), Ok(1));
        // So does what lies in overlapping ones, and in none.
        let climatology = axis(&[0, 10, 20]).in_cells(cells(&[(0, 100), (0, 100), (0, 100)]));
        assert_eq!(at(&climatology, 11, 11), Ok(1));
        assert!(at(&noon, 90, 90).is_err());
    }

    #[test]
    fn a_month_without_a_value_is_not_the_month_beside_it() {
        let day = DAY as i64;
        let times = [0, 59, 90].map(|days| Some(days * day)).to_vec();
        let time = Axis::new("time", None, vec![0.0; 3], Some(times), false, false);
        let at = |first: i64, last: i64, tolerance: Option<f64>| {
            let month = Interval { start: first * day, stop: (last + 1) * day - 1 };
            time.at(Point::Time(month), tolerance)
        };
        assert_eq!(indices(at(59, 89, None)), [1]);
        assert!(at(31, 58, None).unwrap_err().to_string().contains("1970-02-01"));
        assert_eq!(indices(at(31, 58, Some(5.0 * 86_400.0))), [1]);
        // A day goes to the nearest, as a time does.
        assert_eq!(indices(at(58, 58, None)), [1]);
    }

    #[test]
    fn indices_count_from_both_ends_and_steps_are_pythons() {
        let resolve = |wanted| resolve("d", 5, None, &wanted, None);
        assert_eq!(indices(resolve(Wanted::Index(-1))), [4]);
        assert!(resolve(Wanted::Index(5)).is_err() && resolve(Wanted::Index(-6)).is_err());
        assert_eq!(indices(resolve(Wanted::Indices(1, -2))), [1, 2, 3]);
        let steps = |start, stop, step| resolve(Wanted::Steps { start, stop, step });
        assert_eq!(indices(steps(None, None, 2)), [0, 2, 4]);
        assert_eq!(indices(steps(Some(-3), Some(99), 1)), [2, 3, 4]);
        assert!(steps(Some(3), Some(3), 1).is_err() && steps(None, None, 0).is_err());
    }
}
