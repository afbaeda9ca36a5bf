//! Count, mean, deviation, extremes and percentiles of the bands of any number of patches, gathered in parts.
//!
//! Order and parts change no bit of all but the percentiles, whose error is that of [`Sketch`].

use crate::dtype::Pixel;
use crate::error::{Error, Result};
use crate::stitch::counts::{Counts, SHORT};
use crate::stitch::distribution::Distribution;
use crate::stitch::moments::Moments;
use crate::stitch::sketch::{Key, Sketch};

/// The percentiles that are told.
pub const PERCENTILES: [u64; 5] = [2, 25, 50, 75, 98];

/// A float that values are gathered as.
pub trait Sample: Pixel + PartialOrd {
    /// What sorts as it does.
    type Key: Key;
    /// Minus infinity.
    const LEAST: Self;
    /// Infinity.
    const MOST: Self;
    /// Its key.
    fn key(self) -> Self::Key;
    /// The value of a key.
    fn of_key(key: Self::Key) -> Self;
    /// No number.
    fn is_nan(self) -> bool;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// A finite value as a whole number and a power of two.
    fn parts(self) -> (i64, i32);
    /// A whole number that two bytes hold, with a sign or without.
    fn is_short(self) -> bool;
    /// Such a number.
    fn short(self) -> i32;
}

macro_rules! sample {
    ($float:ty, $key:ty, $signed:ty, $digits:expr, $bias:expr, $half:expr) => {
        impl Sample for $float {
            type Key = $key;
            const LEAST: Self = <$float>::NEG_INFINITY;
            const MOST: Self = <$float>::INFINITY;
            /// Of a negative number all bits are turned, of another the sign alone.
            #[inline]
            fn key(self) -> $key {
                let bits = self.to_bits();
                bits ^ (((bits as $signed) >> (<$key>::BITS - 1)) as $key | 1 << (<$key>::BITS - 1))
            }
            fn of_key(key: $key) -> Self {
                let turned = !(((key as $signed) >> (<$key>::BITS - 1)) as $key);
                <$float>::from_bits(key ^ (turned | 1 << (<$key>::BITS - 1)))
            }
            #[inline]
            fn is_nan(self) -> bool {
                <$float>::is_nan(self)
            }
            #[inline]
            fn is_finite(self) -> bool {
                <$float>::is_finite(self)
            }
            #[inline]
            fn parts(self) -> (i64, i32) {
                let bits = self.to_bits();
                let power = ((bits << 1) >> ($digits + 1)) as i32;
                let fraction = (bits & ((1 << $digits) - 1)) as i64;
                let hidden = i64::from(power != 0) << $digits;
                let sign = 1 - 2 * (bits >> (<$key>::BITS - 1)) as i64;
                (sign * (fraction | hidden), power.max(1) - $bias)
            }
            #[inline]
            fn is_short(self) -> bool {
                // What is added takes the fraction away, and leaves again without it.
                let rounded = (self + $half) - $half;
                self >= SHORT.0 as $float && self <= SHORT.1 as $float && rounded == self
            }
            #[inline]
            fn short(self) -> i32 {
                // The lowest bits of the sum are the number.
                (self + $half).to_bits().wrapping_sub(<$float>::to_bits($half)) as i32
            }
        }
    };
}
sample!(f32, u32, i32, 23, 150, 12_582_912.0);
sample!(f64, u64, i64, 52, 1075, 6_755_399_441_055_744.0);

/// What is gathered of one band: short whole numbers by their counts, other values by a sketch.
#[derive(Debug, Clone)]
struct Band<V: Sample> {
    counts: Counts,
    moments: Moments,
    least: V,
    most: V,
    sketch: Sketch<V::Key>,
}

impl<V: Sample> Default for Band<V> {
    fn default() -> Band<V> {
        Band {
            counts: Counts::default(),
            moments: Moments::default(),
            least: V::MOST,
            most: V::LEAST,
            sketch: Sketch::default(),
        }
    }
}

/// One band in numbers. `n` counts infinite values too, which leave no mean or deviation that is finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How many values there are.
    pub n: u64,
    /// The rest, where there is a value.
    pub of_values: Option<Numbers>,
    /// The distribution, where it was asked for and there is a value.
    pub spread: Option<Distribution>,
}

/// What there is to say of one value or more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numbers {
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, as a population.
    pub std: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// Those of [`PERCENTILES`].
    pub percentiles: [f64; PERCENTILES.len()],
}

