//! What a step weighs, by how far it lies from the anchor.

use std::f64::consts::{PI, TAU};

use crate::time::Length;

/// How steps weigh.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Taper {
    /// All alike, up to the anchor, and not before `length` behind it.
    CausalBoxcar(Option<Length>),
    /// By `exp(-(anchor - t) / tau)`, up to the anchor.
    ExponentialDecay(Length),
    /// Cosine flanks over the share `alpha` of the window: of the steps themselves, or of `length` up to the anchor.
    Tukey(f64, Option<Length>),
    /// By `0.5 (1 + cos(2 pi (t - anchor) / period))`.
    Periodic(Length),
}

/// The weight of each of these steps.
pub fn weights(taper: &Taper, times: &[i64], anchor: i64) -> Vec<f64> {
    let first = times.iter().copied().min().unwrap_or(0);
    let last = times.iter().copied().max().unwrap_or(0);
    let weight = |t: &i64| {
        // Microseconds, whose difference a double holds to the last one for 285 years.
        let age = (anchor - *t) as f64;
        let begun = |length: &Option<Length>| {
            length.as_ref().is_none_or(|l| l.shift(anchor, -1).is_none_or(|from| *t > from))
        };
        match taper {
            Taper::CausalBoxcar(length) => f64::from(u8::from(age >= 0.0 && begun(length))),
            Taper::ExponentialDecay(tau) if age >= 0.0 => (-age / tau.micros()).exp(),
            Taper::ExponentialDecay(_) => 0.0,
            Taper::Tukey(alpha, None) => match last - first {
                0 => 1.0,
                length => tukey((*t - first) as f64 / length as f64, *alpha),
            },
            Taper::Tukey(alpha, Some(length)) => {
                let length = length.shift(anchor, -1).map_or(f64::INFINITY, |from| (anchor - from) as f64);
                let spot = 1.0 - age / length;
                if (0.0..=1.0).contains(&spot) { tukey(spot, *alpha) } else { 0.0 }
            }
            Taper::Periodic(period) => 0.5 * (1.0 + (TAU * age / period.micros()).cos()),
        }
    };
    times.iter().map(weight).collect()
}

/// The Tukey window at a place between 0 and 1, as scipy.signal.windows.tukey.
fn tukey(spot: f64, alpha: f64) -> f64 {
    let edge = spot.min(1.0 - spot);
    if edge >= alpha / 2.0 { 1.0 } else { 0.5 * (1.0 + (PI * (2.0 * edge / alpha - 1.0)).cos()) }
}
