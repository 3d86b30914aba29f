//! Signs what the core wants signed. The private key stays here; only the signature leaves.
//!
//! This is the only file that names ring.

use std::fmt;
use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use udmi_proto::{Algorithm, Secret, SignError, SignRequest};
use zeroize::Zeroizing;

use crate::keys::{KeyKind, PrivateKey, base64};

/// A private key, checked and ready to sign; cheap to clone.
#[derive(Clone)]
pub struct Signer(Arc<Key>);

enum Key {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

impl Signer {
    /// Checks that `key` is sound and of a kind that signs: RSA of 2048 to 4096 bits, or P-256.
    ///
    /// # Errors
    /// [`SignError::WrongKind`] for other kinds, [`SignError::Failed`] with the reason if the key is unsound.
    pub fn new(key: &PrivateKey) -> Result<Self, SignError> {
        let refused = |error: ring::error::KeyRejected| {
            SignError::Failed(format!("the private key cannot be used: {error}"))
        };
        let key = match key.kind() {
            KeyKind::Rsa => Key::Rsa(RsaKeyPair::from_pkcs8(key.pkcs8_der()).map_err(refused)?),
            KeyKind::P256 => Key::P256(
                EcdsaKeyPair::from_pkcs8(
                    &ECDSA_P256_SHA256_FIXED_SIGNING,
                    key.pkcs8_der(),
                    &SystemRandom::new(),
                )
                .map_err(refused)?,
            ),
            KeyKind::P384 | KeyKind::Ed25519 | KeyKind::Other => return Err(SignError::WrongKind),
        };
        Ok(Self(Arc::new(key)))
    }

    /// The algorithm this key signs with.
    pub fn algorithm(&self) -> Algorithm {
        match &*self.0 {
            Key::Rsa(_) => Algorithm::Rs256,
            Key::P256(_) => Algorithm::Es256,
        }
    }

    /// The signature in base64url without padding.
    ///
    /// An RSA signature takes milliseconds, one on P-256 a fraction of one.
    ///
    /// # Errors
    /// [`SignError::WrongKind`] if the key is not of the algorithm's kind, [`SignError::Failed`] if there is no
    /// randomness.
    pub fn sign(&self, request: &SignRequest) -> Result<Secret<String>, SignError> {
        let random = SystemRandom::new();
        let failed = |_: ring::error::Unspecified| SignError::Failed("no randomness".to_owned());
        let input = request.input.as_bytes();
        let encoded = match (&*self.0, request.algorithm) {
            (Key::Rsa(key), Algorithm::Rs256) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature).map_err(failed)?;
                base64::encode_url(&signature)
            }
            (Key::P256(key), Algorithm::Es256) => {
                base64::encode_url(key.sign(&random, input).map_err(failed)?.as_ref())
            }
            (Key::Rsa(_), Algorithm::Es256) | (Key::P256(_), Algorithm::Rs256) => {
                return Err(SignError::WrongKind);
            }
        };
        Ok(Secret::new(encoded.to_string()))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signer({})", self.algorithm().name())
    }
}

/// The public half of an Ed25519 key in PKCS#8, which often lacks it.
pub(crate) fn ed25519_public_key(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).ok()?;
    Some(key.public_key().as_ref().to_vec())
}

/// A new P-256 key as PKCS#8, or `None` if there is no randomness.
pub(crate) fn generate_p256() -> Option<Zeroizing<Vec<u8>>> {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).ok()?;
    Some(Zeroizing::new(document.as_ref().to_vec()))
}
