//! Hyperslabs of array files, over the process's block cache: each chunk is decoded once, on several threads where
//! there is much to decode.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::cf::{self, Axes, Cells};
use crate::dtype::with_dtype;
use crate::dtype::{Dtype, Pixel, Pixels};
use crate::error::{Cause, Error, ReasonResult, Result};
use crate::files::{Sight, remote};
use crate::format::array::{ABSENT, ArrayFile, ArrayHeader, Variable};
use crate::format::hyperslab::{Edge, Hyperslab, Run, typed};
use crate::format::open;
use crate::kept::Shared;
use crate::memory::{ask_room, room};
use crate::read::array_handles;
use crate::read::axis::Axis;
use crate::read::block_cache::{Key, Owner};
use crate::read::source::{Source, block_cache};
use crate::workers::{each, each_waiting};

/// A chunk above this many bytes is refused: no real file has one, a damaged header may.
const MAX_CHUNK_BYTES: u64 = 1 << 30;
/// Chunks below this are read several at a time, or the trip costs more than the values.
const SMALL_BYTES: u64 = 16 << 10;
/// What a variable that lies in one piece is cut into.
const PIECE_BYTES: u64 = 1 << 20;
/// Decoding less than this is quicker on one thread.
const ALONE_BYTES: usize = 1 << 20;

/// An array file that any number of threads read: its header and its axes. It holds no open file.
pub struct ArraySource {
    id: u64,
    /// The file as it was when its header was read.
    sight: Sight,
    header: Arc<ArrayHeader>,
    /// What CF says of each variable's dimensions, once it was asked for.
    meanings: Vec<OnceLock<Axes>>,
    /// Axes that were asked for, by the variable that their coordinates are.
    axes: Mutex<HashMap<usize, Arc<Axis>>>,
}

/// Array files whose headers and axes are kept.
const KEPT_FILES: usize = 1024;
static KNOWN: Shared<String, Arc<ArraySource>> = Shared::new(KEPT_FILES);
impl ArraySource {
    /// The array file at `path`, opened unless it is known.
    ///
    /// # Errors
    /// It is absent, not an array file, or damaged.
    pub fn open(path: &str) -> Result<Arc<ArraySource>> {
        let mut sight = Sight::at(path)?;
        // One raster of a file, by GDAL's name of it, is a variable of the file.
        if sight.location().is_subdataset() {
            sight = Sight::of(sight.location().container())?;
        }
        let same = |source: &Arc<ArraySource>| source.sight.stamp() == sight.stamp();
        if let Some(source) = KNOWN.get(sight.path()).filter(same) {
            return Ok(source);
        }
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Source::close_earlier(&sight);
        let file = array_handles::opened(sight.path(), sight.stamp(), || open::open(&sight))?;
        let (id, header) = (NEXT.fetch_add(1, Relaxed), file.header().clone());
        let meanings = header.variables.iter().map(|_| OnceLock::new()).collect();
        let source =
            ArraySource { id, sight: sight.clone().small(), header, meanings, axes: Mutex::default() };
        Ok(KNOWN.share(sight.path().to_string(), Arc::new(source), same))
    }

    /// The file.
    pub fn path(&self) -> &str {
        self.sight.path()
    }

    /// The file, opened again where too many others were read meanwhile.
    ///
    /// # Errors
    /// It cannot be opened any more, or is another by now.
    pub(super) fn file(&self) -> Result<Arc<dyn ArrayFile>> {
        let then = self.sight.stamp();
        array_handles::opened(self.path(), then, || {
            let sight = Sight::of(self.sight.location().clone())?;
            let now = sight.stamp();
            // Of a remote file nothing but its size tells one query what another saw.
            if now.size != then.size || now.modified.is_some() && now != then {
                let reason = "it was replaced while it was read";
                return Err(Error::unreadable(self.path(), reason));
            }
            open::open(&sight)
        })
    }

    /// What the file says of itself.
    pub fn header(&self) -> &Arc<ArrayHeader> {
        &self.header
    }

