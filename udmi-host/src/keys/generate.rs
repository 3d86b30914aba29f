//! New private keys: P-256 always, RSA if the build has the feature `rsa-keygen`.

use std::fmt;

use zeroize::Zeroizing;

#[cfg(feature = "rsa-keygen")]
use super::der;
use super::{KeyKind, PrivateKey, PublicKey};
use crate::sign;

/// Which private key to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeySpec {
    /// Elliptic curve P-256: small, and made at once.
    #[default]
    P256,
    /// RSA of 2048 bits.
    Rsa2048,
    /// RSA of 3072 bits.
    Rsa3072,
    /// RSA of 4096 bits; a small device takes a minute and more for it.
    Rsa4096,
}

/// Why no key was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenerateError {
    /// The operating system has no randomness.
    NoRandomness,
    /// This build makes no RSA keys: it lacks the feature `rsa-keygen`.
    NoRsa,
}

impl KeySpec {
    /// RSA of that many bits, if it is 2048, 3072 or 4096.
    pub fn rsa(bits: usize) -> Option<Self> {
        match bits {
            2048 => Some(Self::Rsa2048),
            3072 => Some(Self::Rsa3072),
            4096 => Some(Self::Rsa4096),
            _ => None,
        }
    }

    /// Makes a successor to that key: of its kind, and no weaker if there is such a choice.
    pub fn like(key: &PublicKey) -> Self {
        match (key.kind(), key.bits()) {
            (KeyKind::Rsa, ..=2048) => Self::Rsa2048,
            (KeyKind::Rsa, ..=3072) => Self::Rsa3072,
            (KeyKind::Rsa, _) => Self::Rsa4096,
            (KeyKind::P256 | KeyKind::P384 | KeyKind::Ed25519 | KeyKind::Other, _) => Self::P256,
        }
    }

    /// The kind of key this makes.
    pub fn kind(self) -> KeyKind {
        match self {
            Self::P256 => KeyKind::P256,
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => KeyKind::Rsa,
        }
    }
}

impl PrivateKey {
    /// Makes a new key from the randomness of the operating system.
    ///
    /// # Errors
    /// There is no randomness, or the build makes no RSA keys.
    pub fn generate(spec: KeySpec) -> Result<Self, GenerateError> {
        let pkcs8 = match spec {
            KeySpec::P256 => sign::generate_p256().ok_or(GenerateError::NoRandomness)?,
            KeySpec::Rsa2048 => rsa(2048)?,
            KeySpec::Rsa3072 => rsa(3072)?,
            KeySpec::Rsa4096 => rsa(4096)?,
        };
        Ok(Self { pkcs8, kind: spec.kind() })
    }
}

/// The crate `rsa` makes the key and does nothing else with it: what its open advisory (RUSTSEC-2023-0071) is
/// about is using the private key, which is left to ring.
#[cfg(feature = "rsa-keygen")]
fn rsa(bits: usize) -> Result<Zeroizing<Vec<u8>>, GenerateError> {
    use rsa::pkcs1::EncodeRsaPrivateKey as _;
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits);
    let pkcs1 = key.ok().and_then(|key| key.to_pkcs1_der().ok()).ok_or(GenerateError::NoRandomness)?;
    Ok(der::wrap_rsa(pkcs1.as_bytes()))
}

#[cfg(not(feature = "rsa-keygen"))]
fn rsa(_bits: usize) -> Result<Zeroizing<Vec<u8>>, GenerateError> {
    Err(GenerateError::NoRsa)
}

impl fmt::Display for GenerateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoRandomness => "the operating system has no randomness",
            Self::NoRsa => {
                "this build makes no RSA keys; make an elliptic curve key, or the RSA key elsewhere"
            }
        })
    }
}

impl std::error::Error for GenerateError {}
