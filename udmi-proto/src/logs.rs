//! The device's log: entries at or above the level in force wait here until they are flushed (§3.3, §3.6).

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use device_link::Now;

use crate::model::category::{Category, Level};
use crate::model::common::Timestamp;
use crate::model::entry::Entry;

#[derive(Debug)]
pub(crate) struct Logs {
    entries: VecDeque<Entry>,
    capacity: usize,
    minimum: Level,
    /// How many entries were dropped since the last flush.
    dropped: u64,
    /// The newest config timestamp that was credible when it came.
    config_millis: i64,
}

impl Logs {
    /// An entry reaches the wire at most two seconds after it was made; this leaves one for the way.
    pub(crate) const FLUSH_AFTER: Duration = Duration::from_secs(1);
    /// Entries that may wait. Beyond, the oldest go and the next flush tells how many.
    pub(crate) const CAPACITY: usize = 500;
    /// The same of a proxied device, of which a gateway may have thousands.
    pub(crate) const PROXY_CAPACITY: usize = 50;
    /// Entries of one message.
    pub(crate) const BATCH: usize = 100;
    /// Bytes on the wire of the entries of one message; some brokers take no more than 256 KiB.
    const BATCH_BYTES: usize = 128 * 1024;
    /// Longest message and detail in bytes; the rest is cut.
    pub(crate) const TEXT: usize = 2048;
    /// How far a config may be ahead of our clock to lend its time to entries, in milliseconds: as far as
    /// the validator lets our clock be wrong (§A).
    const LEAP: i64 = 60_000;

    pub(crate) fn new(capacity: usize) -> Self {
        // §11 item 5: 200 before the first config.
        Self { entries: VecDeque::new(), capacity, minimum: Level::INFO, dropped: 0, config_millis: 0 }
    }

    pub(crate) fn set_minimum(&mut self, minimum: Level) {
        self.minimum = minimum;
    }

    /// A config of that time was seen: no later entry is stamped before it, since the conformance
    /// suite drops entries that are older than the config they answer (§9.3).
    pub(crate) fn saw_config(&mut self, now: Now, config_millis: i64) {
        if is_ahead(config_millis, now) {
            self.config_millis = self.config_millis.max(config_millis);
        }
    }

    pub(crate) fn stamp(&self, now: Now) -> Timestamp {
        let lends = is_ahead(self.config_millis, now);
        Timestamp::from_millis(if lends { self.config_millis } else { now.utc.0 })
    }

    /// Whether an entry of that level goes out.
    pub(crate) fn takes(&self, level: Level) -> bool {
        level >= self.minimum && level.is_legal()
    }

    /// Keeps the entry if its level is high enough, and gives back what was kept.
    pub(crate) fn push(&mut self, mut entry: Entry) -> Option<Entry> {
        if !self.takes(entry.level) || entry.category == Category::Unknown {
            return None;
        }
        clip(&mut entry.message);
        if let Some(detail) = &mut entry.detail {
            clip(detail);
        }
        if self.entries.len() >= self.capacity {
            self.entries.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.entries.push_back(entry.clone());
        Some(entry)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The next entries to send, and how many were dropped before them.
    pub(crate) fn take(&mut self) -> (Vec<Entry>, u64) {
        let mut bytes = 0;
        let fitting = self.entries.iter().take(Self::BATCH).take_while(|entry| {
            bytes += size_on_wire(entry);
            bytes <= Self::BATCH_BYTES
        });
        let count = fitting.count();
        let taken = if count == self.entries.len() {
            core::mem::take(&mut self.entries).into()
        } else {
            self.entries.drain(..count).collect()
        };
        (taken, core::mem::take(&mut self.dropped))
    }
}

fn is_ahead(config_millis: i64, now: Now) -> bool {
    (0..=Logs::LEAP).contains(&config_millis.saturating_sub(now.utc.0))
}

/// Cuts a text that a peer or the application has worded to what an entry may hold.
pub(crate) fn clip(text: &mut String) {
    if text.len() > Logs::TEXT {
        let cut = (0..=Logs::TEXT).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(cut);
    }
}

/// At least the bytes that an entry takes as JSON: a control character may take six. Two full texts take
/// far less than [`Logs::BATCH_BYTES`], so that every batch has an entry.
fn size_on_wire(entry: &Entry) -> usize {
    const FRAME: usize = 256;
    let text = |text: &str| -> usize {
        text.bytes()
            .map(|byte| match byte {
                0..0x20 => 6,
                b'"' | b'\\' => 2,
                0x20..=0xff => 1,
            })
            .sum()
    };
    FRAME + entry.category.as_str().len() + text(&entry.message) + entry.detail.as_deref().map_or(0, text)
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned as _;

    use super::*;

    #[test]
    fn the_size_of_an_entry_is_never_guessed_too_low() {
        for text in ["", "plain", "\u{0}\u{1f}\n\"\\", "ä€\u{7f}"] {
            let entry = Entry::new(Category::device("test"), text, Timestamp::EPOCH).with_detail(text);
            assert!(serde_json::to_vec(&entry).unwrap().len() <= size_on_wire(&entry), "{text:?}");
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let mut text = "a".to_owned() + &"€".repeat(1000);
        clip(&mut text);
        assert_eq!(text.len(), 2047);
    }
}
