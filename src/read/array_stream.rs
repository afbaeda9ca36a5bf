//! Streams of arrays: the values at one index of the first dimension after another. Workers decode ahead of the
//! reader, whole chunks at a time.

use std::sync::{Arc, Mutex, PoisonError};

use crate::dtype::{Dtype, Pixel, Pixels};
use crate::error::{Error, Result};
use crate::format::array::Variable;
use crate::format::hyperslab::index_count;
use crate::limits::Limits;
use crate::read::array_plan::{Part, check_size, section};
use crate::read::array_slice::{GridTarget, Planes, read_onto};
use crate::read::axis::{Axis, Selected};
use crate::read::gaps::Gaps;
use crate::read::values::{Decoding, decode};
use crate::workers::Ordered;

/// What a stream of an array reads, and how.
pub struct ArrayReading {
    /// What is read of each file, in order.
    pub parts: Vec<Part>,
    /// How stored values become numbers.
    pub decoding: Decoding,
    /// The grid that the dimensions on the map are brought onto.
    pub onto: Option<GridTarget>,
    /// The type that values are copied in: the variable's own, or a float.
    pub dtype: Dtype,
    /// Threads, and what one row may take.
    pub limits: Limits,
}

/// Rows of an array, in order.
pub struct ArrayStream {
    feed: Mutex<Feed>,
    reading: Arc<ArrayReading>,
}

struct Feed {
    pool: Ordered<Batch>,
    open: Option<(Arc<Batch>, u64)>,
}

/// Rows that one worker read: `from .. from + count` of what a part selects of its first dimension.
struct Batch {
    part: usize,
    from: u64,
    count: u64,
    /// Nothing when nobody asks for values.
    values: Option<Values>,
}

enum Values {
    Stored(Pixels),
    Warped(Planes),
}

/// One row: an index on the first dimension, and the values there.
pub struct ArrayRow {
    reading: Arc<ArrayReading>,
    batch: Arc<Batch>,
    /// Which row of the batch.
    number: u64,
    /// Where it lies on the first dimension that stays; nothing where none stays.
    at: Option<(usize, Selected)>,
}

/// Values that one job reads at once: whole chunks on the first dimension, as far as they fit.
const JOB_BYTES: u64 = 16 << 20;
/// Values that wait for the reader.
const AHEAD_BYTES: usize = 128 << 20;
/// A value on a slice while it waits: a number, and whether it is one.
const PLANE_BYTES: u64 = 9;
/// Values that are taken at once: past this an interrupt would be seen late.
const TAKEN_BYTES: u64 = 4 << 20;

impl ArrayReading {
    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| first(part).map_or(1, |(_, count)| count)).sum()
    }

    /// Refuses rows whose values would take more than a chunk may.
    ///
    /// # Errors
    /// [`Error::TooLarge`], of the first such part.
    pub fn check(&self) -> Result<()> {
        self.parts.iter().try_for_each(|part| {
            let values = row_values(part).saturating_mul(self.cells());
            check_size(&part.metadata()?.name, values, self.dtype.size(), &self.limits)
        })
    }

    /// Values of one index on a part's other dimensions: pixels of the slice, or one.
    fn cells(&self) -> u64 {
        self.onto.as_ref().map_or(1, |onto| onto.slice.area() as u64)
    }

    /// Batches of rows whose chunks are decoded together, in order.
    fn jobs(self: Arc<ArrayReading>) -> impl Iterator<Item = Result<(usize, Batch)>> + Send {
        (0..self.parts.len()).flat_map(move |number| {
            let (count, row_bytes, chunk) = self.parts.get(number).map_or((0, 1, 1), |part| {
                let (dim, count) = first(part).unwrap_or((0, 1));
                let variable = part.metadata().ok();
                let size = match self.onto {
                    Some(_) => PLANE_BYTES,
                    None => variable.and_then(|v| v.dtype).map_or(8, Dtype::size) as u64,
                };
                let chunk = variable.and_then(|v| v.chunk.as_ref()?.get(dim).copied()).unwrap_or(1);
                (count, row_values(part).saturating_mul(self.cells()).saturating_mul(size), chunk)
            });
            let fit = (JOB_BYTES / row_bytes.max(1)).max(1);
            // Whole chunks where several fit, so that two jobs seldom need the same one; planes take longer to warp.
            let rows = if fit > chunk && self.onto.is_none() { fit - fit % chunk } else { fit.min(chunk) };
            (0..count.div_ceil(rows)).map(move |job| {
                let from = job * rows;
                let count = rows.min(count - from);
                let cost = usize::try_from(count.saturating_mul(row_bytes)).unwrap_or(usize::MAX);
                Ok((cost, Batch { part: number, from, count, values: None }))
            })
        })
    }

    fn part(&self, batch: &Batch) -> Result<&Part> {
        self.parts.get(batch.part).ok_or_else(|| Error::Bug("a batch of no file".into()))
    }

    fn read(&self, batch: &Batch) -> Result<Values> {
        let mut part = self.part(batch)?.clone();
        if let Some((dim, _)) = first(&part) {
            part = part.section(dim, batch.from, batch.count);
        }
        match &self.onto {
            // The jobs themselves are what several threads share.
            Some(onto) => read_onto(&part, onto, &self.decoding, 1).map(Values::Warped),
            None => part.source.read(part.variable, &part.runs(), 1).map(Values::Stored),
        }
    }
}

