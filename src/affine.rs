//! From pixels to the map: GDAL's six numbers.

use crate::bbox::Bbox;
use crate::error::{Error, Result};
use crate::window::Window;

/// `x = c[0] + col * c[1] + row * c[2]`, `y = c[3] + col * c[4] + row * c[5]`, where (0, 0) is the
/// outer corner of the first pixel, so the centre of pixel (row, col) is at (row + 0.5, col + 0.5).
/// `c[1]` is the pixel's width, `c[5]` its height, negative for a north-up raster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine(pub [f64; 6]);

impl Affine {
    /// # Errors
    /// Not six numbers, or numbers that span no plane.
    pub fn from_terms(terms: &[f64]) -> Result<Affine> {
        let affine = <[f64; 6]>::try_from(terms).ok().map(Affine).filter(Affine::is_usable);
        let must = "GDAL's six numbers: x origin, pixel width, 0, y origin, 0, pixel height";
        affine.ok_or_else(|| Error::invalid(format!("{terms:?}"), must))
    }

    /// A grid whose upper left corner is (x, y), with square north-up cells.
    pub fn north_up(x: f64, y: f64, resolution: f64) -> Affine {
        Affine([x, resolution, 0.0, y, 0.0, -resolution])
    }

    /// Rows run along x or columns along y: such a raster has no box of its own.
    pub fn is_rotated(&self) -> bool {
        self.0[2] != 0.0 || self.0[4] != 0.0
    }

    /// False when a term is not finite or when all pixels would lie on a line.
    pub fn is_usable(&self) -> bool {
        let c = &self.0;
        c.iter().all(|v| v.is_finite()) && c[1] * c[5] - c[2] * c[4] != 0.0
    }

    /// The x of a column; halves are centres.
    pub fn x(&self, col: f64) -> f64 {
        self.0[0] + col * self.0[1]
    }

    /// The y of a row; halves are centres.
    pub fn y(&self, row: f64) -> f64 {
        self.0[3] + row * self.0[5]
    }

    /// The inverse of [`Affine::x`] and [`Affine::y`] without rotation: fractional (row, col).
    pub fn row_col(&self, x: f64, y: f64) -> (f64, f64) {
        ((y - self.0[3]) / self.0[5], (x - self.0[0]) / self.0[1])
    }

    /// The outer edges of a window. Meaningless under rotation.
    pub fn bbox(&self, window: &Window) -> Bbox {
        let (row, col) = (window.row_off as f64, window.col_off as f64);
        let (x0, x1) = (self.x(col), self.x(col + f64::from(window.width)));
        let (y0, y1) = (self.y(row), self.y(row + f64::from(window.height)));
        Bbox { xmin: x0.min(x1), ymin: y0.min(y1), xmax: x0.max(x1), ymax: y0.max(y1) }
    }

    /// The transform of the raster that a window cuts out.
    pub fn of_window(&self, window: &Window) -> Affine {
        let (row, col) = (window.row_off as f64, window.col_off as f64);
        let c = &self.0;
        Affine([c[0] + col * c[1] + row * c[2], c[1], c[2], c[3] + col * c[4] + row * c[5], c[4], c[5]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_col_undoes_x_and_y() {
        let affine = Affine::north_up(-180.0, 90.0, 0.1);
        let (row, col) = affine.row_col(affine.x(17.25), affine.y(3.5));
        assert!((row - 3.5).abs() < 1e-9 && (col - 17.25).abs() < 1e-9);
    }

    #[test]
    fn the_box_of_a_south_up_raster_is_in_order() {
        let south_up = Affine([0.0, 1.0, 0.0, -5.0, 0.0, 1.0]);
        let bbox = south_up.bbox(&Window { row_off: 1, col_off: 2, height: 3, width: 4 });
        assert_eq!(bbox, Bbox { xmin: 2.0, ymin: -4.0, xmax: 6.0, ymax: -1.0 });
    }
}
