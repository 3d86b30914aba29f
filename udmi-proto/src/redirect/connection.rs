//! Where to connect and as whom: everything that changes with the endpoint (§1.11).

use alloc::format;
use alloc::string::{String, ToString as _};

use device_link::{Algorithm, Endpoint, Secret, Topic, Transport};
use serde::Serialize;

use crate::json;
use crate::model::endpoint::{self as document, Protocol};
use crate::model::place::object;
use crate::settings::{Credentials, Settings, TokenSettings};
use crate::topics::Topics;

/// §1.11: the port if the document names none.
const DEFAULT_PORT: i64 = 8883;
/// §1.8: seconds from a token's issue to its expiry, and the user name that goes with it.
const TOKEN_SECONDS: u32 = 3600;
const TOKEN_USER: &str = "unused";

/// Words of stored values.
const TCP: &str = "tcp";
const TLS: &str = "tls";
const RS256: &str = "Rs256";
const ES256: &str = "Es256";

/// Where to connect and as whom.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Connection {
    pub(crate) endpoint: Endpoint,
    pub(crate) client_id: String,
    pub(crate) topic_prefix: String,
    pub(crate) authentication: Authentication,
    /// Seconds to wait for the first config: 0 for 10, negative not to wait (§1.9).
    pub(crate) config_sync_seconds: i64,
    /// Configs come at QoS 0 (§1.1).
    pub(crate) no_config_ack: bool,
}

/// What the device proves itself with, beside a client certificate, which belongs to the host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Authentication {
    None,
    Password(Credentials),
    Token(TokenSettings),
}

impl Connection {
    /// What the settings say.
    pub(crate) fn of(settings: &Settings) -> Self {
        let authentication = match (&settings.token, &settings.credentials) {
            (Some(token), _) => Authentication::Token(token.clone()),
            (None, Some(credentials)) => Authentication::Password(credentials.clone()),
            (None, None) => Authentication::None,
        };
        Self {
            endpoint: settings.endpoint.clone(),
            client_id: settings.client_id.clone(),
            topic_prefix: settings.topic_prefix.trim_end_matches('/').into(),
            authentication,
            config_sync_seconds: settings.options.config_sync_seconds,
            no_config_ack: settings.options.no_config_ack,
        }
    }

    /// Reads an endpoint document. What it leaves open is as in `configured`: certificates and keys stay the
    /// device's own, and so does its way to prove itself if the document names none.
    ///
    /// # Errors
    /// What is wrong with it, without any of its values that may be secret.
    pub(crate) fn read(document: &[u8], device_id: &str, configured: &Self) -> Result<Self, String> {
        let document: document::Endpoint = json::from_slice(document).map_err(|error| {
            // Its own text may quote a value.
            format!("the endpoint is unreadable at line {}, column {}", error.line(), error.column())
        })?;
        if document.protocol != Some(Protocol::Mqtt) {
            return Err("protocol: expected mqtt".into());
        }
        let host = required("hostname", document.hostname.as_deref())?;
        let client_id = required("client_id", document.client_id.as_deref())?;
        let port = u16::try_from(document.port.unwrap_or(DEFAULT_PORT)).ok().filter(|port| *port > 0);
        let transport = match document.transport {
            None | Some(document::Transport::Ssl) => Transport::Tls,
            Some(document::Transport::Tcp) => Transport::Tcp,
            Some(document::Transport::Unknown) => return Err("transport: expected ssl or tcp".into()),
        };
        let prefix = document.topic_prefix.clone().unwrap_or_else(|| default_prefix(&client_id, device_id));
        let prefix = prefix.trim_end_matches('/').to_string();
        // The longest suffix in use is `/events/discovery`.
        if prefix.is_empty() || Topic::new(&format!("{prefix}/events/discovery")).is_err() {
            return Err("topic_prefix: expected a topic without wildcards".into());
        }
        Ok(Self {
            endpoint: Endpoint { host, port: port.ok_or("port: expected 1 to 65535")?, transport },
            authentication: authentication(&document, &client_id, configured)?,
            client_id,
            topic_prefix: prefix,
            config_sync_seconds: document.config_sync_sec.unwrap_or(0),
            no_config_ack: document.no_config_ack.unwrap_or(false),
        })
    }

