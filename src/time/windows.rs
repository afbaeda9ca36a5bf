//! Windows of time about an anchor, each open at its start and closed at its end, written as closed intervals.

use crate::error::{Error, Result};
use crate::interval::Interval;
use crate::time::Length;

/// The form of the windows of an anchor.
#[derive(Debug, Clone, PartialEq)]
pub enum Geometry {
    /// What lies before, the anchor with it.
    Lookback(Length),
    /// That, and what comes after.
    LookbackHorizon(Length, Length),
    /// Several that end at the anchor.
    MultiScale(Vec<Length>),
    /// The anchor's phase, in every period.
    Phase {
        /// From one phase to the next.
        period: Length,
        /// Of a window, centred on the phase.
        width: Length,
        /// Nothing after the anchor.
        causal: bool,
    },
}

/// The windows of anchors on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    geometry: Geometry,
    /// What of a window lies on the axis is a window.
    partial: bool,
}

/// More windows of one anchor are none that anyone wants.
const MAX_PERIODS: i64 = 1_000_000;

impl Windows {
    /// # Errors
    /// No scale, a phase wider than its period, or one counted in months.
    pub fn new(geometry: Geometry, partial: bool) -> Result<Windows> {
        match &geometry {
            Geometry::MultiScale(scales) if scales.is_empty() => {
                return Err(Error::invalid("[]", "at least one scale"));
            }
            Geometry::Phase { period, width, .. } => {
                if width.has_months() {
                    return Err(Error::invalid(
                        format!("a phase_width of {width}"),
                        "counted in days or less",
                    ));
                }
                if width.micros() > period.micros() {
                    let must = format!("at most its period, {period}");
                    return Err(Error::invalid(format!("a phase_width of {width}"), must));
                }
            }
            _ => {}
        }
        Ok(Windows { geometry, partial })
    }

    /// What the windows of an anchor are called, in their order.
    pub fn roles(&self) -> Vec<String> {
        match &self.geometry {
            Geometry::Lookback(_) => vec!["lookback".into()],
            Geometry::LookbackHorizon(..) => vec!["lookback".into(), "horizon".into()],
            Geometry::MultiScale(scales) => scales.iter().map(Length::to_string).collect(),
            Geometry::Phase { .. } => vec!["phase".into()],
        }
    }

    /// The first and the last instant that may have whole windows; where months count, some between them and some days
    /// beyond may have none.
    pub fn bounds(&self, axis: &Interval) -> Option<(i64, i64)> {
        let slack = |length: &Length| if length.has_months() { 4 * crate::time::length::DAY } else { 0 };
        let after = |length: &Length| Some(length.shift(axis.start, 1)? - 1 - slack(length));
        let (first, last) = match &self.geometry {
            _ if self.partial => (axis.start, axis.stop),
            Geometry::Lookback(length) => (after(length)?, axis.stop),
            Geometry::LookbackHorizon(lookback, horizon) => {
                (after(lookback)?, horizon.shift(axis.stop, -1)? + slack(horizon))
            }
            Geometry::MultiScale(scales) => {
                (scales.iter().map(after).collect::<Option<Vec<i64>>>()?.into_iter().max()?, axis.stop)
            }
            Geometry::Phase { .. } => (axis.start, axis.stop),
        };
        let (first, last) = (first.max(axis.start), last.min(axis.stop));
        (first <= last).then_some((first, last))
    }

    /// The windows of an anchor, each with the number of its role; `None` where they do not lie on the axis, or nothing
    /// of them does.
    pub fn at(&self, anchor: i64, axis: &Interval) -> Option<Vec<(usize, Interval)>> {
        let back = |length: &Length| {
            Some(Interval { start: length.shift(anchor, -1)?.checked_add(1)?, stop: anchor })
        };
        let wanted: Vec<(usize, Interval)> = match &self.geometry {
            Geometry::Lookback(length) => vec![(0, back(length)?)],
            Geometry::LookbackHorizon(lookback, horizon) => {
                let ahead = Interval { start: anchor.checked_add(1)?, stop: horizon.shift(anchor, 1)? };
                vec![(0, back(lookback)?), (1, ahead)]
            }
            Geometry::MultiScale(scales) => {
                scales.iter().map(back).collect::<Option<Vec<_>>>()?.into_iter().enumerate().collect()
            }
            Geometry::Phase { period, width, causal } => {
                // Each period's window stands for itself: one beyond the axis takes no other with it.
                let found = phases(anchor, axis, period, width, *causal);
                let found: Vec<_> =
                    found.into_iter().filter_map(|one| self.on(one, axis)).map(|w| (0, w)).collect();
                return (!found.is_empty()).then_some(found);
            }
        };
        let found: Vec<(usize, Interval)> =
            wanted.iter().filter_map(|(role, one)| Some((*role, self.on(*one, axis)?))).collect();
        let enough = if self.partial { !found.is_empty() } else { found.len() == wanted.len() };
        enough.then_some(found)
    }

    /// A window on the axis: whole, or what of it lies there.
    fn on(&self, window: Interval, axis: &Interval) -> Option<Interval> {
        let cut = Interval { start: window.start.max(axis.start), stop: window.stop.min(axis.stop) };
        (if self.partial { cut.start <= cut.stop } else { cut == window }).then_some(cut)
    }
}

