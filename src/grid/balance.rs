//! Rows whose classes are as even together as they can be.

use crate::error::{Error, Result};
use crate::random::Pcg64;
use crate::workers;

/// As near to even as the search goes: a thousandth.
const EVEN: f64 = 1e-3;
/// Rows that are tried in the place of one.
const TRIED: usize = 2048;
/// As many sums are made at most, some seconds' worth.
const MAX_SUMS: usize = 2_000_000_000;

/// `n` of some rows, in their order, whose shares of the classes sum to totals as even as a search finds them. `shares`
/// holds the shares of one row after those of another, `classes` of each.
///
/// The search begins with rows drawn, each as likely as any other, and exchanges them one by one for what makes the totals most
/// even, until no exchange does.
///
/// # Errors
/// The query was interrupted.
pub fn balanced(shares: &[f64], classes: usize, n: usize, rng: &mut Pcg64) -> Result<Vec<usize>> {
    let rows: Vec<&[f64]> = shares.chunks_exact(classes.max(1)).collect();
    let order: Vec<usize> =
        rng.choice(rows.len() as u64, rows.len() as u64).iter().map(|i| *i as usize).collect();
    let (first, rest) = order.split_at(n.min(order.len()));
    let (mut members, mut others) = (first.to_vec(), rest.to_vec());
    let lost = || Error::Bug("a row that is not there".into());
    let row = |index: usize| rows.get(index).copied().ok_or_else(lost);
    let mut totals = vec![0.0; classes];
    for member in &members {
        add(&mut totals, row(*member)?, 1.0);
    }
    let tried = TRIED.min(others.len());
    let mut sums = 0;
    let mut better = tried > 0;
    while better && sums < MAX_SUMS && off_even(&totals) > EVEN {
        better = false;
        for slot in 0..members.len() {
            workers::go_on()?;
            let member = members.get(slot).copied().ok_or_else(lost)?;
            let now = unevenness(&totals, row(member)?, row(member)?);
            let from = if others.len() > tried { rng.integer(others.len() as u64 - 1) as usize } else { 0 };
            let mut best = (now, None);
            for step in 0..tried {
                let other = (from + step) % others.len();
                let candidate = others.get(other).copied().ok_or_else(lost)?;
                let then = unevenness(&totals, row(member)?, row(candidate)?);
                if then < best.0 {
                    best = (then, Some((other, candidate)));
                }
            }
            sums += tried * classes;
            // What is gained by rounding alone would be exchanged forever.
            if let (then, Some((other, candidate))) = best
                && then < now * (1.0 - 1e-9)
            {
                add(&mut totals, row(member)?, -1.0);
                add(&mut totals, row(candidate)?, 1.0);
                if let (Some(inside), Some(outside)) = (members.get_mut(slot), others.get_mut(other)) {
                    std::mem::swap(inside, outside);
                }
                better = true;
            }
            if off_even(&totals) <= EVEN {
                break;
            }
        }
    }
    members.sort_unstable();
    Ok(members)
}

/// The largest departure of a total from their mean, as a share of that.
fn off_even(totals: &[f64]) -> f64 {
    let mean = totals.iter().sum::<f64>() / totals.len() as f64;
    totals.iter().map(|total| (total / mean - 1.0).abs()).fold(0.0, f64::max)
}

/// The squared departures of the totals from their mean, as shares of it, once one row is exchanged for another.
fn unevenness(totals: &[f64], out: &[f64], into: &[f64]) -> f64 {
    let (mut sum, mut squares) = (0.0, 0.0);
    for ((total, out), into) in totals.iter().zip(out).zip(into) {
        let total = total - out + into;
        sum += total;
        squares += total * total;
    }
    if sum > 0.0 { totals.len() as f64 * squares / (sum * sum) - 1.0 } else { f64::INFINITY }
}

fn add(totals: &mut [f64], row: &[f64], sign: f64) {
    totals.iter_mut().zip(row).for_each(|(total, share)| *total += sign * share);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_class_becomes_as_common_as_the_others() {
        let mut rng = Pcg64::new(3);
        // One row in twenty holds the rare class.
        let mut shares = Vec::new();
        for i in 0..2000 {
            let rare = if i % 20 == 0 { 0.4 + 0.5 * rng.double() } else { 0.0 };
            let second = (1.0 - rare) * 0.3 * rng.double();
            shares.extend([1.0 - rare - second, second, rare]);
        }
        let chosen = balanced(&shares, 3, 120, &mut Pcg64::new(7)).unwrap();
        assert_eq!(chosen.len(), 120);
        assert!(chosen.is_sorted() && chosen.windows(2).all(|w| w[0] < w[1]));
        let mut totals = [0.0; 3];
        for row in &chosen {
            add(&mut totals, &shares[3 * row..3 * row + 3], 1.0);
        }
        let drawn = Pcg64::new(7).choice(2000, 120);
        let mut before = [0.0; 3];
        for row in &drawn {
            add(&mut before, &shares[3 * *row as usize..3 * *row as usize + 3], 1.0);
        }
        assert!(off_even(&totals) < 0.7 * off_even(&before), "{totals:?} {before:?}");
    }

    #[test]
    fn totals_are_even_where_rows_allow_it_and_all_rows_are_what_they_are() {
        let shares: Vec<f64> =
            (0..300).flat_map(|i| if i % 10 == 0 { [0.0, 1.0] } else { [1.0, 0.0] }).collect();
        let chosen = balanced(&shares, 2, 60, &mut Pcg64::new(1)).unwrap();
        assert_eq!(chosen.iter().filter(|i| *i % 10 == 0).count(), 30);
        assert_eq!(balanced(&shares, 2, 300, &mut Pcg64::new(1)).unwrap(), (0..300).collect::<Vec<_>>());
        // Rows that hold nothing are even too, and are not what is wanted.
        let shares = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
        assert_eq!(balanced(&shares, 2, 2, &mut Pcg64::new(1)).unwrap(), [1, 2]);
    }
}
