//! Hyperslabs: which parts of which chunks make up the values that a read asks for.

use std::sync::Arc;

use crate::dtype::{Pixel, Pixels};
use crate::error::{Error, Result};
use crate::memory::room;

/// `count` indices of an axis from `start` on, every `step`-th.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first index.
    pub start: u64,
    /// How many there are.
    pub count: u64,
    /// At least 1.
    pub step: u64,
}

impl Run {
    /// Every index of a dimension.
    pub fn all(size: u64) -> Run {
        Run { start: 0, count: size, step: 1 }
    }

    /// The indices, in order.
    pub fn indices(self) -> impl Iterator<Item = u64> {
        (0..self.count).map(move |i| self.start + i * self.step)
    }

    /// The indices lie on an axis of `size`.
    pub fn fits(self, size: u64) -> bool {
        match self.count {
            0 => true,
            count => (count - 1)
                .checked_mul(self.step)
                .and_then(|reach| reach.checked_add(self.start))
                .is_some_and(|last| last < size && self.step > 0),
        }
    }
}

/// How many indices some runs name.
pub fn index_count(runs: &[Run]) -> u64 {
    runs.iter().fold(0, |sum, run| sum.saturating_add(run.count))
}

/// What a chunk at the upper edge of an axis holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Only what lies on the axis.
    Cut,
    /// As much as any other chunk.
    Whole,
}

/// The part of a run that lies in one chunk: indices `from`, `from + step`, … of the chunk go to indices
/// `to`, `to + 1`, … of the output.
#[derive(Debug, Clone, Copy)]
struct Piece {
    chunk: u64,
    from: usize,
    step: usize,
    count: usize,
    to: usize,
}

/// The values at the product of some indices on each axis, row-major.
#[derive(Debug)]
pub struct Hyperslab {
    shape: Vec<u64>,
    chunk: Vec<u64>,
    edge: Edge,
    pieces: Vec<Vec<Piece>>,
    counts: Vec<usize>,
}

/// What one chunk gives to a hyperslab.
#[derive(Debug)]
pub struct Part {
    /// Index of the chunk on each axis, counted in chunks.
    pub chunk: Vec<u64>,
    pieces: Vec<Piece>,
}

impl Hyperslab {
    /// A hyperslab of a variable of some shape, stored in chunks of `chunk`.
    ///
    /// # Errors
    /// [`Error::Bug`]: indices beyond the variable, which the caller must have refused, or more values than there
    /// are addresses.
    pub fn new(shape: &[u64], chunk: &[u64], edge: Edge, runs: &[Vec<Run>]) -> Result<Hyperslab> {
        let wrong = |what: &str| Error::Bug(format!("{what}: {runs:?} of {shape:?} in chunks of {chunk:?}"));
        if chunk.len() != shape.len() || runs.len() != shape.len() || chunk.contains(&0) {
            return Err(wrong("no hyperslab"));
        }
        let mut counts = Vec::with_capacity(shape.len());
        let mut pieces = Vec::with_capacity(shape.len());
        for ((&size, &chunk), runs) in shape.iter().zip(chunk).zip(runs) {
            if !runs.iter().all(|run| run.fits(size)) {
                return Err(wrong("a hyperslab leaves its variable"));
            }
            counts.push(usize::try_from(index_count(runs)).map_err(|_| wrong("too many values"))?);
            pieces.push(cut(runs, chunk));
        }
        if counts.iter().try_fold(1usize, |product, &n| product.checked_mul(n)).is_none() {
            return Err(wrong("too many values"));
        }
        Ok(Hyperslab { shape: shape.to_vec(), chunk: chunk.to_vec(), edge, pieces, counts })
    }

    /// How many values on each axis.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// How many values in all.
    pub fn len(&self) -> usize {
        self.counts.iter().product()
    }

    /// It holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many parts there are, one for each time that a chunk is needed.
    pub fn parts(&self) -> usize {
        self.pieces.iter().map(Vec::len).fold(1, usize::saturating_mul)
    }

