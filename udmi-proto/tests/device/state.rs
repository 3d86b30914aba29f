//! When a state goes out, what it holds, and what keeps it back (§1.9, §7).

use serde_json::json;
use udmi_proto::{Command, Json, Level, Notice, Settings, SettingsError};

use super::support::{BIRTH, Rig, pushed, settings, settings_with, time, writable};

fn software(module: &str, version: &str) -> Command {
    Command::SetSoftware { module: module.into(), version: Some(version.into()) }
}

fn block(name: &str, content: &str) -> Command {
    Command::SetBlock { name: name.into(), content: Some(Json::object(content).unwrap()) }
}

fn waiting(config_sync_seconds: i64) -> Rig {
    let mut settings = settings();
    settings.options.config_sync_seconds = config_sync_seconds;
    let mut rig = Rig::new(settings);
    rig.connect();
    rig
}

/// §1.9.3, §7.1.
#[test]
fn no_state_goes_out_before_the_first_config_of_a_connection_and_one_right_after_it() {
    let mut rig = waiting(0);
    rig.command(software("firmware", "v2"));
    rig.advance(9000);
    assert!(rig.states().is_empty());
    rig.config(json!({}));
    assert_eq!(rig.states().len(), 1);
    rig.advance(60_000);
    assert!(rig.states().is_empty());
}

/// §11 item 62: zero means ten seconds, negative does not wait.
#[test]
fn without_a_config_one_state_goes_out_when_the_wait_is_over() {
    for (seconds, expected) in [(0, 10_000), (3, 3000), (-1, 0), (i64::MIN, 0)] {
        let mut rig = waiting(seconds);
        rig.advance(60_000);
        let sent = rig.sent_on("state");
        assert_eq!(sent.iter().map(|sent| sent.at).collect::<Vec<_>>(), [expected], "{seconds}");
        assert_eq!(sent[0].payload["system"]["last_config"], "1970-01-01T00:00:00Z");
        // The config that comes later is answered like any other.
        rig.config(json!({}));
        assert_eq!(rig.states().len(), 1);
    }
    let mut rig = waiting(i64::MAX);
    rig.advance(100_000);
    assert!(rig.states().is_empty());
}

/// §7.2, §C.6 item 5.
#[test]
fn ten_changes_in_a_second_are_two_states_the_last_of_them_complete() {
    let mut rig = waiting(-1);
    rig.advance(5000);
    rig.forget();
    for number in 0..10 {
        rig.command(software("firmware", &number.to_string()));
        rig.advance(100);
    }
    rig.advance(10_000);
    let sent = rig.sent_on("state");
    assert_eq!(sent.iter().map(|sent| sent.at).collect::<Vec<_>>(), [5000, 7000]);
    assert_eq!(sent[1].payload["system"]["software"]["firmware"], "9");
}

/// §7.1: never without a change.
#[test]
fn a_command_that_changes_nothing_sends_no_state() {
    let mut rig = waiting(-1);
    rig.command(software("firmware", "v1"));
    rig.command(block("own", "{\"a\":1}"));
    rig.advance(5000);
    rig.forget();
    rig.command(software("firmware", "v1"));
    rig.command(Command::SetSoftware { module: "other".into(), version: None });
    rig.command(block("own", "{\"a\":1}"));
    rig.command(Command::SetBlock { name: "none".into(), content: None });
    rig.command(Command::SetFamilyAddress { family: "ipv4".into(), address: Some("10.0.0.1".into()) });
    rig.advance(5000);
    assert!(rig.states().is_empty());
}

/// §9.6 `too_much_state`: at most six in 60 s of idleness, stragglers of the last config included.
#[test]
fn an_idle_device_sends_one_state_a_minute_at_most_whatever_blocks_its_config_has() {
    let mut rig = Rig::new(Settings {
        families: [("ipv4".to_owned(), "10.0.0.7".to_owned())].into(),
        ..settings_with(&[("a", pushed()), ("b", writable(0.0, 9.0))])
    });
    rig.connect();
    rig.config(json!({
        "system": { "metrics_rate_sec": 1, "min_loglevel": 100, "operation": { "mode": "active" } },
        "pointset": { "sample_rate_sec": 1, "points": { "a": { "cov_increment": 0.1 }, "b": {}, "unknown": {} } },
        "localnet": { "families": { "ipv4": {}, "ipv6": {} } },
        "discovery": { "families": {} }, "gateway": { "proxy_ids": [] }, "blobset": { "blobs": {} },
    }));
    rig.forget();
    for number in 0..600_i64 {
        rig.set("a", number);
        rig.set("b", number % 9);
        rig.advance(100);
    }
    assert!(rig.states().len() <= 1);
}

