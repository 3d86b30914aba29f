//! Devices that are heard of without a scan (§6.4, §11 items 1 and 2).

use serde_json::json;
use udmi_proto::model::discovery::DiscoveryRef;
use udmi_proto::{Command, Found};

use crate::support::{Rig, time};
use crate::{at, events, family, found, numbers, order, scan, scanner};

fn overhear(rig: &mut Rig, found: Found) {
    rig.command(Command::Overheard { family: "bacnet".into(), found: Box::new(found) });
}

#[test]
fn a_family_that_is_only_listened_to_is_active_without_a_generation() {
    for member in ["passive_sec", "passive_holdoff_sec"] {
        let mut rig = scanner();
        order(&mut rig, json!({ member: 60 }));
        assert_eq!(family(&mut rig), json!({ "phase": "active", "passive_count": 0 }));
        overhear(&mut rig, Found { network: Some("7".into()), ..at("101") });
        let event = events(&mut rig).remove(0).payload;
        let expected = json!({
            "timestamp": "2026-03-01T10:00:02.500Z", "version": "1.5.7", "family": "bacnet", "addr": "101", "network": "7"
        });
        assert_eq!(event, expected);
        assert_eq!(family(&mut rig), json!({ "phase": "active", "passive_count": 1 }));
        assert!(rig.hooks().is_empty());
    }
}

#[test]
fn a_device_is_told_of_again_after_a_while() {
    let mut rig = scanner();
    order(&mut rig, json!({ "passive_sec": 60 }));
    for _ in 0..13 {
        overhear(&mut rig, at("101"));
        overhear(&mut rig, at("102"));
        rig.advance(10_000);
    }
    let times: Vec<_> = events(&mut rig).into_iter().map(|sent| sent.at).collect();
    assert_eq!(times, [500, 500, 60_500, 60_500, 120_500, 120_500]);
    overhear(&mut rig, at("103"));
    assert_eq!(family(&mut rig)["passive_count"], 3);
}

#[test]
fn nothing_is_told_where_the_config_does_not_want_it() {
    let mut rig = scanner();
    order(&mut rig, json!({ "generation": time(3_600_000) }));
    overhear(&mut rig, at("101"));
    order(&mut rig, json!({ "passive_sec": 0 }));
    overhear(&mut rig, at("101"));
    order(&mut rig, json!({ "passive_sec": 60 }));
    overhear(&mut rig, at("no number"));
    rig.config(json!({}));
    overhear(&mut rig, at("101"));
    assert!(events(&mut rig).is_empty());
}

#[test]
fn listening_and_scanning_do_not_disturb_each_other() {
    let mut rig = scanner();
    rig.advance(5000);
    order(&mut rig, json!({ "generation": time(5000), "passive_sec": 60 }));
    let (id, _) = scan(&mut rig);
    overhear(&mut rig, at("1"));
    found(&mut rig, id, at("1"));
    order(&mut rig, json!({ "generation": time(5000), "passive_sec": 5 }));
    overhear(&mut rig, at("2"));
    found(&mut rig, id, at("2"));
    let told = events(&mut rig);
    let scanned: Vec<_> =
        told.iter().filter(|sent| sent.payload.get("event_no").is_some()).cloned().collect();
    assert_eq!(numbers(&scanned), [(0, None), (1, Some("1")), (2, Some("2"))]);
    assert_eq!(told.len(), 5);
    let shown = family(&mut rig);
    assert_eq!((&shown["active_count"], &shown["passive_count"]), (&json!(2), &json!(2)));
    order(&mut rig, json!({ "passive_sec": 5 }));
    assert_eq!(rig.cancelled(), [id]);
    assert_eq!(family(&mut rig), json!({ "phase": "active", "passive_count": 2 }));
}

#[test]
fn references_are_told_at_a_depth_of_details() {
    for (depth, expected) in [("entries", None), ("details", Some(json!({ "AV/1": {} })))] {
        let mut rig = scanner();
        order(&mut rig, json!({ "passive_sec": 60, "depth": depth }));
        overhear(
            &mut rig,
            Found { references: [("AV/1".to_owned(), DiscoveryRef::default())].into(), ..at("101") },
        );
        assert_eq!(events(&mut rig).remove(0).payload.get("refs").cloned(), expected);
    }
}
