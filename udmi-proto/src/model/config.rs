//! What the cloud orders: the config document and its blocks.

mod blobset;
mod discovery;
mod localnet;
mod pointset;
mod system;

pub use self::blobset::{Blobset, BlobsetBlob};
pub use self::discovery::{Discovery, DiscoveryEnumerations, DiscoveryFamily};
pub use self::localnet::{Gateway, Localnet, LocalnetFamily};
pub use self::pointset::{Alarmset, AlarmsetAlarm, Pointset, PointsetPoint};
pub use self::system::{System, SystemOperation, SystemTesting};

use alloc::string::String;

use super::common::{Timestamp, Version};

document! {
    /// Everything the cloud orders of a device, complete in each message.
    ///
    /// Required members are optional here, because it is for the reader of a config to say what the lack
    /// of one means. A block that is present asks the device to report the block of the same name.
    pub struct Config in "config" {
        /// When the cloud issued the config; echoed as `last_config`. Not unique to a config.
        timestamp: Option<Timestamp> [required],
        /// The version the config is written in.
        version: Option<Version> [required],
        /// The version the config had before a tool rewrote it for an older device.
        downgraded_from: Option<String>,
        /// Logging, metrics and operation.
        system: Option<System>,
        /// Devices to act for, or the target to be reached through a gateway.
        gateway: Option<Gateway>,
        /// Enumeration and scans.
        discovery: Option<Discovery>,
        /// Local networks to report on.
        localnet: Option<Localnet>,
        /// Blobs to fetch and apply.
        blobset: Option<Blobset>,
        /// Alarms to report; read but not acted upon.
        alarmset: Option<Alarmset>,
        /// Points to report and to write.
        pointset: Option<Pointset>,
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::{SetValue, Value};
    use super::*;

    #[test]
    fn unknown_members_are_ignored_at_every_depth() {
        let text = r#"{"timestamp": "T", "extra": [1], "system": {"operation": {"mode": "odd", "extra": {}}, "extra": 1}}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        assert_eq!(config.timestamp.unwrap().as_str(), "T");
        let written = serde_json::to_string(&config.system).unwrap();
        assert_eq!(written, r#"{"operation":{}}"#);
    }

    #[test]
    fn a_list_is_no_block() {
        assert!(serde_json::from_str::<Config>("[]").is_err());
        assert!(serde_json::from_str::<Config>(r#"{"system": []}"#).is_err());
        assert_eq!(serde_json::from_str::<Config>(r#"{"system": null}"#).unwrap(), Config::default());
    }

    #[test]
    fn a_wrong_set_value_spoils_nothing_else() {
        let text = r#"{"points": {"a": {"set_value": 60}, "b": {"set_value": null}, "c": {"set_value": [{}]}, "d": {}}}"#;
        let points = serde_json::from_str::<Pointset>(text).unwrap().points.unwrap();
        assert_eq!(points["a"].set_value, Some(SetValue::Value(Value::Integer(60))));
        assert_eq!(points["b"].set_value, Some(SetValue::Other));
        assert_eq!(points["c"].set_value, Some(SetValue::Other));
        assert_eq!(points["d"].set_value, None);
        let written = serde_json::to_string(&points).unwrap();
        assert_eq!(written, r#"{"a":{"set_value":60},"b":{},"c":{},"d":{}}"#);
    }
}
