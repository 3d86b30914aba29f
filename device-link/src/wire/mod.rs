//! MQTT 3.1.1 packets on the wire: strict in both directions.
//!
//! The only module that names `mqttbytes`. That crate frames and parses soundly but lets many violations pass
//! and writes packets that cannot be read again, so everything it does not check is checked here, before it
//! sees a frame (`check`) or after it made a packet; CONNECT and PUBLISH are written without it.
//!
//! # Memory
//!
//! [`decode`] does not copy a PUBLISH payload: it is a slice of the read buffer, and keeping it keeps the
//! buffer's whole allocation. Whoever stores a payload copies it first (`Bytes::copy_from_slice`).

mod check;
mod oversized;
mod read;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
mod topic;
mod write;

pub use oversized::{Oversized, oversized};
pub use read::{decode, missing};
pub use topic::{MAX_STRING, topic_filter_ok, topic_matches, topic_name_ok};
pub use write::{encode, encode_publish, encode_publish_head};

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::num::NonZeroU16;
use serde::{Deserialize, Serialize};

/// The largest remaining length MQTT 3.1.1 can express, in bytes (section 2.2.3).
pub const MAX_REMAINING: usize = 268_435_455;

/// One MQTT 3.1.1 control packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// The client's first packet.
    Connect(Connect),
    /// The server's answer to it.
    ConnAck {
        /// Whether the server still has this client's session.
        session_present: bool,
        /// Accepted, or why not.
        code: ConnectCode,
    },
    /// A message.
    Publish(Publish),
    /// Receipt of a QoS 1 message.
    PubAck(PacketId),
    /// Receipt of a QoS 2 message, first step.
    PubRec(PacketId),
    /// Release of a QoS 2 message, second step.
    PubRel(PacketId),
    /// Completion of a QoS 2 message, third step.
    PubComp(PacketId),
    /// A wish for messages.
    Subscribe {
        /// Answered by the SUBACK of the same identifier.
        id: PacketId,
        /// Filters with the highest QoS wanted; never empty on the wire.
        filters: Vec<(String, Qos)>,
    },
    /// The answer to SUBSCRIBE, one code for each filter in its order.
    SubAck {
        /// The identifier of the SUBSCRIBE.
        id: PacketId,
        /// The QoS granted, `None` where refused (0x80).
        codes: Vec<Option<Qos>>,
    },
    /// The end of a wish for messages.
    Unsubscribe {
        /// Answered by the UNSUBACK of the same identifier.
        id: PacketId,
        /// The filters, written as in SUBSCRIBE; never empty on the wire.
        filters: Vec<String>,
    },
    /// The answer to UNSUBSCRIBE.
    UnsubAck(PacketId),
    /// Keep-alive question.
    PingReq,
    /// Keep-alive answer.
    PingResp,
    /// The client's orderly goodbye; its will is dropped.
    Disconnect,
}

/// The CONNECT packet. Its `Debug` text masks the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Connect {
    /// Up to 65535 bytes; empty only with `clean_session` (a server answers code 2 otherwise).
    pub client_id: String,
    /// Whether the server forgets this client's session before and after the connection.
    pub clean_session: bool,
    /// Seconds; the server closes after one and a half times as long without a packet; 0 is never.
    pub keep_alive: u16,
    /// Published by the server when the connection is lost without DISCONNECT.
    pub will: Option<Will>,
    /// Needed if there is a password.
    pub username: Option<String>,
    /// Up to 65535 bytes, any of them.
    pub password: Option<Bytes>,
}

impl fmt::Debug for Connect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Connect")
            .field("client_id", &self.client_id)
            .field("clean_session", &self.clean_session)
            .field("keep_alive", &self.keep_alive)
            .field("will", &self.will)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .finish()
    }
}

/// The message a server publishes for a client that vanished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// A topic name without wildcards.
    pub topic: String,
    /// Up to 65535 bytes.
    pub payload: Bytes,
    /// How it is delivered.
    pub qos: Qos,
    /// Whether the server keeps it for later subscribers.
    pub retain: bool,
}

/// The PUBLISH packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// A topic name without wildcards.
    pub topic: String,
    /// After [`decode`] a slice of the read buffer: copy what is kept.
    pub payload: Bytes,
    /// How it is delivered.
    pub qos: Qos,
    /// To a server: keep it; from a server: it was kept.
    pub retain: bool,
    /// It may have been sent before; never with QoS 0.
    pub dup: bool,
    /// Present exactly when `qos` is not [`Qos::AtMostOnce`].
    pub id: Option<PacketId>,
}

/// A packet identifier: 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// Identifier 1.
    pub const FIRST: Self = Self(NonZeroU16::MIN);

    /// `None` for 0.
    #[must_use]
    pub fn new(id: u16) -> Option<Self> {
        NonZeroU16::new(id).map(Self)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The following identifier; 1 follows 65535.
    #[must_use]
    pub fn next(self) -> Self {
        self.0.checked_add(1).map_or(Self::FIRST, Self)
    }
}

/// Quality of service, weakest first.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Qos {
    /// QoS 0: sent and forgotten.
    #[default]
    AtMostOnce,
    /// QoS 1: sent until acknowledged.
    AtLeastOnce,
    /// QoS 2: a two-step hand-over.
    ExactlyOnce,
}

impl Qos {
    const fn bits(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }
}

/// The return code of CONNACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConnectCode {
    /// 0
    Accepted,
    /// 1: the server speaks another protocol level.
    UnacceptableProtocol,
    /// 2: the client identifier is not allowed.
    IdentifierRejected,
    /// 3: the server cannot serve now.
    ServerUnavailable,
    /// 4: the user name or password is malformed.
    BadUsernameOrPassword,
    /// 5: this client may not connect.
    NotAuthorized,
}

impl fmt::Display for ConnectCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Accepted => "accepted",
            Self::UnacceptableProtocol => "unacceptable protocol version",
            Self::IdentifierRejected => "client identifier rejected",
            Self::ServerUnavailable => "server unavailable",
            Self::BadUsernameOrPassword => "bad user name or password",
            Self::NotAuthorized => "not authorized",
        })
    }
}

/// Why bytes are no packet or a packet has no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireError {
    /// The packet's header announces more than allowed; close the connection.
    TooLarge {
        /// Bytes of the whole packet.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The bytes violate MQTT 3.1.1; close the connection.
    Malformed(&'static str),
    /// A CONNECT of another protocol level than 4: a server answers code 1, then closes [MQTT-3.1.2-2].
    UnsupportedLevel(u8),
    /// MQTT 3.1.1 cannot express the packet; nothing was written.
    Unencodable(&'static str),
}

impl fmt::Display for WireError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, limit } => write!(out, "packet of {size} bytes, {limit} are allowed"),
            Self::Malformed(what) => write!(out, "malformed packet: {what}"),
            Self::UnsupportedLevel(level) => write!(out, "unsupported protocol level {level}"),
            Self::Unencodable(what) => write!(out, "packet cannot be encoded: {what}"),
        }
    }
}

impl core::error::Error for WireError {}
