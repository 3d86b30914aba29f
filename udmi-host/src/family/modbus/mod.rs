//! Modbus/TCP: units behind hosts, their coils, inputs and registers (§6.6).
//!
//! An address is a host, or the name of a line that [`ModbusSettings::lines`] knows a gateway for. A reference says
//! what is read and what it means: `unit/function/address[/quantity][?parameters]`, without the unit where the
//! target names it. Its address is the protocol's own, counted from 0: `1/3/0` is what manuals call 40001.
//!
//! * One connection to a host, kept between calls and used by one call at a time.
//! * Points side by side are read at once; where a unit refuses that, one by one.
//! * An answer is taken only by its transaction, unit, function and size. Late and double ones are passed over,
//!   anything else ends the connection.
//! * Modbus has nothing to release: what was written stays, and a release is done at once.
//! * A scan asks units for register 0: who answers is there, even if the answer is an exception. It tells each host
//!   with its units, and what [`ModbusSettings::known`] knows of it.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod codec;
mod connection;
pub mod exchange;
pub mod frame;
mod hosts;
mod plan;
pub mod point;
mod provider;
mod scan;
mod settings;
mod value;

pub use provider::ModbusProvider;
pub use settings::{ModbusLimits, ModbusSettings};

/// The port of Modbus/TCP.
pub const PORT: u16 = 502;
