//! What a certificate says: whose it is, how long it is valid, and for which key. Nothing is verified here;
//! that is rustls's business when it matters.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::keys::der::{OBJECT_IDENTIFIER, SEQUENCE, split};
use crate::keys::public::fingerprint;
use crate::keys::{PublicKey, pem};

const VERSION: u8 = 0xa0;
const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The parts of a name that are shown, by object identifier (X.520).
const ATTRIBUTES: [(&[u8], &str); 7] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
];

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Whose it is, such as `CN=AHU-1`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// SHA-256 over the DER in lower-case hexadecimal.
    pub fingerprint: String,
    public_key: Vec<u8>,
}

/// The text or the bytes are no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACertificate;

impl CertificateInfo {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn from_pem(text: &str) -> Result<Self, NotACertificate> {
        let section = pem::sections(text).into_iter().find(|section| section.label == "CERTIFICATE");
        let body = section.ok_or(NotACertificate)?.body.map_err(|_| NotACertificate)?;
        Self::from_der(&body)
    }

    /// Reads a certificate.
    ///
    /// # Errors
    /// It is none.
    pub fn from_der(certificate: &[u8]) -> Result<Self, NotACertificate> {
        read(certificate).ok_or(NotACertificate)
    }

    /// Whether it is for this key.
    pub fn belongs_to(&self, key: &PublicKey) -> bool {
        self.public_key == key.der()
    }

    /// Whether it is valid by this host's clock.
    pub fn is_valid_now(&self) -> bool {
        (self.not_before..=self.not_after).contains(&Timestamp::now())
    }
}

fn read(certificate: &[u8]) -> Option<CertificateInfo> {
    let fields = sequence(certificate)?.0;
    let mut rest = sequence(fields)?.0;
    if let (VERSION, _, after) = split(rest)? {
        rest = after;
    }
    let (_, _, after_serial) = split(rest)?;
    let (_, after_algorithm) = sequence(after_serial)?;
    let (issuer, after_issuer) = sequence(after_algorithm)?;
    let (validity, after_validity) = sequence(after_issuer)?;
    let (subject, after_subject) = sequence(after_validity)?;
    let (_, after_key) = sequence(after_subject)?;
    let (not_before, until) = time(validity)?;
    Some(CertificateInfo {
        subject: name(subject)?,
        issuer: name(issuer)?,
        not_before,
        not_after: time(until)?.0,
        fingerprint: fingerprint(certificate),
        public_key: after_subject[..after_subject.len() - after_key.len()].to_vec(),
    })
}

/// Whether subject and issuer are the same, as in a certificate that is signed by itself.
pub(crate) fn is_self_issued(certificate: &[u8]) -> bool {
    let names = || {
        let mut rest = sequence(sequence(certificate)?.0)?.0;
        if let (VERSION, _, after) = split(rest)? {
            rest = after;
        }
        let (_, _, after_serial) = split(rest)?;
        let (issuer, after_issuer) = sequence(sequence(after_serial)?.1)?;
        Some((issuer, sequence(sequence(after_issuer)?.1)?.0))
    };
    names().is_some_and(|(issuer, subject)| issuer == subject)
}

/// The content of a sequence and what follows it.
fn sequence(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (SEQUENCE, content, rest) = split(input)? else { return None };
    Some((content, rest))
}

/// The attributes of a name in their order; unknown ones are passed over, control characters are escaped.
fn name(mut rest: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (SET, set, after) = split(rest)? else { return None };
        let (attribute, _) = sequence(set)?;
        let (OBJECT_IDENTIFIER, identifier, value) = split(attribute)? else { return None };
        let (_, value, _) = split(value)?;
        if let Some((_, label)) = ATTRIBUTES.iter().find(|(known, _)| *known == identifier) {
            parts.push(format!("{label}={}", String::from_utf8_lossy(value).escape_debug()));
        }
        rest = after;
    }
    Some(parts.join(", "))
}

/// A time and what follows it; always UTC with seconds (RFC 5280, section 4.1.2.5).
fn time(input: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (tag, text, rest) = split(input)?;
    let text = std::str::from_utf8(text).ok()?;
    let text = match tag {
        GENERALIZED_TIME => text.to_owned(),
        // Two digits of the year, which mean 1950 to 2049.
        UTC_TIME => {
            let century = if text.get(..2)? < "50" { "20" } else { "19" };
            format!("{century}{text}")
        }
        _ => return None,
    };
    let moment = DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    Some((moment.to_zoned(TimeZone::UTC).ok()?.timestamp(), rest))
}

impl fmt::Display for NotACertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("neither PEM nor DER of a certificate")
    }
}

impl std::error::Error for NotACertificate {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{KeySpec, PrivateKey};

    #[test]
    fn every_cut_of_a_certificate_is_refused_without_panic() {
        let key = PrivateKey::generate(KeySpec::P256).unwrap();
        let text = crate::certificate::self_signed(&key, "AHU-1", Timestamp::UNIX_EPOCH).unwrap();
        let whole = pem::sections(&text).remove(0).body.unwrap();
        for length in 0..whole.len() {
            assert_eq!(CertificateInfo::from_der(&whole[..length]), Err(NotACertificate), "cut to {length}");
        }
        assert!(CertificateInfo::from_der(&whole).is_ok());
        assert_eq!(CertificateInfo::from_pem("hello"), Err(NotACertificate));
    }

    #[test]
    fn both_forms_of_time_are_read() {
        let read = |tag: u8, text: &str| {
            let element = [&[tag, text.len() as u8], text.as_bytes()].concat();
            time(&element).map(|(moment, _)| moment.to_string())
        };
        assert_eq!(read(UTC_TIME, "491231235959Z").as_deref(), Some("2049-12-31T23:59:59Z"));
        assert_eq!(read(UTC_TIME, "500101000000Z").as_deref(), Some("1950-01-01T00:00:00Z"));
        assert_eq!(read(GENERALIZED_TIME, "99991231235959Z"), None.or(read(0x18, "99991231235959Z")));
        for bad in ["", "4", "é00101000000Z", "501301000000Z", "500101000000"] {
            assert_eq!(read(UTC_TIME, bad), None, "{bad}");
        }
    }
}
