//! Count, mean, deviation, extremes and percentiles of the bands of any number of patches, gathered in parts.
//!
//! Order and parts change no bit of all but the percentiles, whose error is that of [`Sketch`].

use crate::dtype::Pixel;
use crate::error::{Error, Result};
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
}

macro_rules! sample {
    ($float:ty, $key:ty, $signed:ty, $digits:expr, $bias:expr) => {
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
        }
    };
}
sample!(f32, u32, i32, 23, 150);
sample!(f64, u64, i64, 52, 1075);

/// What is gathered of one band.
#[derive(Debug, Clone)]
struct Band<V: Sample> {
    moments: Moments,
    least: V,
    most: V,
    sketch: Sketch<V::Key>,
}

impl<V: Sample> Default for Band<V> {
    fn default() -> Band<V> {
        Band { moments: Moments::default(), least: V::MOST, most: V::LEAST, sketch: Sketch::default() }
    }
}

/// One band in numbers. `n` counts infinite values too, which leave no mean or deviation that is finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How many values there are.
    pub n: u64,
    /// The rest, where there is a value.
    pub of_values: Option<Numbers>,
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
        self.least = if other.least < self.least { other.least } else { self.least };
        self.most = if other.most > self.most { other.most } else { self.most };
        self.moments.merge(&other.moments);
        self.sketch.merge(&other.sketch);
    }

    fn summary(&self) -> Summary {
        let n = self.sketch.count();
        if n == 0 {
            return Summary { n, of_values: None };
        }
        let (min, max) = (self.least.f64(), self.most.f64());
        let finite = min.is_finite() && max.is_finite();
        let (mean, std) = match self.moments.mean_and_deviation() {
            Some(both) if finite => both,
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
        let percentiles = self.percentiles(n);
        Summary { n, of_values: Some(Numbers { mean, std, min, max, percentiles }) }
    }

    /// Between the two values around a rank, in proportion.
    fn percentiles(&self, n: u64) -> [f64; PERCENTILES.len()] {
        let last = u128::from(n - 1);
        let hundredfold = |percent: u64| last * u128::from(percent);
        let mut ranks = Vec::new();
        for percent in PERCENTILES {
            ranks.extend(
                [hundredfold(percent) / 100, hundredfold(percent).div_ceil(100)].map(|rank| rank as u64),
            );
        }
        let found: Vec<f64> = self.sketch.at(&ranks).into_iter().map(|key| V::of_key(key).f64()).collect();
        let mut told = [f64::NAN; PERCENTILES.len()];
        for ((value, percent), pair) in told.iter_mut().zip(PERCENTILES).zip(found.chunks_exact(2)) {
            let (below, above) = (pair[0], pair[1]);
            let share = (hundredfold(percent) % 100) as f64 / 100.0;
            *value = if below == above { below } else { between(below, above, share) };
        }
        told
    }
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
    pub fn add<T: Pixel>(
        &mut self,
        band: usize,
        pixels: &[T],
        valid: Option<impl Fn(usize) -> bool>,
        room: &mut Room<V>,
    ) {
        let Some(band) = self.bands.get_mut(band) else { return };
        room.values.clear();
        let all = pixels.iter().map(|pixel| V::of(*pixel));
        match valid {
            None => room.values.extend(all),
            Some(valid) => room.values.extend(all.enumerate().filter(|(i, _)| valid(*i)).map(|(_, v)| v)),
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
        let inside = |band: &Band<V>| band.moments.bytes() + band.sketch.bytes();
        self.bands.capacity() * size_of::<Band<V>>() + self.bands.iter().map(inside).sum::<usize>()
    }

    /// Each band in numbers.
    pub fn summaries(&self) -> Vec<Summary> {
        self.bands.iter().map(Band::summary).collect()
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
    fn a_band_of_few_values_is_exact() {
        let mut bands = Bands::<f32>::default();
        let mut room = Room::default();
        bands.expect(2).unwrap();
        bands.add(0, &[3.0f32, f32::NAN, 1.0, 2.0, 9.0], Some(|i| i != 4), &mut room);
        let [first, second] = <[Summary; 2]>::try_from(bands.summaries()).unwrap();
        let told = first.of_values.unwrap();
        assert_eq!((first.n, told.mean, told.min, told.max), (3, 2.0, 1.0, 3.0));
        assert_eq!(told.std, (2.0f64 / 3.0).sqrt());
        assert_eq!(told.percentiles, [1.04, 1.5, 2.0, 2.5, 2.96]);
        assert_eq!(second, Summary { n: 0, of_values: None });
        assert!(bands.expect(3).is_err());
    }
}
