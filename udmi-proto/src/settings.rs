//! What a device is, before the cloud says anything: identity, endpoint, points, switches.

mod gateway;

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use device_link::{Algorithm, Endpoint, Map, Secret, Topic};
use serde::{Deserialize, Serialize};

use crate::config::MEMBERS;
use crate::json::shown::Shown;
use crate::model::common::Stage;
use crate::model::value::Value;
use crate::name::is_name;

pub(crate) use gateway::is_device_id;
pub use gateway::{GatewaySettings, ProxyMode, ProxySettings};

/// The settings of one device. Plain data; [`Settings::check`] tells what cannot work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The device's name in its registry, such as `AHU-1`.
    pub device_id: String,
    /// The broker.
    pub endpoint: Endpoint,
    /// The MQTT client identifier (§1.2).
    pub client_id: String,
    /// What every topic of the device begins with; ends with the device id (§1.4).
    pub topic_prefix: String,
    /// User name and password, if the broker wants them.
    #[serde(default)]
    pub credentials: Option<Credentials>,
    /// A signed token in place of a password (§1.8).
    #[serde(default)]
    pub token: Option<TokenSettings>,
    /// What the device tells of itself.
    #[serde(default)]
    pub identity: Identity,
    /// The points the device knows.
    #[serde(default)]
    pub points: Map<String, PointModel>,
    /// Addresses by family, reported in the localnet block for the families the config names.
    #[serde(default)]
    pub families: Map<String, String>,
    /// What the device supports, for its self-enumeration (§6.3).
    #[serde(default)]
    pub features: Map<String, Stage>,
    /// The families the application can scan (§6.4).
    #[serde(default)]
    pub scans: Vec<String>,
    /// What makes the device a gateway, if it is one (§6.7).
    #[serde(default)]
    pub gateway: Option<GatewaySettings>,
    /// Names of top-level config blocks the application takes care of.
    #[serde(default)]
    pub custom_blocks: Vec<String>,
    /// Switches with defaults that suit production.
    #[serde(default)]
    pub options: Options,
}

impl Settings {
    /// Settings with the given identity on the wire, no points and default options.
    #[must_use]
    pub fn new(device_id: &str, endpoint: Endpoint, client_id: &str, topic_prefix: &str) -> Self {
        Self {
            device_id: device_id.to_string(),
            endpoint,
            client_id: client_id.to_string(),
            topic_prefix: topic_prefix.to_string(),
            credentials: None,
            token: None,
            identity: Identity::default(),
            points: Map::new(),
            families: Map::new(),
            features: Map::new(),
            scans: Vec::new(),
            gateway: None,
            custom_blocks: Vec::new(),
            options: Options::default(),
        }
    }

    /// Settings as UDMI's local brokers want them: client id and topics are `/r/REGISTRY/d/DEVICE` (§1.2).
    ///
    /// ```
    /// use udmi_proto::Settings;
    /// let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", "mqtt://localhost".parse()?);
    /// assert_eq!(settings.topic_prefix, "/r/ZZ-TRI-FECTA/d/AHU-1");
    /// # Ok::<(), udmi_proto::EndpointError>(())
    /// ```
    #[must_use]
    pub fn in_registry(registry: &str, device_id: &str, endpoint: Endpoint) -> Self {
        let name = alloc::format!("/r/{registry}/d/{device_id}");
        Self::new(device_id, endpoint, &name, &name)
    }

    /// Finds what cannot work before anything is sent.
    ///
    /// # Errors
    /// The first [`SettingsError`] found.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.device_id.is_empty() {
            return Err(SettingsError::DeviceId);
        }
        // The longest suffix in use is `/events/discovery`.
        if Topic::new(&alloc::format!("{}/events/discovery", self.topic_prefix)).is_err() {
            return Err(SettingsError::TopicPrefix);
        }
        if self.client_id.is_empty() || self.client_id.len() > 65_535 {
            return Err(SettingsError::ClientId);
        }
        if self.endpoint.host.is_empty() {
            return Err(SettingsError::Host);
        }
        if self.custom_blocks.iter().any(|name| MEMBERS.contains(&name.as_str())) {
            return Err(SettingsError::CustomBlock);
        }
        // One that begins with `_` is UDMI's to name, and an illegal one would spoil states.
        if let Some(name) = self.options.blobs.iter().find(|name| !is_name(name)) {
            return Err(SettingsError::Blob(name.clone()));
        }
        if !self.scans.iter().all(|family| is_name(family)) {
            return Err(SettingsError::ScanFamily);
        }
        self.gateway.as_ref().map_or(Ok(()), |gateway| gateway.check(&self.device_id))
    }
}

/// What a device core is made of.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) identity: Identity,
    pub(crate) points: Map<String, PointModel>,
    pub(crate) families: Map<String, String>,
    pub(crate) features: Map<String, Stage>,
    pub(crate) scans: Vec<String>,
    pub(crate) custom_blocks: Vec<String>,
}

