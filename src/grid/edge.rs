//! Where windows start along an axis.

use crate::error::{Bounds, Error, Result};

/// What happens where the last window does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// It is left out (xbatcher, xrpatcher).
    Drop,
    /// It is moved inward (the production dataset, rslearn).
    Snap,
    /// It hangs over the end (torchgeo's GridGeoSampler).
    Overflow,
    /// As `Overflow`, with the overhang split on both sides, the larger half at the end (torchgeo 0.10).
    Center,
    /// Every multiple of the stride inside the axis starts one (georeader).
    Pad,
}

/// The rules by their names.
pub const EDGES: [(&str, Edge); 5] = [
    ("drop", Edge::Drop),
    ("snap", Edge::Snap),
    ("overflow", Edge::Overflow),
    ("center", Edge::Center),
    ("pad", Edge::Pad),
];

/// Windows along one axis: their starts are held in memory.
const MAX_STARTS: usize = 10_000_000;

impl Edge {
    /// Starts of windows of `window` pixels, `stride` apart, on an axis of `axis` pixels. An axis shorter
    /// than the window has one partial window, except under `Snap`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] under `Snap`; more starts than memory should hold.
    pub fn starts(self, axis: usize, window: usize, stride: usize) -> Result<Vec<i64>> {
        let (n, w) = (axis as i64, window as i64);
        if axis / stride > MAX_STARTS {
            let must =
                format!("large enough for at most {MAX_STARTS} windows along the axis of {axis} pixels");
            return Err(Error::invalid(format!("stride {stride}"), must));
        }
        let multiples = |end: i64| (0..end).step_by(stride).collect::<Vec<i64>>();
        let whole = multiples(n - w + 1);
        if n < w {
            return match self {
                Edge::Snap => Err(Error::out_of_range(window, Bounds::Pixels(axis))),
                Edge::Center => Ok(vec![-((w - n) / 2)]),
                Edge::Drop | Edge::Overflow => Ok(vec![0]),
                Edge::Pad => Ok(multiples(n)),
            };
        }
        let last_end = whole.last().map_or(0, |start| start + w);
        let mut starts = whole;
        match self {
            Edge::Drop => {}
            Edge::Snap => {
                if last_end < n {
                    starts.push(n - w);
                }
            }
            Edge::Overflow | Edge::Center => {
                // A stride above the window can step over the rest: then nothing starts inside it.
                let next = starts.last().map_or(0, |start| start + stride as i64);
                if last_end < n && next < n {
                    starts.push(next);
                }
                if self == Edge::Center {
                    let overhang = (starts.last().map_or(0, |start| start + w) - n).max(0);
                    starts.iter_mut().for_each(|start| *start -= overhang / 2);
                }
            }
            Edge::Pad => starts = multiples(n),
        }
        Ok(starts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_rules_agree_with_the_libraries_they_come_from() {
        let cases: [(Edge, &[i64], &[i64]); 5] = [
            (Edge::Drop, &[0, 8], &[0, 32, 64]),
            (Edge::Snap, &[0, 8, 14], &[0, 32, 64, 68]),
            (Edge::Overflow, &[0, 8, 16], &[0, 32, 64, 96]),
            (Edge::Center, &[-1, 7, 15], &[-14, 18, 50, 82]),
            (Edge::Pad, &[0, 8, 16, 24], &[0, 32, 64, 96]),
        ];
        for (edge, short, long) in cases {
            assert_eq!(edge.starts(30, 16, 8).unwrap(), short, "{edge:?}");
            assert_eq!(edge.starts(100, 32, 32).unwrap(), long, "{edge:?}");
        }
    }

    #[test]
    fn a_short_axis_has_one_partial_window_except_under_snap() {
        assert_eq!(Edge::Drop.starts(10, 16, 16).unwrap(), [0]);
        assert_eq!(Edge::Overflow.starts(10, 16, 16).unwrap(), [0]);
        assert_eq!(Edge::Center.starts(10, 16, 16).unwrap(), [-3]);
        assert_eq!(Edge::Pad.starts(10, 16, 16).unwrap(), [0]);
        let short = Error::out_of_range(16, Bounds::Pixels(10));
        assert_eq!(Edge::Snap.starts(10, 16, 16), Err(short));
    }

    #[test]
    fn laws_of_every_axis() {
        for n in 1..40usize {
            for w in 1..20 {
                for s in 1..20 {
                    let all = |edge: Edge| edge.starts(n, w, s).unwrap_or_default();
                    let (axis, window) = (n as i64, w as i64);
                    for edge in [Edge::Drop, Edge::Snap, Edge::Overflow, Edge::Center, Edge::Pad] {
                        let starts = all(edge);
                        assert!(starts.windows(2).all(|p| p[0] < p[1]), "{edge:?} {n} {w} {s}");
                        assert!(starts.iter().all(|&a| a < axis && a + window > 0), "{edge:?} {n} {w} {s}");
                    }
                    if w <= n {
                        for edge in [Edge::Drop, Edge::Snap] {
                            assert!(all(edge).iter().all(|&a| a >= 0 && a + window <= axis));
                        }
                        assert_eq!(all(Edge::Snap).last(), Some(&(axis - window)));
                    }
                    if s <= w && w <= n {
                        for edge in [Edge::Snap, Edge::Overflow, Edge::Center, Edge::Pad] {
                            let starts = all(edge);
                            let covered = |p: i64| starts.iter().any(|&a| a <= p && p < a + window);
                            assert!((0..axis).all(covered), "{edge:?} {n} {w} {s}");
                        }
                    }
                }
            }
        }
    }
}
