//! The port: everything that crosses the border of the core, in either direction.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::effect::{FetchEvent, Request, SignError, SignRequest};
use crate::limits::Limits;
use crate::octets;
use crate::secret::Secret;
use crate::time::Now;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub(crate) u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "#{}", self.0)
            }
        }
    )+};
}
id!(
    /// One transport connection. Never reused within a run.
    ConnId,
    /// One pending write to the persistent store.
    StoreId,
    /// One pending hook invocation.
    HookId,
    /// One publish, from [`Cx::publish`](crate::Cx::publish) to its receipt.
    Token,
    /// One pending signature.
    SignId,
    /// One fetch and its staged file.
    FetchId,
);

impl Token {
    /// Of what a former run has published: nobody waits for its receipt. No publish gets this number.
    pub(crate) const RESTORED: Self = Self(0);
}

/// How bytes travel below MQTT. The core always sees plain bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Plain TCP.
    Tcp,
    /// TLS 1.2 or later over TCP, the server's certificate verified.
    #[default]
    Tls,
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Host name or address literal.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What runs on it.
    pub transport: Transport,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            Transport::Tcp => "mqtt",
            Transport::Tls => "mqtts",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// Why a transport is gone, or never came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Closed {
    /// The peer's machine refused the connection.
    Refused,
    /// The connection broke.
    Reset,
    /// The peer ended the stream in order.
    Eof,
    /// The peer did not answer, or stopped reading, for too long.
    Timeout,
    /// The host name has no address.
    Resolve,
    /// TLS was refused; the text names the cause.
    Tls(String),
    /// The device's own machine gave no connection, for want of descriptors or of a network; the text names the cause.
    Host(String),
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Reset => f.write_str("connection reset"),
            Self::Eof => f.write_str("closed by the peer"),
            Self::Timeout => f.write_str("timed out"),
            Self::Resolve => f.write_str("host name not resolved"),
            Self::Tls(cause) => write!(f, "TLS: {cause}"),
            Self::Host(cause) => write!(f, "this machine: {cause}"),
        }
    }
}

/// The name of a stored value: 1 to 64 characters of `[a-z0-9_]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

impl Key {
    /// A key of that name.
    ///
    /// # Errors
    /// [`KeyError`] if the name is empty, over 64 characters or has characters outside `[a-z0-9_]`.
    pub fn new(name: &str) -> Result<Self, KeyError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(KeyError);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(name: String) -> Result<Self, KeyError> {
        Self::new(&name)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

/// A key's name is empty, too long or has characters outside `[a-z0-9_]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError;

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key is 1 to 64 characters of a-z, 0-9 and _")
    }
}

impl core::error::Error for KeyError {}

/// Why the core asks its driver to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitReason {
    /// Start again with fresh state.
    Restart,
    /// Stop; another instance has taken over or the cloud asked for it.
    Terminate,
    /// Stop in order.
    Shutdown,
}

/// What a node is born with. Equal boots and equal events give equal actions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// The moment of birth, on both clocks.
    pub now: Now,
    /// Seeds jitter and identifiers.
    pub seed: u64,
    /// What the store held, by key.
    pub stored: Vec<Stored>,
    /// The bounds in force.
    pub limits: Limits,
}

impl Boot {
    /// A boot with nothing stored and default limits.
    #[must_use]
    pub fn new(now: Now, seed: u64) -> Self {
        Self { now, seed, stored: Vec::new(), limits: Limits::default() }
    }
}

/// One value of the persistent store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its name.
    pub key: Key,
    /// Its content.
    #[serde(with = "octets")]
    pub value: Bytes,
}

/// What happened outside. `C` are the dialect's commands, `O` its hook outcomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event<C, O> {
    /// Only time passed.
    Tick,
    /// The transport, and TLS on it, is up.
    Opened {
        /// Which connection.
        conn: ConnId,
    },
    /// Bytes arrived.
    Received {
        /// On which connection.
        conn: ConnId,
        /// In pieces of any size.
        #[serde(with = "octets")]
        bytes: Bytes,
    },
    /// The transport is gone, or never came.
    Closed {
        /// Which connection.
        conn: ConnId,
        /// Why.
        why: Closed,
    },
    /// A store was tried.
    Stored {
        /// Which one.
        id: StoreId,
        /// Whether the value is safe.
        ok: bool,
    },
    /// A signature was made, or could not be.
    Signed {
        /// Which one.
        id: SignId,
        /// The signature in base64url without padding (RFC 7515, section 2).
        result: Result<Secret<String>, SignError>,
    },
    /// Something has happened to a fetch.
    Fetched {
        /// Which one.
        id: FetchId,
        /// What.
        event: FetchEvent,
    },
    /// A hook has come to its end.
    HookDone {
        /// Which invocation.
        id: HookId,
        /// With what outcome.
        outcome: O,
    },
    /// The application wants something.
    Command(C),
}

/// Bytes to send, in one part or more: a large payload is a part by itself, so that it need not be copied. A CONNECT
/// carries a second form with its password masked, which is what a trace shows.
#[derive(Clone, Debug)]
pub struct Outbound {
    first: Bytes,
    further: Vec<Bytes>,
    masked: Option<Bytes>,
}

