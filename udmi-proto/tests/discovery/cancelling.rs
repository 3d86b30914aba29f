//! Scans that are called off: no further event, not even one that is written already and has not left (§6.4).

use serde_json::{Value as Json, json};
use udmi_proto::Command;

use crate::support::{Rig, time};
use crate::{at, events, family, found, numbers, order, scan, scanner};

/// A device in the middle of a scan that has found one device.
fn scanning() -> (Rig, udmi_proto::HookId) {
    let mut rig = scanner();
    rig.advance(5000);
    order(&mut rig, json!({ "generation": time(5000) }));
    let (id, _) = scan(&mut rig);
    found(&mut rig, id, at("7"));
    assert_eq!(numbers(&events(&mut rig)), [(0, None), (1, Some("7"))]);
    (rig, id)
}

#[test]
fn a_family_or_a_block_that_is_removed_ends_the_scan_silently() {
    let idle = json!({ "discovery": { "families": { "bacnet": { "scan_interval_sec": 0 } } } });
    for config in [json!({}), json!({ "discovery": {} }), json!({ "discovery": { "families": {} } }), idle] {
        let (mut rig, id) = scanning();
        rig.config(config.clone());
        assert_eq!(rig.cancelled(), [id], "{config}");
        found(&mut rig, id, at("8"));
        rig.advance(60_000);
        assert!(events(&mut rig).is_empty(), "{config}");
        assert_eq!(family_after(&mut rig), Json::Null, "{config}");
    }
}

#[test]
fn a_later_generation_takes_the_place_of_the_running_one() {
    let (mut rig, first) = scanning();
    order(&mut rig, json!({ "generation": time(5001), "scan_duration_sec": 3 }));
    assert!(rig.cancelled().is_empty(), "the same second");
    order(&mut rig, json!({ "generation": time(6000), "scan_duration_sec": 3 }));
    assert_eq!(rig.cancelled(), [first]);
    rig.advance(500);
    let (second, _) = scan(&mut rig);
    found(&mut rig, first, at("8"));
    found(&mut rig, second, at("9"));
    rig.advance(60_000);
    let all = events(&mut rig);
    assert_eq!(numbers(&all), [(0, None), (1, Some("9")), (-2, None)]);
    assert!(all.iter().all(|sent| sent.payload["generation"] == time(6000)));
}

#[test]
fn an_earlier_generation_calls_the_running_one_off() {
    let (mut rig, id) = scanning();
    order(&mut rig, json!({ "generation": time(4000) }));
    assert_eq!(rig.cancelled(), [id]);
    rig.advance(60_000);
    assert!(events(&mut rig).is_empty());
    assert_eq!(family_after(&mut rig), json!({ "generation": time(4000), "phase": "stopped" }));
}

fn family_after(rig: &mut Rig) -> Json {
    rig.states().pop().expect("a state")["discovery"]["families"]["bacnet"].clone()
}

#[test]
fn a_pending_round_that_is_called_off_never_begins() {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(5000) }));
    rig.config(json!({ "discovery": { "families": {} } }));
    rig.advance(60_000);
    assert!(rig.hooks().is_empty() && events(&mut rig).is_empty());
}

#[test]
fn a_family_that_comes_back_is_scanned_again() {
    let (mut rig, _) = scanning();
    rig.config(json!({ "discovery": { "families": {} } }));
    order(&mut rig, json!({ "generation": time(5000) }));
    scan(&mut rig);
    assert_eq!(numbers(&events(&mut rig)), [(0, None)]);
    assert_eq!(family(&mut rig)["active_count"], 0);
}

#[test]
fn results_that_wait_for_room_in_the_window_are_taken_back() {
    let mut rig = scanner();
    rig.advance(5000);
    rig.acknowledge = false;
    order(&mut rig, json!({ "generation": time(5000) }));
    let (id, _) = scan(&mut rig);
    for address in 1..=300 {
        found(&mut rig, id, at(&address.to_string()));
    }
    let sent = events(&mut rig).len();
    assert!(sent < 101, "{sent}");
    rig.command(Command::SampleNow);
    rig.config(json!({ "discovery": { "families": {} } }));
    // The link is lost and comes again: what was sent is repeated, what waited is gone.
    rig.disconnect();
    rig.acknowledge = true;
    rig.connect();
    rig.config(json!({ "discovery": { "families": {} } }));
    rig.advance(10_000);
    assert_eq!(events(&mut rig).len(), sent);
}

#[test]
fn results_that_wait_for_a_link_are_kept_while_their_scan_is_in_force() {
    let (mut rig, id) = scanning();
    rig.disconnect();
    found(&mut rig, id, at("8"));
    rig.advance(12_000);
    assert!(events(&mut rig).is_empty());
    rig.connect();
    assert_eq!(numbers(&events(&mut rig)), [(2, Some("8")), (-3, None)]);
}
