//! Scans of one round (§6.2, §6.4).

use serde_json::{Value as Json, json};
use udmi_proto::Outcome;
use udmi_proto::model::common::Depth;

use crate::support::{Rig, time};
use crate::{at, events, family, found, numbers, order, phases, scan, scanner};

#[test]
fn presence_follows_the_config() {
    let mut rig = scanner();
    let discovery = |rig: &mut Rig, discovery: Json| {
        rig.config(json!({ "discovery": discovery }));
        rig.state()["discovery"].clone()
    };
    assert_eq!(discovery(&mut rig, json!({})), json!({}));
    assert_eq!(discovery(&mut rig, json!({ "families": {} })), json!({ "families": {} }));
    let idle = json!({ "families": { "bacnet": { "depth": "details", "scan_interval_sec": 0 }, "Bad": {} } });
    assert_eq!(discovery(&mut rig, idle), json!({ "families": {} }));
    rig.config(json!({}));
    assert_eq!(rig.state().get("discovery"), None);
}

#[test]
fn a_scan_of_now_begins_at_once_and_ends_after_ten_seconds() {
    let mut rig = scanner();
    rig.advance(3000);
    rig.forget();
    order(&mut rig, json!({ "generation": time(2500) }));
    let (id, request) = scan(&mut rig);
    assert_eq!((request.family.as_str(), request.duration_seconds), ("bacnet", 10));
    assert_eq!(request.generation.as_str(), time(2500));
    assert_eq!((request.depth, request.references), (Depth::Entries, false));
    let topics: Vec<_> = rig.sent().into_iter().map(|sent| sent.topic).collect();
    assert_eq!(topics, ["events/discovery", "state"], "the mark goes first");
    found(&mut rig, id, at("7"));
    rig.advance(5000);
    found(&mut rig, id, at("8"));
    rig.advance(4999);
    assert_eq!(numbers(&events(&mut rig)), [(1, Some("7")), (2, Some("8"))]);
    rig.advance(1);
    assert_eq!(rig.cancelled(), [id]);
    let last = events(&mut rig);
    assert_eq!(numbers(&last), [(-3, None)]);
    assert_eq!(last[0].payload["generation"], time(2500));
    assert_eq!(last[0].payload["family"], "bacnet");
    assert_eq!(family(&mut rig), json!({ "generation": time(2500), "phase": "stopped", "active_count": 2 }));
}

#[test]
fn the_states_of_a_scan_are_active_then_stopped_with_what_was_found_by_then() {
    let mut rig = scanner();
    rig.advance(3000);
    order(&mut rig, json!({ "generation": time(3000) }));
    let (id, _) = scan(&mut rig);
    for address in ["1", "2", "3"] {
        rig.advance(3200);
        found(&mut rig, id, at(address));
    }
    rig.advance(5000);
    let expected = [
        ("active", Some(0)),
        ("active", Some(1)),
        ("active", Some(2)),
        ("active", Some(3)),
        ("stopped", Some(3)),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(phase, count)| (phase.to_owned(), count)).collect();
    assert_eq!(phases(&mut rig), expected);
}

#[test]
fn a_scan_of_later_is_pending_until_its_moment() {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(20_000), "scan_duration_sec": 5 }));
    assert_eq!(family(&mut rig), json!({ "generation": time(20_000), "phase": "pending" }));
    rig.advance(17_499);
    assert!(rig.hooks().is_empty() && events(&mut rig).is_empty());
    rig.advance(1);
    assert_eq!(scan(&mut rig).1.duration_seconds, 5);
    rig.advance(2000);
    assert_eq!(phases(&mut rig), [("active".to_owned(), Some(0))]);
    rig.advance(3000);
    assert_eq!(numbers(&events(&mut rig)), [(0, None), (-1, None)]);
    assert_eq!(
        family(&mut rig),
        json!({ "generation": time(20_000), "phase": "stopped", "active_count": 0 })
    );
}

#[test]
fn a_generation_from_before_the_start_is_not_scanned() {
    let mut rig = scanner();
    for past in ["2020-05-06T07:08:09Z", "2021-05-06T07:08:09Z", &time(0)] {
        order(&mut rig, json!({ "generation": past }));
        assert_eq!(family(&mut rig), json!({ "generation": past, "phase": "stopped" }));
    }
    rig.advance(60_000);
    assert!(rig.hooks().is_empty() && events(&mut rig).is_empty());
}

