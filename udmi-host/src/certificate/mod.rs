//! X.509: a device's own certificate, signing requests, and what a certificate says of itself.
//!
//! This is the only module of the host that names rcgen.

mod read;

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    SignatureAlgorithm, date_time_ymd,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroizing;

use crate::keys::{KeyKind, PrivateKey};

pub(crate) use read::is_self_issued;
pub use read::{CertificateInfo, NotACertificate};

/// Years for which a certificate of the device's own making is valid.
pub const VALIDITY_YEARS: i32 = 10;

/// The longest subject name, in bytes (RFC 5280, appendix A: ub-common-name).
pub const MAX_NAME_BYTES: usize = 64;

/// A clock before this day is wrong; a certificate made then would be expired for everybody else.
const EARLIEST: Date = Date::constant(2025, 1, 1);

/// Why no certificate or request was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// The subject name is empty, too long or has control characters.
    Name,
    /// The key is neither RSA of 2048 to 4096 bits nor on P-256.
    Kind,
    /// The key is unsound, or there is no randomness; what was found.
    Failed(String),
}

/// A certificate for `key` that the key itself signs, as PEM: subject and issuer `CN=name`, for TLS clients,
/// valid from the day before `now` (clocks differ) for [`VALIDITY_YEARS`].
///
/// A clock before 2025 counts as 2025, so that a device that does not know the time yet still gets a
/// certificate that others believe.
///
/// # Errors
/// The name or the key cannot be used.
pub fn self_signed(key: &PrivateKey, name: &str, now: Timestamp) -> Result<String, CertificateError> {
    let mut params = params(name)?;
    let (from, until) = validity(now);
    params.not_before = date_time_ymd(i32::from(from.year()), from.month() as u8, from.day() as u8);
    params.not_after = date_time_ymd(i32::from(until.year()), until.month() as u8, until.day() as u8);
    let certificate = params.self_signed(&*pair(key)?).map_err(failed)?;
    Ok(certificate.pem())
}

/// A request to an authority for a certificate for `key` with the subject `CN=name`, as PEM (PKCS#10).
///
/// # Errors
/// The name or the key cannot be used.
pub fn signing_request(key: &PrivateKey, name: &str) -> Result<String, CertificateError> {
    let request = params(name)?.serialize_request(&*pair(key)?).map_err(failed)?;
    request.pem().map_err(failed)
}

fn params(name: &str) -> Result<CertificateParams, CertificateError> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(CertificateError::Name);
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn validity(now: Timestamp) -> (Date, Date) {
    let today = now.to_zoned(TimeZone::UTC).date().max(EARLIEST);
    let from = today.checked_sub(1.day()).unwrap_or(today);
    (from, from.checked_add(VALIDITY_YEARS.years()).unwrap_or(Date::MAX))
}

fn pair(key: &PrivateKey) -> Result<Zeroizing<KeyPair>, CertificateError> {
    let algorithm: &'static SignatureAlgorithm = match key.kind() {
        KeyKind::Rsa => &rcgen::PKCS_RSA_SHA256,
        KeyKind::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        KeyKind::P384 | KeyKind::Ed25519 | KeyKind::Other => return Err(CertificateError::Kind),
    };
    let document = PrivatePkcs8KeyDer::from(key.pkcs8_der());
    KeyPair::from_pkcs8_der_and_sign_algo(&document, algorithm).map(Zeroizing::new).map_err(failed)
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
fn failed(error: rcgen::Error) -> CertificateError {
    CertificateError::Failed(error.to_string())
}

impl fmt::Display for CertificateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(
                formatter,
                "the subject name is empty, over {MAX_NAME_BYTES} bytes or has control characters"
            ),
            Self::Kind => formatter.write_str("the key is neither RSA nor on P-256"),
            Self::Failed(why) => write!(formatter, "no certificate could be made: {why}"),
        }
    }
}

impl std::error::Error for CertificateError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeySpec;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_certificate_says_whose_it_is_and_how_long_it_is_valid() {
        let key = PrivateKey::generate(KeySpec::P256).unwrap();
        let certificate = self_signed(&key, "AHU-1", at("2026-11-20T06:00:00Z")).unwrap();
        let info = CertificateInfo::from_pem(&certificate).unwrap();
        assert_eq!((info.subject.as_str(), info.issuer.as_str()), ("CN=AHU-1", "CN=AHU-1"));
        assert_eq!(info.not_before, at("2026-11-19T00:00:00Z"));
        assert_eq!(info.not_after, at("2036-11-19T00:00:00Z"));
        assert!(info.belongs_to(&key.public_key().unwrap()));
        let other = PrivateKey::generate(KeySpec::P256).unwrap();
        assert!(!info.belongs_to(&other.public_key().unwrap()));
    }

    #[test]
    fn a_clock_that_was_never_set_does_not_make_an_expired_certificate() {
        let (from, until) = validity(Timestamp::UNIX_EPOCH);
        assert_eq!((from.to_string(), until.to_string()), ("2024-12-31".into(), "2034-12-31".into()));
        let (from, until) = validity(Timestamp::MAX);
        assert!(from < until || until == Date::MAX);
        assert_eq!(validity(at("2028-03-01T12:00:00Z")).0.to_string(), "2028-02-29");
    }

    #[test]
    fn a_name_that_no_certificate_can_have_is_refused() {
        let key = PrivateKey::generate(KeySpec::P256).unwrap();
        for name in ["", "a\nb", &"x".repeat(65)] {
            assert_eq!(signing_request(&key, name), Err(CertificateError::Name));
        }
        assert!(signing_request(&key, &"x".repeat(64)).unwrap().contains("BEGIN CERTIFICATE REQUEST"));
    }
}
