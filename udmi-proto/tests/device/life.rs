//! Modes, the end of a run and the start of the next (§3.7).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value as Json, json};
use udmi_proto::{
    Category, Command, ExitReason, Hook, HookId, Key, Level, Lifecycle, Notice, Outcome, Settings, UtcMillis,
    exit_code,
};

use super::entries;
use super::support::{DISCONNECT, Rig, settings, time};

fn asking() -> Settings {
    let mut settings = settings();
    settings.options.lifecycle_hook = true;
    settings
}

/// A device whose config has brought it to this mode, some seconds ago.
fn in_mode(settings: Settings, mode: &str) -> Rig {
    let mut rig = Rig::new(settings);
    rig.connect();
    order(&mut rig, json!({ "mode": mode }));
    assert_eq!(rig.state()["system"]["operation"]["mode"], mode);
    rig.advance(3000);
    rig.forget();
    rig
}

fn order(rig: &mut Rig, operation: Json) {
    rig.config(json!({ "system": { "operation": operation } }));
}

fn mode(rig: &mut Rig) -> String {
    rig.state()["system"]["operation"]["mode"].as_str().unwrap().to_owned()
}

fn asked(rig: &mut Rig) -> (HookId, Lifecycle) {
    let hooks = rig.hooks();
    let [(id, Hook::Lifecycle { action })] = hooks[..] else { panic!("{hooks:?}") };
    (id, action)
}

/// §3.7, rows 1 and 3: a retained `restart` must not restart the device that it has just restarted.
#[test]
fn a_device_in_initial_stays_there_for_every_order_but_active() {
    for order_of in [
        Json::Null,
        json!("initial"),
        json!("restart"),
        json!("shutdown"),
        json!("terminate"),
        json!("updating"),
    ] {
        let mut rig = Rig::connected(&[]);
        order(&mut rig, json!({ "mode": order_of }));
        assert_eq!(mode(&mut rig), "initial", "{order_of}");
        rig.advance(60_000);
        assert_eq!(rig.exit, None, "{order_of}");
    }
}

/// §3.7, row 2.
#[test]
fn active_is_taken_at_once_and_told() {
    let mut rig = Rig::connected(&[]);
    order(&mut rig, json!({ "mode": "active" }));
    assert_eq!(rig.states()[0]["system"]["operation"]["mode"], "active");
}

/// §3.7, row 4.
#[test]
fn an_active_device_stays_so_for_active_initial_and_none() {
    for order_of in [Json::Null, json!("active"), json!("initial"), json!("updating"), json!("odd")] {
        let mut rig = in_mode(settings(), "active");
        order(&mut rig, json!({ "mode": order_of }));
        assert_eq!(mode(&mut rig), "active", "{order_of}");
        assert_eq!(rig.exit, None);
    }
}

/// §3.7, rows 5 and 8, §11 item 58, and the exit codes of the reference device.
#[test]
fn an_active_device_ends_as_it_is_told_after_a_state_that_says_so() {
    for (order_of, reason, code) in [
        ("restart", ExitReason::Restart, 192),
        ("terminate", ExitReason::Terminate, 193),
        ("shutdown", ExitReason::Shutdown, 0),
    ] {
        let mut rig = in_mode(settings(), "active");
        order(&mut rig, json!({ "mode": order_of }));
        rig.advance(5000);
        let modes: Vec<_> =
            rig.states().iter().map(|state| state["system"]["operation"]["mode"].clone()).collect();
        assert_eq!(modes, ["active", order_of], "the config is answered, then the end is announced");
        assert_eq!(rig.exit, Some(reason));
        assert_eq!(exit_code(reason), code);
    }
}

/// §3.7, rows 6 and 7.
#[test]
fn a_later_start_under_the_same_name_ends_the_run_and_an_equal_or_earlier_one_does_not() {
    for mode_of in ["initial", "active"] {
        let mut rig = in_mode(settings(), mode_of);
        for earlier in ["1970-01-01T00:01:13Z", "2026-03-01T10:00:00Z", "2026-03-01T10:00:00.999Z", "soon"] {
            order(&mut rig, json!({ "mode": mode_of, "last_start": earlier }));
            rig.advance(5000);
            assert_eq!(rig.exit, None, "{earlier}");
        }
        order(&mut rig, json!({ "mode": mode_of, "last_start": "2026-03-01T10:00:01Z" }));
        assert_eq!(mode(&mut rig), "terminate");
        rig.advance(2000);
        assert_eq!(rig.exit, Some(ExitReason::Terminate));
    }
}

