//! UDMI's part of the port: what an application may ask, is told, is asked, and answers.

use alloc::collections::BTreeMap;
use alloc::string::String;

use device_link::{Down, Endpoint, ExitReason, FetchId, Secret};
use serde::{Deserialize, Deserializer, Serialize};

use crate::json::Json;
use crate::model::category::{Category, Level};
use crate::model::common::Mode;
use crate::model::entry::Entry;
use crate::model::events::SystemMetrics;
use crate::model::value::Value;
use crate::settings::PointModel;

/// What the application wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// A point has a new present value.
    SetPoint {
        /// Which point.
        point: String,
        /// Its value.
        #[serde(deserialize_with = "reading")]
        value: Value,
    },
    /// Several points have new present values at the same moment.
    SetPoints {
        /// Values by point.
        #[serde(deserialize_with = "readings")]
        values: BTreeMap<String, Value>,
    },
    /// A point cannot be read; it stays out of events and its state tells why, until its next value.
    FailPoint {
        /// Which point.
        point: String,
        /// Why.
        message: String,
    },
    /// Something local has taken a written point over, or has let it go (§4.7 `overridden`).
    OverridePoint {
        /// Which point.
        point: String,
        /// Whether it is overridden.
        overridden: bool,
    },
    /// The device has a further point, or knows more about one.
    DefinePoint {
        /// Which point.
        point: String,
        /// What is known of it.
        model: PointModel,
    },
    /// The device has lost a point.
    RemovePoint {
        /// Which point.
        point: String,
    },
    /// Publish a sample as soon as `sample_limit_sec` allows.
    SampleNow,
    /// An entry for the system log.
    Log {
        /// How grave.
        level: Level,
        /// About what; `device.<name>` is the application's own.
        category: Category,
        /// One line.
        message: String,
        /// More of it.
        detail: Option<String>,
    },
    /// The application is fully running (`system.base.ready`).
    Ready,
    /// The version of a software module, none if it is gone. For a module that is a blob this goes before the version
    /// of the blob installed last.
    SetSoftware {
        /// Module, `[a-z_]+`.
        module: String,
        /// Its version.
        version: Option<String>,
    },
    /// The address in a family of the localnet block, none if there is none.
    SetFamilyAddress {
        /// Family, such as `ipv4`.
        family: String,
        /// The address.
        address: Option<String>,
    },
    /// A top-level block of the application's own in the state, none if it is gone.
    SetBlock {
        /// Its name.
        name: String,
        /// Its content, a JSON object.
        content: Option<Json>,
    },
    /// An event of the application's own on `events/<folder>`; `timestamp` and `version` are added.
    SendEvent {
        /// The sub-folder.
        folder: String,
        /// A JSON object.
        content: Json,
    },
    /// Make a new key pair and use it from the next connection on, as the command `rotate_key` does.
    RotateKey,
    /// End in order: last state and logs, then exit.
    Stop {
        /// Why.
        reason: ExitReason,
    },
}

/// What the application is told. Never needed for progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Notice {
    /// The broker has accepted the connection.
    Connected {
        /// Whether it still had the session.
        resumed: bool,
    },
    /// An attempt failed or the link was lost.
    Disconnected {
        /// Why.
        why: Down,
    },
    /// The broker refused a subscription.
    SubscriptionRefused {
        /// The last part of its topic, such as `commands`.
        topic: String,
    },
    /// A config is in force.
    ConfigApplied {
        /// Its timestamp, as received.
        timestamp: String,
        /// What could not be used of it, if anything.
        finding: Option<String>,
    },
    /// A config could not be used at all; the one before stays in force.
    ConfigRejected {
        /// Why.
        reason: String,
    },
    /// A top-level config block named in the settings; none if the config has none.
    Block {
        /// Its name.
        name: String,
        /// Its content.
        content: Option<Json>,
    },
    /// The operation mode has changed.
    ModeChanged {
        /// To this.
        mode: Mode,
    },
    /// A state was handed to the outbox.
    StatePublished,
    /// The device leaves its endpoint for another, as its config wants (§5.3).
    Redirecting {
        /// Where to.
        to: Endpoint,
        /// The generation of the order, as received.
        generation: String,
    },
    /// A redirect has come to its end.
    Redirected {
        /// The endpoint in use from now on.
        endpoint: Endpoint,
        /// The generation of the order, as received.
        generation: String,
        /// Why it failed, if it did.
        failure: Option<String>,
    },
    /// A blob is being fetched. Told at most once a second.
    BlobProgress {
        /// Which blob.
        name: String,
        /// Bytes there are.
        received: u64,
        /// Bytes there will be, if known.
        total: Option<u64>,
        /// Bytes a second since the start.
        rate: u64,
    },
    /// A blob has come to its end.
    BlobFinished {
        /// Which blob.
        name: String,
        /// The generation, as received.
        generation: String,
        /// Why it failed, if it did.
        failure: Option<String>,
    },
    /// A new key pair is in use from the next connection on. Told again by each run until the broker has taken it.
    KeyRotated {
        /// The public key as PEM (SubjectPublicKeyInfo), to be registered.
        public_key: String,
        /// The name of the old pair's backup.
        backup: String,
    },
    /// The broker refused the new key: the old one is back in use.
    KeyRestored {
        /// The name of the backup it came from.
        backup: String,
    },
    /// An entry was logged at or above the level in force.
    Logged(Entry),
    /// Messages were lost because the outbox was full.
    OutboxFull {
        /// How many since birth.
        lost: u64,
    },
    /// A stored value cannot be read and is ignored.
    StoredUnreadable {
        /// Its key.
        key: String,
        /// Why.
        reason: String,
    },
    /// A command of the application could not be carried out.
    CommandRefused {
        /// Why.
        reason: String,
    },
}

