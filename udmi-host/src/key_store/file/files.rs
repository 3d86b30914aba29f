//! Files that are replaced as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::files::Access;
use crate::key_store::KeyStoreError;

/// Writes a temporary file, syncs it, renames it over `path`, and syncs the folder.
pub(super) fn replace(path: &Path, content: &[u8], access: Access) -> Result<(), KeyStoreError> {
    replace_unsynced(path, content, access)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// The same without syncing the folder: after a crash the old content may be back.
pub(super) fn replace_unsynced(path: &Path, content: &[u8], access: Access) -> Result<(), KeyStoreError> {
    let temporary = temporary(path);
    let written = write_new(&temporary, content, access).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
        failed("cannot write", path)(error)
    })
}

/// Where the content of `path` is written before it takes its place.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

/// Removes a file, if it is there, and syncs the folder.
pub(super) fn remove(path: &Path) -> Result<(), KeyStoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("cannot remove", path)(error)),
        Ok(()) => sync_folder(path.parent().unwrap_or(Path::new("."))),
    }
}

/// Reads a text of at most `limit` bytes.
pub(super) fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let file = File::open(path)?;
    // Reserved ahead, so that growing does not leave copies of a key behind.
    let size = file.metadata()?.len().min(limit);
    let mut text = String::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    file.take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::other(format!("larger than {limit} bytes")));
    }
    Ok(text)
}

/// Makes a folder for its owner only; one that is there keeps its access.
pub(super) fn create_folder(folder: &Path) -> Result<(), KeyStoreError> {
    Access::Owner.create_folder(folder).map_err(failed("cannot make the folder", folder))
}

#[cfg(unix)]
pub(super) fn sync_folder(folder: &Path) -> Result<(), KeyStoreError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("cannot sync", folder))
}

#[cfg(not(unix))]
pub(super) fn sync_folder(_folder: &Path) -> Result<(), KeyStoreError> {
    Ok(())
}

pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyStoreError {
    let path = path.to_owned();
    move |error| KeyStoreError::Io { what, path, error }
}

/// A file of ours that a crash left is replaced; its access is that of a new file.
fn write_new(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let mut file = access.create_draft(path)?;
    file.write_all(content)?;
    file.sync_all()
}
