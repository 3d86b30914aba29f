//! The discovery and localnet blocks as the broker and the application see them (§6).

#![allow(clippy::needless_pass_by_value, reason = "json!(..) reads better without a borrow")]

mod support;

#[path = "discovery/cancelling.rs"]
mod cancelling;
#[path = "discovery/clocks.rs"]
mod clocks;
#[path = "discovery/enumeration.rs"]
mod enumeration;
#[path = "discovery/localnet.rs"]
mod localnet;
#[path = "discovery/passive.rs"]
mod passive;
#[path = "discovery/periodic.rs"]
mod periodic;
#[path = "discovery/results.rs"]
mod results;
#[path = "discovery/single.rs"]
mod single;
#[path = "discovery/walk.rs"]
mod walk;

use serde_json::{Value as Json, json};
use support::{Rig, Sent, settings};
use udmi_proto::{Command, Found, Hook, HookId, ScanRequest};

/// A connected device, started at ten o'clock, that can scan `bacnet` and `vendor`; half a second later.
fn scanner() -> Rig {
    let mut settings = settings();
    settings.scans = vec!["bacnet".into(), "vendor".into()];
    let mut rig = Rig::new(settings);
    rig.connect();
    rig.config(json!({}));
    rig.advance(500);
    rig.forget();
    rig
}

/// Delivers a config with this order for the family `bacnet`.
fn order(rig: &mut Rig, order: Json) {
    rig.config(json!({ "discovery": { "families": { "bacnet": order } } }));
}

/// The only hook invoked since the last look, a scan.
fn scan(rig: &mut Rig) -> (HookId, ScanRequest) {
    let mut hooks = rig.hooks();
    assert_eq!(hooks.len(), 1, "{hooks:?}");
    match hooks.remove(0) {
        (id, Hook::Scan { request }) => (id, request),
        other => panic!("expected a scan, found {other:?}"),
    }
}

/// The application has found a device.
fn found(rig: &mut Rig, scan: HookId, found: Found) {
    rig.command(Command::Found { scan, found: Box::new(found) });
}

/// A device with an address and nothing else.
fn at(address: &str) -> Found {
    Found { address: address.into(), ..Found::default() }
}

/// Discovery events since the last look.
fn events(rig: &mut Rig) -> Vec<Sent> {
    rig.sent_on("events/discovery")
}

/// Their numbers and addresses.
fn numbers(events: &[Sent]) -> Vec<(i64, Option<&str>)> {
    let number = |sent: &Sent| sent.payload["event_no"].as_i64().expect("a number");
    events.iter().map(|sent| (number(sent), sent.payload["addr"].as_str())).collect()
}

/// The family `bacnet` of the last state.
fn family(rig: &mut Rig) -> Json {
    rig.state()["discovery"]["families"]["bacnet"].clone()
}

/// The phases of `bacnet` in the states since the last look, with how many were found, repetitions left out.
fn phases(rig: &mut Rig) -> Vec<(String, Option<u64>)> {
    let mut phases: Vec<_> = rig
        .states()
        .iter()
        .map(|state| {
            let family = &state["discovery"]["families"]["bacnet"];
            (family["phase"].as_str().unwrap_or("absent").to_owned(), family["active_count"].as_u64())
        })
        .collect();
    phases.dedup();
    phases
}
