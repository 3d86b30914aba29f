//! What the blobset keeps across restarts: which generation of each blob came to which end, and the versions
//! that were installed (§5.4).

use alloc::string::{String, ToString as _};

use bytes::Bytes;
use device_link::{Map, Stored};
use serde::{Deserialize, Serialize};

use crate::model::common::Timestamp;
use crate::model::entry::Entry;

/// The name of the stored value.
pub(crate) const STORED_KEY: &str = "blobset";
/// The format this version writes.
const VERSION: u32 = 1;

/// All that is stored, under one key: what belongs together is safe together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Table {
    version: u32,
    /// By blob, the last generation that came to an end.
    pub(super) blobs: Map<String, Record>,
    /// Versions of activated blobs. They outlive the records: a blob that leaves the config stays installed.
    pub(super) software: Map<String, String>,
}

/// How one generation has ended, or is about to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) generation: Timestamp,
    pub(super) result: Ended,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ended {
    /// Processed for good; to be told, then activated.
    Processed {
        version: Option<String>,
        /// How many activations were begun.
        activations: u32,
    },
    /// Activated.
    Applied,
    /// Failed, with the status it shows.
    Failed { status: Entry },
}

impl Default for Table {
    fn default() -> Self {
        Self { version: VERSION, blobs: Map::new(), software: Map::new() }
    }
}

impl Table {
    pub(super) fn to_bytes(&self) -> Option<Bytes> {
        serde_json::to_vec(self).map(Bytes::from).ok()
    }

    /// Finds and reads the stored value.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn read(stored: &[Stored]) -> Result<Self, String> {
        let Some(found) = stored.iter().find(|value| value.key.as_str() == STORED_KEY) else {
            return Ok(Self::default());
        };
        let table: Self = serde_json::from_slice(&found.value).map_err(|error| error.to_string())?;
        if table.version == VERSION {
            Ok(table)
        } else {
            Err(alloc::format!("expected version {VERSION}, found {}", table.version))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::category::{Category, Level};

    /// What the first version wrote: it is read for ever.
    const FIRST: &str = concat!(
        r#"{"version":1,"blobs":{"#,
        r#""a":{"generation":"2026-03-01T10:00:00Z","result":"applied"},"#,
        r#""b":{"generation":"2026-03-01T10:00:01Z","result":{"failed":{"status":{"message":"no","#,
        r#""category":"blobset.blob.parse","timestamp":"2026-03-01T10:00:02Z","level":500}}}},"#,
        r#""c":{"generation":"2026-03-01T10:00:03Z","result":{"processed":{"version":"v2","activations":1}}}},"#,
        r#""software":{"a":"v7"}}"#,
    );

    fn time(second: u32) -> Timestamp {
        Timestamp::from(alloc::format!("2026-03-01T10:00:0{second}Z"))
    }

    fn table() -> Table {
        let status = Entry::new(Category::BlobsetBlobParse, "no", time(2)).at(Level::ERROR);
        let processed = Ended::Processed { version: Some("v2".to_string()), activations: 1 };
        let records = [
            ("a", Record { generation: time(0), result: Ended::Applied }),
            ("b", Record { generation: time(1), result: Ended::Failed { status } }),
            ("c", Record { generation: time(3), result: processed }),
        ];
        Table {
            blobs: records.into_iter().map(|(name, record)| (name.to_string(), record)).collect(),
            software: Map::from([("a".to_string(), "v7".to_string())]),
            ..Table::default()
        }
    }

    fn stored(text: &str) -> [Stored; 1] {
        let key = device_link::Key::new(STORED_KEY).unwrap();
        [Stored { key, value: Bytes::copy_from_slice(text.as_bytes()) }]
    }

    #[test]
    fn the_first_version_is_written_and_read_as_it_always_was() {
        assert_eq!(table().to_bytes().unwrap(), FIRST.as_bytes());
        assert_eq!(Table::read(&stored(FIRST)), Ok(table()));
        assert_eq!(Table::read(&[]), Ok(Table::default()));
    }

    #[test]
    fn another_version_is_not_read() {
        let newer = FIRST.replace("{\"version\":1", "{\"version\":2");
        assert_eq!(Table::read(&stored(&newer)), Err("expected version 1, found 2".to_string()));
        assert!(Table::read(&stored("")).is_err());
    }
}
