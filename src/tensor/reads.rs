//! The reads of rows, by the functions of SQL whose pixels they give: windows, slices, series, arrays.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use crate::dtype::{Dtype, Pixel, with_dtype};
use crate::error::{Error, Result};
use crate::grid::records::{Record, Records};
use crate::grid::registry::{Paths, Registry};
use crate::limits::Limits;
use crate::on_error::OnError;
use crate::read::gaps::Gaps;
use crate::read::patch::{PatchOptions, common_dtype};
use crate::read::plan::{FileWindow, read_patches};
use crate::read::source::Source;
use crate::read::steps::bands_at;
use crate::read::stream::{PatchLoader, StreamOptions};
use crate::sql::array::array_job::ArrayJob;
use crate::sql::array::array_rows::ArrayReader;
use crate::sql::raster::read_series_table::{SeriesJob, SeriesReader};
use crate::sql::raster::read_slice_table::{SliceJob, SliceReader};
use crate::tensor::row_tensor::{Read, RowTensor};
use crate::workers::each;

/// Windows of rasters, as `read_patch` reads them.
struct PatchTensor<T> {
    registry: Registry,
    loader: PatchLoader,
    options: PatchOptions,
    paths: Mutex<Paths>,
    item: PhantomData<fn() -> T>,
}

/// # Errors
/// Rows without paths and windows; a type that does not hold the first file's pixels.
pub fn patches(
    records: Records,
    patch: PatchOptions,
    dtype: Option<Dtype>,
    limits: Limits,
) -> Result<Box<dyn Read>> {
    let registry = Registry::of(records)?;
    let mut targets = registry.read()?.filter_map(|row| row.ok()?.target.ok());
    let own = targets.find_map(|target| {
        let source = Source::open(&target.path).ok()?;
        let bands = bands_at(&source, &patch, target.step).ok()?;
        Some((common_dtype(&source, &bands).ok()?, bands.len()))
    });
    let (own, bands) = own.unwrap_or((Dtype::Float32, 1));
    let natural = if patch.scaled { own.worked_out() } else { own };
    let dtype = dtype.unwrap_or(natural);
    if dtype != natural && !dtype.is_float() {
        let problem = format!("the pixels are {natural}, which {dtype} cannot hold");
        return Err(
            Error::conflict(problem, format!("One of: {}", natural.offered())).at("read_patch(dtype)")
        );
    }
    let options = StreamOptions {
        patch: patch.clone(),
        dtype,
        bands,
        on_error: OnError::Fail,
        with_pixels: true,
        limits,
    };
    let loader = PatchLoader::new(Arc::new(options));
    let paths = Mutex::new(Paths::default());
    Ok(with_dtype!(dtype, T => {
        Box::new(PatchTensor::<T> { registry, loader, options: patch, paths, item: PhantomData })
    }))
}

impl<T: Pixel> RowTensor for PatchTensor<T> {
    type Job = FileWindow;
    type Item = T;

    fn job(&self, record: &Record) -> Result<FileWindow> {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let target = self.registry.target(record, &mut paths);
        drop(paths);
        self.loader.window(&target?)
    }

    fn shape(job: &FileWindow) -> Vec<usize> {
        vec![job.bands.len(), job.window.height as usize, job.window.width as usize]
    }

    fn read(&self, rows: Vec<(&FileWindow, &mut [T])>, threads: usize) -> Vec<Result<Gaps>> {
        let (windows, mut outs): (Vec<&FileWindow>, Vec<&mut [T]>) = rows.into_iter().unzip();
        let parts = outs.iter_mut().map(|out| &mut **out).collect();
        let read = match read_patches(&windows, parts, &self.options, threads) {
            Ok(gaps) => gaps.into_iter().map(Ok).collect(),
            Err(Error::Interrupted) => windows.iter().map(|_| Err(Error::Interrupted)).collect::<Vec<_>>(),
            // Whichever window the error is of, each tells its own.
            Err(_) => {
                let alone =
                    |(window, out): (&&FileWindow, &mut &mut [T])| window.request(&self.options).read(out);
                windows.iter().zip(&mut outs).map(alone).collect()
            }
        };
        let checked = |((window, out), gaps): ((&&FileWindow, &&mut [T]), Result<Gaps>)| {
            let gaps = gaps?;
            // No other type is narrowed.
            if let Ok(floats) = bytemuck::try_cast_slice::<T, f32>(out)
                && T::DTYPE == Dtype::Float32
            {
                window.request(&self.options).check_floats(floats, &gaps)?;
            }
            Ok(gaps)
        };
        windows.iter().zip(&outs).zip(read).map(checked).collect()
    }
}

