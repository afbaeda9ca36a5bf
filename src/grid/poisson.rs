//! Places no two of whose centres are nearer than a distance: Bridson, "Fast Poisson disk sampling in arbitrary dimensions",
//! SIGGRAPH 2007, over whole pixels, and then over what its growth did not reach.

use std::f64::consts::TAU;

use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::grid::Grid;
use crate::grid::sampler::MAX_PLACES;
use crate::map::sphere;
use crate::random::Pcg64;
use crate::workers::go_on;

/// Bridson's k: darts around a place before it is given up.
const AROUND: usize = 30;
/// Positions of a cell that are tried one by one; a larger one takes as many darts.
const IN_A_CELL: u64 = 1024;

/// Places at least `min_distance` apart between centres, until no more is found; of those, `n` drawn.
///
/// # Errors
/// Fewer than `n` fit; a mask that does not cover a patch.
pub fn disk(grid: &Grid, min_distance: f64, n: Option<usize>, seed: u64) -> Result<Vec<(i64, i64)>> {
    let mut throw = Throw::new(grid, min_distance, seed)?;
    throw.sweep()?;
    let spots = throw.spots;
    let Some(n) = n else { return Ok(spots) };
    if spots.len() < n {
        let problem = format!(
            "{n} places were asked for, and {} stand {min_distance} apart on this grid{}",
            spots.len(),
            if grid.options.max_land_fraction.is_some() { " where there is little land" } else { "" }
        );
        return Err(Error::conflict(problem, "Ask for fewer, or for a smaller distance"));
    }
    let chosen = throw.rng.choice(spots.len() as u64, n as u64);
    Ok(chosen.iter().filter_map(|i| spots.get(*i as usize).copied()).collect())
}

struct Throw<'a> {
    grid: &'a Grid,
    last: (i64, i64),
    distance: f64,
    /// The distance as a length in `points`: a chord of the unit sphere, or itself.
    reach: f64,
    /// The side of a cube: the reach, but no less than a pixel.
    cube: f64,
    rng: Pcg64,
    spots: Vec<(i64, i64)>,
    /// Their centres: on the unit sphere, or on the plane.
    points: Vec<[f64; 3]>,
    /// Which points lie in a cube.
    cubes: FxHashMap<[i64; 3], Vec<u32>>,
    active: Vec<u32>,
}

