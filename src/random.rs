//! NumPy's random stream, bit for bit: `numpy.random.default_rng(seed)`.
//!
//! PCG64 (O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms", 2014, the
//! XSL-RR 128/64 variant) seeded by NumPy's `SeedSequence`, so that a split drawn here is the split that a
//! Python pipeline drew.

use rustc_hash::FxHashSet;

use crate::workers::{STRIDE, Steps, go_on_or_leave};

/// A generator in the state that `default_rng(seed)` begins in.
pub struct Pcg64 {
    state: u128,
    increment: u128,
    /// The upper half of a 64-bit draw whose lower half was given out.
    half: Option<u32>,
}

const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

impl Pcg64 {
    /// The stream of a seed: NumPy's `default_rng(seed)`.
    pub fn new(seed: u64) -> Pcg64 {
        Pcg64::of_entropy([seed as u32, (seed >> 32) as u32, 0, 0])
    }

    /// A stream of its own for each member of a family: NumPy's `default_rng([seed, member])`. Member 0 has the stream of
    /// the seed alone.
    pub fn member(seed: u64, member: u32) -> Pcg64 {
        let (low, high) = (seed as u32, (seed >> 32) as u32);
        Pcg64::of_entropy(if high == 0 { [low, member, 0, 0] } else { [low, high, member, 0] })
    }

    fn of_entropy(entropy: [u32; 4]) -> Pcg64 {
        let words = seed_sequence(entropy);
        let join = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        let increment = join(words[2], words[3]) << 1 | 1;
        let mut rng = Pcg64 { state: 0, increment, half: None };
        rng.step();
        rng.state = rng.state.wrapping_add(join(words[0], words[1]));
        rng.step();
        rng
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }

