//! The public half of a key: what is registered with a cloud and shown to people.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{KeyKind, PrivateKey, der, pem};

/// A public key as SubjectPublicKeyInfo.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    info: Vec<u8>,
    kind: KeyKind,
    bits: usize,
}

impl PublicKey {
    pub(super) fn of(key: &PrivateKey) -> Option<Self> {
        let info = der::public_key(key.pkcs8_der())?;
        let bits = match key.kind() {
            KeyKind::Rsa => der::modulus_bits(&info)?,
            KeyKind::P256 | KeyKind::Ed25519 => 256,
            KeyKind::P384 => 384,
            KeyKind::Other => return None,
        };
        Some(Self { info, kind: key.kind(), bits })
    }

    /// The SubjectPublicKeyInfo as DER.
    pub fn der(&self) -> &[u8] {
        &self.info
    }

    /// The SubjectPublicKeyInfo as PEM.
    pub fn to_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.info).to_string()
    }

    /// The algorithm.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The size in bits: of the modulus for RSA, of the field for a curve.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// SHA-256 over the DER in lower-case hexadecimal, as `openssl pkey -pubin -outform der | sha256sum` has it.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.info)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({:?}, {} bits, {})", self.kind, self.bits, self.fingerprint())
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
