//! Where a device's key pair is kept: in files as site models have them, in memory, or in a store of one's own.
//!
//! [`DeviceKeys`] stands on a [`KeyStore`] and is what an adapter uses: it signs, rotates and restores.

mod device;
mod error;
mod file;
mod memory;

use std::fmt;

use crate::keys::PrivateKey;

pub use device::{Certifier, DeviceKeys, Ensured, Wanted};
pub use error::KeyStoreError;
pub use file::{FileKeyStore, KeyFamily};
pub use memory::MemoryKeyStore;

/// The most backups a store keeps. A cloud can ask for rotations without end; dropping the oldest backup could
/// drop the only key that a broker still believes, so rotation is refused instead.
pub const MAX_BACKUPS: usize = 1000;

/// A private key and the certificate for it, if there is one.
#[derive(Clone)]
pub struct KeyPair {
    /// The private key.
    pub key: PrivateKey,
    /// The certificate as PEM, followed by intermediate ones if there are any.
    pub certificate: Option<String>,
}

/// Keeps one key pair and backups of earlier ones.
pub trait KeyStore: Send {
    /// The key pair in force, or `None` if there was never one.
    ///
    /// # Errors
    /// It cannot be read; a pair that is there and damaged is an error, never `None`.
    fn load(&mut self) -> Result<Option<KeyPair>, KeyStoreError>;

    /// Puts a key pair in force. After a crash at any moment `load` yields the old pair or the new one, whole.
    ///
    /// # Errors
    /// It cannot be stored; the old pair is still in force.
    fn save(&mut self, pair: &KeyPair) -> Result<(), KeyStoreError>;

    /// Keeps a copy of a key pair under `name`.
    ///
    /// # Errors
    /// The name is taken or none ([`KeyStoreError::BackupName`]), there are [`MAX_BACKUPS`], or it cannot be stored.
    fn back_up(&mut self, name: &str, pair: &KeyPair) -> Result<(), KeyStoreError>;

    /// The key pair of a backup.
    ///
    /// # Errors
    /// There is none of that name, or it cannot be read.
    fn load_backup(&mut self, name: &str) -> Result<KeyPair, KeyStoreError>;

    /// The names of all backups, sorted; as names are dates, the newest is last.
    ///
    /// # Errors
    /// They cannot be listed.
    fn backups(&mut self) -> Result<Vec<String>, KeyStoreError>;
}

impl KeyPair {
    /// Whether both are the same key with the same certificate.
    pub fn is_same(&self, other: &Self) -> bool {
        self.key.pkcs8_der() == other.key.pkcs8_der() && self.certificate == other.certificate
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyPair")
            .field("kind", &self.key.kind())
            .field("certificate", &self.certificate.is_some())
            .finish_non_exhaustive()
    }
}

/// Whether a text may name a backup: 1 to 64 of `[A-Za-z0-9-]`, so that no name leads out of a folder.
pub fn is_backup_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(plain)
}
