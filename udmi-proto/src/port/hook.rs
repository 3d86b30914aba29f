//! What an application is asked.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use device_link::{FetchId, Map};
use serde::{Deserialize, Serialize};

use super::{Lifecycle, ScanRequest};
use crate::model::value::Value;

/// What the application is asked. Each is answered once with an [`Outcome`](super::Outcome).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Hook {
    /// Put a value in force. Answered by `Done`, `Invalid` or `Failed`.
    WritePoint {
        /// Which point.
        point: String,
        /// The value, valid by the point's model.
        value: Value,
        /// Where the point is found: the reference of the config, else of the point's model.
        reference: Option<String>,
    },
    /// The cloud gives a point back to local control. Answered by `Done` or `Failed`.
    ReleasePoint {
        /// Which point.
        point: String,
        /// Where the point is found, as in [`Hook::WritePoint`].
        reference: Option<String>,
    },
    /// Read points. Answered by `Values`; a point left out keeps its value.
    ReadPoints {
        /// The polled and the computed points wanted, with what is known of all others in force.
        wanted: Wanted,
    },
    /// Read the host's metrics. Answered by `Metrics`, or `Unhandled`.
    Metrics,
    /// Restart, reboot, shut down or terminate. Answered by `Done` or `Unhandled` (the run ends then), or `Failed`
    /// (it goes on).
    Lifecycle {
        /// What is to be done.
        action: Lifecycle,
    },
    /// Install a fetched blob: verify its content and stage it, but do not activate it. Answered by `Blob`, `Done`
    /// (it has no version), `Invalid` (the content is wrong or does not fit this device) or `Failed`. A run that
    /// ends before the answer is stored asks again in the next run; cancelled, or told as called off afterwards
    /// ([`Notice::BlobFinished`](super::Notice::BlobFinished)), what is staged is not activated.
    ProcessBlob {
        /// Which blob, such as `system`.
        name: String,
        /// The generation, as received.
        generation: String,
        /// The staged file; it is there until the hook is answered.
        staged: FetchId,
        /// Its size in bytes.
        size: u64,
        /// Its SHA-256, verified, in lower-case hexadecimal.
        sha256: String,
    },
    /// Activate a processed blob whose success the cloud knows of. Answered by `Done` (the run restarts),
    /// `Failed` or `Unhandled` (the run restarts as well). After a run that ends without an answer, as it does where
    /// activating replaces the process, the next one asks [`Hook::CheckActivation`].
    ActivateBlob {
        /// Which blob.
        name: String,
        /// Its version, if it has one.
        version: Option<String>,
    },
    /// Tell whether a blob is activated that an earlier run has asked to activate without hearing that it is. Answered
    /// within 30 s by `Blob`: [`BlobOutcome::Activated`](super::BlobOutcome::Activated) ends it well, [`BlobOutcome::NotActivated`](super::BlobOutcome::NotActivated) has it activated
    /// again, and failed after five activations without effect. Any other answer, such as `Unhandled`, has it
    /// activated once more, and after two activations taken for done.
    CheckActivation {
        /// Which blob.
        name: String,
        /// The generation, as received.
        generation: String,
        /// Its version, if it has one.
        version: Option<String>,
    },
    /// Make a new key pair and keep the old one as a backup, but go on with the old one. Answered within five minutes
    /// by `KeyMade`, `Failed` or `Unhandled`; what is answered later is not used.
    MakeKey,
    /// Put the key pair in force that was made last. Answered within five minutes by `Done`, also if it is in force
    /// already, or `Failed`: it is not there, or could not be stored, and the old one is in force. Asked again at the
    /// start of a run until the broker has taken it, since the run before may have ended before it heard the answer.
    /// If it is cancelled, a `RestoreKey` may follow, which has to be carried out after it.
    UseKey {
        /// Its public key, as it was told by `KeyMade`.
        public_key: String,
    },
    /// Put the key pair of a backup back. Answered within five minutes by `Done`, also if it is in force already, or
    /// `Failed`. If it is cancelled, it may be asked again.
    RestoreKey {
        /// The backup's name.
        backup: String,
    },
    /// Scan a family. Results come as [`Command::Found`](super::Command::Found) as long as the hook is neither
    /// answered nor cancelled. Answered by `Done` (the scan has ended by itself), `Failed`, or `Unhandled` (nobody
    /// can scan that family).
    Scan {
        /// What to scan.
        request: ScanRequest,
    },
    /// A proxied device asks one of the others: to read, write or release points, or to carry out a command.
    Proxied {
        /// Its id.
        device: String,
        /// How it is reached, as its config says; none if the config does not, or if it is not the device's
        /// address (§6.7).
        target: Option<Target>,
        /// What it asks.
        hook: Box<Self>,
    },
    /// A command that is none of the core's. Answered by `Done`, `Failed` or `Unhandled`.
    Command {
        /// What follows `commands/` in its topic.
        name: String,
        /// Its content, with what is no UTF-8 replaced.
        payload: String,
    },
}

/// The points a [`Hook::ReadPoints`] wants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// Points of [`Source::Polled`](crate::Source::Polled).
    pub polled: Vec<String>,
    /// Points of [`Source::Computed`](crate::Source::Computed), to be read after the polled ones.
    pub computed: Vec<String>,
    /// Present values of all points the config has in force, for the computed ones to use.
    pub known: Map<String, Value>,
    /// Where the polled points are found, for those of which it is known: the reference of the config, else of the
    /// point's model.
    #[serde(default)]
    pub references: Map<String, String>,
}

/// How a proxied device is reached on its local network (§6.6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    /// The family; `vendor` where the config names none.
    pub family: String,
    /// The address, in the family's form.
    pub addr: Option<String>,
    /// The network the address is in.
    pub network: Option<String>,
    /// The number of the unit behind the address, for Modbus.
    pub unitid: Option<String>,
    /// Further parameters of the family, such as those of a serial line.
    pub adjunct: Map<String, String>,
}