impl<V: Sample> Band<V> {
    /// Adds values, none of which is NaN.
    fn add(&mut self, values: &[V], keys: &mut Vec<V::Key>) {
        // A look at the first spares most others the question.
        if values.first().is_some_and(|first| first.is_short())
            && values.iter().fold(true, |all, value| all & value.is_short())
        {
            self.counts.extend(values.iter().map(|value| value.short()));
            return;
        }
        let (mut least, mut most) = (self.least, self.most);
        for value in values {
            least = if *value < least { *value } else { least };
            most = if *value > most { *value } else { most };
        }
        (self.least, self.most) = (least, most);
        for value in values {
            if value.is_finite() {
                let (mantissa, power) = value.parts();
                self.moments.push(mantissa, power);
            }
        }
        keys.clear();
        keys.extend(values.iter().map(|value| value.key()));
        self.sketch.extend(keys);
    }

    fn merge(&mut self, other: &Band<V>) {
        self.counts.merge(&other.counts);
        self.least = if other.least < self.least { other.least } else { self.least };
        self.most = if other.most > self.most { other.most } else { self.most };
        self.moments.merge(&other.moments);
        self.sketch.merge(&other.sketch);
    }

    fn summary(&self, with_spread: bool) -> Summary {
        let counted = self.counts.values();
        let n = self.sketch.count() + counted.iter().map(|(_, count)| *count).sum::<u64>();
        if n == 0 {
            return Summary { n, of_values: None, spread: None };
        }
        let (mut min, mut max) = (self.least.f64(), self.most.f64());
        let mut moments = self.moments.clone();
        for (value, count) in &counted {
            moments.push_many(*value, *count);
            (min, max) = (min.min(f64::from(*value)), max.max(f64::from(*value)));
        }
        let told = counted.iter().map(|(value, count)| (f64::from(*value), *count));
        let others = self.sketch.weighted().into_iter().map(|(key, count)| (V::of_key(key).f64(), count));
        let spread = Distribution::new(told.chain(others).collect(), self.sketch.rank_error());
        let of_values = Some(numbers(&moments, (min, max), percentiles(n, |ranks| spread.at(ranks))));
        Summary { n, of_values, spread: with_spread.then(|| spread.short()) }
    }
}

/// Least, greatest and percentiles with what sums of finite values give.
fn numbers(moments: &Moments, (min, max): (f64, f64), percentiles: [f64; PERCENTILES.len()]) -> Numbers {
    let (mean, std) = match moments.mean_and_deviation() {
        Some(both) if min.is_finite() && max.is_finite() => both,
        // As a sum of infinities: one of them, or neither.
        _ => (
            if min.is_finite() {
                max
            } else if max.is_finite() {
                min
            } else {
                min + max
            },
            f64::NAN,
        ),
    };
    Numbers { mean, std, min, max, percentiles }
}

/// The percentiles of `n` values, of which `at` gives those of some ranks: between the two around a rank, in proportion.
pub fn percentiles(n: u64, at: impl Fn(&[u64]) -> Vec<f64>) -> [f64; PERCENTILES.len()] {
    let last = u128::from(n.saturating_sub(1));
    let hundredfold = |percent: u64| last * u128::from(percent);
    let mut ranks = Vec::new();
    for percent in PERCENTILES {
        ranks
            .extend([hundredfold(percent) / 100, hundredfold(percent).div_ceil(100)].map(|rank| rank as u64));
    }
    let found = at(&ranks);
    let mut told = [f64::NAN; PERCENTILES.len()];
    for ((value, percent), pair) in told.iter_mut().zip(PERCENTILES).zip(found.chunks_exact(2)) {
        let (below, above) = (pair[0], pair[1]);
        let share = (hundredfold(percent) % 100) as f64 / 100.0;
        *value = if below == above { below } else { between(below, above, share) };
    }
    told
}

/// What one look over the pixels of a band tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glance {
    /// How many are no NaN.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, as a population.
    pub std: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// Values in a sum before it goes into that of sums.
const RUN: usize = 256;

/// Counts and sums of pixels but NaN, in doubles, run by run.
pub fn glance(pixels: &[f64]) -> Glance {
    let (mut n, mut sum, mut min, mut max) = (0, 0.0, f64::INFINITY, f64::NEG_INFINITY);
    for run in pixels.chunks(RUN) {
        let mut of_run = [0.0f64; 4];
        for four in run.chunks(4) {
            for (sum, value) in of_run.iter_mut().zip(four) {
                *sum += if value.is_nan() { 0.0 } else { *value };
            }
        }
        n += run.iter().filter(|value| !value.is_nan()).count();
        // Minimum and maximum pass NaN over.
        min = run.iter().fold(min, |least, value| if *value < least { *value } else { least });
        max = run.iter().fold(max, |most, value| if *value > most { *value } else { most });
        sum += of_run.iter().sum::<f64>();
    }
    let mean = sum / n as f64;
    let mut squares = 0.0;
    for run in pixels.chunks(RUN) {
        let mut of_run = [0.0f64; 4];
        for four in run.chunks(4) {
            for (sum, value) in of_run.iter_mut().zip(four) {
                let off = value - mean;
                *sum += if value.is_nan() { 0.0 } else { off * off };
            }
        }
        squares += of_run.iter().sum::<f64>();
    }
    Glance { n, mean, std: (squares / n as f64).sqrt(), min, max }
}

