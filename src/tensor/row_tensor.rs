//! A read of many rows as one tensor: shapes first, then pixels, each row's straight into its part of the batch.

use std::sync::Arc;

use crate::dtype::{Dtype, Pixel};
use crate::error::{Error, Result};
use crate::grid::records::Record;
use crate::read::gaps::{Gaps, whole};
use crate::tensor::buffer::{Buffer, Pool};
use crate::workers::each;

/// A read of one row, as a function of SQL reads it.
pub trait RowTensor: Send + Sync + 'static {
    /// What a row asks for, once its headers were looked at.
    type Job: Send + Sync;
    /// What the pixels are.
    type Item: Pixel;

    /// # Errors
    /// A row that cannot be read.
    fn job(&self, record: &Record) -> Result<Self::Job>;

    /// The row's shape.
    fn shape(job: &Self::Job) -> Vec<usize>;

    /// What stands where a row has no pixel, where the row says so itself.
    fn fill(_job: &Self::Job) -> Option<f64> {
        None
    }

    /// Reads each row into its list, and gives its gaps or its error.
    fn read(&self, rows: Vec<(&Self::Job, &mut [Self::Item])>, threads: usize) -> Vec<Result<Gaps>>;
}

/// How rows become a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    /// What stands where there is no pixel: NaN and 0 unless given.
    pub fill: Option<f64>,
    /// Whether a mask of the pixels goes along.
    pub mask: bool,
    /// Rows of other shapes are laid into the largest; else they are an error.
    pub pad: bool,
    /// Threads of one batch.
    pub threads: usize,
}

/// A tensor of a batch.
pub struct Tensor {
    /// Of all rows; the first side counts them.
    pub shape: Vec<usize>,
    /// What the values are.
    pub dtype: Dtype,
    /// Row-major.
    pub values: Buffer,
    /// 1 where there is a pixel, 0 where there is none.
    pub mask: Option<Buffer>,
}

/// A tensor, and what kept rows from being read, by their index in it.
pub struct Laid {
    /// Rows that failed hold no pixel.
    pub tensor: Tensor,
    /// In the order of the rows.
    pub failed: Vec<(usize, Error)>,
}

/// A read whose pixels may be of any type.
pub trait Read: Send + Sync {
    /// What the pixels are.
    fn dtype(&self) -> Dtype;

    /// Looks at what rows ask for.
    ///
    /// # Errors
    /// An interrupt.
    fn plan(&self, records: &[Record], threads: usize) -> Result<Box<dyn Planned + '_>>;
}

/// Rows whose headers were looked at.
pub trait Planned {
    /// Why a row cannot be read.
    fn error(&self, row: usize) -> Option<&Error>;

    /// A row's shape, if it can be read.
    fn shape(&self, row: usize) -> Option<Vec<usize>>;

    /// Reads rows into a tensor; those without a plan are blank in it, and have the usual shape where no row has one.
    ///
    /// # Errors
    /// Shapes that differ, no row at all that has one, or memory that there is not.
    fn lay(&self, rows: &[usize], usual: Option<&[usize]>, layout: &Layout, pool: &Arc<Pool>)
    -> Result<Laid>;
}

impl<R: RowTensor> Read for R {
    fn dtype(&self) -> Dtype {
        R::Item::DTYPE
    }

    fn plan(&self, records: &[Record], threads: usize) -> Result<Box<dyn Planned + '_>> {
        let mut jobs: Vec<(&Record, Option<Result<R::Job>>)> =
            records.iter().map(|record| (record, None)).collect();
        each(&mut jobs, threads, |(record, job)| {
            *job = Some(self.job(record));
            Ok(())
        })?;
        let missing = || Err(Error::Bug("a row that was not looked at".into()));
        let jobs = jobs.into_iter().map(|(_, job)| job.unwrap_or_else(missing)).collect();
        Ok(Box::new(Rows { reader: self, jobs }))
    }
}

