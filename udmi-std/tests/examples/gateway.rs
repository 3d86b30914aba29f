//! Other devices: proxied, discovered, and the networks they are in.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use udmi_std::udmi_proto::model::common::Timestamp;
use udmi_tests::live::shown::{DEVICE, GATEWAY, Shown};
use udmi_tests::together;

together! {
    other_devices:
    gateway_acts_for_its_meters,
    gateway_logs_for_a_meter,
    discovery_tells_all_that_a_scan_finds,
    localnet_tells_addresses_and_why_there_are_none,
}

fn gateway_acts_for_its_meters() {
    Shown::start("gateway").acts_for_its_meters();
}

fn gateway_logs_for_a_meter() {
    let mut shown = Shown::start("gateway");
    shown.desk.configure(GATEWAY, &json!({ "gateway": { "proxy_ids": ["EM-1"] } }));
    shown.desk.configure("EM-1", &json!({ "system": { "min_loglevel": 100 } }));
    shown.desk.message("EM-1", "events/system", |event| {
        event.to_string().contains("the gateway speaks for this meter")
    });
}

fn discovery_tells_all_that_a_scan_finds() {
    let mut shown = Shown::start("discovery");
    let distant = json!({ "generation": "2099-01-01T00:00:00Z", "scan_duration_sec": 2 });
    let scanning = |family: &Value| json!({ "discovery": { "families": { "vendor": family } } });
    let phase = |state: &Value, phase: &str| state["discovery"]["families"]["vendor"]["phase"] == phase;
    shown.desk.configure(GATEWAY, &scanning(&distant));
    shown.desk.state(GATEWAY, |state| phase(state, "pending"));
    // A generation before the start of the device would be too old; by now it has started.
    let near = json!({ "generation": soon(), "scan_duration_sec": 2 });
    shown.desk.configure(GATEWAY, &scanning(&near));
    let mut next = || shown.desk.message(GATEWAY, "events/discovery", |event| event["family"] == "vendor");
    assert_eq!(next()["event_no"], 0);
    for (number, address) in [(1, "17"), (2, "23"), (3, "42")] {
        let event = next();
        assert_eq!((&event["event_no"], &event["addr"]), (&json!(number), &json!(address)), "{event}");
    }
    assert_eq!(next()["event_no"], -4);
    let state = shown.desk.state(GATEWAY, |state| phase(state, "stopped"));
    assert_eq!(state["discovery"]["families"]["vendor"]["active_count"], 3, "{state}");
    shown.program.line("found 42");
}

fn localnet_tells_addresses_and_why_there_are_none() {
    let mut shown = Shown::start("localnet");
    let families = json!({ "ipv4": {}, "bacnet": {}, "modbus": {} });
    shown
        .desk
        .configure(DEVICE, &json!({ "localnet": { "families": families, "networks": { "line_1": {} } } }));
    let state =
        shown.desk.state(DEVICE, |state| state["localnet"]["families"]["modbus"]["status"]["level"] == 500);
    let localnet = &state["localnet"];
    assert_eq!(localnet["families"]["bacnet"]["addr"], "1001", "{localnet}");
    assert_eq!(localnet["families"]["ipv4"]["addr"], "127.0.0.1", "{localnet}");
    assert!(localnet["families"]["modbus"].get("addr").is_none(), "{localnet}");
    assert_eq!(localnet["networks"]["line_1"]["addr"], "/dev/ttyS0", "{localnet}");
}

/// A moment that is about to come, in UDMI's form.
fn soon() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    Timestamp::from_millis_whole_seconds(now + 1000).as_str().to_owned()
}