/// The first dimension that stays, and how many of its indices were selected.
fn first(part: &Part) -> Option<(usize, u64)> {
    let dim = part.kept().next()?;
    Some((dim, index_count(&part.selected.get(dim)?.runs)))
}

/// Values of a row: those on the other dimensions that stay.
fn row_values(part: &Part) -> u64 {
    part.value_count() / first(part).map_or(1, |(_, count)| count.max(1))
}

impl ArrayStream {
    /// Starts reading ahead; without values where nobody asks for them.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(reading: &Arc<ArrayReading>, with_values: bool) -> Result<ArrayStream> {
        let own = reading.clone();
        let work = move |mut batch: Batch| {
            if with_values {
                batch.values = Some(own.read(&batch)?);
            }
            Ok(batch)
        };
        let pool = Ordered::start(reading.clone().jobs(), reading.limits.threads, AHEAD_BYTES, work)?;
        Ok(ArrayStream { feed: Mutex::new(Feed { pool, open: None }), reading: reading.clone() })
    }

    /// The next rows, at most so many; none at the end. What follows, the copying, needs no lock.
    ///
    /// # Errors
    /// Chunks that cannot be decoded.
    pub fn take(&self, most: usize) -> Result<Vec<ArrayRow>> {
        let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < most && bytes < TAKEN_BYTES {
            let (batch, number) = match feed.open.take() {
                Some(open) => open,
                None => match feed.pool.next() {
                    Some(batch) => (Arc::new(batch?), 0),
                    None => break,
                },
            };
            if number + 1 < batch.count {
                feed.open = Some((batch.clone(), number + 1));
            }
            let row = ArrayRow::new(self.reading.clone(), batch, number)?;
            bytes += (row.length() * self.reading.dtype.size()) as u64;
            rows.push(row);
        }
        Ok(rows)
    }
}

impl ArrayRow {
    fn new(reading: Arc<ArrayReading>, batch: Arc<Batch>, number: u64) -> Result<ArrayRow> {
        let part = reading.part(&batch)?;
        let at = first(part)
            .and_then(|(dim, _)| Some((dim, section(part.selected.get(dim)?, batch.from + number, 1))));
        Ok(ArrayRow { reading, batch, number, at })
    }

    fn part(&self) -> Result<&Part> {
        self.reading.part(&self.batch)
    }

    fn metadata(&self) -> Result<&Variable> {
        self.part()?.metadata()
    }

    fn axis(&self) -> Option<(&Axis, &Selected)> {
        let (dim, at) = self.at.as_ref()?;
        let axis = self.part().ok()?.axes.get(*dim)?.as_ref()?;
        Some((axis, at))
    }

    /// The file.
    ///
    /// # Errors
    /// [`Error::Bug`].
    pub fn path(&self) -> Result<&str> {
        Ok(self.part()?.source.path())
    }

    /// The index on the first dimension that stays, in its file; `None` where none stays.
    pub fn index(&self) -> Option<u64> {
        Some(self.at.as_ref()?.1.runs.first()?.start)
    }

    /// Its time, where that dimension is a time axis.
    pub fn time(&self) -> Option<i64> {
        let (axis, at) = self.axis()?;
        *axis.instants_at(at)?.first()?
    }

    /// Its coordinate, where it has one and is no time axis.
    pub fn coordinate(&self) -> Option<f64> {
        let (axis, at) = self.axis().filter(|(axis, _)| axis.instants.is_none())?;
        axis.values_at(at).first().copied()
    }

