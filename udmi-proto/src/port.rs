//! UDMI's part of the port: what an application may ask, is told, is asked, and answers.

mod command;
mod hook;
mod notice;
mod outcome;
mod readings;
mod scan;

use device_link::ExitReason;
use serde::{Deserialize, Serialize};

pub use command::Command;
pub use hook::{Hook, Target, Wanted};
pub use notice::Notice;
pub use outcome::{BlobOutcome, NewKey, Outcome, Reading};
pub use readings::{PointNames, Readings};
pub use scan::{Found, ScanRequest};

/// What an operation mode or a command asks of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lifecycle {
    /// Start the device's software again.
    Restart,
    /// Start the machine again.
    Reboot,
    /// Stop.
    Shutdown,
    /// Stop, since another instance has taken over or the cloud wants it so.
    Terminate,
}

impl Lifecycle {
    /// What leads to a run ending for that reason.
    pub(crate) fn of(reason: ExitReason) -> Self {
        match reason {
            ExitReason::Restart => Self::Restart,
            ExitReason::Terminate => Self::Terminate,
            ExitReason::Shutdown => Self::Shutdown,
        }
    }

    /// How a run ends for it.
    #[must_use]
    pub fn exit_reason(self) -> ExitReason {
        match self {
            Self::Restart | Self::Reboot => ExitReason::Restart,
            Self::Shutdown => ExitReason::Shutdown,
            Self::Terminate => ExitReason::Terminate,
        }
    }
}

/// The process exit code for a reason (§3.7): restart 192, terminate 193, shutdown 0.
#[must_use]
pub fn exit_code(reason: ExitReason) -> u8 {
    match reason {
        ExitReason::Restart => 192,
        ExitReason::Terminate => 193,
        ExitReason::Shutdown => 0,
    }
}
