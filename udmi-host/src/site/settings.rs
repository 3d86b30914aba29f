//! What a site model makes of the settings of a device: identity, points, addresses and connection.

use udmi_proto::model::common::Stage;
use udmi_proto::model::discovery::DiscoveryFeature;
use udmi_proto::model::metadata::{Metadata, PointsetPoint, ValueType};
use udmi_proto::{
    Algorithm, Credentials, Endpoint as Broker, Identity, Map, PointModel, Secret, Settings, Source,
    TokenSettings, Transport, ValueKind,
};

use super::{Credential, Device, Endpoint, SiteModel, TlsFiles, TokenAlgorithm};
use crate::keys::Password;

/// What brokers that take tokens want as user name.
const TOKEN_USERNAME: &str = "unused";
/// From issue to expiry of a token (§1.8).
const TOKEN_SECONDS: u32 = 3600;

/// Where and as whom a device connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Host name or address of the broker.
    pub host: String,
    /// TCP port of the broker.
    pub port: u16,
    /// Files for TLS, or `None` for plain TCP.
    pub tls: Option<TlsFiles>,
    /// MQTT client id.
    pub client_id: String,
    /// What stands before `/state`, `/events/…` and `/config` in the device's topics.
    pub topic_prefix: String,
    /// What the device proves itself with, beside a client certificate.
    pub proof: Proof,
    /// Seconds to wait for the first config: 0 is the default wait, negative is none.
    pub config_sync_sec: i64,
    /// Whether to subscribe to configs at QoS 0.
    pub no_config_ack: bool,
}

/// What a device proves itself with, beside a client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// Nothing.
    #[default]
    Nothing,
    /// User name and password.
    Password(String, Password),
    /// Signed tokens (§1.8), for which the device needs a key of the algorithm's kind.
    Token(TokenSettings),
}

impl From<Endpoint> for Connection {
    fn from(endpoint: Endpoint) -> Self {
        let proof = match endpoint.credential {
            Credential::Password(password) => Proof::Password(endpoint.username, password),
            Credential::Token { audience, algorithm, key: _ } => {
                let token =
                    TokenSettings { username: endpoint.username, ..token(algorithm.into(), audience) };
                Proof::Token(token)
            }
        };
        Self {
            host: endpoint.host,
            port: endpoint.port,
            tls: endpoint.tls,
            client_id: endpoint.client_id,
            topic_prefix: endpoint.topic_prefix,
            proof,
            config_sync_sec: endpoint.config_sync_sec,
            no_config_ack: endpoint.no_config_ack,
        }
    }
}

impl From<TokenAlgorithm> for Algorithm {
    fn from(algorithm: TokenAlgorithm) -> Self {
        match algorithm {
            TokenAlgorithm::Rs256 => Self::Rs256,
            TokenAlgorithm::Es256 => Self::Es256,
        }
    }
}

/// Tokens that live for an hour, with the user name that brokers of tokens are used to (§1.8).
pub fn token(algorithm: Algorithm, audience: String) -> TokenSettings {
    TokenSettings {
        algorithm,
        audience,
        username: TOKEN_USERNAME.to_owned(),
        lifetime_seconds: TOKEN_SECONDS,
    }
}

impl SiteModel {
    /// The registry as it appears in ids, with namespace and suffix (§1.2).
    pub fn registry(&self) -> String {
        self.execution.registry(self.execution.project.namespace.as_deref())
    }

    /// Connects a device to a plain broker of one's own, in the local form `/r/REGISTRY/d/DEVICE` (§1.4),
    /// without credentials. `registry` goes before that of the site model.
    pub fn local_connection(
        &self,
        device: &Device,
        registry: Option<&str>,
        host: &str,
        port: u16,
    ) -> Connection {
        let registry = registry.map_or_else(|| self.registry(), ToOwned::to_owned);
        let prefix = format!("/r/{registry}/d/{}", device.id);
        Connection {
            host: host.to_owned(),
            port,
            tls: None,
            client_id: prefix.clone(),
            topic_prefix: prefix,
            proof: Proof::Nothing,
            config_sync_sec: 0,
            no_config_ack: false,
        }
    }
}

