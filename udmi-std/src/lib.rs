//! UDMI devices on blocking threads, or on one bare non-blocking socket.

mod clock;
mod connection;
mod dial;
pub mod driver;
mod engine;
mod inbox;
mod jobs;
mod trace;
