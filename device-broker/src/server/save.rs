//! A snapshot in a file.

use crate::Snapshot;
use std::fs::{File, rename};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

/// Where and how often a server saves its [`Snapshot`], if anything changed, and when it stops.
///
/// Each saving writes everything, between the server's other work: some milliseconds for each megabyte.
#[derive(Debug, Clone)]
pub struct Save {
    /// The file, written anew and put in place at once, so that it is whole at any time.
    pub path: PathBuf,
    /// The least time between two savings.
    pub every: Duration,
}

impl Save {
    /// Saves to `path`, at most once a second.
    #[must_use]
    pub fn to(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), every: Duration::from_secs(1) }
    }

    /// `None` when there is no file yet.
    pub(super) fn load(&self) -> io::Result<Option<Snapshot>> {
        match std::fs::read(&self.path) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn store(&self, snapshot: &Snapshot) -> io::Result<()> {
        let mut draft = self.path.clone().into_os_string();
        draft.push(".new");
        let mut file = File::create(&draft)?;
        file.write_all(&serde_json::to_vec(snapshot)?)?;
        file.sync_all()?;
        rename(&draft, &self.path)
    }
}
