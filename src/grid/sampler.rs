//! Where patches stand: crossed over the raster, moved a little, drawn, or named.

use rustc_hash::FxHashSet;

use crate::error::{Error, Result};
use crate::grid::{Grid, GridOptions, Lattice};
use crate::random::Pcg64;
use crate::workers::go_on;

/// How places are found.
#[derive(Debug, Clone, PartialEq)]
pub enum Sampler {
    /// A stride apart, as the edge rule says.
    Regular,
    /// Those of `Regular`, each moved by up to `jitter` strides either way.
    Jittered {
        /// A share of the stride.
        jitter: f64,
        /// Seed of the stream.
        seed: u64,
    },
    /// Drawn, each place as likely as any other.
    Random {
        /// How many.
        n: usize,
        /// A place may come again.
        replace: bool,
        /// Seed of the stream.
        seed: u64,
    },
    /// Drawn so that no two centres are nearer, and no more fit.
    PoissonDisk {
        /// Between centres: kilometres on a globe, else units of the CRS.
        min_distance: f64,
        /// How many of them, at most all.
        n: Option<usize>,
        /// Seed of the stream.
        seed: u64,
    },
    /// At these rows and columns.
    Explicit(Vec<(i64, i64)>),
}

/// Upper left corners of windows, in the order of patches.
#[derive(Debug, Clone, PartialEq)]
pub enum Places {
    /// Each row with each column.
    Crossed {
        /// Rows that windows start at.
        rows: Vec<i64>,
        /// Columns that windows start at.
        cols: Vec<i64>,
    },
    /// Row and column of each.
    Listed(Vec<(i64, i64)>),
}

/// Places are held in memory.
pub const MAX_PLACES: usize = 10_000_000;
/// As many positions are looked at one by one, where darts do not find enough.
const MAX_LOOKED_AT: u64 = 1 << 24;
/// Darts that are judged at once.
const DARTS: usize = 16_384;

impl Places {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Places::Crossed { rows, cols } => rows.len() * cols.len(),
            Places::Listed(spots) => spots.len(),
        }
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Row and column of a place.
    pub fn at(&self, index: usize) -> Option<(i64, i64)> {
        match self {
            Places::Crossed { rows, cols } => {
                let columns = cols.len().max(1);
                Some((*rows.get(index / columns)?, *cols.get(index % columns)?))
            }
            Places::Listed(spots) => spots.get(index).copied(),
        }
    }
}

/// The last row and the last column that a whole window may start at.
///
/// # Errors
/// The raster is smaller than a window.
pub fn last_start(lattice: &Lattice, size: (usize, usize)) -> Result<(i64, i64)> {
    for (window, axis) in [(size.0, lattice.height), (size.1, lattice.width)] {
        if window > axis {
            let problem = format!("an axis of {axis} pixels is shorter than the window of {window}");
            return Err(Error::conflict(problem, "Give a smaller size"));
        }
    }
    Ok(((lattice.height - size.0) as i64, (lattice.width - size.1) as i64))
}

impl Sampler {
    /// The places that are known before any pixel is; none for a sampler that draws among those that are kept.
    ///
    /// # Errors
    /// The edge rule does not allow the size on this raster, or a window that must be whole does not fit.
    pub fn spots(&self, lattice: &Lattice, options: &GridOptions) -> Result<Places> {
        let (size, stride) = (options.size, options.stride);
        let starts = || -> Result<_> {
            let rows = options.edge.starts(lattice.height, size.0, stride.0)?;
            Ok((rows, options.edge.starts(lattice.width, size.1, stride.1)?))
        };
        match self {
            Sampler::Regular => starts().map(|(rows, cols)| Places::Crossed { rows, cols }),
            Sampler::Jittered { jitter, seed } => {
                let (rows, cols) = starts()?;
                if rows.len().saturating_mul(cols.len()) > MAX_PLACES {
                    let must = format!("large enough for at most {MAX_PLACES} places");
                    return Err(Error::invalid(format!("stride {stride:?}"), must));
                }
                let bounds = |starts: &[i64], axis: usize, window: usize| {
                    let low = starts.first().copied().unwrap_or(0).min(0);
                    (low, starts.last().copied().unwrap_or(0).max(axis as i64 - window as i64))
                };
                let limits = (bounds(&rows, lattice.height, size.0), bounds(&cols, lattice.width, size.1));
                let mut rng = Pcg64::new(*seed);
                let mut moved = |start: i64, stride: usize, (low, high): (i64, i64)| {
                    let to = start as f64 + rng.uniform(-jitter, *jitter) * stride as f64;
                    (to.round_ties_even() as i64).clamp(low, high)
                };
                let mut spots = Vec::with_capacity(rows.len() * cols.len());
                for row in &rows {
                    go_on()?;
                    for col in &cols {
                        let row = moved(*row, stride.0, limits.0);
                        spots.push((row, moved(*col, stride.1, limits.1)));
                    }
                }
                Ok(Places::Listed(spots))
            }
            Sampler::Random { .. } | Sampler::PoissonDisk { .. } => {
                last_start(lattice, size).map(|_| Places::Listed(Vec::new()))
            }
            Sampler::Explicit(spots) => Ok(Places::Listed(spots.clone())),
        }
    }