#[test]
fn a_generation_from_before_the_last_round_is_not_scanned() {
    let mut rig = scanner();
    rig.advance(10_000);
    order(&mut rig, json!({ "generation": time(8000) }));
    scan(&mut rig);
    rig.advance(10_000);
    order(&mut rig, json!({ "generation": time(7000) }));
    assert_eq!(family(&mut rig), json!({ "generation": time(7000), "phase": "stopped" }));
    order(&mut rig, json!({ "generation": time(8000) }));
    assert_eq!(family(&mut rig), json!({ "generation": time(8000), "phase": "stopped" }));
    assert!(rig.hooks().is_empty());
}

#[test]
fn a_round_that_is_pending_can_be_had_earlier() {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(3_600_000) }));
    order(&mut rig, json!({ "generation": time(5000) }));
    rig.advance(4500);
    assert_eq!(scan(&mut rig).1.generation.as_str(), time(5000));
}

#[test]
fn the_same_order_again_disturbs_neither_a_pending_nor_a_running_round() {
    let mut rig = scanner();
    let wanted = json!({ "generation": time(5000), "scan_duration_sec": 30 });
    order(&mut rig, wanted.clone());
    rig.advance(2000);
    order(&mut rig, wanted.clone());
    rig.advance(2500);
    let (id, _) = scan(&mut rig);
    found(&mut rig, id, at("7"));
    for _ in 0..5 {
        order(&mut rig, wanted.clone());
        // The same moment in other words, and a family beside it.
        let other = json!({ "generation": "2026-03-01T11:00:05+01:00", "scan_duration_sec": 30 });
        rig.config(
            json!({ "discovery": { "families": { "bacnet": other, "vendor": { "generation": time(0) } } } }),
        );
        rig.advance(5000);
    }
    assert!(rig.cancelled().is_empty() && rig.hooks().is_empty());
    found(&mut rig, id, at("8"));
    rig.advance(5000);
    assert_eq!(numbers(&events(&mut rig)), [(0, None), (1, Some("7")), (2, Some("8")), (-3, None)]);
    assert_eq!(family(&mut rig)["phase"], "stopped");
}

#[test]
fn the_same_generation_under_other_terms_changes_nothing() {
    let mut rig = scanner();
    rig.advance(5000);
    order(&mut rig, json!({ "generation": time(5000) }));
    let (id, _) = scan(&mut rig);
    order(&mut rig, json!({ "generation": time(5000), "depth": "details", "scan_duration_sec": 99 }));
    rig.advance(2000);
    found(&mut rig, id, at("7"));
    rig.advance(8000);
    assert_eq!(numbers(&events(&mut rig)), [(0, None), (1, Some("7")), (-2, None)]);
    order(&mut rig, json!({ "generation": time(5000), "depth": "entries" }));
    rig.advance(2000);
    assert!(rig.hooks().is_empty());
    assert_eq!(family(&mut rig)["active_count"], 1);
}

#[test]
fn a_scan_that_ends_by_itself_lasts_its_time_all_the_same() {
    let mut rig = scanner();
    rig.advance(5000);
    order(&mut rig, json!({ "generation": time(5000) }));
    let (id, _) = scan(&mut rig);
    found(&mut rig, id, at("7"));
    rig.answer(id, Outcome::Done);
    found(&mut rig, id, at("8"));
    assert_eq!(family(&mut rig)["phase"], "active");
    rig.advance(8000);
    assert!(rig.cancelled().is_empty());
    assert_eq!(numbers(&events(&mut rig)), [(0, None), (1, Some("7")), (-2, None)]);
}

