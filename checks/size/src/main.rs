//! A whole run of a gateway's core without the standard library: from its settings over connections, configs,
//! commands, answers and losses to its end. What links here is what a device needs of the core.
#![no_std]
#![no_main]

extern crate alloc;

mod memory;
mod world;

use core::hint::black_box;

use udmi_proto::{Boot, Device, Instant, Now, Udmi, UtcMillis};

use world::World;

// Only for `memcpy` and the like, and for ending: the core itself needs no C library. Without an operating system
// the compiler's own functions do.
#[cfg(not(target_os = "none"))]
#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

#[cfg(not(target_os = "none"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: `abort` may be called at any time.
    unsafe { abort() }
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Where the program starts; 0 if the run went as it should.
// SAFETY: nothing else in this program is called `main`.
#[unsafe(no_mangle)]
pub extern "C" fn main() -> i32 {
    let now = Now { at: Instant(0), utc: UtcMillis(1_772_359_200_000) };
    let Ok(dialect) = Udmi::new(world::settings()) else { return 1 };
    let mut world = World::new(Device::new(Boot::new(now, black_box(1)), dialect), now);
    world.live();
    if world.has_done_all() { 0 } else { 2 }
}
