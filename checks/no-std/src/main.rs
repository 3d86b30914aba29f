//! Links the core crates into a program that has no standard library, with a panic handler of its own: if
//! anything in the graph links `std`, there are two, and rustc stops with E0152.
#![no_std]
#![no_main]

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};

use device_link::{Boot, Event, Node, Now};
use udmi_proto::Udmi;

/// Has no memory to give: the program is only ever checked, never run.
struct NoMemory;

// SAFETY: `alloc` always reports that there is no memory, so `dealloc` is never given any.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static MEMORY: NoMemory = NoMemory;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// A whole run of a node, from its dialect to its end.
fn run(dialect: Udmi) {
    let mut node = Node::new(Boot::new(Now::default(), 0), dialect);
    while !node.is_finished() {
        node.handle(Now::default(), Event::Tick);
        while node.poll().is_some() {}
    }
}

/// Where such a program starts.
// SAFETY: nothing else in this program is called `_start`.
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    core::hint::black_box(run as fn(Udmi));
    loop {}
}
