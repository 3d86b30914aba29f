//! The TLS client against a rustls server in memory, over a throw-away PKI.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use udmi_host::keys::PrivateKey;
use udmi_host::tls::{Identity, Pem, TlsClient, TlsConfig, TlsError, TlsSettings, Trust};

#[test]
fn plaintext_crosses_both_ways_with_both_versions() {
    let authority = Authority::new();
    for (version, name) in [(&rustls::version::TLS12, "TLS 1.2"), (&rustls::version::TLS13, "TLS 1.3")] {
        let mut server = authority.server(&Leaf::default(), false, &[version]);
        let mut client = TlsClient::new(&authority.trusting(None), "localhost").unwrap();
        client.send(b"early");
        assert!(client.is_handshaking());
        let received = exchange(&mut client, &mut server).unwrap();
        assert!(!client.is_handshaking());
        assert_eq!((client.version(), received.at_server.as_slice()), (Some(name), &b"early"[..]));

        server.writer().write_all(&[7; 100_000]).unwrap();
        client.send(&[8; 100_000]);
        let received = exchange(&mut client, &mut server).unwrap();
        assert!(received.at_client == [7; 100_000] && received.at_server == [8; 100_000]);
    }
}

#[test]
fn how_the_ciphertext_is_cut_does_not_matter() {
    let authority = Authority::new();
    let mut server = authority.server(&Leaf::default(), false, rustls::ALL_VERSIONS);
    let mut client = TlsClient::new(&authority.trusting(None), "localhost").unwrap();
    exchange(&mut client, &mut server).unwrap();
    server.writer().write_all(b"hello world").unwrap();
    let mut ciphertext = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut ciphertext).unwrap();
    }
    let mut plaintext = Vec::new();
    for byte in ciphertext {
        client.receive(&[byte], &mut plaintext).unwrap();
    }
    assert_eq!(plaintext, b"hello world");
}

#[test]
fn an_ip_address_is_a_server_name() {
    let authority = Authority::new();
    for host in ["127.0.0.1", "::1", "[::1]"] {
        let mut server = authority.server(&Leaf::default(), false, rustls::ALL_VERSIONS);
        let mut client = TlsClient::new(&authority.trusting(None), host).unwrap();
        assert!(exchange(&mut client, &mut server).is_ok(), "{host}");
    }
}

#[test]
fn a_host_that_is_no_name_is_refused() {
    let config = Authority::new().trusting(None);
    for host in ["", "a b", "http://host", "[::1", "host:8883"] {
        assert_eq!(TlsClient::new(&config, host).err(), Some(TlsError::BadHost(host.to_owned())), "{host}");
    }
}

#[test]
fn faults_of_the_server_certificate_are_told_apart() {
    let authority = Authority::new();
    let fault = |leaf: Leaf, config: &TlsConfig| {
        let mut server = authority.server(&leaf, false, rustls::ALL_VERSIONS);
        exchange(&mut TlsClient::new(config, "localhost").unwrap(), &mut server).err().unwrap()
    };
    let trusting = authority.trusting(None);
    for stranger in [Authority::new(), Authority::named("another authority")] {
        assert_eq!(fault(Leaf::default(), &stranger.trusting(None)), TlsError::UntrustedIssuer);
    }
    assert_eq!(fault(Leaf { years: (2001, 2002), ..Leaf::default() }, &trusting), TlsError::Expired);
    assert_eq!(fault(Leaf { years: (3001, 3002), ..Leaf::default() }, &trusting), TlsError::NotYetValid);
    let wrong = fault(Leaf { names: vec!["elsewhere"], ..Leaf::default() }, &trusting);
    let TlsError::WrongHost { expected, presented } = &wrong else { panic!("{wrong}") };
    assert_eq!((expected.as_str(), presented.as_slice()), ("localhost", &["elsewhere".to_owned()][..]));
    assert_eq!(wrong.to_string(), "the server certificate is not for localhost but for elsewhere");
    let wrong = fault(Leaf { names: vec!["10.0.0.7"], ..Leaf::default() }, &trusting);
    assert_eq!(wrong.to_string(), "the server certificate is not for localhost but for 10.0.0.7");
}

