//! `geo_windows_overlap`: the check behind splits that do not leak.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::grid::overlap::any_overlap;
use crate::sql_type::SqlType;
use crate::window::Window;

pub struct GeoWindowsOverlap;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_windows_overlap",
    kind: Kind::Scalar,
    summary: "True when any two windows of a list share a pixel.",
    parameters: &[Parameter {
        name: "windows",
        types: "STRUCT(row_off BIGINT, col_off BIGINT, height INTEGER, width INTEGER)[]",
        given: Given::Required,
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

    fn call(_bound: &(), input: &Input<'_>, out: Vector<'_>) -> Result<()> {
        let lists = input.column(0);
        for row in 0..input.rows() {
            if input.any_null(row) {
                out.set_null(row, &SqlType::Boolean);
                continue;
            }
            let list = lists.list(row);
            let items = list.items();
            let [row_off, col_off, height, width] = [0, 1, 2, 3].map(|i| items.field(i));
            let mut windows = Vec::with_capacity(list.places().len());
            for place in list.places() {
                if items.is_null(place) || [row_off, col_off, height, width].iter().any(|f| f.is_null(place))
                {
                    continue;
                }
                let side = |field: &Vector<'_>| i64::from(field.get::<i32>(place));
                let window = Window::new(row_off.get(place), col_off.get(place), side(&height), side(&width));
                windows.push(window.map_err(|e: Error| e.at("geo_windows_overlap(windows)"))?);
            }
            out.set(row, any_overlap(&windows));
        }
        Ok(())
    }
}
