//! Sums of values and of their squares without any rounding, so that neither order nor threads change mean and
//! deviation.
//!
//! A float is a whole number times a power of two. The whole numbers of each power, and their squares, are added up
//! as integers; the powers come together at the end, in integers of any length, and are rounded once.

use num_bigint::{BigInt, BigUint, Sign};

/// The sums of the values of one power of two.
#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    /// At most 2^53 a value: 2^74 values fit.
    sum: i128,
    /// At most 2^106 a value; what runs over is carried.
    squares: u128,
    carry: u64,
}

impl Bin {
    fn add(&mut self, sum: i128, squares: u128, carry: u64) {
        self.sum += sum;
        let (squares, over) = self.squares.overflowing_add(squares);
        self.squares = squares;
        self.carry += carry + u64::from(over);
    }
}

/// How many finite values there are, and their sums.
#[derive(Debug, Clone, Default)]
pub struct Moments {
    n: u64,
    /// The power of the first bin.
    first: i32,
    bins: Vec<Bin>,
}

impl Moments {
    /// Adds `mantissa * 2^power`.
    #[inline]
    pub fn push(&mut self, mantissa: i64, power: i32) {
        self.n += 1;
        if mantissa == 0 {
            return;
        }
        let square = u128::from(mantissa.unsigned_abs()).pow(2);
        self.bin(power).add(mantissa.into(), square, 0);
    }

    /// Adds a whole number of at most 16 bits so many times.
    pub fn push_many(&mut self, whole: i32, count: u64) {
        self.n += count;
        if whole != 0 {
            let (times, square) = (i128::from(count), u128::from(whole.unsigned_abs()).pow(2));
            self.bin(0).add(i128::from(whole) * times, square * u128::from(count), 0);
        }
    }

    #[inline]
    fn bin(&mut self, power: i32) -> &mut Bin {
        let index = power.wrapping_sub(self.first) as usize;
        if index >= self.bins.len() {
            return self.grow(power);
        }
        &mut self.bins[index]
    }

    /// Bins from the lowest power to the highest.
    #[cold]
    fn grow(&mut self, power: i32) -> &mut Bin {
        if self.bins.is_empty() {
            self.first = power;
        }
        let before = (self.first - power).max(0) as usize;
        if before > 0 {
            self.bins.splice(0..0, std::iter::repeat_n(Bin::default(), before));
            self.first = power;
        }
        let index = (power - self.first) as usize;
        if index >= self.bins.len() {
            self.bins.resize(index + 1, Bin::default());
        }
        &mut self.bins[index]
    }

    /// Adds what other values gave.
    pub fn merge(&mut self, other: &Moments) {
        self.n += other.n;
        for (power, bin) in (other.first..).zip(&other.bins) {
            if bin.squares != 0 || bin.carry != 0 {
                self.bin(power).add(bin.sum, bin.squares, bin.carry);
            }
        }
    }

    /// What it holds on the heap.
    pub fn bytes(&self) -> usize {
        self.bins.capacity() * size_of::<Bin>()
    }

    /// Mean and standard deviation (of the population), the mean rounded to the nearest double, the deviation within one
    /// unit in its last place; `None` without a value.
    pub fn mean_and_deviation(&self) -> Option<(f64, f64)> {
        if self.n == 0 {
            return None;
        }
        let mut sum = BigInt::ZERO;
        let mut squares = BigUint::ZERO;
        for (shift, bin) in self.bins.iter().enumerate() {
            sum += BigInt::from(bin.sum) << shift;
            squares += (BigUint::from(bin.squares) + (BigUint::from(bin.carry) << 128)) << (2 * shift);
        }
        let n = BigUint::from(self.n);
        let (mean, power) = quotient(sum.magnitude(), &n);
        let mean = scaled(mean, power + i64::from(self.first));
        let mean = if sum.sign() == Sign::Minus { -mean } else { mean };
        // n * squares is no less than the square of the sum (Cauchy and Schwarz).
        let spread = &n * squares - sum.magnitude().pow(2);
        let (variance, power) = quotient(&spread, &(&n * &n));
        // An even power has a root.
        let (variance, power) = if power % 2 == 0 { (variance, power) } else { (variance * 2.0, power - 1) };
        Some((mean, scaled(variance.sqrt(), power / 2 + i64::from(self.first))))
    }
}

/// `number / divisor` as a double of 65 bits or so and a power of two, rounded once, to the nearest, ties to even.
fn quotient(number: &BigUint, divisor: &BigUint) -> (f64, i64) {
    let shift = 66 + divisor.bits() as i64 - number.bits() as i64;
    let (number, divisor) = match shift {
        0.. => (number << shift as u64, divisor.clone()),
        _ => (number.clone(), divisor << shift.unsigned_abs()),
    };
    let whole = &number / &divisor;
    let rest = &whole * &divisor != number;
    // What is left over can only tip what lies between two doubles.
    let whole = u128::try_from(whole).unwrap_or(0) | u128::from(rest);
    (whole as f64, -shift)
}

/// `value * 2^power`, in steps that no double leaves on the way.
fn scaled(value: f64, power: i64) -> f64 {
    let half = (power / 2).clamp(-1100, 1100) as i32;
    let rest = (power - i64::from(half)).clamp(-1100, 1100) as i32;
    let step = |value: f64, power: i32| value * 2f64.powi(power / 2) * 2f64.powi(power - power / 2);
    step(step(value, half), rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stitch::statistics::Sample;

    fn of(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        for value in values {
            let (mantissa, power) = value.parts();
            moments.push(mantissa, power);
        }
        moments
    }

    #[test]
    fn what_cancels_is_not_lost() {
        // 1e16 + 1 - 1e16, over three, in any order.
        for values in [[1e16, 1.0, -1e16], [1.0, 1e16, -1e16], [-1e16, 1e16, 1.0]] {
            assert_eq!(of(&values).mean_and_deviation().unwrap().0, 1.0 / 3.0);
        }
        let (mean, deviation) = of(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]).mean_and_deviation().unwrap();
        assert_eq!((mean, deviation), (1e9 + 2.0, (2.0f64 / 3.0).sqrt()));
        assert_eq!(of(&[0.1; 1000]).mean_and_deviation().unwrap(), (0.1, 0.0));
    }

    #[test]
    fn the_ends_of_what_a_double_holds() {
        assert_eq!(of(&[f64::MAX; 3]).mean_and_deviation().unwrap(), (f64::MAX, 0.0));
        assert_eq!(of(&[f64::MAX, -f64::MAX]).mean_and_deviation().unwrap(), (0.0, f64::MAX));
        let least = f64::from_bits(1);
        assert_eq!(of(&[least; 5]).mean_and_deviation().unwrap(), (least, 0.0));
        assert_eq!(of(&[0.0, -0.0]).mean_and_deviation().unwrap(), (0.0, 0.0));
        assert_eq!(of(&[]).mean_and_deviation(), None);
    }

    #[test]
    fn parts_give_the_whole_to_the_bit() {
        let mut random = crate::random::Pcg64::new(3);
        let values: Vec<f64> =
            (0..5000).map(|i| (f64::from(random.next_u32()) - 1e9) * 2f64.powi(i % 300 - 150)).collect();
        let whole = of(&values).mean_and_deviation();
        let mut parts = Moments::default();
        for part in values.rchunks(77) {
            parts.merge(&of(part));
        }
        assert_eq!(parts.mean_and_deviation(), whole);
    }
}
