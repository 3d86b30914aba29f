//! Software blobs from the config that names one to the device that runs it (§5.5, §9.6).

#![allow(clippy::needless_pass_by_value, reason = "json!(..) reads better without a borrow")]

mod support;

#[path = "blobset/activation.rs"]
mod activation;
#[path = "blobset/failures.rs"]
mod failures;
#[path = "blobset/orders.rs"]
mod orders;
#[path = "blobset/power.rs"]
mod power;
#[path = "blobset/sequences.rs"]
mod sequences;
#[path = "blobset/walk.rs"]
mod walk;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use support::{Rig, settings};
use udmi_proto::{
    Action, BlobOutcome, Event, FetchEvent, FetchId, Hook, HookId, Key, Outcome, Request, Settings,
};

/// The generation of most tests.
const FIRST: &str = "2026-03-01T10:00:00Z";
const SECOND: &str = "2026-03-01T11:00:00Z";
/// The content of most tests.
const CONTENT: &[u8] = b"{\"version\":\"v2\"}";

/// A device that takes two blobs and runs the first version of one.
fn taking() -> Settings {
    let mut settings = settings();
    settings.options.blobs = vec!["system".into(), "modem".into()];
    settings.identity.software = [("system".to_owned(), "v1".to_owned())].into();
    settings
}

fn connected() -> Rig {
    stored(BTreeMap::new())
}

/// A connected device with what an earlier run has stored.
fn stored(store: BTreeMap<Key, Bytes>) -> Rig {
    let mut rig = Rig::with_store(taking(), store);
    rig.connect();
    rig
}

fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A blob of a config with this content.
fn blob(generation: &str) -> Json {
    json!({
        "phase": "final", "url": "http://site/blob", "sha256": sha256(CONTENT), "generation": generation,
    })
}

/// A config with these blobs, everything logged.
fn configure(rig: &mut Rig, blobs: Json) {
    rig.config(json!({
        "system": { "min_loglevel": 100, "operation": { "mode": "active" } },
        "blobset": { "blobs": blobs },
    }));
}

/// A device whose first blob is being fetched.
fn fetching() -> (Rig, FetchId) {
    let mut rig = connected();
    configure(&mut rig, json!({ "system": blob(FIRST) }));
    rig.advance(600);
    let (id, _) = fetch(&mut rig);
    (rig, id)
}

/// A device that was asked to install its first blob.
fn processing() -> (Rig, HookId, FetchId) {
    let (mut rig, id) = fetching();
    arrive(&mut rig, id);
    let hook = asked(&mut rig);
    (rig, hook, id)
}

/// A device that was asked to activate its first blob.
fn activating() -> (Rig, HookId) {
    let (mut rig, hook, _) = processing();
    rig.answer(hook, processed("v2"));
    rig.advance(5000);
    let hook = asked(&mut rig);
    (rig, hook)
}

/// The only fetch asked for since the last look.
fn fetch(rig: &mut Rig) -> (FetchId, Request) {
    let mut found = fetches(rig);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// All fetches asked for since the last look.
fn fetches(rig: &mut Rig) -> Vec<(FetchId, Request)> {
    let (found, rest) = rig.effects.drain(..).partition(|action| matches!(action, Action::Fetch { .. }));
    rig.effects = rest;
    let found: Vec<Action> = found;
    found
        .into_iter()
        .filter_map(|action| match action {
            Action::Fetch { id, request } => Some((id, request)),
            _ => None,
        })
        .collect()
}

/// Fetches let go since the last look.
fn released(rig: &mut Rig) -> Vec<FetchId> {
    let ids = rig.effects.drain(..).filter_map(|action| match action {
        Action::Release { id } => Some(id),
        _ => None,
    });
    ids.collect()
}

/// A fetch delivers its content in two pieces.
fn arrive(rig: &mut Rig, id: FetchId) {
    let (head, tail) = CONTENT.split_at(5);
    tell(rig, id, FetchEvent::Chunk(Bytes::from_static(head)));
    tell(rig, id, FetchEvent::Chunk(Bytes::from_static(tail)));
    tell(rig, id, FetchEvent::Done);
}

fn tell(rig: &mut Rig, id: FetchId, event: FetchEvent) {
    rig.handle(Event::Fetched { id, event });
}

/// The only hook of a blob since the last look.
fn asked(rig: &mut Rig) -> HookId {
    let hooks = rig.hooks();
    let [(id, Hook::ProcessBlob { .. } | Hook::ActivateBlob { .. })] = hooks[..] else { panic!("{hooks:?}") };
    id
}

/// The application is asked whether its first blob is activated, before anything else.
fn checked(rig: &mut Rig) -> HookId {
    let hooks = rig.hooks();
    let [(id, Hook::CheckActivation { name, generation, version })] = &hooks[..] else { panic!("{hooks:?}") };
    assert_eq!((name.as_str(), generation.as_str(), version.as_deref()), ("system", FIRST, Some("v2")));
    *id
}

fn processed(version: &str) -> Outcome {
    Outcome::Blob(BlobOutcome::Processed { version: Some(version.into()) })
}

/// Levels of the log entries on blobs since the last look, by the last part of their category, after the flush time.
fn steps(rig: &mut Rig) -> Vec<(String, u64)> {
    rig.advance(2000);
    let sent = rig.sent_on("events/system");
    let entries = sent.iter().filter_map(|sent| sent.payload["logentries"].as_array()).flatten();
    entries
        .filter_map(|entry| {
            let step = entry["category"].as_str()?.strip_prefix("blobset.blob.")?.to_owned();
            Some((step, entry["level"].as_u64()?))
        })
        .collect()
}

/// Owned pairs from literals, for comparisons.
fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(step, level)| ((*step).to_owned(), *level)).collect()
}

/// The blob in the last state.
fn shown(rig: &mut Rig) -> Json {
    rig.state()["blobset"]["blobs"]["system"].clone()
}

/// The software version in the last state.
fn version(rig: &mut Rig) -> Json {
    rig.state()["system"]["software"]["system"].clone()
}

/// The state, asked for by a config that changes nothing.
fn look(rig: &mut Rig, blobs: Json) -> Json {
    configure(rig, blobs);
    rig.state()
}
