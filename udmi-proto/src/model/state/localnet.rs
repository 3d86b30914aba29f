//! The localnet and gateway blocks of a state.

use alloc::string::String;

use device_link::Map;

use crate::model::common::{NAME, RESERVED_OR_NAME, Timestamp, Version};
use crate::model::entry::Entry;

document! {
    /// The device's own addresses on local networks.
    pub struct Localnet in "state_localnet" {
        /// Added by the cloud when it splits a state; not written by devices.
        timestamp: Option<Timestamp>,
        /// Added by the cloud when it splits a state; not written by devices.
        version: Option<Version>,
        /// The families, by name.
        families: Map<String, LocalnetFamily> [required, keys = RESERVED_OR_NAME],
        /// The networks, by name.
        networks: Option<Map<String, LocalnetFamily>> [keys = NAME],
    }
}

document! {
    /// The device's place in one family.
    pub struct LocalnetFamily in "state_localnet_family" {
        /// The device's address, in the family's form.
        addr: Option<String>,
        /// A condition of the family.
        status: Option<Entry>,
    }
}

document! {
    /// The condition of the gateway, or of the way a proxied device is reached.
    pub struct Gateway in "state_gateway" {
        /// Added by the cloud when it splits a state; not written by devices.
        timestamp: Option<Timestamp>,
        /// Added by the cloud when it splits a state; not written by devices.
        version: Option<Version>,
        /// A condition worth knowing.
        status: Option<Entry>,
    }
}
