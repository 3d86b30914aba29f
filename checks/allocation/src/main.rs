//! Counts how often a device core takes memory: never while nothing is due, and for a config or a sample hardly more
//! often with a thousand points than with a hundred.

mod counting;
mod device;

use device::Device;

fn main() {
    while_nothing_is_due();
    for points in [10, 1000] {
        println!("{points} points: memory per point {} bytes", device::bytes_per_point(points));
    }
    whatever_the_number_of_points();
}

fn while_nothing_is_due() {
    for points in [0, 10, 1000] {
        let mut device = Device::new(points);
        device.settle();
        let count = counting::allocations(|| {
            for _ in 0..1000 {
                device.tick();
            }
        });
        assert_eq!(count, 0, "a thousand idle ticks of {points} points");
    }
    println!("idle ticks: no allocation");
}

fn whatever_the_number_of_points() {
    let taken = |points| {
        let mut device = Device::new(points);
        device.settle();
        (0..3).for_each(|_| device.turn());
        let config = counting::allocations(|| device.config());
        let sample = counting::allocations(|| device.sample());
        println!("{points} points: {config} allocations for a config with its state, {sample} for a sample");
        (config, sample)
    };
    let (few, many) = (taken(100), taken(1000));
    // A list that doubles while it is read grows four times more.
    assert!(many.0 <= few.0 + 4, "allocations for a config, of 100 and of 1000 points");
    assert_eq!(few.1, many.1, "allocations for a sample, of 100 and of 1000 points");
}
