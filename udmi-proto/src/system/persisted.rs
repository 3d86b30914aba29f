//! What the system block keeps across restarts: the restart count and the last start.

use alloc::string::{String, ToString as _};

use bytes::Bytes;
use device_link::{Stored, UtcMillis};
use serde::Serialize;

use crate::json;
use crate::model::place::object;

/// The name of the stored value.
pub(crate) const STORED_KEY: &str = "system";
/// The format this version writes.
const VERSION: u32 = 1;

/// The stored form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Persisted {
    version: Option<u32>,
    restart_count: Option<u64>,
    last_start_ms: Option<i64>,
}

object! {
    Persisted {
        "version": version required,
        "restart_count": restart_count required,
        "last_start_ms": last_start_ms required,
    }
}

/// When this run began and which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// Whole seconds, later than the run's before (§3.7).
    pub(crate) last_start: UtcMillis,
    /// 1 for the first run ever (§11 item 45).
    pub(crate) restart_count: u64,
}

impl Start {
    pub(crate) fn to_bytes(self) -> Bytes {
        let persisted = Persisted {
            version: Some(VERSION),
            restart_count: Some(self.restart_count),
            last_start_ms: Some(self.last_start.0),
        };
        serde_json::to_vec(&persisted).map(Bytes::from).unwrap_or_default()
    }
}

/// Counts this run. A wall clock that is behind the last start, as that of a device without a clock of its
/// own is, is led past it: two runs must differ, and the later one must be later.
pub(crate) fn start_of(now: UtcMillis, stored: Option<Persisted>) -> Start {
    let before = stored.map(|before| Start {
        last_start: UtcMillis(before.last_start_ms.unwrap_or_default()),
        restart_count: before.restart_count.unwrap_or_default(),
    });
    start_after(now, before)
}

/// The same after the run that is known.
pub(crate) fn start_after(now: UtcMillis, before: Option<Start>) -> Start {
    let now = now.whole_second();
    match before {
        None => Start { last_start: now, restart_count: 1 },
        Some(before) => Start {
            last_start: now.max(UtcMillis(before.last_start.0.saturating_add(1000)).whole_second()),
            restart_count: before.restart_count.saturating_add(1),
        },
    }
}

/// Finds and reads the stored value.
///
/// # Errors
/// Why it cannot be read.
pub(crate) fn read(stored: &[Stored]) -> Result<Option<Persisted>, String> {
    let Some(found) = stored.iter().find(|value| value.key.as_str() == STORED_KEY) else { return Ok(None) };
    let persisted: Persisted = json::from_slice(&found.value).map_err(|error| error.to_string())?;
    match persisted.version.unwrap_or_default() {
        VERSION => Ok(Some(persisted)),
        version => Err(alloc::format!("expected version {VERSION}, found {version}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(restart_count: u64, last_start_ms: i64) -> Option<Persisted> {
        let (restart_count, last_start_ms) = (Some(restart_count), Some(last_start_ms));
        Some(Persisted { version: Some(VERSION), restart_count, last_start_ms })
    }

    #[test]
    fn the_first_run_counts_one_and_starts_at_a_whole_second() {
        let start = start_of(UtcMillis(1_500), None);
        assert_eq!(start, Start { last_start: UtcMillis(1_000), restart_count: 1 });
    }

    #[test]
    fn a_run_in_the_same_second_or_with_a_clock_behind_starts_a_second_later_than_the_one_before() {
        assert_eq!(start_of(UtcMillis(5_999), before(3, 5_000)).last_start, UtcMillis(6_000));
        assert_eq!(start_of(UtcMillis(0), before(3, 5_000)).last_start, UtcMillis(6_000));
        assert_eq!(
            start_of(UtcMillis(9_100), before(3, 5_000)),
            Start { last_start: UtcMillis(9_000), restart_count: 4 }
        );
    }

    #[test]
    fn what_was_written_is_read_again_and_another_version_is_not() {
        let start = Start { last_start: UtcMillis(7_000), restart_count: 9 };
        let key = device_link::Key::new(STORED_KEY).unwrap();
        let stored = [Stored { key: key.clone(), value: start.to_bytes() }];
        assert_eq!(read(&stored), Ok(before(9, 7_000)));
        let newer = br#"{"version":2,"restart_count":1,"last_start_ms":0}"#;
        let stored = [Stored { key, value: Bytes::from_static(newer) }];
        assert_eq!(read(&stored), Err("expected version 1, found 2".to_string()));
    }
}
