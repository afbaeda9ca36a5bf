//! A window as SQL has it.

use crate::bridge::record::{Read, Typed, record};
use crate::bridge::vector::Vector;
use crate::error::Result;
use crate::window::Window;

/// The fields of a window.
pub struct WindowRow {
    row_off: i64,
    col_off: i64,
    height: i32,
    width: i32,
}
record! { WindowRow { row_off: i64, col_off: i64, height: i32, width: i32 } }

/// The type of a window, as `FunctionDoc`s write it.
pub const WIN: &str = WindowRow::TYPE;

impl From<&Window> for WindowRow {
    fn from(window: &Window) -> WindowRow {
        let Window { row_off, col_off, height, width } = *window;
        WindowRow { row_off, col_off, height: height as i32, width: width as i32 }
    }
}

impl WindowRow {
    /// The window itself.
    ///
    /// # Errors
    /// As [`Window::new`].
    pub fn window(&self) -> Result<Window> {
        Window::new(self.row_off, self.col_off, self.height.into(), self.width.into())
    }
}

/// The window in a row of a column of type [`WIN`]; `None` where it, or a field of it, is NULL.
///
/// # Errors
/// As [`Window::new`].
pub fn read(windows: &Vector<'_>, row: usize) -> Result<Option<Window>> {
    WindowRow::read(windows, row)?.map(|row| row.window()).transpose()
}
