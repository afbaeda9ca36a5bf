//! Tapers: how much a pixel of a patch counts by where it lies in the patch.
//!
//! Named tapers are those of `scipy.signal.windows`, periodic (`sym=False`) unless they are to be symmetric; of several
//! axes the weight is the product.

use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::workers::{STRIDE, go_on};

/// The course of a taper along one axis.
#[derive(Debug, Clone, PartialEq)]
pub enum Curve {
    /// 1 everywhere.
    Boxcar,
    /// A raised cosine.
    Hann,
    /// Flat, with a raised cosine along the outer share `alpha`.
    Tukey {
        /// From 0 (boxcar) to 1 (Hann).
        alpha: f64,
    },
    /// A bell whose deviation is `sigma` times half the width.
    Gaussian {
        /// Above 0.
        sigma: f64,
    },
    /// Weights of one's own, for windows of their length.
    Own(Vec<f64>),
}

/// How much a pixel counts along one axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Taper {
    /// Which one.
    pub curve: Curve,
    /// As `numpy.hanning`, zero at both ends; else windows that overlap by half add up to one.
    pub symmetric: bool,
}

/// A zero of a named taper counts as this where nothing else lies: far less than what a double adds to anything.
pub const LEAST: f64 = 1.0 / (1u128 << 100) as f64;

impl Taper {
    /// 1 everywhere.
    pub const BOXCAR: Taper = Taper { curve: Curve::Boxcar, symmetric: false };

    /// The weights of a window of `n` pixels.
    ///
    /// # Errors
    /// Weights of one's own, of another length.
    pub fn weights(&self, n: usize) -> Result<Vec<f64>> {
        if let Curve::Own(weights) = &self.curve {
            if weights.len() == n {
                return Ok(weights.clone());
            }
            let problem = format!("a taper of {} weights for a window of {n} pixels", weights.len());
            return Err(Error::conflict(problem, "Give one weight a pixel along each axis"));
        }
        if n == 1 {
            return Ok(vec![1.0]);
        }
        // From the first weight to the one behind the last, which a periodic taper leaves out.
        let length = if self.symmetric { n - 1 } else { n } as f64;
        let weight = |i: usize| {
            if i.is_multiple_of(STRIDE) {
                go_on()?;
            }
            Ok(self.at(i as f64, length))
        };
        (0..n).map(weight).collect()
    }

    fn at(&self, i: f64, length: f64) -> f64 {
        match &self.curve {
            Curve::Boxcar | Curve::Own(_) => 1.0,
            Curve::Hann => 0.5 - 0.5 * (2.0 * PI * i / length).cos(),
            Curve::Tukey { alpha } if *alpha <= 0.0 => 1.0,
            Curve::Tukey { alpha } => {
                let from_end = i.min(length - i);
                let edge = alpha * length / 2.0;
                if from_end >= edge { 1.0 } else { 0.5 - 0.5 * (PI * from_end / edge).cos() }
            }
            Curve::Gaussian { sigma } => {
                // SciPy's `std` is in pixels: here a share of half the window.
                let pixels = if self.symmetric { length + 1.0 } else { length };
                (-0.5 * ((i - length / 2.0) / (sigma * pixels / 2.0)).powi(2)).exp()
            }
        }
    }

    /// The weights that patches are laid with: as [`Taper::weights`], but that no end of a named taper is zero, so that a
    /// pixel on which nothing else lies has its value.
    ///
    /// # Errors
    /// As [`Taper::weights`].
    pub fn laid(&self, n: usize) -> Result<Vec<f64>> {
        let mut weights = self.weights(n)?;
        if !matches!(self.curve, Curve::Own(_)) {
            weights.iter_mut().for_each(|weight| *weight = weight.max(LEAST));
        }
        Ok(weights)
    }

    /// The weight at a distance from the middle of a cap; 0 beyond its radius.
    ///
    /// # Errors
    /// Weights of one's own, which are for windows.
    pub fn at_distance(&self, distance: f64, radius: f64) -> Result<f64> {
        let share = distance / radius;
        if share.is_nan() || share > 1.0 {
            return Ok(0.0);
        }
        Ok(match &self.curve {
            Curve::Boxcar => 1.0,
            Curve::Hann => 0.5 + 0.5 * (PI * share).cos(),
            Curve::Tukey { alpha } if share <= 1.0 - alpha => 1.0,
            Curve::Tukey { alpha } => 0.5 + 0.5 * (PI * (share - 1.0 + alpha) / alpha).cos(),
            Curve::Gaussian { sigma } => (-0.5 * (share / sigma).powi(2)).exp(),
            Curve::Own(_) => {
                let problem = "weights of one's own are for windows, not for distances";
                return Err(Error::conflict(problem, "Name a taper"));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(curve: Curve, symmetric: bool) -> Taper {
        Taper { curve, symmetric }
    }

    #[test]
    fn periodic_hann_windows_that_overlap_by_half_add_up_to_one() {
        for n in [2, 4, 16, 128] {
            let weights = shape(Curve::Hann, false).weights(n).unwrap();
            for i in 0..n / 2 {
                assert!((weights[i] + weights[i + n / 2] - 1.0).abs() < 1e-15);
            }
        }
    }

    #[test]
    fn ends_are_alike_where_a_taper_is_symmetric() {
        for taper in [Curve::Hann, Curve::Tukey { alpha: 0.3 }, Curve::Gaussian { sigma: 0.25 }] {
            for n in [2usize, 3, 9, 32] {
                let weights = shape(taper.clone(), true).weights(n).unwrap();
                for i in 0..n {
                    assert!((weights[i] - weights[n - 1 - i]).abs() < 1e-15, "{taper:?} {n} {i}");
                }
            }
        }
        assert_eq!(shape(Curve::Hann, true).weights(3).unwrap(), [0.0, 1.0, 0.0]);
        assert_eq!(shape(Curve::Hann, false).weights(1).unwrap(), [1.0]);
    }

    #[test]
    fn tukey_lies_between_boxcar_and_hann() {
        let of = |taper| shape(taper, false).weights(17).unwrap();
        assert_eq!(of(Curve::Tukey { alpha: 0.0 }), of(Curve::Boxcar));
        let (tukey, hann) = (of(Curve::Tukey { alpha: 1.0 }), of(Curve::Hann));
        assert!(tukey.iter().zip(&hann).all(|(a, b)| (a - b).abs() < 1e-15));
    }

    #[test]
    fn a_laid_taper_is_nowhere_zero_but_where_one_says_so() {
        assert!(shape(Curve::Hann, true).laid(9).unwrap().iter().all(|w| *w > 0.0));
        let own = shape(Curve::Own(vec![0.0, 1.0]), false);
        assert_eq!(own.laid(2).unwrap(), [0.0, 1.0]);
        assert!(own.laid(3).is_err());
    }

    #[test]
    fn a_cap_ends_at_its_radius() {
        for taper in [Curve::Boxcar, Curve::Hann, Curve::Tukey { alpha: 0.5 }, Curve::Gaussian { sigma: 0.5 }]
        {
            let shape = shape(taper, false);
            assert_eq!(shape.at_distance(0.0, 10.0).unwrap(), 1.0);
            assert_eq!(shape.at_distance(10.1, 10.0).unwrap(), 0.0);
            assert_eq!(shape.at_distance(f64::NAN, 10.0).unwrap(), 0.0);
        }
        assert_eq!(shape(Curve::Hann, false).at_distance(5.0, 10.0).unwrap(), 0.5);
    }
}
