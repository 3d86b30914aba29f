//! What is kept of the proxied devices across restarts: how often each has started, and when last.

use alloc::string::{String, ToString as _};

use bytes::Bytes;
use device_link::{Map, Stored, UtcMillis};
use serde::Serialize;

use crate::json;
use crate::model::place::object;
use crate::system::{Start, start_after};

/// The name of the stored value.
pub(crate) const STORED_KEY: &str = "proxies";
/// The format this version writes.
const VERSION: u32 = 1;

/// The last start of each device, those included that are not there at present: they may come back.
#[derive(Debug, Default)]
pub(super) struct Records {
    starts: Map<String, Start>,
}

#[derive(Default, Serialize)]
struct Persisted {
    version: Option<u32>,
    devices: Option<Map<String, PersistedStart>>,
}

#[derive(Default, Serialize)]
struct PersistedStart {
    restart_count: Option<u64>,
    last_start_ms: Option<i64>,
}

object! { Persisted { "version": version required, "devices": devices required } }

object! { PersistedStart { "restart_count": restart_count required, "last_start_ms": last_start_ms required } }

impl Records {
    /// Finds and reads the stored value.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn read(stored: &[Stored]) -> Result<Self, String> {
        let Some(found) = stored.iter().find(|value| value.key.as_str() == STORED_KEY) else {
            return Ok(Self::default());
        };
        let persisted: Persisted = json::from_slice(&found.value).map_err(|error| error.to_string())?;
        let version = persisted.version.unwrap_or_default();
        if version != VERSION {
            return Err(alloc::format!("expected version {VERSION}, found {version}"));
        }
        let starts = persisted.devices.unwrap_or_default().into_iter().map(|(device, start)| {
            let last_start = UtcMillis(start.last_start_ms.unwrap_or_default());
            (device, Start { last_start, restart_count: start.restart_count.unwrap_or_default() })
        });
        Ok(Self { starts: starts.collect() })
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        let devices = self.starts.iter().map(|(device, start)| {
            let start = PersistedStart {
                restart_count: Some(start.restart_count),
                last_start_ms: Some(start.last_start.0),
            };
            (device.clone(), start)
        });
        let persisted = Persisted { version: Some(VERSION), devices: Some(devices.collect()) };
        serde_json::to_vec(&persisted).map(Bytes::from).unwrap_or_default()
    }

    /// Counts another run of a device. Over `maximum` records, those of which `is_there` knows nothing are forgotten.
    pub(super) fn count(
        &mut self,
        device: &str,
        now: UtcMillis,
        maximum: usize,
        is_there: impl Fn(&str) -> bool,
    ) -> Start {
        let start = start_after(now, self.starts.get(device).copied());
        self.starts.insert(device.into(), start);
        if self.starts.len() > maximum {
            self.starts.retain(|known, _| known == device || is_there(known));
        }
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_counted_kept_and_bounded() {
        let mut records = Records::default();
        let count = |records: &mut Records, device: &str| {
            records.count(device, UtcMillis(5_500), 2, |known| known == "A-1").restart_count
        };
        assert_eq!((count(&mut records, "A-1"), count(&mut records, "A-1")), (1, 2));
        let stored = |value| [Stored { key: device_link::Key::new(STORED_KEY).unwrap(), value }];
        let mut records = Records::read(&stored(records.to_bytes())).unwrap();
        assert_eq!(count(&mut records, "A-1"), 3);
        assert_eq!((count(&mut records, "A-2"), count(&mut records, "A-3")), (1, 1));
        assert_eq!(count(&mut records, "A-2"), 1, "forgotten, since it was not there");
        let newer = Bytes::from_static(br#"{"version":2,"devices":{}}"#);
        assert!(Records::read(&stored(newer)).is_err_and(|why| why == "expected version 1, found 2"));
    }
}
