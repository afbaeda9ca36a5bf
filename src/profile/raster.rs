//! Profiles of a window's cells: means of those that lie in one.

use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::window::Window;

/// Sums of what was added to each cell. Memory follows the cells that hold something, not the window.
#[derive(Debug, Clone)]
pub struct Points {
    window: Window,
    levels: usize,
    /// Which of the columns below a cell has.
    cells: FxHashMap<(u32, u32), u32>,
    /// `levels` of each column.
    sums: Vec<f64>,
    counts: Vec<u32>,
}

impl Points {
    /// None yet.
    pub fn new(window: Window, levels: usize) -> Points {
        Points { window, levels, cells: FxHashMap::default(), sums: Vec::new(), counts: Vec::new() }
    }

    /// The window that all of them are laid on.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// How many levels each has.
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// Values of the answer, for each of sums and counts.
    pub fn len(&self) -> usize {
        self.window.area().saturating_mul(self.levels)
    }

    /// Whether the window holds no cell, or the profiles no level.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> usize {
        self.cells.capacity() * 13 + self.sums.capacity() * 8 + self.counts.capacity() * 4
    }

    /// # Errors
    /// Another window, or another number of levels.
    pub fn expect(&self, window: &Window, levels: usize) -> Result<()> {
        if *window != self.window {
            let problem = format!("a window that differs within a group: {} and {window}", self.window);
            return Err(Error::conflict(problem, "Group by the window"));
        }
        if levels != self.levels {
            let problem = format!("profiles of {} and of {levels} levels in one group", self.levels);
            return Err(Error::conflict(problem, "Align them to one axis of depths first"));
        }
        Ok(())
    }

    /// Where a cell's column begins; one beyond the window has none.
    fn column(&mut self, row: i64, col: i64) -> Option<usize> {
        let inside = |at: i64, from: i64, size: u32| {
            at.checked_sub(from).and_then(|at| u32::try_from(at).ok()).filter(|at| *at < size)
        };
        let row = inside(row, self.window.row_off, self.window.height)?;
        let col = inside(col, self.window.col_off, self.window.width)?;
        let next = self.cells.len() as u32;
        let index = *self.cells.entry((row, col)).or_insert(next) as usize;
        if index == next as usize {
            self.sums.resize(self.sums.len() + self.levels, 0.0);
            self.counts.resize(self.counts.len() + self.levels, 0);
        }
        Some(index * self.levels)
    }

    /// Adds a profile to the cell that it lies in: a value a level, `None` where there is none. A profile beyond the window
    /// and a value that is not finite count nothing.
    pub fn add(&mut self, row: i64, col: i64, values: impl Iterator<Item = Option<f64>>) {
        let Some(first) = self.column(row, col) else { return };
        let cells = self.sums[first..].iter_mut().zip(&mut self.counts[first..]);
        for ((sum, count), value) in cells.zip(values) {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                *sum += value;
                *count = count.saturating_add(1);
            }
        }
    }

    /// Adds what others were added up to.
    ///
    /// # Errors
    /// As [`Points::expect`].
    pub fn merge(&mut self, other: &Points) -> Result<()> {
        self.expect(&other.window, other.levels)?;
        for ((row, col), index) in &other.cells {
            let (row, col) = (self.window.row_off + i64::from(*row), self.window.col_off + i64::from(*col));
            let (Some(to), from) = (self.column(row, col), *index as usize * self.levels) else { continue };
            for level in 0..self.levels {
                self.sums[to + level] += other.sums[from + level];
                self.counts[to + level] = self.counts[to + level].saturating_add(other.counts[from + level]);
            }
        }
        Ok(())
    }

    /// Gives the index in [level, row, col], the mean and the count of all that hold something, in order.
    pub fn each(&self, mut give: impl FnMut(usize, f64, u32)) {
        let mut cells: Vec<(usize, usize)> = self
            .cells
            .iter()
            .map(|((row, col), index)| {
                (*row as usize * self.window.width as usize + *col as usize, *index as usize)
            })
            .collect();
        cells.sort_unstable();
        for level in 0..self.levels {
            for (cell, index) in &cells {
                let at = index * self.levels + level;
                if self.counts[at] > 0 {
                    let mean = self.sums[at] / f64::from(self.counts[at]);
                    give(level * self.window.area() + cell, mean, self.counts[at]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(points: &Points) -> Vec<(usize, f64, u32)> {
        let mut found = Vec::new();
        points.each(|index, mean, count| found.push((index, mean, count)));
        found
    }

    #[test]
    fn a_cell_is_the_mean_of_its_profiles_level_by_level() {
        let window = Window::new(10, 20, 2, 3).unwrap();
        let mut points = Points::new(window, 2);
        points.add(11, 22, [Some(1.0), None].into_iter());
        points.add(11, 22, [Some(4.0), Some(f64::NAN)].into_iter());
        points.add(10, 20, [None, Some(7.0)].into_iter());
        for (row, col) in [(9, 20), (12, 20), (10, 19), (10, 23), (i64::MIN, 20)] {
            points.add(row, col, [Some(9.0), Some(9.0)].into_iter());
        }
        assert_eq!(all(&points), [(5, 2.5, 2), (6, 7.0, 1)]);
        // Parts that are merged are the whole.
        let mut merged = Points::new(window, 2);
        merged.merge(&points).unwrap();
        merged.merge(&Points::new(window, 2)).unwrap();
        assert_eq!(all(&merged), all(&points));
        assert!(merged.merge(&Points::new(window, 3)).is_err());
        assert!(merged.merge(&Points::new(Window::new(0, 0, 2, 3).unwrap(), 2)).is_err());
    }
}
