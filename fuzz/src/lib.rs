//! What is fuzzed, one function over bytes for each target.
//!
//! A target panics if and only if it has found something. The tests of this crate run each target on its whole corpus;
//! `fuzz/run` looks for more.

pub mod bacnet;
pub mod bench;
pub mod blob;
pub mod choices;
pub mod config;
pub mod endpoint;
pub mod modbus;
pub mod ops;
pub mod references;
pub mod settings;
pub mod trace;
pub mod wire;

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
    Target { name: "blob", run: blob::run, repair: unchanged },
    Target { name: "config", run: config::run, repair: unchanged },
    Target { name: "endpoint", run: endpoint::run, repair: unchanged },
    Target { name: "modbus", run: modbus::run, repair: modbus::repair },
    Target { name: "ops", run: ops::run, repair: unchanged },
    Target { name: "references", run: references::run, repair: unchanged },
    Target { name: "trace", run: trace::run, repair: unchanged },
    Target { name: "wire", run: wire::run, repair: unchanged },
];

/// There is nothing to repair in a text, and in choices.
fn unchanged(_: &mut Vec<u8>) {}

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