struct Rows<'a, R: RowTensor> {
    reader: &'a R,
    jobs: Vec<Result<R::Job>>,
}

impl<R: RowTensor> Rows<'_, R> {
    fn job(&self, row: usize) -> Option<&R::Job> {
        self.jobs.get(row)?.as_ref().ok()
    }

    /// The shape that the rows have, or into which they are laid: the usual one where any row has it, or none has one.
    fn common_shape(&self, rows: &[usize], usual: Option<&[usize]>, pad: bool) -> Result<Vec<usize>> {
        let has = |shape: &[usize]| {
            rows.iter().any(|row| Planned::shape(self, *row).is_some_and(|own| own == shape))
        };
        let none_has_one = rows.iter().all(|row| self.job(*row).is_none());
        let mut found = usual.filter(|usual| none_has_one || !pad && has(usual)).map(<[usize]>::to_vec);
        for row in rows {
            let Some(job) = self.job(*row) else { continue };
            let shape = R::shape(job);
            match &mut found {
                None => found = Some(shape),
                Some(found) if *found == shape => {}
                Some(found) if pad && found.len() == shape.len() => {
                    found.iter_mut().zip(shape).for_each(|(most, side)| *most = side.max(*most));
                }
                Some(found) => return Err(differs(*row, &shape, found)),
            }
        }
        let first = rows.first().and_then(|row| self.error(*row)).cloned();
        found.ok_or_else(|| first.unwrap_or_else(|| Error::Bug("a batch of no rows".into())))
    }
}

/// The error of a row whose shape is not that of those before.
pub fn differs(row: usize, shape: &[usize], before: &[usize]) -> Error {
    let problem = format!("its shape is {shape:?}, and other rows have {before:?}");
    let remedy = "Give pad=True, which lays rows into the largest and marks them in a mask, or read windows of one size";
    at_row(row, Error::conflict(problem, remedy))
}

/// An error and the row that it is of.
pub fn at_row(row: usize, error: Error) -> Error {
    Error::At { blamed: format!("row {row}"), error: Box::new(error) }
}

impl<R: RowTensor> Planned for Rows<'_, R> {
    fn error(&self, row: usize) -> Option<&Error> {
        self.jobs.get(row)?.as_ref().err()
    }

    fn shape(&self, row: usize) -> Option<Vec<usize>> {
        self.job(row).map(R::shape)
    }

    fn lay(
        &self,
        rows: &[usize],
        usual: Option<&[usize]>,
        layout: &Layout,
        pool: &Arc<Pool>,
    ) -> Result<Laid> {
        let shape = self.common_shape(rows, usual, layout.pad)?;
        let length: usize = shape.iter().fold(1, |length: usize, side| length.saturating_mul(*side));
        if length == 0 {
            return Err(Error::conflict(format!("rows of shape {shape:?} hold nothing"), ""));
        }
        let count = rows.len().saturating_mul(length);
        let mut values = pool.take(count.saturating_mul(size_of::<R::Item>()))?;
        let mut mask = match layout.mask {
            true => Some(pool.take(count)?),
            false => None,
        };
        let mut failed = Vec::new();
        {
            let usual = layout.fill.unwrap_or(if R::Item::DTYPE.is_float() { f64::NAN } else { 0.0 });
            let mut parts: Vec<Part<'_, R>> = Vec::with_capacity(rows.len());
            let mut masks =
                mask.as_mut().map(Buffer::values_mut::<u8>).transpose()?.map(|m| m.chunks_mut(length));
            for (row, out) in rows.iter().zip(values.values_mut::<R::Item>()?.chunks_mut(length)) {
                let job = self.job(*row);
                let fill = <R::Item as Pixel>::of(job.and_then(R::fill).unwrap_or(usual));
                let mask = masks.as_mut().and_then(Iterator::next);
                let own = job.map(R::shape).filter(|own| *own != shape);
                let apart = own.map(|own| {
                    let values = vec![fill; own.iter().product()];
                    (own, values)
                });
                parts.push(Part { job, out, mask, fill, apart });
            }
            let wanted = parts.iter_mut().filter_map(|part| {
                let out = match &mut part.apart {
                    Some((_, values)) => values.as_mut_slice(),
                    None => &mut *part.out,
                };
                Some((part.job?, out))
            });
            let mut read = self.reader.read(wanted.collect(), layout.threads).into_iter();
            for (index, part) in parts.iter_mut().enumerate() {
                let gaps = match part.job {
                    None => None,
                    Some(_) => match read.next() {
                        Some(Ok(gaps)) => Some(gaps),
                        Some(Err(error)) => {
                            failed.push((index, error));
                            None
                        }
                        None => return Err(Error::Bug("a row that was not read".into())),
                    },
                };
                part.finish(gaps, &shape);
            }
        }
        let sides = std::iter::once(rows.len()).chain(shape).collect();
        Ok(Laid { tensor: Tensor { shape: sides, dtype: R::Item::DTYPE, values, mask }, failed })
    }
}

