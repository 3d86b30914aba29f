//! What a scan tells of the devices it finds, and of which (§6.4, §11 items 33 and 34).

use serde_json::{Value as Json, json};
use udmi_proto::model::category::{Category, Level};
use udmi_proto::model::common::Timestamp;
use udmi_proto::model::discovery::{DiscoveryRef, DiscoverySystem};
use udmi_proto::model::entry::Entry;
use udmi_proto::{Found, HookId, Map, Notice, ScanRequest};

use crate::support::{Rig, time};
use crate::{at, events, family, found, numbers, order, scan, scanner};

/// A device that scans `bacnet` with these members of the order.
fn scanning(members: Json) -> (Rig, HookId, ScanRequest) {
    let mut rig = scanner();
    rig.advance(5000);
    let mut wanted = json!({ "generation": time(5000) });
    wanted.as_object_mut().unwrap().append(&mut members.as_object().unwrap().clone());
    order(&mut rig, wanted);
    let (id, request) = scan(&mut rig);
    events(&mut rig);
    rig.notices();
    (rig, id, request)
}

fn refused(rig: &mut Rig) -> Vec<String> {
    let reason = |notice| if let Notice::CommandRefused { reason } = notice { Some(reason) } else { None };
    rig.notices().into_iter().filter_map(reason).collect()
}

fn with_references(address: &str, references: &[&str]) -> Found {
    let reference = |reference: &&str| ((*reference).to_owned(), DiscoveryRef::default());
    Found { references: references.iter().map(reference).collect(), ..at(address) }
}

#[test]
fn all_that_is_known_of_a_device_is_told() {
    let (mut rig, id, request) = scanning(json!({ "depth": "details" }));
    assert!(request.references);
    let supply = DiscoveryRef {
        point: Some("supply_temp".into()),
        units: Some("Degrees-Celsius".into()),
        ..DiscoveryRef::default()
    };
    let result = Found {
        address: "101".into(),
        network: Some("7".into()),
        families: Map::from([("ipv4".into(), "192.0.2.9".into()), ("Bad".into(), "x".into())]),
        references: Map::from([("AV/12#present_value".into(), supply)]),
        system: Some(DiscoverySystem { name: Some("VAV".into()), ..DiscoverySystem::default() }),
        status: Some("Could not find all points".into()),
    };
    found(&mut rig, id, result);
    let event = events(&mut rig).remove(0).payload;
    assert_eq!(
        event,
        json!({
            "timestamp": "2026-03-01T10:00:05.500Z",
            "version": "1.5.7",
            "generation": time(5000),
            "family": "bacnet",
            "event_no": 1,
            "addr": "101",
            "network": "7",
            "families": { "ipv4": { "addr": "192.0.2.9" } },
            "refs": { "AV/12#present_value": { "point": "supply_temp", "units": "Degrees-Celsius" } },
            "system": { "name": "VAV" },
            "status": {
                "message": "Could not find all points",
                "category": "discovery.device.enumerate",
                "level": 500,
                "timestamp": "2026-03-01T10:00:05.500Z"
            }
        })
    );
}

#[test]
fn references_are_in_every_result_of_a_deep_or_targeted_scan_and_in_no_other() {
    for (members, expected) in [
        (json!({}), None),
        (json!({ "depth": "entries" }), None),
        (json!({ "depth": "details" }), Some(json!({}))),
        (json!({ "addrs": ["101", "102"] }), Some(json!({}))),
    ] {
        let (mut rig, id, request) = scanning(members);
        assert_eq!(request.references, expected.is_some());
        found(&mut rig, id, with_references("101", &["AV/1"]));
        found(&mut rig, id, at("102"));
        rig.advance(20_000);
        let told: Vec<_> =
            events(&mut rig).into_iter().map(|sent| sent.payload.get("refs").cloned()).collect();
        let first = expected.is_some().then(|| json!({ "AV/1": {} }));
        assert_eq!(told, [first, expected, None]);
    }
}

#[test]
fn a_targeted_scan_tells_of_its_targets_only() {
    let (mut rig, id, request) = scanning(json!({ "addrs": ["102", "101", "101"] }));
    assert_eq!(request.addresses, ["101", "102"]);
    for address in ["100", "101", "102", "103"] {
        found(&mut rig, id, at(address));
    }
    rig.advance(20_000);
    assert_eq!(numbers(&events(&mut rig)), [(1, Some("101")), (2, Some("102")), (-3, None)]);
}

#[test]
fn a_scan_of_networks_tells_of_what_is_in_them() {
    let (mut rig, id, request) = scanning(json!({ "networks": ["7"] }));
    assert_eq!(request.networks, ["7"]);
    let near =
        |address: &str, network: Option<&str>| Found { network: network.map(str::to_owned), ..at(address) };
    for result in [near("1", None), near("2", Some("7")), near("3", Some("8")), near("4", Some("7"))] {
        found(&mut rig, id, result);
    }
    rig.advance(20_000);
    let all = events(&mut rig);
    assert_eq!(numbers(&all), [(1, Some("2")), (2, Some("4")), (-3, None)]);
    assert!(all[..2].iter().all(|sent| sent.payload["network"] == "7"));
}

