//! Where and as whom a device of a site model connects (§1.2 to §1.8, §8.6).

use std::path::{Path, PathBuf};

use super::Device;
use super::execution::{Execution, ProjectSpec, Provider};
use super::json::{Node, SiteError};
use crate::keys::{KeyError, Password, PrivateKey};
use crate::tls::{Identity, Pem, TlsSettings, Trust};

/// The port if none is given (§1.1).
pub const DEFAULT_PORT: u16 = 8883;
/// The region of ids if none is given.
const DEFAULT_REGION: &str = "us-central1";
/// What brokers that take tokens want as user name.
const TOKEN_USERNAME: &str = "unused";

/// Where and as whom a device connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address of the broker.
    pub host: String,
    /// Port of the broker.
    pub port: u16,
    /// Files for TLS, or `None` for plain TCP.
    pub tls: Option<TlsFiles>,
    /// MQTT client id; a proxied device has that of its gateway.
    pub client_id: String,
    /// What stands before `/state`, `/events/…` and `/config` in the device's topics.
    pub topic_prefix: String,
    /// MQTT user name.
    pub username: String,
    /// Where the MQTT password comes from.
    pub credential: Credential,
    /// Seconds to wait for the first config: 0 is the default wait, negative is none.
    pub config_sync_sec: i64,
    /// Whether config is subscribed with QoS 0.
    pub no_config_ack: bool,
}

/// Where the MQTT password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// It is this one.
    Password(Password),
    /// It is a signed token, to be made anew before each expires (§1.8).
    Token {
        /// The claim `aud`.
        audience: String,
        /// How it is signed.
        algorithm: TokenAlgorithm,
        /// The file of the private key that signs it.
        key: PathBuf,
    },
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// RSA.
    Rs256,
    /// Elliptic curve P-256.
    Es256,
}

/// Files for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Trusted issuers, or `None` for those of the operating system.
    pub authority: Option<PathBuf>,
    /// The client certificate and its key, if one is presented.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// What opens the key if it is encrypted.
    pub passphrase: Option<Password>,
}

impl TlsFiles {
    /// Reads the key, so that [`crate::tls::TlsConfig::new`] can do the rest.
    ///
    /// # Errors
    /// The key cannot be used.
    pub fn settings(&self) -> Result<TlsSettings, KeyError> {
        let trust = match &self.authority {
            Some(path) => Trust::Private(Pem::File(path.clone())),
            None => Trust::System,
        };
        let identity = match &self.identity {
            None => None,
            Some((certificate, key)) => Some(Identity {
                certificates: Pem::File(certificate.clone()),
                key: PrivateKey::load(key, self.passphrase.as_ref())?,
            }),
        };
        Ok(TlsSettings { trust, identity })
    }
}

/// All that an endpoint is made of.
pub(super) struct Sources<'a> {
    pub(super) site: &'a Path,
    pub(super) execution: &'a Execution,
    /// What the command line says; it goes before the file.
    pub(super) project: &'a ProjectSpec,
    pub(super) device: &'a Device,
    /// The device whose keys and connection are used: the gateway of a proxied device, else the device.
    pub(super) key_device: &'a Device,
}