/// §7.3: heavy actions wait for the end of a burst, and a later config takes them back.
#[test]
fn a_stream_of_configs_does_not_put_a_restart_off_for_ever() {
    let mut rig = in_mode(settings(), "active");
    for _ in 0..20 {
        if rig.exit.is_none() {
            order(&mut rig, json!({ "mode": "restart" }));
            rig.advance(300);
        }
    }
    assert_eq!(rig.exit, Some(ExitReason::Restart));
}

#[test]
fn a_restart_that_the_burst_takes_back_does_not_happen() {
    let mut rig = in_mode(settings(), "active");
    order(&mut rig, json!({ "mode": "restart" }));
    rig.advance(100);
    order(&mut rig, json!({ "mode": "active" }));
    rig.advance(60_000);
    assert_eq!(rig.exit, None);
}

/// §3.7, §7.1: the last state, the logs, then the end of the connection in order.
#[test]
fn the_last_state_and_the_logs_go_out_before_the_disconnect() {
    for reason in [ExitReason::Shutdown, ExitReason::Restart, ExitReason::Terminate] {
        let mut rig = in_mode(asking(), "active");
        rig.command(Command::Stop { reason });
        let topics: Vec<_> = rig.sent().into_iter().map(|sent| sent.topic).collect();
        assert_eq!(topics, ["state", "events/system", DISCONNECT]);
        assert_eq!(rig.exit, Some(reason));
    }
}

/// §C.5: exit only after the acknowledgement of the last messages, with a limit.
#[test]
fn the_end_waits_for_acknowledgements_but_not_for_ever() {
    let mut rig = in_mode(settings(), "active");
    rig.acknowledge = false;
    rig.command(Command::Stop { reason: ExitReason::Shutdown });
    rig.advance(1000);
    assert_eq!(rig.exit, None);
    rig.advance(2000);
    assert_eq!(rig.exit, Some(ExitReason::Shutdown));
}

#[test]
fn without_a_link_the_run_ends_at_once() {
    let mut rig = in_mode(settings(), "active");
    rig.disconnect();
    rig.command(Command::Stop { reason: ExitReason::Shutdown });
    assert_eq!(rig.exit, Some(ExitReason::Shutdown));
}

/// §1.9: no state before the first config, not even the last one.
#[test]
fn a_run_that_ends_before_its_first_config_sends_its_logs_and_no_state() {
    let mut rig = Rig::connected(&[]);
    rig.command(Command::Stop { reason: ExitReason::Shutdown });
    assert!(rig.states().is_empty());
    assert_eq!(rig.sent_on("events/system")[0].payload["logentries"][1]["category"], "system.base.shutdown");
    assert_eq!(rig.exit, Some(ExitReason::Shutdown));
}

#[test]
fn the_application_is_asked_after_the_state_and_the_run_ends_when_it_is_done() {
    for outcome in [Outcome::Done, Outcome::Unhandled] {
        let mut rig = in_mode(asking(), "active");
        order(&mut rig, json!({ "mode": "restart" }));
        rig.advance(1000);
        assert!(rig.hooks().is_empty());
        rig.advance(1500);
        assert_eq!(rig.states().last().unwrap()["system"]["operation"]["mode"], "restart");
        let (id, action) = asked(&mut rig);
        assert_eq!(action, Lifecycle::Restart);
        assert_eq!(rig.exit, None);
        rig.answer(id, outcome);
        assert_eq!(rig.exit, Some(ExitReason::Restart));
    }
}

/// §3.7: by mode and by command, each end is its own question and its own exit code.
#[test]
fn each_way_to_end_asks_for_its_own_action_and_ends_with_its_own_code() {
    for (by_command, word, expected, shown, code) in [
        (false, "restart", Lifecycle::Restart, "restart", 192),
        (false, "shutdown", Lifecycle::Shutdown, "shutdown", 0),
        (false, "terminate", Lifecycle::Terminate, "terminate", 193),
        (true, "reboot", Lifecycle::Reboot, "restart", 192),
        (true, "restart", Lifecycle::Restart, "restart", 192),
        (true, "shutdown", Lifecycle::Shutdown, "shutdown", 0),
        (true, "terminate", Lifecycle::Terminate, "terminate", 193),
    ] {
        let mut rig = in_mode(asking(), "active");
        if by_command {
            rig.deliver(&format!("commands/{word}"), b"{}");
        } else {
            order(&mut rig, json!({ "mode": word }));
        }
        rig.advance(3000);
        assert_eq!(rig.states().last().unwrap()["system"]["operation"]["mode"], shown, "{word}");
        let (id, action) = asked(&mut rig);
        assert_eq!((action, rig.exit), (expected, None), "{word}");
        rig.answer(id, Outcome::Done);
        assert_eq!(rig.exit.map(exit_code), Some(code), "{word}");
        assert_eq!(rig.sent().last().map(|sent| sent.topic.as_str()), Some(DISCONNECT), "{word}");
    }
}

