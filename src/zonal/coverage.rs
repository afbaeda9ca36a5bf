//! The exact share of each grid cell that a polygon covers.
//!
//! Green's theorem, cell by cell: an edge adds to each cell on its way the area between itself and the cell's right
//! side, and to all cells further right the height that it passed. A running sum along each row then gives the
//! shares. The cost is that of the cells that edges cross plus one pass over the cells.

use geo::{LineString, Polygon};

use crate::affine::Affine;

/// A ring's vertices as (column, row) in cells from the grid's upper left, and +1 or -1: what it adds.
pub type Ring = (Vec<(f64, f64)>, f64);

/// Covered less than this, a cell is not covered: an edge that runs along a cell's side misses it by rounding.
const SLIVER: f64 = 1e-9;

/// The rings of a polygon in cells: the outer one adds area and the holes take it away, however they turn.
pub fn in_cells(polygon: &Polygon<f64>, grid: &Affine) -> Vec<Ring> {
    let ring = |line: &LineString<f64>, adds: f64| {
        let cells = |c: &geo::Coord<f64>| {
            let (row, col) = grid.row_col(c.x, c.y);
            (col, row)
        };
        let points: Vec<(f64, f64)> = line.0.iter().map(cells).collect();
        // In columns and rows, an area above zero means clockwise as seen on the map.
        let twice: f64 = points.windows(2).map(|p| p[0].0 * p[1].1 - p[1].0 * p[0].1).sum();
        (points, -adds * twice.signum())
    };
    let mut rings = vec![ring(polygon.exterior(), 1.0)];
    rings.extend(polygon.interiors().iter().map(|interior| ring(interior, -1.0)));
    rings
}

/// The covered share of each cell, row-major, between 0 and 1.
pub fn fractions(polygons: impl Iterator<Item = Vec<Ring>>, (height, width): (usize, usize)) -> Vec<f64> {
    let mut field =
        Field { sums: vec![0.0; height * (width + 1)], met: vec![false; height * width], height, width };
    for (points, adds) in polygons.flatten() {
        for pair in points.windows(2) {
            field.add_edge(pair[0], pair[1], adds);
        }
    }
    field.finish()
}

struct Field {
    /// One entry more in each row, for what lies right of the last cell.
    sums: Vec<f64>,
    /// Cells that an edge passes: only these are covered in part.
    met: Vec<bool>,
    height: usize,
    width: usize,
}

impl Field {
    fn add_edge(&mut self, a: (f64, f64), b: (f64, f64), adds: f64) {
        if a.1 == b.1 {
            self.meet(a.1, a.0.min(b.0), a.0.max(b.0));
            return;
        }
        // Downward edges count as they are, upward ones the other way.
        let ((x0, y0), (x1, y1), adds) = if a.1 < b.1 { (a, b, adds) } else { (b, a, -adds) };
        let (top, bottom) = (y0.max(0.0), y1.min(self.height as f64));
        if top >= bottom {
            return;
        }
        let slope = (x1 - x0) / (y1 - y0);
        let x_at = |y: f64| {
            if y == y0 {
                x0
            } else if y == y1 {
                x1
            } else {
                x0 + (y - y0) * slope
            }
        };
        let mut y = top;
        let mut row = top.floor();
        while y < bottom {
            let next = (row + 1.0).min(bottom);
            self.add_in_row(row as usize, (x_at(y), y), (x_at(next), next), adds);
            y = next;
            row += 1.0;
        }
    }

    /// An edge along a row passes no height, and still its cells are covered in part.
    fn meet(&mut self, y: f64, left: f64, right: f64) {
        let width = self.width as f64;
        if y < 0.0 || y >= self.height as f64 || left >= width || right <= 0.0 {
            return;
        }
        let base = y as usize * self.width;
        let cols = left.max(0.0) as usize..right.min(width).ceil() as usize;
        if let Some(met) = self.met.get_mut(base + cols.start..base + cols.end) {
            met.fill(true);
        }
    }

    /// A piece of an edge within one row, from (x0, y0) down to (x1, y1).
    fn add_in_row(&mut self, row: usize, (x0, y0): (f64, f64), (x1, y1): (f64, f64), adds: f64) {
        let width = self.width as f64;
        let (left, right) = (x0.min(x1), x0.max(x1));
        let height = y1 - y0;
        if left >= width {
            return;
        }
        let base = row * (self.width + 1);
        if right <= 0.0 || left == right {
            let x = left.clamp(0.0, width);
            self.add_in_cell(row, base, x, x, height * adds);
            return;
        }
        // Height per column: the piece is a straight line.
        let share = height / (right - left);
        if left < 0.0 {
            self.add_in_cell(row, base, 0.0, 0.0, -left * share * adds);
        }
        let end = right.min(width);
        let mut x = left.max(0.0);
        let mut col = x.floor();
        while x < end {
            let next = (col + 1.0).min(end);
            self.add_in_cell(row, base, x, next, (next - x) * share * adds);
            x = next;
            col += 1.0;
        }
    }

