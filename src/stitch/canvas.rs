//! What patches are laid on, and where on it.

use std::fmt;

use crate::affine::Affine;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::projection;
use crate::window::Window;

/// A grid that patches are laid on.
#[derive(Debug, Clone, PartialEq)]
pub struct Canvas {
    /// Sizes of the axes before rows and columns: time, depth; mostly none.
    pub lead: Vec<usize>,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// From pixels to the CRS.
    pub transform: Option<Affine>,
    /// The CRS, as the user names it.
    pub crs: Option<String>,
}

/// A window on a canvas of as many axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// First index and size along each axis before rows and columns.
    pub lead: Vec<(i64, usize)>,
    /// Rows and columns.
    pub window: Window,
}

/// Where the first pixel of a grid lies, as errors tell it.
fn corner(grid: &Affine) -> String {
    format!("({}, {})", grid.0[0], grid.0[3])
}

/// How far, in pixels, a patch may lie beside the canvas's grid.
const SLACK: f64 = 0.05;

impl Canvas {
    /// # Errors
    /// Fewer than two sides, or one that is below 1 or above what an INTEGER holds.
    pub fn new(sides: &[i64]) -> Result<Canvas> {
        let must = "[rows, columns], each at least 1, behind the sizes of further axes";
        let bad = || Error::invalid(format!("{sides:?}"), must);
        let side = |n: &i64| usize::try_from(*n).ok().filter(|n| (1..=i32::MAX as usize).contains(n));
        let all: Vec<usize> = sides.iter().map(side).collect::<Option<_>>().ok_or_else(bad)?;
        let [lead @ .., height, width] = all.as_slice() else { return Err(bad()) };
        Ok(Canvas { lead: lead.to_vec(), height: *height, width: *width, transform: None, crs: None })
    }

    /// How many planes of rows and columns a band has.
    pub fn planes(&self) -> usize {
        self.lead.iter().fold(1, |n, side| n.saturating_mul(*side))
    }

    /// Pixels of a band.
    pub fn pixels(&self) -> usize {
        self.planes().saturating_mul(self.height).saturating_mul(self.width)
    }

    /// Bands, further axes, rows, columns.
    pub fn shape(&self, bands: usize) -> Vec<i64> {
        let sides = std::iter::once(&bands).chain(&self.lead).chain([&self.height, &self.width]);
        sides.map(|side| *side as i64).collect()
    }

    /// Where another grid's pixels lie on this one.
    ///
    /// # Errors
    /// Pixels of another size, beside this grid's, or in another CRS, or a grid without a place.
    pub fn span_of(&self, other: &Canvas) -> Result<Window> {
        let (Some(own), Some(its)) = (self.transform, other.transform) else {
            let problem = "a patch by its transform needs a canvas with a transform, and the patch one too";
            return Err(Error::conflict(
                problem,
                "Give the canvas {height, width, transform, crs}, or a slice",
            ));
        };
        if let (Some(a), Some(b)) = (&self.crs, &other.crs)
            && Crs::new(a) != Crs::new(b)
            && !projection::same_crs(a, b)?
        {
            let problem = format!("a patch in {b}, from {} on, on a canvas in {a}", corner(&its));
            return Err(Error::conflict(problem, "Stitch patches of one CRS at a time: GROUP BY crs"));
        }
        let (a, b) = (&own.0, &its.0);
        let reach = |n: usize| SLACK / n.max(1) as f64;
        let same = |x: f64, y: f64, n: usize| (x - y).abs() <= reach(n) * y.abs();
        let turned = own.is_rotated() || its.is_rotated();
        if turned || !same(b[1], a[1], other.width) || !same(b[5], a[5], other.height) {
            let problem = format!(
                "a patch from {} on with pixels of {} x {}{} on a canvas with pixels of {} x {}",
                corner(&its),
                b[1],
                b[5],
                if turned { ", rotated," } else { "" },
                a[1],
                a[5]
            );
            return Err(Error::conflict(
                problem,
                "Read the patches on the grid of the canvas, with read_slice",
            ));
        }
        let (row, col) = own.row_col(b[0], b[3]);
        if (row - row.round()).abs() > SLACK || (col - col.round()).abs() > SLACK {
            let problem =
                format!("a patch from {} on, which is row {row}, column {col} of the canvas", corner(&its));
            return Err(Error::conflict(problem, "A patch must lie on the pixels of the canvas"));
        }
        Window::new(row.round() as i64, col.round() as i64, other.height as i64, other.width as i64)
    }
}