    /// The password that is derived from the device's key, if it is in use: the local broker wants it under the client
    /// id as user name (§1.5, §1.6). Passwords are not compared, since a trace knows only their masks.
    pub(crate) fn derived_password(&self) -> Option<&Secret<String>> {
        match &self.authentication {
            Authentication::Password(credentials) => {
                (credentials.username == self.client_id).then_some(&credentials.password)
            }
            Authentication::Token(_) | Authentication::None => None,
        }
    }

    /// Puts `new` in place of the password derived from the key; tells whether one was in use.
    pub(crate) fn change_password(&mut self, new: &Secret<String>) -> bool {
        match &mut self.authentication {
            Authentication::Password(credentials) if credentials.username == self.client_id => {
                credentials.password = new.clone();
                true
            }
            Authentication::Password(_) | Authentication::Token(_) | Authentication::None => false,
        }
    }
}

fn required(name: &str, text: Option<&str>) -> Result<String, String> {
    match text {
        None | Some("") => Err(format!("{name}: expected a text, found nothing")),
        Some(text) if text.len() > 65_535 => Err(format!("{name}: too long")),
        Some(text) => Ok(text.into()),
    }
}

/// §1.4: the local broker's topics begin with the client id, all others with `/devices/` and the device.
fn default_prefix(client_id: &str, device_id: &str) -> String {
    let parts: alloc::vec::Vec<_> = client_id.split('/').collect();
    match parts.as_slice() {
        ["", "r", registry, "d", device] if !registry.is_empty() && !device.is_empty() => client_id.into(),
        _ => format!("/devices/{device_id}"),
    }
}

fn authentication(
    document: &document::Endpoint,
    client_id: &str,
    configured: &Connection,
) -> Result<Authentication, String> {
    let provider = document.auth_provider.as_ref();
    if let Some(basic) = provider.and_then(|provider| provider.basic.as_ref()) {
        let username = required("auth_provider.basic.username", basic.username.as_deref())?;
        let password = basic.password.as_ref().map(|password| password.0.as_str());
        let password = Secret::new(required("auth_provider.basic.password", password)?);
        return Ok(Authentication::Password(Credentials { username, password }));
    }
    let jwt = provider.and_then(|provider| provider.jwt.as_ref());
    let token = match &configured.authentication {
        Authentication::Token(token) => Some(token),
        Authentication::Password(_) | Authentication::None if jwt.is_none() => {
            return Ok(configured.authentication.clone());
        }
        Authentication::Password(_) | Authentication::None => None,
    };
    let algorithm = match document.algorithm.as_deref() {
        Some("RS256" | "RS256_X509") => Algorithm::Rs256,
        Some("ES256" | "ES256_X509") => Algorithm::Es256,
        Some(_) => return Err("algorithm: expected RS256 or ES256".into()),
        None => token.map_or(Algorithm::Rs256, |token| token.algorithm),
    };
    let audience = jwt.and_then(|jwt| jwt.audience.as_deref()).or_else(|| project(client_id));
    let audience = audience.or(token.map(|token| token.audience.as_str()));
    Ok(Authentication::Token(TokenSettings {
        algorithm,
        audience: audience.ok_or("auth_provider.jwt.audience: expected a text, found nothing")?.into(),
        username: token.map_or_else(|| TOKEN_USER.into(), |token| token.username.clone()),
        lifetime_seconds: token.map_or(TOKEN_SECONDS, |token| token.lifetime_seconds),
    }))
}

/// §1.8: the project of a client id that names one.
fn project(client_id: &str) -> Option<&str> {
    client_id.strip_prefix("projects/")?.split('/').next().filter(|project| !project.is_empty())
}

/// A connection as it is stored. The password stands in it in the clear: the value is for the store only.
#[derive(Debug, Default, Serialize)]
pub(crate) struct StoredConnection {
    host: Option<String>,
    port: Option<u16>,
    transport: Option<String>,
    client_id: Option<String>,
    topic_prefix: Option<String>,
    config_sync_seconds: i64,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    no_config_ack: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    basic: Option<StoredPassword>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt: Option<StoredToken>,
}

#[derive(Default, Serialize)]
struct StoredPassword {
    username: Option<String>,
    password: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct StoredToken {
    algorithm: Option<String>,
    audience: Option<String>,
    username: Option<String>,
    lifetime_seconds: Option<u32>,
}

object! {
    StoredConnection {
        "host": host required,
        "port": port required,
        "transport": transport required,
        "client_id": client_id required,
        "topic_prefix": topic_prefix required,
        "config_sync_seconds": config_sync_seconds,
        "no_config_ack": no_config_ack,
        "basic": basic,
        "jwt": jwt,
    }
}

object! { StoredPassword { "username": username required, "password": password required } }

object! {
    StoredToken {
        "algorithm": algorithm required,
        "audience": audience required,
        "username": username,
        "lifetime_seconds": lifetime_seconds,
    }
}

impl core::fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StoredPassword").field("username", &self.username).finish_non_exhaustive()
    }
}