    /// A part by its number, in the row-major order of chunks.
    pub fn part(&self, number: usize) -> Part {
        let mut rest = number;
        let mut pieces: Vec<Piece> = Vec::with_capacity(self.pieces.len());
        for axis in self.pieces.iter().rev() {
            pieces.extend(axis.get(rest % axis.len().max(1)));
            rest /= axis.len().max(1);
        }
        pieces.reverse();
        Part { chunk: pieces.iter().map(|piece| piece.chunk).collect(), pieces }
    }

    /// The one part is a whole chunk, in its own order.
    pub fn is_one_chunk(&self) -> bool {
        self.parts() == 1 && {
            let part = self.part(0);
            let sides = self.sides(&part);
            part.pieces.iter().zip(&sides).all(|(p, &side)| p.from == 0 && p.step == 1 && p.count == side)
        }
    }

    /// The sides of a part's chunk as it is held.
    fn sides(&self, part: &Part) -> Vec<usize> {
        let side = |((&index, &chunk), &size): ((&u64, &u64), &u64)| match self.edge {
            Edge::Whole => chunk as usize,
            Edge::Cut => chunk.min(size.saturating_sub(index.saturating_mul(chunk))) as usize,
        };
        part.chunk.iter().zip(&self.chunk).zip(&self.shape).map(side).collect()
    }

    /// Copies what a part's chunk gives to its part of `out`.
    ///
    /// # Errors
    /// [`Error::Bug`]: a chunk of another size than the header says.
    pub fn copy<T: Copy>(&self, part: &Part, chunk: &[T], out: &mut [T]) -> Result<()> {
        let short = || Error::Bug(format!("chunk {:?} has {} values", part.chunk, chunk.len()));
        let Some((last, outer)) = part.pieces.split_last() else {
            *out.first_mut().ok_or_else(short)? = *chunk.first().ok_or_else(short)?;
            return Ok(());
        };
        let from_strides = strides(&self.sides(part));
        let to_strides = strides(&self.counts);
        let mut counter = vec![0usize; outer.len()];
        loop {
            let (mut from, mut to) = (last.from, last.to);
            for (axis, piece) in outer.iter().enumerate() {
                from += (piece.from + counter[axis] * piece.step) * from_strides[axis];
                to += (piece.to + counter[axis]) * to_strides[axis];
            }
            let out = out.get_mut(to..to + last.count).ok_or_else(short)?;
            match last.step {
                1 => out.copy_from_slice(chunk.get(from..from + last.count).ok_or_else(short)?),
                step => {
                    let values = chunk.get(from..).ok_or_else(short)?.iter().step_by(step);
                    if from + (last.count - 1) * step >= chunk.len() {
                        return Err(short());
                    }
                    out.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
                }
            }
            // The next row, as an odometer counts.
            let Some(axis) = (0..outer.len()).rev().find(|&axis| counter[axis] + 1 < outer[axis].count)
            else {
                return Ok(());
            };
            counter[axis] += 1;
            counter[axis + 1..].fill(0);
        }
    }
}

/// A hyperslab from its chunks, which are of type `T`, one after another.
///
/// # Errors
/// What `fetch` gives for a chunk, or a chunk of another type.
pub fn gather<T: Pixel>(slab: &Hyperslab, fetch: impl Fn(&[u64]) -> Result<Arc<Pixels>>) -> Result<Vec<T>> {
    let mut out = room(slab.len(), || "an array".into())?;
    if !slab.is_empty() {
        for number in 0..slab.parts() {
            let part = slab.part(number);
            let chunk = fetch(&part.chunk)?;
            slab.copy(&part, typed(&chunk)?, &mut out)?;
        }
    }
    Ok(out)
}

/// # Errors
/// [`Error::Bug`]: values of another type.
pub fn typed<T: Pixel>(pixels: &Pixels) -> Result<&[T]> {
    T::view(pixels).ok_or_else(|| Error::Bug(format!("a chunk is not of type {}", T::DTYPE)))
}

