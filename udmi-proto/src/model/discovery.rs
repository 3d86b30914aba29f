//! What discovery events are made of.

use alloc::string::String;
use alloc::vec::Vec;

use device_link::Map;

use serde_json::Value;

use super::common::{DEVICE_ID, NAME, REFERENCE, Stage, TABLE_KEY, Timestamp, Version};
use super::entry::Entry;
use super::metadata::{Cloud, PointsetPoint};
use super::state::SystemHardware;

document! {
    /// One thing found by a scan, a mark of the scan's start or end, or what the device tells of itself.
    pub struct Discovery in "events_discovery" {
        /// When the event was sent.
        timestamp: Option<Timestamp>,
        /// The version the event is written in.
        version: Option<Version>,
        /// The generation of the scan or of the enumeration.
        generation: Option<Timestamp>,
        /// A condition of the thing found.
        status: Option<Entry>,
        /// The family that was scanned; `iot` if the device tells of itself.
        family: Option<String>,
        /// The address of the device found; absent in marks and if the device tells of itself.
        addr: Option<String>,
        /// The network the address is in.
        network: Option<String>,
        /// 0 at the start of a scan, then counting up, and negative at its end.
        event_no: Option<i64>,
        /// Addresses of the same device in other families.
        families: Option<Map<String, DiscoveryFamily>> [keys = NAME],
        /// Registries found, for tools.
        registries: Option<Map<String, Cloud>> [keys = DEVICE_ID],
        /// Devices of a registry or a gateway, for tools.
        devices: Option<Map<String, Cloud>> [keys = DEVICE_ID],
        /// The device's own points, by name.
        points: Option<Map<String, PointsetPoint>> [keys = NAME],
        /// What the device found offers, by local reference.
        refs: Option<Map<String, DiscoveryRef>> [keys = REFERENCE],
        /// The device's own features, by name.
        features: Option<Map<String, DiscoveryFeature>> [keys = FEATURE],
        /// The cloud's record, for tools.
        cloud_model: Option<Cloud>,
        /// What the thing found tells of itself as a whole.
        system: Option<DiscoverySystem>,
    }
}

/// The pattern of names of features.
pub const FEATURE: &str = "^[._a-zA-Z]+$";

document! {
    /// What a device found tells of itself as a whole.
    pub struct DiscoverySystem {
        /// What it is for.
        description: Option<String>,
        /// What it is called.
        name: Option<String>,
        /// The maker's serial number.
        serial_no: Option<String>,
        /// Whatever else is known.
        ancillary: Option<Ancillary>,
        /// Make and model.
        hardware: Option<SystemHardware>,
    }
}

table! {
    /// Properties of any kind that the family knows and UDMI does not.
    pub struct Ancillary(serde_json::Map<String, Value>) in "ancillary_properties" [other_keys]
}

document! {
    /// An address in a family.
    pub struct DiscoveryFamily in "discovery_family" {
        /// The address, in the family's form.
        addr: Option<String> [pattern = "^[-_.:0-9A-Z]+$"],
        /// A reference behind the address.
        ref_ as "ref": Option<String> [pattern = "^[-_.:/0-9A-Z]+$"],
    }
}

document! {
    /// How far a feature is supported.
    pub struct DiscoveryFeature in "discovery_feature" {
        /// How mature the feature is.
        stage: Option<Stage>,
    }
}

document! {
    /// A point that a device found offers.
    pub struct DiscoveryRef in "discovery_ref" {
        /// A name for the point that UDMI allows.
        point: Option<String> [pattern = NAME],
        /// The name the device found has for it.
        name: Option<String>,
        /// The texts the value may be.
        possible_values: Option<Vec<String>>,
        /// The units of the value.
        units: Option<String>,
        /// Where the point is found.
        ref_ as "ref": Option<String>,
        /// The type of the value, in the family's words.
        kind as "type": Option<String>,
        /// Whether the point can be written.
        writable: Option<bool>,
        /// What the point is for.
        description: Option<String>,
        /// A condition of the point.
        status: Option<Entry>,
        /// Whatever else is known.
        ancillary: Option<Ancillary>,
        /// Further parameters.
        adjunct: Option<Map<String, String>> [keys = TABLE_KEY],
        /// Where the point stands in a larger arrangement.
        structure: Option<DiscoveryStructure>,
    }
}

document! {
    /// Where a point stands in a larger arrangement.
    pub struct DiscoveryStructure [open] {
        /// The address of the point.
        point: Option<DiscoveryFamily>,
        /// Addresses in several families, by name.
        families: Option<Map<String, DiscoveryFamily>> [keys = NAME],
    }
}