impl From<&Connection> for StoredConnection {
    fn from(connection: &Connection) -> Self {
        let (basic, jwt) = match &connection.authentication {
            Authentication::None => (None, None),
            Authentication::Token(token) => (None, Some(StoredToken::from(token))),
            Authentication::Password(Credentials { username, password }) => {
                let (username, password) = (Some(username.clone()), Some(password.expose().clone()));
                (Some(StoredPassword { username, password }), None)
            }
        };
        let transport = match connection.endpoint.transport {
            Transport::Tcp => TCP,
            Transport::Tls => TLS,
        };
        Self {
            host: Some(connection.endpoint.host.clone()),
            port: Some(connection.endpoint.port),
            transport: Some(transport.into()),
            client_id: Some(connection.client_id.clone()),
            topic_prefix: Some(connection.topic_prefix.clone()),
            config_sync_seconds: connection.config_sync_seconds,
            no_config_ack: connection.no_config_ack,
            basic,
            jwt,
        }
    }
}

impl From<&TokenSettings> for StoredToken {
    fn from(token: &TokenSettings) -> Self {
        let algorithm = match token.algorithm {
            Algorithm::Rs256 => RS256,
            Algorithm::Es256 => ES256,
        };
        Self {
            algorithm: Some(algorithm.into()),
            audience: Some(token.audience.clone()),
            username: Some(token.username.clone()),
            lifetime_seconds: Some(token.lifetime_seconds),
        }
    }
}

impl StoredToken {
    fn open(self) -> Result<TokenSettings, String> {
        let algorithm = match self.algorithm.as_deref() {
            Some(RS256) => Algorithm::Rs256,
            Some(ES256) => Algorithm::Es256,
            None | Some(_) => return Err("the algorithm is unknown".into()),
        };
        Ok(TokenSettings {
            algorithm,
            audience: self.audience.unwrap_or_default(),
            username: self.username.unwrap_or_else(|| TOKEN_USER.into()),
            lifetime_seconds: self.lifetime_seconds.unwrap_or(TOKEN_SECONDS),
        })
    }
}

impl StoredConnection {
    /// # Errors
    /// What cannot be used of it.
    pub(crate) fn open(self) -> Result<Connection, String> {
        let (host, client_id) = (self.host.unwrap_or_default(), self.client_id.unwrap_or_default());
        let port = self.port.unwrap_or(0);
        if host.is_empty() || client_id.is_empty() || port == 0 {
            return Err("the endpoint is incomplete".into());
        }
        let transport = match self.transport.as_deref() {
            Some(TCP) => Transport::Tcp,
            Some(TLS) => Transport::Tls,
            None | Some(_) => return Err("the transport is unknown".into()),
        };
        let topic_prefix = self.topic_prefix.unwrap_or_default();
        Topics::new(&topic_prefix).map_err(|error| format!("topic_prefix: {error}"))?;
        let authentication = match (self.basic, self.jwt) {
            (Some(StoredPassword { username, password }), _) => Authentication::Password(Credentials {
                username: username.unwrap_or_default(),
                password: Secret::new(password.unwrap_or_default()),
            }),
            (None, Some(token)) => Authentication::Token(token.open()?),
            (None, None) => Authentication::None,
        };
        Ok(Connection {
            endpoint: Endpoint { host, port, transport },
            client_id,
            topic_prefix,
            authentication,
            config_sync_seconds: self.config_sync_seconds,
            no_config_ack: self.no_config_ack,
        })
    }

