//! The cells of space and time that a box covers: what a join of catalogs is hashed by.
//!
//! Cells come in levels, each [`STEP`] times as wide as the one below, and a box lives on the level whose cells
//! are about its own size, so that a city and a globe both cover few. Two boxes are looked for on the level of
//! the larger one, in space and in time apart: there the larger stands in its own cells and the smaller in those
//! above its own. A code says which of the two it is, so that two boxes which both stand above their own level
//! are never compared.
//!
//! A pair shares several cells and must be found once. It counts in the cell that holds the lower-left-earliest
//! corner of what the two share, which is the first cell, along each axis, of one of them: each code carries, in
//! its lowest three bits, along which axes its cell is the box's first.

/// How many times wider the cells of the next level are.
pub const STEP: f64 = 4.0;
/// The highest level, where one cell covers everything: `STEP.powi(9)` is above [`CELLS`].
pub const TOP: u32 = 9;
/// Cells along an axis on the lowest level, at most.
pub const CELLS: i64 = 1 << 16;

/// The grid that two catalogs share: the corner where all boxes begin and end, and the cells of level 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellGrid {
    /// Lowest x, y and time.
    pub low: [f64; 3],
    /// Width of a cell of level 0 along x, y and time.
    pub cell: [f64; 3],
}

/// Which side of a join a box stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The left side of the join.
    Left,
    /// The right side of the join.
    Right,
}

/// A box in space and time: x, y, time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    /// The lowest corner.
    pub low: [f64; 3],
    /// The highest corner.
    pub high: [f64; 3],
}

/// The levels, as bits, on which the other side has boxes: in space and in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// A bit for each level in space.
    pub space: u32,
    /// A bit for each level in time.
    pub time: u32,
}

impl CellGrid {
    /// The level of a box: in space by its longer side, in time by its length.
    pub fn levels(&self, extent: &Extent) -> (u32, u32) {
        let level = |axis: usize| {
            let length = extent.high[axis] - extent.low[axis];
            (0..TOP).find(|level| self.cell[axis] * STEP.powi(*level as i32) >= length).unwrap_or(TOP)
        };
        (level(0).max(level(1)), level(2))
    }

    /// Levels as bits that can be gathered with OR: space in the lower half, time 16 bits above.
    pub fn pack((space, time): (u32, u32)) -> i64 {
        1 << space | 1 << (16 + time)
    }

    /// What was gathered of [`CellGrid::pack`], space and time.
    pub fn unpack(bits: i64) -> Levels {
        Levels { space: (bits & 0xffff) as u32, time: (bits >> 16 & 0xffff) as u32 }
    }

    /// The codes of every cell in which a box looks for those of the other side, pushed onto `codes`.
    pub fn codes(&self, extent: &Extent, side: Side, others: Levels, codes: &mut Vec<i64>) {
        let (space, time) = self.levels(extent);
        for (above_space, space) in stands(space, others.space, side) {
            for (above_time, time) in stands(time, others.time, side) {
                let role = i64::from(above_space) << 1 | i64::from(above_time);
                let prefix = role << 8 | i64::from(space) << 4 | i64::from(time);
                let [x, y, t] =
                    [(0, space), (1, space), (2, time)].map(|(axis, level)| self.span(extent, axis, level));
                for ix in x.0..=x.1 {
                    for iy in y.0..=y.1 {
                        for it in t.0..=t.1 {
                            let first =
                                i64::from(ix == x.0) | i64::from(iy == y.0) << 1 | i64::from(it == t.0) << 2;
                            codes.push((((prefix << 16 | ix) << 16 | iy) << 16 | it) << 3 | first);
                        }
                    }
                }
            }
        }
    }

    /// First and last cell along an axis.
    fn span(&self, extent: &Extent, axis: usize, level: u32) -> (i64, i64) {
        if level >= TOP {
            return (0, 0);
        }
        let width = self.cell[axis] * STEP.powi(level as i32);
        let cell = |value: f64| (((value - self.low[axis]) / width).floor() as i64).clamp(0, CELLS - 1);
        (cell(extent.low[axis]), cell(extent.high[axis]))
    }
}