/// NumPy's own form of it, which is monotonic.
fn between(below: f64, above: f64, share: f64) -> f64 {
    let step = above - below;
    if share >= 0.5 { above - step * (1.0 - share) } else { below + step * share }
}

/// The bands of patches, each with the same number of them.
#[derive(Debug, Clone)]
pub struct Bands<V: Sample> {
    bands: Vec<Band<V>>,
}

impl<V: Sample> Default for Bands<V> {
    fn default() -> Bands<V> {
        Bands { bands: Vec::new() }
    }
}

/// Which of some pixels are there.
pub trait Mask {
    /// Whether one is.
    fn has(&self, index: usize) -> bool;
}

impl<F: Fn(usize) -> bool> Mask for F {
    fn has(&self, index: usize) -> bool {
        self(index)
    }
}

/// Room for values on their way.
pub struct Room<V: Sample> {
    values: Vec<V>,
    keys: Vec<V::Key>,
}

impl<V: Sample> Default for Room<V> {
    fn default() -> Room<V> {
        Room { values: Vec::new(), keys: Vec::new() }
    }
}

impl<V: Sample> Bands<V> {
    /// Makes ready for a patch of so many bands.
    ///
    /// # Errors
    /// An earlier patch has another number of bands.
    pub fn expect(&mut self, bands: usize) -> Result<()> {
        if self.bands.is_empty() {
            self.bands.resize_with(bands, Band::default);
        }
        if self.bands.len() == bands {
            return Ok(());
        }
        let problem = format!("patches of {} and of {bands} bands", self.bands.len());
        Err(Error::conflict(problem, "Group them by their bands, for example GROUP BY shape[1]"))
    }

    /// Adds pixels of one band, all but NaN and, where `valid` is given, those that are not.
    pub fn add<T: Pixel>(&mut self, band: usize, pixels: &[T], valid: Option<impl Mask>, room: &mut Room<V>) {
        let Some(band) = self.bands.get_mut(band) else {
            return;
        };
        room.values.clear();
        let all = pixels.iter().map(|pixel| V::of(*pixel));
        match valid {
            None => room.values.extend(all),
            Some(valid) => room.values.extend(all.enumerate().filter(|(i, _)| valid.has(*i)).map(|(_, v)| v)),
        }
        // Mostly there is none, which is soon seen.
        if room.values.iter().fold(false, |any, value| any | value.is_nan()) {
            room.values.retain(|value| !value.is_nan());
        }
        band.add(&room.values, &mut room.keys);
    }

    /// Adds what other patches gave.
    ///
    /// # Errors
    /// As [`Bands::expect`].
    pub fn merge(&mut self, other: &Bands<V>) -> Result<()> {
        if other.bands.is_empty() {
            return Ok(());
        }
        self.expect(other.bands.len())?;
        self.bands.iter_mut().zip(&other.bands).for_each(|(to, from)| to.merge(from));
        Ok(())
    }

    /// What it holds on the heap.
    pub fn bytes(&self) -> usize {
        let inside = |band: &Band<V>| band.counts.bytes() + band.moments.bytes() + band.sketch.bytes();
        self.bands.capacity() * size_of::<Band<V>>() + self.bands.iter().map(inside).sum::<usize>()
    }

