//! Families of field devices behind a gateway: finding them, reading, writing and releasing their points.
//!
//! A [`FamilyProvider`] speaks one family's protocol and knows nothing of UDMI but its values, references and
//! addresses (§6.6). It is called from many threads and may block; [`FieldThreads`] makes its calls, so that a slow,
//! hung or panicking device holds nobody but itself. [`FieldHooks`] makes calls of the core's hooks, and events of
//! their answers.
//!
//! * `bacnet`: BACnet/IP (feature `bacnet`).
//! * `modbus`: Modbus/TCP (feature `modbus`).
//! * `ip`: the host's own addresses, and its neighbours (feature `ip`).

mod call;
mod error;
mod hooks;
mod polling;
mod stop;
mod threads;

#[cfg(feature = "bacnet")]
pub mod bacnet;
#[cfg(feature = "ip")]
pub mod ip;
#[cfg(feature = "modbus")]
pub mod modbus;

use udmi_proto::Value;
pub use udmi_proto::{Found, ScanRequest, Target};

pub use call::{Answer, Call};
pub use error::{PointError, ProviderError, WriteError};
pub use hooks::{FieldEvent, FieldHooks};
pub use polling::Polling;
pub use stop::Stop;
pub use threads::{CallId, FieldLimits, FieldLoad, FieldThreads, Report};

/// A family of field devices, as a gateway reaches them.
///
/// All calls may block, and run on threads of their own, several at once. Each returns within 200 ms after `stop` is
/// set. Whatever a field device sends, a call ends with what it truly said or with an error, and never with a value
/// made up or left over.
pub trait FamilyProvider: Send + Sync {
    /// The family's name, such as `bacnet` (§6.6).
    fn family(&self) -> &str;

    /// What calls must not be made at the same time for: calls with equal lanes are made one after the other. By
    /// default each address of each network has its own. A family with several devices on one serial line answers
    /// the line.
    fn lane(&self, target: &Target) -> String {
        let Target { network, addr, .. } = target;
        format!("{}/{}", network.as_deref().unwrap_or_default(), addr.as_deref().unwrap_or_default())
    }

    /// What a device shares with others that takes only so many calls at the same time, such as a slow network.
    /// Asked anew for each call; must not block. Nothing by default.
    fn share(&self, _target: &Target) -> Option<Share> {
        None
    }

    /// Looks for devices and tells each once, as soon as it is known, within `request.duration_seconds`. Ends before
    /// that if there is nothing more to find.
    ///
    /// # Errors
    /// Why the family cannot be scanned; what is wrong with one device is in its [`Found::status`].
    fn scan(
        &self,
        request: &ScanRequest,
        found: &mut dyn FnMut(Found),
        stop: &Stop,
    ) -> Result<(), ProviderError>;

    /// Reads points of a device, and answers as many results in the same order.
    ///
    /// # Errors
    /// Why the device as a whole cannot be read.
    fn read(
        &self,
        target: &Target,
        references: &[&str],
        stop: &Stop,
    ) -> Result<Vec<Result<Value, PointError>>, ProviderError>;

    /// Writes a point of a device; no value gives it back to whatever else controls it.
    ///
    /// # Errors
    /// Whether the value, the point or the device is in the way.
    fn write(
        &self,
        target: &Target,
        reference: &str,
        value: Option<&Value>,
        stop: &Stop,
    ) -> Result<(), WriteError>;
}

/// What several devices share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its name within the family.
    pub name: String,
    /// How many calls it takes at the same time, at least one.
    pub calls: usize,
}
