//! Order statistics of any number of values in bounded memory, with a rank error that is known.
//!
//! Values are keys: whole numbers in the order of the values. [`FRESH`] keys are gathered and sorted, and every eighth
//! of them goes on with the weight of eight; [`LEVEL`] keys of one weight are sorted, and every second goes on with
//! twice the weight (Manku, Rajagopalan and Lindsay, "Approximate medians and other quantiles in one pass and with
//! limited memory", SIGMOD 1998). Which ones go on depends on no chance. Such a step shifts the rank of a value by at
//! most a weight, up or down, as its offset says; offsets are chosen so that both sums stay alike. So the error of a
//! rank after `n` values, whatever their order and however sketches were merged, is at most
//! `n * (levels + 3) / 16384` for `levels = max(0, floor(log2(n / 65536)) + 1)`: 0.07 % of ten million values,
//! 0.1 % of a thousand million. Up to [`FRESH`] values there is no error.

/// Values that are kept as they are.
pub const FRESH: usize = 32_768;
/// Of a full set of fresh keys, one in so many goes on.
const RATIO: usize = 8;
/// Keys of one weight that are kept.
const LEVEL: usize = 8192;

/// A whole number that sorts as the value that it stands for.
pub trait Key: Copy + Ord + Default + std::fmt::Debug + Send + Sync + 'static {
    /// Digits of [`BITS`] bits, from the lowest.
    const DIGITS: usize;
    /// One of its digits.
    fn digit(self, index: usize) -> usize;
}

const BITS: usize = 11;
const BUCKETS: usize = 1 << BITS;

impl Key for u32 {
    const DIGITS: usize = 3;
    fn digit(self, index: usize) -> usize {
        (self >> (BITS * index)) as usize % BUCKETS
    }
}

impl Key for u64 {
    const DIGITS: usize = 6;
    fn digit(self, index: usize) -> usize {
        (self >> (BITS * index)) as usize % BUCKETS
    }
}

/// A sorted sample of keys, each with a weight.
#[derive(Debug, Clone, Default)]
pub struct Sketch<K> {
    n: u64,
    /// Weight 1.
    fresh: Vec<K>,
    /// Weight `RATIO << index`.
    levels: Vec<Vec<K>>,
    /// By how much the rank of a value may be told too high, and too low.
    over: u64,
    under: u64,
}

impl<K: Key> Sketch<K> {
    /// How many keys came.
    pub fn count(&self) -> u64 {
        self.n
    }

    /// The most by which a rank may be wrong.
    pub fn rank_error(&self) -> u64 {
        self.over.max(self.under)
    }

    /// What it holds on the heap.
    pub fn bytes(&self) -> usize {
        let keys: usize = self.levels.iter().map(Vec::capacity).sum::<usize>() + self.fresh.capacity();
        keys * size_of::<K>() + self.levels.capacity() * size_of::<Vec<K>>()
    }

    /// Adds keys.
    pub fn extend(&mut self, keys: &[K]) {
        self.n += keys.len() as u64;
        self.gather(keys);
    }

    fn gather(&mut self, mut keys: &[K]) {
        while self.fresh.len() + keys.len() > FRESH {
            let (now, later) = keys.split_at(FRESH - self.fresh.len());
            self.fresh.extend_from_slice(now);
            keys = later;
            self.flush();
        }
        self.fresh.extend_from_slice(keys);
    }

    /// Adds what another sketch holds.
    pub fn merge(&mut self, other: &Sketch<K>) {
        self.n += other.n;
        self.over += other.over;
        self.under += other.under;
        for (index, keys) in other.levels.iter().enumerate() {
            self.level(index).extend_from_slice(keys);
        }
        for index in 0..self.levels.len() {
            self.carry(index);
        }
        self.gather(&other.fresh);
    }

    fn level(&mut self, index: usize) -> &mut Vec<K> {
        if index >= self.levels.len() {
            self.levels.resize_with(index + 1, Vec::new);
        }
        &mut self.levels[index]
    }

    /// Notes a step that kept the key at `offset` of each `ratio`, and says which offset it is to keep.
    fn choose(&mut self, ratio: u64, weight: u64) -> usize {
        let offset = if self.over <= self.under { (ratio - 1) / 2 } else { ratio / 2 };
        self.over += (ratio - 1 - offset) * weight;
        self.under += offset * weight;
        offset as usize
    }

    /// Every eighth of the sorted fresh keys goes to the first level.
    fn flush(&mut self) {
        let mut keys = std::mem::take(&mut self.fresh);
        sort(&mut keys);
        let offset = self.choose(RATIO as u64, 1);
        self.level(0).extend(keys.iter().skip(offset).step_by(RATIO));
        keys.clear();
        self.fresh = keys;
        self.carry(0);
    }

    /// Halves a full level into the next one, and so on.
    fn carry(&mut self, index: usize) {
        let full = self.levels.get_mut(index).filter(|keys| keys.len() >= LEVEL);
        let Some(mut keys) = full.map(std::mem::take) else { return };
        // Two sorted runs, mostly, which a merging sort finds.
        keys.sort();
        let odd = if keys.len() % 2 == 1 { keys.pop() } else { None };
        let offset = self.choose(2, (RATIO as u64) << index);
        self.level(index + 1).extend(keys.iter().skip(offset).step_by(2));
        keys.clear();
        keys.extend(odd);
        self.levels[index] = keys;
        self.carry(index + 1);
    }