    /// The rows that windows may start at, once each, in order.
    ///
    /// # Errors
    /// As [`Sampler::places`].
    pub fn rows(&self, lattice: &Lattice, options: &GridOptions, spots: &Places) -> Result<Vec<i64>> {
        Ok(match (self, spots) {
            (Sampler::Random { .. } | Sampler::PoissonDisk { .. }, _) => {
                (0..=last_start(lattice, options.size)?.0).collect()
            }
            (_, Places::Crossed { rows, .. }) => rows.clone(),
            (_, Places::Listed(spots)) => {
                let mut rows: Vec<i64> = spots.iter().map(|spot| spot.0).collect();
                rows.sort_unstable();
                rows.dedup();
                rows
            }
        })
    }
}

/// `n` places, each of those that are kept as likely as any other.
///
/// # Errors
/// Too few places are kept, or so few that the darts do not find them.
pub fn random(grid: &Grid, n: usize, replace: bool, seed: u64) -> Result<Vec<(i64, i64)>> {
    let (last_row, last_col) = grid.last_start()?;
    let (rows, cols) = (last_row as u64 + 1, last_col as u64 + 1);
    let positions = rows.saturating_mul(cols);
    let mut rng = Pcg64::new(seed);
    if !replace && positions <= MAX_LOOKED_AT {
        let kept = all_kept(grid, rows, cols)?;
        if kept.len() < n {
            return Err(too_few(n, kept.len(), positions));
        }
        let chosen = rng.choice(kept.len() as u64, n as u64);
        return Ok(chosen.iter().filter_map(|i| kept.get(*i as usize).copied()).collect());
    }
    let mut spots = Vec::with_capacity(n);
    let mut taken = FxHashSet::default();
    // Enough to find n of them where one in a hundred is kept.
    let most = n.saturating_mul(100).saturating_add(1_000_000);
    let mut thrown = 0;
    while spots.len() < n && thrown < most {
        go_on()?;
        let count = (n - spots.len()).clamp(64, DARTS);
        let darts: Vec<(i64, i64)> =
            (0..count).map(|_| (rng.integer(rows - 1) as i64, rng.integer(cols - 1) as i64)).collect();
        thrown += count;
        let kept = grid.kept(&darts)?;
        let hits =
            darts.into_iter().zip(kept).filter(|(dart, kept)| *kept && (replace || taken.insert(*dart)));
        spots.extend(hits.map(|(dart, _)| dart));
        spots.truncate(n);
    }
    if spots.len() == n {
        return Ok(spots);
    }
    if positions > MAX_LOOKED_AT {
        let problem = format!(
            "{n} places were asked for, and of {thrown} drawn among {positions} only {} are kept",
            spots.len()
        );
        return Err(Error::conflict(problem, "Ask for fewer, or allow more land"));
    }
    let kept = all_kept(grid, rows, cols)?;
    if kept.is_empty() {
        return Err(too_few(n, 0, positions));
    }
    while spots.len() < n {
        go_on()?;
        let draw = rng.integer(kept.len() as u64 - 1) as usize;
        spots.extend(kept.get(draw).copied());
    }
    Ok(spots)
}

