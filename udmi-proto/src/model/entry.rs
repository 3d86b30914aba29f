//! The record used both as status and as log entry.

use alloc::string::String;

use super::category::{Category, Level};
use super::common::Timestamp;

document! {
    /// A condition or an occurrence: the status of a block, or one line of the system log.
    pub struct Entry in "entry" {
        /// One line for a person to read.
        message: String [required],
        /// Further text, such as the chain of causes.
        detail: Option<String>,
        /// What kind of condition this is.
        category: Category [required],
        /// When the condition arose.
        timestamp: Timestamp [required],
        /// How grave it is, from 100 (debug) to 800; 400 and above call for attention.
        level: Level [required, multiple_of = 1, minimum = 100, maximum = 800],
    }
}

impl Entry {
    /// Makes an entry without detail, at the level usual for its category.
    pub fn new(category: Category, message: impl Into<String>, timestamp: Timestamp) -> Self {
        let level = category.level();
        Self { message: message.into(), detail: None, category, timestamp, level }
    }

    /// Puts the entry at another level.
    #[must_use]
    pub fn at(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Adds further text.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}
