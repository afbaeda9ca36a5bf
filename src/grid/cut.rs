//! Rasters cut into windows: rows for a stream, whose files are opened one after another as they are asked for.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::Header;
use crate::grid::edge::Edge;
use crate::on_error::OnError;
use crate::read::source::Source;
use crate::read::stream::{Row, Target};
use crate::window::Window;

/// How a raster is cut into windows.
#[derive(Debug, Clone, Copy)]
// A variant's line says what its fields are.
#[allow(missing_docs)]
pub enum Cut {
    /// Windows of one size, a stride apart.
    Grid { size: (usize, usize), stride: (usize, usize), edge: Edge },
    /// The blocks that the file is stored in, cut off where the raster ends.
    Blocks,
}

/// A window of a raster, and its number in the cut.
#[derive(Debug, Clone, PartialEq)]
pub struct CutWindow {
    /// The raster.
    pub path: Arc<str>,
    /// Row-major; nothing where the raster could not be opened.
    pub window: Option<(i64, Window)>,
}

/// First rows and first columns of windows, and the size of one.
pub type Starts = (Vec<i64>, Vec<i64>, (usize, usize));

impl Cut {
    /// Where the windows start on both axes, and their size.
    ///
    /// # Errors
    /// The edge rule does not allow the size on this raster.
    pub fn starts(&self, header: &Header) -> Result<Starts> {
        let (size, stride, edge) = match *self {
            Cut::Grid { size, stride, edge } => (size, stride, edge),
            Cut::Blocks => (header.block, header.block, Edge::Pad),
        };
        let rows = edge.starts(header.height, size.0, stride.0)?;
        Ok((rows, edge.starts(header.width, size.1, stride.1)?, size))
    }

    /// The rows of one raster. Where broken files do not stop the stream, one that cannot be opened has one row, with
    /// its error.
    ///
    /// # Errors
    /// The raster cannot be opened, where that stops the stream; as [`Cut::starts`].
    pub fn rows(&self, path: &str, on_error: OnError) -> Result<Rows> {
        let path: Arc<str> = path.into();
        let source = match (Source::open(&path), on_error) {
            (Ok(source), _) => source,
            (Err(error), OnError::Fail) => return Err(error),
            (Err(error), OnError::Skip | OnError::Report) => {
                let row = Row { target: Err(error), carried: CutWindow { path, window: None } };
                return Ok(Box::new(std::iter::once(Ok(row))));
            }
        };
        let header = source.header().clone();
        let (row_starts, col_starts, size) = self.starts(&header)?;
        let is_cut_off = matches!(self, Cut::Blocks);
        Ok(Box::new((0..row_starts.len() * col_starts.len()).map(move |id| {
            let (row, col) = (row_starts.get(id / col_starts.len()), col_starts.get(id % col_starts.len()));
            let (Some(&row), Some(&col)) = (row, col) else {
                return Err(Error::Bug(format!("no window {id}")));
            };
            let mut window = Window::new(row, col, size.0 as i64, size.1 as i64)?;
            if is_cut_off {
                // What a block at the edge holds beyond the raster is no pixel of it.
                window = window.clip(header.height, header.width).unwrap_or(window);
            }
            let carried = CutWindow { path: path.clone(), window: Some((id as i64, window)) };
            Ok(Row { target: Ok(Target { path: path.clone(), window, step: None }), carried })
        })))
    }
}

/// The rows of a raster, in order.
pub type Rows = Box<dyn Iterator<Item = Result<Row<CutWindow>>> + Send>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Counted;

    fn windows(cut: Cut, path: &str) -> Vec<Window> {
        let rows = cut.rows(path, OnError::Fail).unwrap().map(Result::unwrap);
        rows.enumerate()
            .map(|(id, row)| {
                let target = row.target.unwrap();
                assert_eq!(row.carried.window, Some((id as i64, target.window)));
                assert_eq!((&*target.path, &*row.carried.path), (path, path));
                target.window
            })
            .collect()
    }

    #[test]
    fn every_pixel_lies_in_one_block_and_no_block_beyond_the_raster() {
        let raster = Counted::new(75, 80);
        let mut seen = vec![0; 75 * 80];
        for window in windows(Cut::Blocks, raster.path()) {
            assert_eq!(window.clip(75, 80), Some(window));
            for row in window.row_off..window.row_end() {
                for col in window.col_off..window.col_end() {
                    seen[(row * 80 + col) as usize] += 1;
                }
            }
        }
        assert!(seen.iter().all(|n| *n == 1));
    }

    #[test]
    fn a_grid_is_row_major() {
        let raster = Counted::new(64, 64);
        let cut = Cut::Grid { size: (32, 16), stride: (32, 32), edge: Edge::Drop };
        let expected =
            [(0, 0), (0, 32), (32, 0), (32, 32)].map(|(row, col)| Window::new(row, col, 32, 16).unwrap());
        assert_eq!(windows(cut, raster.path()), expected);
        let cut = Cut::Grid { size: (65, 16), stride: (32, 32), edge: Edge::Snap };
        assert!(matches!(cut.rows(raster.path(), OnError::Skip).err(), Some(Error::OutOfRange { .. })));
    }

    #[test]
    fn a_raster_that_can_not_be_opened_stops_the_stream_or_is_one_row() {
        let absent = "/nowhere/at_all.tif";
        assert!(Cut::Blocks.rows(absent, OnError::Fail).is_err());
        let rows: Vec<_> = Cut::Blocks.rows(absent, OnError::Report).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 1);
        assert!(rows[0].target.is_err());
        assert_eq!(rows[0].carried, CutWindow { path: absent.into(), window: None });
    }
}
