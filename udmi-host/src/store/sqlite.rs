//! A store in one SQLite file, for hosts that keep one anyway.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::{SetAside, Store, StoreError, check_key, check_value, is_key};
use crate::files::Access;

/// How long another process may hold the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS udmi_value (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS udmi_set_aside (number INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB, why TEXT NOT NULL);
";

/// One file with a row for each key, readable by its owner only.
///
/// Every save is a transaction that is on the disc when it returns. A value that is no whole JSON object is moved
/// to the table `udmi_set_aside` and reported; a file that is no database is renamed to `<file>.bad-<number>` and
/// reported; neither is ever overwritten or deleted. The tables `udmi_*` are all it touches, so the file may be
/// one that the application has.
pub struct SqliteStore {
    connection: Connection,
    path: PathBuf,
    notices: Vec<SetAside>,
}

impl SqliteStore {
    /// Opens the file, and makes it if need be.
    ///
    /// # Errors
    /// The file cannot be made, read or set aside.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        create(&path).map_err(|error| failed("cannot make", &path, error))?;
        let mut notices = Vec::new();
        let connection = match connect(&path) {
            Ok(connection) => connection,
            Err(error) if is_no_database(&error) => {
                notices.push(set_file_aside(&path, &error)?);
                create(&path).map_err(|error| failed("cannot make", &path, error))?;
                connect(&path).map_err(|error| failed("cannot open", &path, io::Error::other(error)))?
            }
            Err(error) => return Err(failed("cannot open", &path, io::Error::other(error))),
        };
        Ok(Self { connection, path, notices })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, what: &'static str, error: rusqlite::Error) -> StoreError {
        failed(what, &self.path, io::Error::other(error))
    }

    fn set_aside(&mut self, key: &str, why: String) -> Result<(), StoreError> {
        let number = self.move_aside(key, &why).map_err(|error| self.failed("cannot set aside in", error))?;
        let kept_as = PathBuf::from(format!("{}#udmi_set_aside/{number}", self.path.display()));
        self.notices.push(SetAside { key: key.to_owned(), kept_as, why });
        Ok(())
    }

    fn move_aside(&mut self, key: &str, why: &str) -> rusqlite::Result<i64> {
        let transaction = self.connection.transaction()?;
        let moving = "INSERT INTO udmi_set_aside (key, value, why) SELECT key, value, ?2 FROM udmi_value WHERE key = ?1";
        transaction.execute(moving, params![key, why])?;
        let number = transaction.last_insert_rowid();
        transaction.execute("DELETE FROM udmi_value WHERE key = ?1", [key])?;
        transaction.commit()?;
        Ok(number)
    }
}

impl Store for SqliteStore {
    fn load(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(key)?;
        let query = "SELECT CAST(value AS BLOB) FROM udmi_value WHERE key = ?1";
        let found: Option<Vec<u8>> = self
            .connection
            .query_row(query, [key], |row| row.get(0))
            .optional()
            .map_err(|error| self.failed("cannot read", error))?;
        let Some(value) = found else { return Ok(None) };
        match check_value(&value) {
            Ok(()) => Ok(Some(value)),
            Err(why) => self.set_aside(key, why).map(|()| None),
        }
    }

    fn save(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        check_key(key)?;
        let done = match value {
            Some(value) => {
                check_value(value).map_err(StoreError::BadValue)?;
                let replacing = "INSERT OR REPLACE INTO udmi_value (key, value) VALUES (?1, ?2)";
                self.connection.execute(replacing, params![key, value])
            }
            None => self.connection.execute("DELETE FROM udmi_value WHERE key = ?1", [key]),
        };
        done.map(drop).map_err(|error| self.failed("cannot write", error))
    }

    fn load_all(&mut self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let keys = self.keys().map_err(|error| self.failed("cannot read", error))?;
        let mut values = BTreeMap::new();
        for key in keys {
            if let Some(value) = self.load(&key)? {
                values.insert(key, value);
            }
        }
        Ok(values)
    }

    fn take_notices(&mut self) -> Vec<SetAside> {
        std::mem::take(&mut self.notices)
    }
}

impl SqliteStore {
    /// Rows with other keys are none of ours.
    fn keys(&self) -> rusqlite::Result<Vec<String>> {
        let mut query = self.connection.prepare("SELECT key FROM udmi_value WHERE typeof(key) = 'text'")?;
        let keys = query.query_map([], |row| row.get::<_, String>(0))?;
        keys.filter(|key| key.as_ref().map_or(true, |key| is_key(key))).collect()
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Makes the file before SQLite does, which would have it readable for all. Its journal inherits the mode.
fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Access::Owner.create_folder(folder)?;
    }
    Access::Owner.options().create(true).truncate(false).open(path).map(drop)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // On the disc when a save returns, also against a loss of power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(TABLES)?;
    Ok(connection)
}

fn is_no_database(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// Renames a file that is no database, together with its journal, which belongs to it.
fn set_file_aside(path: &Path, error: &rusqlite::Error) -> Result<SetAside, StoreError> {
    let with = |suffix: String| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let mut number = 1u32;
    while with(format!(".bad-{number}")).symlink_metadata().is_ok() {
        number += 1;
    }
    let kept_as = with(format!(".bad-{number}"));
    std::fs::rename(path, &kept_as).map_err(|error| failed("cannot set aside", path, error))?;
    for journal in ["-journal", "-wal", "-shm"] {
        // Most often there is none.
        let _ = std::fs::rename(with(journal.to_owned()), with(format!(".bad-{number}{journal}")));
    }
    if let Some(folder) = path.parent() {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(SetAside { key: "*".to_owned(), kept_as, why: error.to_string() })
}

fn failed(what: &'static str, path: &Path, error: io::Error) -> StoreError {
    StoreError::Io { what, path: path.to_owned(), error }
}