/// A row's part of a tensor.
struct Part<'a, R: RowTensor> {
    job: Option<&'a R::Job>,
    out: &'a mut [R::Item],
    mask: Option<&'a mut [u8]>,
    fill: R::Item,
    /// Where a row of another shape is read first.
    apart: Option<(Vec<usize>, Vec<R::Item>)>,
}

impl<R: RowTensor> Part<'_, R> {
    /// Puts what stands for no pixel where there is none, and marks it. Without gaps the row has no pixel.
    fn finish(&mut self, gaps: Option<Gaps>, shape: &[usize]) {
        let Some((own, values)) = &mut self.apart else {
            let gaps = gaps.unwrap_or_else(|| whole(self.out.len()));
            clear(self.out, &gaps, self.fill);
            if let Some(mask) = &mut self.mask {
                mask.fill(1);
                clear(mask, &gaps, 0);
            }
            return;
        };
        let gaps = gaps.unwrap_or_else(|| whole(values.len()));
        clear(values, &gaps, self.fill);
        self.out.fill(self.fill);
        lay_into(values, own, self.out, shape);
        if let Some(mask) = &mut self.mask {
            let mut there = vec![1u8; values.len()];
            clear(&mut there, &gaps, 0);
            mask.fill(0);
            lay_into(&there, own, mask, shape);
        }
    }
}

fn clear<T: Pixel>(values: &mut [T], gaps: &Gaps, value: T) {
    for gap in gaps {
        if let Some(part) = values.get_mut(gap.clone()) {
            part.fill(value);
        }
    }
}

/// Lays an array into the corner of a larger one.
fn lay_into<T: Pixel>(from: &[T], own: &[usize], out: &mut [T], shape: &[usize]) {
    let run = own.last().copied().unwrap_or(1).max(1);
    for (index, values) in from.chunks(run).enumerate() {
        // Where the run begins in the larger one: its index on each dimension but the last.
        let (mut rest, mut start, mut stride) = (index, 0, shape.last().copied().unwrap_or(1));
        for (side, larger) in own.iter().zip(shape).rev().skip(1) {
            start += (rest % side) * stride;
            rest /= side;
            stride *= larger;
        }
        if let Some(part) = out.get_mut(start..start + values.len()) {
            part.copy_from_slice(values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_lies_in_the_corner_of_a_larger_one() {
        let own = [2, 2, 3];
        let from: Vec<i32> = (0..12).collect();
        let shape = [3, 4, 5];
        let mut out = vec![-1; 60];
        lay_into(&from, &own, &mut out, &shape);
        for (index, value) in out.into_iter().enumerate() {
            let at = [index / 20, index / 5 % 4, index % 5];
            let inside = at.iter().zip(own).all(|(at, side)| *at < side);
            let wanted = if inside { (at[0] * 6 + at[1] * 3 + at[2]) as i32 } else { -1 };
            assert_eq!(value, wanted, "{at:?}");
        }
    }
}