impl Known {
    /// Takes what a device is made of out of its settings.
    pub(crate) fn take(settings: &mut Settings) -> Self {
        use core::mem::take;
        Self {
            identity: take(&mut settings.identity),
            points: take(&mut settings.points),
            families: take(&mut settings.families),
            features: take(&mut settings.features),
            scans: take(&mut settings.scans),
            custom_blocks: take(&mut settings.custom_blocks),
        }
    }
}

/// Why settings cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// The device id is empty.
    DeviceId,
    /// The topic prefix is empty, too long or has wildcards.
    TopicPrefix,
    /// The client id is empty or over 65535 bytes.
    ClientId,
    /// The host name is empty.
    Host,
    /// A config block that the core reads itself is named as one of the application's.
    CustomBlock,
    /// The name of a blob is none that UDMI allows (§2.6).
    Blob(String),
    /// A family to scan has a name that UDMI does not allow.
    ScanFamily,
    /// A proxied device has an id that is the gateway's or cannot be part of a topic.
    ProxyId,
    /// More proxied devices are known than may be attached.
    Proxies,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self {
            Self::Blob(name) => {
                return write!(f, "the blob name {name:?} is not of a-z and 0-9 in parts joined by _");
            }
            Self::DeviceId => "the device id is empty",
            Self::TopicPrefix => "the topic prefix is empty, too long, or has one of + # and U+0000",
            Self::ClientId => "the client id is empty or over 65535 bytes",
            Self::Host => "the broker's host name is empty",
            Self::CustomBlock => "a custom config block has a name that is UDMI's own",
            Self::ScanFamily => "a family to scan has a name that UDMI does not allow",
            Self::ProxyId => {
                "a proxied device has an id that is empty, too long, the gateway's own, or no topic level"
            }
            Self::Proxies => "there are more proxied devices than may be attached",
        };
        f.write_str(reason)
    }
}

impl core::error::Error for SettingsError {}

/// A user name with its password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password; never shown.
    pub password: Secret<String>,
}

/// How the device proves itself by a JSON web token (§1.8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSettings {
    /// How it is signed; the host's key has to be of that kind.
    pub algorithm: Algorithm,
    /// The claim `aud`.
    pub audience: String,
    /// The user name that goes with it; brokers ignore it.
    #[serde(default = "unused")]
    pub username: String,
    /// Seconds from issue to expiry; 3600 by default.
    #[serde(default = "an_hour")]
    pub lifetime_seconds: u32,
}

fn unused() -> String {
    "unused".into()
}

fn an_hour() -> u32 {
    3600
}

/// The static part of the system block (§3.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// Manufacturer.
    pub make: String,
    /// Model name.
    pub model: String,
    /// Stock keeping unit.
    pub sku: Option<String>,
    /// Hardware revision.
    pub rev: Option<String>,
    /// Serial number.
    pub serial_no: String,
    /// Versions by module name (`[a-z_]+`). The conformance suite wants it equal to the metadata's.
    pub software: Map<String, String>,
    /// Free parameters by name (`[a-z_]+`).
    pub params: Map<String, String>,
}

impl Default for Identity {
    /// The placeholders of §3.2: a required member is never dropped.
    fn default() -> Self {
        let unknown = || String::from("unknown");
        Self {
            make: unknown(),
            model: unknown(),
            sku: None,
            rev: None,
            serial_no: unknown(),
            software: Map::new(),
            params: Map::new(),
        }
    }
}

/// What the device knows of one of its points.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PointModel {
    /// The unit values are reported in.
    pub units: Option<String>,
    /// The local reference; a config that names another one is refused for this point (§4.6).
    pub reference: Option<String>,
    /// Whether the cloud may set it.
    pub writable: bool,
    /// What values it takes; unknown takes any.
    pub kind: Option<ValueKind>,
    /// Where values come from.
    pub source: Source,
}

/// What values a point takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueKind {
    /// True or false.
    Boolean,
    /// A number.
    Number {
        /// The least allowed.
        minimum: Option<f64>,
        /// The greatest allowed.
        maximum: Option<f64>,
    },
    /// Any text.
    Text,
    /// One of these texts.
    Enumeration(Vec<String>),
}

impl ValueKind {
    /// Whether `value` is of this kind and in its range.
    ///
    /// # Errors
    /// What was expected.
    pub fn accepts(&self, value: &Value) -> Result<(), String> {
        match (self, value) {
            (Self::Boolean, Value::Boolean(_)) | (Self::Text, Value::Text(_)) => Ok(()),
            (Self::Boolean, _) => Err("expected true or false".into()),
            (Self::Text, _) => Err("expected a text".into()),
            (Self::Enumeration(names), Value::Text(text)) if names.iter().any(|name| name == text) => Ok(()),
            (Self::Enumeration(names), _) => Err(alloc::format!("expected one of {}", names.join(", "))),
            (Self::Number { minimum, maximum }, value) => {
                let Some(number) = value.as_number() else { return Err("expected a number".into()) };
                if minimum.is_some_and(|minimum| number < minimum) {
                    return Err(alloc::format!("expected at least {}", Shown(minimum.unwrap_or_default())));
                }
                if maximum.is_some_and(|maximum| number > maximum) {
                    return Err(alloc::format!("expected at most {}", Shown(maximum.unwrap_or_default())));
                }
                Ok(())
            }
        }
    }
}

