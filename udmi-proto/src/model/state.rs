//! What a device reports of itself: the state document and its blocks.

mod blobset;
mod discovery;
mod localnet;
mod pointset;
mod system;

pub use self::blobset::{Blobset, BlobsetBlob};
pub use self::discovery::{Discovery, DiscoveryFamily, ScanPhase};
pub use self::localnet::{Gateway, Localnet, LocalnetFamily};
pub use self::pointset::{Alarmset, AlarmsetAlarm, Pointset, PointsetPoint, ValueState};
pub use self::system::{System, SystemHardware, SystemOperation};

use alloc::string::String;

use super::common::{Timestamp, Version};

document! {
    /// Everything a device reports of its condition, complete in each message.
    ///
    /// A block other than `system` is present exactly when the config has the block of that name.
    pub struct State in "state" {
        /// When the state was sent; never earlier than that of the state before.
        timestamp: Timestamp [required],
        /// The version the state is written in.
        version: Version [required],
        /// The version before a tool rewrote the state; not written by devices.
        upgraded_from: Option<String>,
        /// The device as a whole.
        system: System [required],
        /// The gateway, or the way a proxied device is reached.
        gateway: Option<Gateway>,
        /// Enumeration and scans.
        discovery: Option<Discovery>,
        /// Local networks.
        localnet: Option<Localnet>,
        /// Blobs.
        blobset: Option<Blobset>,
        /// Alarms; not written by this device.
        alarmset: Option<Alarmset>,
        /// Points.
        pointset: Option<Pointset>,
    }
}
