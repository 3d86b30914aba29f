//! What a device cloud's protocol is to the link: rules over messages.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cx::Cx;
use crate::effect::{FetchEvent, SignError, SignRequest};
use crate::port::{Closed, Endpoint, FetchId, HookId, Key, StoreId, Stored, Token};
use crate::secret::Secret;
use crate::time::Now;
use crate::wire::{self, ConnectCode, Qos};

/// One cloud's rules over messages. It never sees bytes, sockets, packets or clocks.
pub trait Dialect: Sized {
    /// What the application may ask for.
    type Command: fmt::Debug + Clone + Serialize + DeserializeOwned;
    /// What the application is told.
    type Notice: fmt::Debug + Clone + Serialize + DeserializeOwned;
    /// What the application is asked.
    type Hook: fmt::Debug + Clone + Serialize + DeserializeOwned;
    /// What it answers.
    type Outcome: fmt::Debug + Clone + Serialize + DeserializeOwned;
    /// Names of deadlines.
    type Timer: fmt::Debug + Ord + Copy + Serialize + DeserializeOwned;
    /// What a subscription means; handed back with each of its messages.
    type Tag: fmt::Debug + Copy;

    /// How to connect, asked before every attempt.
    fn connect(&mut self, now: Now) -> ConnectSpec;
    /// The first call of a run, with what the store held.
    fn on_start(&mut self, cx: &mut Cx<'_, Self>, stored: &[Stored]);
    /// The link came up or went down.
    fn on_link(&mut self, cx: &mut Cx<'_, Self>, event: LinkEvent);
    /// The broker answered a subscription.
    fn on_subscribed(&mut self, cx: &mut Cx<'_, Self>, tag: Self::Tag, answer: Result<Qos, SubscribeRefused>);
    /// A message of one of the subscriptions. It is acknowledged already.
    fn on_message(&mut self, cx: &mut Cx<'_, Self>, tag: Self::Tag, message: Message<'_>);
    /// A message over [`Limits::packet_bytes`](crate::Limits::packet_bytes) has gone by on one of the subscriptions. It
    /// is acknowledged already, and nobody has its content.
    fn on_oversized(&mut self, cx: &mut Cx<'_, Self>, tag: Self::Tag, message: Oversized<'_>) {
        let _ = (cx, tag, message);
    }
    /// What became of a publish. Every token gets exactly one receipt.
    fn on_receipt(&mut self, cx: &mut Cx<'_, Self>, token: Token, receipt: Receipt);
    /// A deadline has come.
    fn on_timer(&mut self, cx: &mut Cx<'_, Self>, timer: Self::Timer);
    /// The application wants something.
    fn on_command(&mut self, cx: &mut Cx<'_, Self>, command: Self::Command);
    /// The application has answered a hook that is still wanted.
    fn on_hook(&mut self, cx: &mut Cx<'_, Self>, id: HookId, outcome: Self::Outcome);
    /// A store was tried.
    fn on_stored(&mut self, cx: &mut Cx<'_, Self>, id: StoreId, ok: bool);
    /// Something has happened to a fetch that is still wanted.
    fn on_fetched(&mut self, cx: &mut Cx<'_, Self>, id: FetchId, event: FetchEvent) {
        let _ = (cx, id, event);
    }
    /// Called after the timers that were due, if any, after each packet and after each event, in other words once
    /// everything that one cause has changed is known.
    fn on_settled(&mut self, cx: &mut Cx<'_, Self>) {
        let _ = cx;
    }

    /// What a trace shows in place of a stored value that holds a secret; none shows the value. The mask of a
    /// mask is the same mask, and what the dialect does with a masked value differs only in what is masked.
    #[must_use]
    fn mask_stored(key: &Key, value: &[u8]) -> Option<Vec<u8>> {
        let _ = (key, value);
        None
    }
    /// What a trace shows in place of a message's payload that holds a secret; none shows the payload. It has
    /// as many bytes as the payload (or is not used), and the dialect goes the same way on it.
    #[must_use]
    fn mask_message(topic: &str, payload: &[u8]) -> Option<Vec<u8>> {
        let _ = (topic, payload);
        None
    }
    /// What a trace shows in place of a hook that holds a secret; none shows the hook. What the masked message leads
    /// to is the mask of what the message leads to.
    #[must_use]
    fn mask_hook(hook: &Self::Hook) -> Option<Self::Hook> {
        let _ = hook;
        None
    }
    /// What a trace shows in place of a notice that holds a secret, as [`Dialect::mask_hook`] does of a hook.
    #[must_use]
    fn mask_notice(notice: &Self::Notice) -> Option<Self::Notice> {
        let _ = notice;
        None
    }
}

/// How to connect and who to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectSpec {
    /// Where to.
    pub endpoint: Endpoint,
    /// The MQTT client identifier, at most 65535 bytes.
    pub client_id: String,
    /// User name; a password without one is not sent [MQTT-3.1.2-22].
    pub username: Option<String>,
    /// Password.
    pub password: Option<Secret<String>>,
    /// Signed before CONNECT is sent; the password then is this text, a full stop and the signature, the compact
    /// form of a JSON web token (RFC 7515, section 3.1). Goes before `password`.
    pub token: Option<SignRequest>,
    /// What the broker publishes if the link is lost without DISCONNECT.
    pub will: Option<Will>,
    /// Seconds without traffic after which the broker may give up; 0 switches keep-alive off.
    pub keep_alive_seconds: u16,
    /// Whether the broker is to forget the session when the link goes.
    pub clean_session: bool,
}

/// The message a broker publishes in the name of a client that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// On which topic.
    pub topic: Topic,
    /// At most 65535 bytes.
    pub payload: Bytes,
    /// At which quality of service.
    pub qos: Qos,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
}

/// What became of the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The broker has accepted the connection; subscriptions have been asked for again.
    Up {
        /// Whether the broker still had the session.
        resumed: bool,
    },
    /// An attempt failed or the link was lost. The next attempt follows by itself.
    Down {
        /// Why.
        why: Down,
    },
}

/// Why the link is down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Down {
    /// The transport went, or never came.
    Closed(Closed),
    /// The broker refused the CONNECT.
    Refused(ConnectCode),
    /// The driver did not answer `Open` in time.
    OpenTimeout,
    /// No CONNACK in time.
    ConnAckTimeout,
    /// No SUBACK or UNSUBACK in time.
    SubAckTimeout,
    /// No answer to a PINGREQ in time.
    PingTimeout,
    /// The peer broke MQTT 3.1.1; the text says where.
    Protocol(String),
    /// The peer announced a packet over [`Limits::packet_bytes`](crate::Limits::packet_bytes) that is no message.
    PacketTooLarge,
    /// The token could not be signed.
    Unsigned(SignError),
    /// What [`Dialect::connect`] returned cannot be sent; the text says why.
    Unconnectable(String),
    /// The dialect asked for a fresh connection.
    Refresh,
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(why) => why.fmt(f),
            Self::Refused(code) => write!(f, "refused by the broker: {code}"),
            Self::OpenTimeout => f.write_str("no connection in time"),
            Self::ConnAckTimeout => f.write_str("no CONNACK in time"),
            Self::SubAckTimeout => f.write_str("no SUBACK in time"),
            Self::PingTimeout => f.write_str("no PINGRESP in time"),
            Self::Protocol(what) => write!(f, "the peer broke MQTT 3.1.1: {what}"),
            Self::PacketTooLarge => f.write_str("the peer sent a packet over the limit"),
            Self::Unsigned(error) => error.fmt(f),
            Self::Unconnectable(why) => write!(f, "cannot connect: {why}"),
            Self::Refresh => f.write_str("reconnecting as planned"),
        }
    }
}

/// A message for the dialect.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its content. A kept clone of it keeps the packet it came in alive: copy what is kept for long.
    pub payload: &'a Bytes,
    /// The quality of service it was delivered at.
    pub qos: Qos,
    /// Whether the broker had kept it from before the subscription.
    pub retain: bool,
    /// Whether this may be a repetition.
    pub duplicate: bool,
}

/// What is known of a message too large to be taken.
#[derive(Clone, Copy, Debug)]
pub struct Oversized<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// How many bytes its content had.
    pub bytes: usize,
    /// How many a whole packet may have: [`Limits::packet_bytes`](crate::Limits::packet_bytes).
    pub limit: usize,
    /// Whether the broker had kept it from before the subscription.
    pub retain: bool,
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct Publish {
    /// On which topic.
    pub topic: Topic,
    /// Its content.
    pub payload: Bytes,
    /// QoS 0 or 1; QoS 2 is sent as QoS 1.
    pub qos: Qos,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// What happens to it while there is no link.
    pub queue: Queue,
}

/// What happens to a publish while the link is down or the inflight window is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Lost at once while the link is down.
    Drop,
    /// Waits its turn; over the bound the oldest is lost.
    Bounded,
    /// Only the latest of a slot waits.
    Latest(Slot),
    /// As `Bounded`, but it waits as well while its gate is closed. All gates are closed until
    /// [`Cx::open_gate`](crate::Cx::open_gate), on each connection anew; not kept across restarts.
    Gated(Gate),
}

