//! Sums in pairs of doubles: 106 bits, so that neither order nor parts change what is rounded to one double, but where the
//! exact sum lies within 2^-100 of a tie.

/// A sum as two doubles, the second no more than half a unit in the last place of the first.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Double {
    /// The nearest double.
    pub high: f64,
    /// What it lacks.
    pub low: f64,
}

/// Above this the parts of a product overflow.
const MOST: f64 = 1e290;

#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let from_b = sum - a;
    (sum, (a - (sum - from_b)) + (b - from_b))
}

#[inline]
fn split(value: f64) -> (f64, f64) {
    let scaled = value * 134_217_729.0;
    let high = scaled - (scaled - value);
    (high, value - high)
}

impl Double {
    /// The exact product of two doubles, as far as it does not underflow.
    #[inline]
    pub fn product(a: f64, b: f64) -> Double {
        let high = a * b;
        if !(a.abs() < MOST && b.abs() < MOST && high.abs() < MOST) {
            return Double { high, low: 0.0 };
        }
        let ((ah, al), (bh, bl)) = (split(a), split(b));
        Double { high, low: ((ah * bh - high) + ah * bl + al * bh) + al * bl }
    }

    /// The sum.
    #[inline]
    #[must_use]
    pub fn plus(self, other: Double) -> Double {
        let (sum, rest) = two_sum(self.high, other.high);
        // An infinity, or NaN, has nothing to add.
        if !sum.is_finite() {
            return Double { high: self.high + other.high, low: 0.0 };
        }
        let rest = rest + self.low + other.low;
        let high = sum + rest;
        Double { high, low: rest - (high - sum) }
    }

    /// The quotient, rounded to a double. The mean of two doubles is often a tie, of which the pairs lack too little or too much:
    /// what lies within 2^-40 units of one goes to the even double.
    pub fn over(self, other: Double) -> f64 {
        let first = self.high / other.high;
        if !first.is_finite() || other.high.is_nan() || other.high.abs() >= MOST {
            return first;
        }
        let back = Double::product(first, other.high).plus(Double::product(first, other.low));
        let rest = self.plus(Double { high: -back.high, low: -back.low });
        if rest.high.is_finite() { nearest(first, rest.high / other.high) } else { first }
    }
}

/// The double next to the sum; near a tie the even one.
fn nearest(first: f64, rest: f64) -> f64 {
    let (sum, left) = two_sum(first, rest);
    let next = if left > 0.0 { sum.next_up() } else { sum.next_down() };
    let is_tie = 2.0 * left.abs() > (1.0 - 2f64.powi(-40)) * (next - sum).abs();
    if is_tie && sum.to_bits() & 1 == 1 { next } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cancels_is_not_lost() {
        let sum = |values: &[f64]| {
            values.iter().fold(Double::default(), |sum, v| sum.plus(Double { high: *v, low: 0.0 }))
        };
        assert_eq!(sum(&[1e16, 1.0, -1e16]), Double { high: 1.0, low: 0.0 });
        assert_eq!(sum(&[1.0, 1e30, -1e30, 2.0]).high, 3.0);
        assert_eq!(sum(&[f64::INFINITY, 1.0]).high, f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).high.is_nan());
    }

    #[test]
    fn weighted_means_of_one_value_are_the_value() {
        let mut random = crate::random::Pcg64::new(5);
        let mut draw = || f64::from(random.next_u32()) / 4e9;
        for _ in 0..2000 {
            let value = (draw() - 0.5) * 10f64.powi((draw() * 40.0) as i32 - 20);
            let (mut sum, mut weights) = (Double::default(), Double::default());
            for _ in 0..1 + (draw() * 9.0) as usize {
                let weight = draw() * draw();
                sum = sum.plus(Double::product(weight, value));
                weights = weights.plus(Double { high: weight, low: 0.0 });
            }
            assert_eq!(sum.over(weights), value);
        }
    }

    #[test]
    fn the_mean_of_two_doubles_is_the_same_in_any_order() {
        let mut random = crate::random::Pcg64::new(7);
        let mut draw = || 0.5 + f64::from(random.next_u32()) / 9e9 + f64::from(random.next_u32()) / 4e19;
        for _ in 0..2000 {
            let (a, b, weight) = (draw(), draw(), draw());
            let mean = |values: &[f64]| {
                let (mut sum, mut weights) = (Double::default(), Double::default());
                for value in values {
                    sum = sum.plus(Double::product(weight, *value));
                    weights = weights.plus(Double { high: weight, low: 0.0 });
                }
                sum.over(weights)
            };
            let told =
                [[a, b, a, b, a, b], [a, a, a, b, b, b], [b, a, a, b, b, a]].map(|values| mean(&values));
            assert_eq!(told, [(a + b) / 2.0; 3]);
        }
    }

    #[test]
    fn order_changes_no_bit() {
        let mut random = crate::random::Pcg64::new(6);
        let mut draw = || f64::from(random.next_u32()) / 4e9 - 0.5;
        for _ in 0..500 {
            let terms: Vec<Double> = (0..9).map(|_| Double::product(draw(), draw() * 1e3)).collect();
            let there = terms.iter().fold(Double::default(), |sum, term| sum.plus(*term)).high;
            let back = terms.iter().rev().fold(Double::default(), |sum, term| sum.plus(*term)).high;
            assert_eq!(there, back);
        }
    }
}
