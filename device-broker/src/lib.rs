//! A small MQTT 3.1.1 broker for demos, simulated worlds and tests. **Not for production**: it has no TLS, keeps
//! passwords in plain memory, serves from one thread and has been read by few.
//!
//! [`Broker`] is the core: bytes in, bytes and closings out, the time an argument; see there. [`Server`] runs it
//! on a thread over TCP:
//!
//! ```
//! use device_broker::{Config, Server};
//!
//! let server = Server::start(Config::default())?;
//! println!("mqtt://{}", server.address());
//! server.stop();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! It takes QoS 0, 1 and 2 in both directions, retained messages, wills, clean and kept sessions, take-over of a
//! client identifier, keep-alive, accounts with topic patterns ([`Users`]); all that a client can grow is
//! bounded by [`Limits`]. What it does otherwise than mosquitto is listed in `docs/broker.md`.

mod broker;
mod delivery;
mod limits;
mod link;
mod message;
mod output;
mod retained;
mod server;
mod session;
mod snapshot;
mod tree;
mod users;

pub use broker::{Broker, ConnId};
pub use device_link::wire::Qos;
pub use limits::Limits;
pub use output::{Counters, Ended, Note, Output};
pub use server::{Config, Save, Server};
pub use snapshot::Snapshot;
pub use users::{Access, Users};
