//! One call of a family as data, and its answer.

use udmi_proto::{Found, ScanRequest, Target, Value};

use super::FamilyProvider;
use super::error::{PointError, ProviderError, WriteError};
use super::stop::Stop;

/// What is to be done with field devices.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// Look for devices. Answered by any number of [`Answer::Found`] and one [`Answer::Scanned`].
    Scan(ScanRequest),
    /// Read points of a device. Answered by [`Answer::Read`].
    Read {
        /// The device.
        target: Target,
        /// The points.
        references: Vec<String>,
    },
    /// Write a point of a device, or release it. Answered by [`Answer::Written`].
    Write {
        /// The device.
        target: Target,
        /// The point.
        reference: String,
        /// The value; none releases the point.
        value: Option<Value>,
    },
}

/// What has come of a [`Call`].
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A scan has found a device; more may follow.
    Found(Box<Found>),
    /// A scan has ended.
    Scanned(Result<(), ProviderError>),
    /// A value or an error for each reference, in their order.
    Read(Result<Vec<Result<Value, PointError>>, ProviderError>),
    /// A point was written or released, or not.
    Written(Result<(), WriteError>),
}

impl Call {
    /// The family it is for.
    #[must_use]
    pub fn family(&self) -> &str {
        match self {
            Self::Scan(request) => &request.family,
            Self::Read { target, .. } | Self::Write { target, .. } => &target.family,
        }
    }

    /// The device it is for; none if it is a scan.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        match self {
            Self::Scan(_) => None,
            Self::Read { target, .. } | Self::Write { target, .. } => Some(target),
        }
    }

    /// What it must not be made at the same time with.
    pub(super) fn lane(&self, provider: &dyn FamilyProvider) -> Option<String> {
        self.target().map(|target| provider.lane(target))
    }

    /// The answer if it cannot be made, or is not heard of any more.
    #[must_use]
    pub fn failed(&self, error: ProviderError) -> Answer {
        match self {
            Self::Scan(_) => Answer::Scanned(Err(error)),
            Self::Read { .. } => Answer::Read(Err(error)),
            Self::Write { .. } => Answer::Written(Err(error.into())),
        }
    }

    pub(super) fn make(
        &self,
        provider: &dyn FamilyProvider,
        found: &mut dyn FnMut(Found),
        stop: &Stop,
    ) -> Answer {
        match self {
            Self::Scan(request) => Answer::Scanned(provider.scan(request, found, stop)),
            Self::Read { target, references } => {
                let references: Vec<_> = references.iter().map(String::as_str).collect();
                let read = provider.read(target, &references, stop);
                Answer::Read(read.and_then(|values| match values.len() == references.len() {
                    true => Ok(values),
                    false => Err(ProviderError::Garbled("not one result for each reference".into())),
                }))
            }
            Self::Write { target, reference, value } => {
                Answer::Written(provider.write(target, reference, value.as_ref(), stop))
            }
        }
    }
}

impl Answer {
    /// Why the device or family as a whole has failed, if it has.
    #[must_use]
    pub fn provider_error(&self) -> Option<&ProviderError> {
        match self {
            Self::Scanned(Err(error))
            | Self::Read(Err(error))
            | Self::Written(Err(WriteError::Provider(error))) => Some(error),
            Self::Found(_) | Self::Scanned(Ok(())) | Self::Read(Ok(_)) | Self::Written(_) => None,
        }
    }
}
