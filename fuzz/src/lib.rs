//! What is fuzzed, one function over bytes for each target, and how inputs are made for it.
//!
//! A target panics if and only if it has found something. The tests of `udmi-host`, and of
//! references the properties, run each target on its whole corpus.

pub mod bacnet;
pub mod modbus;
pub mod mutate;
pub mod references;

/// Something to be fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of its folder in `corpus` as well.
    pub name: &'static str,
    /// Takes one input.
    pub run: fn(&[u8]),
    /// Makes lengths and the like in an input fit again, without which most mutations would not be looked at.
    pub repair: fn(&mut Vec<u8>),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "bacnet", run: bacnet::run, repair: bacnet::repair },
    Target { name: "modbus", run: modbus::run, repair: modbus::repair },
    Target { name: "references", run: references::run, repair: references::repair },
];
