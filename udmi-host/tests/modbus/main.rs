//! The Modbus provider against a device of another make, and against hosts that break the rules.

#![cfg(feature = "modbus")]

mod device;
mod hostile;
mod peer;
mod scan;