/// Where a point's values come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The application pushes them.
    #[default]
    Pushed,
    /// The core asks for them before each sample.
    Polled,
    /// The core asks for them after all others are known, and hands those along (a virtual point).
    Computed,
}

/// Switches of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Seconds to wait for the first config after a connect; 0 means 10, negative does not wait (§1.9).
    pub config_sync_seconds: i64,
    /// Subscribe to configs at QoS 0, so that no broker knows that one has arrived; a fault for testing, off by
    /// default (§1.1, `noConfigAck` in §1.11).
    pub no_config_ack: bool,
    /// Least milliseconds between two states; 2000 by default, never under 1000 (§7.2).
    pub state_interval_ms: u64,
    /// Least milliseconds a write shows as `updating`, counted from when it was begun: what the application answers
    /// sooner shows only then. 0 by default, so that a fast write is `applied` at once. The conformance suite
    /// has to see `updating` (§9.6 `writeback_operation`); 3000 to 5000 suit it, 20000 are too many.
    pub minimum_updating_ms: u64,
    /// Send no state at all (§7.7).
    pub suppress_state: bool,
    /// Subscribe to `commands/#`; a refusal is tolerated (§11 item 26).
    pub commands: bool,
    /// Report the config's `state_etag` as it came instead of computing one (§11 item 12).
    pub echo_etag: bool,
    /// Ask the application (`Hook::Lifecycle`) before an end that the cloud wants, instead of exiting at once.
    pub lifecycle_hook: bool,
    /// Ask the application (`Hook::Metrics`) for host metrics.
    pub metrics_hook: bool,
    /// Offer commands that are none of the core's to the application (`Hook::Command`).
    pub command_hook: bool,
    /// The blobs the device takes, by name (§2.6; any other name is a [`SettingsError`]); others are skipped (§5.5). A name of letters and underscores is
    /// that of a software module as well, which shows the version a blob brought.
    pub blobs: Vec<String>,
    /// The most bytes of a blob; 16 MiB by default.
    pub blob_limit: u64,
    /// Follow endpoint redirects; on by default (§5.3). If off, an order is answered with `final` and an error, and an
    /// endpoint that was stored by an earlier run is not used.
    pub redirects: bool,
    /// Keep-alive seconds of the MQTT session.
    pub keep_alive_seconds: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config_sync_seconds: 0,
            no_config_ack: false,
            state_interval_ms: 2000,
            minimum_updating_ms: 0,
            suppress_state: false,
            commands: true,
            echo_etag: false,
            lifecycle_hook: false,
            metrics_hook: false,
            command_hook: false,
            blobs: Vec::new(),
            blob_limit: 16 << 20,
            redirects: true,
            keep_alive_seconds: 60,
        }
    }
}

impl Options {
    pub(crate) fn state_interval(&self) -> Duration {
        Duration::from_millis(self.state_interval_ms.max(1000))
    }

    /// How long to hold states back until the first config; none does not hold them back.
    pub(crate) fn config_sync(&self) -> Option<Duration> {
        config_sync(self.config_sync_seconds)
    }
}

/// How long to wait for the first config of a connection: 0 is 10 s, negative does not wait (§1.9).
pub(crate) fn config_sync(seconds: i64) -> Option<Duration> {
    match seconds {
        0 => Some(Duration::from_secs(10)),
        seconds => u64::try_from(seconds).ok().map(Duration::from_secs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_illegal_name_of_a_blob_is_refused_with_the_name() {
        let endpoint =
            device_link::Endpoint { host: "h".into(), port: 1, transport: device_link::Transport::Tcp };
        let mut settings = Settings::new("AHU-1", endpoint, "c", "p/AHU-1");
        settings.options.blobs = alloc::vec!["system".into(), "bus_driver_2".into()];
        assert_eq!(settings.check(), Ok(()));
        for name in ["", "_iot_endpoint_config", "System", "a__b", "a.b", "2a"] {
            settings.options.blobs = alloc::vec!["system".into(), name.into()];
            let error = settings.check().unwrap_err();
            assert_eq!(error, SettingsError::Blob(name.into()));
            assert!(alloc::format!("{error}").contains(name));
        }
    }

    #[test]
    fn a_kind_takes_its_own_type_and_range_only() {
        let number = ValueKind::Number { minimum: Some(0.0), maximum: Some(196.0) };
        assert_eq!(number.accepts(&Value::Integer(60)), Ok(()));
        assert!(number.accepts(&Value::Number(196.5)).is_err());
        assert!(number.accepts(&Value::Boolean(true)).is_err());
        let modes = ValueKind::Enumeration(alloc::vec!["on".into(), "off".into()]);
        assert_eq!(modes.accepts(&Value::from("on")), Ok(()));
        assert_eq!(modes.accepts(&Value::from("auto")), Err("expected one of on, off".into()));
    }
}
