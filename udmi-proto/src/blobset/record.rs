//! What the blobset keeps across restarts: which generation of each blob came to which end, and the versions
//! that were installed (§5.4).

use alloc::borrow::Cow;
use alloc::string::{String, ToString as _};

use bytes::Bytes;
use device_link::{Map, Stored};
use serde::Serialize;

use crate::json;
use crate::model::common::Timestamp;
use crate::model::entry::Entry;
use crate::model::place::{Any, Object, Place, Read, Scalar, object};

/// The name of the stored value.
pub(crate) const STORED_KEY: &str = "blobset";
/// The format this version writes.
const VERSION: u32 = 1;

/// All that is stored, under one key: what belongs together is safe together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Table {
    version: u32,
    /// By blob, the last generation that came to an end.
    pub(super) blobs: Map<String, Record>,
    /// Versions of activated blobs. They outlive the records: a blob that leaves the config stays installed.
    pub(super) software: Map<String, String>,
}

/// How one generation has ended, or is about to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Record {
    pub(super) generation: Timestamp,
    pub(super) result: Ended,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
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
        let table: ReadTable = json::from_slice(&found.value).map_err(|error| error.to_string())?;
        match table.version.unwrap_or_default() {
            VERSION => table.open().ok_or_else(|| "a result is none that is known".into()),
            version => Err(alloc::format!("expected version {VERSION}, found {version}")),
        }
    }
}

/// The same as it is read.
#[derive(Default)]
struct ReadTable {
    version: Option<u32>,
    blobs: Option<Map<String, ReadRecord>>,
    software: Option<Map<String, String>>,
}

#[derive(Default)]
struct ReadRecord {
    generation: Option<Timestamp>,
    result: Option<ReadEnded>,
}

/// Either of the three.
#[derive(Default)]
struct ReadEnded {
    processed: Option<ReadProcessed>,
    is_applied: bool,
    failed: Option<ReadFailed>,
}

#[derive(Default)]
struct ReadProcessed {
    version: Option<String>,
    activations: Option<u32>,
}

#[derive(Default)]
struct ReadFailed {
    status: Option<Entry>,
}

object! { ReadTable { "version": version required, "blobs": blobs required, "software": software required } }
object! { ReadRecord { "generation": generation required, "result": result required } }
object! { ReadProcessed { "version": version, "activations": activations required } }
object! { ReadFailed { "status": status required } }

impl<'de> Any<'de> for ReadEnded {
    fn scalar(&mut self, scalar: Scalar<'de>) {
        self.is_applied = scalar == Scalar::Text("applied".into());
    }

    fn list(&mut self) -> Place<'_, 'de> {
        Place::Nowhere
    }

    fn table(&mut self) -> Place<'_, 'de> {
        Place::Object(self)
    }
}

impl<'de> Object<'de> for ReadEnded {
    fn member(&mut self, name: &Cow<'de, str>) -> Place<'_, 'de> {
        match name.as_ref() {
            "processed" => self.processed.place(),
            "failed" => self.failed.place(),
            _ => Place::Nowhere,
        }
    }
}

impl<'de> Read<'de> for ReadEnded {
    fn place(&mut self) -> Place<'_, 'de> {
        Place::Any(self)
    }
}

impl ReadTable {
    /// None if it holds a result that is none.
    fn open(self) -> Option<Table> {
        let record = |(name, read): (String, ReadRecord)| {
            let result = read.result?.open()?;
            Some((name, Record { generation: read.generation?, result }))
        };
        Some(Table {
            version: VERSION,
            blobs: self.blobs?.into_iter().map(record).collect::<Option<_>>()?,
            software: self.software?,
        })
    }
}

impl ReadEnded {
    fn open(self) -> Option<Ended> {
        match self {
            Self { processed: Some(ReadProcessed { version, activations }), .. } => {
                Some(Ended::Processed { version, activations: activations? })
            }
            Self { failed: Some(ReadFailed { status }), .. } => Some(Ended::Failed { status: status? }),
            Self { is_applied, .. } => is_applied.then_some(Ended::Applied),
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
