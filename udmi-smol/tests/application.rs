//! The application's view of a device on smol.

#[macro_use]
mod adapter;
#[path = "../../udmi-std/tests/common/mod.rs"]
mod common;
#[path = "../../udmi-std/tests/facade/mod.rs"]
mod facade;
#[path = "adapter/futures.rs"]
mod futures;