    /// A piece within one cell, between columns x0 and x1, that passes a height of `cover`.
    fn add_in_cell(&mut self, row: usize, base: usize, x0: f64, x1: f64, cover: f64) {
        let col = (x0 as usize).min(self.width - 1);
        let right_of = (x0 + x1) / 2.0 - col as f64;
        if let Some([here, next]) = self.sums.get_mut(base + col..base + col + 2) {
            *here += cover * (1.0 - right_of);
            *next += cover * right_of;
        }
        if let Some(met) = self.met.get_mut(row * self.width + col) {
            *met = true;
        }
    }

    fn finish(mut self) -> Vec<f64> {
        let mut shares = Vec::with_capacity(self.height * self.width);
        let rows = self.sums.chunks_mut(self.width + 1).zip(self.met.chunks(self.width));
        for (sums, met) in rows {
            let mut sum = 0.0;
            for (add, met) in sums.iter().zip(met) {
                sum += add;
                // What no edge passes is inside or outside: whole numbers, but for rounding.
                let share = if *met { sum } else { sum.round() }.clamp(0.0, 1.0);
                shares.push(match share {
                    s if s < SLIVER => 0.0,
                    s if s > 1.0 - SLIVER => 1.0,
                    s => s,
                });
            }
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::{Area, BooleanOps, Rect, coord, polygon};

    fn grid() -> Affine {
        Affine([0.0, 1.0, 0.0, 4.0, 0.0, -1.0])
    }

    fn shares(polygon: &Polygon<f64>) -> Vec<f64> {
        fractions(std::iter::once(in_cells(polygon, &grid())), (4, 4))
    }

    #[test]
    fn shares_are_the_areas_of_the_intersections() {
        let hole = LineString::from(vec![(1.2, 1.3), (2.9, 1.6), (2.1, 2.2)]);
        let outer = LineString::from(vec![(-0.7, 0.4), (3.3, -0.5), (4.6, 2.2), (2.0, 3.9), (0.3, 3.1)]);
        for polygon in [
            polygon![(x: 0.5, y: 0.5), (x: 3.5, y: 0.5), (x: 3.5, y: 3.5), (x: 0.5, y: 3.5)],
            polygon![(x: 0.1, y: 0.2), (x: 3.7, y: 1.1), (x: 1.3, y: 3.9)],
            polygon![(x: 3.7, y: 1.1), (x: 0.1, y: 0.2), (x: 1.3, y: 3.9)],
            polygon![(x: 0.5, y: 0.7), (x: 3.5, y: 0.7), (x: 3.5, y: 3.2), (x: 0.5, y: 3.2)],
            polygon![(x: -2.0, y: 0.3), (x: 9.0, y: 0.3), (x: 9.0, y: 1.4), (x: -2.0, y: 1.4)],
            polygon![(x: 1.0, y: 1.0), (x: 3.0, y: 1.0), (x: 3.0, y: 3.0), (x: 1.0, y: 3.0)],
            Polygon::new(outer, vec![hole]),
        ] {
            for (i, share) in shares(&polygon).into_iter().enumerate() {
                let (x, y) = ((i % 4) as f64, 3.0 - (i / 4) as f64);
                let cell = Rect::new(coord! { x: x, y: y }, coord! { x: x + 1.0, y: y + 1.0 }).to_polygon();
                let area = polygon.intersection(&cell).unsigned_area();
                assert!((share - area).abs() < 1e-6, "cell {i}: {share} for {area}");
            }
        }
    }

    #[test]
    fn a_polygon_beyond_the_grid_covers_all_or_nothing() {
        let around = polygon![(x: -9.0, y: -9.0), (x: 9.0, y: -9.0), (x: 9.0, y: 9.0), (x: -9.0, y: 9.0)];
        assert_eq!(shares(&around), [1.0; 16]);
        let right = polygon![(x: 5.0, y: 0.0), (x: 9.0, y: 0.0), (x: 9.0, y: 9.0)];
        assert_eq!(shares(&right), [0.0; 16]);
    }
}