    /// The next 64 bits of the stream.
    pub fn next_u64(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// The next 32 bits: half of a draw, and the other half the next time.
    pub fn next_u32(&mut self) -> u32 {
        match self.half.take() {
            Some(half) => half,
            None => {
                let both = self.next_u64();
                self.half = Some((both >> 32) as u32);
                both as u32
            }
        }
    }

    /// `random()`: a double in [0, 1), of 53 bits.
    pub fn double(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// `uniform(low, high)`: a double in [low, high).
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.double()
    }

    /// `integers(0, highest, endpoint=True)`: a whole number in `0 ..= highest`, by Lemire's method.
    pub fn integer(&mut self, highest: u64) -> u64 {
        if highest == 0 {
            return 0;
        }
        if let Ok(highest) = u32::try_from(highest) {
            let Some(count) = highest.checked_add(1) else { return self.next_u32().into() };
            let threshold = (u32::MAX - highest) % count;
            loop {
                let product = u64::from(self.next_u32()) * u64::from(count);
                if product as u32 >= threshold {
                    return product >> 32;
                }
            }
        }
        let Some(count) = highest.checked_add(1) else { return self.next_u64() };
        let threshold = (u64::MAX - highest) % count;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(count);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// `choice(n, size, replace=False)`: `size` of the numbers `0 .. n`, each at most once, in random order. No more than
    /// `n` come.
    pub fn choice(&mut self, n: u64, size: u64) -> Vec<u64> {
        let size = size.min(n);
        if n > 10_000 && size > n / 50 {
            let mut order: Vec<u64> = (0..n).collect();
            self.shuffle_from(&mut order, (n - size).max(1) as usize);
            return order.split_off((n - size) as usize);
        }
        let mut taken = FxHashSet::with_capacity_and_hasher(size as usize, rustc_hash::FxBuildHasher);
        let mut chosen: Vec<u64> = Vec::with_capacity(size as usize);
        for last in n - size..n {
            if chosen.len().is_multiple_of(STRIDE) {
                go_on_or_leave();
            }
            let draw = self.integer(last);
            let next = if taken.insert(draw) { draw } else { last };
            taken.insert(next);
            chosen.push(next);
        }
        self.shuffle_from(&mut chosen, 1);
        chosen
    }

    /// `choice(len(weights), size, replace=replace, p=weights / sum(weights))`: places, each as likely as its weight says.
    /// Weights are finite and not negative, and without replacement at least `size` of them have a share above 0; `None`
    /// where they are not.
    pub fn weighted(&mut self, weights: &[f64], size: usize, replace: bool) -> Option<Vec<u64>> {
        let total: f64 = weights.iter().sum();
        let sound = weights.iter().all(|w| w.is_finite() && *w >= 0.0) && total.is_finite() && total > 0.0;
        // A share that rounds to 0 is never drawn.
        if !sound || !replace && weights.iter().filter(|w| **w / total > 0.0).count() < size {
            return None;
        }
        let mut shares: Vec<f64> = weights.iter().map(|w| w / total).collect();
        let asked = Steps::default();
        let mut found = Vec::with_capacity(size);
        let mut taken = FxHashSet::default();
        while found.len() < size {
            go_on_or_leave();
            let draws: Vec<f64> = (0..size - found.len()).map(|_| self.double()).collect();
            let mut sum = 0.0;
            let mut steps = shares.clone();
            for step in &mut steps {
                sum += *step;
                *step = sum;
            }
            steps.iter_mut().for_each(|step| *step /= sum);
            for draw in draws {
                asked.step();
                let index = steps.partition_point(|step| *step <= draw).min(weights.len() - 1);
                if replace || taken.insert(index) {
                    found.push(index as u64);
                }
            }
            for index in &taken {
                if let Some(share) = shares.get_mut(*index) {
                    *share = 0.0;
                }
            }
        }
        Some(found)
    }

    /// The places from `first` on, last one first, each trade with one that is not behind them.
    fn shuffle_from(&mut self, order: &mut [u64], first: usize) {
        for spot in (first..order.len()).rev() {
            if spot % STRIDE == 0 {
                go_on_or_leave();
            }
            let partner = self.integer(spot as u64) as usize;
            order.swap(spot, partner);
        }
    }

    /// A whole number in `0 ..= highest`, by masked rejection.
    fn up_to(&mut self, highest: u64) -> u64 {
        if highest == 0 {
            return 0;
        }
        let mask = u64::MAX >> highest.leading_zeros();
        loop {
            let draw = match u32::try_from(highest) {
                Ok(_) => u64::from(self.next_u32()) & mask,
                Err(_) => self.next_u64() & mask,
            };
            if draw <= highest {
                return draw;
            }
        }
    }

    /// `default_rng(seed).permutation(n)`: the numbers `0 .. n` in random order, for n up to 2^32.
    pub fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u64).map(|i| i as u32).collect();
        let mut last = n.saturating_sub(1);
        let mut partners = [0; 64];
        while last > 0 {
            let count = partners.len().min(last);
            if (last / partners.len()).is_multiple_of(STRIDE / partners.len()) {
                go_on_or_leave();
            }
            for (i, partner) in partners.iter_mut().take(count).enumerate() {
                *partner = self.up_to((last - i) as u64) as usize;
            }
            // Each swap waits for memory. Looked at all together first, the partners come at once.
            let seen = partners
                .iter()
                .take(count)
                .filter_map(|partner| order.get(*partner))
                .fold(0, |all, n| all ^ n);
            std::hint::black_box(seen);
            for (i, partner) in partners.iter().take(count).enumerate() {
                order.swap(last - i, *partner);
            }
            last -= count;
        }
        order
    }
}

