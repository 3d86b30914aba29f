//! Real brokers and real sockets: what the end-to-end tests and the measurements share.
//!
//! Everything listens on free ports of this machine, keeps its files in temporary folders, and ends what it
//! started when it is dropped.

pub mod broker;
pub mod certificates;
pub mod cloud;
pub mod desk;
pub mod detour;
pub mod device;
pub mod door;
mod dynamic_security;
pub mod gate;
pub mod gateway;
pub mod kills;
pub mod logging;
mod mosquitto;
pub mod numbered;
pub mod program;
pub mod relay;
pub mod restarts;
pub mod seeded;
pub mod shown;
mod terminator;
pub mod together;
pub mod tokens;
pub mod watch;
pub mod web;

use std::time::Duration;

/// What ought to happen at once has happened by then, even on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The client identifier, user name and topic prefix of the device in the tests.
pub const DEVICE: &str = "/r/REG/d/AHU-1";
/// The same in the other registry, where it has the same password.
pub const ALTERNATE: &str = "/r/ALT/d/AHU-1";
/// Its password.
pub const DEVICE_PASSWORD: &str = "1f2e3d4c";
/// The user name of whoever may do everything.
pub const CLOUD: &str = "cloud";
/// Its password.
pub const CLOUD_PASSWORD: &str = "nimbus";
