//! Redirects to another endpoint (§5.3) and what is kept of them (§5.4), as the broker and the application see
//! them.

#![allow(clippy::needless_pass_by_value, reason = "json!(..) reads better without a borrow")]

mod support;

#[path = "redirect/gateway.rs"]
mod gateway;
#[path = "redirect/notes.rs"]
mod notes;
#[path = "redirect/order.rs"]
mod order;
#[path = "redirect/steps.rs"]
mod steps;
#[path = "redirect/stored.rs"]
mod stored;
#[path = "redirect/walk.rs"]
mod walk;

use order::{blob, main_endpoint, with_blob};
use serde_json::{Value as Json, json};
use support::{Rig, settings};
use udmi_proto::{Closed, Notice};

/// The device in the other registry.
const ALTERNATE: &str = "/r/ALT/d/AHU-1";
const G1: &str = "2026-03-01T10:10:00Z";
const G2: &str = "2026-03-01T10:20:00Z";

/// A connected device, some seconds after its first config.
fn device() -> Rig {
    let mut rig = Rig::new(settings());
    rig.connect();
    rig.config(json!({}));
    rig.advance(3000);
    forget(&mut rig);
    rig
}

fn forget(rig: &mut Rig) {
    rig.forget();
    rig.opened.clear();
    rig.connects.clear();
    rig.subscribed.clear();
}

/// Delivers a config with this endpoint blob.
fn order(rig: &mut Rig, blob: Json) {
    rig.config(with_blob(blob));
}

/// An order of the alternate registry, until the device dials it.
fn leave(rig: &mut Rig, generation: &str) {
    order(rig, blob(&order::alternate(), generation));
    rig.advance(5100);
    assert_eq!(hosts(rig), ["alternate"], "it has left for the new endpoint");
}

/// The broker of the alternate registry takes the device and sends it a config.
fn arrive(rig: &mut Rig, config: Json) {
    rig.prefix = ALTERNATE.into();
    rig.connect();
    rig.config(config);
}

/// All attempts fail at once; then the broker of the old registry takes the device again.
fn fail(rig: &mut Rig, config: Json) {
    while hosts(rig).last().is_some_and(|host| host != "localhost") {
        rig.close(Closed::Resolve);
        rig.dialed();
    }
    rig.connect();
    rig.config(config);
}

/// Where the device wanted to connect to.
fn hosts(rig: &Rig) -> Vec<String> {
    rig.opened.iter().map(|(_, endpoint)| endpoint.host.clone()).collect()
}

/// What a state says of the endpoint.
fn shown(state: &Json) -> Json {
    state["blobset"]["blobs"]["_iot_endpoint_config"].clone()
}

/// What the last state since the last look says of the endpoint.
fn last_shown(rig: &mut Rig) -> Json {
    shown(&rig.states().pop().expect("a state"))
}

fn applying(generation: &str) -> Json {
    json!({ "phase": "apply", "generation": generation })
}

fn done(generation: &str) -> Json {
    json!({ "phase": "final", "generation": generation })
}

/// Whether that is the end of a failed order.
fn assert_failed(shown: &Json, generation: &str) {
    assert_eq!((&shown["phase"], &shown["generation"]), (&json!("final"), &json!(generation)), "{shown}");
    let status = &shown["status"];
    assert_eq!(
        (&status["category"], &status["level"]),
        (&json!("blobset.blob.apply"), &json!(500)),
        "{shown}"
    );
}

/// How orders ended since the last look: where the device is, and why it failed.
fn ends(rig: &mut Rig) -> Vec<(String, Option<String>)> {
    let end = |notice| match notice {
        Notice::Redirected { endpoint, failure, .. } => Some((endpoint.host, failure)),
        _ => None,
    };
    rig.notices().into_iter().filter_map(end).collect()
}
