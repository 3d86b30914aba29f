//! The cloud block of the metadata.

use alloc::string::String;
use alloc::vec::Vec;

use device_link::Map;

use super::localnet::Gateway;
use crate::model::common::{Concealed, Operation, Timestamp, Version};

choice! {
    /// How a device proves who it is.
    pub enum AuthType {
        /// An elliptic curve key.
        Es256 = "ES256",
        /// An elliptic curve key with certificate.
        Es256X509 = "ES256_X509",
        /// An RSA key.
        Rs256 = "RS256",
        /// An RSA key with certificate.
        Rs256X509 = "RS256_X509",
    }
}

choice! {
    /// The form of a credential.
    pub enum KeyFormat {
        /// A password.
        Password = "PASSWORD",
        /// An elliptic curve key.
        Es256 = "ES256",
        /// An elliptic curve key with certificate.
        Es256X509 = "ES256_X509",
        /// An RSA key.
        Rs256 = "RS256",
        /// An RSA key with certificate.
        Rs256X509 = "RS256_X509",
    }
}

choice! {
    /// What part a record plays in the cloud.
    pub enum ResourceType {
        /// A device with a connection of its own.
        Direct = "DIRECT",
        /// A device that acts for others.
        Gateway = "GATEWAY",
        /// A device through which others report.
        Funnel = "FUNNEL",
        /// A device a gateway acts for.
        Proxied = "PROXIED",
        /// A registry of devices.
        Registry = "REGISTRY",
    }
}

document! {
    /// How a device connects, and what the cloud knows of it.
    pub struct Cloud in "model_cloud" {
        /// When the record was made.
        timestamp: Option<Timestamp>,
        /// The version the record is written in.
        version: Option<Version>,
        /// The version of the cloud's functions.
        functions_ver: Option<i64>,
        /// How the device proves who it is.
        auth_type: Option<AuthType>,
        /// Whether the device has a key of its own.
        device_key: Option<bool>,
        /// What part the device plays.
        resource_type: Option<ResourceType>,
        /// What the cloud knows of the device as gateway.
        gateway: Option<Gateway>,
        /// How its config is made.
        config: Option<CloudConfig>,
        /// Whether the device is kept from communicating.
        blocked: Option<bool>,
        /// Further text.
        detail: Option<String>,
        /// The password the device proves itself with.
        password: Option<Concealed<String>>,
        /// What the device may prove itself with.
        credentials: Option<Vec<Credential>>,
        /// When the record was last changed.
        updated_time: Option<Timestamp>,
        /// When the last event came.
        last_event_time: Option<Timestamp>,
        /// When the last state came.
        last_state_time: Option<Timestamp>,
        /// When the last config went out.
        last_config_time: Option<Timestamp>,
        /// When the last error arose.
        last_error_time: Option<Timestamp>,
        /// When the device last confirmed a config.
        last_config_ack: Option<Timestamp>,
        /// The number the cloud has given to the device.
        num_id: Option<String>,
        /// What is asked, if the record is a request.
        operation: Option<Operation>,
        /// Labels in the cloud.
        metadata: Option<Map<String, String>> [keys = "^[-_a-zA-Z0-9]+$", other_keys],
        /// A site model description as text.
        metadata_str: Option<String>,
        /// The devices of a registry, by id.
        device_ids: Option<Map<String, CloudDevice>> [keys = "^[-._a-zA-Z0-9]+$", other_keys],
    }
}

document! {
    /// How a device's config is made.
    pub struct CloudConfig in "model_cloud_config" {
        /// The file that is sent as it is.
        static_file: Option<String>,
    }
}

document! {
    /// A device of a registry; its presence is all there is.
    pub struct CloudDevice {}
}

document! {
    /// What a device may prove itself with.
    pub struct Credential [open] {
        /// The form of the credential.
        key_format: Option<KeyFormat>,
        /// The key or password itself.
        key_data: Option<Concealed<String>>,
    }
}
