//! What a device keeps of its endpoint across restarts (§5.4): where it was sent, and which orders have failed.

use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use device_link::{Secret, Stored};
use serde::Serialize;

use crate::json;
use crate::model::common::Timestamp;
use crate::model::place::{Read, object};
use crate::redirect::{Connection, StoredConnection};

/// The key of the endpoint; its value holds a password.
pub(crate) const ENDPOINT: &str = "endpoint";
/// The key of the orders that have failed.
pub(crate) const ATTEMPTS: &str = "attempts";
/// The key of a change of keys that the broker has not seen yet; its value holds a password.
pub(crate) const ROTATION: &str = "rotation";
/// What follows a key under which an unreadable value is kept for people to look at.
pub(crate) const ASIDE: &str = "_unreadable";
/// The format this version writes.
const VERSION: u32 = 1;
/// The same of a rotation.
const ROTATION_VERSION: u32 = 2;

/// Where the cloud has sent the device, and where it was before.
#[derive(Debug, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) connection: Arc<Connection>,
    /// Of the order that led there.
    pub(crate) signature: String,
    pub(crate) generation: Option<Timestamp>,
    /// The last endpoint that worked before, if it was another than the configured one.
    pub(crate) previous: Option<Arc<Connection>>,
}

#[derive(Debug, Default, Serialize)]
struct StoredEndpoint {
    version: Option<u32>,
    endpoint: Option<StoredConnection>,
    signature: Option<String>,
    generation: Option<Timestamp>,
    previous: Option<StoredConnection>,
}

object! {
    StoredEndpoint {
        "version": version required,
        "endpoint": endpoint required,
        "signature": signature required,
        "generation": generation,
        "previous": previous,
    }
}

impl Endpoint {
    pub(crate) fn to_bytes(&self) -> Bytes {
        bytes(&StoredEndpoint {
            version: Some(VERSION),
            endpoint: Some((&*self.connection).into()),
            signature: Some(self.signature.clone()),
            generation: self.generation.clone(),
            previous: self.previous.as_deref().map(StoredConnection::from),
        })
    }

    fn open(stored: StoredEndpoint) -> Result<Self, String> {
        Ok(Self {
            connection: Arc::new(stored.endpoint.unwrap_or_default().open()?),
            signature: stored.signature.unwrap_or_default(),
            generation: stored.generation,
            // One that cannot be used is no worse than none.
            previous: stored.previous.and_then(|previous| previous.open().ok()).map(Arc::new),
        })
    }
}

/// An order that has failed: it is not tried again (§11 item 46).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Failed {
    pub(crate) signature: String,
    /// Why, as the state tells it.
    pub(crate) message: String,
    /// When, as the state tells it.
    pub(crate) timestamp: Timestamp,
}

#[derive(Debug, Serialize)]
struct StoredAttempts {
    version: u32,
    failed: Vec<Failed>,
}

/// The same as it is read.
#[derive(Default)]
struct ReadAttempts {
    failed: Option<Vec<ReadFailed>>,
}

#[derive(Default)]
struct ReadFailed {
    signature: Option<String>,
    message: Option<String>,
    timestamp: Option<Timestamp>,
}

object! { ReadAttempts { "failed": failed required } }

object! { ReadFailed { "signature": signature required, "message": message required, "timestamp": timestamp required } }

/// The stored form of orders that have failed.
pub(crate) fn attempts_to_bytes(failed: &[Failed]) -> Bytes {
    bytes(&StoredAttempts { version: VERSION, failed: failed.to_vec() })
}

/// A new key pair is about to be used, or is in use and the broker has not taken it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unproven {
    /// Its public key as PEM, by which the host knows it. The first format does not name it, and was written once the
    /// pair was in use.
    pub(crate) public_key: Option<String>,
    /// Where the old pair is.
    pub(crate) backup: String,
    /// The password that was derived from it, if one was in use.
    pub(crate) before: Option<Secret<String>>,
    /// The password that takes its place.
    pub(crate) after: Option<Secret<String>>,
}

#[derive(Default, Serialize)]
struct StoredRotation {
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    backup: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_password: Option<String>,
}

object! {
    StoredRotation {
        "version": version required,
        "public_key": public_key,
        "backup": backup required,
        "password": password,
        "new_password": new_password,
    }
}