    /// Each band in numbers, with distributions where they are wanted.
    pub fn summaries(&self, with_spread: bool) -> Vec<Summary> {
        self.bands.iter().map(|band| band.summary(with_spread)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_values() {
        let values = [f64::NEG_INFINITY, -2.5, -1e-300, -0.0, 0.0, 5e-324, 1.0, 1e300, f64::INFINITY];
        assert!(values.windows(2).all(|pair| pair[0].key() < pair[1].key()));
        assert!(values.iter().all(|v| f64::of_key(v.key()).to_bits() == v.to_bits()));
        let values = values.map(|v| v as f32);
        assert!(values.windows(2).all(|pair| pair[0].key() <= pair[1].key()));
        assert!(values.iter().all(|v| f32::of_key(v.key()).to_bits() == v.to_bits()));
    }

    #[test]
    fn parts_make_the_value() {
        for value in [1.0, -1.5, 0.1, 1e300, -1e-300, f64::MAX, f64::MIN_POSITIVE] {
            let (mantissa, power) = value.parts();
            assert_eq!(mantissa as f64 * 2f64.powi(power / 2) * 2f64.powi(power - power / 2), value);
            let (mantissa, power) = (value as f32).parts();
            let small = mantissa as f64 * 2f64.powi(power);
            assert!((value as f32).is_infinite() || small == f64::from(value as f32));
        }
        assert_eq!(f64::from_bits(1).parts(), (1, -1074));
        assert_eq!((-f32::from_bits(3)).parts(), (-3, -149));
    }

    #[test]
    fn a_glance_passes_nan_over() {
        let mut pixels = vec![f64::NAN; 700];
        for (i, pixel) in pixels.iter_mut().enumerate().filter(|(i, _)| i % 7 == 3) {
            *pixel = i as f64;
        }
        let told = glance(&pixels);
        let (mean, std) = (3.0 + 7.0 * 49.5, 7.0 * ((100.0f64 * 100.0 - 1.0) / 12.0).sqrt());
        assert_eq!((told.n, told.mean, told.min, told.max), (100, mean, 3.0, 696.0));
        assert!((told.std - std).abs() < 1e-9);
        assert_eq!(glance(&[f64::NAN]).n, 0);
        assert_eq!(glance(&[f64::INFINITY, 1.0]).max, f64::INFINITY);
    }

    #[test]
    fn short_whole_numbers_are_told_from_others() {
        for whole in [-32_768.0f64, -1.0, -0.0, 0.0, 1.0, 255.0, 32_768.0, 65_535.0] {
            assert!(whole.is_short() && (whole as f32).is_short());
            assert_eq!((f64::from(whole.short()), f64::from((whole as f32).short())), (whole, whole));
        }
        for other in [
            -32_769.0,
            65_536.0,
            0.5,
            -0.25,
            65_534.5,
            1e-30,
            1e30,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ] {
            assert!(!other.is_short() && !(other as f32).is_short(), "{other}");
        }
        assert!(!1e-300f64.is_short() && !16_777_217.0f64.is_short() && !(1.0 + f64::EPSILON).is_short());
    }

    #[test]
    fn counts_and_sketch_together_tell_what_numpy_tells() {
        let pixels: Vec<f32> = (0..20_000).map(|i| (i * 7919 % 3001 - 1500) as f32).collect();
        let others: Vec<f32> = (0..9000).map(|i| (i * 31 % 977) as f32 + 0.5).collect();
        let (mut bands, mut room) = (Bands::<f32>::default(), Room::default());
        bands.expect(1).unwrap();
        for (part, half) in pixels.chunks(7000).enumerate() {
            let mut own = Bands::<f32>::default();
            own.expect(1).unwrap();
            own.add(0, half, Some(|at: usize| !(at + part * 7000).is_multiple_of(5)), &mut room);
            bands.merge(&own).unwrap();
        }
        bands.add(0, &others, Some(|_: usize| true), &mut room);
        let mut all: Vec<f64> =
            pixels.iter().enumerate().filter(|(i, _)| i % 5 != 0).map(|(_, v)| f64::from(*v)).collect();
        all.extend(others.iter().map(|v| f64::from(*v)));
        all.sort_unstable_by(f64::total_cmp);
        let summary = bands.summaries(true).remove(0);
        let (told, spread) = (summary.of_values.unwrap(), summary.spread.unwrap());
        assert_eq!((summary.n, told.min, told.max), (25_000, all[0], all[24_999]));
        assert_eq!((spread.error, spread.n(), told.mean), (0, 25_000, all.iter().sum::<f64>() / 25_000.0));
        assert_eq!(told.percentiles[2], (all[12_499] + all[12_500]) / 2.0);
    }

    #[test]
    fn a_band_of_few_values_is_exact() {
        let mut bands = Bands::<f32>::default();
        let mut room = Room::default();
        bands.expect(2).unwrap();
        bands.add(0, &[3.0f32, f32::NAN, 1.0, 2.0, 9.0], Some(|i: usize| i != 4), &mut room);
        let [first, second] = <[Summary; 2]>::try_from(bands.summaries(false)).unwrap();
        let told = first.of_values.unwrap();
        assert_eq!((first.n, told.mean, told.min, told.max), (3, 2.0, 1.0, 3.0));
        assert_eq!(told.std, (2.0f64 / 3.0).sqrt());
        assert_eq!(told.percentiles, [1.04, 1.5, 2.0, 2.5, 2.96]);
        assert_eq!(second, Summary { n: 0, of_values: None, spread: None });
        assert!(bands.expect(3).is_err());
    }
}
