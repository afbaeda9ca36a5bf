//! `geo_distinct_windows`: windows that hold each pixel once.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter};
use crate::bridge::record::Typed;
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Result};
use crate::grid::overlap::distinct;
use crate::sql::shared::windows::{self, WindowRow};

/// The scalar `geo_distinct_windows`.
pub struct GeoDistinctWindows;

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_distinct_windows",
    kind: Kind::Scalar,
    summary: "Windows that hold each pixel of a list of windows once.",
    parameters: &[Parameter {
        name: "windows",
        types: <Vec<WindowRow>>::TYPE,
        given: Given::Required,
        meaning: "Windows of one grid, in pixels, which may overlap.",
    }],
    columns: &[Column {
        name: "windows",
        types: <Vec<WindowRow>>::TYPE,
        meaning: "No two share a pixel, and together they hold the pixels of the list; row by row and from the left, none higher or wider than the highest and the widest of the list.",
    }],
    nulls: "NULL for a NULL list; windows that are NULL or have a NULL field are passed over.",
    errors: &["a window below 1 x 1"],
    examples: &[Example {
        title: "Pixels that windows hold, and that two hold",
        sql: "SELECT list_sum([w.height * w.width FOR w IN geo_distinct_windows(list(win))]) AS pixels, sum(win.height * win.width) AS counted\n\
              FROM geo_patch_grid({xmin: 0, ymin: 0, xmax: 30, ymax: 30}, resolution := 1, size := 16);",
        rows: &["900\t1024"],
    }],
    references: &[],
};

impl ScalarFunction for GeoDistinctWindows {
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
            let list = lists.list(row);
            let mut windows = Vec::with_capacity(list.rows().len());
            for index in list.rows() {
                let window = windows::read(list.items(), index);
                windows.extend(window.map_err(|e: Error| e.at("geo_distinct_windows(windows)"))?);
            }
            Ok(Some(distinct(&windows).iter().map(WindowRow::from).collect::<Vec<_>>()))
        })
    }
}
