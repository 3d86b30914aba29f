//! What is written down of outcomes: lines in the form of the suite, JUnit XML, JSON, and a transcript of each
//! sequence. All of these are functions of the outcomes alone.

mod folder;
mod json;
mod junit;
mod lines;
mod summary;
mod transcript;

use udmi_proto::UtcMillis;
use udmi_proto::model::common::Timestamp;

pub use folder::Folder;
pub use json::json;
pub use junit::junit;
pub use lines::{Kind, Line, lines};
pub use summary::{Bucket, Count, Summary};
pub use transcript::transcript;

/// A moment as a timestamp of whole seconds.
fn timestamp(moment: UtcMillis) -> String {
    Timestamp::from_millis_whole_seconds(moment.0).as_str().to_owned()
}

/// A text without line ends, and without what would steer a terminal.
fn one_line(text: &str) -> String {
    let shown = |each: char| {
        let escape = each.is_control().then(|| each.escape_default());
        escape.map_or_else(|| each.to_string(), |escape| escape.to_string())
    };
    text.chars().map(shown).collect()
}

/// Milliseconds as seconds, to the millisecond.
fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}
