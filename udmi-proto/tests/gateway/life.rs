//! Runs of a proxied device: its logic restarts alone, and its starts are counted across the gateway's (§6.7).

use serde_json::json;
use udmi_proto::{Command, ExitReason, Hook, Outcome};

use crate::support::Rig;
use crate::{acting_for, attached, attachments, for_device, knowing, quiet, state_of};

fn with_mode(mode: &str) -> serde_json::Value {
    let mut config = quiet();
    config["system"]["operation"]["mode"] = json!(mode);
    config
}

#[test]
fn a_restart_by_mode_is_announced_and_restarts_the_logic_of_that_device_alone() {
    let mut rig = attached(&["AHU-22", "SNS-4"]);
    rig.config_of("SNS-4", quiet());
    rig.config_of("AHU-22", quiet());
    let before = state_of(&mut rig, "AHU-22");
    assert_eq!(before["system"]["operation"]["restart_count"], 1);
    rig.forget();
    rig.subscribed.clear();
    rig.config_of("AHU-22", with_mode("restart"));
    rig.advance(5000);
    let states = rig.sent_on("AHU-22/state");
    assert_eq!(states.last().unwrap().payload["system"]["operation"]["mode"], "restart");
    assert!(rig.exit.is_none());
    assert!(
        rig.subscribed.iter().any(|filter| filter.ends_with("AHU-22/config")),
        "asks for its config again"
    );
    rig.config_of("AHU-22", with_mode("restart"));
    rig.advance(10_000);
    let after = rig.sent_on("AHU-22/state").pop().unwrap().payload;
    let operation = &after["system"]["operation"];
    assert_eq!((&operation["mode"], &operation["restart_count"]), (&json!("initial"), &json!(2)));
    assert!(operation["last_start"].as_str() > before["system"]["operation"]["last_start"].as_str());
    let foreign: Vec<_> = rig.sent().into_iter().filter(|sent| !sent.topic.starts_with("AHU-22/")).collect();
    assert_eq!(foreign, vec![]);
    assert_eq!(attachments(&mut rig), Vec::<String>::new(), "it stays attached");
}

#[test]
fn regression_the_state_that_announces_a_restart_goes_out_however_late() {
    let mut rig = attached(&["AHU-22"]);
    rig.config_of("AHU-22", quiet());
    rig.advance(3000);
    rig.acknowledge = false;
    for _ in 0..100 {
        let content = udmi_proto::Json::object("{}").unwrap();
        rig.command(Command::SendEvent { folder: "bulk".into(), content });
    }
    rig.forget();
    rig.config_of("AHU-22", with_mode("restart"));
    rig.advance(3000);
    assert_eq!(rig.sent_on("AHU-22/state"), vec![], "the window is full");
    rig.acknowledge = true;
    while !rig.unacknowledged.is_empty() {
        rig.acknowledge_one();
    }
    let state = rig.sent_on("AHU-22/state").pop().expect("the last state");
    assert_eq!(state.payload["system"]["operation"]["mode"], "restart");
}

#[test]
fn a_restart_lets_a_written_point_be() {
    let mut rig = attached(&["AHU-22"]);
    let mut config = quiet();
    config["pointset"]["points"]["setpoint"] = json!({ "set_value": 20 });
    rig.config_of("AHU-22", config.clone());
    let id = rig.hooks()[0].0;
    rig.answer(id, Outcome::Done);
    rig.advance(3000);
    rig.command(for_device("AHU-22", Command::Stop { reason: ExitReason::Restart }));
    rig.advance(3000);
    assert_eq!(rig.hooks(), vec![]);
    rig.config_of("AHU-22", config);
    let hooks = rig.hooks();
    assert!(
        matches!(&hooks[..], [(_, Hook::Proxied { hook, .. })] if matches!(**hook, Hook::WritePoint { .. }))
    );
    let id = hooks[0].0;
    rig.answer(id, Outcome::Done);
    rig.config_of("AHU-22", quiet());
    let hooks = rig.hooks();
    assert!(
        matches!(&hooks[..], [(_, Hook::Proxied { hook, .. })] if matches!(**hook, Hook::ReleasePoint { .. }))
    );
}

/// Another gateway has taken the device over, or the cloud wants it gone: the gateway itself goes on.
#[test]
fn a_device_that_is_to_end_is_not_acted_for_any_more() {
    for end in [
        with_mode("terminate"),
        with_mode("shutdown"),
        json!({ "system": { "operation": { "last_start": "2036-01-01T00:00:00Z" } } }),
    ] {
        let mut rig = attached(&["AHU-22"]);
        rig.config_of("AHU-22", quiet());
        rig.advance(3000);
        rig.forget();
        rig.config_of("AHU-22", end);
        rig.advance(5000);
        assert_eq!(attachments(&mut rig), ["-AHU-22"]);
        assert!(rig.exit.is_none());
        rig.config(acting_for(&["AHU-22"]));
        rig.advance(200_000);
        assert_eq!(attachments(&mut rig), Vec::<String>::new());
        rig.config(acting_for(&[]));
        rig.config(acting_for(&["AHU-22"]));
        assert_eq!(attachments(&mut rig), ["+AHU-22"], "named anew");
    }
}

#[test]
fn starts_are_counted_across_runs_of_the_gateway_in_one_stored_value() {
    let mut rig = attached(&["AHU-22", "SNS-4"]);
    rig.advance(2000);
    let stored = rig.store.iter().find(|(key, _)| key.as_str() == "proxies").unwrap().1.clone();
    let stored: serde_json::Value = serde_json::from_slice(&stored).unwrap();
    assert_eq!(stored["devices"]["SNS-4"]["restart_count"], 1);
    let mut next = Rig::with_store(knowing(&["AHU-22", "SNS-4"]), rig.store.clone());
    next.connect();
    next.config(acting_for(&["AHU-22"]));
    next.config_of("AHU-22", quiet());
    let state = state_of(&mut next, "AHU-22");
    assert_eq!(state["system"]["operation"]["restart_count"], 2);
}

#[test]
fn an_unreadable_count_is_kept_for_people_and_told() {
    let rig = attached(&["AHU-22"]);
    let mut store = rig.store;
    let key = udmi_proto::Key::new("proxies").unwrap();
    store.insert(key.clone(), bytes::Bytes::from_static(b"damaged"));
    let mut next = Rig::with_store(knowing(&["AHU-22"]), store);
    let told = |notice: &udmi_proto::Notice| matches!(notice, udmi_proto::Notice::StoredUnreadable { key, .. } if key == "proxies");
    assert!(next.notices().iter().any(told));
    assert!(next.store.keys().any(|key| key.as_str() == "proxies_unreadable"));
}

#[test]
fn the_end_of_the_gateway_takes_the_last_logs_of_all_with_it() {
    let mut rig = attached(&["AHU-22", "SNS-4"]);
    rig.config_of("AHU-22", quiet());
    rig.advance(3000);
    rig.forget();
    rig.command(for_device(
        "AHU-22",
        Command::Log {
            level: udmi_proto::Level::ERROR,
            category: udmi_proto::Category::device("test"),
            message: "last words".into(),
            detail: None,
        },
    ));
    rig.command(Command::Stop { reason: ExitReason::Shutdown });
    rig.advance(3000);
    assert_eq!(rig.exit, Some(ExitReason::Shutdown));
    let logs = rig.sent_on("AHU-22/events/system");
    assert!(logs.iter().any(|sent| sent.payload.to_string().contains("last words")));
}
