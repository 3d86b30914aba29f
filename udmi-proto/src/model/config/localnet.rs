//! The localnet and gateway blocks of a config.

use alloc::string::String;
use alloc::vec::Vec;

use device_link::Map;

use crate::model::common::{DEVICE_ID, NAME};
use crate::model::metadata::LocalnetFamily as Target;

document! {
    /// Which local networks the device is to report on.
    pub struct Localnet in "config_localnet" {
        /// The families, by name.
        families: Option<Map<String, LocalnetFamily>> [keys = NAME],
        /// The networks, by name.
        networks: Option<Map<String, LocalnetFamily>> [keys = NAME],
    }
}

document! {
    /// A family to report on; its presence is all there is.
    pub struct LocalnetFamily in "config_localnet_family" {}
}

document! {
    /// For a gateway the devices to act for, for a proxied device how to reach it.
    pub struct Gateway in "config_gateway" {
        /// The ids of the devices to act for.
        proxy_ids: Option<Vec<String>> [items_pattern = DEVICE_ID],
        /// How the gateway reaches this device.
        target: Option<Target>,
    }
}
