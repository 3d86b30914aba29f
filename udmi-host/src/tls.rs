//! One TLS client connection as bytes in, bytes out.
//!
//! The adapter owns the socket. It hands ciphertext from the socket to [`TlsClient::receive`], takes plaintext
//! there, hands plaintext to [`TlsClient::send`] and writes what [`TlsClient::take_ciphertext`] yields. Nothing
//! blocks and nothing is done behind the scenes, so a non-blocking socket, threads and async tasks are served
//! alike. The server is always verified. Only this module names rustls.

mod error;
mod verifier;

use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};

use crate::keys::PrivateKey;
pub use error::TlsError;
use error::explain;
use verifier::Verifier;

/// The largest certificate file that is read, in bytes; the roots of a whole operating system are below 300 kB.
pub const MAX_CERTIFICATE_FILE_BYTES: u64 = 1024 * 1024;

/// TLS sessions kept of one who has an identity.
const SESSIONS_OF_AN_IDENTITY: usize = 4;

/// What to trust and who to be.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// The issuers whose server certificates are believed.
    pub trust: Trust,
    /// The client certificate, if the server wants one.
    pub identity: Option<Identity>,
}

/// The issuers whose server certificates are believed.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The roots of the operating system.
    System,
    /// These certificates and no others.
    Private(Pem),
}

/// Certificates as PEM.
#[derive(Clone, Debug)]
pub enum Pem {
    /// In this file.
    File(PathBuf),
    /// In these bytes.
    Bytes(Vec<u8>),
}

/// A client certificate and the key that belongs to it.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, followed by intermediate ones if there are any.
    pub certificates: Pem,
    /// The key of the first certificate.
    pub key: PrivateKey,
}

/// Checked settings, ready for any number of connections; cheap to clone.
#[derive(Clone)]
pub struct TlsConfig(Arc<ClientConfig>);

/// One connection from the client's side.
pub struct TlsClient {
    connection: ClientConnection,
    host: String,
    peer_closed: bool,
}

impl TlsConfig {
    /// Reads the files, checks that key and certificate belong together, and fixes the settings.
    ///
    /// # Errors
    /// Any of the first six kinds of [`TlsError`].
    pub fn new(settings: &TlsSettings) -> Result<Self, TlsError> {
        // The provider is explicit: a process-wide default belongs to the application.
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Other(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier::new(roots(&settings.trust)?, provider())?));
        let trusting = Self(Arc::new(builder.with_no_client_auth()));
        match &settings.identity {
            None => Ok(trusting),
            Some(identity) => trusting.with_identity(identity),
        }
    }

    /// The same trust with another client certificate. What is trusted is shared, so that thousands of devices, each
    /// with a certificate of its own, hold the roots once.
    ///
    /// # Errors
    /// As [`Self::new`] of the certificate and its key.
    pub fn with_identity(&self, identity: &Identity) -> Result<Self, TlsError> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.pkcs8_der().to_vec()));
        let certificates = certificates(&identity.certificates)?;
        let certified = CertifiedKey::from_der(certificates, key, self.0.crypto_provider()).map_err(
            |error| match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::KeyMismatch,
                other => TlsError::BadIdentity(other.to_string()),
            },
        )?;
        let mut config = ClientConfig::clone(&self.0);
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
        // A session belongs to whom it was made with, and one who has an identity connects to few servers.
        config.resumption = Resumption::in_memory_sessions(SESSIONS_OF_AN_IDENTITY);
        Ok(Self(Arc::new(config)))
    }
}

