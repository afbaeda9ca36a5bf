//! Batches of rows in any order: workers make them ahead of the program, in order and within a bound of bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::grid::records::{Record, Records};
use crate::on_error::OnError;
use crate::progress::Progress;
use crate::sql::shared::remedies::told;
use crate::tensor::buffer::{Buffer, Pool};
use crate::tensor::row_tensor::{Laid, Layout, Tensor, at_row, differs};
use crate::tensor::spec::Spec;
use crate::workers::{Carry, Ordered, carrying};

/// Rows, and what is read of each.
pub struct Reader {
    spec: Spec,
    batches: Arc<[Arc<RecordBatch>]>,
    /// The first row of each batch of them, and how many there are.
    starts: Vec<usize>,
    /// What a row takes, as far as was seen.
    row_bytes: AtomicUsize,
    /// The shapes of the first row that could be read.
    usual: Option<Vec<Vec<usize>>>,
    pool: Arc<Pool>,
}

/// A batch as the program gets it.
pub struct Batch {
    /// Which rows, by their index among all.
    pub rows: Vec<i64>,
    /// In the order of the reads.
    pub tensors: Vec<Tensor>,
    /// Why a row could not be read, where such are reported.
    pub errors: Option<Vec<Option<String>>>,
}

/// A row's own bytes beside its pixels, more or less.
const ROW_BYTES: usize = 64;
/// Rows that are looked at for one whose size tells that of all.
const LOOKED_AT: usize = 16;

impl Reader {
    /// # Errors
    /// A specification that is none, rows that lack what it names, or a first row that cannot be read where such stop the
    /// stream.
    pub fn open(schema: &SchemaRef, batches: Vec<RecordBatch>, spec: &str) -> Result<Reader> {
        let batches: Arc<[Arc<RecordBatch>]> = batches.into_iter().map(Arc::new).collect();
        let records = Records::batches("the rows", schema, batches.clone());
        let spec = Spec::parse(spec, &records)?;
        let mut starts = vec![0];
        for batch in batches.iter() {
            starts.push(starts.last().copied().unwrap_or(0) + batch.num_rows());
        }
        let pool = Pool::new(spec.prefetch.saturating_mul(2));
        let mut reader = Reader { spec, batches, starts, row_bytes: AtomicUsize::new(0), usual: None, pool };
        for row in 0..reader.rows().min(LOOKED_AT) {
            let record = [reader.record(row as i64)?];
            let (mut bytes, mut failed, mut shapes) = (0, None, Vec::new());
            for named in &reader.spec.reads {
                let planned = named.read.plan(&record, 1)?;
                let shape = planned.shape(0).unwrap_or_default();
                bytes += bytes_of(&shape, named.read.dtype());
                shapes.push(shape);
                failed = failed.or(planned.error(0).cloned());
            }
            match failed {
                None => {
                    reader.row_bytes.store(bytes, Relaxed);
                    reader.usual = Some(shapes);
                    break;
                }
                Some(error) if reader.spec.on_error == OnError::Fail => return Err(at_row(row, error)),
                Some(_) => {}
            }
        }
        Ok(reader)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The reads' columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.spec.reads.iter().map(|read| read.name.as_str())
    }

    /// Whether rows of other shapes are laid into the largest.
    pub fn pads(&self) -> bool {
        self.spec.pad
    }

    fn record(&self, row: i64) -> Result<Record> {
        let index = usize::try_from(row).ok().filter(|row| *row < self.rows());
        let bad = || Error::invalid(row, format!("a row from 0 to {}", self.rows().saturating_sub(1)));
        let index = index.ok_or_else(|| bad().at("batches(order)"))?;
        let batch = self.starts.partition_point(|start| *start <= index) - 1;
        let found = self.batches.get(batch).zip(self.starts.get(batch));
        let (batch, start) = found.ok_or_else(|| Error::Bug(format!("no batch holds row {row}")))?;
        Ok(Record::of_batch(batch, index - start))
    }

