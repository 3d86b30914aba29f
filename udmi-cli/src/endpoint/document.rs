//! The endpoint document that a device is sent (§1.11).

use std::fmt;
use std::path::{Path, PathBuf};

use device_link::{Endpoint, Transport};
use serde_json::{Map, Value, json};

use crate::cloud::{Reach, Registry, own_id};
use crate::difference::Brief;
use crate::output::Failure;
use crate::text;

/// The largest password file that is read, in bytes.
const PASSWORD_FILE_BYTES_MAX: u64 = 64 << 10;
/// The port if the document names none (§1.1).
const DEFAULT_PORT: u64 = 8883;

/// What the flags say of the other broker.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) endpoint: Endpoint,
    pub(super) registry: Option<String>,
    pub(super) client_id: Option<String>,
    /// A user name, and the file of its password.
    pub(super) credentials: Option<(String, PathBuf)>,
}

/// Where the device is to go.
#[derive(Debug)]
pub(super) struct Target {
    /// What the device is sent.
    pub(super) document: Value,
    endpoint: Option<Endpoint>,
    /// Where the device publishes there; none if that cannot be known.
    registry: Option<Registry>,
}

impl Wanted {
    /// Makes the document. `prefix` is what stands before the device ids of its present registry.
    pub(super) fn target(self, device: &str, prefix: &str) -> Result<Target, Failure> {
        let base = self.registry.map_or_else(|| prefix.to_owned(), |registry| format!("/r/{registry}/d"));
        let topics = format!("{base}/{device}");
        let transport = match self.endpoint.transport {
            Transport::Tls => "ssl",
            Transport::Tcp => "tcp",
        };
        let mut document = json!({
            "protocol": "mqtt",
            "transport": transport,
            "hostname": self.endpoint.host,
            "port": self.endpoint.port,
            "client_id": self.client_id.unwrap_or_else(|| topics.clone()),
            "topic_prefix": topics,
        });
        if let (Some((username, file)), Some(members)) = (self.credentials, document.as_object_mut()) {
            let text = text::read(&file, PASSWORD_FILE_BYTES_MAX).map_err(Failure::usage)?;
            let password = text.lines().next().unwrap_or_default();
            let basic = json!({ "basic": { "username": username, "password": password } });
            members.insert("auth_provider".to_owned(), basic);
        }
        Ok(Target { document, endpoint: Some(self.endpoint), registry: Some(Registry::Prefix(base)) })
    }
}

impl Target {
    /// Takes a document as it is; what is wrong with it is the device's to say.
    pub(super) fn read(file: &Path, device: &str) -> Result<Self, Failure> {
        let text = text::read(file, text::FILE_BYTES_MAX).map_err(Failure::usage)?;
        let document =
            text::parse(&text).map_err(|why| Failure::usage(format!("{}:{why}", file.display())))?;
        let Value::Object(members) = &document else {
            let found = Brief(&document);
            return Err(Failure::usage(format!("{}: expected an object, found {found}", file.display())));
        };
        let endpoint = endpoint(members);
        let of = |name: &str| members.get(name).and_then(Value::as_str);
        let topics = of("topic_prefix").map_or_else(|| format!("/devices/{device}"), ToOwned::to_owned);
        let registry = topics
            .strip_suffix(device)
            .and_then(|base| base.strip_suffix('/'))
            .map(|base| Registry::Prefix(base.to_owned()));
        Ok(Self { document, endpoint, registry })
    }

    /// The broker it goes to, if that can be known.
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// How the cloud hears the device there: with what leads to the first broker. None if the device stays
    /// where it is heard already, or if it cannot be known where it goes.
    pub(super) fn reach(&self, first: &Reach) -> Option<Reach> {
        let (endpoint, registry) = (self.endpoint.clone()?, self.registry.clone()?);
        let same = endpoint == first.endpoint && registry == first.registry;
        (!same).then(|| Reach { endpoint, registry, client_id: own_id("endpoint-other"), ..first.clone() })
    }

    /// The document without its secrets.
    pub(super) fn shown(&self) -> Value {
        let mut document = self.document.clone();
        for path in ["/auth_provider/basic/password", "/keyBytes"] {
            if let Some(secret) = document.pointer_mut(path) {
                *secret = "***".into();
            }
        }
        document
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.endpoint, &self.registry) {
            (Some(endpoint), Some(Registry::Prefix(prefix))) => write!(f, "{endpoint} below {prefix}"),
            (Some(endpoint), _) => endpoint.fmt(f),
            (None, _) => f.write_str("an endpoint that cannot be read"),
        }
    }
}

fn endpoint(document: &Map<String, Value>) -> Option<Endpoint> {
    let host = document.get("hostname")?.as_str()?.to_owned();
    let port = document.get("port").map_or(Some(DEFAULT_PORT), Value::as_u64)?;
    let transport = match document.get("transport").map(Value::as_str) {
        Some(Some("tcp")) => Transport::Tcp,
        Some(Some("ssl")) | None => Transport::Tls,
        Some(_) => return None,
    };
    Some(Endpoint { host, port: u16::try_from(port).ok()?, transport })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(registry: Option<&str>) -> Wanted {
        let endpoint = Endpoint { host: "host".into(), port: 1884, transport: Transport::Tcp };
        Wanted { endpoint, registry: registry.map(Into::into), client_id: None, credentials: None }
    }

    #[test]
    fn a_document_has_what_the_device_needs_and_keeps_the_registry() {
        let target = wanted(None).target("AHU-1", "/r/REG/d").unwrap();
        let document = json!({
            "protocol": "mqtt", "transport": "tcp", "hostname": "host", "port": 1884,
            "client_id": "/r/REG/d/AHU-1", "topic_prefix": "/r/REG/d/AHU-1",
        });
        assert_eq!(target.document, document);
        let other = wanted(Some("OTHER")).target("AHU-1", "/r/REG/d").unwrap();
        assert_eq!(other.document["client_id"], "/r/OTHER/d/AHU-1");
        assert_eq!(other.to_string(), "mqtt://host:1884 below /r/OTHER/d");
    }

    #[test]
    fn a_password_goes_along_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "hunter2\n").unwrap();
        let wanted = Wanted { credentials: Some(("me".into(), file)), ..wanted(None) };
        let target = wanted.target("AHU-1", "/r/REG/d").unwrap();
        assert_eq!(target.document["auth_provider"]["basic"]["password"], "hunter2");
        assert!(!target.shown().to_string().contains("hunter2"));
        assert_eq!(target.shown()["auth_provider"]["basic"]["username"], "me");
    }

    #[test]
    fn a_document_of_ones_own_is_sent_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("endpoint.json");
        std::fs::write(&file, r#"{ "hostname": "host", "topic_prefix": "/r/X/d/AHU-1" }"#).unwrap();
        let target = Target::read(&file, "AHU-1").unwrap();
        assert_eq!(target.to_string(), "mqtts://host:8883 below /r/X/d");
        std::fs::write(&file, r#"{ "port": "none" }"#).unwrap();
        assert_eq!(Target::read(&file, "AHU-1").unwrap().to_string(), "an endpoint that cannot be read");
        std::fs::write(&file, "[]").unwrap();
        assert!(Target::read(&file, "AHU-1").is_err());
    }
}