/// The levels on which a box of level `own` looks for the other side's, and whether it looks there from below.
/// Where both have one level, the left one counts as the larger.
fn stands(own: u32, others: u32, side: Side) -> impl Iterator<Item = (bool, u32)> {
    let smaller = match side {
        Side::Left => others & ((2 << own) - 1),
        Side::Right => others & ((1 << own) - 1),
    };
    let larger = others
        & !match side {
            Side::Left => (2 << own) - 1,
            Side::Right => (1 << own) - 1,
        };
    // "Above" is said of the left side's box in both sides' codes, so that equal codes mean one case.
    let left = side == Side::Left;
    let at_home = (smaller != 0).then_some((!left, own));
    at_home.into_iter().chain((0..=TOP).filter(move |l| larger >> l & 1 == 1).map(move |l| (left, l)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Pcg64;

    /// Every pair of boxes that meet is found in exactly one cell.
    #[test]
    fn a_pair_that_meets_is_found_once() {
        for seed in 0..200 {
            let order = Pcg64::new(seed).permutation(600);
            let mut numbers = order.iter().map(|n| *n as f64);
            let mut boxes = || -> Vec<Extent> {
                let mut one = || {
                    let mut axis = || {
                        let low = (numbers.next().unwrap_or(0.0) % 64.0).floor();
                        let size = [0.0, 1.0, 3.0, 20.0, 64.0][numbers.next().unwrap_or(0.0) as usize % 5];
                        (low, low + size)
                    };
                    let sides = [axis(), axis(), axis()];
                    Extent { low: sides.map(|s| s.0), high: sides.map(|s| s.1) }
                };
                (0..45).map(|_| one()).collect()
            };
            let (a, b) = (boxes(), boxes());
            let grid = CellGrid { low: [0.0; 3], cell: [1.0, 1.5, 2.0] };
            let masks = |boxes: &[Extent]| {
                boxes.iter().map(|e| grid.levels(e)).fold(Levels { space: 0, time: 0 }, |m, (s, t)| Levels {
                    space: m.space | 1 << s,
                    time: m.time | 1 << t,
                })
            };
            let codes = |boxes: &[Extent], side, others| -> Vec<Vec<i64>> {
                let of = |e| {
                    let mut codes = Vec::new();
                    grid.codes(e, side, others, &mut codes);
                    codes
                };
                boxes.iter().map(of).collect()
            };
            let left = codes(&a, Side::Left, masks(&b));
            let right = codes(&b, Side::Right, masks(&a));
            for (p, left) in a.iter().zip(&left) {
                for (q, right) in b.iter().zip(&right) {
                    let meets = (0..3).all(|i| p.low[i] <= q.high[i] && q.low[i] <= p.high[i]);
                    let found = left.iter().flat_map(|l| right.iter().map(move |r| (l, r)));
                    let found = found.filter(|(l, r)| *l >> 3 == *r >> 3 && (*l | *r) & 7 == 7).count();
                    assert!(!meets || found == 1, "seed {seed}: {p:?} {q:?} found {found} times");
                    assert!(found <= 1);
                }
            }
        }
    }

    #[test]
    fn a_box_covers_few_cells_whatever_its_size() {
        let grid = CellGrid { low: [-180.0, -90.0, 0.0], cell: [0.01, 0.01, 1.0] };
        for size in [0.001, 0.01, 0.3, 7.0, 359.0] {
            let extent = Extent {
                low: [-180.0, -90.0, 3.0],
                high: [-180.0 + size, -90.0 + size / 2.0, f64::INFINITY],
            };
            let mut codes = Vec::new();
            let all = Levels { space: (2 << TOP) - 1, time: (2 << TOP) - 1 };
            grid.codes(&extent, Side::Left, all, &mut codes);
            assert!(codes.len() <= 4 * 10 + 20, "{size}: {}", codes.len());
        }
    }
}
