//! A distribution that a record can hold: values, and how many pixels each stands for. Those of parts make that of the
//! whole.

/// Different values that are kept as they are.
pub const EXACT: usize = 65_536;
/// Values of a record where there are more, or where they stand for others.
const SHORT: usize = 4096;
/// Values that wait before they are brought together.
const WAITING: usize = 1 << 20;

/// Values in order, none of them NaN.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution {
    /// Each different from the one before, and its pixels, of which there is one or more.
    pub counts: Vec<(f64, u64)>,
    /// By how much a rank may be wrong; 0 where each pixel counts under its own value.
    pub error: u64,
}

impl Distribution {
    /// Of values in any order.
    pub fn new(mut counts: Vec<(f64, u64)>, error: u64) -> Distribution {
        if !counts.is_sorted_by(|a, b| a.0.total_cmp(&b.0).is_le()) {
            counts.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        }
        counts.dedup_by(|next, last| {
            let same = next.0 == last.0;
            if same {
                last.1 += next.1;
            }
            same
        });
        Distribution { counts, error }
    }

    /// How many pixels there are.
    pub fn n(&self) -> u64 {
        self.counts.iter().map(|(_, count)| *count).sum()
    }

    /// The values at ranks from 0 to `n - 1`.
    pub fn at(&self, ranks: &[u64]) -> Vec<f64> {
        let mut total = 0;
        let up_to: Vec<u64> = self
            .counts
            .iter()
            .map(|(_, count)| {
                total += count;
                total
            })
            .collect();
        let value = |rank: &u64| self.counts.get(up_to.partition_point(|up_to| up_to <= rank));
        ranks.iter().map(|rank| value(rank).map_or(f64::NAN, |(value, _)| *value)).collect()
    }

    /// The same in no more values than a record is to hold: the middle one of so many pixels stands for them all.
    #[must_use]
    pub fn short(self) -> Distribution {
        match self.error {
            0 if self.counts.len() <= EXACT => self,
            _ => self.in_values(SHORT),
        }
    }

    fn in_values(self, most: usize) -> Distribution {
        if self.counts.len() <= most {
            return self;
        }
        let n = self.n();
        let edge = |index: usize| (u128::from(n) * index as u128 / most as u128) as u64;
        let parts: Vec<(u64, u64)> =
            (0..most).map(|index| (edge(index), edge(index + 1))).filter(|(from, to)| from < to).collect();
        let middle: Vec<u64> = parts.iter().map(|(from, to)| from + (to - from) / 2).collect();
        let counts = self.at(&middle).into_iter().zip(&parts).map(|(value, (from, to))| (value, to - from));
        let widest = parts.iter().map(|(from, to)| to - from).max().unwrap_or(0);
        Distribution::new(counts.collect(), self.error + widest.div_ceil(2))
    }
}

/// Distributions of parts on their way to that of the whole.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    counts: Vec<(f64, u64)>,
    error: u64,
}

impl Gathered {
    /// Adds that of a part.
    pub fn add(&mut self, counts: &[(f64, u64)], error: u64) {
        self.counts.extend_from_slice(counts);
        self.error += error;
        if self.counts.len() > WAITING {
            let all = Distribution::new(std::mem::take(&mut self.counts), self.error).in_values(EXACT);
            (self.counts, self.error) = (all.counts, all.error);
        }
    }

    /// Adds what others gave.
    pub fn merge(&mut self, other: &Gathered) {
        self.add(&other.counts, other.error);
    }

    /// What it holds on the heap.
    pub fn bytes(&self) -> usize {
        self.counts.capacity() * size_of::<(f64, u64)>()
    }

    /// That of the whole.
    pub fn whole(&self) -> Distribution {
        Distribution::new(self.counts.clone(), self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Draw;

    fn of(values: &[f64]) -> Distribution {
        Distribution::new(values.iter().map(|value| (*value, 1)).collect(), 0)
    }

    #[test]
    fn ranks_are_those_of_the_sorted_values() {
        let told = of(&[3.0, 1.0, 3.0, 2.0, 3.0]);
        assert_eq!((told.n(), told.counts.len()), (5, 3));
        assert_eq!(told.at(&[0, 1, 2, 4]), [1.0, 2.0, 3.0, 3.0]);
        assert_eq!(Distribution::default().n(), 0);
    }

    #[test]
    fn what_is_shortened_is_wrong_by_no_more_than_it_says() {
        let mut draw = Draw::new(9);
        for kind in 0..3 {
            let values: Vec<f64> = (0..200_000)
                .map(|i| match kind {
                    0 => f64::from(i),
                    1 => draw.number(-1.0, 1.0).powi(5),
                    _ => draw.below(90_000) as f64,
                })
                .collect();
            let mut sorted = values.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            let told = of(&values).short();
            assert!(told.counts.len() <= SHORT && told.n() == 200_000);
            assert!(told.error > 0 && told.error < 200_000 / 4096 + 2, "{}", told.error);
            let ranks: Vec<u64> = (0..=100).map(|percent| 1999 * percent).collect();
            for (rank, value) in ranks.iter().zip(told.at(&ranks)) {
                let first = sorted.partition_point(|other| *other < value) as u64;
                let last = sorted.partition_point(|other| *other <= value) as u64 - 1;
                let off = if *rank < first { first - rank } else { rank.saturating_sub(last) };
                assert!(off <= told.error, "rank {rank}: {off} of {}", told.error);
            }
        }
    }

    #[test]
    fn parts_of_few_values_make_the_whole_to_the_bit() {
        let mut draw = Draw::new(4);
        let values: Vec<f64> = (0..300_000).map(|_| draw.below(40_000) as f64).collect();
        let mut gathered = Gathered::default();
        for part in values.chunks(7001) {
            let part = of(part).short();
            gathered.add(&part.counts, part.error);
        }
        assert_eq!(gathered.whole().short(), of(&values));
    }

    #[test]
    fn many_parts_stay_within_the_error_that_they_tell() {
        let (mut gathered, mut all) = (Gathered::default(), Vec::new());
        let mut draw = Draw::new(2);
        for _ in 0..40 {
            let values: Vec<f64> = (0..30_000).map(|_| draw.number(0.0, 1.0)).collect();
            let part = of(&values).short();
            let mut other = Gathered::default();
            other.add(&part.counts, part.error);
            gathered.merge(&other);
            all.extend(values);
        }
        all.sort_unstable_by(f64::total_cmp);
        let told = gathered.whole().short();
        assert!(told.error < all.len() as u64 / 1000, "{}", told.error);
        for percent in [2, 25, 50, 75, 98] {
            let rank = (all.len() as u64 - 1) * percent / 100;
            let value = told.at(&[rank])[0];
            let true_rank = all.partition_point(|other| *other < value) as u64;
            assert!(true_rank.abs_diff(rank) <= told.error, "{percent}: {true_rank} {rank} {}", told.error);
        }
    }
}
