//! What the handling of one input has caused, gathered and then told once.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::model::category::Category;
use crate::model::entry::Entry;
use crate::scope::Scope;

/// Entries about points that one input may log; what is beyond is counted. A config may bring thousands of
/// unknown points, and they must not push everything else out of the log.
pub(super) const LOGGED_AT_ONCE: usize = 20;

/// Bytes of a cause that somebody else worded, as it goes into a status.
const CAUSE_BYTES: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Something that the state shows.
    pub(super) state: bool,
    /// A set value is in force now.
    pub(super) applied: bool,
    /// A value so much that it is to be told at once.
    pub(super) moved: bool,
    entries: Vec<Entry>,
    /// How many there were beyond the bound, and the gravest of them.
    more: usize,
    gravest: Option<Entry>,
}

impl Changes {
    /// Keeps an entry for the log.
    pub(super) fn log(&mut self, entry: Entry) {
        if self.entries.len() < LOGGED_AT_ONCE {
            self.entries.push(entry);
            return;
        }
        self.more += 1;
        if self.gravest.as_ref().is_none_or(|gravest| gravest.level < entry.level) {
            self.gravest = Some(entry);
        }
    }

    /// Logs what was kept and touches the state.
    pub(super) fn tell(&mut self, sc: &mut Scope<'_, '_>) {
        for entry in self.entries.drain(..) {
            sc.log_entry(entry);
        }
        if let Some(gravest) = self.gravest.take() {
            let message = format!("{} (and {} others)", gravest.message, self.more - 1);
            sc.log(gravest.category, gravest.level, message);
            self.more = 0;
        }
        if self.state {
            sc.touch();
            self.state = false;
        }
    }
}

/// An entry about a point, at the level of its category (§3.5: the text starts with `Point <name>`).
pub(super) fn entry(sc: &Scope<'_, '_>, category: Category, name: &str, cause: &str) -> Entry {
    let cut = (0..=cause.len().min(CAUSE_BYTES)).rev().find(|&at| cause.is_char_boundary(at)).unwrap_or(0);
    sc.entry(category, message(name, cause.get(..cut).unwrap_or("")))
}

/// The text of [`entry`].
fn message(name: &str, cause: &str) -> String {
    format!("Point {name}: {cause}")
}

/// Whether an entry says the same, so that its timestamp is to be kept.
pub(super) fn says(entry: &Entry, category: &Category, cause: &str) -> bool {
    let said = entry.message.strip_prefix("Point ").and_then(|rest| rest.split_once(": "));
    entry.category == *category && said.is_some_and(|(_, said)| said == cause)
}