    /// The keys in order, and how many each stands for: itself alone while all keys are fresh.
    pub fn weighted(&self) -> Vec<(K, u64)> {
        let mut keys: Vec<(K, u64)> = self.fresh.iter().map(|key| (*key, 1)).collect();
        for (index, level) in self.levels.iter().enumerate() {
            keys.extend(level.iter().map(|key| (*key, (RATIO as u64) << index)));
        }
        keys.sort_unstable();
        keys
    }
}

/// By digits from the lowest, in one pass for each that differs.
fn sort<K: Key>(keys: &mut Vec<K>) {
    let mut counts = vec![0u32; BUCKETS * K::DIGITS];
    for key in keys.iter() {
        for (digit, counts) in counts.chunks_exact_mut(BUCKETS).enumerate() {
            counts[key.digit(digit)] += 1;
        }
    }
    let mut other = vec![K::default(); keys.len()];
    for (digit, starts) in counts.chunks_exact_mut(BUCKETS).enumerate() {
        if starts.iter().any(|count| *count as usize == keys.len()) {
            continue;
        }
        let mut start = 0;
        for count in starts.iter_mut() {
            (start, *count) = (start + *count, start);
        }
        for key in keys.iter() {
            let to = &mut starts[key.digit(digit)];
            other[*to as usize] = *key;
            *to += 1;
        }
        std::mem::swap(keys, &mut other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Pcg64;

    /// What the head of this file promises.
    fn bound(n: u64) -> u64 {
        let levels = if n < 65_536 { 0 } else { (n / 65_536).ilog2() as u64 + 1 };
        if n <= FRESH as u64 { 0 } else { n * (levels + 3) / 16_384 }
    }

    fn keys(kind: usize, n: u32) -> Vec<u32> {
        let mut random = Pcg64::new(7);
        (0..n)
            .map(|i| match kind {
                0 => i,
                1 => u32::MAX - i,
                2 => random.next_u32(),
                3 => random.next_u32() % 9,
                _ => i.wrapping_mul(2_654_435_761) >> (i % 20),
            })
            .collect()
    }

    /// The true ranks that a key has among sorted ones.
    fn ranks(sorted: &[u32], key: u32) -> (u64, u64) {
        let below = sorted.partition_point(|k| *k < key) as u64;
        (below, sorted.partition_point(|k| *k <= key) as u64 - 1)
    }

    /// The keys at ranks from 0 to `n - 1`.
    fn at(sketch: &Sketch<u32>, ranks: &[u64]) -> Vec<u32> {
        let all =
            sketch.weighted().into_iter().flat_map(|(key, count)| std::iter::repeat_n(key, count as usize));
        let all: Vec<u32> = all.collect();
        ranks.iter().map(|rank| all[*rank as usize]).collect()
    }

    fn check(sketch: &Sketch<u32>, mut keys: Vec<u32>) {
        keys.sort_unstable();
        let n = keys.len() as u64;
        assert_eq!(sketch.count(), n);
        assert!(sketch.rank_error() <= bound(n), "{} of {}", sketch.rank_error(), bound(n));
        let asked: Vec<u64> = (0..=100).map(|percent| (n - 1) * percent / 100).collect();
        for (rank, key) in asked.iter().zip(at(sketch, &asked)) {
            let (first, last) = ranks(&keys, key);
            let error = if *rank < first { first - rank } else { rank.saturating_sub(last) };
            assert!(error <= sketch.rank_error(), "rank {rank}: {error} of {}", sketch.rank_error());
        }
    }

    #[test]
    fn a_rank_is_wrong_by_no_more_than_it_says() {
        for kind in 0..5 {
            for n in [1, 2, 32_767, 32_768, 32_769, 65_536, 400_000, 3_000_000] {
                let keys = keys(kind, n);
                let mut sketch = Sketch::default();
                keys.chunks(1000 + kind).for_each(|part| sketch.extend(part));
                check(&sketch, keys);
            }
        }
    }

    #[test]
    fn sketches_of_parts_hold_the_bound_of_the_whole() {
        for kind in 0..5 {
            let keys = keys(kind, 2_000_000);
            // Parts of many sizes, merged one by one and as a tree.
            let mut parts = Vec::new();
            let mut rest = keys.as_slice();
            for size in (1..).map(|i: usize| i * i * 37 % 90_001 + 1) {
                let (part, later) = rest.split_at(size.min(rest.len()));
                let mut sketch = Sketch::default();
                sketch.extend(part);
                parts.push(sketch);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            let mut chain = Sketch::default();
            parts.iter().for_each(|part| chain.merge(part));
            check(&chain, keys.clone());
            while parts.len() > 1 {
                let pairs = parts.chunks(2).map(|pair| {
                    let mut merged = pair[0].clone();
                    pair.get(1).into_iter().for_each(|other| merged.merge(other));
                    merged
                });
                parts = pairs.collect();
            }
            check(&parts[0], keys);
        }
    }

    #[test]
    fn memory_stays_bounded() {
        let mut sketch = Sketch::default();
        let keys = keys(2, 100_000);
        for _ in 0..100 {
            sketch.extend(&keys);
        }
        assert!(sketch.bytes() < 1 << 20, "{}", sketch.bytes());
    }

    #[test]
    fn digits_sort() {
        for kind in 0..5 {
            let mut ours = keys(kind, 40_000);
            let mut wide: Vec<u64> = ours.iter().map(|k| u64::from(*k) << 31 | u64::from(*k)).collect();
            let mut theirs = ours.clone();
            theirs.sort_unstable();
            sort(&mut ours);
            sort(&mut wide);
            assert!(ours == theirs && wide.is_sorted());
        }
    }
}
