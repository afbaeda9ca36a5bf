//! The extent of points on the globe: longitudes have no first and no last, so the largest gap between them is left out.

/// Bins of a hundredth of a degree: a gap is found to that width, its two sides exactly.
const BINS: usize = 36_000;
/// A gap of so many bins is none: the longitudes go all around.
const CLOSED: usize = 3;

/// What part of the globe was seen.
#[derive(Debug, Clone)]
pub(crate) struct Extent {
    /// The westernmost and the easternmost longitude of each bin.
    bins: Vec<(f64, f64)>,
    /// +1 where a span begins, -1 after it ends.
    spans: Vec<i64>,
    south: f64,
    north: f64,
}

impl Extent {
    /// The extent of no point yet.
    pub(crate) fn new() -> Extent {
        Extent {
            bins: vec![(f64::INFINITY, f64::NEG_INFINITY); BINS],
            spans: vec![0; BINS + 1],
            south: f64::INFINITY,
            north: f64::NEG_INFINITY,
        }
    }

    /// One point, in degrees; NaN is none.
    pub(crate) fn add(&mut self, lon: f64, lat: f64) {
        if lon.is_nan() || lat.is_nan() {
            return;
        }
        let lon = normal(lon);
        if let Some(slot) = self.bins.get_mut(bin(lon)) {
            *slot = (slot.0.min(lon), slot.1.max(lon));
        }
        self.south = self.south.min(lat.max(-90.0));
        self.north = self.north.max(lat.min(90.0));
    }

    /// All longitudes between two neighbours, the shorter way.
    pub(crate) fn span(&mut self, from: f64, to: f64) {
        let turn = turn(from, to);
        if turn.is_nan() {
            return;
        }
        let (west, east) = if turn >= 0.0 { (from, to) } else { (to, from) };
        let (first, last) = (bin(normal(west)), bin(normal(east)));
        let mut mark = |first: usize, last: usize| {
            if let Some(slot) = self.spans.get_mut(first) {
                *slot += 1;
            }
            if let Some(slot) = self.spans.get_mut(last + 1) {
                *slot -= 1;
            }
        };
        if first <= last {
            mark(first, last);
        } else {
            mark(first, BINS - 1);
            mark(0, last);
        }
    }

    /// The grid goes around a pole: it holds every longitude, and the pole that it comes nearer to.
    pub(crate) fn close_over_pole(&mut self) {
        // A span that never ends.
        if let Some(slot) = self.spans.first_mut() {
            *slot += 1;
        }
        if 90.0 - self.north < self.south + 90.0 { self.north = 90.0 } else { self.south = -90.0 }
    }

    /// West, south, east, north: west in [-180, 180), east after it, so beyond 180 where the antimeridian is crossed.
    /// `None` when nothing was seen.
    pub(crate) fn bounds(&self) -> Option<[f64; 4]> {
        if self.south > self.north {
            return None;
        }
        let mut depth = 0;
        let seen: Vec<bool> = self
            .bins
            .iter()
            .zip(&self.spans)
            .map(|((west, east), change)| {
                depth += change;
                depth > 0 || west <= east
            })
            .collect();
        let (start, length) = longest_gap(&seen);
        if length <= CLOSED {
            return Some([-180.0, self.south, 180.0, self.north]);
        }
        let after = self.bins.get((start + length) % BINS)?.0;
        let before = self.bins.get((start + BINS - 1) % BINS)?.1;
        let east = if before < after { before + 360.0 } else { before };
        Some([after, self.south, east, self.north])
    }
}

/// The longest run of bins that nothing was seen in, around the circle: its start and length.
fn longest_gap(seen: &[bool]) -> (usize, usize) {
    let n = seen.len();
    let Some(origin) = seen.iter().position(|s| *s) else { return (0, n) };
    let (mut best, mut length) = ((0, 0), 0);
    for i in 1..=n {
        let at = (origin + i) % n;
        if seen.get(at).copied().unwrap_or(true) {
            if length > best.1 {
                best = ((at + n - length) % n, length);
            }
            length = 0;
        } else {
            length += 1;
        }
    }
    best
}

/// Degrees from one longitude to another, the shorter way: in [-180, 180].
pub(crate) fn turn(from: f64, to: f64) -> f64 {
    let turn = to - from;
    turn - (turn / 360.0).round() * 360.0
}

fn normal(lon: f64) -> f64 {
    let lon = (lon + 180.0).rem_euclid(360.0) - 180.0;
    if lon >= 180.0 { -180.0 } else { lon }
}

fn bin(lon: f64) -> usize {
    (((lon + 180.0) * (BINS as f64 / 360.0)) as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(points: &[(f64, f64)]) -> Option<[f64; 4]> {
        let mut extent = Extent::new();
        points.iter().for_each(|(lon, lat)| extent.add(*lon, *lat));
        extent.bounds()
    }

    #[test]
    fn the_largest_gap_is_left_out() {
        assert_eq!(of(&[(10.0, 1.0), (20.0, 2.0)]), Some([10.0, 1.0, 20.0, 2.0]));
        assert_eq!(of(&[(179.0, 0.0), (-179.5, 5.0)]), Some([179.0, 0.0, 180.5, 5.0]));
        assert_eq!(of(&[(350.0, 0.0), (370.0, 5.0)]), Some([-10.0, 0.0, 10.0, 5.0]));
        assert_eq!(of(&[(5.0, 5.0)]), Some([5.0, 5.0, 5.0, 5.0]));
        assert_eq!(of(&[(f64::NAN, 0.0)]), None);
    }

    #[test]
    fn what_lies_between_neighbours_is_no_gap() {
        let mut extent = Extent::new();
        let lons = [-180.0, -90.0, 0.0, 90.0, 180.0];
        for pair in lons.windows(2) {
            extent.add(pair[0], 0.0);
            extent.add(pair[1], 0.0);
            extent.span(pair[0], pair[1]);
        }
        assert_eq!(extent.bounds(), Some([-180.0, 0.0, 180.0, 0.0]));
    }

    #[test]
    fn a_ring_around_a_pole_holds_it() {
        let mut extent = Extent::new();
        (0..36).for_each(|i| extent.add(f64::from(i) * 10.0, 70.0));
        extent.close_over_pole();
        assert_eq!(extent.bounds(), Some([-180.0, 70.0, 180.0, 90.0]));
    }
}