#[test]
fn a_server_certificate_that_is_signed_by_itself_is_refused_as_such() {
    let authority = Authority::new();
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = is_ca;
        let certificate = params.self_signed(&key).unwrap().pem();
        let mut server = authority.server_with(&certificate, &key, false, rustls::ALL_VERSIONS);
        let mut client = TlsClient::new(&authority.trusting(None), "localhost").unwrap();
        assert_eq!(exchange(&mut client, &mut server).err(), Some(TlsError::SelfSigned));
    }
    assert!(TlsError::SelfSigned.to_string().contains("signed by itself"));
}

#[test]
fn a_self_signed_certificate_that_is_trusted_by_name_is_believed() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let mut server = authority.server_with(&certificate, &key, false, rustls::ALL_VERSIONS);
    let trust = Trust::Private(Pem::Bytes(certificate.into_bytes()));
    let config = TlsConfig::new(&TlsSettings { trust, identity: None }).unwrap();
    assert!(exchange(&mut TlsClient::new(&config, "localhost").unwrap(), &mut server).is_ok());
}

#[test]
fn a_refused_server_is_told_why() {
    let authority = Authority::new();
    let mut server = authority.server(&Leaf::default(), false, rustls::ALL_VERSIONS);
    let mut client = TlsClient::new(&Authority::named("another").trusting(None), "localhost").unwrap();
    assert!(exchange(&mut client, &mut server).is_err());
    let mut alert = Vec::new();
    client.take_ciphertext(&mut alert);
    server.read_tls(&mut alert.as_slice()).unwrap();
    let told = server.process_new_packets().unwrap_err();
    assert_eq!(told, rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA));
}

#[test]
fn a_client_certificate_is_presented() {
    let authority = Authority::new();
    for version in rustls::ALL_VERSIONS {
        let mut server = authority.server(&Leaf::default(), true, &[version]);
        let config = authority.trusting(Some(authority.identity("DEV-1")));
        let mut client = TlsClient::new(&config, "localhost").unwrap();
        exchange(&mut client, &mut server).unwrap();
        assert_eq!(server.peer_certificates().map(<[_]>::len), Some(1));
    }
}

#[test]
fn a_missing_client_certificate_shows_as_such_although_the_handshake_succeeded() {
    let authority = Authority::new();
    let mut server = authority.server(&Leaf::default(), true, &[&rustls::version::TLS13]);
    let mut client = TlsClient::new(&authority.trusting(None), "localhost").unwrap();
    let error = exchange(&mut client, &mut server).err();
    assert_eq!(error, Some(TlsError::ClientCertificateRequired));
    assert!(!client.is_handshaking());
}

#[test]
fn a_client_certificate_of_a_stranger_is_refused_as_such() {
    let authority = Authority::new();
    let mut server = authority.server(&Leaf::default(), true, &[&rustls::version::TLS13]);
    let config = authority.trusting(Some(Authority::new().identity("DEV-1")));
    let error = exchange(&mut TlsClient::new(&config, "localhost").unwrap(), &mut server).err().unwrap();
    assert!(matches!(error, TlsError::ClientCertificateRefused(_)), "{error}");
}

#[test]
fn a_key_of_another_certificate_is_refused_when_the_config_is_built() {
    let authority = Authority::new();
    let mut identity = authority.identity("DEV-1");
    identity.key = authority.identity("DEV-2").key;
    let settings = TlsSettings { trust: authority.trust(), identity: Some(identity) };
    assert_eq!(TlsConfig::new(&settings).err(), Some(TlsError::KeyMismatch));
}

#[test]
fn an_rsa_key_of_another_certificate_is_refused_when_the_config_is_built() {
    let load = |name: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/keys");
        PrivateKey::load(&folder.join(name), None).unwrap()
    };
    let (rsa, ec) = (load("rsa_pkcs1.pem"), load("ec_sec1.pem"));
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let certificate = |key: &PrivateKey| {
        Pem::Bytes(udmi_host::certificate::self_signed(key, "DEV-1", now).unwrap().into_bytes())
    };
    let build = |certificates: Pem, key: &PrivateKey| {
        let identity = Some(Identity { certificates, key: key.clone() });
        TlsConfig::new(&TlsSettings { trust: Authority::new().trust(), identity }).err()
    };
    assert_eq!(build(certificate(&rsa), &rsa), None);
    assert_eq!(build(certificate(&ec), &ec), None);
    assert_eq!(build(certificate(&rsa), &ec), Some(TlsError::KeyMismatch));
    assert_eq!(build(certificate(&ec), &rsa), Some(TlsError::KeyMismatch));
}