    /// Masks what is secret.
    pub(crate) fn mask(&mut self) {
        if let Some(basic) = &mut self.basic {
            basic.password = Some(device_link::MASK.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn configured() -> Connection {
        let endpoint = Endpoint { host: "old".into(), port: 1883, transport: Transport::Tcp };
        let mut settings = Settings::new("AHU-1", endpoint, "/r/REG/d/AHU-1", "/r/REG/d/AHU-1");
        let (username, password) = ("me".into(), Secret::new("own".into()));
        settings.credentials = Some(Credentials { username, password });
        Connection::of(&settings)
    }

    fn read(document: &Json) -> Result<Connection, String> {
        Connection::read(document.to_string().as_bytes(), "AHU-1", &configured())
    }

    fn with(member: &str, value: Json) -> Json {
        let mut document = json!({ "protocol": "mqtt", "hostname": "new", "client_id": "c" });
        document[member] = value;
        document
    }

    /// §1.11, and upstream's fixture `simple.json`.
    #[test]
    fn three_members_are_enough_and_the_rest_has_its_defaults() {
        let found = read(&with("name", json!("n"))).unwrap();
        assert_eq!(found.endpoint, Endpoint { host: "new".into(), port: 8883, transport: Transport::Tls });
        assert_eq!((found.client_id.as_str(), found.topic_prefix.as_str()), ("c", "/devices/AHU-1"));
        assert_eq!(found.authentication, configured().authentication);
    }

    /// §1.4.
    #[test]
    fn the_topics_of_the_local_broker_begin_with_the_client_id() {
        let found = read(&with("client_id", json!("/r/ALT/d/AHU-1"))).unwrap();
        assert_eq!(found.topic_prefix, "/r/ALT/d/AHU-1");
        let found = read(&with("topic_prefix", json!("own/AHU-1/"))).unwrap();
        assert_eq!(found.topic_prefix, "own/AHU-1");
    }

    #[test]
    fn name_and_password_or_a_token_go_before_the_devices_own() {
        let basic = json!({ "basic": { "username": "u", "password": "p" } });
        let found = read(&with("auth_provider", basic)).unwrap();
        let (username, password) = ("u".into(), Secret::new("p".into()));
        assert_eq!(found.authentication, Authentication::Password(Credentials { username, password }));
        let mut document = with("auth_provider", json!({ "jwt": {} }));
        document["client_id"] = json!("projects/P/locations/L/registries/R/devices/AHU-1");
        document["algorithm"] = json!("ES256");
        let Authentication::Token(token) = read(&document).unwrap().authentication else { panic!() };
        assert_eq!((token.algorithm, token.audience.as_str()), (Algorithm::Es256, "P"));
        assert_eq!((token.username.as_str(), token.lifetime_seconds), ("unused", 3600));
    }

    #[test]
    fn what_cannot_be_used_is_told_by_name_and_without_its_value() {
        for (member, value) in [
            ("protocol", json!("pubsub")),
            ("hostname", json!("")),
            ("client_id", json!(null)),
            ("port", json!(0)),
            ("port", json!(65_536)),
            ("transport", json!("carrier-pigeon")),
            ("topic_prefix", json!("delta/#")),
            ("topic_prefix", json!("")),
        ] {
            let error = read(&with(member, value.clone())).unwrap_err();
            assert!(error.starts_with(member), "{member} {value}: {error}");
        }
        for document in [json!([]), json!({ "auth_provider": "hunter2" }), json!({ "port": "hunter2" })] {
            let error = read(&document).unwrap_err();
            assert!(error.starts_with("the endpoint is unreadable"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    /// §1.6.
    #[test]
    fn only_a_password_that_is_derived_from_the_key_changes_with_the_key() {
        let new = Secret::new(String::from("new"));
        let basic = |user: &str| json!({ "basic": { "username": user, "password": "p" } });
        let mut own = read(&with("auth_provider", basic("somebody"))).unwrap();
        assert!(!own.change_password(&new) && own.derived_password().is_none());
        let mut derived = read(&with("auth_provider", basic("c"))).unwrap();
        assert_eq!(derived.derived_password(), Some(&Secret::new("p".into())));
        assert!(derived.change_password(&new));
        assert_eq!(derived.derived_password(), Some(&new));
    }

    #[test]
    fn what_is_stored_opens_again_and_shows_no_password() {
        let basic = json!({ "basic": { "username": "u", "password": "hunter2" } });
        for (member, value) in [("auth_provider", basic), ("port", json!(443)), ("noConfigAck", json!(true))]
        {
            let found = read(&with(member, value)).unwrap();
            let mut stored = StoredConnection::from(&found);
            let text = serde_json::to_string(&stored).unwrap();
            assert!(!alloc::format!("{stored:?}").contains("hunter2"));
            stored.mask();
            assert!(!serde_json::to_string(&stored).unwrap().contains("hunter2"));
            let again: StoredConnection = json::from_slice(text.as_bytes()).unwrap();
            assert_eq!(again.open(), Ok(found));
        }
    }
}
