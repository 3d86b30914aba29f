//! The localnet, gateway and discovery blocks of the metadata.

use alloc::string::String;
use alloc::vec::Vec;

use device_link::Map;

use crate::model::common::{DEVICE_ID, NAME, TABLE_KEY, Timestamp};

document! {
    /// Where a device is on local networks.
    pub struct Localnet in "model_localnet" {
        /// The device in front of this one.
        parent: Option<LocalnetParent>,
        /// Addresses, by family.
        families: Map<String, LocalnetFamily> [required, keys = "^[a-z0-9-]+$"],
        /// Networks, by name.
        networks: Option<Map<String, LocalnetFamily>> [keys = NAME],
    }
}

document! {
    /// The device in front of another one.
    pub struct LocalnetParent {
        /// The id of that device.
        target: Option<String> [pattern = DEVICE_ID],
        /// The family that leads to it.
        family: Option<String>,
    }
}

document! {
    /// Where a device is in one family of addresses; also how a gateway reaches a proxied device.
    pub struct LocalnetFamily in "model_localnet_family" {
        /// The address, in the family's form.
        addr: Option<String>,
        /// The number of the unit behind that address, for Modbus.
        unitid: Option<String>,
        /// The network the address is in.
        network: Option<String>,
        /// Further parameters of the family, such as those of a serial line.
        adjunct: Option<Map<String, String>> [keys = TABLE_KEY],
        /// A device that stands in for this one.
        shadow_id: Option<String>,
        /// The device this one is a part of.
        parent_id: Option<String>,
        /// Whether points are named by the vendor's references.
        vendor_ref: Option<bool>,
        /// The name of the family.
        family: Option<String>,
    }
}

document! {
    /// The devices a gateway acts for, or the gateway that acts for the device.
    pub struct Gateway in "model_gateway" {
        /// The id of the gateway of a proxied device.
        gateway_id: Option<String> [pattern = DEVICE_ID],
        /// How the gateway reaches the device.
        target: Option<LocalnetFamily>,
        /// The ids of the devices a gateway acts for.
        proxy_ids: Option<Vec<String>> [items_pattern = DEVICE_ID],
    }
}

document! {
    /// Scans a device is to make.
    pub struct Discovery in "model_discovery" {
        /// The families to scan, by name.
        families: Option<Map<String, DiscoveryFamily>> [keys = NAME, other_keys],
    }
}

document! {
    /// How to scan one family.
    pub struct DiscoveryFamily in "model_discovery_family" {
        /// When the first scan starts.
        generation: Option<Timestamp>,
        /// Seconds from the start of one scan to the next.
        scan_interval_sec: Option<u32> [minimum = 0],
        /// Seconds a scan lasts at most.
        scan_duration_sec: Option<u32> [minimum = 0],
    }
}
