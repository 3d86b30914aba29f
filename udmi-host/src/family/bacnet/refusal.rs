//! Why a request has no result, and what that means for points and devices.

use std::fmt;

use super::channel::Over;
use super::codec::Broken;
use super::codec::apdu::Apdu;
use super::codec::service::Failure;
use crate::family::{PointError, ProviderError};

/// Why a request has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The device says what is wrong.
    Failure(Failure),
    /// The device does not understand the request.
    Reject(u8),
    /// The device has given the request up.
    Abort(u8),
    /// The result, or the request, is longer than a packet.
    TooLong,
    /// The answer is not well formed.
    Broken(Broken),
    /// The answer is to another question.
    Mismatch,
    /// There was no answer.
    Silent,
    /// Nobody waits any more.
    Over(Over),
    /// The host's network failed.
    Io(String),
}

/// Class and code of the failures that are looked at (clause 18).
pub(super) const SERVICES: u32 = 5;
const INVALID_DATA_TYPE: u32 = 9;
const VALUE_OUT_OF_RANGE: u32 = 37;
const DATATYPE_NOT_SUPPORTED: u32 = 47;

/// Reasons to reject (clause 18.8) and to abort (clause 18.9).
const INVALID_PARAMETER_DATA_TYPE: u8 = 3;
const PARAMETER_OUT_OF_RANGE: u8 = 6;
const REJECT_BUFFER_OVERFLOW: u8 = 1;
const ABORT_TOO_LONG: [u8; 4] = [1, 4, 9, 11];

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<Over> for Refusal {
    fn from(over: Over) -> Self {
        Self::Over(over)
    }
}

/// The result in an APDU that answers a request for this service; empty where it is only done.
///
/// # Errors
/// It has no result.
pub(super) fn result(apdu: &[u8], asked: u8) -> Result<&[u8], Refusal> {
    match Apdu::decode(apdu)? {
        Apdu::ComplexAck { service, content, .. } if service == asked => Ok(content),
        Apdu::SimpleAck { service, .. } if service == asked => Ok(&[]),
        Apdu::Error { service, content, .. } if service == asked => {
            Err(Refusal::Failure(Failure::decode(content)?))
        }
        Apdu::Reject { reason: REJECT_BUFFER_OVERFLOW, .. } => Err(Refusal::TooLong),
        Apdu::Reject { reason, .. } => Err(Refusal::Reject(reason)),
        Apdu::Abort { reason, .. } if ABORT_TOO_LONG.contains(&reason) => Err(Refusal::TooLong),
        Apdu::Abort { reason, .. } => Err(Refusal::Abort(reason)),
        Apdu::Segment { .. } => Err(Refusal::TooLong),
        Apdu::ComplexAck { .. }
        | Apdu::SimpleAck { .. }
        | Apdu::Error { .. }
        | Apdu::Confirmed { .. }
        | Apdu::Unconfirmed { .. }
        | Apdu::SegmentAck { .. } => Err(Refusal::Mismatch),
    }
}

impl Refusal {
    /// What it means for one point: an error of the point, if the device as such can be used.
    pub(super) fn at_point(self) -> Result<PointError, ProviderError> {
        match self {
            Self::Failure(_) | Self::Reject(_) | Self::Abort(_) | Self::TooLong => {
                Ok(PointError::Refused(self.to_string()))
            }
            Self::Broken(_) | Self::Mismatch => Ok(PointError::Garbled(self.to_string())),
            Self::Silent | Self::Over(_) | Self::Io(_) => Err(self.at_device()),
        }
    }

    /// What it means for a device as a whole.
    pub(super) fn at_device(self) -> ProviderError {
        match self {
            Self::Failure(_) | Self::Reject(_) | Self::Abort(_) | Self::TooLong => {
                ProviderError::Refused(self.to_string())
            }
            Self::Broken(_) | Self::Mismatch => ProviderError::Garbled(self.to_string()),
            Self::Silent | Self::Over(Over::Time) => ProviderError::Unreachable(self.to_string()),
            Self::Over(Over::Stopped) => ProviderError::Stopped,
            Self::Io(why) => ProviderError::Io(why),
        }
    }

    /// Whether it says that the value written is wrong.
    pub(super) fn is_of_value(&self) -> bool {
        match self {
            Self::Failure(failure) => {
                [INVALID_DATA_TYPE, VALUE_OUT_OF_RANGE, DATATYPE_NOT_SUPPORTED].contains(&failure.code)
            }
            Self::Reject(reason) => [INVALID_PARAMETER_DATA_TYPE, PARAMETER_OUT_OF_RANGE].contains(reason),
            Self::TooLong => true,
            Self::Abort(_)
            | Self::Broken(_)
            | Self::Mismatch
            | Self::Silent
            | Self::Over(_)
            | Self::Io(_) => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failure(failure) => f.write_str(&failure_text(*failure)),
            Self::Reject(9) => f.write_str("unrecognized service"),
            Self::Reject(reason) => write!(f, "rejected, reason {reason}"),
            Self::Abort(reason) => write!(f, "aborted, reason {reason}"),
            Self::TooLong => f.write_str("too long for a packet"),
            Self::Broken(broken) => broken.fmt(f),
            Self::Mismatch => f.write_str("an answer to another question"),
            Self::Silent => f.write_str("no answer"),
            Self::Over(Over::Stopped) => f.write_str("stopped"),
            Self::Over(Over::Time) => f.write_str("not done in time"),
            Self::Io(why) => f.write_str(why),
        }
    }
}

pub(super) fn failure_text(Failure { class, code }: Failure) -> String {
    let known = match code {
        2 => "configuration in progress",
        3 => "device busy",
        INVALID_DATA_TYPE => "invalid data type",
        25 => "operational problem",
        27 => "read access denied",
        29 => "service request denied",
        31 => "unknown object",
        32 => "unknown property",
        VALUE_OUT_OF_RANGE => "value out of range",
        40 => "write access denied",
        41 => "character set not supported",
        42 => "invalid array index",
        DATATYPE_NOT_SUPPORTED => "datatype not supported",
        50 => "property is not an array",
        _ => return format!("error class {class}, code {code}"),
    };
    known.to_owned()
}
