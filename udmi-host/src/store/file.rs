//! A store of one file a key, written so that a crash leaves the old value or the new one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{MAX_VALUE_BYTES, SetAside, Store, StoreError, check_key, check_value, is_key};
use crate::files::Access;

const SUFFIX: &str = ".json";
const TEMPORARY_SUFFIX: &str = ".tmp";

/// A folder with one file `<key>.json` for each key, readable by its owner only.
///
/// A value is written to a temporary file, synced, renamed over the old one, and the folder is synced. A file
/// that is not a whole JSON object is renamed to `<key>.json.bad-<number>` and reported; it is never
/// overwritten or deleted. The folder belongs to one store at a time.
#[derive(Debug)]
pub struct FileStore {
    folder: PathBuf,
    notices: Vec<SetAside>,
}

impl FileStore {
    /// Opens the folder, makes it if need be, and clears what a crash in the middle of a write left behind.
    ///
    /// # Errors
    /// The folder cannot be made, read or cleared.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let folder = folder.into();
        Access::Owner
            .create_folder(&folder)
            .map_err(|error| failed("cannot make the store folder", &folder, error))?;
        for name in file_names(&folder)? {
            if is_temporary(&name) {
                let path = folder.join(name);
                fs::remove_file(&path)
                    .map_err(|error| failed("cannot clear the temporary file", &path, error))?;
            }
        }
        Ok(Self { folder, notices: Vec::new() })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}{SUFFIX}"))
    }

    fn set_aside(&mut self, key: &str, why: String) -> Result<(), StoreError> {
        let path = self.path(key);
        let mut number = 1u32;
        let kept_as = loop {
            let candidate = self.folder.join(format!("{key}{SUFFIX}.bad-{number}"));
            // Also true for a dangling link, which a rename would replace.
            if candidate.symlink_metadata().is_err() {
                break candidate;
            }
            number += 1;
        };
        fs::rename(&path, &kept_as)
            .and_then(|()| sync_folder(&self.folder))
            .map_err(|error| failed("cannot set aside", &path, error))?;
        self.notices.push(SetAside { key: key.to_owned(), kept_as, why });
        Ok(())
    }

    fn replace(&self, key: &str, value: &[u8]) -> io::Result<()> {
        let temporary = self.folder.join(format!(".{key}{TEMPORARY_SUFFIX}"));
        let written = write_new(&temporary, value).and_then(|()| fs::rename(&temporary, self.path(key)));
        if written.is_err() {
            // The first error is the one to tell; a leftover is cleared by the next open.
            let _ = fs::remove_file(&temporary);
            return written;
        }
        sync_folder(&self.folder)
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        match fs::remove_file(self.path(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => sync_folder(&self.folder),
        }
    }
}

impl Store for FileStore {
    fn load(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(key)?;
        let path = self.path(key);
        let unusable = match read(&path) {
            Ok(Found::Nothing) => return Ok(None),
            Ok(Found::Value(value)) => match check_value(&value) {
                Ok(()) => return Ok(Some(value)),
                Err(why) => why,
            },
            Ok(Found::Unusable(why)) => why,
            Err(error) => return Err(failed("cannot read", &path, error)),
        };
        self.set_aside(key, unusable)?;
        Ok(None)
    }

    fn save(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        check_key(key)?;
        let done = match value {
            Some(value) => {
                check_value(value).map_err(StoreError::BadValue)?;
                self.replace(key, value)
            }
            None => self.remove(key),
        };
        done.map_err(|error| failed("cannot write", &self.path(key), error))
    }

    fn load_all(&mut self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let mut values = BTreeMap::new();
        for name in file_names(&self.folder)? {
            let Some(key) = name.strip_suffix(SUFFIX).filter(|key| is_key(key)) else { continue };
            if let Some(value) = self.load(key)? {
                values.insert(key.to_owned(), value);
            }
        }
        Ok(values)
    }

    fn take_notices(&mut self) -> Vec<SetAside> {
        std::mem::take(&mut self.notices)
    }
}

enum Found {
    Nothing,
    Value(Vec<u8>),
    Unusable(String),
}

/// Reads a value; an error is one that may pass, such as too many open files.
fn read(path: &Path) -> io::Result<Found> {
    let kind = match fs::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err() => {
            return Ok(Found::Nothing);
        }
        Err(error) => return lasting(error),
    };
    // Opening a pipe would block, so what is no file is not even tried.
    if !kind.is_file() {
        return Ok(Found::Unusable("not a file".to_owned()));
    }
    let mut value = Vec::new();
    let bound = MAX_VALUE_BYTES as u64 + 1;
    match File::open(path).and_then(|file| file.take(bound).read_to_end(&mut value)) {
        Ok(_) => Ok(Found::Value(value)),
        Err(error) => lasting(error),
    }
}

/// Tells an error that stays, so that the file is set aside, from one that may pass.
fn lasting(error: io::Error) -> io::Result<Found> {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound | io::ErrorKind::InvalidData => {
            Ok(Found::Unusable(error.to_string()))
        }
        _ => Err(error),
    }
}

fn write_new(path: &Path, value: &[u8]) -> io::Result<()> {
    let mut file = Access::Owner.create_draft(path)?;
    file.write_all(value)?;
    file.sync_all()
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

fn is_temporary(name: &str) -> bool {
    name.strip_prefix('.').and_then(|rest| rest.strip_suffix(TEMPORARY_SUFFIX)).is_some_and(is_key)
}

/// The names in the folder, in order; names that are not UTF-8 are none of ours.
fn file_names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let fail = |error| failed("cannot read the store folder", folder, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        if let Ok(name) = entry.map_err(fail)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn failed(what: &'static str, path: &Path, error: io::Error) -> StoreError {
    StoreError::Io { what, path: path.to_owned(), error }
}
