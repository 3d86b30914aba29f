//! What goes wrong with TLS, by name.

use std::fmt;
use std::path::PathBuf;

use rustls::{AlertDescription, CertificateError};

/// Why a configuration was refused or a connection failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// A certificate file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        why: String,
    },
    /// No certificate where one was expected; the file or "PEM bytes", and what is wrong with it.
    NoCertificate(String),
    /// The operating system has no usable trust roots.
    NoSystemRoots(String),
    /// The client key does not belong to the client certificate.
    KeyMismatch,
    /// The client key or certificate cannot be used.
    BadIdentity(String),
    /// The endpoint's host is neither a host name nor an address.
    BadHost(String),
    /// The server certificate is not signed by a trusted issuer.
    UntrustedIssuer,
    /// The server certificate is signed by itself.
    SelfSigned,
    /// The server certificate has expired (or the clock is wrong).
    Expired,
    /// The server certificate is not valid yet (or the clock is wrong).
    NotYetValid,
    /// The server certificate is for another host.
    WrongHost {
        /// The host that was asked for.
        expected: String,
        /// The names the certificate is for.
        presented: Vec<String>,
    },
    /// The server certificate is revoked.
    Revoked,
    /// The server certificate is wrong in another way.
    BadServerCertificate(String),
    /// The server wants a client certificate and got none. With TLS 1.3 this shows only after the handshake.
    ClientCertificateRequired,
    /// The server does not accept the client certificate; its reason.
    ClientCertificateRefused(String),
    /// Client and server share no TLS version (1.2 or 1.3 is needed).
    ProtocolVersion,
    /// The server broke off the handshake; its reason. TLS 1.2 also says so if a client certificate is missing.
    HandshakeRefused(String),
    /// The connection ended in the middle of the handshake.
    HandshakeCut,
    /// What the server sends is not TLS.
    NotTls,
    /// Anything else.
    Other(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => {
                write!(formatter, "certificate file {} cannot be read: {why}", path.display())
            }
            Self::NoCertificate(why) => write!(formatter, "no usable certificate in {why}"),
            Self::NoSystemRoots(why) => {
                write!(formatter, "the operating system has no trust roots ({why}); name a CA file")
            }
            Self::KeyMismatch => {
                write!(formatter, "the client key does not belong to the client certificate")
            }
            Self::BadIdentity(why) => {
                write!(formatter, "the client certificate or key cannot be used: {why}")
            }
            Self::BadHost(host) => write!(formatter, "'{host}' is neither a host name nor an IP address"),
            Self::UntrustedIssuer => {
                write!(formatter, "the server certificate is not signed by a trusted issuer")
            }
            Self::SelfSigned => write!(
                formatter,
                "the server certificate is signed by itself; one of a trusted issuer is needed"
            ),
            Self::Expired => {
                write!(formatter, "the server certificate has expired, or this host's clock is wrong")
            }
            Self::NotYetValid => {
                write!(formatter, "the server certificate is not valid yet, or this host's clock is wrong")
            }
            Self::WrongHost { expected, presented } if presented.is_empty() => {
                write!(formatter, "the server certificate is not for {expected}")
            }
            Self::WrongHost { expected, presented } => {
                write!(
                    formatter,
                    "the server certificate is not for {expected} but for {}",
                    presented.join(", ")
                )
            }
            Self::Revoked => write!(formatter, "the server certificate is revoked"),
            Self::BadServerCertificate(why) => write!(formatter, "the server certificate is refused: {why}"),
            Self::ClientCertificateRequired => write!(formatter, "the server requires a client certificate"),
            Self::ClientCertificateRefused(why) => {
                write!(formatter, "the server refuses the client certificate ({why})")
            }
            Self::ProtocolVersion => {
                write!(formatter, "no common TLS version with the server; 1.2 or 1.3 is needed")
            }
            Self::HandshakeRefused(why) => write!(
                formatter,
                "the server refuses the handshake ({why}); it may require a client certificate"
            ),
            Self::HandshakeCut => write!(formatter, "the server closed the connection during the handshake"),
            Self::NotTls => write!(formatter, "the server does not speak TLS on this port"),
            Self::Other(why) => write!(formatter, "TLS failed: {why}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// Names the cause of what rustls reports.
pub(super) fn explain(error: rustls::Error, host: &str, handshaking: bool) -> TlsError {
    use rustls::Error;
    match error {
        Error::InvalidCertificate(error) => explain_certificate(error, host),
        Error::AlertReceived(alert) => explain_alert(alert),
        Error::PeerIncompatible(
            rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13
            | rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => TlsError::ProtocolVersion,
        Error::InvalidMessage(_) if handshaking => TlsError::NotTls,
        other => TlsError::Other(other.to_string()),
    }
}

fn explain_certificate(error: CertificateError, host: &str) -> TlsError {
    let wrong_host = |presented| TlsError::WrongHost { expected: host.to_owned(), presented };
    match error {
        // A bad signature is an issuer of a trusted name with another key: an authority that was made anew.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsError::UntrustedIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsError::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsError::NotYetValid,
        CertificateError::NotValidForName => wrong_host(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            wrong_host(presented.iter().map(|name| bare_name(name).to_owned()).collect())
        }
        CertificateError::Revoked => TlsError::Revoked,
        CertificateError::Other(error) => match error.0.downcast_ref::<TlsError>() {
            Some(error) => error.clone(),
            None => TlsError::BadServerCertificate(error.to_string()),
        },
        other => TlsError::BadServerCertificate(other.to_string()),
    }
}

/// The name in what rustls shows of it: `DnsName("localhost")`, `IpAddress(127.0.0.1)`.
fn bare_name(shown: &str) -> &str {
    let Some((_, inner)) = shown.strip_suffix(')').and_then(|rest| rest.split_once('(')) else {
        return shown;
    };
    inner.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(inner)
}

fn explain_alert(alert: AlertDescription) -> TlsError {
    let reason = format!("{alert:?}");
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            TlsError::ClientCertificateRequired
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError => TlsError::ClientCertificateRefused(reason),
        AlertDescription::ProtocolVersion => TlsError::ProtocolVersion,
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            TlsError::HandshakeRefused(reason)
        }
        _ => TlsError::Other(format!("the server sent the alert {reason}")),
    }
}