impl Unproven {
    pub(crate) fn to_bytes(&self) -> Bytes {
        let exposed =
            |password: &Option<Secret<String>>| password.as_ref().map(|password| password.expose().clone());
        bytes(&StoredRotation {
            version: Some(ROTATION_VERSION),
            public_key: self.public_key.clone(),
            backup: Some(self.backup.clone()),
            password: exposed(&self.before),
            new_password: exposed(&self.after),
        })
    }
}

/// Finds and reads the change of keys that the broker has not seen yet.
///
/// # Errors
/// Why it cannot be read, without any of its content.
pub(crate) fn read_rotation(stored: &[Stored]) -> Result<Option<Unproven>, String> {
    let Some(value) = find(stored, ROTATION) else { return Ok(None) };
    let StoredRotation { public_key, backup, password, new_password, .. } =
        read_up_to(ROTATION_VERSION, value)?;
    let backup = backup.unwrap_or_default();
    let (before, after) = (password.map(Secret::new), new_password.map(Secret::new));
    Ok(Some(Unproven { public_key, backup, before, after }))
}

fn bytes(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_default()
}

/// Finds and reads the stored endpoint.
///
/// # Errors
/// Why it cannot be read, without any of its content.
pub(crate) fn read_endpoint(stored: &[Stored]) -> Result<Option<Endpoint>, String> {
    let Some(value) = find(stored, ENDPOINT) else { return Ok(None) };
    Endpoint::open(read(value)?).map(Some)
}

/// Finds and reads the orders that have failed.
///
/// # Errors
/// Why they cannot be read.
pub(crate) fn read_attempts(stored: &[Stored]) -> Result<Vec<Failed>, String> {
    let Some(value) = find(stored, ATTEMPTS) else { return Ok(Vec::new()) };
    let failed = read::<ReadAttempts>(value)?.failed.unwrap_or_default().into_iter();
    let failed = failed.map(|ReadFailed { signature, message, timestamp }| Failed {
        signature: signature.unwrap_or_default(),
        message: message.unwrap_or_default(),
        timestamp: timestamp.unwrap_or_default(),
    });
    Ok(failed.collect())
}

/// Finds a stored value.
pub(crate) fn find<'a>(stored: &'a [Stored], key: &str) -> Option<&'a Bytes> {
    stored.iter().find(|value| value.key.as_str() == key).map(|value| &value.value)
}

#[derive(Debug, Default, Serialize)]
struct Versioned {
    version: Option<u32>,
}

object! { Versioned { "version": version required } }

fn read<'a, T: Read<'a> + Default>(value: &'a [u8]) -> Result<T, String> {
    read_up_to(VERSION, value)
}

/// Reads a value of a format that has grown up to `newest`.
fn read_up_to<'a, T: Read<'a> + Default>(newest: u32, value: &'a [u8]) -> Result<T, String> {
    // The reader's own text may quote a password.
    let unreadable = |_| "it is no value of the expected form".to_string();
    let version = version_of(value).map_err(unreadable)?;
    if !(1..=newest).contains(&version) {
        return Err(alloc::format!("expected version {newest}, found {version}"));
    }
    json::from_slice(value).map_err(unreadable)
}

fn version_of(value: &[u8]) -> Result<u32, serde_json::Error> {
    json::from_slice::<Versioned>(value).map(|versioned| versioned.version.unwrap_or_default())
}

