//! `geo_windows_overlap`: the check behind splits that do not leak.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::record::Typed;
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::{Holds, Vector};
use crate::error::{Error, Result};
use crate::grid::overlap::any_overlap;
use crate::sql::shared::windows::{self, WindowRow};
use crate::value::Value;

/// The scalar `geo_windows_overlap`.
pub struct GeoWindowsOverlap;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_windows_overlap",
    kind: Kind::Scalar,
    summary: "True when any two windows of a list share a pixel.",
    parameters: &[Parameter {
        name: "windows",
        types: <Vec<WindowRow>>::TYPE,
        given: Given::AsItIs,
        meaning: "Windows of one grid, in pixels.",
    }],
    columns: &[Column { name: "overlap", types: "BOOLEAN", meaning: "False for fewer than two windows." }],
    nulls: "NULL for a NULL list; windows that are NULL or have a NULL field are passed over.",
    errors: &["a window below 1 x 1"],
    examples: &[Example {
        title: "Under edge snap the last window moves inward, onto its neighbour",
        sql: "SELECT geo_windows_overlap(list(win)) AS snap FROM geo_patch_grid({xmin: 0, ymin: 0, xmax: 30, ymax: 30}, resolution := 1, size := 16);",
        rows: &["true"],
    }],
    references: &[],
};

impl ScalarFunction for GeoWindowsOverlap {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let lists = input.column(0);
        rows(input, out, |row| {
            if input.any_null(row) {
                return Ok(None);
            }
            let blame = |e: Error| e.at("geo_windows_overlap(windows)");
            if lists.holds() != Holds::List {
                let must = "a list of windows, such as list(win) of a grid";
                return Err(blame(Error::invalid(Value::of(lists, row), must)));
            }
            let list = lists.list(row);
            let mut windows = Vec::with_capacity(list.rows().len());
            for index in list.rows() {
                let window = windows::read(list.items(), index);
                windows.extend(window.map_err(blame)?);
            }
            Ok(Some(any_overlap(&windows)))
        })
    }
}
