//! The smallest allocator there is: memory is given once.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;

/// Far more than a whole run takes, in bytes.
const BYTES: usize = 64 << 20;

#[repr(C, align(64))]
struct Once {
    bytes: UnsafeCell<[u8; BYTES]>,
    used: UnsafeCell<usize>,
}

// SAFETY: the program has one thread.
unsafe impl Sync for Once {}

// SAFETY: what is given out lies within `bytes`, is aligned as asked, and is never given again.
unsafe impl GlobalAlloc for Once {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the program has one thread, so nobody else looks at `used` meanwhile.
        let used = unsafe { &mut *self.used.get() };
        let start = used.next_multiple_of(layout.align());
        let Some(end) = start.checked_add(layout.size()).filter(|&end| end <= BYTES) else {
            return core::ptr::null_mut();
        };
        *used = end;
        // SAFETY: `start` lies within `bytes`, by the check above.
        unsafe { self.bytes.get().cast::<u8>().add(start) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static MEMORY: Once = Once { bytes: UnsafeCell::new([0; BYTES]), used: UnsafeCell::new(0) };
