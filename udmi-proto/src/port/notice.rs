//! What an application is told.

use alloc::boxed::Box;
use alloc::string::String;

use device_link::{Down, Endpoint};
use serde::{Deserialize, Serialize};

use crate::json::Json;
use crate::model::common::Mode;
use crate::model::entry::Entry;

/// What the application is told. Never needed for progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Notice {
    /// The broker has accepted the connection.
    Connected {
        /// Whether it still had the session.
        resumed: bool,
    },
    /// An attempt failed or the link was lost.
    Disconnected {
        /// Why.
        why: Down,
    },
    /// The broker refused a subscription.
    SubscriptionRefused {
        /// The last part of its topic, such as `commands`.
        topic: String,
    },
    /// A config is in force.
    ConfigApplied {
        /// Its timestamp, as received.
        timestamp: String,
        /// What could not be used of it, if anything.
        finding: Option<String>,
    },
    /// A config could not be used at all; the one before stays in force.
    ConfigRejected {
        /// Why.
        reason: String,
    },
    /// A top-level config block named in the settings; none if the config has none.
    Block {
        /// Its name.
        name: String,
        /// Its content.
        content: Option<Json>,
    },
    /// The operation mode has changed.
    ModeChanged {
        /// To this.
        mode: Mode,
    },
    /// A state was handed to the outbox.
    StatePublished,
    /// The device leaves its endpoint for another, as its config wants (§5.3).
    Redirecting {
        /// Where to.
        to: Endpoint,
        /// The generation of the order, as received.
        generation: String,
    },
    /// A redirect has come to its end.
    Redirected {
        /// The endpoint in use from now on.
        endpoint: Endpoint,
        /// The generation of the order, as received.
        generation: String,
        /// Why it failed, if it did.
        failure: Option<String>,
    },
    /// A blob is being fetched. Told at most once a second.
    BlobProgress {
        /// Which blob.
        name: String,
        /// Bytes there are.
        received: u64,
        /// Bytes there will be, if known.
        total: Option<u64>,
        /// Bytes a second since the start.
        rate: u64,
    },
    /// A blob has come to its end.
    BlobFinished {
        /// Which blob.
        name: String,
        /// The generation, as received.
        generation: String,
        /// Why it failed, if it did.
        failure: Option<String>,
    },
    /// A new key pair is in use from the next connection on. Told again by each run until the broker has taken it.
    KeyRotated {
        /// The public key as PEM (SubjectPublicKeyInfo), to be registered.
        public_key: String,
        /// The name of the old pair's backup.
        backup: String,
    },
    /// The broker refused the new key: the old one is back in use.
    KeyRestored {
        /// The name of the backup it came from.
        backup: String,
    },
    /// An entry was logged at or above the level in force.
    Logged(Entry),
    /// Messages were lost because the outbox was full.
    OutboxFull {
        /// How many since birth.
        lost: u64,
    },
    /// A stored value cannot be read and is ignored.
    StoredUnreadable {
        /// Its key.
        key: String,
        /// Why.
        reason: String,
    },
    /// A proxied device tells one of the others.
    Proxied {
        /// Its id.
        device: String,
        /// What it tells.
        notice: Box<Self>,
    },
    /// A proxied device is attached: from now on it has configs and may publish (§1.10).
    ProxyAttached {
        /// Its id.
        device: String,
    },
    /// A proxied device that was attached is not any more.
    ProxyDetached {
        /// Its id.
        device: String,
    },
    /// An attempt to attach a proxied device has failed. The next follows by itself.
    ProxyRefused {
        /// Its id.
        device: String,
        /// Why.
        reason: String,
    },
    /// A command of the application could not be carried out.
    CommandRefused {
        /// Why.
        reason: String,
    },
}