    /// Reads some rows.
    fn batch(&self, rows: &[i64]) -> Result<Batch> {
        let records = rows.iter().map(|row| self.record(*row)).collect::<Result<Vec<Record>>>()?;
        let threads = self.spec.limits.threads;
        let reads = &self.spec.reads;
        let planned =
            reads.iter().map(|named| named.read.plan(&records, threads)).collect::<Result<Vec<_>>>()?;
        let mut errors: Vec<Option<Error>> = vec![None; rows.len()];
        for (index, error) in errors.iter_mut().enumerate() {
            *error = planned.iter().find_map(|planned| planned.error(index).cloned());
        }
        self.stop_at(rows, &errors)?;
        let is_kept = |index: &usize| {
            self.spec.on_error != OnError::Skip || errors.get(*index).is_some_and(Option::is_none)
        };
        let kept: Vec<usize> = (0..rows.len()).filter(is_kept).collect();
        let rows: Vec<i64> = kept.iter().filter_map(|index| rows.get(*index).copied()).collect();
        let mut errors: Vec<Option<Error>> =
            kept.iter().map(|index| errors.get(*index).cloned().flatten()).collect();
        if rows.is_empty() {
            return Ok(Batch { rows, tensors: Vec::new(), errors: None });
        }
        let mut tensors = Vec::with_capacity(reads.len());
        for (index, (named, planned)) in reads.iter().zip(&planned).enumerate() {
            let layout = Layout { fill: named.fill, mask: named.mask, pad: self.spec.pad, threads };
            let usual = self.usual.as_ref().and_then(|usual| usual.get(index)).map(Vec::as_slice);
            let laid = planned.lay(&kept, usual, &layout, &self.pool);
            let Laid { tensor, failed } = laid.map_err(|error| renamed(error, &rows, &kept))?;
            for (index, error) in failed {
                if error == Error::Interrupted {
                    return Err(error);
                }
                if let Some(own) = errors.get_mut(index) {
                    *own = own.take().or(Some(error));
                }
            }
            tensors.push(tensor);
        }
        let bytes: usize = tensors.iter().map(|tensor| bytes_of(&tensor.shape, tensor.dtype)).sum();
        self.row_bytes.fetch_max(bytes / rows.len(), Relaxed);
        self.stop_at(&rows, &errors)?;
        match self.spec.on_error {
            OnError::Fail => Ok(Batch { rows, tensors, errors: None }),
            OnError::Report => {
                let errors = errors.iter().map(|error| error.as_ref().map(told)).collect();
                Ok(Batch { rows, tensors, errors: Some(errors) })
            }
            OnError::Skip => without(rows, tensors, &errors),
        }
    }

    /// The first row that failed is the error of the batch, where such stop the stream.
    fn stop_at(&self, rows: &[i64], errors: &[Option<Error>]) -> Result<()> {
        let failed = rows.iter().zip(errors).find_map(|(row, error)| Some((row, error.clone()?)));
        match failed {
            Some((_, Error::Interrupted)) => Err(Error::Interrupted),
            Some((row, error)) if self.spec.on_error == OnError::Fail => {
                Err(at_row(usize::try_from(*row).unwrap_or(0), error))
            }
            _ => Ok(()),
        }
    }
}

fn bytes_of(shape: &[usize], dtype: Dtype) -> usize {
    shape.iter().fold(dtype.size(), |bytes, side| bytes.saturating_mul(*side))
}

/// An error over a row of a batch, by the row's index among all.
fn renamed(error: Error, rows: &[i64], kept: &[usize]) -> Error {
    match error {
        Error::At { blamed, error } => {
            let within = blamed.strip_prefix("row ").and_then(|index| index.parse::<usize>().ok());
            let row = within.and_then(|within| {
                let at = kept.iter().position(|index| *index == within)?;
                rows.get(at)
            });
            Error::At { blamed: row.map_or(blamed, |row| format!("row {row}")), error }
        }
        other => other,
    }
}

/// Leaves out rows that failed once their blocks were decoded.
fn without(rows: Vec<i64>, mut tensors: Vec<Tensor>, errors: &[Option<Error>]) -> Result<Batch> {
    let kept: Vec<usize> =
        errors.iter().enumerate().filter(|(_, error)| error.is_none()).map(|(index, _)| index).collect();
    if kept.len() == rows.len() {
        return Ok(Batch { rows, tensors, errors: None });
    }
    let close = |buffer: &mut Buffer| -> Result<()> {
        let length = buffer.bytes().len() / rows.len().max(1);
        let bytes = buffer.values_mut::<u8>()?;
        for (to, from) in kept.iter().enumerate() {
            bytes.copy_within(from * length..(from + 1) * length, to * length);
        }
        buffer.shorten(kept.len() * length);
        Ok(())
    };
    for tensor in &mut tensors {
        close(&mut tensor.values)?;
        if let Some(mask) = &mut tensor.mask {
            close(mask)?;
        }
        if let Some(count) = tensor.shape.first_mut() {
            *count = kept.len();
        }
    }
    let rows: Vec<i64> = kept.iter().filter_map(|index| rows.get(*index).copied()).collect();
    if rows.is_empty() {
        tensors.clear();
    }
    Ok(Batch { rows, tensors, errors: None })
}

/// A program's word to its workers: it may end them, and says how much memory there is.
pub struct Program {
    stopped: AtomicBool,
    memory: usize,
}

