//! Runs of pixels without a value: what becomes NULL, or a fill value.

use std::ops::Range;

use crate::dtype::Pixel;

/// Runs of pixels without a value, in order; no two of them touch.
pub type Gaps = Vec<Range<usize>>;

/// The gaps of values that are looked at once, in order.
pub fn gaps<P>(values: &[P], is_gap: impl Fn(&P) -> bool) -> Gaps {
    let mut found = GapsBuilder::default();
    found.add_where(values, 0, is_gap);
    found.finish()
}

/// One gap over all of some pixels.
pub fn whole(length: usize) -> Gaps {
    let mut found = GapsBuilder::default();
    found.add(0..length);
    found.finish()
}

/// Puts a value into the gaps, where one was asked for. Returns the gaps that are left.
pub fn fill<T: Pixel>(gaps: Gaps, value: Option<f64>, out: &mut [T]) -> Gaps {
    let Some(value) = value else { return gaps };
    for gap in gaps {
        if let Some(pixels) = out.get_mut(gap) {
            pixels.fill(T::of(value));
        }
    }
    Vec::new()
}

/// What either of two holds; runs may overlap.
pub fn union(some: Gaps, others: impl Iterator<Item = Range<usize>>) -> Gaps {
    let mut all = some;
    all.extend(others.filter(|run| !run.is_empty()));
    all.sort_unstable_by_key(|run| run.start);
    let mut found: Gaps = Vec::with_capacity(all.len());
    for run in all {
        match found.last_mut() {
            Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
            _ => found.push(run),
        }
    }
    found
}

/// Gaps as they are found, in any order: blocks side by side give their rows in turn.
#[derive(Debug, Default)]
pub struct GapsBuilder(Gaps);

impl GapsBuilder {
    /// Adds a run, which no other one overlaps.
    pub fn add(&mut self, run: Range<usize>) {
        if run.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.end == run.start => last.end = run.end,
            _ => self.0.push(run),
        }
    }

    /// Adds the indices of values that are gaps; the first value stands at `start`.
    pub fn add_where<P>(&mut self, values: &[P], start: usize, is_gap: impl Fn(&P) -> bool) {
        for (number, values) in values.chunks(64).enumerate() {
            // Without a branch, so that values without a gap cost one vectorised pass.
            if !values.iter().fold(false, |any, value| any | is_gap(value)) {
                continue;
            }
            // A bit for each value, and a run for each run of bits.
            let bit = |(i, value): (usize, &P)| u64::from(is_gap(value)) << i;
            let mut bits = values.iter().enumerate().map(bit).fold(0, |all, bit| all | bit);
            let first = start + number * 64;
            while bits != 0 {
                let from = bits.trailing_zeros();
                let ones = (bits >> from).trailing_ones();
                self.add(first + from as usize..first + (from + ones) as usize);
                bits &= u64::MAX.checked_shl(from + ones).unwrap_or(0);
            }
        }
    }

    /// The gaps in order.
    pub fn finish(mut self) -> Gaps {
        if !self.0.is_sorted_by_key(|run| run.start) {
            self.0.sort_unstable_by_key(|run| run.start);
            // Those that came apart and lie side by side are one.
            self.0.dedup_by(|next, last| {
                let touches = last.end == next.start;
                if touches {
                    last.end = next.end;
                }
                touches
            });
        }
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_join_their_neighbours_and_come_in_order() {
        let mut found = GapsBuilder::default();
        for run in [4..6, 6..8, 0..2, 3..3, 8..9, 2..3] {
            found.add(run);
        }
        assert_eq!(found.finish(), [0..3, 4..9]);
        let one = std::iter::once(0..3).collect::<Gaps>();
        assert_eq!((whole(0), whole(3)), (Gaps::new(), one));
    }

    #[test]
    fn gaps_are_what_brute_force_finds() {
        for seed in 0..40usize {
            for length in [0, 1, 63, 64, 65, 200] {
                let values: Vec<bool> =
                    (0..length).map(|i| (i / (1 + seed % 7) * 31 + seed) % 5 < seed % 6).collect();
                let mut found = GapsBuilder::default();
                found.add_where(&values, 10, |gone| *gone);
                let runs = found.finish();
                let mut seen = vec![false; length];
                runs.iter().for_each(|run| seen[run.start - 10..run.end - 10].fill(true));
                assert_eq!(seen, values, "seed {seed}");
                assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start), "{runs:?}");
                let shifted: Gaps = runs.iter().map(|run| run.start - 10..run.end - 10).collect();
                assert_eq!(gaps(&values, |gone| *gone), shifted);
            }
        }
    }

    #[test]
    fn a_union_holds_what_either_holds() {
        let (some, others) = (vec![2..4, 8..9], [0..1, 3..6, 6..8, 5..5]);
        assert_eq!(union(some, others.into_iter()), [0..1, 2..9]);
        assert_eq!(union(Gaps::new(), std::iter::empty()), Gaps::new());
    }

    #[test]
    fn a_fill_value_leaves_no_gap() {
        let mut out = [1u8, 2, 3];
        let one = || std::iter::once(0..1).collect::<Gaps>();
        assert_eq!(fill(one(), None, &mut out), one());
        assert_eq!(fill(vec![0..1, 2..3], Some(9.0), &mut out), Gaps::new());
        assert_eq!(out, [9, 2, 9]);
    }
}
