//! The system's allocator, which counts what is held.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What is held at a moment, or the difference between two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// As they were asked for.
    pub(crate) bytes: usize,
    /// As glibc's allocator rounds them: 8 bytes of its own to each, in steps of 16, at least 32.
    pub(crate) rounded: usize,
    pub(crate) blocks: usize,
}

struct Counting {
    bytes: AtomicUsize,
    rounded: AtomicUsize,
    blocks: AtomicUsize,
}

fn rounded(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16).max(32)
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.bytes.fetch_add(layout.size(), Relaxed);
        self.rounded.fetch_add(rounded(layout.size()), Relaxed);
        self.blocks.fetch_add(1, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        self.bytes.fetch_sub(layout.size(), Relaxed);
        self.rounded.fetch_sub(rounded(layout.size()), Relaxed);
        self.blocks.fetch_sub(1, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static MEMORY: Counting =
    Counting { bytes: AtomicUsize::new(0), rounded: AtomicUsize::new(0), blocks: AtomicUsize::new(0) };

impl Held {
    pub(crate) fn now() -> Self {
        Self {
            bytes: MEMORY.bytes.load(Relaxed),
            rounded: MEMORY.rounded.load(Relaxed),
            blocks: MEMORY.blocks.load(Relaxed),
        }
    }

    /// What came since `before`, for each of so many.
    pub(crate) fn since(self, before: Self, count: usize) -> Self {
        let each = |now: usize, then: usize| now.saturating_sub(then) / count;
        Self {
            bytes: each(self.bytes, before.bytes),
            rounded: each(self.rounded, before.rounded),
            blocks: each(self.blocks, before.blocks),
        }
    }
}