/// The settings of a device: what its metadata says, and where `connection` leads. Those of a gateway know no proxied
/// devices yet; [`SiteModel::behind`] does.
pub fn settings(device: &Device, connection: &Connection) -> Settings {
    let transport = if connection.tls.is_some() { Transport::Tls } else { Transport::Tcp };
    let endpoint = Broker { host: connection.host.clone(), port: connection.port, transport };
    let mut settings = Settings::new(&device.id, endpoint, &connection.client_id, &connection.topic_prefix);
    match &connection.proof {
        Proof::Nothing => {}
        Proof::Password(username, password) => {
            let (username, password) = (username.clone(), Secret::new(password.expose().to_owned()));
            settings.credentials = Some(Credentials { username, password });
        }
        Proof::Token(token) => settings.token = Some(token.clone()),
    }
    settings.identity = identity(device);
    settings.points = points(&device.metadata);
    settings.families = families(&device.metadata);
    settings.features = features(&device.metadata);
    settings.options.config_sync_seconds = connection.config_sync_sec;
    settings.options.no_config_ack = connection.no_config_ack;
    settings.options.suppress_state =
        device.metadata.testing.as_ref().and_then(|testing| testing.nostate).unwrap_or(false);
    settings
}

/// The static part of the state's system block; what the metadata leaves out keeps its placeholder (§3.2).
pub(super) fn identity(device: &Device) -> Identity {
    let system = &device.metadata.system;
    let mut identity = Identity { serial_no: device.serial_no.clone(), ..Identity::default() };
    if let Some(hardware) = &system.hardware {
        identity.make.clone_from(&hardware.make);
        identity.model.clone_from(&hardware.model);
        identity.sku.clone_from(&hardware.sku);
        identity.rev.clone_from(&hardware.rev);
    }
    identity.software = system.software.clone().unwrap_or_default();
    identity
}

/// What the device claims to support; a feature without a stage is stable (§6.3).
pub(super) fn features(metadata: &Metadata) -> Map<String, Stage> {
    let Some(features) = &metadata.features else { return Map::new() };
    let stage = |feature: &DiscoveryFeature| feature.stage.unwrap_or(Stage::Stable);
    features.0.iter().map(|(name, feature)| (name.clone(), stage(feature))).collect()
}

/// Addresses by family.
pub(super) fn families(metadata: &Metadata) -> Map<String, String> {
    let Some(localnet) = &metadata.localnet else { return Map::new() };
    let address = |family: &udmi_proto::model::metadata::LocalnetFamily| family.addr.clone();
    localnet.families.iter().filter_map(|(name, family)| Some((name.clone(), address(family)?))).collect()
}

pub(super) fn points(metadata: &Metadata) -> Map<String, PointModel> {
    let Some(pointset) = &metadata.pointset else { return Map::new() };
    pointset.points.iter().map(|(name, point)| (name.clone(), point_model(point))).collect()
}

/// What the metadata lets the device know of one of its points. Values come by
/// [`Source::Pushed`]; an application that is asked instead changes that.
pub fn point_model(point: &PointsetPoint) -> PointModel {
    PointModel {
        units: point.units.clone(),
        reference: point.ref_.clone(),
        writable: point.writable.unwrap_or(false),
        kind: value_kind(point),
        source: Source::Pushed,
    }
}

/// The type that is given, else that of the baseline value; unknown without either.
fn value_kind(point: &PointsetPoint) -> Option<ValueKind> {
    use serde_json::Value as Json;
    let by_example = point.baseline_value.as_ref().and_then(|value| match value {
        Json::Bool(_) => Some(ValueType::Boolean),
        Json::Number(_) => Some(ValueType::Number),
        Json::String(_) => Some(ValueType::String),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    });
    let has_range = point.range_min.is_some() || point.range_max.is_some();
    let by_range = has_range.then_some(ValueType::Number);
    match point.kind.or(by_example).or(by_range)? {
        ValueType::Boolean => Some(ValueKind::Boolean),
        ValueType::Number => {
            let (minimum, maximum) = number_range(point);
            Some(ValueKind::Number { minimum, maximum })
        }
        ValueType::String => Some(enumeration(point).map_or(ValueKind::Text, ValueKind::Enumeration)),
        // A type of a later version says nothing to us.
        ValueType::Unknown => None,
    }
}

/// The texts a point takes, if the metadata names them and the baseline is one of them.
fn enumeration(point: &PointsetPoint) -> Option<Vec<String>> {
    let names: Vec<String> = point.values.as_ref()?.values().cloned().collect();
    let baseline = point.baseline_value.as_ref().and_then(serde_json::Value::as_str);
    let fits = baseline.is_none_or(|baseline| names.iter().any(|name| name == baseline));
    (fits && !names.is_empty()).then_some(names)
}

