//! What holds for every run of the simulated world, whatever happens in it. Operations are data, so that a
//! counterexample can be read, and becomes a test of its own.

#[path = "properties/always.rs"]
mod always;
#[path = "properties/clocks.rs"]
mod clocks;
#[path = "properties/crashes.rs"]
mod crashes;
#[path = "properties/family.rs"]
mod family;
#[path = "properties/gateway/mod.rs"]
mod gateway;
#[path = "properties/hostile.rs"]
mod hostile;
#[path = "properties/operations.rs"]
mod operations;
#[path = "properties/regressions.rs"]
mod regressions;
#[path = "properties/wrong_types.rs"]
mod wrong_types;
