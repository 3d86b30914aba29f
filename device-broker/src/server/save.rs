//! A snapshot in a file.

use crate::Snapshot;
use std::fs::{File, OpenOptions, remove_file, rename};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where and how often a server saves its [`Snapshot`], if anything changed, and when it stops.
///
/// Each saving writes everything, between the server's other work: some milliseconds for each megabyte.
#[derive(Debug, Clone)]
pub struct Save {
    /// The file, for its owner only, since configs may hold passwords. It is written anew, as `<path>.new`, and put in
    /// place at once, so that it is whole at any time.
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
        let mut file = create(draft.as_ref())?;
        file.write_all(&serde_json::to_vec(snapshot)?)?;
        file.sync_all()?;
        rename(&draft, &self.path)
    }
}

/// Makes a file for its owner only; what a crash has left there, or a link, is removed first.
fn create(path: &Path) -> io::Result<File> {
    match remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
