//! A window as SQL has it.

use crate::bridge::record::{Typed, record};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::value::Value;
use crate::window::Window;

/// The fields of a window.
pub struct WindowRow {
    row_off: i64,
    col_off: i64,
    height: i64,
    width: i64,
}
record! { WindowRow { row_off: i64, col_off: i64, height: i64, width: i64 } }

/// The type of a window, as `FunctionDoc`s write it.
pub const WIN: &str = WindowRow::TYPE;

/// What a window may be that stands in a row.
pub const WIN_MEANING: &str = "The window in pixels, from the upper left; it may hang over the edge. Whole numbers of any type. `step`, as `patch_registry` gives it over cubes, is the index of the one time whose bands are meant.";

impl From<&Window> for WindowRow {
    fn from(window: &Window) -> WindowRow {
        let Window { row_off, col_off, height, width } = *window;
        WindowRow { row_off, col_off, height: height.into(), width: width.into() }
    }
}

impl WindowRow {
    /// The window itself.
    ///
    /// # Errors
    /// As [`Window::new`].
    pub fn window(&self) -> Result<Window> {
        Window::new(self.row_off, self.col_off, self.height, self.width)
    }
}

fn none(windows: &Vector<'_>, row: usize) -> Error {
    let must = "a window {row_off, col_off, height, width} of whole numbers, as geo_patch_grid gives it";
    Error::invalid(Value::of(windows, row), must)
}

/// The window in a row of a column; `None` where it, or a number of it, is NULL.
///
/// # Errors
/// A value of another form; as [`Window::new`].
pub fn read(windows: &Vector<'_>, row: usize) -> Result<Option<Window>> {
    if windows.is_null(row) {
        return Ok(None);
    }
    let fields = windows.named_fields(["row_off", "col_off", "height", "width"]);
    let fields = fields.ok_or_else(|| none(windows, row))?;
    if fields.iter().any(|field| field.is_null(row)) {
        return Ok(None);
    }
    let [Some(row_off), Some(col_off), Some(height), Some(width)] =
        fields.map(|field| Value::of(field, row).whole())
    else {
        return Err(none(windows, row));
    };
    Window::new(row_off, col_off, height, width).map(Some)
}

/// The step of time that a window names; `None` where all are meant.
///
/// # Errors
/// A step that is no index.
pub fn step(windows: &Vector<'_>, row: usize) -> Result<Option<u64>> {
    let Some(steps) = windows.named("step").filter(|steps| !steps.is_null(row)) else { return Ok(None) };
    let step = Value::of(steps, row);
    let index = step.whole().and_then(|step| u64::try_from(step).ok());
    index.map(Some).ok_or_else(|| Error::invalid(step, "a step of time, an index from 0 on"))
}
