//! Downloads over HTTP, taken up again where they were lost. This is the only file that makes requests.

use std::error::Error as _;
use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use udmi_proto::FetchError;
use ureq::http::{HeaderMap, StatusCode, Uri, header};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts};
use ureq::{Agent, Body, ProxyProtocol, Timeout};

use super::job::{Stage, Stop};
use super::location::resolve;
use super::proxy::Proxies;
use super::{CHUNK_BYTES, FetchPolicy, FetcherError};
use crate::tls::{self, TlsError, Trust};

/// The most bytes of a response's head.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// For the head of a request, whose first line has to fit.
const OUTPUT_BYTES: usize = 32 << 10;
/// No pause between tries is longer.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Makes requests as a policy wants them.
#[derive(Debug)]
pub(super) struct Client {
    policy: FetchPolicy,
    proxies: Proxies,
    /// Made when first needed: the roots of an operating system take their time.
    tls: OnceLock<Result<ureq::tls::TlsConfig, TlsError>>,
}

type Response = ureq::http::Response<Body>;

/// Why a try has ended before all was there.
enum Trouble {
    /// It may go better next time.
    Passing(FetchError),
    Lasting(Stop),
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Lasting(stop)
    }
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Self {
        Self::Lasting(Stop::Failed(error))
    }
}

/// What is known of the source that the staged bytes came from.
#[derive(Debug, Default, PartialEq, Eq)]
struct Source {
    /// A strong entity tag or, without one, the time of the last change. Without either nothing tells whether
    /// the rest belongs to what was lost.
    validator: Option<String>,
    size: Option<u64>,
}

impl Client {
    pub(super) fn new(policy: FetchPolicy) -> Result<Self, FetcherError> {
        let proxies = Proxies::of(&policy.proxy)?;
        let client = Self { policy, proxies, tls: OnceLock::new() };
        // What the application chose is checked at once.
        if matches!(client.policy.tls.trust, Trust::Private(_)) || client.policy.tls.identity.is_some() {
            client.tls().map_err(FetcherError::Tls)?;
        }
        Ok(client)
    }

    pub(super) fn policy(&self) -> &FetchPolicy {
        &self.policy
    }

    /// Whether the scheme of that URL is allowed.
    pub(super) fn check(&self, url: &str) -> Result<(), FetchError> {
        let (scheme, _) = url.split_once(':').ok_or_else(|| FetchError::Url("it has no scheme".into()))?;
        let allowed = self.policy.schemes;
        let allowed = match scheme.to_ascii_lowercase().as_str() {
            "data" => allowed.data,
            "http" => allowed.http,
            "https" => allowed.https,
            "file" => allowed.file,
            _ => return Err(FetchError::Url("its scheme is unknown".into())),
        };
        if allowed { Ok(()) } else { Err(FetchError::Url("its scheme is not allowed".into())) }
    }