impl Carry for Program {
    fn is_interrupted(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    fn memory(&self) -> usize {
        self.memory
    }
}

/// Batches under way.
pub struct Batches {
    pool: Option<Ordered<Batch>>,
    reader: Arc<Reader>,
    program: Arc<Program>,
    /// The shapes of the first batch that has any, without the count of rows: those of all.
    shapes: Option<Vec<Vec<usize>>>,
    /// A batch that was made and is not yet taken.
    next: Option<Batch>,
    /// An error ends the stream.
    over: bool,
    progress: Progress,
}

impl Batches {
    /// Starts the workers: batches of `size` of the rows that `order` names, without a shorter last one where that is asked.
    ///
    /// # Errors
    /// A size of 0, or the operating system gives no thread.
    pub fn start(reader: &Arc<Reader>, order: Vec<i64>, size: usize, drop_last: bool) -> Result<Batches> {
        if size == 0 {
            return Err(Error::invalid(0, "a number of rows from 1 on").at("batches(size)"));
        }
        let program = Arc::new(Program { stopped: AtomicBool::new(false), memory: reader.spec.memory });
        let total = order.len() as u64;
        let own = reader.clone();
        let mut from = 0;
        let jobs = std::iter::from_fn(move || {
            let rows = order.get(from..(from + size).min(order.len()))?;
            if rows.is_empty() || drop_last && rows.len() < size {
                return None;
            }
            from += rows.len();
            let cost = rows.len().saturating_mul(own.row_bytes.load(Relaxed).saturating_add(ROW_BYTES));
            Some(Ok((cost, rows.to_vec())))
        });
        let own = reader.clone();
        let (threads, budget) = (reader.spec.limits.threads, reader.spec.prefetch);
        let start = || Ordered::start(jobs, threads, budget, move |rows: Vec<i64>| own.batch(&rows));
        let pool = carrying(Some(program.clone() as _), start)?;
        let progress = Progress::start("batches", Some(total));
        let reader = reader.clone();
        Ok(Batches { pool: Some(pool), reader, program, shapes: None, next: None, over: false, progress })
    }

    /// What is read.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Waits for the next batch, so long at most; true where it, or the end, can be had at once.
    pub fn wait(&self, at_most: Duration) -> bool {
        self.over || self.next.is_some() || self.pool.as_ref().is_none_or(|pool| pool.wait(at_most))
    }

    /// The next batch, which stays the next.
    ///
    /// # Errors
    /// As [`Batches::take`].
    pub fn peek(&mut self) -> Result<Option<&Batch>> {
        if self.next.is_none() {
            self.next = self.fetch()?;
        }
        Ok(self.next.as_ref())
    }

    /// The next batch; `None` at the end.
    ///
    /// # Errors
    /// A row that cannot be read, where such stop the stream, or whose shape is not that of the rows before.
    pub fn take(&mut self) -> Result<Option<Batch>> {
        match self.next.take() {
            Some(batch) => Ok(Some(batch)),
            None => self.fetch(),
        }
    }

    fn fetch(&mut self) -> Result<Option<Batch>> {
        loop {
            let Some(pool) = self.pool.as_ref().filter(|_| !self.over) else { return Ok(None) };
            let taken = carrying(Some(self.program.clone() as _), || pool.next()).transpose();
            let batch = match taken.and_then(|batch| self.checked(batch)) {
                Ok(Some(batch)) => batch,
                end => {
                    self.over = true;
                    self.pool = None;
                    return end;
                }
            };
            let errors = batch.errors.as_ref();
            (0..batch.rows.len()).for_each(|index| {
                let failed = errors.and_then(|errors| errors.get(index)).is_some_and(Option::is_some);
                self.progress.count(failed);
            });
            // A batch all of whose rows were left out is none.
            if !batch.rows.is_empty() {
                return Ok(Some(batch));
            }
        }
    }

    fn checked(&mut self, batch: Option<Batch>) -> Result<Option<Batch>> {
        let Some(batch) = batch else { return Ok(None) };
        if batch.rows.is_empty() || self.reader.pads() {
            return Ok(Some(batch));
        }
        let shapes: Vec<Vec<usize>> =
            batch.tensors.iter().map(|tensor| tensor.shape.get(1..).unwrap_or_default().to_vec()).collect();
        match &self.shapes {
            None => self.shapes = Some(shapes),
            Some(first) => {
                let other = first.iter().zip(&shapes).find(|(first, own)| first != own);
                if let Some((first, own)) = other {
                    let row = batch.rows.first().and_then(|row| usize::try_from(*row).ok());
                    return Err(differs(row.unwrap_or(0), own, first));
                }
            }
        }
        Ok(Some(batch))
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.program.stopped.store(true, Relaxed);
    }
}