/// What a trace shows in place of a value: of those that hold passwords all but these, and of one that cannot be
/// read no more than its version. None shows the value itself.
pub(crate) fn mask(key: &str, value: &[u8]) -> Option<Vec<u8>> {
    let key = key.strip_suffix(ASIDE).unwrap_or(key);
    let newest = if key == ROTATION { ROTATION_VERSION } else { VERSION };
    let masked = match key {
        ENDPOINT => read::<StoredEndpoint>(value).map(|mut stored| {
            for connection in [&mut stored.endpoint, &mut stored.previous].into_iter().flatten() {
                connection.mask();
            }
            serde_json::to_vec(&stored)
        }),
        ROTATION => read_up_to::<StoredRotation>(newest, value).map(|mut stored| {
            for password in [&mut stored.password, &mut stored.new_password].into_iter().flatten() {
                *password = device_link::MASK.into();
            }
            serde_json::to_vec(&stored)
        }),
        _ => return None,
    };
    match masked {
        Ok(masked) => masked.ok(),
        Err(_) => match version_of(value) {
            Ok(version) if !(1..=newest).contains(&version) => {
                serde_json::to_vec(&Versioned { version: Some(version) }).ok()
            }
            Ok(_) | Err(_) => Some(device_link::MASK.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use device_link::Key;

    use super::*;
    use crate::settings::{Credentials, Settings};

    fn connection(host: &str) -> Arc<Connection> {
        let endpoint =
            device_link::Endpoint { host: host.into(), port: 8883, transport: device_link::Transport::Tls };
        let mut settings = Settings::new("AHU-1", endpoint, "/r/REG/d/AHU-1", "/r/REG/d/AHU-1");
        let password = Secret::new("hunter2".into());
        settings.credentials = Some(Credentials { username: "u".into(), password });
        Arc::new(Connection::of(&settings))
    }

    fn endpoint() -> Endpoint {
        Endpoint {
            connection: connection("new"),
            signature: "abc".into(),
            generation: Some(Timestamp::EPOCH),
            previous: Some(connection("old")),
        }
    }

    fn stored(key: &str, value: &[u8]) -> [Stored; 1] {
        [Stored { key: Key::new(key).unwrap(), value: Bytes::copy_from_slice(value) }]
    }

    #[test]
    fn what_was_written_is_read_again() {
        assert_eq!(read_endpoint(&stored(ENDPOINT, &endpoint().to_bytes())), Ok(Some(endpoint())));
        let failed = [Failed { signature: "abc".into(), message: "no".into(), timestamp: Timestamp::EPOCH }];
        let attempts = read_attempts(&stored(ATTEMPTS, &attempts_to_bytes(&failed)));
        assert_eq!(attempts.as_deref(), Ok(&failed[..]));
        assert_eq!(read_endpoint(&[]), Ok(None));
        assert_eq!(read_attempts(&[]), Ok(Vec::new()));
    }

    #[test]
    fn another_version_and_damage_are_told_without_content() {
        let newer = br#"{"version":2,"endpoint":"hunter2"}"#;
        assert_eq!(read_endpoint(&stored(ENDPOINT, newer)), Err("expected version 1, found 2".to_string()));
        for damaged in [&b"hunter2"[..], br#"{"version":1,"endpoint":"hunter2"}"#, b""] {
            let error = read_endpoint(&stored(ENDPOINT, damaged)).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_trace_shows_the_endpoint_but_no_password_and_reads_the_mask_alike() {
        let plain = endpoint().to_bytes();
        let masked = mask(ENDPOINT, &plain).unwrap();
        assert!(!String::from_utf8_lossy(&masked).contains("hunter2"));
        assert_eq!(mask(ENDPOINT, &masked).as_ref(), Some(&masked));
        let (before, after) = (endpoint(), read_endpoint(&stored(ENDPOINT, &masked)).unwrap().unwrap());
        assert_eq!((after.signature, after.generation), (before.signature, before.generation));
        assert_eq!(after.connection.endpoint, before.connection.endpoint);
        for damaged in [&b"hunter2"[..], br#"{"version":1,"a":"hunter2"}"#, br#"{"version":2,"a":"hunter2"}"#]
        {
            let masked = mask(ENDPOINT, damaged).unwrap();
            assert!(!String::from_utf8_lossy(&masked).contains("hunter2"));
            assert_eq!(
                read_endpoint(&stored(ENDPOINT, &masked)),
                read_endpoint(&stored(ENDPOINT, damaged)),
                "the same is told of the mask"
            );
        }
        assert_eq!(mask("system", b"{}"), None);
        let password = || Some(Secret::new("hunter2".into()));
        let (public_key, backup) = (Some("k".into()), "b".into());
        let unproven = Unproven { public_key, backup, before: password(), after: password() };
        let masked = mask(ROTATION, &unproven.to_bytes()).unwrap();
        let shown = br#"{"version":2,"public_key":"k","backup":"b","password":"***","new_password":"***"}"#;
        assert_eq!(masked, shown);
        assert_eq!(mask(ROTATION, &masked), Some(masked));
        let first = br#"{"version":1,"backup":"b","password":"hunter2"}"#;
        let masked = mask(ROTATION, first).unwrap();
        assert_eq!(masked, br#"{"version":1,"backup":"b","password":"***"}"#);
        assert_eq!(mask(ROTATION, br#"{"version":3,"a":"hunter2"}"#).unwrap(), br#"{"version":3}"#);
    }
}
