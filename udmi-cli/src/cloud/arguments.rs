//! The flags with which a command says where the broker is and whose devices are meant.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::PathBuf;

use device_link::{Endpoint, EndpointError, Secret, Transport};
use udmi_host::keys::PrivateKey;
use udmi_host::tls::{Identity, Pem, TlsConfig, TlsSettings, Trust};

use super::{Reach, Registry};
use crate::output::Failure;
use crate::text;

/// The largest password file that is read, in bytes.
const PASSWORD_FILE_BYTES_MAX: u64 = 64 << 10;

/// Where the broker is, who to be there, and which registry is meant.
#[derive(Debug, clap::Args)]
pub(crate) struct ReachArguments {
    /// The broker: mqtt://HOST:PORT, or mqtts://HOST:PORT with TLS
    #[arg(long, default_value = "mqtt://127.0.0.1:1883", value_name = "URL", value_parser = endpoint)]
    endpoint: Endpoint,
    /// The registry of the devices, whose topics begin with /r/REGISTRY/d/
    #[arg(long, conflicts_with = "topic_prefix")]
    registry: Option<String>,
    /// What stands before the device ids in the topics, such as /devices
    #[arg(long, value_name = "PREFIX")]
    topic_prefix: Option<String>,
    /// The user name
    #[arg(long, visible_alias = "user", value_name = "NAME")]
    username: Option<String>,
    /// The password; other users of this machine can see it, so rather use --password-file
    #[arg(long, requires = "username", conflicts_with = "password_file")]
    password: Option<String>,
    /// A file whose first line is the password
    #[arg(long, requires = "username", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The MQTT client id; without, one of its own
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Trust only the issuers in this file, not those of the operating system
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The client certificate
    #[arg(long, requires = "key", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The client certificate's private key
    #[arg(long, requires = "cert", value_name = "FILE")]
    key: Option<PathBuf>,
}

impl ReachArguments {
    /// Reads the files that are named.
    pub(crate) fn reach(self, command: &str, device: Option<&str>) -> Result<Reach, Failure> {
        self.reach_with(command, device, None)
    }

    /// As [`Self::reach`], where trust and certificate may be of use at another broker alone.
    pub(crate) fn reach_with(
        self,
        command: &str,
        device: Option<&str>,
        other: Option<Transport>,
    ) -> Result<Reach, Failure> {
        let tls = self.tls(other)?;
        let password = self.password()?;
        let registry = match (&self.registry, &self.topic_prefix) {
            (Some(registry), _) => Registry::named(registry),
            (None, Some(prefix)) => Registry::of_prefix(prefix, device),
            (None, None) => Registry::Any,
        };
        Ok(Reach {
            endpoint: self.endpoint,
            client_id: self.client_id.unwrap_or_else(|| own_id(command)),
            credentials: self.username.map(|username| (username, Secret::new(password))),
            tls,
            registry,
            device: device.map(ToOwned::to_owned),
        })
    }

    /// The password; empty if none is given.
    fn password(&self) -> Result<String, Failure> {
        let Some(file) = &self.password_file else { return Ok(self.password.clone().unwrap_or_default()) };
        let text = text::read(file, PASSWORD_FILE_BYTES_MAX).map_err(Failure::usage)?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    fn tls(&self, other: Option<Transport>) -> Result<Option<TlsConfig>, Failure> {
        if self.endpoint.transport == Transport::Tcp && other != Some(Transport::Tls) {
            return match self.ca.is_some() || self.cert.is_some() {
                true => Err(Failure::usage("certificates are of use with mqtts:// only")),
                false => Ok(None),
            };
        }
        let trust = match &self.ca {
            Some(path) => Trust::Private(Pem::File(path.clone())),
            None => Trust::System,
        };
        let identity = match self.cert.as_ref().zip(self.key.as_ref()) {
            None => None,
            Some((certificate, key)) => Some(Identity {
                certificates: Pem::File(certificate.clone()),
                key: PrivateKey::load(key, None).map_err(Failure::usage)?,
            }),
        };
        TlsConfig::new(&TlsSettings { trust, identity }).map(Some).map_err(Failure::usage)
    }
}

/// A client id that nobody else has.
pub(crate) fn own_id(command: &str) -> String {
    format!("udmi-{command}-{:08x}", random())
}

/// A number that another process, here or elsewhere, hardly has as well.
fn random() -> u32 {
    RandomState::new().build_hasher().finish() as u32 // half of it is enough
}

/// Reads an endpoint. Without a scheme it is none here: whether there is TLS is to be said.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, String> {
    if !text.contains("://") {
        return Err("expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT]".to_owned());
    }
    text.parse().map_err(|error: EndpointError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written_alike() {
        for url in ["mqtt://localhost:1884", "mqtts://broker.example:8883", "mqtt://[::1]:1883"] {
            assert_eq!(endpoint(url).unwrap().to_string(), url);
        }
        assert_eq!(endpoint("mqtts://broker").unwrap().port, 8883);
        for bad in ["localhost", "http://localhost", "mqtt://", "mqtt://host:none", "mqtt://[::1"] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }
}
