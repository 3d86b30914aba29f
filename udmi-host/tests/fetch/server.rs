//! A small HTTP server whose answers a test writes byte by byte, with TLS if wanted.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::server::WebPkiClientVerifier;
use rustls::{ConfigBuilder, RootCertStore, ServerConfig, ServerConnection, StreamOwned, WantsVerifier};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use udmi_host::keys::PrivateKey;
use udmi_host::tls::{Identity, Pem, TlsSettings, Trust};

pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// What a request says.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    /// How many requests came before.
    pub(crate) number: usize,
}

impl Head {
    /// Where the wanted range begins.
    pub(crate) fn range(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// Answers each connection's one request with what the handler writes.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Head>>>,
    ended: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
    scheme: &'static str,
}

impl Server {
    pub(crate) fn start(
        answer: impl Fn(&Head, &mut dyn Stream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(None, answer)
    }

    pub(crate) fn start_with(
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&Head, &mut dyn Stream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (seen, stop, answer) = (requests.clone(), ended.clone(), Arc::new(answer));
        let accept = move || {
            while let Ok((socket, _)) = listener.accept() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (seen, answer, tls) = (seen.clone(), answer.clone(), tls.clone());
                // A client that goes away is what many tests are about.
                thread::spawn(move || drop(serve(socket, tls, &seen, &*answer)));
            }
        };
        let accepting = Some(thread::spawn(accept));
        Self { address, requests, ended, accepting, scheme }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.address.port())
    }

    /// All that was asked so far.
    pub(crate) fn requests(&self) -> Vec<Head> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.accepting.take().unwrap().join();
    }
}

fn serve(
    socket: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    seen: &Mutex<Vec<Head>>,
    answer: &dyn Fn(&Head, &mut dyn Stream) -> io::Result<()>,
) -> io::Result<()> {
    let mut stream: Box<dyn Stream> = match tls {
        None => Box::new(socket),
        Some(config) => {
            Box::new(StreamOwned::new(ServerConnection::new(config).map_err(io::Error::other)?, socket))
        }
    };
    let head = read_head(&mut stream, seen)?;
    answer(&head, &mut *stream)
}

fn read_head(stream: &mut dyn Stream, seen: &Mutex<Vec<Head>>) -> io::Result<Head> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut seen = seen.lock().unwrap();
    let head = Head { method, path, headers, number: seen.len() };
    seen.push(head.clone());
    Ok(head)
}

/// A certificate authority of one test.
pub(crate) struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn trusted(&self) -> TlsSettings {
        let trust = Trust::Private(Pem::Bytes(self.certificate.clone().into_bytes()));
        TlsSettings { trust, identity: None }
    }

    /// A server of that name, certified from the first day of one year to that of another.
    pub(crate) fn server(&self, name: &str, years: (i32, i32)) -> Arc<ServerConfig> {
        let (chain, key) = self.certified(name, years);
        Arc::new(builder().with_no_client_auth().with_single_cert(chain, key).unwrap())
    }

    /// A server of that name that wants a certificate of this authority of its clients.
    pub(crate) fn demanding_server(&self, name: &str) -> Arc<ServerConfig> {
        let (chain, key) = self.certified(name, (2020, 3000));
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        Arc::new(builder().with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap())
    }

    /// A client of that name.
    pub(crate) fn client(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity {
            certificates: Pem::Bytes(certificate.into_bytes()),
            key: PrivateKey::from_bytes(key.serialize_pem().as_bytes(), None).unwrap(),
        }
    }

    fn certified(
        &self,
        name: &str,
        years: (i32, i32),
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        (chain, PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap())
    }
}

fn builder() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap()
}
