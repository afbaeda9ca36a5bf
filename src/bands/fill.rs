//! Gaps filled: in a plane from the pixels around them, along time from the steps before and after.

use crate::error::Result;
use crate::workers::go_on;

/// How a gap in a plane gets its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Around {
    /// The nearest pixel of each quadrant, weighed by 1 / distance.
    InverseDistance,
    /// The nearest pixel.
    Nearest,
}

/// How gaps in a plane are filled: GDAL's rule (GDALFillNodata), in doubles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InSpace {
    /// What a gap gets.
    pub method: Around,
    /// No pixel farther away counts.
    pub distance: f64,
    /// So often each filled pixel becomes the mean of the 3 x 3 around it; those of the first and last row stay.
    pub smooth: usize,
}

/// How a gap in a series gets its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// On the line from the step before to the step after.
    Linear,
    /// The nearer step's, of two equally near the earlier one's.
    Nearest,
    /// The step's before.
    Previous,
}

/// How gaps along time are filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InTime {
    /// What a gap gets.
    pub method: Between,
    /// No step farther away counts.
    pub reach: Option<f64>,
}

/// The directions in which a gap looks for pixels: left and right, up and down.
const QUADRANTS: usize = 4;

/// No row.
const NONE: u32 = u32::MAX;

/// Fills the gaps of a plane of `width` columns. `has` says which pixels are there; those that were filled are marked in
/// `filled`.
///
/// # Errors
/// The query was interrupted.
pub fn plane(
    values: &mut [f64],
    has: &[bool],
    width: usize,
    rule: &InSpace,
    filled: &mut [bool],
) -> Result<()> {
    let height = values.len().checked_div(width).unwrap_or(0);
    if has.iter().all(|has| *has) {
        return Ok(());
    }
    let near = |from: usize, to: u32| to != NONE && from.abs_diff(to as usize) as f64 <= rule.distance;
    // The nearest row above, its own included, that has a pixel in the column.
    let mut above = vec![NONE; values.len()];
    for at in 0..values.len() {
        let row = at / width;
        let last = at.checked_sub(width).and_then(|before| above.get(before)).copied().unwrap_or(NONE);
        above[at] = match has[at] {
            true => row as u32,
            false if near(row, last) => last,
            false => NONE,
        };
    }
    // The nearest row below the one in hand.
    let mut below = vec![NONE; width];
    for row in (0..height).rev() {
        go_on()?;
        let start = row * width;
        for col in (0..width).filter(|col| !has[start + col]) {
            let above = &above[start..start + width];
            if let Some(value) = looked_up(values, (row, col), (above, below.as_slice()), rule) {
                values[start + col] = value;
                filled[start + col] = true;
            }
        }
        for (col, below) in below.iter_mut().enumerate() {
            match has[start + col] {
                true => *below = row as u32,
                false if !near(row, *below) => *below = NONE,
                false => {}
            }
        }
    }
    for _ in 0..rule.smooth {
        go_on()?;
        smooth(values, has, width, filled);
    }
    Ok(())
}

/// What the quadrants around a gap give; `None` where none has a pixel that is near enough.
fn looked_up(
    values: &[f64],
    (row, col): (usize, usize),
    (above, below): (&[u32], &[u32]),
    rule: &InSpace,
) -> Option<f64> {
    let width = above.len();
    let mut found = [(rule.distance + 1.0, 0.0); QUADRANTS];
    let check = |best: &mut (f64, f64), at: usize, nearest: &[u32]| {
        let from = nearest[at];
        if from == NONE {
            return;
        }
        let (dx, dy) = (at.abs_diff(col) as f64, row.abs_diff(from as usize) as f64);
        let square = dx * dx + dy * dy;
        if square < best.0 * best.0 {
            *best = (square.sqrt(), values[from as usize * width + at]);
        }
    };
    let mut reach = rule.distance.min(width as f64) as usize;
    let mut step = 0;
    while step <= reach {
        // As GDAL has it, the last column looks to the right in itself.
        let (left, right) = (col.saturating_sub(step), (col + step).min(width - 1));
        check(&mut found[0], left, above);
        check(&mut found[1], left, below);
        if step > 0 {
            check(&mut found[2], right, above);
            check(&mut found[3], right, below);
            if step % 4 == 0 {
                reach = found.iter().fold(0.0f64, |most, (far, _)| most.max(*far)).min(width as f64) as usize;
            }
        }
        step += 1;
    }
    let near = found.iter().filter(|(far, _)| *far <= rule.distance);
    match rule.method {
        Around::Nearest => near.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, value)| *value),
        Around::InverseDistance => {
            let (weights, sum) = near.fold((0.0, 0.0), |(weights, sum), (far, value)| {
                let weight = 1.0 / far;
                (weights + weight, sum + value * weight)
            });
            (weights > 0.0).then(|| sum / weights)
        }
    }
}

