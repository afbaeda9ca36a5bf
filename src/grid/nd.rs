//! Windows of an array of any number of dimensions.

use crate::error::{Error, Result};
use crate::grid::edge::Edge;
use crate::random::Pcg64;

/// A dimension that windows are cut of.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Its name.
    pub name: String,
    /// How many places it has.
    pub length: usize,
    /// Places of a window.
    pub size: usize,
    /// Places from one window to the next.
    pub stride: usize,
}

/// Windows by their numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    axes: Vec<Axis>,
    /// Where windows start along each axis.
    starts: Vec<Starts>,
    count: usize,
    /// Where each window that was drawn starts.
    drawn: Option<Vec<Vec<i64>>>,
}

type Starts = Vec<i64>;

/// How they stand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    /// A stride apart along each axis.
    Regular(Edge),
    /// Drawn, each place as likely as any other.
    Random {
        /// How many.
        n: usize,
        /// A place may come again.
        replace: bool,
        /// Seed of the stream.
        seed: u64,
    },
}

/// As many windows are counted.
const MAX_WINDOWS: u64 = 1 << 53;

impl Windows {
    /// # Errors
    /// An axis that is shorter than its window, where that must be whole; more windows than there are numbers for, or
    /// fewer than were asked for.
    pub fn new(axes: Vec<Axis>, standing: Standing) -> Result<Windows> {
        let too_many = || Error::conflict("there are more than 2^53 windows", "Give a larger stride");
        let product = |counts: &[u64]| {
            let all = counts.iter().try_fold(1u64, |all, n| all.checked_mul(*n));
            all.filter(|all| *all <= MAX_WINDOWS).ok_or_else(too_many)
        };
        for axis in &axes {
            let must_fit = !matches!(standing, Standing::Regular(edge) if edge != Edge::Snap);
            if must_fit && axis.size > axis.length {
                let problem = format!(
                    "dimension \"{}\" has {} places, fewer than the window's {}",
                    axis.name, axis.length, axis.size
                );
                return Err(Error::conflict(problem, "Give a smaller size"));
            }
        }
        match standing {
            Standing::Regular(edge) => {
                let along = |axis: &Axis| edge.starts(axis.length, axis.size, axis.stride);
                let starts: Vec<Starts> = axes.iter().map(along).collect::<Result<_>>()?;
                let count = product(&starts.iter().map(|s| s.len() as u64).collect::<Vec<_>>())?;
                Ok(Windows { axes, starts, count: count as usize, drawn: None })
            }
            Standing::Random { n, replace, seed } => {
                let spots: Vec<u64> = axes.iter().map(|axis| (axis.length - axis.size) as u64 + 1).collect();
                let mut rng = Pcg64::new(seed);
                let drawn = if replace {
                    let one = |rng: &mut Pcg64| spots.iter().map(|n| rng.integer(n - 1) as i64).collect();
                    (0..n).map(|_| one(&mut rng)).collect()
                } else {
                    let all = product(&spots)?;
                    if (n as u64) > all {
                        let problem = format!("{n} distinct windows were asked for, and there are {all}");
                        return Err(Error::conflict(problem, "Ask for fewer, or draw with replacement"));
                    }
                    let mut taken = rng.choice(all, n as u64);
                    taken.iter_mut().map(|number| of_number(number, &spots)).collect()
                };
                Ok(Windows { axes, starts: Vec::new(), count: n, drawn: Some(drawn) })
            }
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.count
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first and the last place of a window along each axis, both inside, within the array; and whether the window hangs over.
    pub fn at(&self, number: usize) -> Option<(Vec<(i64, i64)>, bool)> {
        let starts: Vec<i64> = match &self.drawn {
            Some(drawn) => drawn.get(number)?.clone(),
            None if number >= self.count => return None,
            None => {
                let mut number = number as u64;
                let counts: Vec<u64> = self.starts.iter().map(|s| s.len() as u64).collect();
                let spots = of_number(&mut number, &counts);
                spots
                    .iter()
                    .zip(&self.starts)
                    .map(|(i, starts)| starts.get(*i as usize).copied())
                    .collect::<Option<_>>()?
            }
        };
        let mut partial = false;
        let spans = starts.iter().zip(&self.axes).map(|(start, axis)| {
            let (end, length) = (start + axis.size as i64, axis.length as i64);
            partial |= *start < 0 || end > length;
            ((*start).max(0), end.min(length) - 1)
        });
        let spans = spans.collect();
        Some((spans, partial))
    }
}

/// A number as places along axes, the last of which runs fastest.
fn of_number(number: &mut u64, counts: &[u64]) -> Vec<i64> {
    let mut spots: Vec<i64> = counts
        .iter()
        .rev()
        .map(|count| {
            let spot = *number % count;
            *number /= count;
            spot as i64
        })
        .collect();
    spots.reverse();
    spots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(given: &[(usize, usize, usize)]) -> Vec<Axis> {
        let axis = |(i, (length, size, stride)): (usize, &(usize, usize, usize))| Axis {
            name: format!("d{i}"),
            length: *length,
            size: *size,
            stride: *stride,
        };
        given.iter().enumerate().map(axis).collect()
    }

    #[test]
    fn the_last_axis_runs_fastest_and_both_ends_are_inside() {
        let windows =
            Windows::new(axes(&[(5, 2, 2), (4, 4, 4), (7, 3, 3)]), Standing::Regular(Edge::Snap)).unwrap();
        let all: Vec<_> = (0..windows.len()).map(|i| windows.at(i).unwrap()).collect();
        assert_eq!(windows.len(), 9);
        assert_eq!(all[0], (vec![(0, 1), (0, 3), (0, 2)], false));
        assert_eq!(all[1].0, [(0, 1), (0, 3), (3, 5)]);
        assert_eq!(all[8].0, [(3, 4), (0, 3), (4, 6)]);
        assert!(windows.at(9).is_none());
        let over = Windows::new(axes(&[(5, 4, 4)]), Standing::Regular(Edge::Overflow)).unwrap();
        assert_eq!(over.at(1).unwrap(), (vec![(4, 4)], true));
        assert!(Windows::new(axes(&[(5, 6, 1)]), Standing::Regular(Edge::Snap)).is_err());
    }

    #[test]
    fn distinct_windows_are_all_of_them_at_most() {
        let random = |n, replace| {
            Windows::new(axes(&[(4, 2, 1), (3, 1, 1)]), Standing::Random { n, replace, seed: 1 })
        };
        let windows = random(9, false).unwrap();
        let mut all: Vec<_> = (0..9).map(|i| windows.at(i).unwrap().0).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 9);
        assert!(random(10, false).is_err() && random(10, true).unwrap().len() == 10);
    }
}
