//! Blobs (§5.5): what the config says of one, what comes of fetching it, and what the application makes of it.

use serde_json::json;
use udmi_proto::Limits;

use crate::bench::{Bench, hash};
use crate::choices::Choices;
use crate::{ops, settings};

/// URLs: of a server, of data, and of nothing.
const URLS: [&str; 5] =
    ["https://blobs.example/m?sig=1", "data:,module", "data:;base64,bW9kdWxl", "data:;base64,*", ""];

/// The first octets choose a device and what is ordered; then things happen, as in `ops`.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let mut settings = settings::chosen(&mut choices);
    settings.options.blob_limit = 1000;
    let mut bench = Bench::connected(settings, Limits { fetches: 1, ..Limits::default() }, true);
    while !choices.is_empty() {
        let config = config(&mut choices, &mut bench);
        bench.config(config.as_bytes());
        for _ in 0..choices.below(16) {
            ops::carry_out(&mut bench, &mut choices);
        }
    }
    bench.recover();
    bench.finish_recording();
}

/// A config with a blob or with several, some of which are as they should be.
fn config(choices: &mut Choices<'_>, bench: &mut Bench) -> String {
    let timestamp = bench.timestamp();
    let mut blobs = serde_json::Map::new();
    for _ in 0..=choices.below(2) {
        let (kind, form) = (choices.octet(), choices.octet());
        let content = if form & 1 == 0 { b"module".to_vec() } else { choices.octets().to_vec() };
        let sha256 = match form >> 1 & 3 {
            0 | 1 => hash(&content),
            2 => hash(b"another"),
            _ => choices.text(),
        };
        bench.served = (form & 8 == 0).then_some(content);
        let phase = ["final", "final", "apply", "other"][usize::from(kind & 3)];
        let generation = match kind >> 2 & 3 {
            0 => timestamp.clone(),
            1 => "2026-03-01T09:00:00Z".to_owned(),
            2 => "2026-03-01T09:00:01Z".to_owned(),
            _ => choices.text(),
        };
        let url = match kind >> 4 & 7 {
            known @ 0..5 => URLS[usize::from(known)].to_owned(),
            5 => "https://blobs.example/other".to_owned(),
            _ => choices.text(),
        };
        let name = if kind >> 7 == 0 { "system" } else { "unknown" };
        let blob = json!({ "phase": phase, "url": url, "sha256": sha256, "generation": generation });
        blobs.insert(name.into(), blob);
    }
    json!({ "timestamp": timestamp, "system": { "operation": {} }, "blobset": { "blobs": blobs } })
        .to_string()
}