/// §7.7.
#[test]
fn a_device_that_suppresses_state_sends_none_ever_and_all_else_as_before() {
    let mut settings = settings_with(&[("a", pushed())]);
    settings.options.suppress_state = true;
    let mut rig = Rig::new(settings);
    rig.connect();
    rig.config(json!({
        "system": { "operation": { "mode": "active" } },
        "pointset": { "sample_rate_sec": 10, "points": { "a": {} } },
    }));
    rig.set("a", 1);
    rig.advance(20_000);
    rig.deliver("config", b"{ broken");
    rig.command(Command::Stop { reason: udmi_proto::ExitReason::Shutdown });
    rig.advance(5000);
    assert!(rig.states().is_empty());
    assert!(!rig.events().is_empty());
    assert!(rig.exit.is_some());
    assert!(!rig.notices().contains(&Notice::StatePublished));
}

/// §2.2.
#[test]
fn state_timestamps_do_not_go_backwards_when_the_wall_clock_is_corrected() {
    let mut rig = waiting(-1);
    rig.advance(5000);
    let mut stamps = Vec::new();
    for (number, step) in [0, -50_000, 10_000, 7_200_000, -1, -60_000].into_iter().enumerate() {
        rig.now.utc.0 += step;
        rig.command(software("firmware", &number.to_string()));
        stamps.push(rig.state()["timestamp"].as_str().unwrap().to_owned());
    }
    assert!(stamps.is_sorted(), "{stamps:?}");
}

/// A clock that was hours ahead at the start does not stamp all states of those hours with the same second.
#[test]
fn state_timestamps_follow_a_wall_clock_that_was_wrong() {
    let mut rig = waiting(-1);
    rig.now.utc.0 += 7_200_000;
    rig.advance(5000);
    rig.forget();
    rig.now.utc.0 -= 7_200_000;
    rig.command(software("firmware", "v2"));
    assert_eq!(rig.state()["timestamp"], time(5000));
}

/// §2.2: whole seconds, and the moment of sending.
#[test]
fn a_state_is_stamped_with_the_second_it_is_sent_in() {
    let mut rig = waiting(-1);
    rig.advance(12_345);
    rig.forget();
    rig.command(software("firmware", "x"));
    assert_eq!(rig.states()[0]["timestamp"], time(12_000));
}

/// The wall clock moves no interval.
#[test]
fn steps_of_the_wall_clock_move_neither_states_nor_samples_nor_metrics() {
    let run = |step: i64| {
        let mut rig = Rig::connected(&[("a", pushed())]);
        rig.set("a", 1);
        rig.config(json!({
            "system": { "metrics_rate_sec": 7 },
            "pointset": { "sample_rate_sec": 5, "points": { "a": {} } },
        }));
        rig.command(software("firmware", "x"));
        rig.advance(1000);
        rig.now.utc.0 += step;
        rig.advance(40_000);
        rig.sent().into_iter().map(|sent| (sent.at, sent.topic)).collect::<Vec<_>>()
    };
    let steady = run(0);
    assert_eq!(run(86_400_000), steady);
    assert_eq!(run(-86_400_000), steady);
}

/// §1.9.3 and 4, §C.5: after a reconnect as after a connect; the state is the newest.
#[test]
fn after_a_reconnect_the_state_waits_for_the_config_again() {
    let mut rig = waiting(0);
    rig.config(json!({}));
    rig.command(software("firmware", "owed")); // within the floor, so it is owed
    rig.disconnect();
    rig.forget();
    rig.connect();
    rig.command(software("firmware", "newest"));
    rig.advance(5000);
    assert!(rig.states().is_empty());
    rig.deliver_retained("config", format!("{{\"timestamp\":\"{}\"}}", time(0)).as_bytes());
    let states = rig.states();
    assert_eq!(states.len(), 1);
    assert_eq!(states[0]["system"]["software"]["firmware"], "newest");
}

/// §7.1: a state that was sent and not acknowledged is not repeated before the next config.
#[test]
fn an_unacknowledged_state_does_not_go_out_on_the_next_connection_before_its_config() {
    let mut rig = waiting(0);
    rig.acknowledge = false;
    rig.config(json!({}));
    rig.disconnect();
    rig.forget();
    rig.acknowledge = true;
    rig.connect();
    rig.advance(5000);
    assert!(rig.states().is_empty());
}