fn too_few(n: usize, kept: usize, positions: u64) -> Error {
    let problem = if kept as u64 == positions {
        format!("{n} distinct places were asked for, and there are {positions}")
    } else {
        format!(
            "{n} places were asked for, and of {positions} only {kept} are kept, the others hold too much land"
        )
    };
    Error::conflict(problem, "Ask for fewer, allow more land, or draw with replacement")
}

/// Every position that is kept, row-major.
fn all_kept(grid: &Grid, rows: u64, cols: u64) -> Result<Vec<(i64, i64)>> {
    let mut found = Vec::new();
    let all = |index: u64| ((index / cols) as i64, (index % cols) as i64);
    let mut next = 0;
    while next < rows * cols {
        go_on()?;
        let end = (next + DARTS as u64).min(rows * cols);
        let spots: Vec<(i64, i64)> = (next..end).map(all).collect();
        let kept = grid.kept(&spots)?;
        found.extend(spots.into_iter().zip(kept).filter_map(|(spot, kept)| kept.then_some(spot)));
        next = end;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine::Affine;
    use crate::grid::LandSource;
    use crate::grid::edge::Edge;

    fn open(sampler: &Sampler, height: usize, width: usize, size: usize) -> Result<Grid> {
        let transform = Affine::north_up(0.0, 0.0, 1.0);
        let lattice = Lattice { height, width, transform, crs: "EPSG:32629".into(), geographic: false };
        let options = GridOptions {
            size: (size, size),
            stride: (size, size),
            edge: Edge::Snap,
            max_land_fraction: None,
            regions: Vec::new(),
            include_rejected: false,
        };
        let spots = sampler.spots(&lattice, &options)?;
        Grid::new(lattice, options, spots, LandSource::None).draw(sampler)
    }

    fn all(grid: &Grid) -> Vec<(i64, i64)> {
        (0..grid.len()).filter_map(|i| grid.spots.at(i)).collect()
    }

    #[test]
    fn random_places_are_uniform_over_every_position_corners_included() {
        let (rows, cols, n) = (7, 6, 100_000);
        let grid = open(&Sampler::Random { n, replace: true, seed: 11 }, 10, 9, 4).unwrap();
        let mut seen = vec![0f64; rows * cols];
        for (row, col) in all(&grid) {
            seen[row as usize * cols + col as usize] += 1.0;
        }
        let expected = n as f64 / seen.len() as f64;
        let chi2: f64 = seen.iter().map(|n| (n - expected).powi(2) / expected).sum();
        // The 99.9th percentile of chi-square with 41 degrees of freedom is 74.7.
        assert!(chi2 < 74.7, "{chi2}");
    }

    #[test]
    fn distinct_places_are_all_of_them_at_most() {
        let sampler = |n| Sampler::Random { n, replace: false, seed: 3 };
        let mut spots = all(&open(&sampler(42), 10, 9, 4).unwrap());
        spots.sort_unstable();
        assert_eq!(spots, (0..7).flat_map(|r| (0..6).map(move |c| (r, c))).collect::<Vec<_>>());
        let error = open(&sampler(43), 10, 9, 4).err().unwrap().to_string();
        assert!(error.contains("43 distinct places") && error.contains("there are 42"), "{error}");
    }

    #[test]
    fn a_jittered_place_stays_within_its_reach_and_the_raster() {
        let jittered = open(&Sampler::Jittered { jitter: 0.5, seed: 1 }, 50, 41, 8).unwrap();
        let regular = open(&Sampler::Regular, 50, 41, 8).unwrap();
        for ((row, col), (at_row, at_col)) in all(&jittered).into_iter().zip(all(&regular)) {
            assert!((row - at_row).abs() <= 4 && (col - at_col).abs() <= 4);
            assert!((0..=42).contains(&row) && (0..=33).contains(&col));
        }
        assert_ne!(all(&jittered), all(&regular));
        assert_eq!(
            all(&jittered),
            all(&open(&Sampler::Jittered { jitter: 0.5, seed: 1 }, 50, 41, 8).unwrap())
        );
        assert!(open(&Sampler::Random { n: 1, replace: true, seed: 1 }, 3, 9, 4).is_err());
    }
}
