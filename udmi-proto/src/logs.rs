//! The device's log: entries at or above the level in force wait here until they are flushed (§3.3, §3.6).

use alloc::collections::VecDeque;
use core::time::Duration;

use device_link::{Cx, Now};

use crate::model::category::{Category, Level};
use crate::model::common::Timestamp;
use crate::model::entry::Entry;
use crate::port::Notice;
use crate::udmi::Udmi;

#[derive(Debug)]
pub(crate) struct Logs {
    entries: VecDeque<Entry>,
    minimum: Level,
    /// How many entries were dropped since the last flush.
    dropped: u64,
    /// The newest config timestamp, if it is ahead of our clock by no more than [`Logs::LEAP`].
    config_millis: i64,
}

impl Logs {
    /// An entry reaches the wire at most two seconds after it was made; this leaves one for the way.
    pub(crate) const FLUSH_AFTER: Duration = Duration::from_secs(1);
    /// Entries that may wait. Beyond, the oldest go and the next flush tells how many.
    pub(crate) const CAPACITY: usize = 500;
    /// Entries of one message, so that it stays far below the packet limit.
    pub(crate) const BATCH: usize = 100;
    /// Longest message and detail in bytes; the rest is cut.
    pub(crate) const TEXT: usize = 2048;
    /// How far a config may be ahead of our clock to lend its time to entries, in milliseconds.
    const LEAP: i64 = 5000;

    pub(crate) fn new() -> Self {
        // §11 item 5: 200 before the first config.
        Self { entries: VecDeque::new(), minimum: Level::INFO, dropped: 0, config_millis: 0 }
    }

    pub(crate) fn set_minimum(&mut self, minimum: Level) {
        self.minimum = minimum;
    }

    /// A config of that time was seen: no later entry is stamped before it, since the conformance
    /// suite drops entries that are older than the config they answer (§9.3).
    pub(crate) fn saw_config(&mut self, config_millis: i64) {
        self.config_millis = config_millis;
    }

    pub(crate) fn stamp(&self, now: Now) -> Timestamp {
        let ahead = self.config_millis.saturating_sub(now.utc.0);
        let millis = if (0..=Self::LEAP).contains(&ahead) { self.config_millis } else { now.utc.0 };
        Timestamp::from_millis(millis)
    }

    /// Keeps the entry if its level is high enough; tells whether it was.
    pub(crate) fn push(&mut self, cx: &mut Cx<'_, Udmi>, mut entry: Entry) -> bool {
        if entry.level < self.minimum || !entry.level.is_legal() || entry.category == Category::Unknown {
            return false;
        }
        truncate(&mut entry.message);
        if let Some(detail) = &mut entry.detail {
            truncate(detail);
        }
        cx.notify(Notice::Logged(entry.clone()));
        if self.entries.len() >= Self::CAPACITY {
            self.entries.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.entries.push_back(entry);
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The next entries to send, and how many were dropped before them.
    pub(crate) fn take(&mut self) -> (alloc::vec::Vec<Entry>, u64) {
        let count = self.entries.len().min(Self::BATCH);
        (self.entries.drain(..count).collect(), core::mem::take(&mut self.dropped))
    }
}

fn truncate(text: &mut alloc::string::String) {
    if text.len() > Logs::TEXT {
        let cut = (0..=Logs::TEXT).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(cut);
    }
}
