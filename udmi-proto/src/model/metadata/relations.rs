//! What ties a device to other devices and other systems.

use alloc::string::String;
use alloc::vec::Vec;

use device_link::Map;

use crate::model::discovery::{DiscoveryFeature, FEATURE};

table! {
    /// A device's names in other systems, by system.
    pub struct Externals(Map<String, ExternalsLink>) in "model_externals" [keys = "^[a-z]+(_[a-z]+)*$"]
}

document! {
    /// A device's name in another system.
    pub struct ExternalsLink in "model_externals_link" {
        /// The name.
        ext_id: Option<String>,
        /// What kind of thing has that name.
        kind as "type": Option<String>,
        /// A mark of the other system's record, in hexadecimal digits.
        etag: Option<String> [pattern = "^[0-9a-f]+$"],
        /// A name for people.
        label: Option<String>,
    }
}

table! {
    /// Features a device claims, by name.
    pub struct Features(Map<String, DiscoveryFeature>) in "model_features" [keys = FEATURE]
}

table! {
    /// How a device relates to others, by their ids.
    pub struct Relationships(Map<String, RelationshipTargets>)
        in "model_relationships" [keys = "^[-0-9a-zA-Z]+$", other_keys]
}

table! {
    /// Relations to one other device, by kind of relation.
    pub struct RelationshipTargets(Map<String, Vec<Relationship>>)
        [keys = "^[-0-9a-zA-Z_]+$", other_keys]
}

document! {
    /// One relation between two devices.
    pub struct Relationship [open] {
        /// Labels.
        tags: Option<Vec<String>>,
    }
}

document! {
    /// Rules for a device.
    pub struct Policy in "model_policy" {
        /// The sets of rules that apply, by name.
        rule_sets: Option<Vec<String>> [items_pattern = "^[a-z_0-9]*$"],
    }
}
