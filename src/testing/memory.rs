//! The largest piece of memory that a thread asks for: damaged counts must not become allocations.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

struct Watched;

#[global_allocator]
static ALLOCATOR: Watched = Watched;

fn note(bytes: usize) {
    // A thread that ends allocates after its variables are gone.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(bytes)));
}

// SAFETY: every call goes on to the system's allocator with the caller's own arguments.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: as above.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(old, layout) }
    }
}

/// What some work gives, and the largest piece of memory that this thread asked for meanwhile.
pub fn largest<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LARGEST.replace(0);
    let done = work();
    let largest = LARGEST.replace(before);
    LARGEST.set(before.max(largest));
    (done, largest)
}

#[test]
fn the_largest_piece_is_seen() {
    let ((), bytes) = largest(|| drop(std::hint::black_box(vec![1u8; 123_456])));
    assert_eq!(bytes, 123_456);
    let (bytes, _) = largest(|| largest(|| drop(std::hint::black_box(vec![0u64; 10]))).1);
    assert_eq!(bytes, 80);
}
