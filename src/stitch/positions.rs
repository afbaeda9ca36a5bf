//! Weights that are known from where patches lie.
//!
//! A patch without a NULL weighs what its taper says, a product along both axes. So nothing is laid for it: its position is kept,
//! and what all positions of a strip weigh is worked out when the field is told, patches of the same columns together. They are
//! taken in the order of their positions, whatever the order in which they came, so that sums are the same to the bit.

use rustc_hash::FxHashMap;

use crate::stitch::tile::ROWS;
use crate::window::Window;

/// Where a patch lies, and what it counts.
#[derive(Debug, Clone, Copy)]
struct Position {
    window: Window,
    weight: f64,
}

impl Position {
    /// What patches that are alike in their columns share.
    fn across(&self) -> (i64, u32, u64) {
        (self.window.col_off, self.window.width, self.weight.to_bits())
    }
}

/// Positions of patches, by the strips that they lie on.
#[derive(Debug, Clone, Default)]
pub struct Positions {
    strips: FxHashMap<usize, Vec<Position>>,
    count: usize,
}

impl Positions {
    /// A patch lies on a strip: how many do so now.
    pub fn add(&mut self, strip: usize, window: Window, weight: f64) -> usize {
        let positions = self.strips.entry(strip).or_default();
        positions.push(Position { window, weight });
        self.count += 1;
        positions.len()
    }

    /// Strips of so many patches or more.
    pub fn crowded(&self, many: usize) -> Vec<usize> {
        let crowded = self.strips.iter().filter(|(_, positions)| positions.len() >= many);
        crowded.map(|(strip, _)| *strip).collect()
    }

    /// What is held of a strip.
    pub fn bytes_on(&self, strip: usize) -> usize {
        self.strips.get(&strip).map_or(0, |positions| positions.len() * size_of::<Position>())
    }

    /// What is held on the heap.
    pub fn bytes(&self) -> usize {
        self.count * size_of::<Position>()
    }

    /// Adds those of another part of the field.
    pub fn merge(&mut self, other: &Positions) {
        for (strip, positions) in &other.strips {
            self.strips.entry(*strip).or_default().extend_from_slice(positions);
        }
        self.count += other.count;
    }

    /// Gives up a strip.
    pub fn forget(&mut self, strip: usize) {
        self.count -= self.strips.remove(&strip).unwrap_or_default().len();
    }

    /// What the positions of a strip weigh; `along` gives the weights of a window of so many pixels along an axis.
    pub fn weights(&self, strip: usize, along: impl Fn(usize) -> Vec<f64>) -> Weights {
        let mut positions = self.strips.get(&strip).cloned().unwrap_or_default();
        positions.sort_unstable_by_key(|position| {
            (position.across(), position.window.row_off, position.window.height)
        });
        let mut axes: FxHashMap<u32, Vec<f64>> = FxHashMap::default();
        let mut axis = |size: u32| axes.entry(size).or_insert_with(|| along(size as usize)).clone();
        let first = (strip * ROWS) as i64;
        let alike = positions.chunk_by(|a, b| a.across() == b.across());
        let products = alike.map(|alike| {
            let mut down = [0.0; ROWS];
            for Position { window, weight } in alike {
                let shares = axis(window.height);
                for (row, sum) in down.iter_mut().enumerate() {
                    let at = usize::try_from(first + row as i64 - window.row_off).ok();
                    *sum += at.and_then(|at| shares.get(at)).map_or(0.0, |share| share * weight);
                }
            }
            Product { first: alike[0].window.col_off, across: axis(alike[0].window.width), down }
        });
        Weights(products.collect())
    }
}

/// The weights of patches of the same columns on a strip.
struct Product {
    /// The first column.
    first: i64,
    /// The weight of each column.
    across: Vec<f64>,
    /// That of each row.
    down: [f64; ROWS],
}

/// The weights of a strip.
pub struct Weights(Vec<Product>);

impl Weights {
    /// Those of a tile, from its first column on, row by row; none where no position is.
    pub fn of_tile(&self, (rows, cols): (usize, usize), first: usize) -> Vec<f64> {
        let mut weights = Vec::new();
        for product in &self.0 {
            let from = (product.first - first as i64).clamp(0, cols as i64) as usize;
            let skip = (first as i64 + from as i64 - product.first).max(0) as usize;
            let across = product.across.get(skip..).unwrap_or_default();
            let across = &across[..across.len().min(cols - from)];
            if across.is_empty() {
                continue;
            }
            weights.resize(rows * cols, 0.0);
            for (row, down) in weights.chunks_exact_mut(cols).zip(&product.down) {
                for (weight, across) in row[from..].iter_mut().zip(across) {
                    *weight += down * across;
                }
            }
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Draw;

    #[test]
    fn weights_are_sums_over_positions_whatever_their_order() {
        let mut draw = Draw::new(7);
        let along = |n: usize| (0..n).map(|i| 1.0 + (i * 7 % 5) as f64 / 8.0).collect::<Vec<f64>>();
        let windows: Vec<(Window, f64)> = (0..200)
            .map(|_| {
                let (height, width) = (draw.between(1, 90), draw.between(1, 90));
                let (row, col) = (draw.between(1 - height, 199), draw.between(1 - width, 299));
                (Window::new(row, col, height, width).unwrap(), draw.between(1, 8) as f64 / 4.0)
            })
            .collect();
        let lay = |order: &mut dyn Iterator<Item = &(Window, f64)>| {
            let mut positions = Positions::default();
            order.for_each(|(window, weight)| {
                (0..4).for_each(|strip| _ = positions.add(strip, *window, *weight));
            });
            positions
        };
        let mut parts = lay(&mut windows[..70].iter().rev());
        parts.merge(&lay(&mut windows[70..].iter()));
        let whole = lay(&mut windows.iter());
        assert_eq!(
            (parts.bytes(), whole.bytes()),
            (800 * size_of::<Position>(), 800 * size_of::<Position>())
        );
        for strip in 0..4 {
            for (first, cols) in [(0, 256), (256, 44)] {
                let got = whole.weights(strip, along).of_tile((ROWS, cols), first);
                assert_eq!(got, parts.weights(strip, along).of_tile((ROWS, cols), first));
                for (at, got) in got.iter().enumerate() {
                    let (row, col) = ((strip * ROWS + at / cols) as i64, (first + at % cols) as i64);
                    // Each weight is a few eighths: sums are exact.
                    let one = |(window, weight): &(Window, f64)| {
                        let down = usize::try_from(row - window.row_off).ok();
                        let across = usize::try_from(col - window.col_off).ok();
                        let down = down.and_then(|at| along(window.height as usize).get(at).copied());
                        let across = across.and_then(|at| along(window.width as usize).get(at).copied());
                        down.zip(across).map_or(0.0, |(down, across)| down * across * weight)
                    };
                    assert_eq!(*got, windows.iter().map(one).sum::<f64>(), "{strip} {at}");
                }
            }
        }
        (0..4).for_each(|strip| parts.forget(strip));
        assert_eq!(parts.bytes(), 0);
    }
}