/// NumPy's `SeedSequence(seed).generate_state(4, uint64)`: a pool of four words, mixed.
fn seed_sequence(entropy: [u32; 4]) -> [u64; 4] {
    const INIT_A: u32 = 0x43b0_d7e5;
    const MULT_A: u32 = 0x931e_8875;
    const INIT_B: u32 = 0x8b51_f9dd;
    const MULT_B: u32 = 0x58f3_8ded;
    const MIX_L: u32 = 0xca01_f9dd;
    const MIX_R: u32 = 0x4973_f715;
    let mut constant = INIT_A;
    let mut hash = |value: u32| {
        let mut value = value ^ constant;
        constant = constant.wrapping_mul(MULT_A);
        value = value.wrapping_mul(constant);
        value ^ value >> 16
    };
    let mix = |x: u32, y: u32| {
        let mixed = MIX_L.wrapping_mul(x).wrapping_sub(MIX_R.wrapping_mul(y));
        mixed ^ mixed >> 16
    };
    let mut pool = entropy.map(&mut hash);
    for source in 0..4 {
        for target in 0..4 {
            if source != target {
                pool[target] = mix(pool[target], hash(pool[source]));
            }
        }
    }
    let mut constant = INIT_B;
    let mut words = [0u32; 8];
    for (i, word) in words.iter_mut().enumerate() {
        let mut value = pool[i % 4] ^ constant;
        constant = constant.wrapping_mul(MULT_B);
        value = value.wrapping_mul(constant);
        *word = value ^ value >> 16;
    }
    let pair = |i: usize| u64::from(words[2 * i]) | u64::from(words[2 * i + 1]) << 32;
    [pair(0), pair(1), pair(2), pair(3)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_numpys() {
        // numpy.random.default_rng(42).bit_generator.random_raw(3), NumPy 2.4
        let mut rng = Pcg64::new(42);
        let raw: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(raw, [14276969152011380360, 8095878257575067585, 15838336090824644132]);
        // numpy.random.default_rng(7).permutation(10)
        assert_eq!(Pcg64::new(7).permutation(10), [8, 0, 7, 1, 3, 6, 2, 4, 5, 9]);
        assert!(Pcg64::new(7).permutation(0).is_empty());
        assert_eq!(Pcg64::new(7).permutation(1), [0]);
    }

    #[test]
    fn numbers_and_choices_are_numpys() {
        // NumPy 2.4: default_rng(3).random(2), then .uniform(-2, 5)
        let mut rng = Pcg64::new(3);
        assert_eq!([rng.double(), rng.double()], [0.08564916714362436, 0.2368105065960997]);
        assert_eq!(rng.uniform(-2.0, 5.0), 3.608921256444778);
        // default_rng(5).integers(0, n), one after another
        let mut rng = Pcg64::new(5);
        let below = [10, 10, 3, 1 << 32, (1 << 32) + 5, (1 << 32) - 1, 1, 1 << 40];
        let drawn = below.map(|n: u64| rng.integer(n - 1));
        assert_eq!(drawn, [6, 8, 0, 3470079269, 2213306434, 2706834549, 0, 59297434362]);
        // default_rng(seed).choice(n, size, replace=False)
        assert_eq!(Pcg64::new(7).choice(10, 4), [6, 5, 9, 8]);
        assert_eq!(Pcg64::new(7).choice(20_000, 5), [12500, 13682, 18894, 11565, 17943]);
        let many = Pcg64::new(7).choice(20_000, 1000);
        assert_eq!((&many[..3], many.iter().sum::<u64>()), ([3762, 1432, 9397].as_slice(), 10281121));
        assert_eq!(Pcg64::new(1).choice(6, 6), [1, 2, 5, 3, 4, 0]);
    }

    #[test]
    fn weighted_choices_and_families_are_numpys() {
        // NumPy 2.4: default_rng(7).choice(6, 8, p=w / w.sum()), and with replace=False
        let weights = [0.5, 0.0, 2.0, 1.0, 4.0, 0.25];
        assert_eq!(Pcg64::new(7).weighted(&weights, 8, true).unwrap(), [4, 4, 4, 2, 2, 4, 0, 4]);
        assert_eq!(Pcg64::new(7).weighted(&weights, 5, false).unwrap(), [4, 2, 5, 0, 3]);
        assert!(Pcg64::new(7).weighted(&weights, 6, false).is_none());
        for bad in [[0.0, 0.0], [1.0, -1.0], [f64::NAN, 1.0], [f64::INFINITY, 1.0]] {
            assert!(Pcg64::new(7).weighted(&bad, 1, true).is_none(), "{bad:?}");
        }
        assert!(Pcg64::new(7).weighted(&[], 1, true).is_none());
        assert!(Pcg64::new(7).weighted(&[1e308, 1e-20], 2, false).is_none());
        // default_rng([7, 3]).random(), default_rng([2**40 + 1, 9]).random()
        assert_eq!(Pcg64::member(7, 3).double(), 0.9750335537195014);
        assert_eq!(Pcg64::member((1 << 40) + 1, 9).double(), 0.16394756908050445);
    }
}
