//! What the broker's core says.

use crate::{ConnId, Qos};
use bytes::Bytes;
use device_link::wire::{ConnectCode, Publish, WireError};
use std::sync::Arc;

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write these bytes, and report it with [`Broker::written`](crate::Broker::written).
    Send {
        /// The connection.
        conn: ConnId,
        /// What to write, after all that was to be written before.
        bytes: Bytes,
    },
    /// Write what can be written at once, then close. The broker has forgotten the connection.
    Close {
        /// The connection.
        conn: ConnId,
    },
    /// Something an observer may want to know; only after [`Broker::watch`](crate::Broker::watch).
    Note(Note),
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A CONNECT was accepted.
    Connected {
        /// The client identifier, ours if it gave none.
        client: Arc<str>,
        /// Its user name.
        user: Option<String>,
    },
    /// A client that was connected is no more.
    Disconnected {
        /// The client identifier.
        client: Arc<str>,
        /// Why.
        why: Ended,
    },
    /// A client published something it may publish.
    Published {
        /// The client identifier.
        client: Option<Arc<str>>,
        /// The topic name.
        topic: String,
        /// The payload.
        payload: Bytes,
        /// As published.
        qos: Qos,
        /// Whether it is kept.
        retain: bool,
    },
}

impl Note {
    pub(crate) fn published(client: Option<Arc<str>>, publish: &Publish) -> Self {
        Self::Published {
            client,
            topic: publish.topic.clone(),
            payload: Bytes::copy_from_slice(&publish.payload),
            qos: publish.qos,
            retain: publish.retain,
        }
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// DISCONNECT; the only end without a will.
    Goodbye,
    /// The transport was lost.
    Lost,
    /// Nothing came for one and a half times the keep-alive, or no CONNECT came.
    Silent,
    /// The same client connected again.
    TakenOver,
    /// It did not read what was sent.
    SlowReader,
    /// It holds back too many releases of QoS 2 messages.
    TooManyUnreleased,
    /// CONNECT was refused.
    Refused(ConnectCode),
    /// It sent what MQTT 3.1.1 forbids.
    Violation(WireError),
}

/// Counts since the start, and how much there is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections now.
    pub connections: usize,
    /// Sessions now, connected or kept.
    pub sessions: usize,
    /// Retained messages now.
    pub retained_messages: usize,
    /// Bytes of their topics and payloads.
    pub retained_bytes: usize,
    /// Messages published, wills included.
    pub published: u64,
    /// Messages dropped because a session's queue was full.
    pub messages_dropped: u64,
    /// Publishes an account does not allow.
    pub publishes_denied: u64,
    /// Filters answered with 0x80.
    pub subscriptions_refused: u64,
    /// Retained messages there was no room for.
    pub retained_refused: u64,
    /// Connections dropped because they did not read.
    pub slow_readers: u64,
    /// CONNECTs refused.
    pub connects_refused: u64,
    /// Connections closed at once because there were too many.
    pub connections_refused: u64,
    /// Client identifiers made up.
    pub names_given: u64,
}