    /// Downloads to the stage, in as many tries as it takes and the policy allows.
    pub(super) fn download(&self, url: &str, stage: &mut Stage) -> Result<(), Stop> {
        let url: Uri = url.parse().map_err(|_| FetchError::Url("it cannot be read".into()))?;
        let deadline = Instant::now() + self.policy.total_timeout;
        let mut source = Source::default();
        let (mut vain, mut restarts) = (0, 0);
        loop {
            let before = stage.received();
            let error = match self.attempt(&url, &mut source, stage, deadline) {
                Ok(()) if stage.control().is_cancelled() => return Err(Stop::Cancelled),
                Ok(()) => return Ok(()),
                Err(Trouble::Lasting(stop)) => return Err(stop),
                Err(Trouble::Passing(error)) => error,
            };
            vain = if stage.received() > before { 1 } else { vain + 1 };
            restarts += u32::from(stage.received() < before);
            if vain >= self.policy.tries_max || restarts >= self.policy.tries_max {
                return Err(error.into());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let pause = self.policy.pause.saturating_mul(1 << (vain - 1).min(16)).min(PAUSE_MAX);
            if stage.control().pause(pause.min(left)) {
                return Err(Stop::Cancelled);
            }
            if pause >= left {
                return Err(FetchError::Timeout.into());
            }
        }
    }

    /// One try: follows redirects and takes what comes.
    fn attempt(
        &self,
        url: &Uri,
        source: &mut Source,
        stage: &mut Stage,
        deadline: Instant,
    ) -> Result<(), Trouble> {
        if stage.received() > 0 && source.validator.is_none() {
            stage.restart()?;
        }
        let mut url = url.clone();
        for _ in 0..=self.policy.redirects_max {
            let agent = self.agent(&url)?;
            stage.control().interrupts(agent.clone());
            let response = request(&agent, &url, source, stage.received(), deadline)?;
            let Some(target) = redirect(&response) else { return receive(response, &url, source, stage) };
            url = self.follow(&url, target)?;
        }
        Err(FetchError::Unreachable("redirected too often".into()).into())
    }

    fn follow(&self, from: &Uri, location: &str) -> Result<Uri, FetchError> {
        let refused = |why: &str| FetchError::Url(format!("redirected, but {why}"));
        let target = resolve(from, location).ok_or_else(|| refused("the target cannot be read"))?;
        let scheme = target.scheme_str().unwrap_or_default();
        if !matches!(scheme, "http" | "https") || self.check(&target.to_string()).is_err() {
            return Err(refused("the target's scheme is not allowed"));
        }
        if from.scheme_str() == Some("https") && scheme == "http" {
            return Err(refused("from https to http"));
        }
        Ok(target)
    }

    /// For one request: the next one may go elsewhere, with TLS or by another proxy. Without TLS nothing of it is
    /// loaded, of which the roots of the operating system are megabytes.
    fn agent(&self, url: &Uri) -> Result<Agent, FetchError> {
        let policy = &self.policy;
        let proxy = self.proxies.towards(url);
        let mut builder = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("udmi/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .input_buffer_size(CHUNK_BYTES)
            .output_buffer_size(OUTPUT_BYTES)
            // One that the server is about to close would cost a try.
            .max_idle_connections(0)
            .max_response_header_size(HEAD_BYTES_MAX)
            .timeout_connect(Some(policy.connect_timeout))
            .timeout_resolve(Some(policy.connect_timeout))
            .timeout_per_read(Some(policy.idle_timeout))
            .timeout_per_write(Some(policy.idle_timeout))
            .proxy(proxy.cloned());
        if url.scheme_str() == Some("https")
            || proxy.is_some_and(|proxy| proxy.protocol() == ProxyProtocol::Https)
        {
            let tls = self.tls().map_err(|error| FetchError::Unreachable(error.to_string()))?;
            builder = builder.tls_config(tls);
        }
        Ok(builder.build().new_agent())
    }

    fn tls(&self) -> Result<ureq::tls::TlsConfig, TlsError> {
        self.tls.get_or_init(|| tls_config(&self.policy)).clone()
    }
}

fn tls_config(policy: &FetchPolicy) -> Result<ureq::tls::TlsConfig, TlsError> {
    let material = tls::material(&policy.tls)?;
    let own = |certificates: &[_]| -> Vec<_> {
        certificates
            .iter()
            .map(|der: &rustls_pki_types::CertificateDer<'_>| Certificate::from_der(der).to_owned())
            .collect()
    };
    let identity = policy.tls.identity.as_ref().map(|identity| {
        let key = PrivateKey::from_pem(identity.key.to_pem().as_bytes())
            .map_err(|_| TlsError::BadIdentity("the key cannot be read".into()))?;
        Ok(ClientCert::new_with_certs(&own(&material.chain), key))
    });
    Ok(ureq::tls::TlsConfig::builder()
        .unversioned_rustls_crypto_provider(tls::provider())
        .root_certs(RootCerts::new_with_certs(&own(&material.roots)))
        .client_cert(identity.transpose()?)
        .build())
}

fn request(
    agent: &Agent,
    url: &Uri,
    source: &Source,
    received: u64,
    deadline: Instant,
) -> Result<Response, Trouble> {
    let left = deadline.saturating_duration_since(Instant::now());
    let mut request = agent.get(url).config().timeout_global(Some(left)).build();
    if let Some(validator) = source.validator.as_ref().filter(|_| received > 0) {
        request =
            request.header(header::RANGE, format!("bytes={received}-")).header(header::IF_RANGE, validator);
    }
    request.call().map_err(|error| explain(error, url))
}

fn redirect(response: &Response) -> Option<&str> {
    let moved = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    if moved { text(response.headers(), header::LOCATION) } else { None }
}

/// Takes the body of an answer that is no redirect.
fn receive(response: Response, url: &Uri, source: &mut Source, stage: &mut Stage) -> Result<(), Trouble> {
    let (head, body) = response.into_parts();
    let received = stage.received();
    match head.status {
        StatusCode::OK => {
            if received > 0 {
                stage.restart()?;
            }
            *source = Source { validator: validator(&head.headers), size: body.content_length() };
        }
        StatusCode::PARTIAL_CONTENT if received > 0 => {
            if !continues(&head.headers, source, received) {
                return again(stage, source);
            }
        }
        StatusCode::RANGE_NOT_SATISFIABLE if received > 0 => return again(stage, source),
        status => return Err(FetchError::Status(status.as_u16()).into()),
    }
    if text(&head.headers, header::CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"))
    {
        return Err(FetchError::Unreachable("the server compresses what it was not asked to".into()).into());
    }
    if let Some(size) = source.size {
        stage.expect(size)?;
    }
    take(body, url, stage)?;
    match source.size {
        Some(size) if stage.received() != size => Err(lost("the connection was lost")),
        _ => Ok(()),
    }
}

fn take(body: Body, url: &Uri, stage: &mut Stage) -> Result<(), Trouble> {
    let mut reader = body.into_reader();
    while stage.take_from(&mut reader, |error| explain(error.into(), url))? {}
    Ok(())
}

/// What is staged does not go with what the server has now.
fn again(stage: &mut Stage, source: &mut Source) -> Result<(), Trouble> {
    *source = Source::default();
    stage.restart()?;
    Err(lost("the source has changed"))
}

/// Whether a part of the content begins where the staged bytes end, and is of the same content.
fn continues(headers: &HeaderMap, source: &Source, received: u64) -> bool {
    let Some(range) = text(headers, header::CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes "))
    else {
        return false;
    };
    let Some((first, size)) =
        range.split_once('-').and_then(|(first, rest)| Some((first, rest.split_once('/')?.1)))
    else {
        return false;
    };
    let same_size = source.size.is_none() || size == "*" || size.parse().ok() == source.size;
    let tag = validator(headers);
    first.parse() == Ok(received) && same_size && (tag.is_none() || tag == source.validator)
}

fn validator(headers: &HeaderMap) -> Option<String> {
    let tag = text(headers, header::ETAG).filter(|tag| tag.starts_with('"'));
    tag.or_else(|| text(headers, header::LAST_MODIFIED)).map(str::to_owned)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn lost(why: &str) -> Trouble {
    Trouble::Passing(FetchError::Unreachable(why.into()))
}

/// Names what went wrong, without the URL, which may hold a secret.
fn explain(error: ureq::Error, url: &Uri) -> Trouble {
    use ureq::Error;
    let lasting = |why: String| Trouble::from(FetchError::Unreachable(why));
    let host = url.host().unwrap_or_default();
    match error {
        Error::Timeout(Timeout::Global) => FetchError::Timeout.into(),
        Error::Timeout(_) => Trouble::Passing(FetchError::Timeout),
        Error::HostNotFound => lost("the host name has no address"),
        Error::Io(error) => match error.get_ref().and_then(|inner| tls::cause(inner, host)) {
            Some(cause) => lasting(cause.to_string()),
            None => explain_io(&error),
        },
        Error::Rustls(error) => {
            lasting(tls::cause(&error, host).map_or_else(String::new, |cause| cause.to_string()))
        }
        Error::BadUri(_) | Error::Http(_) => FetchError::Url("it cannot be read".into()).into(),
        Error::ConnectProxyFailed(_) => lasting("the proxy refuses".into()),
        Error::LargeResponseHeader(..) => lasting("the head of the answer is too large".into()),
        Error::Protocol(_) => lost("the answer is no proper HTTP"),
        other => lost(other.source().map_or("no connection", |_| "the connection was lost")),
    }
}

fn explain_io(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => lost("connection refused"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => lost("no route to the host"),
        io::ErrorKind::TimedOut => Trouble::Passing(FetchError::Timeout),
        // The resolver's failures have no kind of their own.
        _ if error.to_string().starts_with("failed to lookup address") => {
            lost("the host name has no address")
        }
        _ => lost("the connection was lost"),
    }
}