/// The range that is given; else the baseline with its tolerance, which is the baseline itself if none is
/// given (§4.7: 98 takes 0 to 196); a baseline of zero without tolerance gives no range.
fn number_range(point: &PointsetPoint) -> (Option<f64>, Option<f64>) {
    if point.range_min.is_some() || point.range_max.is_some() {
        return (point.range_min, point.range_max);
    }
    let Some(baseline) = point.baseline_value.as_ref().and_then(serde_json::Value::as_f64) else {
        return (None, None);
    };
    let tolerance = point.baseline_tolerance.unwrap_or(baseline).abs();
    if tolerance == 0.0 && point.baseline_tolerance.is_none() {
        return (None, None);
    }
    (Some(baseline - tolerance), Some(baseline + tolerance))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use udmi_proto::Value;

    use super::*;

    fn kind(point: serde_json::Value) -> Option<ValueKind> {
        value_kind(&serde_json::from_value(point).unwrap())
    }

    #[test]
    fn an_endpoint_of_tokens_leads_to_settings_of_tokens() {
        let endpoint = Endpoint {
            host: "mqtt.example".into(),
            port: 8883,
            tls: Some(TlsFiles::default()),
            client_id: "projects/p/locations/r/registries/REG/devices/AHU-1".into(),
            topic_prefix: "/devices/AHU-1".into(),
            username: "unused".into(),
            credential: Credential::Token {
                audience: "p".into(),
                algorithm: TokenAlgorithm::Rs256,
                key: "rsa_private.pkcs8".into(),
            },
            config_sync_sec: 0,
            no_config_ack: false,
        };
        let connection = Connection::from(endpoint);
        assert_eq!(connection.proof, Proof::Token(token(Algorithm::Rs256, "p".into())));
    }

    #[test]
    fn features_are_those_of_the_metadata_and_stable_unless_they_say() {
        let metadata = json!({ "features": { "pointset": { "stage": "beta" }, "enumeration": {} } });
        let found = features(&serde_json::from_value(metadata).unwrap());
        let expected = [("enumeration", Stage::Stable), ("pointset", Stage::Beta)];
        assert_eq!(found, expected.map(|(name, stage)| (name.to_owned(), stage)).into());
        assert!(features(&Metadata::default()).is_empty());
    }

    #[test]
    fn a_sensor_takes_its_baseline_with_tolerance_only() {
        let kind = kind(json!({"baseline_value": 10, "baseline_tolerance": 2})).unwrap();
        assert!(kind.accepts(&Value::Integer(15)).is_err());
        assert_eq!(kind.accepts(&Value::Integer(12)), Ok(()));
    }

    #[test]
    fn a_setpoint_without_tolerance_takes_up_to_twice_its_baseline() {
        let kind = kind(json!({"baseline_value": 98, "writable": true})).unwrap();
        assert_eq!(kind.accepts(&Value::Integer(60)), Ok(()));
        assert!(kind.accepts(&Value::Integer(197)).is_err());
        assert!(kind.accepts(&Value::from("60")).is_err());
    }

    #[test]
    fn a_range_goes_before_the_baseline() {
        let kind =
            kind(json!({"baseline_value": 20, "baseline_tolerance": 1, "range_min": 5, "range_max": 35}));
        assert_eq!(kind, Some(ValueKind::Number { minimum: Some(5.0), maximum: Some(35.0) }));
    }

    #[test]
    fn a_baseline_of_zero_without_tolerance_has_no_range() {
        assert_eq!(
            kind(json!({"baseline_value": 0})),
            Some(ValueKind::Number { minimum: None, maximum: None })
        );
    }

    #[test]
    fn texts_with_named_values_are_an_enumeration() {
        let modes = json!({"baseline_value": "auto", "values": {"0": "off", "1": "auto"}});
        assert_eq!(kind(modes), Some(ValueKind::Enumeration(vec!["off".into(), "auto".into()])));
        assert_eq!(kind(json!({"baseline_value": "north"})), Some(ValueKind::Text));
    }

    #[test]
    fn a_point_of_which_nothing_is_said_takes_anything() {
        assert_eq!(kind(json!({"units": "No-units"})), None);
        assert_eq!(kind(json!({"type": "boolean"})), Some(ValueKind::Boolean));
    }
}
