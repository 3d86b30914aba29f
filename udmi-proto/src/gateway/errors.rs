//! What a broker tells on `errors` (§1.10).

use alloc::format;
use alloc::string::String;

use crate::json;
use crate::logs::clip;
use crate::model::place::object;

/// A gateway error document, as far as it is used.
#[derive(Debug, Default)]
struct Document {
    error_type: String,
    description: String,
    device_id: String,
    mqtt_message_info: MessageInfo,
}

#[derive(Debug, Default)]
struct MessageInfo {
    topic: String,
}

object! {
    Document {
        "error_type": error_type,
        "description": description,
        "device_id": device_id,
        "mqtt_message_info": mqtt_message_info,
    }
}

object! { MessageInfo { "topic": topic } }

/// An error of the broker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BrokerError {
    /// The device it is about, if it says so.
    pub(super) device: Option<String>,
    /// Whether the device is not attached because of it.
    pub(super) of_attachment: bool,
    /// For people.
    pub(super) text: String,
}

impl BrokerError {
    /// Reads a message; one that cannot be read is its own text.
    pub(super) fn read(payload: &[u8]) -> Self {
        let document: Document = match json::from_slice(payload) {
            Ok(document) => document,
            Err(_) => Document {
                description: String::from_utf8_lossy(payload.get(..1024).unwrap_or(payload)).into_owned(),
                ..Document::default()
            },
        };
        let Document { error_type, description, device_id, mqtt_message_info } = document;
        let mut text =
            if error_type.is_empty() { description } else { format!("{error_type}: {description}") };
        clip(&mut text);
        let of_topic = mqtt_message_info.topic.rsplit('/').nth(1).map(String::from);
        let device = Some(device_id).filter(|id| !id.is_empty()).or(of_topic);
        Self { device, of_attachment: error_type == "GATEWAY_ATTACHMENT_ERROR", text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_is_named_or_follows_from_the_topic() {
        let named = br#"{"error_type":"GATEWAY_ATTACHMENT_ERROR","description":"no such device","device_id":"AHU-22"}"#;
        let error = BrokerError::read(named);
        assert_eq!((error.device.as_deref(), error.of_attachment), (Some("AHU-22"), true));
        assert_eq!(error.text, "GATEWAY_ATTACHMENT_ERROR: no such device");
        let by_topic = br#"{"error_type":"X","mqtt_message_info":{"topic":"/devices/AHU-23/attach"}}"#;
        assert_eq!(BrokerError::read(by_topic).device.as_deref(), Some("AHU-23"));
        for odd in [&b"no JSON"[..], b"", b"7", b"[]", b"\xff", br#"{"error_type":1}"#] {
            assert!(!BrokerError::read(odd).of_attachment);
        }
    }
}