/// §7.2: the floor is the device's, not the connection's.
#[test]
fn a_link_that_comes_and_goes_does_not_lower_the_time_between_states() {
    let mut rig = Rig::new(settings());
    let mut times = Vec::new();
    for _ in 0..20 {
        rig.connect();
        rig.deliver_retained("config", format!("{{\"timestamp\":\"{}\"}}", time(0)).as_bytes());
        rig.advance(300);
        times.extend(rig.sent_on("state").into_iter().map(|sent| sent.at));
        rig.disconnect();
    }
    assert!(times.len() > 5, "{times:?}");
    assert!(times.is_sorted_by(|before, after| before + 2000 <= *after), "{times:?}");
}

/// §7.2: configs without end are answered at the floor, and the last of them is.
#[test]
fn a_flood_of_configs_is_answered_every_two_seconds() {
    let mut rig = Rig::connected(&[]);
    for number in 0..300 {
        rig.config(json!({ "timestamp": time(number) }));
        rig.advance(100);
    }
    rig.advance(2000);
    let sent = rig.sent_on("state");
    assert_eq!(sent.len(), 16);
    assert_eq!(sent[15].payload["system"]["last_config"], time(299));
}

/// §2.6: an empty payload is an answer to the subscription: there is no config.
#[test]
fn an_empty_payload_ends_the_wait_for_the_first_config() {
    let mut rig = waiting(0);
    rig.deliver_retained("config", b"");
    let states = rig.states();
    assert_eq!(states[0]["system"]["last_config"], "1970-01-01T00:00:00Z");
    assert_eq!(states[0]["system"].get("status"), None);
}

/// §3.2.
#[test]
fn the_required_members_are_there_for_a_device_that_knows_nothing_of_itself() {
    let mut settings = settings();
    settings.identity.make = String::new();
    settings.identity.serial_no = String::new();
    settings.identity.software = [("firm_ware", "1"), ("Firmware", "2"), ("v2", "3"), ("", "4")]
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .into();
    settings.identity.params = [("Not-legal".to_owned(), "x".to_owned())].into();
    settings.options.config_sync_seconds = -1;
    let mut rig = Rig::new(settings);
    rig.connect();
    assert_eq!(
        rig.states().remove(0),
        json!({
            "timestamp": time(0), "version": "1.5.7",
            "system": {
                "last_config": "1970-01-01T00:00:00Z",
                "operation": { "operational": true, "mode": "initial", "last_start": time(0), "restart_count": 1 },
                "serial_no": "unknown", "hardware": { "make": "unknown", "model": "unknown" },
                "software": { "firm_ware": "1" },
            },
        })
    );
}

/// §2.6: keys follow `^[a-z_]+$`.
#[test]
fn software_is_set_and_removed_and_an_illegal_key_is_refused() {
    let mut rig = waiting(-1);
    rig.command(software("firmware", "v1"));
    rig.command(software("os", "6.1"));
    rig.command(Command::SetSoftware { module: "os".into(), version: None });
    assert_eq!(rig.state()["system"]["software"], json!({ "firmware": "v1" }));
    for illegal in ["", "Firmware", "fw2", "a-b", "ä"] {
        rig.forget();
        rig.command(software(illegal, "x"));
        assert!(matches!(rig.notices()[..], [Notice::CommandRefused { .. }]), "{illegal}");
    }
}

/// §6.5: the device's addresses in the families the config names; one it has no address in is left out.
#[test]
fn localnet_has_the_addresses_of_the_families_that_the_config_names() {
    let mut rig = Rig::new(Settings {
        families: [("ipv4", "10.0.0.7"), ("ether", "00:50:b6:ed:5e:77")]
            .map(|(family, address)| (family.to_owned(), address.to_owned()))
            .into(),
        ..settings()
    });
    rig.connect();
    rig.config(json!({ "localnet": { "families": { "ipv4": {}, "ipv6": {}, "BACnet": {} } } }));
    assert_eq!(rig.state()["localnet"], json!({ "families": { "ipv4": { "addr": "10.0.0.7" } } }));
    rig.command(Command::SetFamilyAddress { family: "ipv6".into(), address: Some("fe80::1".into()) });
    assert_eq!(rig.state()["localnet"]["families"]["ipv6"], json!({ "addr": "fe80::1" }));
    rig.command(Command::SetFamilyAddress { family: "ipv6".into(), address: None });
    assert_eq!(rig.state()["localnet"], json!({ "families": { "ipv4": { "addr": "10.0.0.7" } } }));
}

