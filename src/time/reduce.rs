//! Many steps made one, or put in order.

use crate::error::{Error, Result};
use crate::time::Length;
use crate::time::weights::{Taper, weights};
use crate::workers::go_on_or_leave;

/// What becomes of the steps.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// Their mean.
    Mean,
    /// Their mean, weighted.
    Weighted(Taper),
    /// A mean for each scale that ends at the anchor, then the mean of those, weighted by these numbers.
    Hierarchical(Vec<Length>, Vec<f64>),
    /// All steps, the earliest first.
    Sequential,
    /// The steps after the anchor, the earliest first.
    Forecast,
}

/// Steps of `step` values each, one after another: values, of which some are missing.
pub struct Steps<'a> {
    /// The time of each.
    pub times: &'a [i64],
    /// Step by step.
    pub values: &'a [Option<f64>],
}

impl Steps<'_> {
    fn length(&self) -> usize {
        self.values.len().checked_div(self.times.len()).unwrap_or(0)
    }

    fn step(&self, index: usize) -> &[Option<f64>] {
        let length = self.length();
        self.values.get(index * length..(index + 1) * length).unwrap_or_default()
    }

    /// How many steps there are then, and their values. A mean of no step is one step of missing values.
    ///
    /// # Errors
    /// Scales and weights that do not pair.
    pub fn reduce(&self, anchor: i64, method: &Method) -> Result<(Option<usize>, Vec<Option<f64>>)> {
        Ok(match method {
            Method::Mean => (None, self.mean(&vec![1.0; self.times.len()])),
            Method::Weighted(taper) => (None, self.mean(&weights(taper, self.times, anchor))),
            Method::Hierarchical(scales, shares) => (None, self.hierarchical(anchor, scales, shares)?),
            Method::Sequential => self.ordered(|_| true),
            Method::Forecast => self.ordered(|t| t > anchor),
        })
    }

    /// By place: the sum of weight times value over the sum of weights, of values that are there.
    fn mean(&self, weights: &[f64]) -> Vec<Option<f64>> {
        let mut sums = vec![(0.0, 0.0); self.length()];
        for (index, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            go_on_or_leave();
            for (sum, value) in sums.iter_mut().zip(self.step(index)) {
                if let Some(value) = value {
                    *sum = (sum.0 + weight * value, sum.1 + weight);
                }
            }
        }
        sums.into_iter().map(|(sum, weight)| (weight != 0.0).then(|| sum / weight)).collect()
    }

    fn hierarchical(&self, anchor: i64, scales: &[Length], shares: &[f64]) -> Result<Vec<Option<f64>>> {
        if !shares.is_empty() && shares.len() != scales.len() {
            let must = format!("one for each of the {} scales", scales.len());
            return Err(Error::invalid(format!("{shares:?}"), must));
        }
        let mut sums = vec![(0.0, 0.0); self.length()];
        for (index, scale) in scales.iter().enumerate() {
            let share = shares.get(index).copied().unwrap_or(1.0);
            let means = self.mean(&weights(&Taper::CausalBoxcar(Some(*scale)), self.times, anchor));
            for (sum, mean) in sums.iter_mut().zip(means) {
                if let Some(mean) = mean {
                    *sum = (sum.0 + share * mean, sum.1 + share);
                }
            }
        }
        Ok(sums.into_iter().map(|(sum, share)| (share != 0.0).then(|| sum / share)).collect())
    }

    fn ordered(&self, wanted: impl Fn(i64) -> bool) -> (Option<usize>, Vec<Option<f64>>) {
        let mut order: Vec<usize> =
            (0..self.times.len()).filter(|i| self.times.get(*i).is_some_and(|t| wanted(*t))).collect();
        order.sort_by_key(|i| self.times.get(*i).copied());
        let values = order.iter().flat_map(|i| self.step(*i).iter().copied()).collect();
        (Some(order.len()), values)
    }
}
