//! Who is acted for: the config's ids, the application's knowledge, and what is left of those that go.

use serde_json::json;
use udmi_proto::{Command, Notice, Settings};

use crate::support::{Rig, polled};
use crate::{
    acting_for, attached, attachments, connected, for_device, implicit, knowing, proxy, quiet, state_of,
};

fn loads(rig: &Rig) -> (udmi_proto::Load, udmi_proto::GatewayLoad) {
    (rig.device.load(), rig.device.dialect().gateway_load().unwrap())
}

fn reasons(rig: &mut Rig) -> Vec<String> {
    let reason = |notice| match notice {
        Notice::CommandRefused { reason } => Some(reason),
        _ => None,
    };
    rig.notices().into_iter().filter_map(reason).collect()
}

/// §11 item 29.
#[test]
fn the_config_says_whom_an_explicit_gateway_acts_for_known_or_not() {
    let mut rig = connected(knowing(&["AHU-22", "SNS-4"]));
    rig.config(acting_for(&["AHU-22", "NEW-1"]));
    assert_eq!(attachments(&mut rig), ["+AHU-22", "+NEW-1"]);
    rig.config(acting_for(&["NEW-1", "SNS-4"]));
    assert_eq!(attachments(&mut rig), ["-AHU-22", "+SNS-4"]);
    assert!(!rig.subscriptions.iter().any(|filter| filter.contains("AHU-22")));
    rig.config(json!({ "gateway": 7 }));
    assert_eq!(attachments(&mut rig), Vec::<String>::new(), "a block that cannot be read changes nothing");
    rig.config_of("NEW-1", quiet());
    let state = state_of(&mut rig, "NEW-1");
    assert_eq!(state["system"]["serial_no"], "unknown", "§11 item 59");
    rig.config(json!({}));
    assert_eq!(attachments(&mut rig).len(), 2, "no block, no devices");
}

#[test]
fn the_application_says_whom_an_implicit_gateway_acts_for() {
    let mut rig = connected(implicit(knowing(&["AHU-22"])));
    rig.config(acting_for(&["NEW-1"]));
    assert_eq!(attachments(&mut rig), ["+AHU-22"]);
    rig.command(Command::AddProxy { device: "SNS-4".into(), proxy: Box::new(proxy("SNS-4")) });
    assert_eq!(attachments(&mut rig), ["+SNS-4"]);
    rig.command(Command::RemoveProxy { device: "AHU-22".into() });
    assert_eq!(attachments(&mut rig), ["-AHU-22"]);
    rig.command(Command::RemoveProxy { device: "AHU-22".into() });
    assert_eq!(reasons(&mut rig), ["device AHU-22: the gateway does not act for it"]);
}

#[test]
fn what_is_told_of_a_device_before_it_is_acted_for_is_not_lost() {
    let mut rig = connected(knowing(&["AHU-22"]));
    let value = Command::SetPoint { point: "setpoint".into(), value: udmi_proto::Value::Number(21.5) };
    rig.command(for_device("AHU-22", value));
    rig.command(for_device(
        "AHU-22",
        Command::SetFamilyAddress { family: "vendor".into(), address: Some("7".into()) },
    ));
    rig.config(acting_for(&["AHU-22"]));
    rig.config_of(
        "AHU-22",
        json!({
            "pointset": { "sample_rate_sec": 10, "points": { "setpoint": {} } },
            "localnet": { "families": { "vendor": {} } },
        }),
    );
    let state = state_of(&mut rig, "AHU-22");
    assert_eq!(state["localnet"]["families"]["vendor"]["addr"], "7");
    let events = rig.sent_on("AHU-22/events/pointset");
    assert_eq!(events[0].payload["points"]["setpoint"]["present_value"], 21.5);
}

#[test]
fn what_is_learnt_of_an_attached_device_shows_at_once() {
    let mut rig = connected(knowing(&[]));
    rig.config(acting_for(&["NEW-1"]));
    rig.config_of("NEW-1", quiet());
    let unknown = state_of(&mut rig, "NEW-1");
    assert_eq!(unknown["pointset"]["points"]["temperature"]["status"]["level"], 500);
    rig.command(Command::AddProxy { device: "NEW-1".into(), proxy: Box::new(proxy("NEW-1")) });
    let known = state_of(&mut rig, "NEW-1");
    assert_eq!(known["system"]["serial_no"], "serial of NEW-1");
    assert_eq!(known["pointset"]["points"]["temperature"], json!({}));
    rig.command(Command::RemoveProxy { device: "NEW-1".into() });
    let forgotten = state_of(&mut rig, "NEW-1");
    assert_eq!(forgotten["pointset"]["points"]["temperature"]["status"]["level"], 500);
    assert_eq!(rig.device.dialect().gateway_load().unwrap().attached, 1, "the config names it");
}