/// A block of the application's own cannot take the place of one of UDMI's.
#[test]
fn own_state_blocks_come_and_go_and_take_no_name_of_udmi() {
    let mut rig = waiting(-1);
    rig.command(block("own_block", "{\"a\":[1]}"));
    assert_eq!(rig.state()["own_block"], json!({ "a": [1] }));
    rig.command(Command::SetBlock { name: "own_block".into(), content: None });
    assert_eq!(rig.state().get("own_block"), None);
    for taken in ["system", "pointset", "timestamp", "version", "alarmset", "upgraded_from", "Own", "a-b", ""]
    {
        rig.forget();
        rig.command(block(taken, "{}"));
        assert!(matches!(rig.notices()[..], [Notice::CommandRefused { .. }]), "{taken}");
    }
}

/// The bound of own blocks; one that is there may still change.
#[test]
fn there_are_sixteen_own_blocks_at_most() {
    let mut rig = waiting(-1);
    for number in 0..16 {
        rig.command(block(&format!("b{number}"), "{}"));
    }
    rig.forget();
    rig.command(block("b16", "{}"));
    assert!(matches!(rig.notices()[..], [Notice::CommandRefused { .. }]));
    rig.command(block("b3", "{\"x\":1}"));
    assert_eq!(rig.state()["b3"], json!({ "x": 1 }));
}

/// Config blocks named in the settings go to the application, each with each config.
#[test]
fn own_config_blocks_are_handed_over_with_every_good_config() {
    let mut rig = Rig::new(Settings { custom_blocks: vec!["own".into()], ..settings() });
    rig.connect();
    let told = |rig: &mut Rig| {
        rig.notices()
            .into_iter()
            .filter_map(|notice| match notice {
                Notice::Block { name, content } => Some((name, content.map(|json| json.as_str().to_owned()))),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    rig.config(json!({ "own": { "a": 1 }, "other": {} }));
    assert_eq!(told(&mut rig), [("own".to_owned(), Some("{\"a\":1}".to_owned()))]);
    rig.deliver("config", b"{ broken");
    assert_eq!(told(&mut rig), []);
    let crowd: String = (0..1000).map(|number| format!(",\"x{number}\":{{}}")).collect();
    rig.deliver("config", format!("{{\"timestamp\":\"{}\"{crowd},\"own\":[1]}}", time(0)).as_bytes());
    assert_eq!(told(&mut rig), [("own".to_owned(), Some("[1]".to_owned()))]);
    rig.config(json!({}));
    assert_eq!(told(&mut rig), [("own".to_owned(), None)]);
}

/// A block of UDMI's own would never be handed over.
#[test]
fn a_config_block_of_udmi_is_refused_as_an_own_one() {
    for name in ["system", "pointset", "timestamp", "version"] {
        let refused = Settings { custom_blocks: vec![name.into()], ..settings() };
        assert_eq!(refused.check(), Err(SettingsError::CustomBlock), "{name}");
    }
    assert_eq!(Settings { custom_blocks: vec!["own".into()], ..settings() }.check(), Ok(()));
}

/// §1.4, §2.1: own events have the two members all have, and no folder the core speaks on.
#[test]
fn own_events_are_stamped_and_take_no_folder_of_the_core() {
    let mut rig = waiting(-1);
    rig.advance(250);
    let event = |folder: &str, content: &str| Command::SendEvent {
        folder: folder.into(),
        content: Json::object(content).unwrap(),
    };
    rig.command(event("own", r#"{"version":"0","timestamp":"x","a\"b":[1,{}],"z":null}"#));
    let stamp = udmi_proto::model::common::Timestamp::from_millis(BIRTH + 250).as_str().to_owned();
    assert_eq!(
        rig.sent_on("events/own")[0].payload,
        json!({ "timestamp": stamp, "version": "1.5.7", "a\"b": [1, {}], "z": null })
    );
    for refused in ["system", "pointset", "alarmset", "", "a/b", "+", "#", "Own"] {
        rig.forget();
        rig.command(event(refused, "{}"));
        assert!(matches!(rig.notices()[..], [Notice::CommandRefused { .. }]), "{refused}");
        assert!(rig.sent().is_empty());
    }
}

/// §7.1: a state over the packet limit is not lost in silence.
#[test]
fn a_state_that_no_packet_can_hold_is_told_in_the_log() {
    let mut rig = waiting(-1);
    rig.advance(5000);
    rig.forget();
    rig.command(block("own", &format!("{{\"x\":\"{}\"}}", "x".repeat(2 << 20))));
    assert!(super::entries(&mut rig).contains(&("device.outbox".to_owned(), u64::from(Level::ERROR.0))));
}
