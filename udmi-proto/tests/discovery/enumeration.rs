//! What the device tells of itself when asked (§6.2, §6.3, §11 items 7 to 9).

use serde_json::{Value as Json, json};
use udmi_proto::model::common::Stage;
use udmi_proto::{Command, Map, PointModel, ValueKind};

use crate::support::{Rig, settings_with, time, writable};

fn device() -> Rig {
    let speed =
        PointModel { units: Some("Percent".into()), reference: Some("AO/1".into()), ..writable(0.0, 100.0) };
    let mode = PointModel { kind: Some(ValueKind::Enumeration(vec!["on".into()])), ..PointModel::default() };
    let mut settings = settings_with(&[("fan_speed", speed), ("mode", mode)]);
    settings.families = Map::from([("ipv4".into(), "10.0.0.7".into()), ("vendor".into(), "4711".into())]);
    settings.features = Map::from([("pointset".into(), Stage::Stable), ("system.mode".into(), Stage::Beta)]);
    let mut rig = Rig::new(settings);
    rig.connect();
    rig
}

fn enumerate(rig: &mut Rig, generation: Option<&str>, enumerations: Json) {
    let mut discovery = json!({ "enumerations": enumerations });
    if let Some(generation) = generation {
        discovery["generation"] = generation.into();
    }
    rig.config(json!({ "discovery": discovery }));
}

fn event(rig: &mut Rig) -> Json {
    let mut events = rig.sent_on("events/discovery");
    assert_eq!(events.len(), 1, "{events:?}");
    let mut event = events.remove(0).payload;
    for member in ["timestamp", "version"] {
        assert!(event.as_object_mut().unwrap().remove(member).is_some(), "{member}");
    }
    event
}

const NINE: &str = "2026-03-01T09:00:00Z";

#[test]
fn a_generation_is_answered_with_one_event_of_all_that_is_asked_for() {
    let mut rig = device();
    enumerate(
        &mut rig,
        Some(NINE),
        json!({ "points": "entries", "features": "details", "families": "refs" }),
    );
    let expected = json!({
        "generation": NINE,
        "family": "iot",
        "points": {
            "fan_speed": { "units": "Percent", "type": "number", "writable": true, "ref": "AO/1" },
            "mode": { "type": "string" }
        },
        "features": { "pointset": { "stage": "stable" }, "system.mode": { "stage": "beta" } },
        "families": { "ipv4": { "addr": "10.0.0.7" }, "vendor": { "addr": "4711" } }
    });
    assert_eq!(event(&mut rig), expected);
    assert_eq!(rig.state()["discovery"], json!({ "generation": NINE }));
}

#[test]
fn the_event_goes_before_the_state_that_shows_its_generation() {
    let mut rig = device();
    rig.config(json!({}));
    rig.advance(3000);
    rig.forget();
    enumerate(&mut rig, Some(NINE), json!({}));
    let topics: Vec<_> = rig.sent().into_iter().map(|sent| sent.topic).collect();
    assert_eq!(topics, ["events/discovery", "state"]);
}

#[test]
fn what_is_not_asked_for_is_absent_and_what_there_is_none_of_is_empty() {
    let mut rig = device();
    enumerate(&mut rig, Some(NINE), json!({ "points": "buckets", "features": "abyss" }));
    assert_eq!(event(&mut rig), json!({ "generation": NINE, "family": "iot" }));
    let mut rig = Rig::connected(&[]);
    enumerate(
        &mut rig,
        Some(NINE),
        json!({ "points": "entries", "features": "entries", "families": "entries" }),
    );
    let nothing =
        json!({ "generation": NINE, "family": "iot", "points": {}, "features": {}, "families": {} });
    assert_eq!(event(&mut rig), nothing);
}

#[test]
fn only_a_later_generation_is_answered_again() {
    let mut rig = device();
    enumerate(&mut rig, None, json!({ "points": "entries" }));
    assert_eq!(rig.state()["discovery"], json!({}));
    enumerate(&mut rig, Some(NINE), json!({}));
    for same_or_earlier in [NINE, "2026-03-01T08:59:59Z"] {
        enumerate(&mut rig, Some(same_or_earlier), json!({ "points": "entries" }));
    }
    assert_eq!(rig.sent_on("events/discovery").len(), 1);
    assert_eq!(rig.state()["discovery"]["generation"], NINE);
    enumerate(&mut rig, Some("2026-03-01T09:00:01Z"), json!({}));
    assert_eq!(event(&mut rig)["generation"], "2026-03-01T09:00:01Z");
}

#[test]
fn a_cleared_generation_is_cleared_in_the_state_and_may_come_again() {
    let mut rig = device();
    enumerate(&mut rig, Some(NINE), json!({}));
    enumerate(&mut rig, None, json!({}));
    assert_eq!(rig.state()["discovery"], json!({}));
    assert_eq!(event(&mut rig)["generation"], NINE);
    enumerate(&mut rig, Some(NINE), json!({}));
    assert_eq!(event(&mut rig)["generation"], NINE);
    rig.config(json!({}));
    assert_eq!(rig.state().get("discovery"), None);
}

#[test]
fn points_and_addresses_are_those_of_the_moment_whatever_the_config_wants_of_them() {
    let mut rig = device();
    rig.command(Command::RemovePoint { point: "mode".into() });
    rig.command(Command::DefinePoint { point: "valve".into(), model: PointModel::default() });
    rig.command(Command::SetFamilyAddress { family: "ipv4".into(), address: None });
    rig.config(json!({
        "pointset": { "points": { "unheard_of": {} } },
        "discovery": { "generation": NINE, "enumerations": { "points": "entries", "families": "entries" } }
    }));
    let event = event(&mut rig);
    let points: Vec<_> = event["points"].as_object().unwrap().keys().collect();
    assert_eq!(points, ["fan_speed", "valve"]);
    assert_eq!(event["families"], json!({ "vendor": { "addr": "4711" } }));
}

#[test]
fn a_generation_that_is_no_date_is_a_finding_and_leaves_the_last_one_in_force() {
    let mut rig = device();
    enumerate(&mut rig, Some(NINE), json!({}));
    enumerate(&mut rig, Some("soon"), json!({}));
    let state = rig.state();
    assert_eq!(state["discovery"]["generation"], NINE);
    assert_eq!(state["system"]["status"]["level"], 500);
    let message = state["system"]["status"]["message"].as_str().unwrap();
    assert_eq!(message, "discovery.generation: expected a date and time by RFC 3339");
    assert_eq!(rig.sent_on("events/discovery").len(), 1);
}

#[test]
fn an_enumeration_made_without_a_link_is_told_later() {
    let mut rig = device();
    rig.acknowledge = false;
    enumerate(&mut rig, Some(&time(0)), json!({}));
    rig.disconnect();
    rig.forget();
    rig.acknowledge = true;
    rig.connect();
    assert_eq!(event(&mut rig)["generation"], time(0));
}
