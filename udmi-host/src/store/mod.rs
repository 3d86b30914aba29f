//! What a device remembers across restarts.
//!
//! A store maps short names to JSON objects. [`MemoryStore`] forgets with the process; [`FileStore`] keeps one
//! file a name and survives a crash at any moment. So does `SqliteStore`, with the feature `sqlite`, in one file.

mod file;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use device_link::Map;

pub use file::FileStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 64;

/// The largest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;

/// A place that remembers JSON objects under short names.
pub trait Store {
    /// The value under `key`, or `None` if there is none or it was set aside just now.
    ///
    /// # Errors
    /// The key is bad, or the place cannot be read.
    fn load(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Remembers `value` under `key`, or forgets the key if `None`; when this returns, it is done for good.
    ///
    /// # Errors
    /// The key or value is bad, or the place cannot be written; a whole value, old or new, is there still.
    fn save(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError>;

    /// All that is remembered.
    ///
    /// # Errors
    /// The place cannot be read.
    fn load_all(&mut self) -> Result<BTreeMap<String, Vec<u8>>, StoreError>;

    /// What was found unreadable and set aside since this was last asked.
    fn take_notices(&mut self) -> Vec<SetAside>;

    /// Whether nothing here ever waits for a disc or a network, so that it may be called where nothing may block.
    fn is_in_memory(&self) -> bool {
        false
    }
}

/// A stored value that could not be used and was kept under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The key that has no value now; `*` stands for all keys.
    pub key: String,
    /// Where the unusable value is kept.
    pub kept_as: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// Why a store cannot do what was asked.
#[derive(Debug)]
pub enum StoreError {
    /// A key is 1 to [`MAX_KEY_BYTES`] of `a-z`, `0-9` and `_`.
    BadKey(String),
    /// A value is a JSON object of at most [`MAX_VALUE_BYTES`]; what is wrong with this one.
    BadValue(String),
    /// The operating system refuses.
    Io {
        /// What was being done, as "cannot ...".
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        error: std::io::Error,
    },
}

/// Remembers until it is dropped.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    /// A store has few values, and thousands of devices have one each.
    values: Map<String, Vec<u8>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn load(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(key)?;
        Ok(self.values.get(key).cloned())
    }

    fn save(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        check_key(key)?;
        match value {
            Some(value) => {
                check_value(value).map_err(StoreError::BadValue)?;
                self.values.insert(key.to_owned(), value.to_vec());
            }
            None => drop(self.values.remove(key)),
        }
        Ok(())
    }

    fn load_all(&mut self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        Ok(self.values.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn take_notices(&mut self) -> Vec<SetAside> {
        Vec::new()
    }

    fn is_in_memory(&self) -> bool {
        true
    }
}

fn check_key(key: &str) -> Result<(), StoreError> {
    if is_key(key) { Ok(()) } else { Err(StoreError::BadKey(key.to_owned())) }
}

fn is_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(allowed)
}

/// A complete JSON object: of all its beginnings none is one, so a cut file is always noticed.
fn check_value(value: &[u8]) -> Result<(), String> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(format!("larger than {MAX_VALUE_BYTES} bytes"));
    }
    let text = std::str::from_utf8(value).map_err(|_| "not UTF-8".to_owned())?;
    if !text.trim_start().starts_with('{') {
        return Err("not a JSON object".to_owned());
    }
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| format!("not JSON: {error}"))?;
    Ok(())
}

impl fmt::Display for SetAside {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "stored '{}' is unusable ({}); kept as {}",
            self.key,
            self.why,
            self.kept_as.display()
        )
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadKey(key) => {
                write!(formatter, "bad store key '{key}': expected 1 to {MAX_KEY_BYTES} of a-z, 0-9 and _")
            }
            Self::BadValue(why) => write!(formatter, "bad value for the store: {why}"),
            Self::Io { what, path, error } => write!(formatter, "{what} {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            Self::BadKey(_) | Self::BadValue(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_remembers_and_forgets() {
        let mut store = MemoryStore::new();
        assert_eq!(store.load("system").unwrap(), None);
        store.save("system", Some(b"{\"restart_count\":1}")).unwrap();
        assert_eq!(store.load("system").unwrap().as_deref(), Some(&b"{\"restart_count\":1}"[..]));
        assert_eq!(store.load_all().unwrap().len(), 1);
        store.save("system", None).unwrap();
        assert!(store.load_all().unwrap().is_empty());
    }

    #[test]
    fn keys_are_short_plain_names() {
        for good in ["a", "endpoint_2", &"x".repeat(MAX_KEY_BYTES)] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a.b", "../a", "a/b", "é", &"x".repeat(MAX_KEY_BYTES + 1)] {
            assert!(matches!(MemoryStore::new().save(bad, None), Err(StoreError::BadKey(_))), "{bad}");
        }
    }

    #[test]
    fn values_are_whole_json_objects() {
        assert!(check_value(b" {\"a\": [1, 2]}\n").is_ok());
        let value = b"{\"a\":{\"b\":[1,null]}}";
        for length in 0..value.len() {
            assert!(check_value(&value[..length]).is_err(), "cut to {length}");
        }
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_VALUE_BYTES));
        for bad in [&b"12"[..], b"[]", b"{}{}", b"{\"a\":\"\xff\"}", large.as_bytes()] {
            assert!(matches!(MemoryStore::new().save("a", Some(bad)), Err(StoreError::BadValue(_))));
        }
    }
}