impl Span {
    /// Pixels of a band.
    pub fn pixels(&self) -> usize {
        self.lead.iter().fold(self.window.area(), |n, (_, size)| n.saturating_mul(*size))
    }

    /// # Errors
    /// Another number of axes than the canvas has, or nothing of the window on it.
    pub fn check(&self, canvas: &Canvas) -> Result<()> {
        if self.lead.len() != canvas.lead.len() {
            let (own, its) = (self.lead.len() + 2, canvas.lead.len() + 2);
            let problem = format!("a window of {own} axes on a canvas of {its}");
            return Err(Error::conflict(problem, "Give as many axes: {start: [...], size: [...]}"));
        }
        let meets = |(start, size): &(i64, usize), side: &usize| {
            *start < *side as i64 && start.saturating_add(*size as i64) > 0
        };
        let on = self.window.clip(canvas.height, canvas.width).is_some();
        if on && self.lead.iter().zip(&canvas.lead).all(|(span, side)| meets(span, side)) {
            return Ok(());
        }
        let problem = format!("{self} lies wholly outside the canvas {canvas}");
        Err(Error::conflict(problem, "Leave such patches out, or give the canvas that they were cut from"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lead.is_empty() {
            return self.window.fmt(f);
        }
        let Window { row_off, col_off, height, width } = self.window;
        let starts = self.lead.iter().map(|(start, _)| *start).chain([row_off, col_off]);
        let sizes = self.lead.iter().map(|(_, size)| *size).chain([height as usize, width as usize]);
        write!(f, "window {:?} from {:?}", sizes.collect::<Vec<_>>(), starts.collect::<Vec<_>>())
    }
}

impl fmt::Display for Canvas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sides: Vec<String> = self.shape(1).iter().skip(1).map(i64::to_string).collect();
        write!(f, "of {}", sides.join(" x "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(x: f64, y: f64, side: f64, n: i64) -> Canvas {
        Canvas { transform: Some(Affine::north_up(x, y, side)), ..Canvas::new(&[n, n]).unwrap() }
    }

    #[test]
    fn a_patch_by_its_transform_lies_where_its_corner_does() {
        let canvas = grid(500_000.0, 4_000_000.0, 10.0, 100);
        let found = canvas.span_of(&grid(500_200.0, 3_999_990.0, 10.0, 8)).unwrap();
        assert_eq!(found, Window::new(1, 20, 8, 8).unwrap());
        assert_eq!(canvas.span_of(&grid(499_990.1, 4_000_000.0, 10.0, 8)).unwrap().col_off, -1);
        for other in [grid(500_003.0, 4e6, 10.0, 8), grid(5e5, 4e6, 20.0, 8), Canvas::new(&[8, 8]).unwrap()] {
            assert!(canvas.span_of(&other).is_err(), "{other:?}");
        }
        let named = |crs: &str| Canvas { crs: Some(crs.into()), ..canvas.clone() };
        assert!(named("EPSG:32629").span_of(&named("EPSG:32630")).is_err());
        assert!(named("EPSG:32629").span_of(&named("EPSG:32629")).is_ok());
    }

    #[test]
    fn a_window_must_meet_its_canvas_on_every_axis() {
        let canvas = Canvas::new(&[4, 10, 12]).unwrap();
        assert_eq!((canvas.planes(), canvas.pixels(), canvas.shape(2)), (4, 480, vec![2, 4, 10, 12]));
        let span = |start: i64, row: i64| Span {
            lead: vec![(start, 2)],
            window: Window::new(row, 0, 5, 5).unwrap(),
        };
        assert!(span(-1, -4).check(&canvas).is_ok() && span(3, 9).check(&canvas).is_ok());
        assert!(span(4, 0).check(&canvas).is_err() && span(0, 10).check(&canvas).is_err());
        assert!(Span { lead: Vec::new(), ..span(0, 0) }.check(&canvas).is_err());
        for sides in [&[][..], &[3], &[0, 3], &[3, -1], &[1 << 40, 3]] {
            assert!(Canvas::new(sides).is_err(), "{sides:?}");
        }
    }
}
