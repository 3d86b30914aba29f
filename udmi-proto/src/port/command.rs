//! What an application may ask.

use alloc::boxed::Box;
use alloc::string::String;

use device_link::{ExitReason, HookId, Map};
use serde::{Deserialize, Serialize};

use super::{Found, Readings, outcome};
use crate::json::Json;
use crate::model::category::{Category, Level};
use crate::model::value::Value;
use crate::settings::{PointModel, ProxySettings};

/// What the application wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// A point has a new present value.
    SetPoint {
        /// Which point.
        point: String,
        /// Its value.
        #[serde(deserialize_with = "outcome::reading")]
        value: Value,
    },
    /// Several points have new present values at the same moment.
    SetPoints {
        /// Values by point.
        #[serde(deserialize_with = "outcome::readings")]
        values: Map<String, Value>,
    },
    /// Several points were read at the same moment, and a complete sample goes out with them: at once if the config has
    /// no `sample_limit_sec`, else as soon as that allows, with what there is by then. One command is one event where
    /// there is no limit; a driver takes no further commands while half of the outbox waits
    /// ([`Limits::outbox_messages`](crate::Limits::outbox_messages)), so that the application hears of it if it is too
    /// fast. Nothing goes out that the config does not want: no pointset block, a negative `sample_rate_sec`.
    PublishPoints {
        /// By point.
        readings: Readings,
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
    /// Publish a complete sample, of points that are polled a new one: at once if the config has no `sample_limit_sec`,
    /// else as soon as that allows.
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
    /// The address in a family cannot be told; the localnet block tells why, until the next address.
    FailFamily {
        /// Family, such as `ipv6`.
        family: String,
        /// Why.
        message: String,
    },
    /// The address in a named network of the localnet block, such as a serial line; none if there is none.
    SetNetwork {
        /// Network, such as `modbus_rtu_1`.
        network: String,
        /// The address.
        address: Option<String>,
    },
    /// The address in a named network cannot be told; the localnet block tells why, until the next address.
    FailNetwork {
        /// Network.
        network: String,
        /// Why.
        message: String,
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
    /// One of the other commands, for a proxied device (§6.7). One that the gateway does not act for, and a command
    /// that concerns the connection, are refused.
    Proxied {
        /// Its id.
        device: String,
        /// What it is to do.
        command: Box<Self>,
    },
    /// What is known of a proxied device, in place of what was known before. Whether it is attached is for the
    /// config to say, or with [`ProxyMode::Implicit`](crate::ProxyMode::Implicit) for this command.
    AddProxy {
        /// Its id.
        device: String,
        /// What is known of it.
        proxy: Box<ProxySettings>,
    },
    /// Nothing is known of a proxied device any more. One that the config names stays attached all the same.
    RemoveProxy {
        /// Its id.
        device: String,
    },
    /// A result of a scan that is under way; ignored once it is over (§6.4).
    Found {
        /// The [`Hook::Scan`](super::Hook::Scan) it belongs to.
        scan: HookId,
        /// What was found.
        found: Box<Found>,
    },
    /// A device was heard of without a scan. Told where the config wants so (`passive_sec`), and not again for so long
    /// as it says (§6.4).
    Overheard {
        /// In which family.
        family: String,
        /// What was heard of.
        found: Box<Found>,
    },
    /// Make a new key pair and use it from the next connection on, as the command `rotate_key` does.
    RotateKey,
    /// End in order: last state and logs, then exit.
    Stop {
        /// Why.
        reason: ExitReason,
    },
}
