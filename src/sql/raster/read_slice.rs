//! `read_slice(paths, slice)`: one or many rasters on the grid of a slice.

use std::sync::Arc;

use crate::bridge::chunk::Input;
use crate::bridge::doc::{Column, Example, FunctionDoc, Given, Kind, Parameter, join};
use crate::bridge::record::text;
use crate::bridge::rows::{Cell, lists_in_parallel};
use crate::bridge::scalar::{Call, ScalarFunction};
use crate::bridge::vector::Vector;
use crate::error::{Error, Load, Result};
use crate::limits::Limits;
use crate::read::mosaic::{SliceOptions, band_count, read_slice};
use crate::read::scene::Scene;
use crate::slice::Slice;
use crate::sql::shared::options::by_row::{ByRow, OPTIONS_BY_ROW};
use crate::sql::shared::options::{SLICE_OPTIONS, slice_options};
use crate::sql::shared::paths::{SCENES, scenes};
use crate::sql::shared::slice_value;
use crate::sql::shared::slice_value::SLICE;
use crate::value::Value;

/// The scalar `read_slice`.
pub struct ReadSlice;

static DOC: FunctionDoc = FunctionDoc {
    name: "read_slice",
    kind: Kind::Scalar,
    summary: "Reads one or many rasters onto the grid of a slice, warped and merged.",
    parameters: &join::<{ SLICE_OPTIONS.len() + 3 }>(&[
        &[
            Parameter {
                name: "paths",
                types: "ANY",
                given: Given::Required,
                meaning: text![SCENES, " Scenes are merged in this order, the matches of a glob by name."],
            },
            Parameter {
                name: "slice",
                types: SLICE,
                given: Given::AsItIs,
                meaning: "The grid to fill, as `geo_slice` makes it. Its times choose nothing here: choose files by their times before.",
            },
            OPTIONS_BY_ROW,
        ],
        &SLICE_OPTIONS,
    ]),
    columns: &[Column {
        name: "read",
        types: "STRUCT(data FLOAT[], shape INTEGER[], transform DOUBLE[], crs VARCHAR)",
        meaning: "`data` in the order [band, row, col], NULL where no file has a pixel; `shape` is bands, rows, columns; `transform` GDAL's six numbers of the slice; `crs` the slice's. Pixels are read at full resolution: overviews are not used.",
    }],
    nulls: "NULL for NULL paths or a NULL slice (its times may be NULL); a NULL among the paths is an error. Nodata, masks and alpha bands of each file are respected; NaN stays NaN.",
    errors: &[
        "a file is absent, no raster, damaged, or has no CRS or no geotransform",
        "no transformation between the two CRSs",
        "no file touches the slice, which is not boundless",
        "a band that a file does not have (those it has are listed), or files with different numbers of bands",
        "a whole number, of a file of whole numbers, that FLOAT cannot hold exactly, from 16777217 on, where pixels are copied or picked; a number beyond the largest FLOAT",
        "a slice, or a chunk of them, above geoquilt_max_chunk_mb",
        "an unknown key; a shape that is empty, or cannot be brought onto the slice",
    ],
    examples: &[
        Example {
            title: "The pixels around a point, on a grid of 5 degrees: bilinear, and nearest",
            sql: "WITH slices AS (SELECT geo_slice({xmin: 0, ymin: 0, xmax: 10, ymax: 10}, 5, 'EPSG:4326') AS s)\n\
                  SELECT read_slice('test/data/small/sst_20180101.tif', s, {resampling: 'bilinear'}).data AS bilinear,\n\
                  \x20      read_slice('test/data/small/sst_20180101.tif', s).data AS nearest FROM slices;",
            rows: &["[18.546875, 18.578125, 19.671875, 19.703125]\t[19.125, 19.125, 19.125, 19.125]"],
        },
        Example {
            title: "The mean of two dates on a metric grid",
            sql: "SELECT r.data[1], r.shape, r.crs FROM (SELECT read_slice(['test/data/small/sst_20180101.tif', 'test/data/small/sst_20190101.tif'],\n\
                  \x20   geo_slice({xmin: 400000, ymin: 4000000, xmax: 600000, ymax: 4200000}, 100000, 'EPSG:32629'), {merge: 'mean'}) AS r);",
            rows: &["13.3125\t[1, 2, 2]\tEPSG:32629"],
        },
    ],
    references: &[
        "rasterio.warp.reproject and rasterio.vrt.WarpedVRT: resampling, nodata, tolerance",
        "rasterio.merge.merge: merging",
    ],
};

/// What a call knows before any row: its constant arguments, and the user's bounds.
pub struct Bound {
    options: ByRow<SliceOptions>,
    limits: Limits,
}

/// What a row asks for.
struct Job {
    scenes: Vec<Scene>,
    slice: Slice,
    /// The slice's CRS, as the user names it.
    crs: String,
    bands: usize,
    options: Arc<SliceOptions>,
}

impl Job {
    fn pixels(&self) -> usize {
        self.slice.area().saturating_mul(self.bands)
    }
}

impl ScalarFunction for ReadSlice {
    const DOC: &'static FunctionDoc = &DOC;
    const VOLATILE: bool = true;
    type Bound = Bound;

    fn bind(call: Call) -> Result<Bound> {
        Ok(Bound { options: ByRow::of(&call, &DOC, slice_options)?, limits: call.limits })
    }

    fn call(bound: &Bound, input: &Input<'_>, out: &mut Vector<'_>) -> Result<()> {
        let jobs = (0..input.rows()).map(|row| job(bound, input, row)).collect::<Result<Vec<_>>>()?;
        let total = jobs.iter().flatten().map(Job::pixels).fold(0, usize::saturating_add);
        let what = || Load::Rows { what: format!("{} slices", jobs.len()), streams: "read_slice" };
        bound.limits.allow(total.saturating_mul(4), what)?;

        let [data, shape, transform, crs] = out.fields_mut(["data", "shape", "transform", "crs"])?;
        for (row, job) in jobs.iter().enumerate() {
            let Some(job) = job else { continue };
            shape.set_list(row, &[job.bands as i32, job.slice.height as i32, job.slice.width as i32]);
            transform.set_list(row, &job.slice.affine().0);
            job.crs.write(crs, row)?;
        }
        lists_in_parallel(data, &jobs, bound.limits.threads, Job::pixels, |job, pixels: &mut [f32]| {
            read_slice(&job.scenes, &job.slice, &job.options, pixels)
        })?;
        let none = jobs.iter().enumerate().filter(|(_, job)| job.is_none());
        none.for_each(|(row, _)| out.set_null(row));
        Ok(())
    }
}

fn job(bound: &Bound, input: &Input<'_>, row: usize) -> Result<Option<Job>> {
    let blame = |parameter: &'static str| move |error: Error| error.at(format!("read_slice({parameter})"));
    let (names, slices) = (input.column(0), input.column(1));
    if names.is_null(row) {
        return Ok(None);
    }
    let Some((slice, crs)) = slice_value::read(slices, row).map_err(blame("slice"))? else {
        return Ok(None);
    };
    let scenes = scenes(&Value::of(names, row)).map_err(blame("paths"))?;
    let options = bound.options.row(input, row)?;
    let bands = band_count(&scenes, &options).map_err(blame("paths"))?;
    let job = Job { scenes, slice, crs, bands, options };
    let bytes = job.pixels().saturating_mul(4);
    let what = || Load::Slices(format!("{} of {bands} bands", job.slice));
    bound.limits.allow(bytes, what).map_err(blame("slice"))?;
    Ok(Some(job))
}