#[test]
fn a_device_that_is_named_no_more_and_named_again_leaves_nothing_behind() {
    for known in [&["SNS-4"][..], &["SNS-4", "AHU-22"]] {
        let mut rig = connected(knowing(known));
        rig.config(acting_for(&["SNS-4"]));
        rig.config_of("SNS-4", quiet());
        rig.advance(10_000);
        let before = loads(&rig);
        for _ in 0..3 {
            rig.config(acting_for(&["SNS-4", "AHU-22"]));
            rig.config_of(
                "AHU-22",
                json!({
                    "system": { "metrics_rate_sec": 10, "operation": { "mode": "active" } },
                    "pointset": {
                        "sample_rate_sec": 10, "set_value_expiry": "2027-01-01T00:00:00Z",
                        "points": { "temperature": {}, "setpoint": { "set_value": 20 } }
                    },
                    "gateway": { "target": { "family": "bacnet", "addr": "9" } },
                    "localnet": { "families": {} }, "discovery": {}, "blobset": { "blobs": {} }
                }),
            );
            rig.advance(15_000);
            rig.deliver_to("AHU-22", "commands/restart", b"{}");
            rig.deliver_to("AHU-22", "commands/odd", b"{}");
            rig.config(acting_for(&["SNS-4"]));
            for (id, _) in rig.hooks() {
                rig.answer(id, udmi_proto::Outcome::Done);
            }
            rig.advance(10_000);
            assert_eq!(loads(&rig), before, "{known:?}");
            assert_eq!(rig.subscriptions.len(), before.0.subscriptions);
            let sent = rig.sent();
            assert!(
                !sent.iter().any(|sent| sent.at + 10_000 > rig.now.at.0 && sent.topic.contains("AHU-22"))
            );
        }
    }
}

#[test]
fn ids_that_cannot_be_attached_are_left_out_and_told() {
    let mut settings = knowing(&[]);
    settings.gateway.as_mut().unwrap().maximum = 2;
    let mut rig = connected(settings);
    rig.config(acting_for(&["A-1", "a/b", "#", "", "AHU-1", "A-2", "A-3"]));
    assert_eq!(attachments(&mut rig), ["+A-1", "+A-2"]);
    let status = rig.state()["gateway"]["status"].clone();
    assert_eq!(status["message"], "5 of the proxy_ids are left out");
    rig.config(acting_for(&["A-1", "A-2"]));
    assert_eq!(rig.state()["gateway"], json!({}));
}

#[test]
fn knowledge_is_bounded_and_ids_are_checked() {
    let mut settings = knowing(&["A-1"]);
    settings.gateway.as_mut().unwrap().maximum = 1;
    let mut rig = connected(settings);
    for id in ["A-2", "", "a/b", "AHU-1"] {
        rig.command(Command::AddProxy { device: id.into(), proxy: Box::default() });
        assert_eq!(reasons(&mut rig).len(), 1, "{id}");
    }
    rig.command(Command::AddProxy { device: "A-1".into(), proxy: Box::default() });
    assert_eq!(reasons(&mut rig), Vec::<String>::new());
    for (own, wrong) in [("A-1", true), ("A-2", false)] {
        let settings = Settings { device_id: own.into(), ..knowing(&["A-1"]) };
        assert_eq!(settings.check().is_err(), wrong);
    }
}

#[test]
fn commands_for_nobody_and_for_the_connection_are_refused() {
    let mut rig = attached(&["AHU-22"]);
    rig.forget();
    rig.command(for_device("SNS-4", Command::SampleNow));
    assert_eq!(reasons(&mut rig), ["device SNS-4: the gateway does not act for it"]);
    let nested = for_device("SNS-4", Command::SampleNow);
    for command in [Command::RotateKey, nested, Command::RemoveProxy { device: "SNS-4".into() }] {
        rig.command(for_device("AHU-22", command));
        let notices = rig.notices();
        let refused = |notice: &Notice| matches!(notice, Notice::Proxied { notice, .. } if matches!(**notice, Notice::CommandRefused { .. }));
        assert!(notices.iter().any(refused), "{notices:?}");
    }
    let mut direct = Rig::connected(&[("a", polled())]);
    direct.command(for_device("SNS-4", Command::SampleNow));
    assert_eq!(reasons(&mut direct), ["device SNS-4: this device is no gateway"]);
}
