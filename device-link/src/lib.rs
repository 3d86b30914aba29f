//! A vendor-neutral, sans-IO device link: time, timers, an MQTT 3.1.1 session, an outbox, and the port
//! vocabulary between a device cloud's protocol (a [`Dialect`]) and the world (a driver).
//!
//! The core never touches a socket, a clock, a file, a thread or a random source. It is told what
//! happened ([`Event`]) and says what must be done ([`Action`]). Six rules make a driver:
//!
//! 1. Call [`Node::handle`] with the time and one event.
//! 2. Pop [`Node::poll`] until it returns `None`, and do what it says, in order.
//! 3. Sleep until [`Node::deadline`] or the next event, whichever is first.
//! 4. Answer each id once; late and double answers are ignored.
//! 5. Equal boots and equal events give equal actions, bit for bit.
//! 6. Nothing a peer sends can panic or grow memory past [`Limits`].
#![no_std]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm
)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod backoff;
mod cx;
mod dialect;
mod effect;
mod limits;
mod load;
pub mod map;
mod node;
mod octets;
mod port;
mod secret;
mod session;
mod time;
mod timers;
pub mod trace;
pub mod transcript;
mod url;
pub mod wire;

pub use cx::{Cx, LinkTimer, WakeReason};
pub use dialect::{
    ConnectSpec, Dialect, Down, Filter, Full, Gate, LinkEvent, Lost, Message, Oversized, Publish, Queue,
    Receipt, Slot, SubscribeRefused, Topic, TopicError, Will,
};
pub use effect::{Algorithm, FetchError, FetchEvent, Request, SignError, SignRequest};
pub use limits::Limits;
pub use load::{Load, Tally};
pub use map::{Map, Set};
pub use node::Node;
pub use port::{
    Action, Boot, Closed, ConnId, Endpoint, Event, ExitReason, FetchId, HookId, Key, KeyError, Outbound,
    SignId, StoreId, Stored, Token, Transport,
};
pub use secret::{MASK, Secret, mask_url};
pub use time::{Instant, Now, UtcMillis};
pub use url::EndpointError;
