//! Why a call of a family has failed: the device as a whole, a point, or the value written.

use std::fmt;

/// Why a device or a family as a whole cannot be used. The texts are shown to people, in state and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderError {
    /// The target is none of this family, or says too little.
    Target(String),
    /// The device cannot be found, or does not answer.
    Unreachable(String),
    /// The device answered with what the protocol does not allow.
    Garbled(String),
    /// The device refused.
    Refused(String),
    /// The host's network or line cannot be used.
    Io(String),
    /// Nobody speaks this family.
    NoProvider,
    /// The provider did not come back in time. Its thread may still hang.
    Hung,
    /// The provider panicked.
    Panicked(String),
    /// Too much waits already.
    Busy,
    /// The call was stopped.
    Stopped,
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(why) => write!(f, "unusable target: {why}"),
            Self::Unreachable(why) => write!(f, "unreachable: {why}"),
            Self::Garbled(why) => write!(f, "unreadable answer: {why}"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Io(why) => write!(f, "network: {why}"),
            Self::NoProvider => f.write_str("no provider for this family"),
            Self::Hung => f.write_str("no answer in time, and the call cannot be stopped"),
            Self::Panicked(why) => write!(f, "the provider failed: {why}"),
            Self::Busy => f.write_str("too many calls wait"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

impl std::error::Error for ProviderError {}

/// Why a point cannot be read or written, while its device can. The texts are shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PointError {
    /// The reference is none of this family, or does not exist on the device.
    Reference(String),
    /// The device refused.
    Refused(String),
    /// The device answered with what the protocol does not allow.
    Garbled(String),
    /// The device holds something there that is no value of a point, such as a list or nothing.
    Unusable(String),
}

impl fmt::Display for PointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(why) => write!(f, "unusable reference: {why}"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Garbled(why) => write!(f, "unreadable answer: {why}"),
            Self::Unusable(why) => write!(f, "no value: {why}"),
        }
    }
}

impl std::error::Error for PointError {}

/// Why a point was not written or released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The value is of the wrong type or out of range.
    Invalid(String),
    /// The point cannot be written.
    Point(PointError),
    /// The device cannot be reached or used.
    Provider(ProviderError),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => write!(f, "invalid value: {why}"),
            Self::Point(error) => error.fmt(f),
            Self::Provider(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WriteError {}

impl From<ProviderError> for WriteError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl From<PointError> for WriteError {
    fn from(error: PointError) -> Self {
        Self::Point(error)
    }
}