impl Outbound {
    /// `last` comes after the parts and may be empty.
    pub(crate) fn new(mut parts: Vec<Bytes>, last: Bytes, masked: Option<Bytes>) -> Self {
        if parts.is_empty() {
            return Self { first: last, further: Vec::new(), masked };
        }
        if !last.is_empty() {
            parts.push(last);
        }
        Self { first: Bytes::new(), further: parts, masked }
    }

    /// What goes to the peer, in this order.
    pub fn parts(&self) -> impl Iterator<Item = &Bytes> {
        core::iter::once(&self.first).chain(&self.further).filter(|part| !part.is_empty())
    }

    /// What goes to the peer in one piece: to look at, since it copies what has several parts.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        if self.further.is_empty() {
            return self.first.clone();
        }
        let mut joined = Vec::with_capacity(self.parts().map(Bytes::len).sum());
        self.parts().for_each(|part| joined.extend_from_slice(part));
        joined.into()
    }

    /// What may be shown: the same with secrets masked.
    #[must_use]
    pub fn shown(&self) -> Bytes {
        self.masked.clone().unwrap_or_else(|| self.bytes())
    }
}

impl From<Bytes> for Outbound {
    fn from(bytes: Bytes) -> Self {
        Self::new(Vec::new(), bytes, None)
    }
}

/// How the bytes are parted makes no difference.
impl PartialEq for Outbound {
    fn eq(&self, other: &Self) -> bool {
        self.masked == other.masked && self.bytes() == other.bytes()
    }
}

impl Eq for Outbound {}

impl Serialize for Outbound {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        octets::serialize(&self.shown(), serializer)
    }
}

impl<'de> Deserialize<'de> for Outbound {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        octets::deserialize(deserializer).map(Self::from)
    }
}

/// What the driver must do, in order. `H` are the dialect's hooks, `N` its notices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action<H, N> {
    /// Connect; answer with `Opened` or `Closed`.
    Open {
        /// The name of the connection from now on.
        conn: ConnId,
        /// Where to.
        to: Endpoint,
    },
    /// Write these bytes; at most one `Send` for each call of `handle`.
    Send {
        /// On which connection.
        conn: ConnId,
        /// All of them, in this order.
        bytes: Outbound,
    },
    /// Write what is still unwritten, then close. No answer is expected.
    Close {
        /// Which connection.
        conn: ConnId,
    },
    /// Keep a value across restarts; answer with `Stored`.
    Store {
        /// The name of the answer.
        id: StoreId,
        /// Under which key.
        key: Key,
        /// The value; none deletes it.
        #[serde(with = "octets::optional")]
        value: Option<Bytes>,
    },
    /// Sign with the device's private key; answer with `Signed`.
    Sign {
        /// The name of the answer.
        id: SignId,
        /// What, and how.
        request: SignRequest,
    },
    /// Fetch into a staged file; answer with `Fetched`, several times.
    Fetch {
        /// The name of the answers and of the staged file.
        id: FetchId,
        /// What to fetch.
        request: Request,
    },
    /// Nobody wants this fetch or its staged file any more: stop, and remove the file. None comes at the end of
    /// a run: what is staged then is the host's to keep or to clean, as it knows what the next run wants.
    Release {
        /// Which one.
        id: FetchId,
    },
    /// Ask the application; answer with `HookDone`.
    InvokeHook {
        /// The name of the answer.
        id: HookId,
        /// What is asked.
        hook: H,
    },
    /// Nobody waits for this hook any more; an answer is harmless.
    CancelHook {
        /// Which invocation.
        id: HookId,
    },
    /// For the application to know. Never needed for progress.
    Notify(N),
    /// The last action of a run: end, and start again if it says so.
    Exit(ExitReason),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_outbound_shows_and_serialises_only_its_mask() {
        let out = Outbound::new(Vec::new(), Bytes::from_static(b"hunter2"), Some(Bytes::from_static(b"***")));
        assert_eq!(out.bytes().as_ref(), b"hunter2");
        assert!(!serde_json::to_string(&out).unwrap().contains("68756e74657232"));
    }

    #[test]
    fn how_bytes_to_send_are_parted_makes_no_difference() {
        let part = |text: &'static str| Bytes::from_static(text.as_bytes());
        let parted = Outbound::new(alloc::vec![part("head"), part("payload")], part("next"), None);
        let joined = Outbound::from(part("headpayloadnext"));
        assert_eq!(parted, joined);
        assert_eq!((parted.parts().count(), joined.parts().count()), (3, 1));
        assert_eq!(serde_json::to_string(&parted).unwrap(), serde_json::to_string(&joined).unwrap());
    }

    #[test]
    fn keys_are_file_names_everywhere() {
        assert!(Key::new("restart_count").is_ok());
        for bad in ["", "../etc", "A", "a b", &"x".repeat(65)] {
            assert_eq!(Key::new(bad), Err(KeyError), "{bad}");
        }
    }
}