fn phases(anchor: i64, axis: &Interval, period: &Length, width: &Length, causal: bool) -> Vec<Interval> {
    let width = width.micros() as i64;
    let before = width / 2;
    let window = |turn: i64| {
        let centre = period.shift(anchor, turn)?;
        let stop = centre + (width - before);
        Some(Interval { start: centre - before + 1, stop: if causal { stop.min(anchor) } else { stop } })
    };
    let mut found = Vec::new();
    let mut turn = 0;
    while let Some(one) = window(turn).filter(|one| one.stop >= axis.start && turn > -MAX_PERIODS) {
        found.push(one);
        turn -= 1;
    }
    found.reverse();
    turn = 1;
    while let Some(one) = window(turn).filter(|one| !causal && one.start <= axis.stop && turn < MAX_PERIODS) {
        found.push(one);
        turn += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::written;
    use crate::random::Pcg64;
    use crate::time::anchors::{Sampler, anchors};
    use crate::time::length::{DAY, days};

    fn at(text: &str) -> i64 {
        written(text).unwrap().start
    }

    fn year() -> Interval {
        written("2021").unwrap()
    }

    #[test]
    fn a_causal_window_never_holds_a_later_time_and_scales_nest() {
        let mut rng = Pcg64::new(4);
        for _ in 0..200 {
            let mut draw = || days(1 + rng.integer(40) as i32);
            let (lookback, horizon) = (draw(), draw());
            let mut scales = vec![draw(), draw(), draw()];
            scales.sort_by(|a, b| a.micros().total_cmp(&b.micros()));
            let anchor = at("2021-06-01") + rng.integer(30 * DAY as u64) as i64;
            let both = Windows::new(Geometry::LookbackHorizon(lookback, horizon), false).unwrap();
            let found = both.at(anchor, &year()).unwrap();
            let (past, future) = (found[0].1, found[1].1);
            assert!(past.stop == anchor && past.stop + 1 == future.start && past.start <= past.stop);
            assert_eq!((past.stop - past.start + 1) as f64, lookback.micros());
            assert_eq!((future.stop - future.start + 1) as f64, horizon.micros());
            let nested =
                Windows::new(Geometry::MultiScale(scales), false).unwrap().at(anchor, &year()).unwrap();
            assert!(nested.windows(2).all(|p| p[1].1.start <= p[0].1.start && p[0].1.stop == p[1].1.stop));
        }
    }

    #[test]
    fn windows_of_a_phase_hold_that_phase_alone() {
        let geometry = |causal| Geometry::Phase {
            period: days(1),
            width: Length::new(crate::value::CalendarInterval { months: 0, days: 0, micros: DAY / 4 })
                .unwrap(),
            causal,
        };
        let anchor = at("2021-06-15 12:00");
        let axis = Interval { start: at("2021-06-10"), stop: at("2021-06-20") - 1 };
        let found = Windows::new(geometry(false), false).unwrap().at(anchor, &axis).unwrap();
        assert_eq!(found.len(), 10);
        for (_, window) in &found {
            for instant in [window.start, window.stop, (window.start + window.stop) / 2] {
                let hour = instant.rem_euclid(DAY) as f64 / (DAY / 24) as f64;
                assert!((9.0..=15.0).contains(&hour), "{hour}");
            }
        }
        let past = Windows::new(geometry(true), false).unwrap().at(anchor, &axis).unwrap();
        assert!(past.len() == 6 && past.iter().all(|(_, window)| window.stop <= anchor));
        assert!(
            Windows::new(Geometry::Phase { period: days(1), width: days(2), causal: false }, false).is_err()
        );
    }

    #[test]
    fn whole_windows_lie_on_the_axis_and_partial_ones_are_what_lies_there() {
        let axis = Interval { start: at("2021-01-01"), stop: at("2021-02-01") - 1 };
        let week = |partial| Windows::new(Geometry::Lookback(days(7)), partial).unwrap();
        let causal = anchors(&Sampler::Causal(days(1)), &axis, &week(false)).unwrap();
        assert_eq!((causal.len(), causal[0], causal[24]), (25, at("2021-01-08") - 1, axis.stop));
        let all = anchors(&Sampler::Causal(days(1)), &axis, &week(true)).unwrap();
        assert_eq!(all.len(), 31);
        assert_eq!(week(true).at(all[0], &axis).unwrap()[0].1, Interval { start: axis.start, stop: all[0] });
        let drawn = anchors(&Sampler::Random { n: 500, step: None, seed: 1 }, &axis, &week(false)).unwrap();
        assert!(drawn.len() == 500 && drawn.iter().all(|a| *a >= at("2021-01-08") - 1 && *a <= axis.stop));
        let long = Windows::new(Geometry::Lookback(days(60)), false).unwrap();
        assert!(anchors(&Sampler::Random { n: 1, step: None, seed: 1 }, &axis, &long).is_err());
        let error =
            anchors(&Sampler::Listed(vec![axis.start - 1]), &axis, &week(true)).unwrap_err().to_string();
        assert!(error.contains("1 of 1 anchors lie outside"), "{error}");
    }
}