#[test]
fn a_device_is_told_of_once() {
    let (mut rig, id, _) = scanning(json!({}));
    for address in ["1", "2", "1", "2", "3"] {
        found(&mut rig, id, at(address));
    }
    assert_eq!(numbers(&events(&mut rig)), [(1, Some("1")), (2, Some("2")), (3, Some("3"))]);
    assert_eq!(family(&mut rig)["active_count"], 3);
}

#[test]
fn what_is_no_address_of_the_family_is_refused_and_not_counted() {
    let (mut rig, id, _) = scanning(json!({}));
    for address in ["", "0", "x", "4194304", &"1".repeat(300)] {
        found(&mut rig, id, at(address));
    }
    found(&mut rig, id, Found { network: Some("65535".into()), ..at("5") });
    let reasons = refused(&mut rig);
    assert_eq!(reasons.len(), 6, "{reasons:?}");
    assert_eq!(reasons[1], "Result of the scan of bacnet: address: expected a number from 1 to 4194303");
    assert!(events(&mut rig).is_empty());
    assert_eq!(family(&mut rig)["active_count"], 0);
}

#[test]
fn families_that_udmi_does_not_know_have_addresses_of_any_form() {
    let mut settings = crate::support::settings();
    settings.scans = vec!["knx".into()];
    let mut rig = Rig::new(settings);
    rig.connect();
    rig.advance(5000);
    rig.config(json!({ "discovery": { "families": { "knx": { "generation": time(5000) } } } }));
    let (id, _) = scan(&mut rig);
    found(&mut rig, id, Found { network: Some("line 1".into()), ..at("1.1.7") });
    assert_eq!(numbers(&events(&mut rig)), [(0, None), (1, Some("1.1.7"))]);
}

#[test]
fn results_of_a_scan_that_is_over_or_never_was_are_nobodys() {
    let (mut rig, id, _) = scanning(json!({}));
    let never: HookId = serde_json::from_str("999999").unwrap();
    found(&mut rig, never, at("1"));
    rig.advance(10_000);
    found(&mut rig, id, at("2"));
    assert_eq!(numbers(&events(&mut rig)), [(-1, None)]);
    assert!(refused(&mut rig).is_empty());
}

#[test]
fn what_schemas_forbid_in_a_reference_is_told_another_way() {
    let (mut rig, id, _) = scanning(json!({ "depth": "details" }));
    let odd = DiscoveryRef {
        point: Some("Supply Temp".into()),
        status: Some(Entry {
            message: "no answer".into(),
            category: Category::Unknown,
            level: Level(7),
            timestamp: Timestamp::EPOCH,
            detail: None,
        }),
        ..DiscoveryRef::default()
    };
    let references = Map::from([("AV/1".into(), odd), (String::new(), DiscoveryRef::default())]);
    found(&mut rig, id, Found { references, ..at("1") });
    let event = events(&mut rig).remove(0).payload;
    let reference = &event["refs"]["AV/1"];
    assert_eq!((reference.get("point"), &reference["name"]), (None, &json!("Supply Temp")));
    assert_eq!(reference["status"]["category"], "discovery.point.describe");
    assert_eq!(
        (&reference["status"]["message"], &reference["status"]["level"]),
        (&json!("no answer"), &json!(500))
    );
    assert_eq!(event["status"]["message"], "1 references are left out");
}

#[test]
fn an_event_has_a_bound_in_references_and_in_bytes() {
    for (count, text) in [(5000, 1), (1500, 1000)] {
        let (mut rig, id, _) = scanning(json!({ "depth": "details" }));
        let reference = DiscoveryRef { description: Some("x".repeat(text)), ..DiscoveryRef::default() };
        let references: Map<_, _> =
            (0..count).map(|number| (format!("AV/{number}"), reference.clone())).collect();
        found(&mut rig, id, Found { references, ..at("1") });
        let event = events(&mut rig).remove(0).payload;
        let told = event["refs"].as_object().unwrap().len();
        assert!(told <= 2000 && event.to_string().len() <= 240 * 1024);
        let message = format!("{} references are left out", count - told);
        assert_eq!(event["status"]["message"], message);
    }
}

#[test]
fn a_round_tells_of_ten_thousand_devices_at_most() {
    let (mut rig, id, _) = scanning(json!({}));
    for address in 1..=10_003 {
        found(&mut rig, id, at(&address.to_string()));
    }
    let told = family(&mut rig);
    assert_eq!(told["active_count"], 10_000);
    assert_eq!(told["status"]["message"], "Scan of bacnet has found more than 10000; the rest is left out");
    rig.advance(10_000);
    assert_eq!(numbers(&events(&mut rig)).last(), Some(&(-10_001, None)));
}