    /// Names and sizes of the other dimensions that stay, then of the slice.
    ///
    /// # Errors
    /// [`Error::Bug`].
    pub fn dims(&self) -> Result<Vec<(&str, u64)>> {
        let (part, variable) = (self.part()?, self.metadata()?);
        let counts = part.counts();
        let dim = |dim: usize| Some((variable.dims.get(dim)?.as_str(), counts.get(dim).copied()?));
        let mut dims: Vec<(&str, u64)> = part.kept().skip(1).filter_map(dim).collect();
        if let Some(GridTarget { slice, .. }) = &self.reading.onto {
            dims.extend([("y", slice.height.into()), ("x", slice.width.into())]);
        }
        Ok(dims)
    }

    /// How many values the row has; 0 where nobody asked for values.
    pub fn length(&self) -> usize {
        let total = match &self.batch.values {
            None => 0,
            Some(Values::Stored(pixels)) => pixels.len(),
            Some(Values::Warped(planes)) => planes.len(),
        };
        total / self.batch.count.max(1) as usize
    }

    /// Copies the values, row-major, in the stream's type. Returns the runs of `out` without one.
    ///
    /// # Errors
    /// [`Error::Bug`]: another length of `out` than values.
    pub fn copy<T: Pixel>(&self, out: &mut [T]) -> Result<Gaps> {
        let short = || Error::Bug("a batch is short".into());
        let from = self.number as usize * self.length();
        let decoding = &self.reading.decoding;
        match &self.batch.values {
            Some(Values::Warped(planes)) => planes.write(from, decoding.fill, out),
            Some(Values::Stored(pixels)) => {
                decode(&pixels.slice(from, out.len()).ok_or_else(short)?, self.metadata()?, decoding, out)
            }
            None => Err(short()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::array_plan::{Opened, plan};
    use crate::read::axis::{Selection, Wanted};

    const OCEAN: &str = "test/data/small/ocean.zarr";

    fn reading(selection: Selection, dtype: Dtype, threads: usize) -> Arc<ArrayReading> {
        let parts = plan(&[OCEAN.to_string()], "temp", &selection, &mut Opened::default(), false).unwrap();
        let limits = Limits { threads, ..Limits::default() };
        Arc::new(ArrayReading { parts, decoding: Decoding::default(), onto: None, dtype, limits })
    }

    fn all(stream: &ArrayStream) -> Vec<ArrayRow> {
        let mut rows = Vec::new();
        loop {
            let more = stream.take(1).unwrap();
            if more.is_empty() {
                return rows;
            }
            rows.extend(more);
        }
    }

    #[test]
    fn rows_put_together_are_the_array_whatever_the_threads() {
        let whole = reading(Selection::default(), Dtype::Float64, 1);
        let part = &whole.parts[0];
        let pixels = part.source.read(part.variable, &part.runs(), 1).unwrap();
        let mut expected = vec![0f64; pixels.len()];
        let gaps = decode(&pixels, part.metadata().unwrap(), &Decoding::default(), &mut expected).unwrap();
        gaps.into_iter().for_each(|gap| expected[gap].fill(-1.0));
        for threads in [1, 2, 8] {
            let reading = reading(Selection::default(), Dtype::Float64, threads);
            let rows = all(&ArrayStream::start(&reading, true).unwrap());
            assert_eq!(rows.len() as u64, reading.rows());
            let mut values = Vec::new();
            for (index, row) in rows.iter().enumerate() {
                assert_eq!((row.index(), row.path().unwrap()), (Some(index as u64), OCEAN));
                assert!(row.time().is_some() && row.coordinate().is_none());
                let mut out = vec![0f64; row.length()];
                let gaps = row.copy(&mut out).unwrap();
                gaps.into_iter().for_each(|gap| out[gap].fill(-1.0));
                assert_eq!(row.dims().unwrap().iter().map(|(_, n)| n).product::<u64>(), out.len() as u64);
                values.extend(out);
            }
            assert_eq!(values, expected);
        }
    }

    #[test]
    fn a_dimension_that_was_taken_away_leaves_the_next_one_to_be_the_rows() {
        let selection = Selection { dims: vec![("time".into(), Wanted::Index(1))], ..Selection::default() };
        let rows = all(&ArrayStream::start(&reading(selection, Dtype::Int16, 2), false).unwrap());
        let told: Vec<_> = rows.iter().map(|row| (row.index(), row.time(), row.coordinate())).collect();
        assert_eq!(told, [(Some(0), None, Some(5.0)), (Some(1), None, Some(15.0))]);
        assert_eq!(rows[0].dims().unwrap(), [("lat", 3), ("lon", 6)]);
        assert_eq!(rows[0].length(), 0);
    }
}