impl Sources<'_> {
    pub(super) fn endpoint(&self) -> Result<Endpoint, SiteError> {
        let root = Node::root(&self.execution.file, &self.execution.document);
        if let Some(endpoint) = root.get("device_endpoint")? {
            return self.given(&endpoint);
        }
        let file = &self.execution.project;
        let provider = self.project.provider.or(file.provider).unwrap_or(Provider::GoogleCloud);
        let port = self.project.port.or(file.port).unwrap_or(DEFAULT_PORT);
        if provider == Provider::Mqtt { self.broker(port) } else { self.bridge(provider, port) }
    }

    /// Provider `mqtt`: user name, password and client certificate.
    fn broker(&self, port: u16) -> Result<Endpoint, SiteError> {
        let host = self.project_id("the host of the broker, for provider mqtt")?;
        let registry = self.registry();
        let client_id = format!("/r/{registry}/d/{}", self.key_device.id);
        let password = self.broker_password()?;
        let authority = Some(self.site.join("reflector/ca.crt")).filter(|path| path.exists());
        Ok(Endpoint {
            host,
            port,
            tls: Some(TlsFiles {
                authority,
                identity: self.client_certificate(),
                passphrase: Some(password.clone()),
            }),
            username: client_id.clone(),
            client_id,
            topic_prefix: format!("/r/{registry}/d/{}", self.device.id),
            credential: Credential::Password(password),
            config_sync_sec: 0,
            no_config_ack: false,
        })
    }

    /// The other providers: a signed token as password.
    fn bridge(&self, provider: Provider, port: u16) -> Result<Endpoint, SiteError> {
        let region = self.execution.region.as_deref().unwrap_or(DEFAULT_REGION);
        let local = matches!(provider, Provider::Implicit | Provider::Dynamic);
        let project = match self.project_id("the cloud project") {
            Err(_) if local => "localhost".to_owned(),
            project => project?,
        };
        let host = match provider {
            Provider::Clearblade => format!("{region}-mqtt.clearblade.com"),
            Provider::Gbos => "mqtt.bos.goog".to_owned(),
            Provider::GoogleCloud => "mqtt.googleapis.com".to_owned(),
            Provider::Mqtt | Provider::Implicit | Provider::Dynamic => "localhost".to_owned(),
            Provider::Jwt => self.bridge_host()?,
            Provider::ToolsOnly => {
                let problem = "expected a provider that devices connect to, such as mqtt";
                return Err(self.execution_problem("/iot_provider", problem));
            }
        };
        let registry = self.registry();
        let client_id = format!(
            "projects/{project}/locations/{region}/registries/{registry}/devices/{}",
            self.key_device.id
        );
        let authority = Some(self.site.join("reflector/ca.crt")).filter(|path| local && path.exists());
        Ok(Endpoint {
            host,
            port,
            tls: Some(TlsFiles { authority, ..TlsFiles::default() }),
            client_id,
            topic_prefix: format!("/devices/{}", self.device.id),
            username: TOKEN_USERNAME.to_owned(),
            credential: self.token(project)?,
            config_sync_sec: 0,
            no_config_ack: false,
        })
    }

    /// An endpoint document, used as it is (§1.11).
    fn given(&self, node: &Node<'_>) -> Result<Endpoint, SiteError> {
        let required = |name: &str, what: &str| -> Result<String, SiteError> {
            node.string_at(&[name])?.map(ToOwned::to_owned).ok_or_else(|| node.missing(name, what))
        };
        if let Some(protocol) = node.get("protocol")?.filter(|protocol| protocol.value() != "mqtt") {
            return Err(protocol.expected("mqtt"));
        }
        let client_id = required("client_id", "the MQTT client id")?;
        let topic_prefix = match node.get("topic_prefix")? {
            None => format!("/devices/{}", self.device.id),
            Some(prefix) => self.topic_prefix(&prefix)?,
        };
        let (username, credential) = self.given_credential(node, &client_id)?;
        let port = node.integer_at(&["port"], 1, i64::from(u16::MAX))?;
        Ok(Endpoint {
            host: required("hostname", "the host of the broker")?,
            port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or(DEFAULT_PORT),
            tls: self.given_tls(node)?,
            client_id,
            topic_prefix,
            username,
            credential,
            config_sync_sec: node.integer_at(&["config_sync_sec"], i64::MIN, i64::MAX)?.unwrap_or(0),
            no_config_ack: node.bool_at(&["noConfigAck"])?.unwrap_or(false),
        })
    }

    /// A prefix ends with the id of a device; another device of the site takes that place (§1.4).
    fn topic_prefix(&self, node: &Node<'_>) -> Result<String, SiteError> {
        let prefix = node.string()?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte);
        match prefix.rsplit_once('/') {
            Some((base, id)) if prefix.bytes().all(allowed) && super::is_device_id(id) => {
                Ok(format!("{base}/{}", self.device.id))
            }
            _ => Err(node.expected("letters, digits, - _ and /, ending in / and a device id")),
        }
    }

    fn given_tls(&self, node: &Node<'_>) -> Result<Option<TlsFiles>, SiteError> {
        let transport = node.get("transport")?;
        let explicit = match transport.as_ref().map(Node::string).transpose()? {
            None => false,
            Some("ssl") => true,
            Some("tcp") => return Ok(None),
            Some(_) => return transport.map_or(Ok(None), |node| Err(node.expected("ssl or tcp"))),
        };
        let path = |name: &str| -> Result<Option<PathBuf>, SiteError> {
            let folder = self.execution.file.parent().unwrap_or(Path::new(""));
            Ok(node.string_at(&[name])?.map(|path| folder.join(path)))
        };
        let ca = self.site.join("reflector/ca.crt");
        let authority = path("ca_file")?.or_else(|| Some(ca).filter(|path| explicit && path.exists()));
        let identity = match (path("cert_file")?, path("key_file")?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(_), None) => return Err(node.missing("key_file", "the key of cert_file")),
            // A client certificate of the site model is presented only if TLS is asked for by name.
            (None, _) if explicit => self.client_certificate(),
            (None, _) => None,
        };
        let passphrase = if identity.is_some() { self.broker_password().ok() } else { None };
        Ok(Some(TlsFiles { authority, identity, passphrase }))
    }

    fn given_credential(&self, node: &Node<'_>, client_id: &str) -> Result<(String, Credential), SiteError> {
        if let Some(basic) = node.find(&["auth_provider", "basic"])? {
            let text = |name: &str| -> Result<String, SiteError> {
                basic
                    .string_at(&[name])?
                    .map(ToOwned::to_owned)
                    .ok_or_else(|| basic.missing(name, "a string"))
            };
            return Ok((text("username")?, Credential::Password(Password::new(text("password")?))));
        }
        let given = node.string_at(&["auth_provider", "jwt", "audience"])?.map(ToOwned::to_owned);
        let of_client = client_id.strip_prefix("projects/").and_then(|rest| rest.split('/').next());
        let audience = given.or_else(|| of_client.map(ToOwned::to_owned)).ok_or_else(|| {
            node.missing(
                "auth_provider/jwt/audience",
                "for whom the token is, as the client id names no project",
            )
        })?;
        Ok((TOKEN_USERNAME.to_owned(), self.token(audience)?))
    }

    fn token(&self, audience: String) -> Result<Credential, SiteError> {
        let metadata = self.key_device.root();
        let algorithm = match metadata.find(&["cloud", "auth_type"])? {
            None => return Err(metadata.missing("cloud/auth_type", "RS256 or ES256, to sign tokens")),
            Some(node) => match node.string()? {
                "RS256" | "RS256_X509" => TokenAlgorithm::Rs256,
                "ES256" | "ES256_X509" => TokenAlgorithm::Es256,
                _ => return Err(node.expected("RS256, RS256_X509, ES256 or ES256_X509")),
            },
        };
        Ok(Credential::Token { audience, algorithm, key: self.key_file()? })
    }

    /// The key of provider `mqtt`, whose hash is the password (§1.6).
    fn broker_password(&self) -> Result<Password, SiteError> {
        let path = self.key_file()?;
        let key = PrivateKey::load(&path, None)
            .map_err(|error| SiteError::file(&path, format!("no private key: {}", error.problem)))?;
        Ok(key.broker_password())
    }

    /// The first that exists of the key device's key files (§8.1).
    fn key_file(&self) -> Result<PathBuf, SiteError> {
        let prefix = self.key_prefix()?;
        let folder = &self.key_device.folder;
        let names = ["_private.pkcs8", "2_private.pkcs8", "3_private.pkcs8", "_private.pem"];
        let mut paths = names.iter().map(|suffix| folder.join(format!("{prefix}{suffix}")));
        paths.find(|path| path.exists()).ok_or_else(|| {
            let problem = format!("no private key; expected {prefix}_private.pkcs8 or {prefix}_private.pem");
            SiteError::file(folder, problem)
        })
    }

    fn key_prefix(&self) -> Result<&'static str, SiteError> {
        let authentication = self.key_device.root().string_at(&["cloud", "auth_type"])?;
        Ok(if authentication.is_some_and(|name| name.starts_with("RS")) { "rsa" } else { "ec" })
    }

    /// The RSA certificate with its key if there is one, else the elliptic curve one (§1.7).
    fn client_certificate(&self) -> Option<(PathBuf, PathBuf)> {
        let file = |prefix: &str, suffix: &str| {
            Some(self.key_device.folder.join(format!("{prefix}_private.{suffix}")))
                .filter(|path| path.exists())
        };
        ["rsa", "ec"].into_iter().find_map(|prefix| {
            Some((file(prefix, "crt")?, file(prefix, "pem").or_else(|| file(prefix, "pkcs8"))?))
        })
    }

    fn registry(&self) -> String {
        let namespace = self.project.namespace.as_deref().or(self.execution.project.namespace.as_deref());
        self.execution.registry(namespace)
    }

    fn project_id(&self, what: &str) -> Result<String, SiteError> {
        let project = self.project.project.as_ref().or(self.execution.project.project.as_ref());
        project
            .cloned()
            .ok_or_else(|| self.execution_problem("/project_id", &format!("missing; expected {what}")))
    }

    fn bridge_host(&self) -> Result<String, SiteError> {
        let host = self.project.bridge_host.as_ref().or(self.execution.project.bridge_host.as_ref());
        host.cloned().ok_or_else(|| {
            self.execution_problem(
                "/bridge_host",
                "missing; expected the host of the broker, for provider jwt",
            )
        })
    }

    fn execution_problem(&self, path: &str, problem: &str) -> SiteError {
        let file = self.execution.file.clone();
        SiteError { file, path: path.to_owned(), problem: problem.to_owned() }
    }
}
