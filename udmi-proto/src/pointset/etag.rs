//! The mark of the pointset's state, which a config may build upon (§11 item 12).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use device_link::Instant;
use sha2::{Digest, Sha256};

use super::model::Model;
use super::point::Point;
use crate::json::write::{put, put_text};
use crate::latch::StateLatch;

/// Longest etag the schema allows, in characters.
pub(super) const ETAG_CHARACTERS: usize = 32;

/// The marks of what was reported, while the config asks for one.
#[derive(Debug, Default)]
pub(super) struct Etags {
    current: Option<(String, Instant)>,
    /// The one reported before.
    previous: Option<String>,
}

impl Etags {
    /// What the state shows.
    pub(super) fn current(&self) -> Option<&str> {
        self.current.as_ref().map(|(etag, _)| etag.as_str())
    }

    pub(super) fn matches(&self, etag: &str) -> bool {
        self.current() == Some(etag) || self.previous.as_deref() == Some(etag)
    }

    /// The state has changed. A mark that no state has carried is forgotten, not kept as the previous.
    pub(super) fn set(&mut self, etag: String, now: Instant, latch: &StateLatch) {
        if self.current() == Some(&etag) {
            return;
        }
        if let Some((current, since)) = self.current.take()
            && latch.last_sent().is_some_and(|sent| sent >= since)
        {
            self.previous = Some(current);
        }
        self.current = Some((etag, now));
    }
}

/// The first 32 hexadecimal digits of a SHA-256 over units, value states and set values.
pub(super) fn compute<'a>(points: impl Iterator<Item = (&'a str, &'a Point)>) -> String {
    let mut hash = Sha256::new();
    let mut line = Vec::new();
    for (name, point) in points.filter(|(_, point)| point.is_in_force()) {
        line.clear();
        let units = point.model().and_then(Model::units);
        let state = point.writing().value_state().map_or("", |state| state.as_str());
        // As JSON, so that the parts are kept apart, whatever they hold.
        for text in [Some(name), units, Some(state)] {
            match text {
                Some(text) => put_text(&mut line, text),
                None => line.extend(b"null"),
            }
            line.push(b' ');
        }
        if let Some(value) = point.writing().value() {
            // A value cannot fail.
            let _ = put(&mut line, value);
        }
        line.push(b'\n');
        hash.update(&line);
    }
    hash.finalize().iter().take(ETAG_CHARACTERS / 2).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