/// What the application is asked. Each is answered once with an [`Outcome`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Hook {
    /// Put a value in force. Answered by `Done`, `Invalid` or `Failed`.
    WritePoint {
        /// Which point.
        point: String,
        /// The value, valid by the point's model.
        value: Value,
    },
    /// The cloud gives a point back to local control. Answered by `Done` or `Failed`.
    ReleasePoint {
        /// Which point.
        point: String,
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
    /// ([`Notice::BlobFinished`]), what is staged is not activated.
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
    /// within 30 s by `Blob`: [`BlobOutcome::Activated`] ends it well, [`BlobOutcome::NotActivated`] has it activated
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
    pub polled: alloc::vec::Vec<String>,
    /// Points of [`Source::Computed`](crate::Source::Computed), to be read after the polled ones.
    pub computed: alloc::vec::Vec<String>,
    /// Present values of all points the config has in force, for the computed ones to use.
    pub known: BTreeMap<String, Value>,
}

/// An answer to a [`Hook`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It could not be done; the text is shown to people.
    Failed {
        /// Why.
        message: String,
    },
    /// The value is refused.
    Invalid {
        /// Why.
        message: String,
    },
    /// Readings by point.
    Values {
        /// A value or why there is none.
        values: BTreeMap<String, Reading>,
    },
    /// The host's metrics.
    Metrics(SystemMetrics),
    /// How processing a blob has ended, where it is neither invalid nor failed, or whether it is activated.
    Blob(BlobOutcome),
    /// A new key pair was made, which is not in force yet.
    KeyMade(NewKey),
    /// Nobody takes care of it.
    Unhandled,
}

/// How processing a blob has ended ([`Hook::ProcessBlob`]), or whether it is activated ([`Hook::CheckActivation`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlobOutcome {
    /// It is staged and can be activated.
    Processed {
        /// Its version, which becomes the software version of its name.
        version: Option<String>,
    },
    /// Installing was called off.
    Aborted {
        /// Why.
        message: String,
    },
    /// Installing failed and was undone.
    RolledBack {
        /// Why.
        message: String,
    },
    /// It is in use.
    Activated,
    /// It is not in use.
    NotActivated,
}

/// A key pair the host has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewKey {
    /// The public key as PEM (SubjectPublicKeyInfo).
    pub public_key: String,
    /// The name of the old pair's backup.
    pub backup: String,
    /// The password that is derived from the new key, where the broker wants one (§1.6).
    pub password: Secret<String>,
}

/// A point that was read, or could not be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reading {
    /// Its value.
    Value(#[serde(deserialize_with = "reading")] Value),
    /// Why there is none.
    Failed(String),
}

/// A value as a trace has it: an application may well read NaN or an infinity, for which JSON has only `null`.
/// All of them are equally unusable, so that the run replays.
fn reading<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(Value::Number(f64::NAN)))
}

fn readings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Value>, D::Error> {
    let values = BTreeMap::<String, Option<Value>>::deserialize(deserializer)?;
    Ok(values.into_iter().map(|(name, value)| (name, value.unwrap_or(Value::Number(f64::NAN)))).collect())
}

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
