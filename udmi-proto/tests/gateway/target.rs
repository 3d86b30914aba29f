//! How a proxied device is reached: the target, references, and a fieldbus that does not answer (§6.7, §9.6).

use serde_json::{Value as Json, json};
use udmi_proto::{Command, Hook, HookId, Outcome, Reading, Target};

use crate::support::Rig;
use crate::{attached, for_device, quiet, state_of};

fn with_target(target: Json) -> Json {
    let mut config = quiet();
    config["gateway"] = json!({ "target": target });
    config
}

/// The only hook since the last look: its device, target and what it asks.
fn asked(rig: &mut Rig) -> (HookId, String, Option<Target>, Hook) {
    let mut hooks = rig.hooks();
    assert_eq!(hooks.len(), 1, "{hooks:?}");
    match hooks.remove(0) {
        (id, Hook::Proxied { device, target, hook }) => (id, device, target, *hook),
        (_, hook) => panic!("expected a hook of a proxied device, found {hook:?}"),
    }
}

/// §9.6 `bad_target_family`, `bad_target_address`.
#[test]
fn a_wrong_family_or_address_shows_in_the_state_of_the_device() {
    let mut rig = attached(&["AHU-22"]);
    rig.config_of("AHU-22", quiet());
    assert_eq!(state_of(&mut rig, "AHU-22")["gateway"], json!({}));
    for (target, message) in [
        (json!({ "family": "family-0a1b", "addr": "582312" }), "Family family-0a1b is unknown"),
        (json!({ "family": "bacnet", "addr": "addr-0a1b" }), "Family address was addr-0a1b, expected 582312"),
    ] {
        rig.config_of("AHU-22", with_target(target));
        let state = state_of(&mut rig, "AHU-22");
        let status = &state["gateway"]["status"];
        assert_eq!((&status["category"], &status["level"]), (&json!("gateway.proxy.target"), &json!(500)));
        assert_eq!(status["message"], message);
        assert_eq!(state["system"]["status"], Json::Null);
        rig.config_of("AHU-22", quiet());
        assert_eq!(state_of(&mut rig, "AHU-22")["gateway"], json!({}));
    }
    assert!(
        rig.sent_on("state").iter().all(|sent| sent.payload["gateway"] == json!({})),
        "not the gateway's"
    );
}

#[test]
fn a_family_of_which_no_address_is_known_takes_any_and_vendor_is_the_default() {
    let mut rig = attached(&["AHU-22"]);
    rig.config_of("AHU-22", with_target(json!({ "addr": "whatever" })));
    assert_eq!(state_of(&mut rig, "AHU-22")["gateway"], json!({}));
    let address = Command::SetFamilyAddress { family: "vendor".into(), address: Some("7".into()) };
    rig.command(for_device("AHU-22", address));
    let status = state_of(&mut rig, "AHU-22")["gateway"]["status"].clone();
    assert_eq!(status["message"], "Family address was whatever, expected 7");
    rig.config_of("AHU-22", json!({}));
    assert_eq!(state_of(&mut rig, "AHU-22")["gateway"], Json::Null, "presence parity");
}

#[test]
fn a_write_tells_a_driver_all_it_needs() {
    let mut rig = attached(&["AHU-22"]);
    let mut config = with_target(json!({
        "family": "modbus", "addr": "line", "unitid": "4", "adjunct": { "baud": "9600" }
    }));
    config["pointset"]["points"]["setpoint"] = json!({ "ref": "3/100", "set_value": 20 });
    rig.config_of("AHU-22", config.clone());
    let (id, device, target, hook) = asked(&mut rig);
    assert_eq!(device, "AHU-22");
    assert_eq!(
        target,
        Some(Target {
            family: "modbus".into(),
            addr: Some("line".into()),
            network: None,
            unitid: Some("4".into()),
            adjunct: [("baud".to_owned(), "9600".to_owned())].into(),
        })
    );
    let reference = Some("3/100".to_owned());
    assert_eq!(
        hook,
        Hook::WritePoint { point: "setpoint".into(), value: 20.into(), reference: reference.clone() }
    );
    rig.answer(id, Outcome::Done);
    let state = state_of(&mut rig, "AHU-22");
    assert_eq!(state["pointset"]["points"]["setpoint"]["value_state"], "applied");
    rig.config_of("AHU-22", quiet());
    let (_, _, _, hook) = asked(&mut rig);
    assert_eq!(hook, Hook::ReleasePoint { point: "setpoint".into(), reference }, "where it was written");
    config["gateway"]["target"]["addr"] = json!("a/b/c");
    rig.config_of("AHU-22", config);
    assert_eq!(asked(&mut rig).2, None, "the target is not the device's");
}

/// §4.6, §9.6 `bad_point_ref`: of a device whose references the gateway does not know, the form is checked.
#[test]
fn a_reference_that_is_none_of_the_target_s_family_fails_its_point() {
    let mut rig = attached(&["AHU-22"]);
    for (target, good, bad) in [
        (json!({ "family": "bacnet", "addr": "582312" }), "AV/12#present_value", "ref-0a1b"),
        (json!({ "family": "modbus", "addr": "line", "unitid": "4" }), "3/100", "ref-0a1b"),
        (json!({ "family": "vendor", "addr": "7" }), "ref-0a1b", ""),
    ] {
        let mut config = with_target(target);
        config["pointset"]["points"]["setpoint"] = json!({ "ref": good });
        rig.config_of("AHU-22", config.clone());
        assert_eq!(state_of(&mut rig, "AHU-22")["pointset"]["points"]["setpoint"], json!({}), "{good}");
        if !bad.is_empty() {
            config["pointset"]["points"]["setpoint"] = json!({ "ref": bad, "set_value": 20 });
            rig.config_of("AHU-22", config);
            let point = state_of(&mut rig, "AHU-22")["pointset"]["points"]["setpoint"].clone();
            assert_eq!(point["status"]["category"], "pointset.point.failure");
            assert_eq!((&point["status"]["level"], &point["value_state"]), (&json!(500), &Json::Null));
            assert_eq!(rig.hooks(), vec![], "nothing is written there");
        }
    }
}

