//! Memory of batches: aligned, and taken again once the program has let go of it, so that no batch pays for fresh pages.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::dtype::Pixel;
use crate::error::{Error, Result};
use crate::memory::room;

/// Every buffer begins at a multiple of this address.
pub const ALIGNMENT: usize = 64;

/// Buffers that nobody uses now.
pub struct Pool {
    free: Mutex<Vec<Vec<u8>>>,
    /// How many bytes are kept.
    most: usize,
}

/// Bytes of a batch; they go back to their pool when they are let go of.
pub struct Buffer {
    store: Vec<u8>,
    start: usize,
    length: usize,
    pool: Weak<Pool>,
}

impl Pool {
    /// Keeps so many bytes at most.
    pub fn new(most: usize) -> Arc<Pool> {
        Arc::new(Pool { free: Mutex::new(Vec::new()), most })
    }

    /// A buffer of so many bytes, of any content.
    ///
    /// # Errors
    /// [`Error::NoRoom`].
    pub fn take(self: &Arc<Pool>, length: usize) -> Result<Buffer> {
        let needed = length.saturating_add(ALIGNMENT);
        let kept = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            free.iter().position(|store| store.len() == needed).map(|index| free.swap_remove(index))
        };
        let store = match kept {
            Some(store) => store,
            None => room::<u8>(needed, || "a batch".into())?,
        };
        let start = store.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Ok(Buffer { store, start, length, pool: Arc::downgrade(self) })
    }

    fn give_back(&self, store: Vec<u8>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = free.iter().map(Vec::len).sum();
        if kept.saturating_add(store.len()) <= self.most {
            free.push(store);
        }
    }
}

impl Buffer {
    /// A buffer of its own that holds these values.
    pub fn of<T: Pixel>(values: &[T]) -> Buffer {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let mut store = vec![0; bytes.len() + ALIGNMENT];
        let start = store.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        if let Some(part) = store.get_mut(start..start + bytes.len()) {
            part.copy_from_slice(bytes);
        }
        Buffer { store, start, length: bytes.len(), pool: Weak::new() }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.store.get(self.start..self.start + self.length).unwrap_or_default()
    }

    /// The bytes as values.
    ///
    /// # Errors
    /// [`Error::Bug`]: a length that is no multiple of a value's.
    pub fn values_mut<T: Pixel>(&mut self) -> Result<&mut [T]> {
        let bytes = self.store.get_mut(self.start..self.start + self.length).unwrap_or_default();
        bytemuck::try_cast_slice_mut(bytes).map_err(|e| Error::Bug(format!("a buffer: {e}")))
    }

    /// Lets go of all but the first bytes.
    pub fn shorten(&mut self, length: usize) {
        self.length = self.length.min(length);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.give_back(std::mem::take(&mut self.store));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_aligned_and_its_memory_is_taken_again() {
        let pool = Pool::new(1 << 20);
        for length in [4, 64, 1000, 65_536] {
            let mut buffer = pool.take(length).unwrap();
            assert_eq!(buffer.bytes().as_ptr().addr() % ALIGNMENT, 0);
            assert_eq!(buffer.values_mut::<f32>().unwrap().len(), length / 4);
            let at = buffer.bytes().as_ptr();
            drop(buffer);
            assert_eq!(pool.take(length).unwrap().bytes().as_ptr(), at);
        }
        assert_eq!(Buffer::of(&[1i64, -2]).values_mut::<i64>().unwrap(), [1, -2]);
        assert!(pool.take(6).unwrap().values_mut::<f32>().is_err());
    }

    #[test]
    fn no_more_than_its_bound_is_kept_and_a_buffer_outlives_its_pool() {
        let pool = Pool::new(100);
        let (small, large) = (pool.take(10).unwrap(), pool.take(1000).unwrap());
        drop((small, large));
        assert_eq!(pool.free.lock().unwrap().len(), 1);
        let mut last = pool.take(10).unwrap();
        drop(pool);
        last.values_mut::<u8>().unwrap().fill(7);
        assert_eq!(last.bytes(), [7; 10]);
    }
}