/// Makes each filled pixel the mean of the 3 x 3 around it, as they were before.
fn smooth(values: &mut [f64], has: &[bool], width: usize, filled: &[bool]) {
    let height = values.len() / width;
    let before = values.to_vec();
    for row in 1..height.saturating_sub(1) {
        for col in (0..width).filter(|col| filled[row * width + col]) {
            let (mut sum, mut count) = (0.0, 0.0);
            for beside in row - 1..=row + 1 {
                for at in (beside * width + col.saturating_sub(1)..)
                    .take((col + 2).min(width) - col.saturating_sub(1))
                {
                    if has[at] || filled[at] {
                        sum += before[at];
                        count += 1.0;
                    }
                }
            }
            values[row * width + col] = sum / count;
        }
    }
}

/// Fills gaps along time: `values` has a step of equal length for each of the times, which rise. `has` says which values
/// are there; those that were filled are marked in `filled`.
///
/// # Errors
/// The query was interrupted.
pub fn series(
    values: &mut [f64],
    has: &[bool],
    times: &[f64],
    rule: &InTime,
    filled: &mut [bool],
) -> Result<()> {
    let length = values.len().checked_div(times.len()).unwrap_or(0);
    let near = |far: f64| rule.reach.is_none_or(|reach| far <= reach);
    for pixel in 0..length {
        if pixel % 4096 == 0 {
            go_on()?;
        }
        let at = |step: usize| step * length + pixel;
        let mut before: Option<usize> = None;
        let mut after = 0;
        for step in 0..times.len() {
            if has[at(step)] {
                before = Some(step);
                continue;
            }
            after = after.max(step + 1);
            while after < times.len() && !has[at(after)] {
                after += 1;
            }
            let side = |other: Option<usize>| {
                let other = other.filter(|other| *other < times.len())?;
                let far = (times[other] - times[step]).abs();
                near(far).then(|| (far, values[at(other)]))
            };
            let value = match (rule.method, side(before), side(Some(after))) {
                (Between::Linear, Some(a), Some(b)) => Some(between(a.1, b.1, a.0 / (a.0 + b.0))),
                (Between::Linear, ..) => None,
                (Between::Previous, before, _) => before.map(|(_, value)| value),
                (Between::Nearest, Some(a), Some(b)) => Some(if a.0 <= b.0 { a.1 } else { b.1 }),
                (Between::Nearest, a, b) => a.or(b).map(|(_, value)| value),
            };
            if let Some(value) = value {
                values[at(step)] = value;
                filled[at(step)] = true;
            }
        }
    }
    Ok(())
}