impl TlsClient {
    /// A connection to `host`, a name or an IP address (IPv6 with or without brackets).
    ///
    /// The first ciphertext is there at once: call [`Self::take_ciphertext`].
    ///
    /// # Errors
    /// [`TlsError::BadHost`], or [`TlsError::Other`] if there is no randomness to be had.
    pub fn new(config: &TlsConfig, host: &str) -> Result<Self, TlsError> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::BadHost(host.to_owned()))?;
        let mut connection =
            ClientConnection::new(config.0.clone(), name).map_err(|error| explain(error, host, true))?;
        // The core bounds what it sends; a limit here would cut a packet in two.
        connection.set_buffer_limit(None);
        Ok(Self { connection, host: host.to_owned(), peer_closed: false })
    }

    /// Takes bytes from the socket and appends the plaintext in them to `plaintext`.
    ///
    /// Afterwards there may be ciphertext to write, even after an error: the alert that tells the server why.
    ///
    /// # Errors
    /// Why the connection failed. Plaintext that came before the fault has been appended.
    pub fn receive(&mut self, ciphertext: &[u8], plaintext: &mut Vec<u8>) -> Result<(), TlsError> {
        let mut rest = ciphertext;
        while !rest.is_empty() && !self.peer_closed {
            let handshaking = self.connection.is_handshaking();
            self.connection.read_tls(&mut rest).map_err(|error| TlsError::Other(error.to_string()))?;
            let processed = self.connection.process_new_packets();
            self.drain(plaintext);
            match processed {
                Ok(state) => self.peer_closed = state.peer_has_closed(),
                Err(error) => return Err(explain(error, &self.host, handshaking)),
            }
        }
        Ok(())
    }

    /// Takes the end of the socket's input, with or without a farewell from the server.
    ///
    /// # Errors
    /// [`TlsError::HandshakeCut`] if the handshake was not finished; else the connection is simply closed.
    pub fn receive_end(&mut self) -> Result<(), TlsError> {
        self.peer_closed = true;
        if self.connection.is_handshaking() { Err(TlsError::HandshakeCut) } else { Ok(()) }
    }

    /// Takes plaintext for the server. During the handshake it is kept until there are keys for it.
    pub fn send(&mut self, plaintext: &[u8]) {
        // Writing to memory without a limit cannot fail.
        let _ = self.connection.writer().write_all(plaintext);
    }

    /// Appends to `ciphertext` what is to be written to the socket.
    pub fn take_ciphertext(&mut self, ciphertext: &mut Vec<u8>) {
        while self.connection.wants_write() {
            match self.connection.write_tls(ciphertext) {
                Ok(written) if written > 0 => {}
                Ok(_) | Err(_) => break,
            }
        }
    }

    /// Whether there is something for [`Self::take_ciphertext`] to take.
    pub fn has_ciphertext(&self) -> bool {
        self.connection.wants_write()
    }

    /// Whether the handshake is still going on.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Says farewell; take the ciphertext once more, then close the socket.
    pub fn close_notify(&mut self) {
        self.connection.send_close_notify();
    }

    /// Whether the server said farewell or the socket's input ended.
    pub fn is_peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// The negotiated version, such as `TLS 1.3`, once it is known.
    pub fn version(&self) -> Option<&'static str> {
        match self.connection.protocol_version()? {
            rustls::ProtocolVersion::TLSv1_2 => Some("TLS 1.2"),
            rustls::ProtocolVersion::TLSv1_3 => Some("TLS 1.3"),
            _ => None,
        }
    }

    fn drain(&mut self, plaintext: &mut Vec<u8>) {
        // "Would block" and "ended without farewell" both mean: nothing more now.
        let _ = self.connection.reader().read_to_end(plaintext);
    }
}

/// Checked settings as DER, for an HTTP client that makes its own connections.
pub(crate) struct Material {
    pub(crate) roots: Vec<CertificateDer<'static>>,
    /// Empty without an identity.
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

/// Checks settings and reads their certificates.
pub(crate) fn material(settings: &TlsSettings) -> Result<Material, TlsError> {
    TlsConfig::new(settings)?;
    let roots = match &settings.trust {
        Trust::System => rustls_native_certs::load_native_certs().certs,
        Trust::Private(pem) => certificates(pem)?,
    };
    let identity = settings.identity.as_ref();
    let chain = identity.map_or(Ok(Vec::new()), |identity| certificates(&identity.certificates))?;
    Ok(Material { roots, chain })
}

/// The cryptography in use, for a client that has to be given it.
pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The cause, if what went wrong on a connection to `host` was TLS.
pub(crate) fn cause(error: &(dyn std::error::Error + 'static), host: &str) -> Option<TlsError> {
    error.downcast_ref::<rustls::Error>().map(|error| explain(error.clone(), host, true))
}

fn roots(trust: &Trust) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    match trust {
        Trust::System => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
            if store.is_empty() {
                let why: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
                return Err(TlsError::NoSystemRoots(why.join("; ")));
            }
        }
        Trust::Private(pem) => {
            for certificate in certificates(pem)? {
                store
                    .add(certificate)
                    .map_err(|error| TlsError::NoCertificate(format!("{}: {error}", pem.name())))?;
            }
        }
    }
    Ok(store)
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = match pem {
        Pem::File(path) => read_bounded(path)
            .map_err(|error| TlsError::Unreadable { path: path.clone(), why: error.to_string() })?,
        Pem::Bytes(bytes) => bytes.clone(),
    };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::NoCertificate(format!("{}: {error}", pem.name())))?;
    if certificates.is_empty() {
        let why = format!("{}: expected at least one PEM section CERTIFICATE", pem.name());
        return Err(TlsError::NoCertificate(why));
    }
    Ok(certificates)
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_CERTIFICATE_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_CERTIFICATE_FILE_BYTES {
        return Err(std::io::Error::other(format!("larger than {MAX_CERTIFICATE_FILE_BYTES} bytes")));
    }
    Ok(bytes)
}

impl Pem {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Bytes(_) => "PEM bytes".to_owned(),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Identity").field("certificates", &self.certificates).finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TlsConfig").finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TlsClient")
            .field("host", &self.host)
            .field("handshaking", &self.is_handshaking())
            .field("peer_closed", &self.peer_closed)
            .finish_non_exhaustive()
    }
}