impl<'a> Throw<'a> {
    fn new(grid: &'a Grid, distance: f64, seed: u64) -> Result<Throw<'a>> {
        let globe = grid.lattice.geographic;
        let reach = if globe { sphere::chord_of_km(distance) } else { distance };
        let [_, dx, .., dy] = grid.lattice.transform.0;
        let pixel = dx.abs().min(dy.abs());
        let pixel = if globe { sphere::chord_of_km(pixel * sphere::KM_OF_DEGREE) } else { pixel };
        Ok(Throw {
            grid,
            last: grid.last_start()?,
            distance,
            reach,
            cube: reach.max(pixel),
            rng: Pcg64::new(seed),
            spots: Vec::new(),
            points: Vec::new(),
            cubes: FxHashMap::default(),
            active: Vec::new(),
        })
    }

    /// The centre of the window that starts at a place, in the CRS.
    fn centre(&self, (row, col): (i64, i64)) -> (f64, f64) {
        let (height, width) = self.grid.options.size;
        let transform = &self.grid.lattice.transform;
        (transform.x(col as f64 + width as f64 / 2.0), transform.y(row as f64 + height as f64 / 2.0))
    }

    fn point(&self, spot: (i64, i64)) -> [f64; 3] {
        let (x, y) = self.centre(spot);
        if self.grid.lattice.geographic { sphere::unit(x, y) } else { [x, y, 0.0] }
    }

    fn cube(&self, point: [f64; 3]) -> [i64; 3] {
        point.map(|v| (v / self.cube).floor() as i64)
    }

    fn is_free(&self, point: [f64; 3]) -> bool {
        let [x, y, z] = self.cube(point);
        let near = |i: &u32| {
            let Some(other) = self.points.get(*i as usize) else { return false };
            let square: f64 = point.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
            // The square of a small reach is 0.
            square < self.reach * self.reach || square == 0.0
        };
        let around = -1..=1;
        !around.clone().any(|i| {
            around.clone().any(|j| {
                around.clone().any(|k| {
                    self.cubes.get(&[x + i, y + j, z + k]).is_some_and(|there| there.iter().any(near))
                })
            })
        })
    }

    /// Takes the place, if it is free and kept.
    fn try_at(&mut self, spot: (i64, i64)) -> Result<bool> {
        let point = self.point(spot);
        if !self.is_free(point) || !self.grid.kept(&[spot])?.iter().all(|kept| *kept) {
            return Ok(false);
        }
        if self.spots.len() == MAX_PLACES {
            let must = format!("large enough for at most {MAX_PLACES} places");
            return Err(Error::invalid(format!("distance {}", self.distance), must));
        }
        let index = self.spots.len() as u32;
        self.spots.push(spot);
        self.points.push(point);
        let cube = self.cube(point);
        self.cubes.entry(cube).or_default().push(index);
        self.active.push(index);
        Ok(true)
    }

    /// Bridson's growth: darts between one and two distances around places that may still have room beside them.
    fn grow(&mut self) -> Result<()> {
        while !self.active.is_empty() {
            go_on()?;
            let chosen = self.rng.integer(self.active.len() as u64 - 1) as usize;
            let Some(&at) = self.active.get(chosen) else { break };
            let mut found = false;
            for _ in 0..AROUND {
                if let Some(dart) = self.dart(at)
                    && self.try_at(dart)?
                {
                    found = true;
                    break;
                }
            }
            if !found {
                self.active.swap_remove(chosen);
            }
        }
        Ok(())
    }

    /// A place whose centre lies about one to two distances from that of another, evenly by area.
    fn dart(&mut self, at: u32) -> Option<(i64, i64)> {
        let (x, y) = self.centre(self.spots.get(at as usize).copied()?);
        let away = self.distance * (1.0 + 3.0 * self.rng.double()).sqrt();
        let bearing = TAU * self.rng.double();
        let (to_x, to_y) = if self.grid.lattice.geographic {
            sphere::destination(x, y, bearing, away)
        } else {
            (x + away * bearing.sin(), y + away * bearing.cos())
        };
        let transform = &self.grid.lattice.transform;
        let (height, width) = self.grid.options.size;
        let turn = if self.grid.lattice.geographic { (360.0 / transform.0[1]).abs() } else { 0.0 };
        let (row, col) = transform.row_col(to_x, to_y);
        let row = (row - height as f64 / 2.0).round() as i64;
        let col = (col - width as f64 / 2.0).round();
        // On a globe the same longitude may lie a turn away.
        let turns = [0.0, -1.0, 1.0].map(|turns| (col + turns * turn).round() as i64);
        let col = turns.into_iter().find(|col| (0..=self.last.1).contains(col))?;
        (0..=self.last.0).contains(&row).then_some((row, col))
    }

    /// Looks into every cell, in random order, for a place that is free, and grows from there.
    fn sweep(&mut self) -> Result<()> {
        let transform = self.grid.lattice.transform;
        let side = |pixel: f64, positions: i64| {
            let unit = if self.grid.lattice.geographic { sphere::KM_OF_DEGREE } else { 1.0 };
            let pixels = self.distance / (2.0 * (pixel.abs() * unit).max(f64::MIN_POSITIVE));
            pixels.clamp(1.0, positions as f64) as i64
        };
        let (rows, cols) = (self.last.0 + 1, self.last.1 + 1);
        let (tall, wide) = (side(transform.0[5], rows), side(transform.0[1], cols));
        let (down, across) = (rows.div_euclid(tall) + 1, cols.div_euclid(wide) + 1);
        let cells = (down as usize).saturating_mul(across as usize);
        if cells > 16 * MAX_PLACES {
            let must = "large enough for its places to be held in memory";
            return Err(Error::invalid(format!("distance {}", self.distance), must));
        }
        for cell in self.rng.permutation(cells).into_iter().map(i64::from) {
            let (top, left) = (cell / across * tall, cell % across * wide);
            let (tall, wide) = (tall.min(rows - top), wide.min(cols - left));
            if tall <= 0 || wide <= 0 {
                continue;
            }
            let positions = (tall * wide) as u64;
            let order = match positions <= IN_A_CELL {
                true => self.rng.choice(positions, positions),
                false => (0..IN_A_CELL).map(|_| self.rng.integer(positions - 1)).collect(),
            };
            for position in order {
                go_on()?;
                let spot = (top + position as i64 / wide, left + position as i64 % wide);
                if self.try_at(spot)? {
                    self.grow()?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine::Affine;
    use crate::grid::edge::Edge;
    use crate::grid::sampler::Sampler;
    use crate::grid::{GridOptions, LandSource, Lattice};

    fn grid(geographic: bool, (height, width): (usize, usize), size: usize, pixel: f64) -> Grid {
        let transform = Affine::north_up(if geographic { -180.0 } else { 0.0 }, 90.0, pixel);
        let lattice = Lattice { height, width, transform, crs: "OGC:CRS84".into(), geographic };
        let options = GridOptions {
            size: (size, size),
            stride: (size, size),
            edge: Edge::Snap,
            max_land_fraction: None,
            regions: Vec::new(),
            include_rejected: false,
        };
        let spots = Sampler::Regular.spots(&lattice, &options).unwrap();
        Grid::new(lattice, options, spots, LandSource::None)
    }

    /// Every pair keeps the distance, and every position is within it of some place.
    fn check(grid: &Grid, distance: f64) {
        let spots = disk(grid, distance, None, 5).unwrap();
        let throw = Throw::new(grid, distance, 0).unwrap();
        let km = |a: (i64, i64), b: (i64, i64)| {
            let ((ax, ay), (bx, by)) = (throw.centre(a), throw.centre(b));
            if grid.lattice.geographic { sphere::km(ax, ay, bx, by) } else { (ax - bx).hypot(ay - by) }
        };
        for (i, a) in spots.iter().enumerate() {
            assert!(spots[..i].iter().all(|b| km(*a, *b) > distance * (1.0 - 1e-9)));
        }
        let (last_row, last_col) = grid.last_start().unwrap();
        for row in 0..=last_row {
            for col in 0..=last_col {
                assert!(spots.iter().any(|p| km(*p, (row, col)) <= distance * (1.0 + 1e-9)), "{row} {col}");
            }
        }
        assert!(spots.len() > 20, "{}", spots.len());
    }

    #[test]
    fn the_distance_holds_and_no_position_is_left_on_the_plane() {
        check(&grid(false, (80, 70), 4, 10.0), 95.0);
    }

    #[test]
    fn the_distance_holds_and_no_position_is_left_on_the_sphere() {
        check(&grid(true, (90, 180), 3, 2.0), 1800.0);
    }

    #[test]
    fn fewer_are_drawn_of_all_and_more_are_refused() {
        let grid = grid(false, (80, 70), 4, 10.0);
        let all = disk(&grid, 95.0, None, 5).unwrap();
        let some = disk(&grid, 95.0, Some(10), 5).unwrap();
        assert!(some.len() == 10 && some.iter().all(|spot| all.contains(spot)));
        let error = disk(&grid, 95.0, Some(all.len() + 1), 5).unwrap_err().to_string();
        assert!(error.contains(&format!("{} stand 95 apart", all.len())), "{error}");
    }
}
