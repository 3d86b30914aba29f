//! Whether devices acknowledge their configs, which only the broker knows: read from mosquitto's log (§1.12).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes of a log that are read.
const LOG_BYTES_MAX: u64 = 256 << 20;

/// The log of a mosquitto that writes all types of lines.
#[derive(Debug)]
pub(super) struct Acknowledgements {
    log: PathBuf,
    /// Bytes that were there before we came.
    from: u64,
}

impl Acknowledgements {
    /// Looks at what comes after the present end of the log.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn follow(log: &Path) -> std::io::Result<Self> {
        Ok(Self { log: log.to_owned(), from: std::fs::metadata(log)?.len() })
    }

    /// Whether the client of that id has acknowledged all configs that were sent to it, one at least.
    pub(super) fn of(&self, client: &str) -> Option<bool> {
        use std::io::{Read as _, Seek as _, SeekFrom};
        let mut file = std::fs::File::open(&self.log).ok()?;
        file.seek(SeekFrom::Start(self.from)).ok()?;
        let mut bytes = Vec::new();
        file.take(LOG_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(all_acknowledged(&String::from_utf8_lossy(&bytes), client))
    }
}

/// As `Sending PUBLISH to CLIENT (d0, q1, r0, m3, 'TOPIC', … (9 bytes))` and `Received PUBACK from CLIENT (Mid: 3, RC:0)`.
/// What a client that has come back was sent before counts no more.
fn all_acknowledged(log: &str, client: &str) -> bool {
    let mut open: BTreeMap<&str, ()> = BTreeMap::new();
    let mut acknowledged = false;
    for line in log.lines() {
        let after = |text: &str| line.split_once(text).map(|(_, rest)| rest);
        let of_client =
            |text: &str| after(text)?.strip_prefix(client)?.strip_prefix(" (").map(|rest| rest.trim());
        if let Some(rest) = of_client("Sending PUBLISH to ") {
            let mut parts = rest.split(", ");
            let (quality, id) = (parts.nth(1), parts.nth(1).and_then(|part| part.strip_prefix('m')));
            let is_config =
                parts.next().is_some_and(|topic| topic.trim_end_matches('\'').ends_with("/config"));
            if let (true, Some("q1"), Some(id)) = (is_config, quality, id) {
                open.insert(id, ());
            }
        } else if let Some(rest) = of_client("Received PUBACK from ") {
            let id = rest.strip_prefix("Mid: ").and_then(|rest| rest.split([',', ')']).next());
            acknowledged |= id.is_some_and(|id| open.remove(id).is_some());
        } else if of_client("Sending CONNACK to ").is_some() {
            open.clear();
        }
    }
    acknowledged && open.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str =
        "1: Sending PUBLISH to /r/REG/d/AHU-1 (d0, q1, r0, m3, '/r/REG/d/AHU-1/config', ... (9 bytes))";

    #[test]
    fn configs_are_matched_with_their_acknowledgements() {
        let of = |lines: &[&str]| all_acknowledged(&lines.join("\n"), "/r/REG/d/AHU-1");
        assert!(!of(&[]));
        assert!(!of(&[SENT]));
        let answered = "1: Received PUBACK from /r/REG/d/AHU-1 (Mid: 3, RC:0)";
        assert!(of(&[SENT, answered]));
        assert!(!of(&[SENT, &answered.replace("AHU-1", "AHU-2")]));
        assert!(!of(&[SENT, &answered.replace("Mid: 3", "Mid: 4")]));
        assert!(!of(&[SENT, answered, &SENT.replace("m3", "m4")]));
        assert!(!of(&[&SENT.replace("q1", "q0").replace("m3", "m0"), answered]));
    }
}