#[test]
fn certificate_files_are_read_and_named_when_unusable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.crt");
    let build =
        || TlsConfig::new(&TlsSettings { trust: Trust::Private(Pem::File(path.clone())), identity: None });
    assert!(matches!(build().err(), Some(TlsError::Unreadable { path: named, .. }) if named == path));
    std::fs::write(&path, "no certificate").unwrap();
    let error = build().err().unwrap();
    assert!(matches!(&error, TlsError::NoCertificate(why) if why.contains("ca.crt")), "{error}");
    std::fs::write(&path, &Authority::new().certificate).unwrap();
    assert!(build().is_ok());
}

#[test]
fn a_farewell_and_a_plain_end_both_close() {
    let authority = Authority::new();
    let connected = || {
        let mut server = authority.server(&Leaf::default(), false, rustls::ALL_VERSIONS);
        let mut client = TlsClient::new(&authority.trusting(None), "localhost").unwrap();
        exchange(&mut client, &mut server).unwrap();
        (client, server)
    };
    let (mut client, mut server) = connected();
    server.writer().write_all(b"last").unwrap();
    server.send_close_notify();
    let received = exchange(&mut client, &mut server).unwrap();
    assert_eq!((received.at_client.as_slice(), client.is_peer_closed()), (&b"last"[..], true));

    let (mut client, _server) = connected();
    assert!(!client.is_peer_closed());
    assert_eq!(client.receive_end(), Ok(()));
    assert!(client.is_peer_closed());
}

#[test]
fn the_client_says_farewell() {
    let authority = Authority::new();
    let mut server = authority.server(&Leaf::default(), false, rustls::ALL_VERSIONS);
    let mut client = TlsClient::new(&authority.trusting(None), "localhost").unwrap();
    exchange(&mut client, &mut server).unwrap();
    client.close_notify();
    let mut farewell = Vec::new();
    client.take_ciphertext(&mut farewell);
    server.read_tls(&mut farewell.as_slice()).unwrap();
    assert!(server.process_new_packets().unwrap().peer_has_closed());
}

#[test]
fn an_end_during_the_handshake_is_an_error() {
    let mut client = TlsClient::new(&Authority::new().trusting(None), "localhost").unwrap();
    assert_eq!(client.receive_end(), Err(TlsError::HandshakeCut));
}

#[test]
fn a_server_that_does_not_speak_tls_is_recognised() {
    let mut client = TlsClient::new(&Authority::new().trusting(None), "localhost").unwrap();
    let connack = [0x20, 2, 0, 0, 0x90, 3, 0, 1, 1];
    assert_eq!(client.receive(&connack, &mut Vec::new()), Err(TlsError::NotTls));
}

#[test]
fn an_alert_about_the_version_is_recognised() {
    let mut client = TlsClient::new(&Authority::new().trusting(None), "localhost").unwrap();
    let alert = [0x15, 3, 3, 0, 2, 2, 70];
    assert_eq!(client.receive(&alert, &mut Vec::new()), Err(TlsError::ProtocolVersion));
}

#[test]
fn a_server_hello_of_tls_1_1_is_refused() {
    let mut client = TlsClient::new(&Authority::new().trusting(None), "localhost").unwrap();
    // Version 1.1, 32 bytes of randomness, no session, a cipher suite of its time, no compression.
    let hello = [&[3, 2][..], &[7; 32], &[0, 0xc0, 0x14, 0]].concat();
    let handshake = [&[2, 0, 0, hello.len() as u8][..], &hello].concat();
    let record = [&[0x16, 3, 2, 0, handshake.len() as u8][..], &handshake].concat();
    assert_eq!(client.receive(&record, &mut Vec::new()), Err(TlsError::ProtocolVersion));
}

