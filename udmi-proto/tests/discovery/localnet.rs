//! Where the device is in local networks (§6.5).

use serde_json::{Value as Json, json};
use udmi_proto::Command;

use crate::support::{Rig, settings};

fn device() -> Rig {
    let mut settings = settings();
    settings.families = [("ipv4".to_owned(), "192.0.2.17".to_owned())].into();
    let mut rig = Rig::new(settings);
    rig.connect();
    rig
}

fn localnet(rig: &mut Rig, block: Json) -> Json {
    rig.config(json!({ "localnet": block }));
    rig.state()["localnet"].clone()
}

#[test]
fn the_block_shows_the_families_that_the_config_names_and_the_device_knows() {
    let mut rig = device();
    rig.config(json!({}));
    assert_eq!(rig.state().get("localnet"), None);
    assert_eq!(localnet(&mut rig, json!({})), json!({ "families": {} }));
    let wanted = json!({ "families": { "ipv4": {}, "ipv6": {}, "Odd": {} } });
    assert_eq!(localnet(&mut rig, wanted), json!({ "families": { "ipv4": { "addr": "192.0.2.17" } } }));
}

#[test]
fn a_family_that_cannot_be_told_shows_why_until_its_next_address() {
    let mut rig = device();
    localnet(&mut rig, json!({ "families": { "ipv6": {} } }));
    let fail = || Command::FailFamily { family: "ipv6".into(), message: "network not active".into() };
    rig.command(fail());
    let shown = rig.state()["localnet"]["families"]["ipv6"].clone();
    assert_eq!(shown.get("addr"), None);
    assert_eq!(shown["status"]["message"], "Family ipv6: network not active");
    assert_eq!(
        (&shown["status"]["category"], &shown["status"]["level"]),
        (&json!("localnet.network"), &json!(500))
    );
    rig.command(fail());
    rig.advance(5000);
    assert!(rig.states().is_empty(), "nothing new");
    rig.command(Command::SetFamilyAddress { family: "ipv6".into(), address: Some("2001:db8::1".into()) });
    assert_eq!(rig.state()["localnet"], json!({ "families": { "ipv6": { "addr": "2001:db8::1" } } }));
}

#[test]
fn networks_are_shown_where_the_config_names_some() {
    let mut rig = device();
    let set = |address: Option<&str>| Command::SetNetwork {
        network: "modbus_rtu_1".into(),
        address: address.map(str::to_owned),
    };
    rig.command(set(Some("1")));
    assert_eq!(localnet(&mut rig, json!({})), json!({ "families": {} }));
    let wanted = json!({ "networks": { "modbus_rtu_1": {}, "other": {} } });
    let shown = localnet(&mut rig, wanted);
    assert_eq!(shown, json!({ "families": {}, "networks": { "modbus_rtu_1": { "addr": "1" } } }));
    rig.command(Command::FailNetwork { network: "modbus_rtu_1".into(), message: "no such line".into() });
    let shown = rig.state()["localnet"]["networks"]["modbus_rtu_1"]["status"]["message"].clone();
    assert_eq!(shown, "Network modbus_rtu_1: no such line");
    rig.command(set(None));
    assert_eq!(rig.state()["localnet"], json!({ "families": {}, "networks": {} }));
}

#[test]
fn what_the_config_does_not_ask_for_publishes_nothing() {
    let mut rig = device();
    localnet(&mut rig, json!({ "families": { "ipv4": {} } }));
    rig.forget();
    rig.command(Command::SetFamilyAddress {
        family: "ether".into(),
        address: Some("02:00:5e:10:00:01".into()),
    });
    rig.command(Command::SetNetwork { network: "line".into(), address: Some("1".into()) });
    rig.command(Command::SetFamilyAddress { family: "ipv4".into(), address: Some("192.0.2.17".into()) });
    rig.advance(5000);
    assert!(rig.states().is_empty());
}

#[test]
fn a_bad_block_keeps_what_was_in_force() {
    let mut rig = device();
    localnet(&mut rig, json!({ "families": { "ipv4": {} } }));
    let shown = localnet(&mut rig, json!({ "families": 7 }));
    assert_eq!(shown, json!({ "families": { "ipv4": { "addr": "192.0.2.17" } } }));
}