/// Reads each row by itself, several at a time.
pub(super) fn rows_apart<J: Sync, T: Pixel>(
    rows: Vec<(&J, &mut [T])>,
    threads: usize,
    read: impl Fn(&J, &mut [T]) -> Result<Gaps> + Sync,
) -> Vec<Result<Gaps>> {
    let mut rows: Vec<_> = rows.into_iter().map(|(job, out)| (job, out, None)).collect();
    let done = each(&mut rows, threads, |(job, out, gaps)| {
        *gaps = Some(read(job, out));
        Ok(())
    });
    let left = done.err().unwrap_or(Error::Interrupted);
    rows.into_iter().map(|(_, _, gaps)| gaps.unwrap_or_else(|| Err(left.clone()))).collect()
}

/// Slices, as `read_slice` reads them.
pub struct SliceTensor(pub SliceReader);

impl RowTensor for SliceTensor {
    type Job = (SliceJob, Option<f64>);
    type Item = f32;

    fn job(&self, record: &Record) -> Result<Self::Job> {
        let mut job = self.0.job(record)?;
        let fill = job.options.patch.fill;
        if fill.is_some() {
            Arc::make_mut(&mut job.options).patch.fill = None;
        }
        Ok((job, fill))
    }

    fn shape((job, _): &Self::Job) -> Vec<usize> {
        job.shape().to_vec()
    }

    fn fill((_, fill): &Self::Job) -> Option<f64> {
        *fill
    }

    fn read(&self, rows: Vec<(&Self::Job, &mut [f32])>, threads: usize) -> Vec<Result<Gaps>> {
        rows_apart(rows, threads, |(job, _), out| job.read(out))
    }
}

/// Series of slices, as `read_series` reads them.
pub struct SeriesTensor(pub SeriesReader);

impl RowTensor for SeriesTensor {
    type Job = (SeriesJob, Option<f64>);
    type Item = f32;

    fn job(&self, record: &Record) -> Result<Self::Job> {
        let mut job = self.0.job(record)?;
        let fill = job.options.slice.patch.fill;
        if fill.is_some() {
            Arc::make_mut(&mut job.options).slice.patch.fill = None;
        }
        Ok((job, fill))
    }

    fn shape((job, _): &Self::Job) -> Vec<usize> {
        job.shape().to_vec()
    }

    fn fill((_, fill): &Self::Job) -> Option<f64> {
        *fill
    }

    fn read(&self, rows: Vec<(&Self::Job, &mut [f32])>, threads: usize) -> Vec<Result<Gaps>> {
        rows_apart(rows, threads, |(job, _), out| job.read(out))
    }
}

/// Windows of arrays, as `read_array` reads them.
struct ArrayTensor<T> {
    reader: ArrayReader,
    item: PhantomData<fn() -> T>,
}

/// A tensor of arrays in the type that their reader gives.
pub fn arrays(reader: ArrayReader) -> Box<dyn Read> {
    with_dtype!(reader.dtype(), T => Box::new(ArrayTensor::<T> { reader, item: PhantomData }))
}

impl<T: Pixel> RowTensor for ArrayTensor<T> {
    type Job = (ArrayJob, Option<f64>);
    type Item = T;

    fn job(&self, record: &Record) -> Result<Self::Job> {
        let mut job = self.reader.checked_job(record)?;
        let fill = job.take_fill();
        Ok((job, fill))
    }

    fn shape((job, _): &Self::Job) -> Vec<usize> {
        job.shape()
    }

    fn fill((_, fill): &Self::Job) -> Option<f64> {
        *fill
    }

    fn read(&self, rows: Vec<(&Self::Job, &mut [T])>, threads: usize) -> Vec<Result<Gaps>> {
        rows_apart(rows, threads, |(job, _), out| job.read(out, 1))
    }
}
