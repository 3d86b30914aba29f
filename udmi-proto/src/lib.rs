//! UDMI, the Universal Device Management Interface, for devices and gateways: a sans-IO core.
//!
//! [`Udmi`] is a dialect over [`device_link`]; [`Device`] is a node that speaks it. This crate alone is enough
//! to embed a UDMI device in an event loop of your own:
//!
//! ```
//! use udmi_proto::{Action, Boot, Device, Endpoint, Event, Instant, Now, Settings, Transport, Udmi, UtcMillis};
//!
//! let endpoint = Endpoint { host: "localhost".into(), port: 1883, transport: Transport::Tcp };
//! let settings = Settings::new("AHU-1", endpoint, "/r/REG/d/AHU-1", "/r/REG/d/AHU-1");
//! let now = Now { at: Instant(0), utc: UtcMillis(1_772_359_200_000) };
//! let mut device = Device::new(Boot::new(now, 1), Udmi::new(settings)?);
//! // The first thing it wants is kept, the second a connection.
//! assert!(matches!(device.poll(), Some(Action::Store { .. })));
//! # while let Some(action) = device.poll() { if let Action::Open { .. } = action { break } }
//! device.handle(now, Event::Tick);
//! # Ok::<(), udmi_proto::SettingsError>(())
//! ```
//!
//! Six rules make a driver:
//!
//! 1. Call [`Device::handle`](Node::handle) with the time and one event.
//! 2. Pop [`Device::poll`](Node::poll) until it returns `None`, and do what it says, in order.
//! 3. Sleep until [`Device::deadline`](Node::deadline) or the next event, whichever is first.
//! 4. Answer each id once; late and double answers are ignored.
//! 5. Equal boots and equal events give equal actions, bit for bit.
//! 6. Nothing a peer sends can panic or grow memory past [`Limits`].
//!
//! Section signs in these docs (§3.6) point into the UDMI device specification the project works from.
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

mod actor;
mod blobset;
mod config;
mod credentials;
mod data_url;
mod device;
mod discovery;
pub mod family;
mod gateway;
mod json;
mod latch;
mod localnet;
mod logs;
pub mod model;
mod name;
mod persisted;
mod pointset;
mod port;
mod redirect;
mod scope;
mod secrets;
mod settings;
mod system;
mod topics;
mod udmi;

pub use actor::ProxyIx;
pub use data_url::{decode_data_url, percent_decode};
pub use device_link::{
    Algorithm, Boot, Closed, ConnId, Down, Endpoint, EndpointError, ExitReason, FetchError, FetchEvent,
    FetchId, HookId, Instant, Key, Limits, Load, Map, Node, Now, Outbound, Request, Secret, Set, SignError,
    SignId, SignRequest, StoreId, Stored, Transport, UtcMillis, WakeReason,
};
pub use gateway::GatewayLoad;
pub use json::{Json, JsonError};
pub use model::category::{Category, Level};
pub use model::value::Value;
pub use port::{
    BlobOutcome, Command, Found, Hook, Lifecycle, NewKey, Notice, Outcome, PointNames, Reading, Readings,
    ScanRequest, Target, Wanted, exit_code,
};
pub use scope::DeviceTimer;
pub use settings::{
    Credentials, GatewaySettings, Identity, Options, PointModel, ProxyMode, ProxySettings, Settings,
    SettingsError, Source, TokenSettings, ValueKind,
};
pub use udmi::{Tag, Timer, Udmi};

/// A UDMI device: the link with UDMI on it.
pub type Device = Node<Udmi>;
/// What happens to a device.
pub type Event = device_link::Event<Command, Outcome>;
/// What a device wants done.
pub type Action = device_link::Action<Hook, Notice>;