#[test]
fn an_application_that_never_answers_holds_the_end_up_for_a_minute_at_most() {
    let mut rig = in_mode(asking(), "active");
    rig.deliver("commands/restart", b"");
    rig.advance(2000);
    let (id, _) = asked(&mut rig);
    rig.advance(57_000);
    assert_eq!(rig.exit, None);
    rig.advance(2000);
    assert_eq!(rig.exit, Some(ExitReason::Restart));
    assert_eq!(rig.cancelled(), [id]);
}

/// A failed restart leaves the device in the mode it was in, not in one the cloud never asked for.
#[test]
fn a_failing_hook_keeps_the_run_going_in_its_mode_before() {
    for mode_of in ["initial", "active"] {
        let mut rig = in_mode(asking(), mode_of);
        rig.deliver("commands/restart", b"");
        rig.advance(2000);
        let (id, _) = asked(&mut rig);
        rig.forget();
        rig.answer(id, Outcome::Failed { message: "no".into() });
        assert_eq!(mode(&mut rig), mode_of);
        assert!(rig.notices().iter().any(|notice| matches!(notice, Notice::ModeChanged { .. })));
        assert!(entries(&mut rig).contains(&("system.base.shutdown".to_owned(), 500)));
        rig.advance(120_000);
        assert_eq!(rig.exit, None);
        // It can still be ended later on.
        rig.deliver("commands/shutdown", b"");
        rig.advance(2000);
        let (id, _) = asked(&mut rig);
        rig.answer(id, Outcome::Done);
        assert_eq!(rig.exit, Some(ExitReason::Shutdown));
    }
}

/// §3.7: logs are flushed, those too that were made while the application was asked.
#[test]
fn what_is_logged_while_the_application_is_asked_goes_out_before_the_end() {
    let mut rig = in_mode(asking(), "active");
    rig.deliver("commands/restart", b"");
    rig.advance(2000);
    let (id, _) = asked(&mut rig);
    rig.forget();
    rig.command(Command::Log {
        level: Level::ERROR,
        category: Category::device("test"),
        message: "last words".into(),
        detail: None,
    });
    rig.answer(id, Outcome::Done);
    let sent = rig.sent();
    assert_eq!(sent[0].payload["logentries"][0]["message"], "last words");
    assert_eq!(sent[1].topic, DISCONNECT);
}

/// §3.7: a config that comes while the end is under way is answered, and changes nothing about the end.
#[test]
fn a_config_does_not_disturb_an_end_that_is_under_way() {
    let mut rig = in_mode(asking(), "active");
    order(&mut rig, json!({ "mode": "restart" }));
    rig.advance(3000);
    let (id, _) = asked(&mut rig);
    order(&mut rig, json!({ "mode": "active" }));
    assert_eq!(mode(&mut rig), "restart");
    order(&mut rig, json!({ "mode": "shutdown" }));
    rig.advance(5000);
    assert!(rig.hooks().is_empty());
    rig.answer(id, Outcome::Done);
    assert_eq!(rig.exit, Some(ExitReason::Restart));
}

/// §3.7: a second wish to end while the first is carried out changes nothing.
#[test]
fn the_first_reason_to_end_wins() {
    let mut rig = in_mode(asking(), "active");
    rig.deliver("commands/restart", b"");
    rig.deliver("commands/shutdown", b"");
    rig.advance(2000);
    let (id, action) = asked(&mut rig);
    assert_eq!(action, Lifecycle::Restart);
    rig.answer(id, Outcome::Done);
    assert_eq!(rig.exit, Some(ExitReason::Restart));
}

/// §3.7, §11 items 40 and 45, §9.6 `system_mode_restart`.
#[test]
fn each_run_counts_one_more_and_starts_at_a_later_whole_second_in_initial() {
    let mut store = BTreeMap::new();
    let mut before = String::new();
    for count in 1..=3 {
        let mut rig = Rig::with_store(settings(), store);
        rig.connect();
        order(&mut rig, json!({ "mode": "restart" })); // retained
        let operation = rig.states()[0]["system"]["operation"].clone();
        assert_eq!(operation["restart_count"], count);
        assert_eq!(operation["mode"], "initial");
        let start = operation["last_start"].as_str().unwrap().to_owned();
        assert!(start.len() == 20 && start > before, "{start}");
        // The count is the device's own as soon as it is born: a crash does not lose it.
        before = start;
        store = rig.store;
    }
    assert_eq!(before, time(2000));
}