#[test]
fn reads_of_many_devices_wait_for_each_other() {
    let devices: Vec<_> = (0..300).map(|n| format!("AHU-{}", n + 100)).collect();
    let devices: Vec<_> = devices.iter().map(String::as_str).collect();
    let mut rig = attached(&devices);
    let mut config = quiet();
    config["pointset"]["sample_rate_sec"] = json!(60);
    config["pointset"]["points"] = json!({ "temperature": {} });
    for device in &devices {
        rig.config_of(device, config.clone());
    }
    let answer = |rig: &mut Rig| {
        let hooks = rig.hooks();
        for (id, _) in &hooks {
            let reading = Reading::Value(21.into());
            rig.answer(*id, Outcome::Values { values: [("temperature".into(), reading)].into() });
        }
        hooks.len()
    };
    assert_eq!(answer(&mut rig), 256, "as many as there may be at a time");
    rig.advance(1000);
    assert_eq!(answer(&mut rig), 44);
    for device in &devices {
        let state = rig.sent_on(&format!("{device}/state")).pop().expect("a state").payload;
        assert_eq!(state["pointset"]["points"]["temperature"], json!({}));
        assert_eq!(rig.sent_on(&format!("{device}/events/pointset")).len(), 1, "{device}");
    }
}

#[test]
fn reads_that_find_no_room_for_long_have_failed_without_blame_of_the_device() {
    let devices: Vec<_> = (0..257).map(|n| format!("AHU-{}", n + 100)).collect();
    let devices: Vec<_> = devices.iter().map(String::as_str).collect();
    let mut rig = attached(&devices);
    let mut config = quiet();
    config["pointset"]["points"] = json!({ "setpoint": { "set_value": 7 } });
    for device in &devices {
        rig.config_of(device, config.clone());
    }
    assert_eq!(rig.hooks().len(), 256, "nobody answers a write");
    config["pointset"] = json!({ "sample_rate_sec": 60, "points": { "temperature": {} } });
    rig.config_of("AHU-356", config);
    rig.advance(6000);
    let state = rig.sent_on("AHU-356/state").pop().expect("a state").payload;
    let status = state["pointset"]["points"]["temperature"]["status"]["message"].as_str().unwrap().to_owned();
    assert!(status.contains("too many requests"), "{status}");
    assert_eq!(state["gateway"], json!({}));
}

#[test]
fn a_fieldbus_that_does_not_answer_shows_until_a_read_succeeds() {
    let mut rig = attached(&["AHU-22"]);
    let mut config = quiet();
    config["pointset"]["sample_rate_sec"] = json!(10);
    config["pointset"]["points"]["temperature"] = json!({ "ref": "AI/1" });
    rig.config_of("AHU-22", config);
    let (id, _, _, hook) = asked(&mut rig);
    let Hook::ReadPoints { wanted } = hook else { panic!("expected a read, found {hook:?}") };
    assert_eq!(wanted.references, [("temperature".to_owned(), "AI/1".to_owned())].into());
    rig.answer(id, Outcome::Values { values: [("temperature".into(), Reading::Value(21.into()))].into() });
    rig.advance(12_000);
    rig.sent();
    let (id, ..) = asked(&mut rig);
    rig.answer(id, Outcome::Failed { message: "no answer from 582312".into() });
    let state = state_of(&mut rig, "AHU-22");
    let status = &state["gateway"]["status"];
    assert_eq!((&status["category"], &status["level"]), (&json!("gateway.proxy.connect"), &json!(500)));
    assert_eq!(status["message"], "no answer from 582312");
    let events = rig.sent_on("AHU-22/events/pointset");
    assert!(events.iter().all(|event| event.payload["points"]["temperature"] == Json::Null), "nothing stale");
    rig.advance(10_000);
    let (id, ..) = asked(&mut rig);
    rig.answer(id, Outcome::Values { values: [("temperature".into(), Reading::Value(22.into()))].into() });
    assert_eq!(state_of(&mut rig, "AHU-22")["gateway"], json!({}));
}

/// A family's own patience may be longer than half a sample period, so its error never comes.
#[test]
fn regression_a_read_that_is_not_answered_at_all_shows_as_well() {
    let mut rig = attached(&["AHU-22"]);
    let mut config = quiet();
    config["pointset"]["sample_rate_sec"] = json!(10);
    config["pointset"]["points"]["temperature"] = json!({ "ref": "AI/1" });
    rig.config_of("AHU-22", config);
    let (id, ..) = asked(&mut rig);
    rig.advance(6000);
    assert_eq!(rig.cancelled(), [id]);
    let status = state_of(&mut rig, "AHU-22")["gateway"]["status"].clone();
    assert_eq!(
        (&status["category"], &status["message"]),
        (&json!("gateway.proxy.connect"), &json!("not read in time"))
    );
    rig.advance(7500);
    let (id, ..) = asked(&mut rig);
    rig.answer(id, Outcome::Values { values: [("temperature".into(), Reading::Value(22.into()))].into() });
    assert_eq!(state_of(&mut rig, "AHU-22")["gateway"], json!({}));
}