/// OpenSSL, if it is there and can still speak TLS 1.1.
#[test]
fn a_server_that_knows_tls_1_1_only_is_refused_with_the_versions_named() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (certificate, key) =
        authority.leaf(&["localhost"], (2020, 3000), ExtendedKeyUsagePurpose::ServerAuth);
    std::fs::write(folder.path().join("server.pem"), certificate + &key.serialize_pem()).unwrap();
    let Some((_server, port)) = openssl_server(folder.path(), "-tls1_1") else {
        println!("left out: there is no openssl that serves TLS 1.1");
        return;
    };
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut client = TlsClient::new(&authority.trusting(None), "localhost").unwrap();
    let mut ciphertext = Vec::new();
    client.take_ciphertext(&mut ciphertext);
    socket.write_all(&ciphertext).unwrap();
    let error = loop {
        let mut bytes = [0; 4096];
        let count = socket.read(&mut bytes).unwrap();
        let received = match count {
            0 => client.receive_end(),
            count => client.receive(&bytes[..count], &mut Vec::new()),
        };
        if let Err(error) = received {
            break error;
        }
    };
    assert_eq!(error, TlsError::ProtocolVersion);
    assert!(error.to_string().contains("1.2 or 1.3 is needed"), "{error}");
}

/// A running `openssl s_server` with the certificate in `server.pem`, and its port.
fn openssl_server(folder: &Path, version: &str) -> Option<(Server, u16)> {
    let child = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "server.pem", version])
        .args(["-cipher", "ALL@SECLEVEL=0"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut server = Server(child.ok()?);
    let lines = BufReader::new(server.0.stdout.take()?).lines().map_while(Result::ok);
    let port = lines.filter_map(|line| line.strip_prefix("ACCEPT ")?.rsplit_once(':')?.1.parse().ok()).next();
    port.map(|port| (server, port))
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already unless it still serves.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A certificate authority of one test.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What a server certificate says.
struct Leaf {
    names: Vec<&'static str>,
    years: (i32, i32),
}

impl Default for Leaf {
    fn default() -> Self {
        Self { names: vec!["localhost", "127.0.0.1", "::1"], years: (2020, 3000) }
    }
}

impl Authority {
    fn new() -> Self {
        Self::named("test authority")
    }

    fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn leaf(&self, names: &[&str], years: (i32, i32), usage: ExtendedKeyUsagePurpose) -> (String, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![usage];
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key)
    }

    fn identity(&self, name: &str) -> Identity {
        let (certificate, key) = self.leaf(&[name], (2020, 3000), ExtendedKeyUsagePurpose::ClientAuth);
        let key = PrivateKey::from_bytes(key.serialize_pem().as_bytes(), None).unwrap();
        Identity { certificates: Pem::Bytes(certificate.into_bytes()), key }
    }

    fn trust(&self) -> Trust {
        Trust::Private(Pem::Bytes(self.certificate.clone().into_bytes()))
    }

    fn trusting(&self, identity: Option<Identity>) -> TlsConfig {
        TlsConfig::new(&TlsSettings { trust: self.trust(), identity }).unwrap()
    }

    fn server(
        &self,
        leaf: &Leaf,
        wants_client_certificate: bool,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ServerConnection {
        let (certificate, key) = self.leaf(&leaf.names, leaf.years, ExtendedKeyUsagePurpose::ServerAuth);
        self.server_with(&certificate, &key, wants_client_certificate, versions)
    }

    fn server_with(
        &self,
        certificate: &str,
        key: &KeyPair,
        wants_client_certificate: bool,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ServerConnection {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let builder = if wants_client_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let mut server =
            ServerConnection::new(Arc::new(builder.with_single_cert(chain, key).unwrap())).unwrap();
        server.set_buffer_limit(None);
        server
    }
}

#[derive(Default)]
struct Received {
    at_client: Vec<u8>,
    at_server: Vec<u8>,
}

/// Carries ciphertext both ways until both sides are quiet; fails as the client fails.
fn exchange(client: &mut TlsClient, server: &mut ServerConnection) -> Result<Received, TlsError> {
    let mut received = Received::default();
    while client.has_ciphertext() || server.wants_write() {
        let mut upward = Vec::new();
        client.take_ciphertext(&mut upward);
        let mut rest = upward.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            let refused = server.process_new_packets().is_err();
            let _ = server.reader().read_to_end(&mut received.at_server);
            if refused {
                break;
            }
        }
        let mut downward = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut downward).unwrap();
        }
        client.receive(&downward, &mut received.at_client)?;
    }
    Ok(received)
}