/// Names the place of which only the latest publish matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// Names publishes that may go out only from some moment of a connection on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gate(pub u32);

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// Handed to the transport at QoS 0; nothing more will be known.
    Sent,
    /// Acknowledged by the broker at QoS 1.
    Acked,
    /// It will not be sent (again).
    Lost(Lost),
}

/// Why a publish is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// There was no link and the publish was not to wait.
    Offline,
    /// The outbox was full and this was the oldest.
    Full,
    /// A later publish of the same slot took its place, or it was withdrawn.
    Superseded,
    /// It is over [`Limits::packet_bytes`](crate::Limits::packet_bytes) or the outbox in all.
    TooLarge,
    /// The node has ended.
    Ended,
}

/// Why a subscription is not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeRefused {
    /// The broker answered 0x80.
    ByBroker,
    /// [`Limits::subscriptions`](crate::Limits::subscriptions) are held already.
    Full,
}

/// The table this effect would go into is full; nothing was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many requests are waiting for an answer")
    }
}

impl core::error::Error for Full {}

/// A topic name: 1 to 65535 bytes without wildcards and U+0000 [MQTT-4.7.1-1]. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

impl Topic {
    /// A topic of that name.
    ///
    /// # Errors
    /// [`TopicError`] if MQTT does not allow it.
    pub fn new(name: &str) -> Result<Self, TopicError> {
        if wire::topic_name_ok(name) { Ok(Self(name.into())) } else { Err(TopicError) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A topic filter: like a topic, with whole-level wildcards `+` and a last `#` [MQTT-4.7.1-2].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Filter(Arc<str>);

impl Filter {
    /// A filter of that text.
    ///
    /// # Errors
    /// [`TopicError`] if MQTT does not allow it.
    pub fn new(text: &str) -> Result<Self, TopicError> {
        if wire::topic_filter_ok(text) { Ok(Self(text.into())) } else { Err(TopicError) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_exact(&self) -> bool {
        !self.0.contains(['+', '#'])
    }
}

/// A topic name or filter that MQTT does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicError;

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a topic is 1 to 65535 bytes without U+0000, and wildcards stand for whole levels of a filter",
        )
    }
}

impl core::error::Error for TopicError {}
