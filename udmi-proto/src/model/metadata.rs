//! The site model's description of a device.

mod cloud;
mod localnet;
mod pointset;
mod relations;
mod system;
mod testing;

pub use self::cloud::{AuthType, Cloud, CloudConfig, CloudDevice, Credential, KeyFormat, ResourceType};
pub use self::localnet::{Discovery, DiscoveryFamily, Gateway, Localnet, LocalnetFamily, LocalnetParent};
pub use self::pointset::{
    Alarmset, AlarmsetAlarm, BaselineState, BuildingTranslation, Pointset, PointsetPoint, TranslationUnits,
    ValueType,
};
pub use self::relations::{
    Externals, ExternalsLink, Features, Policy, Relationship, RelationshipTargets, Relationships,
};
pub use self::system::{
    System, SystemAsset, SystemCoordinates, SystemHardware, SystemLocation, SystemPhysicalTag, SystemPosition,
};
pub use self::testing::{Testing, TestingTarget, TestingUpdate};

use alloc::string::String;

use device_link::Map;

use super::common::{NAME, Operation, Timestamp, Version};
use super::discovery;

document! {
    /// All that the site model says of a device.
    pub struct Metadata in "metadata" {
        /// When the description was last changed.
        timestamp: Timestamp [required],
        /// The version the description is written in.
        version: Version [required],
        /// The version before a tool rewrote the description.
        upgraded_from: Option<String>,
        /// No longer used.
        hash: Option<String> [pattern = "^[0-9a-z]{8}$"],
        /// What is asked, if the description is a request.
        operation: Option<Operation>,
        /// How the device connects.
        cloud: Option<Cloud>,
        /// The device as a whole.
        system: System [required],
        /// The device's names in other systems.
        externals: Option<Externals>,
        /// How the device relates to others.
        relationships: Option<Relationships>,
        /// The devices a gateway acts for, or the gateway that acts for the device.
        gateway: Option<Gateway>,
        /// Scans the device is to make.
        discovery: Option<Discovery>,
        /// Addresses of the device.
        localnet: Option<Localnet>,
        /// What tests are to know.
        testing: Option<Testing>,
        /// Features the device claims, by name.
        features: Option<Features>,
        /// Alarms of the device.
        alarmset: Option<Alarmset>,
        /// Points of the device.
        pointset: Option<Pointset>,
        /// Arrangements the device is a part of, by name.
        structure: Option<Map<String, discovery::Discovery>> [keys = NAME, other_keys],
        /// Rules for the device.
        policy: Option<Policy>,
    }
}