/// The value at a share of the way from one to another, which may lie further apart than a double reaches.
fn between(from: f64, to: f64, share: f64) -> f64 {
    let way = to - from;
    if way.is_finite() { from + way * share } else { from * (1.0 - share) + to * share }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Draw;

    const NAN: f64 = f64::NAN;

    fn filled(values: &[f64], width: usize, rule: InSpace) -> Vec<f64> {
        let has: Vec<bool> = values.iter().map(|value| !value.is_nan()).collect();
        let (mut values, mut marked) = (values.to_vec(), vec![false; values.len()]);
        plane(&mut values, &has, width, &rule, &mut marked).unwrap();
        for ((value, has), marked) in values.iter().zip(&has).zip(&marked) {
            assert!(!(*has && *marked) && (*has || *marked) != value.is_nan());
        }
        values
    }

    fn along(values: &[f64], times: &[f64], method: Between, reach: Option<f64>) -> Vec<f64> {
        let has: Vec<bool> = values.iter().map(|value| !value.is_nan()).collect();
        let (mut values, mut marked) = (values.to_vec(), vec![false; values.len()]);
        series(&mut values, &has, times, &InTime { method, reach }, &mut marked).unwrap();
        values
    }

    fn same(a: &[f64], b: &[f64]) {
        assert!(
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || a.is_nan() && b.is_nan()),
            "{a:?} {b:?}"
        );
    }

    #[test]
    fn a_gap_takes_from_all_sides_by_distance() {
        let rule = InSpace { method: Around::InverseDistance, distance: 100.0, smooth: 0 };
        // What is as near but farther to the side counts no more: 0 is as near as 4 in its quadrant.
        let got = filled(&[NAN, 4.0, NAN, 0.0, NAN, 2.0, NAN, 8.0, NAN], 3, rule);
        assert!((got[4] - 14.0 / 3.0).abs() < 1e-12, "{got:?}");
        same(&filled(&[1.0, NAN, NAN, 4.0], 4, rule), &[1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn the_nearest_is_what_brute_force_finds_within_the_distance() {
        let mut draw = Draw::new(5);
        for (height, width, distance) in
            [(1, 9, 3.0), (9, 1, 2.5), (13, 17, 4.0), (20, 20, 100.0), (7, 31, 1.0)]
        {
            let values: Vec<f64> =
                (0..height * width).map(|i| if draw.below(5) == 0 { i as f64 } else { NAN }).collect();
            let got = filled(&values, width, InSpace { method: Around::Nearest, distance, smooth: 0 });
            for (at, value) in got.iter().enumerate() {
                let far = |from: usize| {
                    let (dy, dx) = ((from / width).abs_diff(at / width), (from % width).abs_diff(at % width));
                    ((dx * dx + dy * dy) as f64).sqrt()
                };
                let least = (0..values.len())
                    .filter(|i| !values[*i].is_nan())
                    .map(far)
                    .filter(|far| *far <= distance)
                    .fold(f64::INFINITY, f64::min);
                let told = if value.is_nan() { f64::INFINITY } else { far(*value as usize) };
                assert_eq!(told, least, "{height} x {width}, {distance}: {at}");
            }
        }
    }

    #[test]
    fn steps_are_filled_from_before_and_after_within_reach() {
        let times = [0.0, 1.0, 2.0, 4.0, 8.0];
        let values = [1.0, NAN, NAN, NAN, 9.0];
        same(&along(&values, &times, Between::Linear, None), &[1.0, 2.0, 3.0, 5.0, 9.0]);
        same(&along(&values, &times, Between::Nearest, None), &[1.0, 1.0, 1.0, 1.0, 9.0]);
        same(&along(&values, &times, Between::Previous, Some(2.0)), &[1.0, 1.0, 1.0, NAN, 9.0]);
        same(&along(&values, &times, Between::Linear, Some(6.0)), &[1.0, NAN, 3.0, 5.0, 9.0]);
        let ends = [NAN, 5.0, NAN, NAN, NAN];
        same(&along(&ends, &times, Between::Linear, None), &ends);
        same(&along(&ends, &times, Between::Previous, None), &[NAN, 5.0, 5.0, 5.0, 5.0]);
        same(&along(&ends, &times, Between::Nearest, Some(3.0)), &[5.0, 5.0, 5.0, 5.0, NAN]);
        // Two places, step by step.
        same(
            &along(&[1.0, NAN, NAN, 4.0, 3.0, NAN], &[0.0, 1.0, 2.0], Between::Linear, None),
            &[1.0, NAN, 2.0, 4.0, 3.0, NAN],
        );
    }

    #[test]
    fn what_has_nothing_near_stays_a_gap() {
        let rule = InSpace { method: Around::InverseDistance, distance: 2.0, smooth: 3 };
        same(&filled(&[NAN; 6], 3, rule), &[NAN; 6]);
        same(&filled(&[1.0, NAN, NAN, NAN], 4, rule), &[1.0, 1.0, 1.0, NAN]);
        same(&filled(&[1.0, 2.0], 2, rule), &[1.0, 2.0]);
    }
}
