//! What an application installs, and what it hears of endpoints.

use std::fmt;
use std::path::PathBuf;

use udmi_proto::{Endpoint, Notice};

/// A fetched blob whose SHA-256 is the one of the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its name, such as `system`.
    pub name: String,
    /// The staged file. It is gone once the closure, or its future, has said how it went: move it away, or copy it.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// The generation, as received.
    pub generation: String,
}

/// Why a blob was not installed. A text becomes [`BlobError::Failed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobError {
    /// The content is wrong, or does not fit this device.
    Invalid(String),
    /// Installing has failed.
    Failed(String),
    /// Installing was called off.
    Aborted(String),
    /// Installing has failed and was undone.
    RolledBack(String),
}

/// What becomes of the device's endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect<'a> {
    /// The device is about to leave its endpoint for this one.
    Leaving {
        /// Where to.
        to: &'a Endpoint,
        /// The generation of the order, as received.
        generation: &'a str,
    },
    /// That has come to its end.
    Ended {
        /// The endpoint in use from now on.
        endpoint: &'a Endpoint,
        /// The generation of the order, as received.
        generation: &'a str,
        /// Why it failed, if it did.
        failure: Option<&'a str>,
    },
}

impl<'a> Redirect<'a> {
    pub(crate) fn of(notice: &'a Notice) -> Option<Self> {
        match notice {
            Notice::Redirecting { to, generation } => Some(Self::Leaving { to, generation }),
            Notice::Redirected { endpoint, generation, failure } => {
                Some(Self::Ended { endpoint, generation, failure: failure.as_deref() })
            }
            _ => None,
        }
    }
}

impl From<&str> for BlobError {
    fn from(text: &str) -> Self {
        Self::Failed(text.to_owned())
    }
}

impl From<String> for BlobError {
    fn from(text: String) -> Self {
        Self::Failed(text)
    }
}

impl From<std::io::Error> for BlobError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => write!(f, "invalid content: {why}"),
            Self::Failed(why) => f.write_str(why),
            Self::Aborted(why) => write!(f, "called off: {why}"),
            Self::RolledBack(why) => write!(f, "undone: {why}"),
        }
    }
}

impl std::error::Error for BlobError {}
