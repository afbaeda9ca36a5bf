//! Vector labels drawn on the slices of rows, as `geo_rasterize` draws them.

use std::marker::PhantomData;

use crate::bridge::args::Args;
use crate::dtype::{Dtype, Pixel, with_dtype};
use crate::error::{Error, Result};
use crate::grid::records::{Record, Records};
use crate::label::Task;
use crate::read::gaps::Gaps;
use crate::slice::Slice;
use crate::sql::raster::read_slice_table::SliceColumn;
use crate::sql::vector::geo_rasterize::Drawing;
use crate::sql_type::SqlType;
use crate::tensor::reads::rows_apart;
use crate::tensor::row_tensor::{Read, RowTensor};
use crate::value::Value;

/// Classes of each pixel, or its instance.
struct LabelTensor<T> {
    drawing: Drawing,
    features: usize,
    slice: SliceColumn,
    item: PhantomData<fn() -> T>,
}

/// # Errors
/// Rows without features and slices, options that are wrong, or a task whose labels are no pixels.
pub fn drawn(args: &Args, records: &Records, dtype: Dtype) -> Result<Box<dyn Read>> {
    let slice = SliceColumn::of(records)?;
    let missing = || records.bad("rows have a column features: vector files, or geometries:");
    let features = records.find("features").ok_or_else(missing)?;
    let own = records.columns.get(features).and_then(|(_, ty)| crs_of(ty));
    let drawing = Drawing::of(args, own)?;
    if drawing.options.task == Task::Detection {
        let problem = "boxes are no pixels";
        let remedy = "Ask for semantic_segmentation or instance_segmentation, and read boxes in SQL";
        return Err(args.blame("task")(Error::conflict(problem, remedy)));
    }
    Ok(with_dtype!(dtype, T => Box::new(LabelTensor::<T> { drawing, features, slice, item: PhantomData })))
}

/// The CRS that a type of geometries carries, itself or within.
fn crs_of(ty: &SqlType) -> Option<String> {
    match ty {
        SqlType::Geometry(crs) => crs.clone(),
        SqlType::List(item) => crs_of(item),
        SqlType::Struct(fields) => fields.iter().find_map(|(_, ty)| crs_of(ty)),
        _ => None,
    }
}

impl<T: Pixel> RowTensor for LabelTensor<T> {
    type Job = (Slice, Value);
    type Item = T;

    fn job(&self, record: &Record) -> Result<Self::Job> {
        let (slice, _) = self.slice.read(record).map_err(|error| error.at("geo_rasterize(slice)"))?;
        let features = record.value(self.features).into_owned();
        if features == Value::Null {
            return Err(Error::invalid("NULL", "vector files, or geometries").at("geo_rasterize(features)"));
        }
        Ok((slice, features))
    }

    fn shape((slice, _): &Self::Job) -> Vec<usize> {
        vec![slice.height as usize, slice.width as usize]
    }

    fn read(&self, rows: Vec<(&Self::Job, &mut [T])>, threads: usize) -> Vec<Result<Gaps>> {
        rows_apart(rows, threads, |(slice, features), out: &mut [T]| {
            let labels = self.drawing.draw(features, slice)?;
            let pixels = labels.pixels.ok_or_else(|| Error::Bug("labels without pixels".into()))?;
            for (to, label) in out.iter_mut().zip(pixels) {
                *to = T::of(label);
                if to.f64() != f64::from(label) {
                    let problem = format!("class {label} is not a value of {} pixels", T::DTYPE);
                    return Err(Error::conflict(problem, "Give dtype=\"int64\"").at("geo_rasterize(dtype)"));
                }
            }
            Ok(Gaps::new())
        })
    }
}