/// §3.7: fixed for a run.
#[test]
fn last_start_stays_as_it_is_for_the_whole_run() {
    let mut rig = in_mode(settings(), "active");
    rig.now.utc.0 += 999_999;
    rig.disconnect();
    rig.connect();
    rig.config(json!({}));
    assert_eq!(rig.state()["system"]["operation"]["last_start"], time(0));
}

/// Never fatal, and never silent.
#[test]
fn a_stored_value_that_cannot_be_read_is_told_and_counting_starts_over() {
    for bytes in [&b""[..], b"\xff", b"{}", b"{\"version\":2,\"restart_count\":1,\"last_start_ms\":0}", b"[]"]
    {
        let store = BTreeMap::from([(Key::new("system").unwrap(), Bytes::from_static(bytes))]);
        let mut rig = Rig::with_store(settings(), store);
        let told =
            |notice: &Notice| matches!(notice, Notice::StoredUnreadable { key, .. } if key == "system");
        assert!(rig.notices().iter().any(told));
        rig.connect();
        assert!(entries(&mut rig).contains(&("device.store".to_owned(), 400)));
        rig.config(json!({}));
        assert_eq!(rig.state()["system"]["operation"]["restart_count"], 1);
    }
}

/// §3.7: what could not be kept is told, and nothing else suffers.
#[test]
fn a_store_that_fails_is_told_in_the_log() {
    let mut rig = Rig::without_store(settings());
    rig.connect();
    assert!(entries(&mut rig).contains(&("device.store".to_owned(), 500)));
    rig.config(json!({}));
    assert_eq!(rig.state()["system"]["operation"]["restart_count"], 1);
}

/// A wall clock that ran wild once: the last start is as far off, and the next run still tells one.
#[test]
fn a_stored_start_at_the_end_of_time_does_no_harm() {
    let stored = format!("{{\"version\":1,\"restart_count\":{},\"last_start_ms\":{}}}", u64::MAX, i64::MAX);
    let store = BTreeMap::from([(Key::new("system").unwrap(), Bytes::from(stored))]);
    let mut rig = Rig::with_store(settings(), store);
    rig.connect();
    rig.config(json!({}));
    let start = rig.state()["system"]["operation"]["last_start"].as_str().unwrap().to_owned();
    assert!(start.starts_with("9999-"), "{start}");
}

/// A stop that the operator wants does not wait for an application that was asked for another end.
#[test]
fn a_stop_of_the_application_does_not_wait_for_the_answer_to_a_hook() {
    let mut rig = in_mode(asking(), "active");
    rig.deliver("commands/restart", b"");
    rig.advance(2000);
    let (id, _) = asked(&mut rig);
    rig.command(Command::Stop { reason: ExitReason::Shutdown });
    assert_eq!(rig.exit, Some(ExitReason::Shutdown));
    assert_eq!(rig.cancelled(), [id]);

    // Nor does one that comes while the state is still owed ask at all.
    let mut rig = in_mode(asking(), "active");
    rig.config(json!({}));
    rig.deliver("commands/restart", b"");
    rig.command(Command::Stop { reason: ExitReason::Shutdown });
    rig.advance(2000);
    assert!(rig.hooks().is_empty());
    assert_eq!(rig.exit, Some(ExitReason::Shutdown));
}

/// A driver with a clock that is out of its mind is no reason to panic.
#[test]
fn wall_clocks_at_the_ends_of_time_do_no_harm() {
    for utc in [i64::MIN, -1, 0, i64::MAX] {
        let mut rig = Rig::at(UtcMillis(utc), settings());
        rig.connect();
        rig.deliver("config", br#"{"timestamp":"2026-03-01T10:00:00Z","system":{"metrics_rate_sec":1}}"#);
        rig.command(Command::Stop { reason: ExitReason::Shutdown });
        rig.advance(3000);
        let sent = rig.sent();
        let stamps =
            sent.iter().filter(|sent| sent.topic != DISCONNECT).map(|sent| &sent.payload["timestamp"]);
        assert!(stamps.clone().count() > 1);
        for stamp in stamps {
            assert!(stamp.as_str().is_some_and(|stamp| stamp.ends_with('Z')), "{utc} {stamp}");
        }
        assert!(rig.exit.is_some());
    }
}
