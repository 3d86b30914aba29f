//! A certificate authority of one test, with a server and a device.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use udmi_std::udmi_host::keys::PrivateKey;
use udmi_std::udmi_host::tls::{Identity, Pem, TlsSettings, Trust};

use super::terminator;

/// The only name the server's certificate is for.
pub const SERVER_NAME: &str = "localhost";

/// A certificate with its key, both as PEM.
#[derive(Clone, Debug)]
struct Leaf {
    certificate: String,
    key: String,
}

/// An authority and the two it has signed for.
#[derive(Clone, Debug)]
pub struct Pki {
    authority: String,
    authority_key: String,
    server: Leaf,
    device: Leaf,
    /// Certificates of clients that the server believes as well.
    registered: Vec<String>,
    /// Whether the server wants to see a certificate.
    asks: bool,
}

impl Default for Pki {
    fn default() -> Self {
        Self::new()
    }
}

impl Pki {
    /// A fresh authority; no other one's certificates are believed under it.
    ///
    /// # Panics
    /// If there is no randomness to be had.
    #[must_use]
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("the system has randomness");
        let params = authority_params();
        let authority_key = key.serialize_pem();
        let authority = params.self_signed(&key).expect("the parameters are valid").pem();
        let issuer = Issuer::new(params, key);
        let server = leaf(&issuer, SERVER_NAME, ExtendedKeyUsagePurpose::ServerAuth, false);
        let device = leaf(&issuer, "ahu-1", ExtendedKeyUsagePurpose::ClientAuth, false);
        Self { authority, authority_key, server, device, registered: Vec::new(), asks: true }
    }

    /// The same authority, whose server has a certificate for another name.
    #[must_use]
    pub fn with_server_name(self, name: &str) -> Self {
        self.with_server(name, false)
    }

    /// The same authority, whose server has a certificate that has expired.
    #[must_use]
    pub fn with_expired_server(self) -> Self {
        self.with_server(SERVER_NAME, true)
    }

    fn with_server(self, name: &str, expired: bool) -> Self {
        let key = KeyPair::from_pem(&self.authority_key).expect("a key was made");
        let issuer = Issuer::new(authority_params(), key);
        Self { server: leaf(&issuer, name, ExtendedKeyUsagePurpose::ServerAuth, expired), ..self }
    }

    /// The server also believes this certificate, in PEM, which its owner has signed itself.
    #[must_use]
    pub fn with_registered(mut self, certificate: &str) -> Self {
        self.registered.push(certificate.to_owned());
        self
    }

    /// The server asks nobody for a certificate.
    #[must_use]
    pub fn without_clients(mut self) -> Self {
        self.asks = false;
        self
    }

    /// Whether the server asks for certificates.
    pub(super) fn asks(&self) -> bool {
        self.asks
    }

    /// The certificate of the authority, in PEM.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Listens with TLS, and passes the plaintext on to `target`. Ends with the process.
    ///
    /// # Errors
    /// There is no port to be had.
    pub fn terminate(&self, target: SocketAddr) -> io::Result<SocketAddr> {
        terminator::start(target, self.server())
    }

    /// What a device needs that has its certificate.
    ///
    /// # Panics
    /// Never: the key is one of ours.
    #[must_use]
    pub fn device(&self) -> TlsSettings {
        let key = PrivateKey::from_bytes(self.device.key.as_bytes(), None).expect("a key was made");
        let certificates = Pem::Bytes(self.device.certificate.clone().into_bytes());
        TlsSettings { identity: Some(Identity { certificates, key }), ..self.nobody() }
    }

    /// What a device needs that has none.
    #[must_use]
    pub fn nobody(&self) -> TlsSettings {
        let trust = Trust::Private(Pem::Bytes(self.authority.clone().into_bytes()));
        TlsSettings { trust, identity: None }
    }

    /// Writes the authority, the device's certificate and its key, and returns the files in this order.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_device(&self, folder: &Path) -> io::Result<[PathBuf; 3]> {
        self.write(folder, "device", &self.device)
    }

    /// A server with its certificate, and its demands on clients.
    fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        for trusted in std::iter::once(&self.authority).chain(&self.registered) {
            roots.add(certificate(trusted)).expect("the certificate is valid");
        }
        let verifier = if self.asks {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            verifier.build().expect("there is a root")
        } else {
            WebPkiClientVerifier::no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_slice(self.server.key.as_bytes()).expect("a key was made");
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the usual versions")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate(&self.server.certificate)], key)
            .expect("key and certificate belong together");
        Arc::new(config)
    }

    /// As [`Self::write_device`], for the server.
    pub(super) fn write_server(&self, folder: &Path) -> io::Result<[PathBuf; 3]> {
        let files = self.write(folder, "server", &self.server)?;
        fs::write(&files[0], format!("{}{}", self.authority, self.registered.concat()))?;
        Ok(files)
    }

    fn write(&self, folder: &Path, name: &str, leaf: &Leaf) -> io::Result<[PathBuf; 3]> {
        let names = ["ca.pem".to_owned(), format!("{name}.pem"), format!("{name}.key")];
        let files = names.map(|name| folder.join(name));
        for (file, content) in files.iter().zip([&self.authority, &leaf.certificate, &leaf.key]) {
            fs::write(file, content)?;
        }
        Ok(files)
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "test authority");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn leaf(issuer: &Issuer<'_, KeyPair>, name: &str, usage: ExtendedKeyUsagePurpose, expired: bool) -> Leaf {
    let key = KeyPair::generate().expect("the system has randomness");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("the name is valid");
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    if expired {
        params.not_after = date_time_ymd(2020, 1, 1);
    }
    let certificate = params.signed_by(&key, issuer).expect("the parameters are valid").pem();
    Leaf { certificate, key: key.serialize_pem() }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate was made")
}
