//! A rectangle of pixels of one file or grid.

use std::fmt;

use crate::error::{Error, Result};

/// Rows `row_off .. row_off + height`, columns `col_off .. col_off + width`. Offsets may be negative
/// and windows may hang over: what lies outside the raster has no pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// The first row.
    pub row_off: i64,
    /// The first column.
    pub col_off: i64,
    /// Rows, at least 1.
    pub height: u32,
    /// Columns, at least 1.
    pub width: u32,
}

impl Window {
    /// # Errors
    /// A height or width below 1, or offsets so far out that their end overflows.
    pub fn new(row_off: i64, col_off: i64, height: i64, width: i64) -> Result<Window> {
        let side = |value: i64| u32::try_from(value).ok().filter(|v| (1..=i32::MAX as u32).contains(v));
        let far = 1i64 << 53;
        match (side(height), side(width)) {
            (Some(height), Some(width)) if row_off.abs() < far && col_off.abs() < far => {
                Ok(Window { row_off, col_off, height, width })
            }
            _ => Err(Error::invalid(
                format!("window (row {row_off}, col {col_off}, {height} x {width})"),
                "at least 1 x 1 pixels, with offsets within the raster",
            )),
        }
    }

    /// All pixels of a raster.
    ///
    /// # Errors
    /// As [`Window::new`].
    pub fn whole(height: usize, width: usize) -> Result<Window> {
        Window::new(0, 0, height as i64, width as i64)
    }

    /// How many pixels it holds.
    pub fn area(&self) -> usize {
        self.height as usize * self.width as usize
    }

    /// Behind its last row.
    pub fn row_end(&self) -> i64 {
        self.row_off + i64::from(self.height)
    }

    /// Behind its last column.
    pub fn col_end(&self) -> i64 {
        self.col_off + i64::from(self.width)
    }

    /// The part inside a raster of `height` x `width`; `None` when there is none.
    pub fn clip(&self, height: usize, width: usize) -> Option<Window> {
        let rows = self.row_off.max(0)..self.row_end().min(height as i64);
        let cols = self.col_off.max(0)..self.col_end().min(width as i64);
        if rows.is_empty() || cols.is_empty() {
            return None;
        }
        Some(Window {
            row_off: rows.start,
            col_off: cols.start,
            height: (rows.end - rows.start) as u32,
            width: (cols.end - cols.start) as u32,
        })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "window (row {}, col {}, {} x {})", self.row_off, self.col_off, self.height, self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_at_least_one_pixel() {
        assert!(Window::new(0, 0, 0, 1).is_err());
        assert!(Window::new(0, 0, 1, -4).is_err());
        assert!(Window::new(i64::MAX, 0, 1, 1).is_err());
        assert!(Window::new(-5, -5, 1, 1).is_ok());
    }

    #[test]
    fn clip_keeps_exactly_the_pixels_inside() {
        let window = Window::new(-2, 3, 4, 10).unwrap();
        assert_eq!(window.clip(5, 8), Some(Window::new(0, 3, 2, 5).unwrap()));
        assert_eq!(Window::new(5, 0, 1, 1).unwrap().clip(5, 8), None);
    }
}
