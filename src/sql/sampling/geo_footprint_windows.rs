//! `geo_footprint_windows`: windows across the footprint of a catalog's row.

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Kind};
use crate::bridge::record::{Typed, record};
use crate::bridge::rows::rows;
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::crs::Crs;
use crate::error::{Error, Result};
use crate::grid::edge::Edge;
use crate::slice::Slice;
use crate::sql::sampling::footprints::{EntryRow, FOOTPRINT, Words, crs_of};
use crate::sql::sampling::patch_slices;
use crate::sql::shared::shapes::Shapes;
use crate::sql::shared::slice_value::SliceRow;
use crate::sql::shared::windows::WindowRow;
use crate::value::Value;
use crate::workers::go_on;

/// The scalar `geo_footprint_windows`.
pub struct GeoFootprintWindows;

/// A window of a footprint.
pub struct WindowSlice {
    number: i64,
    slice: SliceRow,
    win: Option<WindowRow>,
    is_partial: bool,
}
record! { WindowSlice { number: i64, slice: SliceRow, win: Option<WindowRow>, is_partial: bool } }

static DOC: FunctionDoc = FunctionDoc {
    name: "geo_footprint_windows",
    kind: Kind::Scalar,
    summary: "The slices that geoquilt.patch_slices cuts of one row.",
    parameters: &FOOTPRINT,
    columns: &[Column {
        name: "windows",
        types: <Vec<WindowSlice>>::TYPE,
        meaning: "Row-major; `win` on the file's own grid, NULL on another.",
    }],
    nulls: "NULL for a NULL or empty geometry, or one that covers no pixel.",
    errors: &["as geoquilt.patch_slices"],
    examples: &[Example {
        title: "Half of a global file in patches of six by nine",
        sql: "SELECT count(*) AS n, min(w.win.col_off) AS first, max(w.win.col_off) AS last FROM (\n\
              \x20   SELECT unnest(geo_footprint_windows(geo_box({xmin: 0, ymin: -90, xmax: 180, ymax: 90}), NULL,\n\
              \x20       {path: path, kind: kind, width: width, height: height, transform: transform, crs: crs, t_min: t_min, t_max: t_max},\n\
              \x20       {size: [6, 9]})) AS w FROM geo_catalog_build('test/data/small/land.tif'));",
        rows: &["6\t18\t27"],
    }],
    references: &[],
};

impl ScalarFunction for GeoFootprintWindows {
    const DOC: &'static FunctionDoc = &DOC;
    type Bound = ();

    fn bind(_call: Call) -> Result<()> {
        Ok(())
    }

    fn call(_bound: &(), input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let mut shapes = Shapes::new(input.column(0));
        rows(input, out, |row| {
            let words = Words::of(&patch_slices::DOC, &Value::of(input.column(3), row))?;
            let (stride, edge) = (words.stride()?, words.edge()?);
            let Some(shape) = shapes.get(row)? else { return Ok(None) };
            let crs = crs_of(input.column(1), row)?;
            let entry = EntryRow::of(input.column(2), row)?;
            let Some(ground) = words.ground(shape, crs.as_str(), &entry)? else { return Ok(None) };
            let (height, width) = ground.shape();
            if edge == Edge::Snap && (height < words.size.0 || width < words.size.1) {
                let problem = format!(
                    "the footprint of {} has {height} x {width} pixels, and a patch {} x {}",
                    entry.name(),
                    words.size.0,
                    words.size.1
                );
                let remedy =
                    "Leave such rows out, or give edge := 'overflow', under which the patch hangs over";
                return Err(words.blame("size")(Error::conflict(problem, remedy)));
            }
            let windows = ground.windows(words.size, stride, edge).map_err(words.blame("stride"))?;
            let name = &ground.lattice.crs;
            let slice = |(number, (window, is_partial)): (usize, &(crate::window::Window, bool))| {
                go_on()?;
                let bbox = ground.lattice.transform.bbox(window);
                let (height, width) = (window.height.into(), window.width.into());
                let slice = Slice::new(bbox, Crs::new(name), entry.times(), height, width)
                    .map_err(words.blame("catalog"))?;
                Ok(WindowSlice {
                    number: number as i64,
                    slice: SliceRow::new(&slice, name),
                    win: ground.is_raster().then(|| WindowRow::from(window)),
                    is_partial: *is_partial,
                })
            };
            windows.iter().enumerate().map(slice).collect::<Result<Vec<_>>>().map(Some)
        })
    }
}
