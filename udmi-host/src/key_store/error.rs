//! What can go wrong with a key store.

use std::fmt;
use std::path::PathBuf;

use udmi_proto::SignError;

use crate::certificate::CertificateError;
use crate::keys::{GenerateError, KeyError, KeyKind};

/// Why keys cannot be loaded, stored, rotated or restored. Never holds key material.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// There is no key.
    NoKey,
    /// A file operation failed.
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// A key file cannot be used.
    Key(KeyError),
    /// A certificate file is none, or too large.
    NotACertificate(PathBuf),
    /// There is a certificate, but not the key that it is for.
    CertificateWithoutKey(PathBuf),
    /// The key is of another kind than the store's files.
    Family(KeyKind),
    /// The text cannot name a backup.
    BackupName,
    /// A backup of that name is there already.
    BackupTaken(String),
    /// There is no backup of that name.
    NoBackup(String),
    /// No key pair with that public key waits to be put in force.
    NotPrepared,
    /// There are as many backups as a store keeps; where, if in a folder.
    TooManyBackups(Option<PathBuf>),
    /// No key could be made.
    Generate(GenerateError),
    /// The key cannot sign.
    Unusable(SignError),
    /// The private key does not hold its public half, or is of an unknown kind.
    NoPublicKey,
    /// The certificate could not be made.
    Certificate(CertificateError),
    /// The certifier given by the application refused; its reason.
    Certifier(String),
    /// A store of one's own failed; its reason.
    Other(String),
}

impl fmt::Display for KeyStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("there is no key"),
            Self::Io { what, path, error } => write!(f, "{what} {}: {error}", path.display()),
            Self::Key(error) => error.fmt(f),
            Self::NotACertificate(path) => write!(f, "{} holds no certificate", path.display()),
            Self::CertificateWithoutKey(path) => {
                write!(f, "there is a certificate in {}, but no key for it", path.display())
            }
            Self::Family(kind) => write!(f, "a key of kind {kind:?} does not go into these files"),
            Self::BackupName => f.write_str("the name of a backup is 1 to 64 letters, digits and hyphens"),
            Self::BackupTaken(name) => write!(f, "there is a backup {name} already"),
            Self::NoBackup(name) => write!(f, "there is no backup {name}"),
            Self::NotPrepared => f.write_str("no such key waits to be put in force"),
            Self::TooManyBackups(None) => write!(f, "there are {} backups; remove some", super::MAX_BACKUPS),
            Self::TooManyBackups(Some(folder)) => {
                let most = super::MAX_BACKUPS;
                write!(f, "there are {most} backups in {}; remove some", folder.display())
            }
            Self::Generate(error) => write!(f, "no key could be made: {error}"),
            Self::Unusable(error) => error.fmt(f),
            Self::NoPublicKey => f.write_str("the private key holds no public key, or is of an unknown kind"),
            Self::Certificate(error) => error.fmt(f),
            Self::Certifier(why) => write!(f, "no certificate was issued: {why}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for KeyStoreError {}
