//! Private keys from every usual file form or made new, their public halves, and the broker password derived
//! from them.
//!
//! PEM with PKCS#1, SEC1, PKCS#8 or encrypted PKCS#8, and the same four as DER, all become PKCS#8 DER, which
//! is what TLS, signing and the broker password (§1.6) want. Key material is wiped from memory when dropped
//! and cannot be printed.

pub(crate) mod base64;
pub(crate) mod der;
mod generate;
pub(crate) mod pem;
pub(crate) mod public;

pub use generate::{GenerateError, KeySpec};
pub use public::PublicKey;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The largest key file that is read, in bytes; a 16384-bit RSA key as PEM is below 13 kB.
pub const MAX_KEY_FILE_BYTES: u64 = 64 * 1024;

/// A private key as PKCS#8 DER.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "key material must not be printable")]
pub struct PrivateKey {
    pkcs8: Zeroizing<Vec<u8>>,
    kind: KeyKind,
}

/// The algorithm of a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA of any size.
    Rsa,
    /// Elliptic curve P-256.
    P256,
    /// Elliptic curve P-384.
    P384,
    /// Ed25519.
    Ed25519,
    /// Another algorithm; whether it can be used shows when it is.
    Other,
}

/// A password; wiped from memory when dropped, shown as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

/// A key file that cannot be used.
#[derive(Debug)]
pub struct KeyError {
    /// The file at fault.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: KeyProblem,
}

/// Why some bytes are not a usable private key.
#[derive(Debug)]
pub enum KeyProblem {
    /// The file cannot be read.
    Unreadable(std::io::Error),
    /// The file is larger than [`MAX_KEY_FILE_BYTES`].
    TooLarge,
    /// Neither PEM nor the DER of a private key.
    NotAKey,
    /// PEM, but without a private key; the labels found instead.
    NoKeyInPem(Vec<String>),
    /// A PEM section with this label is damaged.
    Damaged(String),
    /// A SEC1 key that does not name its curve.
    NoCurve,
    /// Encrypted the way OpenSSL did before PKCS#8 (`Proc-Type: 4,ENCRYPTED`).
    LegacyEncryption,
    /// Encrypted, and no pass phrase is known.
    PassphraseNeeded,
    /// Encrypted, and the pass phrase does not open it.
    WrongPassphrase,
    /// Encrypted in a way this build cannot read; what it is.
    UnsupportedEncryption(String),
}

impl PrivateKey {
    /// Reads a key file of any supported form; `passphrase` is used only if the file is encrypted.
    ///
    /// # Errors
    /// A [`KeyError`] that names the file and what was expected of it.
    pub fn load(path: &Path, passphrase: Option<&Password>) -> Result<Self, KeyError> {
        let fail = |problem| KeyError { path: path.to_owned(), problem };
        let bytes = read_bounded(path).map_err(fail)?;
        Self::from_bytes(&bytes, passphrase).map_err(fail)
    }