#[test]
fn a_scan_that_fails_ends_and_the_family_tells_why_until_the_next() {
    for (outcome, cause) in [
        (Outcome::Failed { message: "the line is open".into() }, "failed: the line is open"),
        (Outcome::Unhandled, "failed: nobody scans it"),
        (Outcome::Values { values: [].into() }, "failed: the question was not understood"),
    ] {
        let mut rig = scanner();
        rig.advance(5000);
        order(&mut rig, json!({ "generation": time(5000) }));
        let (id, _) = scan(&mut rig);
        found(&mut rig, id, at("7"));
        rig.answer(id, outcome);
        assert_eq!(numbers(&events(&mut rig)), [(0, None), (1, Some("7")), (-2, None)]);
        let told = family(&mut rig);
        assert_eq!((&told["phase"], &told["active_count"]), (&json!("stopped"), &json!(1)));
        assert_eq!(told["status"]["message"], format!("Scan of bacnet {cause}"));
        assert_eq!(
            (&told["status"]["category"], &told["status"]["level"]),
            (&json!("discovery.family.scan"), &json!(500))
        );
        order(&mut rig, json!({ "generation": time(7000) }));
        assert_eq!(
            family(&mut rig),
            json!({ "generation": time(7000), "phase": "active", "active_count": 0 })
        );
    }
}

#[test]
fn a_family_that_nobody_scans_is_not_scheduled_and_tells_so() {
    let mut rig = scanner();
    let wanted = json!({ "generation": time(20_000), "scan_interval_sec": 20 });
    let config = json!({ "discovery": { "families": { "modbus": wanted } } });
    rig.config(config.clone());
    let told = rig.state()["discovery"]["families"]["modbus"].clone();
    assert_eq!((&told["phase"], &told["generation"]), (&json!("stopped"), &json!(time(20_000))));
    assert_eq!(told["status"]["message"], "Family modbus cannot be scanned by this device");
    assert_eq!(told["status"]["category"], "discovery.family.scan");
    rig.config(config);
    rig.advance(60_000);
    assert!(rig.hooks().is_empty() && events(&mut rig).is_empty());
    assert_eq!(rig.state()["discovery"]["families"]["modbus"], told, "the same status, of the same time");
}

#[test]
fn a_generation_that_is_no_date_is_a_finding_and_leaves_the_family_as_it_is() {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(5000) }));
    order(&mut rig, json!({ "generation": "soon" }));
    let state = rig.state();
    assert_eq!(state["discovery"]["families"]["bacnet"]["phase"], "pending");
    let message = state["system"]["status"]["message"].as_str().unwrap();
    assert_eq!(message, "discovery.families.bacnet.generation: expected a date and time by RFC 3339");
    rig.config(json!({ "discovery": { "families": { "vendor": { "generation": "soon" } } } }));
    assert_eq!(rig.state()["discovery"], json!({ "families": {} }));
}

#[test]
fn a_bad_block_leaves_a_scan_as_it_is() {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(5000) }));
    rig.config(json!({ "discovery": { "families": [] } }));
    let state = rig.state();
    assert_eq!(state["system"]["status"]["level"], 500);
    assert_eq!(state["discovery"]["families"]["bacnet"]["phase"], "pending");
    rig.advance(2500);
    scan(&mut rig);
}

#[test]
fn each_family_has_a_scan_of_its_own() {
    let mut rig = scanner();
    rig.config(json!({ "discovery": { "families": {
        "bacnet": { "generation": time(5000) }, "vendor": { "generation": time(10_000) }
    } } }));
    rig.advance(9500);
    let hooks = rig.hooks();
    assert_eq!(hooks.len(), 2);
    rig.advance(5000);
    let state = rig.state();
    let families = &state["discovery"]["families"];
    assert_eq!(
        (&families["bacnet"]["phase"], &families["vendor"]["phase"]),
        (&json!("stopped"), &json!("active"))
    );
    rig.advance(5000);
    let ends: Vec<_> = events(&mut rig)
        .into_iter()
        .map(|sent| {
            (sent.at, sent.payload["family"].as_str().unwrap().to_owned(), sent.payload["event_no"].as_i64())
        })
        .collect();
    let expected =
        [(5000, "bacnet", 0), (10_000, "vendor", 0), (15_000, "bacnet", -1), (20_000, "vendor", -1)];
    let expected: Vec<_> =
        expected.into_iter().map(|(at, family, no)| (at, family.to_owned(), Some(no))).collect();
    assert_eq!(ends, expected);
}

#[test]
fn no_more_than_sixty_four_families_are_looked_at() {
    let mut rig = scanner();
    let families: serde_json::Map<String, Json> =
        (0..100).map(|number| (format!("f{number:03}"), json!({ "generation": time(1) }))).collect();
    rig.config(json!({ "discovery": { "families": families } }));
    assert_eq!(rig.state()["discovery"]["families"].as_object().unwrap().len(), 64);
}