    /// The coordinates of a variable, by CF's rules.
    ///
    /// # Errors
    /// [`Error::Bug`]: there is no such variable.
    pub fn axes(&self, variable: usize) -> Result<&Axes> {
        let missing = || Error::Bug(format!("no variable {variable} in \"{}\"", self.path()));
        let meaning = self.meanings.get(variable).ok_or_else(missing)?;
        Ok(meaning.get_or_init(|| cf::axes(&self.header, variable)))
    }

    /// Where the rows and columns of a variable lie, and the dimensions that they are; `None` where its coordinates do not tell.
    ///
    /// # Errors
    /// As [`cf::cells`].
    pub fn cells(&self, variable: usize) -> Result<Option<(Cells, usize, usize)>> {
        let axes = self.axes(variable)?;
        let Some(cells) = cf::cells(&*self.file()?, variable, axes)? else { return Ok(None) };
        let shape = &self.variable(variable)?.shape;
        // A field of HDF-EOS has no coordinates, and its rows and columns are its dimensions.
        let plain = (*shape == [cells.grid.height as u64, cells.grid.width as u64]).then_some((0, 1));
        let dims = axes.y_dim().zip(axes.x_dim()).or(plain);
        Ok(dims.map(|(y, x)| (cells, y, x)))
    }

    /// A variable by its index in the header.
    ///
    /// # Errors
    /// [`Error::Bug`]: there is no such index.
    pub fn variable(&self, index: usize) -> Result<&Variable> {
        let missing = || Error::Bug(format!("no variable {index} in \"{}\"", self.path()));
        self.header().variables.get(index).ok_or_else(missing)
    }

    /// The values of a variable at the product of some indices on each axis, as stored, row-major.
    ///
    /// # Errors
    /// The variable holds no numbers, or a chunk cannot be decoded.
    pub fn read(&self, index: usize, runs: &[Vec<Run>], threads: usize) -> Result<Pixels> {
        let variable = self.variable(index)?;
        let fail = |reason: Cause| Error::values(self.path(), &variable.name, reason);
        let Some(dtype) = variable.dtype else {
            return Err(fail(
                format!("its type is {}, and only numbers can be read", variable.dtype_name).into(),
            ));
        };
        let origin = vec![0; variable.shape.len()];
        let file = self.file()?;
        // Joined chunks are read one after another, which is slow where each is a request.
        let join =
            file.state(index, &origin).is_none() && !(file.is_in_parts() && remote::is_remote(self.path()));
        let sides = block(variable, dtype, join).map_err(fail)?;
        let slab = Hyperslab::new(&variable.shape, &sides, Edge::Cut, runs)?;
        let blocks = Blocks { source: self, file: &*file, index, variable, sides: &sides };
        with_dtype!(dtype, T => blocks.gather::<T>(&slab, threads).map(T::pixels))
    }
}

/// The chunks that a variable is decoded in: its own, several of them where they are small and may be joined, pieces of
/// about 1 MiB where it has none.
fn block(variable: &Variable, dtype: Dtype, join: bool) -> ReasonResult<Vec<u64>> {
    let shape = &variable.shape;
    let size = dtype.size() as u64;
    let bytes = |sides: &[u64]| sides.iter().try_fold(size, |bytes, &side| bytes.checked_mul(side));
    let (mut sides, wanted) = match &variable.chunk {
        Some(chunk) if chunk.len() == shape.len() && !chunk.contains(&0) => {
            (chunk.clone(), if join { SMALL_BYTES } else { 0 })
        }
        _ => (vec![1; shape.len()], PIECE_BYTES),
    };
    // From the last axis on, which varies fastest: whole rows, then several of them.
    for axis in (0..sides.len()).rev() {
        let (side, size) = (sides[axis], shape[axis].max(1));
        let now = bytes(&sides).unwrap_or(u64::MAX);
        let times = (wanted / now.max(1)).clamp(1, size.div_ceil(side).max(1));
        sides[axis] = side.saturating_mul(times);
    }
    match bytes(&sides) {
        Some(bytes) if bytes <= MAX_CHUNK_BYTES => Ok(sides),
        _ => Err(format!("its chunks of {sides:?} {dtype} values are above 1 GiB").into()),
    }
}

