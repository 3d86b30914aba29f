//! The system block and the device as a whole, as the broker and the application see them.

#![allow(clippy::needless_pass_by_value, reason = "json!(..) reads better without a borrow")]

mod support;

#[path = "device/commands.rs"]
mod commands;
#[path = "device/config.rs"]
mod config;
#[path = "device/life.rs"]
mod life;
#[path = "device/logs.rs"]
mod logs;
#[path = "device/metrics.rs"]
mod metrics;
#[path = "device/state.rs"]
mod state;

use serde_json::{Value as Json, json};
use support::Rig;

/// A connected device under a config with this system block.
fn configured(system: Json) -> Rig {
    let mut rig = Rig::connected(&[]);
    rig.config(json!({ "system": system }));
    rig.advance(3000);
    rig.forget();
    rig
}

/// Log entries on the wire since the last look, as category and level, after the flush time.
fn entries(rig: &mut Rig) -> Vec<(String, u64)> {
    raw_entries(rig)
        .iter()
        .map(|entry| {
            let category = entry["category"].as_str().expect("a category").to_owned();
            (category, entry["level"].as_u64().expect("a level"))
        })
        .collect()
}

/// The same, complete.
fn raw_entries(rig: &mut Rig) -> Vec<Json> {
    rig.advance(2000);
    rig.sent_on("events/system")
        .iter()
        .flat_map(|sent| sent.payload["logentries"].as_array().cloned().unwrap_or_default())
        .collect()
}

/// Owned pairs from literals, for comparisons.
fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(category, level)| ((*category).to_owned(), *level)).collect()
}
