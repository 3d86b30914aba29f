//! Effects that take their time beside storing and asking: signing, and fetching into a staged file.

use alloc::string::String;
use core::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::octets;
use crate::secret::mask_url;

/// Which key a signature is wanted of, and in which form (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256, the signature as two numbers of 32 bytes.
    Es256,
}

impl Algorithm {
    /// Its registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

/// What is to be signed with the device's private key, which never enters the core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignRequest {
    /// With which algorithm.
    pub algorithm: Algorithm,
    /// These bytes; text, since that is all that is signed here.
    pub input: String,
}

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignError {
    /// The host has no private key.
    NoKey,
    /// The key is not of the algorithm's kind.
    WrongKind,
    /// Signing failed; the text says why and never holds key material.
    Failed(String),
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("there is no private key to sign with"),
            Self::WrongKind => f.write_str("the private key is of another kind than the algorithm wants"),
            Self::Failed(why) => write!(f, "signing failed: {why}"),
        }
    }
}

impl core::error::Error for SignError {}

/// Something to fetch into a staged file of the host.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// From where. Which schemes are allowed is the host's policy. Traces and `Debug` show it by [`mask_url`].
    pub url: String,
    /// The most bytes wanted; one more ends the fetch with [`FetchError::TooLarge`].
    pub limit: u64,
}

impl Request {
    /// The same with its URL masked.
    #[must_use]
    pub fn masked(&self) -> Self {
        Self { url: mask_url(&self.url), limit: self.limit }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("url", &mask_url(&self.url)).field("limit", &self.limit).finish()
    }
}

/// What happens to a fetch. Chunks come in order, each byte once, until `Done` or `Failed` ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FetchEvent {
    /// The size in bytes, if the source tells it, before the first chunk.
    Size(u64),
    /// The next bytes, staged already.
    Chunk(#[serde(with = "octets")] Bytes),
    /// The source has changed: what came before is void, and the fetch begins anew.
    Restarted,
    /// All bytes are staged and safe.
    Done,
    /// It is over; nothing is staged any more.
    Failed(FetchError),
}

/// Why a fetch failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FetchError {
    /// The URL cannot be read, or its scheme is not allowed.
    Url(String),
    /// No connection, or it was lost too often.
    Unreachable(String),
    /// The server answered with this status.
    Status(u16),
    /// More bytes than the limit.
    TooLarge,
    /// It took too long.
    Timeout,
    /// The host could not stage it.
    Storage(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(why) => write!(f, "the URL cannot be used: {why}"),
            Self::Unreachable(why) => write!(f, "unreachable: {why}"),
            Self::Status(status) => write!(f, "the server answered {status}"),
            Self::TooLarge => f.write_str("larger than allowed"),
            Self::Timeout => f.write_str("it took too long"),
            Self::Storage(why) => write!(f, "cannot be stored: {why}"),
        }
    }
}

impl core::error::Error for FetchError {}
