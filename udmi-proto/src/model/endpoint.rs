//! Where and how a device connects.

use alloc::string::String;

use serde_json::Value;

use super::common::{Concealed, Timestamp};

choice! {
    /// What is spoken with an endpoint; a device speaks MQTT only.
    pub enum Protocol {
        /// Within one process.
        Local = "local",
        /// A publish and subscribe service.
        Pubsub = "pubsub",
        /// Files.
        File = "file",
        /// A recorded trace.
        Trace = "trace",
        /// MQTT.
        Mqtt = "mqtt",
    }
}

choice! {
    /// What carries the protocol.
    pub enum Transport {
        /// TLS.
        Ssl = "ssl",
        /// Plain TCP.
        Tcp = "tcp",
    }
}

document! {
    /// Where and how a device connects (§1.11).
    ///
    /// The three required members are optional here, because a redirect that lacks one is to be reported as
    /// an error of its blob and not as broken JSON.
    pub struct Endpoint in "configuration_endpoint" {
        /// A name for people.
        name: Option<String>,
        /// What is spoken there.
        protocol: Option<Protocol> [required],
        /// What carries it; TLS if absent.
        transport: Option<Transport>,
        /// The name or address of the host.
        hostname: Option<String> [required],
        /// Of no meaning to a device.
        payload: Option<String>,
        /// Of no meaning to a device.
        error: Option<String>,
        /// The port; 8883 if absent.
        port: Option<i64>,
        /// Seconds to wait for the first config: 0 or absent for 10, negative not to wait.
        config_sync_sec: Option<i64>,
        /// The MQTT client id.
        client_id: Option<String> [required],
        /// What comes before the type in all topics, ending in the device id.
        topic_prefix: Option<String> [pattern = "^[-_/a-zA-Z0-9]+$"],
        /// The topic to subscribe to in place of the config topic, for brokers that are not UDMI's. Read and not
        /// acted on, as §1.4 allows.
        recv_id: Option<String> [pattern = "^[-_/a-zA-Z0-9#]+$"],
        /// The topic to publish to in place of all others, for brokers that are not UDMI's. Read and not acted on,
        /// as §1.4 allows.
        send_id: Option<String> [pattern = "^[-_/a-zA-Z0-9#]+$"],
        /// A further topic, for tools.
        side_id: Option<String> [pattern = "^[-_/a-zA-Z0-9#]+$"],
        /// The gateway that connects, set at run time.
        gateway_id as "gatewayId": Option<String>,
        /// The device that connects, set at run time.
        device_id as "deviceId": Option<String>,
        /// Of no meaning to a device.
        enabled: Option<String>,
        /// Whether configs are subscribed to at QoS 0, so that none is acknowledged; a fault for testing (§1.1).
        no_config_ack as "noConfigAck": Option<bool>,
        /// Of no meaning to a device.
        capacity: Option<i64>,
        /// Of no meaning to a device.
        publish_delay_sec: Option<i64>,
        /// Of no meaning to a device.
        periodic_sec: Option<i64>,
        /// The private key, set at run time and never sent.
        key_bytes as "keyBytes": Option<Concealed<Value>>,
        /// How the token is signed: `RS256` or `ES256`.
        algorithm: Option<String>,
        /// What the device proves itself with; a token with defaults if absent.
        auth_provider: Option<AuthProvider>,
        /// The file with the certificates of trusted authorities.
        ca_file: Option<String>,
        /// The file with the device's certificate.
        cert_file: Option<String>,
        /// The file with the device's private key.
        key_file: Option<String>,
        /// The generation of the blob this endpoint came in.
        generation: Option<Timestamp>,
    }
}

document! {
    /// What a device proves itself with.
    pub struct AuthProvider {
        /// By name and password.
        basic: Option<Basic>,
        /// By signed token.
        jwt: Option<Jwt>,
    }
}

document! {
    /// A name and a password.
    pub struct Basic {
        /// The name.
        username: Option<String>,
        /// The password.
        password: Option<Concealed<String>>,
    }
}

document! {
    /// How a signed token is made.
    pub struct Jwt {
        /// For whom the token is; the project id if absent.
        audience: Option<String>,
    }
}

document! {
    /// What a device keeps from one start to the next.
    pub struct PersistentDevice in "persistent_device" [open] {
        /// Where it was last told to connect.
        endpoint: Option<Endpoint>,
        /// How many times it has started.
        restart_count: Option<i64>,
        /// What blobs it has applied.
        applied_blobs: Option<serde_json::Map<String, Value>>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_written_but_not_shown() {
        let text = r#"{"username":"me","password":"hunter2"}"#;
        let basic: Basic = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&basic).unwrap(), text);
        assert!(!alloc::format!("{basic:?}").contains("hunter2"));
    }
}
