//! Keys that vanish with the process.

use std::collections::BTreeMap;

use super::{KeyPair, KeyStore, KeyStoreError, MAX_BACKUPS, is_backup_name};

/// Keeps the key pair and its backups in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryKeyStore {
    pair: Option<KeyPair>,
    backups: BTreeMap<String, KeyPair>,
}

impl MemoryKeyStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store with a key pair in force.
    pub fn with(pair: KeyPair) -> Self {
        Self { pair: Some(pair), backups: BTreeMap::new() }
    }
}

impl KeyStore for MemoryKeyStore {
    fn load(&mut self) -> Result<Option<KeyPair>, KeyStoreError> {
        Ok(self.pair.clone())
    }

    fn save(&mut self, pair: &KeyPair) -> Result<(), KeyStoreError> {
        self.pair = Some(pair.clone());
        Ok(())
    }

    fn back_up(&mut self, name: &str, pair: &KeyPair) -> Result<(), KeyStoreError> {
        if !is_backup_name(name) {
            return Err(KeyStoreError::BackupName);
        }
        if self.backups.contains_key(name) {
            return Err(KeyStoreError::BackupTaken(name.to_owned()));
        }
        if self.backups.len() >= MAX_BACKUPS {
            return Err(KeyStoreError::TooManyBackups(None));
        }
        self.backups.insert(name.to_owned(), pair.clone());
        Ok(())
    }

    fn load_backup(&mut self, name: &str) -> Result<KeyPair, KeyStoreError> {
        self.backups.get(name).cloned().ok_or_else(|| KeyStoreError::NoBackup(name.to_owned()))
    }

    fn backups(&mut self) -> Result<Vec<String>, KeyStoreError> {
        Ok(self.backups.keys().cloned().collect())
    }
}