    /// Reads a key from the bytes of a file of any supported form.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8], passphrase: Option<&Password>) -> Result<Self, KeyProblem> {
        if let Some(form) = der::form(bytes) {
            return Self::from_der(form, bytes, passphrase);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| KeyProblem::NotAKey)?;
        Self::from_pem(text, passphrase)
    }

    /// The key as PKCS#8 DER.
    pub fn pkcs8_der(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The key as PEM in PKCS#8 form.
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem::encode("PRIVATE KEY", &self.pkcs8)
    }

    /// The key's algorithm.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public half, or `None` if the private key does not hold it (an elliptic curve key may leave it out)
    /// or is of another kind than RSA, P-256, P-384 and Ed25519.
    pub fn public_key(&self) -> Option<PublicKey> {
        PublicKey::of(self)
    }

    /// The password of this key's device at a broker of provider `mqtt`: the first 8 lower-case hexadecimal
    /// characters of SHA-256 over the PKCS#8 DER (§1.6).
    pub fn broker_password(&self) -> Password {
        let digest = Sha256::digest(&*self.pkcs8);
        Password::new(digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    fn from_pem(text: &str, passphrase: Option<&Password>) -> Result<Self, KeyProblem> {
        let sections = pem::sections(text);
        if sections.is_empty() {
            return Err(KeyProblem::NotAKey);
        }
        let labels = sections.iter().map(|section| section.label.clone()).collect();
        for section in sections {
            let form = match section.label.as_str() {
                "PRIVATE KEY" => der::Form::Pkcs8,
                "RSA PRIVATE KEY" => der::Form::Pkcs1,
                "EC PRIVATE KEY" => der::Form::Sec1,
                "ENCRYPTED PRIVATE KEY" => der::Form::EncryptedPkcs8,
                _ => continue,
            };
            let body = section.body.map_err(|bad| match bad {
                pem::BadBody::LegacyEncryption => KeyProblem::LegacyEncryption,
                pem::BadBody::NotBase64 | pem::BadBody::Unterminated => {
                    KeyProblem::Damaged(section.label.clone())
                }
            })?;
            if der::form(&body) != Some(form) {
                return Err(KeyProblem::Damaged(section.label));
            }
            return Self::from_der(form, &body, passphrase);
        }
        Err(KeyProblem::NoKeyInPem(labels))
    }

    fn from_der(form: der::Form, bytes: &[u8], passphrase: Option<&Password>) -> Result<Self, KeyProblem> {
        let pkcs8 = match form {
            der::Form::Pkcs8 => Zeroizing::new(bytes.to_vec()),
            der::Form::Pkcs1 => der::wrap_rsa(bytes),
            der::Form::Sec1 => der::wrap_sec1(bytes).ok_or(KeyProblem::NoCurve)?,
            der::Form::EncryptedPkcs8 => decrypt(bytes, passphrase.ok_or(KeyProblem::PassphraseNeeded)?)?,
        };
        let kind = match der::algorithm(&pkcs8).ok_or(KeyProblem::NotAKey)? {
            der::Algorithm::Rsa => KeyKind::Rsa,
            der::Algorithm::P256 => KeyKind::P256,
            der::Algorithm::P384 => KeyKind::P384,
            der::Algorithm::Ed25519 => KeyKind::Ed25519,
            der::Algorithm::Other => KeyKind::Other,
        };
        Ok(Self { pkcs8, kind })
    }
}

impl Password {
    /// Takes the text as a password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The password in the clear, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(feature = "encrypted-keys")]
fn decrypt(encrypted: &[u8], passphrase: &Password) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
    use pkcs8::pkcs5;
    let unsupported = |what: &dyn fmt::Display| KeyProblem::UnsupportedEncryption(what.to_string());
    let info = pkcs8::EncryptedPrivateKeyInfoRef::try_from(encrypted).map_err(|error| unsupported(&error))?;
    match info.decrypt(passphrase.expose()) {
        Ok(document) if der::form(document.as_bytes()) == Some(der::Form::Pkcs8) => {
            Ok(Zeroizing::new(document.as_bytes().to_vec()))
        }
        Ok(_) => Err(KeyProblem::WrongPassphrase),
        // A wrong pass phrase shows as bad padding, or now and then as rubbish after good padding.
        Err(pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed | pkcs5::Error::EncryptFailed)) => {
            Err(KeyProblem::WrongPassphrase)
        }
        Err(pkcs8::Error::EncryptedPrivateKey(error)) => Err(unsupported(&error)),
        Err(_) => Err(KeyProblem::WrongPassphrase),
    }
}

#[cfg(not(feature = "encrypted-keys"))]
fn decrypt(_encrypted: &[u8], _passphrase: &Password) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
    Err(KeyProblem::UnsupportedEncryption("this build was made without encrypted keys".to_owned()))
}

pub(crate) fn read_bounded(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
    let file = File::open(path).map_err(KeyProblem::Unreadable)?;
    // Reserved ahead, so that growing does not leave copies of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE_BYTES as usize + 1));
    file.take(MAX_KEY_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(KeyProblem::Unreadable)?;
    if bytes.len() as u64 > MAX_KEY_FILE_BYTES {
        return Err(KeyProblem::TooLarge);
    }
    Ok(bytes)
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "private key {}: {}", self.path.display(), self.problem)
    }
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const EXPECTED: &str = "expected a private key as PEM or DER in PKCS#8, PKCS#1 or SEC1 form";
        match self {
            Self::Unreadable(error) => write!(formatter, "cannot be read: {error}"),
            Self::TooLarge => write!(formatter, "larger than {MAX_KEY_FILE_BYTES} bytes; {EXPECTED}"),
            Self::NotAKey => write!(formatter, "neither PEM nor DER of a key; {EXPECTED}"),
            Self::NoKeyInPem(labels) => {
                write!(formatter, "PEM holds only {}; {EXPECTED}", labels.join(", "))
            }
            Self::Damaged(label) => write!(formatter, "the PEM section {label} is damaged; {EXPECTED}"),
            Self::NoCurve => write!(formatter, "the SEC1 key names no curve; convert it to PKCS#8"),
            Self::LegacyEncryption => write!(
                formatter,
                "encrypted in the form before PKCS#8; convert it with `openssl pkcs8 -topk8`"
            ),
            Self::PassphraseNeeded => write!(formatter, "encrypted, and no pass phrase is known"),
            Self::WrongPassphrase => write!(formatter, "the pass phrase does not open it"),
            Self::UnsupportedEncryption(what) => {
                write!(formatter, "encrypted in an unsupported way ({what}); expected PBES2 with AES")
            }
        }
    }
}

impl std::error::Error for KeyError {}
impl std::error::Error for KeyProblem {}

#[cfg(test)]
mod tests;
