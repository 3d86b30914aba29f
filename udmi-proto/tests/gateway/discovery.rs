//! Discovery and localnet blocks of a proxied device, and scans of its gateway (§6.2 to §6.5).

use serde_json::json;
use udmi_proto::model::common::Stage;
use udmi_proto::{Command, Found, Hook};

use crate::support::time;
use crate::{acting_for, attached, connected, for_device, knowing, quiet, state_of};

#[test]
fn a_proxied_device_tells_of_itself_on_its_own_topic() {
    let mut settings = knowing(&["AHU-22", "SNS-4"]);
    let proxies = &mut settings.gateway.as_mut().unwrap().proxies;
    proxies.get_mut("AHU-22").unwrap().features = [("pointset".to_owned(), Stage::Beta)].into();
    let mut rig = connected(settings);
    rig.config(acting_for(&["AHU-22", "SNS-4"]));
    let mut config = quiet();
    let asked = json!({ "points": "entries", "features": "entries", "families": "entries" });
    config["discovery"] = json!({ "generation": time(1000), "enumerations": asked });
    rig.config_of("AHU-22", config.clone());
    let events = rig.sent_on("AHU-22/events/discovery");
    assert_eq!(events.len(), 1);
    let event = &events[0].payload;
    assert_eq!(event["points"]["temperature"], json!({}));
    assert_eq!(event["features"], json!({ "pointset": { "stage": "beta" } }));
    assert_eq!(event["families"], json!({ "bacnet": { "addr": "582312" } }));
    assert_eq!(state_of(&mut rig, "AHU-22")["discovery"], json!({ "generation": time(1000) }));
    assert!(rig.sent().iter().all(|sent| !sent.topic.ends_with("events/discovery")));
    // A restart of its logic forgets the generation, so that the next config is answered again.
    rig.command(for_device("AHU-22", Command::Stop { reason: udmi_proto::ExitReason::Restart }));
    rig.advance(5000);
    assert!(rig.sent_on("AHU-22/events/discovery").is_empty());
    rig.config_of("AHU-22", config);
    assert_eq!(rig.sent_on("AHU-22/events/discovery").len(), 1);
}

#[test]
fn a_proxied_device_scans_nothing_and_tells_so() {
    let mut settings = knowing(&["AHU-22"]);
    settings.scans = vec!["bacnet".into()];
    let mut rig = connected(settings);
    rig.config(acting_for(&["AHU-22"]));
    let mut config = quiet();
    config["discovery"] = json!({ "families": { "bacnet": { "generation": time(5000) } } });
    rig.config_of("AHU-22", config);
    let family = state_of(&mut rig, "AHU-22")["discovery"]["families"]["bacnet"].clone();
    assert_eq!((&family["phase"], &family["generation"]), (&json!("stopped"), &json!(time(5000))));
    assert_eq!(family["status"]["category"], "discovery.family.scan");
    rig.advance(20_000);
    assert!(rig.hooks().is_empty());
}

#[test]
fn a_proxied_device_shows_its_own_addresses() {
    let mut rig = attached(&["AHU-22"]);
    let mut config = quiet();
    config["localnet"] = json!({ "families": { "bacnet": {}, "ipv4": {} } });
    rig.config_of("AHU-22", config);
    assert_eq!(
        state_of(&mut rig, "AHU-22")["localnet"],
        json!({ "families": { "bacnet": { "addr": "582312" } } })
    );
    let message = "no address yet".to_owned();
    rig.command(for_device("AHU-22", Command::FailFamily { family: "ipv4".into(), message }));
    let shown = state_of(&mut rig, "AHU-22")["localnet"]["families"]["ipv4"]["status"]["message"].clone();
    assert_eq!(shown, "Family ipv4: no address yet");
}

#[test]
fn a_gateway_scans_for_itself() {
    let mut settings = knowing(&["AHU-22"]);
    settings.scans = vec!["bacnet".into()];
    let mut rig = connected(settings);
    rig.config(acting_for(&["AHU-22"]));
    rig.advance(5000);
    let mut config = acting_for(&["AHU-22"]);
    config["discovery"] = json!({ "families": { "bacnet": { "generation": time(5000) } } });
    rig.config(config);
    let (scan, hook) = rig.hooks().remove(0);
    assert!(matches!(hook, Hook::Scan { .. }));
    let moved = Command::SetFamilyAddress { family: "bacnet".into(), address: Some("8".into()) };
    rig.command(for_device("AHU-22", moved));
    for address in ["8", "582312"] {
        let found = Found { address: address.into(), ..Found::default() };
        rig.command(Command::Found { scan, found: Box::new(found) });
    }
    let events: Vec<_> = rig.sent_on("events/discovery").into_iter().map(|sent| sent.payload).collect();
    assert_eq!(events.len(), 3);
    assert_eq!(
        events[1]["families"],
        json!({ "iot": { "addr": "AHU-22" } }),
        "the gateway knows who that is"
    );
    assert_eq!(events[2].get("families"), None);
}
