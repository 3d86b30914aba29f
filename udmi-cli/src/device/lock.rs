//! One device at a time uses a state folder.

use std::fs::{File, TryLockError};
use std::path::Path;

use udmi_host::files::Access;

use crate::output::Failure;

const NAME: &str = "lock";

/// Held until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a folder, which is made if need be.
    ///
    /// # Errors
    /// Another process has it, or it cannot be made.
    pub(super) fn take(folder: &Path) -> Result<Self, Failure> {
        let shown = folder.display();
        let unusable = |error: std::io::Error| {
            Failure::new(format!("{shown}: {error}")).hint("--state-dir names another folder")
        };
        Access::Owner.create_folder(folder).map_err(unusable)?;
        let open = Access::Owner.options().create(true).truncate(false).open(folder.join(NAME));
        let file = open.map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Failure::new(format!("another device uses {shown}"))
                .hint("end it first, or let --state-dir name another folder")),
            // A file system without locks has none to take.
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                Ok(Self { _file: file })
            }
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_user_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("state");
        let first = Lock::take(&folder).unwrap();
        assert!(Lock::take(&folder).unwrap_err().to_string().contains("another device uses"));
        drop(first);
        Lock::take(&folder).unwrap();
    }
}
