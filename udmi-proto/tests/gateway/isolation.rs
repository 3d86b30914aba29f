//! What goes wrong with one device is nobody else's business.

use serde_json::{Value as Json, json};
use udmi_proto::{Category, Command, Hook, Level};

use crate::support::Rig;
use crate::{attached, for_device, quiet, state_of};

/// §6.7: broken JSON is attributed to the device it was for.
#[test]
fn a_broken_config_of_a_device_touches_only_that_device() {
    let mut rig = attached(&["AHU-22", "SNS-4"]);
    for device in ["AHU-22", "SNS-4"] {
        rig.config_of(device, quiet());
    }
    rig.advance(5000);
    rig.forget();
    rig.deliver_to("AHU-22", "config", b"{ broken by");
    rig.advance(5000);
    let sent = rig.sent();
    let foreign: Vec<_> = sent.iter().filter(|sent| !sent.topic.starts_with("AHU-22/")).collect();
    assert_eq!(foreign, Vec::<&crate::support::Sent>::new());
    let state = &sent.iter().rfind(|sent| sent.topic == "AHU-22/state").unwrap().payload;
    assert_eq!(state["system"]["status"]["category"], "system.config.parse");
    let logs = sent.iter().filter(|sent| sent.topic == "AHU-22/events/system");
    assert!(logs.clone().any(|sent| sent.payload.to_string().contains("system.config.parse")));
    rig.config_of("AHU-22", quiet());
    assert_eq!(state_of(&mut rig, "AHU-22")["system"]["status"], Json::Null);
}

#[test]
fn logs_and_levels_are_the_device_s_own() {
    let mut rig = attached(&["AHU-22", "SNS-4"]);
    let mut config = quiet();
    config["system"]["min_loglevel"] = json!(500);
    rig.config_of("AHU-22", config.clone());
    config["system"]["min_loglevel"] = json!(100);
    rig.config_of("SNS-4", config);
    rig.advance(5000);
    rig.forget();
    for device in ["AHU-22", "SNS-4"] {
        rig.command(for_device(
            device,
            Command::Log {
                level: Level::INFO,
                category: Category::device("test"),
                message: "hello".into(),
                detail: None,
            },
        ));
    }
    rig.advance(2000);
    let topics: Vec<_> = rig.sent().into_iter().map(|sent| sent.topic).collect();
    assert_eq!(topics, ["SNS-4/events/system"]);
}

#[test]
fn commands_of_the_cloud_reach_the_application_with_the_device_s_name() {
    let mut settings = crate::knowing(&["AHU-22", "SNS-4"]);
    settings.options.command_hook = true;
    let mut rig = crate::connected(settings);
    rig.config(crate::acting_for(&["AHU-22", "SNS-4"]));
    rig.deliver_to("SNS-4", "commands/blink", b"twice");
    let hooks = rig.hooks();
    let [(_, Hook::Proxied { device, hook, .. })] = &hooks[..] else { panic!("{hooks:?}") };
    assert_eq!(device, "SNS-4");
    assert_eq!(**hook, Hook::Command { name: "blink".into(), payload: "twice".into() });
    rig.deliver_to("SNS-4", "commands/rotate_key", b"");
    assert!(rig.hooks().is_empty(), "a proxied device has no key");
}

#[test]
fn metrics_and_samples_keep_each_device_s_own_beat() {
    let mut rig = attached(&["AHU-22", "SNS-4"]);
    let config = |rate: i64| {
        json!({
            "system": { "metrics_rate_sec": rate },
            "pointset": { "sample_rate_sec": rate, "points": { "setpoint": {} } },
        })
    };
    rig.config_of("AHU-22", config(10));
    rig.config_of("SNS-4", config(20));
    for device in ["AHU-22", "SNS-4"] {
        rig.command(for_device(device, Command::SetPoint { point: "setpoint".into(), value: 1.into() }));
    }
    rig.advance(5000);
    rig.forget();
    rig.advance(60_000);
    let count = |rig: &mut Rig, topic: &str| rig.sent_on(topic).len();
    assert_eq!(count(&mut rig, "AHU-22/events/pointset"), 6);
    assert_eq!(count(&mut rig, "SNS-4/events/pointset"), 3);
    assert_eq!(count(&mut rig, "AHU-22/events/system"), 6);
    assert_eq!(count(&mut rig, "SNS-4/events/system"), 3);
}

/// Work per message, counted in actions and touched devices rather than in time.
#[test]
fn a_config_of_one_device_causes_the_same_with_ten_and_with_a_thousand_siblings() {
    let caused = |count: usize| {
        let devices: Vec<_> = (0..count).map(|n| format!("AHU-{}", n + 100)).collect();
        let devices: Vec<_> = devices.iter().map(String::as_str).collect();
        let mut rig = attached(&devices);
        for device in &devices {
            rig.config_of(device, quiet());
        }
        rig.advance(10_000);
        rig.forget();
        let before = rig.device.load();
        rig.config_of("AHU-105", quiet());
        rig.advance(3000);
        assert_eq!(rig.device.load(), before);
        let sent: Vec<_> = rig.sent().into_iter().map(|sent| sent.topic).collect();
        (sent, rig.notices())
    };
    assert_eq!(caused(10).0, caused(1000).0);
    assert_eq!(caused(10).1.len(), caused(1000).1.len());
}