fn cut(runs: &[Run], chunk: u64) -> Vec<Piece> {
    let (mut pieces, mut to) = (Vec::new(), 0);
    for run in runs {
        let mut done = 0;
        while done < run.count {
            let index = run.start + done * run.step;
            let from = index % chunk;
            let count = ((chunk - from - 1) / run.step + 1).min(run.count - done);
            pieces.push(Piece {
                chunk: index / chunk,
                from: from as usize,
                step: run.step as usize,
                count: count as usize,
                to,
            });
            to += count as usize;
            done += count;
        }
    }
    pieces
}

/// How far apart neighbours on each axis lie, row-major.
fn strides(sides: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; sides.len()];
    for axis in (0..sides.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * sides[axis + 1];
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Pcg64;

    /// Values that tell their own index, and the chunk that a reader would be given.
    fn chunk_of(shape: &[u64], chunk: &[u64], edge: Edge, at: &[u64]) -> Vec<i64> {
        let sides: Vec<u64> = (0..shape.len())
            .map(|a| if edge == Edge::Whole { chunk[a] } else { chunk[a].min(shape[a] - at[a] * chunk[a]) })
            .collect();
        let count: u64 = sides.iter().product();
        let value = |mut flat: u64| {
            let mut index = vec![0; shape.len()];
            for axis in (0..shape.len()).rev() {
                index[axis] = at[axis] * chunk[axis] + flat % sides[axis];
                flat /= sides[axis];
            }
            let inside = (0..shape.len()).all(|a| index[a] < shape[a]);
            let flat = (0..shape.len()).fold(0, |sum, a| sum * shape[a] + index[a]);
            if inside { flat as i64 } else { -1 }
        };
        (0..count).map(value).collect()
    }

    #[test]
    fn a_hyperslab_is_what_brute_force_picks_value_by_value() {
        let mut random = Pcg64::new(11);
        let mut below = |n: u64| random.next_u64() % n;
        for _ in 0..2000 {
            let rank = below(5) as usize;
            let shape: Vec<u64> = (0..rank).map(|_| 1 + below(9)).collect();
            let chunk: Vec<u64> = (0..rank).map(|_| 1 + below(5)).collect();
            let edge = if below(2) == 0 { Edge::Cut } else { Edge::Whole };
            let runs: Vec<Vec<Run>> = shape
                .iter()
                .map(|&size| {
                    let run = |below: &mut dyn FnMut(u64) -> u64| {
                        let (start, step) = (below(size), 1 + below(3));
                        Run { start, step, count: below((size - start).div_ceil(step) + 1) }
                    };
                    (0..1 + below(2)).map(|_| run(&mut below)).collect()
                })
                .collect();
            let slab = Hyperslab::new(&shape, &chunk, edge, &runs).unwrap();
            let out: Vec<i64> =
                gather(&slab, |at| Ok(Arc::new(Pixels::Int64(chunk_of(&shape, &chunk, edge, at))))).unwrap();
            let mut expected = vec![0i64];
            for (size, runs) in shape.iter().zip(&runs) {
                let indices: Vec<u64> = runs.iter().flat_map(|run| run.indices()).collect();
                expected = expected
                    .iter()
                    .flat_map(|flat| indices.iter().map(move |p| flat * *size as i64 + *p as i64))
                    .collect();
            }
            assert_eq!(out, expected, "{runs:?} of {shape:?} in {chunk:?}");
        }
    }

    #[test]
    fn indices_beyond_the_variable_are_refused() {
        for run in [(0, 5, 1), (4, 1, 1), (0, 3, 2), (1, 2, u64::MAX), (0, 2, 0)] {
            let run = Run { start: run.0, count: run.1, step: run.2 };
            assert!(Hyperslab::new(&[4], &[2], Edge::Cut, &[vec![run]]).is_err(), "{run:?}");
        }
        assert!(
            Hyperslab::new(
                &[1 << 40, 1 << 40],
                &[1 << 39, 1 << 39],
                Edge::Cut,
                &[vec![Run::all(1 << 40)], vec![Run::all(1 << 40)]]
            )
            .is_err()
        );
    }
}
