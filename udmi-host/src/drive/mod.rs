//! What a driver is made of, whatever it waits with: blocking threads, the caller's own loop, or futures. Unix only.
//!
//! An [`Engine`] holds a node of any dialect, its clock and its connection. It performs the actions that concern
//! the connection, and leaves the others to the [`World`] that the adapter is. Nothing here blocks or sleeps: the
//! adapter waits for what the engine names.

mod clock;
mod connection;
mod delegate;
mod engine;
mod equipment;
mod fetches;
mod inbox;
mod tls;
mod trace;
mod unsent;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::time::Duration;

use device_link::{Dialect, Key, Secret, SignError, SignRequest, Stored};

use crate::store::StoreError;
use crate::tls::{TlsConfig, TlsError};

pub use clock::Clock;
pub use connection::{Dialed, LINGER, Socket, reason};
pub use delegate::{Delegate, Delegated, EVENTS_AT_ONCE, merged};
pub use engine::{ActionOf, Engine, EventOf, Interest, OVERSLEEP, READ_BYTES, Ready, World};
pub use equipment::Equipment;
pub use fetches::{Fetches, Fetching, is_last};
pub use inbox::{Bell, Inbox};
pub use tls::TlsClients;
pub use trace::TraceOutput;

/// Commands that may wait unless told otherwise.
pub const COMMANDS_MAX: usize = 1024;
/// Notices that wait for a busy application unless told otherwise.
pub const NOTICES_MAX: usize = 1024;
/// Commands taken before the socket is looked after again.
pub const COMMANDS_AT_ONCE: usize = 64;
/// For connecting to all addresses of an endpoint together.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Addresses of one host that are tried.
pub const ADDRESSES_MAX: usize = 8;

/// A dialect whose run may move to another thread.
pub trait Threaded:
    Dialect<
        Command: Send + 'static,
        Notice: Send + 'static,
        Hook: Send + 'static,
        Outcome: Send + 'static,
        Timer: Send + 'static,
        Tag: Send + 'static,
    > + Send
    + 'static
{
}

impl<D> Threaded for D where
    D: Dialect<
            Command: Send + 'static,
            Notice: Send + 'static,
            Hook: Send + 'static,
            Outcome: Send + 'static,
            Timer: Send + 'static,
            Tag: Send + 'static,
        > + Send
        + 'static
{
}

/// Hears notices where the core runs.
pub type Observer<D> = Box<dyn FnMut(&<D as Dialect>::Notice) + Send>;

/// Signs with the device's private key. Never called where the core runs, but by a bare device.
pub type Signer = Box<dyn FnMut(&SignRequest) -> Result<Secret<String>, SignError> + Send>;

/// Makes the TLS settings of the next connection, for keys that change while the device runs.
pub type TlsSource = Box<dyn FnMut() -> Result<TlsConfig, TlsError> + Send>;

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// As many commands wait as the channel holds. Later there is room again.
    Full,
    /// The run has ended, or is about to.
    Ended,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many commands are waiting",
            Self::Ended => "the run has ended",
        })
    }
}

impl std::error::Error for SendError {}

/// Why a run did not start.
#[derive(Debug)]
pub enum DriverError {
    /// The store cannot be read.
    Store(StoreError),
    /// The operating system gives no thread or descriptor.
    Host(io::Error),
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Host(error) => write!(f, "cannot start: {error}"),
        }
    }
}

impl std::error::Error for DriverError {}

/// Signs, or says that there is nothing to sign with.
///
/// # Errors
/// Those of the signer, or [`SignError::NoKey`] without one.
pub fn sign(signer: &mut Option<Signer>, request: &SignRequest) -> Result<Secret<String>, SignError> {
    signer.as_mut().map_or(Err(SignError::NoKey), |signer| signer(request))
}

/// The share that one of `untried` addresses, the next one among them, has of the time that is left.
#[must_use]
pub fn share(left: Duration, untried: usize) -> Duration {
    (left / u32::try_from(untried.max(1)).unwrap_or(u32::MAX)).max(Duration::from_millis(1))
}

/// What the store held, as the core takes it; stores check their keys by the same rule.
#[must_use]
pub fn named(stored: BTreeMap<String, Vec<u8>>) -> Vec<Stored> {
    let name =
        |(key, value): (String, Vec<u8>)| Some(Stored { key: Key::new(&key).ok()?, value: value.into() });
    stored.into_iter().filter_map(name).collect()
}

/// A number that differs from run to run. Not for secrets.
#[must_use]
pub fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