/// The chunks of one variable, from the cache or decoded now.
struct Blocks<'a> {
    source: &'a ArraySource,
    file: &'a dyn ArrayFile,
    index: usize,
    variable: &'a Variable,
    sides: &'a [u64],
}

impl Blocks<'_> {
    fn get(&self, at: &[u64]) -> Result<Arc<Pixels>> {
        let shape = &self.variable.shape;
        let start: Vec<u64> = at.iter().zip(self.sides).map(|(at, side)| at * side).collect();
        let count = |((start, side), size): ((&u64, &u64), &u64)| (*side).min(size - start);
        let count: Vec<u64> = start.iter().zip(self.sides).zip(shape).map(count).collect();
        let number = at.iter().zip(shape).zip(self.sides).try_fold(0u64, |number, ((at, size), side)| {
            number.checked_mul(size.div_ceil(*side))?.checked_add(*at)
        });
        let number = number.ok_or_else(|| {
            let reason = format!("its shape {shape:?} has more chunks than can be counted");
            Error::values(self.source.path(), &self.variable.name, reason)
        })?;
        let state = self.file.state(self.index, &start);
        // Whole chunks that are not there all hold the same.
        let number = if state == Some(ABSENT) && count == self.sides { u64::MAX } else { number };
        let key = self.key(number, state);
        let step = vec![1; start.len()];
        block_cache().get(key, || {
            let size = self.variable.dtype.map_or(8, Dtype::size);
            let values = self.sides.iter().fold(size, |bytes, side| bytes.saturating_mul(*side as usize));
            ask_room(values.saturating_mul(3), || "a chunk, packed and unpacked".into())?;
            self.file.read(self.index, &start, &count, &step)
        })
    }

    fn key(&self, number: u64, state: Option<u64>) -> Key {
        Key {
            source: Owner::Array(self.source.id, state),
            band: self.index as u32,
            mask: false,
            row: (number >> 32) as u32,
            col: number as u32,
        }
    }

    fn gather<T: Pixel>(&self, slab: &Hyperslab, threads: usize) -> Result<Vec<T>> {
        let mut out = room(slab.len(), || format!("values of \"{}\"", self.variable.name))?;
        if slab.is_empty() {
            return Ok(out);
        }
        let parts = slab.parts();
        let threads = if size_of_val(out.as_slice()) < ALONE_BYTES { 1 } else { threads.min(parts) };
        let mut numbers: Vec<usize> = (0..parts).collect();
        let copied = Mutex::new(out.as_mut_slice());
        let copy = |number: &mut usize| {
            let part = slab.part(*number);
            let chunk = self.get(&part.chunk)?;
            // One thread copies while the others decode: parts of a chunk lie scattered over the values.
            let mut out = copied.lock().unwrap_or_else(PoisonError::into_inner);
            slab.copy(&part, typed(&chunk)?, &mut out)
        };
        match self.file.is_in_parts() {
            true if remote::is_remote(self.file.path()) => {
                each_waiting(&mut numbers, remote::threads(1, [self.file.path()].into_iter()), copy)?;
            }
            _ => each(&mut numbers, threads, copy)?,
        }
        Ok(out)
    }
}

impl ArraySource {
    /// The axis whose coordinates a variable is, made once.
    ///
    /// # Errors
    /// What `make` returns.
    pub(super) fn axis(&self, index: usize, make: impl FnOnce() -> Result<Axis>) -> Result<Arc<Axis>> {
        let lock = || self.axes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(axis) = lock().get(&index) {
            return Ok(axis.clone());
        }
        let axis = Arc::new(make()?);
        lock().insert(index, axis.clone());
        Ok(axis)
    }
}
