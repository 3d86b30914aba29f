//! What the core wants done with the keys.

use udmi_proto::Outcome;

use crate::key_store::{DeviceKeys, KeyStoreError};

/// Does with the keys what the core wants, which may take long.
pub trait KeyWork: Send + Sync {
    /// Makes a new pair that is not in force yet.
    fn make(&self) -> Outcome;
    /// Puts the pair of that public key in force.
    fn adopt(&self, public_key: &str) -> Outcome;
    /// Puts the pair back that was kept under that name.
    fn restore(&self, backup: &str) -> Outcome;
}

impl KeyWork for DeviceKeys {
    fn make(&self) -> Outcome {
        match self.prepare() {
            Ok(key) => Outcome::KeyMade(key),
            Err(error) => Outcome::Failed { message: error.to_string() },
        }
    }

    fn adopt(&self, public_key: &str) -> Outcome {
        in_force(self.adopt(public_key))
    }

    fn restore(&self, backup: &str) -> Outcome {
        in_force(self.restore(backup))
    }
}

fn in_force(result: Result<(), KeyStoreError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Failed { message: error.to_string() },
    }
}
