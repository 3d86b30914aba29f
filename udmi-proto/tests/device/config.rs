//! What one config does, in which order, and what a bad one does not do (§3.6, §7.5).

use serde_json::json;
use udmi_proto::Notice;

use super::support::{BIRTH, Rig, pushed, time};
use super::{configured, entries, pairs, raw_entries};

const RECEIVE: (&str, u64) = ("system.config.receive", 100);
const PARSE: (&str, u64) = ("system.config.parse", 100);
const BROKEN: (&str, u64) = ("system.config.parse", 500);
const APPLY: (&str, u64) = ("system.config.apply", 300);

/// §3.6, §9.6 `config_logging`.
#[test]
fn a_config_logs_receive_parse_and_apply_at_their_exact_levels_in_this_order() {
    let mut rig = configured(json!({ "min_loglevel": 100 }));
    rig.config(json!({ "system": { "min_loglevel": 100 } }));
    assert_eq!(entries(&mut rig), pairs(&[RECEIVE, PARSE, APPLY]));
}

/// §11 item 61, upward: §9.6 `system_min_loglevel` wants no apply for the config that raises the level.
#[test]
fn a_raised_level_hides_the_apply_of_its_own_config_and_not_its_receive_and_parse() {
    let mut rig = configured(json!({ "min_loglevel": 100 }));
    rig.config(json!({ "system": { "min_loglevel": 400 } }));
    assert_eq!(entries(&mut rig), pairs(&[RECEIVE, PARSE]));
    rig.config(json!({ "system": { "min_loglevel": 400 } }));
    assert_eq!(entries(&mut rig), pairs(&[]));
}

/// §11 item 61, downward.
#[test]
fn a_lowered_level_shows_the_apply_of_its_own_config_and_receive_and_parse_from_the_next_one_on() {
    let mut rig = configured(json!({ "min_loglevel": 400 }));
    rig.config(json!({ "system": { "min_loglevel": 100 } }));
    assert_eq!(entries(&mut rig), pairs(&[APPLY]));
    rig.config(json!({ "system": { "min_loglevel": 100 } }));
    assert_eq!(entries(&mut rig), pairs(&[RECEIVE, PARSE, APPLY]));
}

/// §3.1, §11 item 5.
#[test]
fn the_level_is_200_without_a_system_block_and_300_without_the_member() {
    for (config, info) in [(json!({}), true), (json!({ "system": {} }), false)] {
        let mut rig = Rig::connected(&[]);
        rig.config(config);
        entries(&mut rig);
        rig.deliver("commands/what", b""); // tells of it at INFO, and that it knows none at WARNING
        let levels: Vec<u64> = entries(&mut rig).into_iter().map(|(_, level)| level).collect();
        assert_eq!(levels, if info { vec![200, 400] } else { vec![400] });
    }
}

/// §7.5 row 1, §0.2 fact 10, §9.6 `broken_config`.
#[test]
fn a_broken_config_changes_nothing_but_the_status_and_is_answered_with_a_state() {
    let mut rig = Rig::connected(&[("a", pushed())]);
    rig.config(json!({ "system": { "min_loglevel": 100 }, "pointset": { "points": { "a": {} } } }));
    let mut before = rig.state();
    entries(&mut rig);
    rig.deliver("config", b"{ broken by the test");
    let mut after = rig.state();
    let status = after["system"]["status"].take();
    assert_eq!(
        (status["category"].as_str(), status["level"].as_u64()),
        (Some("system.config.parse"), Some(500))
    );
    assert!(status["detail"].is_string());
    after["system"].as_object_mut().unwrap().remove("status");
    before["timestamp"].take();
    after["timestamp"].take();
    assert_eq!(after, before);
    assert_eq!(entries(&mut rig), pairs(&[RECEIVE, BROKEN]));
}

/// §3.6 item 6, §7.5: the next good config clears the status, and the old level judged its entries.
#[test]
fn the_next_good_config_clears_the_status_of_a_broken_one() {
    let mut rig = configured(json!({ "min_loglevel": 100 }));
    rig.deliver("config", b"[1, 2]");
    assert_eq!(rig.state()["system"]["status"]["level"], 500);
    entries(&mut rig);
    rig.config(json!({ "system": { "min_loglevel": 200 } }));
    assert_eq!(rig.state()["system"].get("status"), None);
    assert_eq!(entries(&mut rig), pairs(&[RECEIVE, PARSE, APPLY]));
}

/// §9.6 `broken_config` trap (d), §3.2.
#[test]
fn a_broken_config_as_the_first_message_of_a_run_is_answered_with_the_epoch_as_last_config() {
    let mut rig = Rig::connected(&[]);
    rig.deliver("config", b"{ broken");
    let state = rig.state();
    assert_eq!(state["system"]["last_config"], "1970-01-01T00:00:00Z");
    assert_eq!(state["system"]["status"]["level"], 500);
    assert_eq!(state["system"]["operation"]["operational"], true);
}

/// §9.6 `broken_config` trap (d).
#[test]
fn a_broken_config_retained_over_a_reconnect_is_handled_alike_and_nothing_is_applied_again() {
    let mut rig = configured(json!({ "min_loglevel": 100 }));
    rig.deliver("config", b"{ broken");
    entries(&mut rig);
    rig.disconnect();
    rig.connect();
    rig.deliver_retained("config", b"{ broken");
    assert_eq!(rig.state()["system"]["status"]["level"], 500);
    assert_eq!(entries(&mut rig), pairs(&[RECEIVE, BROKEN]));
}

/// §7.5 row 3, §2.6.
#[test]
fn an_empty_payload_is_received_and_is_neither_parsed_nor_broken() {
    let mut rig = configured(json!({ "min_loglevel": 100 }));
    rig.deliver("config", b"");
    let state = rig.state();
    assert_eq!(state["system"]["last_config"], time(0));
    assert_eq!(state["system"].get("status"), None);
    assert_eq!(entries(&mut rig), pairs(&[RECEIVE]));
}

/// §11 item 20.
#[test]
fn without_a_usable_timestamp_a_config_is_broken_and_without_a_version_it_is_not() {
    for payload in [
        "{}",
        r#"{"timestamp":null,"version":"1.5.7"}"#,
        r#"{"timestamp":1772359200,"version":"1.5.7"}"#,
        r#"{"timestamp":"today","version":"1.5.7"}"#,
        r#"{"timestamp":"2026-03-01T10:00:00","version":"1.5.7"}"#,
    ] {
        let mut rig = configured(json!({}));
        rig.deliver("config", payload.as_bytes());
        let state = rig.state();
        assert_eq!(state["system"]["status"]["level"], 500, "{payload}");
        assert_eq!(state["system"]["last_config"], time(0), "{payload}");
    }
    for version in
        ["", r#","version":1"#, r#","version":"git-250ce5e","downgraded_from":"1.5.7""#, r#","version":[]"#]
    {
        let mut rig = Rig::connected(&[]);
        rig.deliver("config", format!(r#"{{"timestamp":"2026-03-01T09:00:00Z"{version}}}"#).as_bytes());
        let state = rig.state();
        assert_eq!(state["system"].get("status"), None, "{version}");
        assert_eq!(state["system"]["last_config"], "2026-03-01T09:00:00Z", "{version}");
    }
}

/// §2.3, §C.4: echoed as it came, or in a form that upstream's parsers take.
#[test]
fn timestamps_of_every_legal_form_are_echoed_to_the_second() {
    for (sent, echoed) in [
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z"),
        ("2026-03-01T10:00:00.123456Z", "2026-03-01T10:00:00.123456Z"),
        ("2026-03-01T10:00:00+00:00", "2026-03-01T10:00:00Z"),
        ("2026-03-01T10:00:00+0000", "2026-03-01T10:00:00Z"),
        ("2026-03-01T12:00:00+02:00", "2026-03-01T10:00:00Z"),
    ] {
        let mut rig = Rig::connected(&[]);
        rig.config(json!({ "timestamp": sent }));
        assert_eq!(rig.state()["system"]["last_config"], echoed);
    }
}

/// §7.5 rows 5 and 6, §0.2 fact 3.
#[test]
fn an_equal_or_an_older_timestamp_is_a_config_like_any_other() {
    let mut rig = Rig::connected(&[("a", pushed()), ("b", pushed())]);
    rig.set("b", 1);
    let now = time(0);
    rig.config(json!({ "timestamp": now, "pointset": { "points": { "a": {} } } }));
    rig.config(json!({ "timestamp": now, "pointset": { "points": { "b": {} } } }));
    let state = rig.state();
    assert_eq!(state["pointset"]["points"], json!({ "b": {} }));
    assert_eq!(state["system"]["last_config"], now);
    rig.config(json!({ "timestamp": "2020-01-01T00:00:00Z" }));
    let state = rig.state();
    assert_eq!(state["system"]["last_config"], "2020-01-01T00:00:00Z");
    assert_eq!(state.get("pointset"), None);
}

/// §7.2, §7.3: a burst of six within 100 ms is answered by one state at once and one at the end of it.
#[test]
fn a_burst_of_configs_is_answered_by_two_states_the_last_of_them_complete() {
    let mut rig = Rig::connected(&[]);
    for number in 0..6 {
        rig.config(json!({ "timestamp": time(number * 1000), "localnet": {} }));
        rig.advance(20);
    }
    rig.advance(5000);
    let sent = rig.sent_on("state");
    assert_eq!(sent.iter().map(|sent| sent.at).collect::<Vec<_>>(), [0, 2000]);
    assert_eq!(sent[1].payload["system"]["last_config"], time(5000));
}

/// §0.2 fact 11, §7.5 row 2.
#[test]
fn unknown_members_are_ignored_at_every_depth() {
    let mut rig = configured(json!({ "min_loglevel": 100 }));
    rig.config(json!({
        "debug_config_nonce": 7, "extra_field": { "deep": [1] },
        "system": { "min_loglevel": 100, "extra_field": "x", "operation": { "extra_field": null } },
        "localnet": { "extra_field": 1, "families": { "ipv4": { "extra_field": 2 } } },
    }));
    assert_eq!(rig.state()["system"].get("status"), None);
    assert_eq!(entries(&mut rig), pairs(&[RECEIVE, PARSE, APPLY]));
}

/// §2.6: an unknown choice does not spoil the config; a log entry tells of it, the status does not.
#[test]
fn an_unknown_mode_is_taken_as_none_with_a_warning_in_the_log() {
    let mut rig = configured(json!({}));
    rig.config(json!({ "system": { "operation": { "mode": "dreaming" } } }));
    let state = rig.state();
    assert_eq!(state["system"].get("status"), None);
    assert_eq!(state["system"]["operation"]["mode"], "initial");
    assert!(entries(&mut rig).contains(&("device.config".to_owned(), 400)));
}

/// §0.2 fact 6, §9.6 `system_last_update`.
#[test]
fn a_block_is_in_the_state_if_and_only_if_it_is_in_the_config() {
    let blocks = [
        ("pointset", json!({ "points": {} })),
        ("localnet", json!({ "families": {} })),
        ("discovery", json!({})),
        ("gateway", json!({ "proxy_ids": [] })),
        ("blobset", json!({ "blobs": {} })),
    ];
    for (name, block) in blocks {
        // A bad block is a block too, whether it is the first of its name or follows a good one.
        for bad in [json!([]), json!("text"), json!(5), json!(true)] {
            let mut rig = Rig::connected(&[]);
            rig.config(json!({ name: bad }));
            assert!(rig.state()[name].is_object(), "{name} {bad}");
            rig.config(json!({ name: block }));
            let state = rig.state();
            assert!(state[name].is_object(), "{name}");
            assert_eq!(state["system"].get("status"), None, "{name}");
            rig.config(json!({ name: bad }));
            assert!(rig.state()[name].is_object(), "{name} {bad}");
            rig.config(json!({}));
            let state = rig.state();
            let members: Vec<_> = state.as_object().unwrap().keys().cloned().collect();
            assert_eq!(members, ["system", "timestamp", "version"], "{name}");
        }
        let mut rig = Rig::connected(&[]);
        rig.config(json!({ name: null }));
        assert_eq!(rig.state().get(name), None, "null is absent: {name}");
    }
}

/// §6.2: families are there, and empty, if the config has any.
#[test]
fn discovery_without_scans_shows_families_if_the_config_has_them() {
    let mut rig = Rig::connected(&[]);
    for (discovery, expected) in [
        (json!({}), json!({})),
        (json!({ "families": {} }), json!({ "families": {} })),
        (json!({ "families": { "bacnet": {} } }), json!({ "families": {} })),
    ] {
        rig.config(json!({ "discovery": discovery }));
        assert_eq!(rig.state()["discovery"], expected);
    }
}

/// §7.5 last row: what is wrong in one block is told with its path, and spoils nothing else.
#[test]
fn a_bad_block_is_a_status_with_its_path_and_leaves_the_others_in_force() {
    let mut rig = Rig::connected(&[("a", pushed())]);
    rig.set("a", 1);
    rig.config(json!({
        "system": { "metrics_rate_sec": "ten" },
        "pointset": { "points": { "a": {} } },
    }));
    let state = rig.state();
    let status = &state["system"]["status"];
    assert_eq!(
        (status["category"].as_str(), status["level"].as_u64()),
        (Some("system.config.parse"), Some(500))
    );
    assert!(status["message"].as_str().unwrap().starts_with("system.metrics_rate_sec: "), "{status}");
    assert_eq!(state["pointset"]["points"], json!({ "a": {} }));
    assert_eq!(state["system"]["last_config"], time(0));
    let told = rig
        .notices()
        .into_iter()
        .any(|notice| matches!(notice, Notice::ConfigApplied { finding: Some(_), .. }));
    assert!(told);
    rig.config(json!({}));
    assert_eq!(rig.state()["system"].get("status"), None);
}

/// §0.2 fact 10, §7.5: a bad system block leaves level and period as they were.
#[test]
fn a_bad_system_block_keeps_the_level_and_the_period_in_force() {
    let mut rig = configured(json!({ "min_loglevel": 100, "metrics_rate_sec": 600 }));
    rig.advance(3000);
    entries(&mut rig);
    rig.config(json!({ "system": { "min_loglevel": "high", "metrics_rate_sec": 1 } }));
    assert_eq!(entries(&mut rig), pairs(&[RECEIVE, PARSE, BROKEN, APPLY]));
    rig.advance(20_000);
    assert!(rig.sent_on("events/system").is_empty());
}

/// §3.1: what is out of range is brought into it, not refused.
#[test]
fn a_level_or_period_out_of_range_is_tolerated() {
    for system in [
        json!({ "min_loglevel": 0, "metrics_rate_sec": -1 }),
        json!({ "min_loglevel": 801, "metrics_rate_sec": i64::MAX }),
        json!({ "min_loglevel": null, "metrics_rate_sec": null, "operation": null, "testing": null }),
    ] {
        let mut rig = configured(system.clone());
        rig.config(json!({ "system": system }));
        assert_eq!(rig.state()["system"].get("status"), None, "{system}");
    }
}

/// §9.3: entries older than the config they answer are dropped by the conformance suite.
#[test]
fn no_entry_is_stamped_before_the_newest_config_of_a_clock_that_is_ahead() {
    for ahead in [1_000, 20_000] {
        let mut rig = configured(json!({ "min_loglevel": 100 }));
        let config = time(rig.now.utc.0 - BIRTH + ahead);
        rig.config(json!({ "timestamp": config, "system": { "min_loglevel": 100 } }));
        rig.config(json!({ "timestamp": "2020-01-01T00:00:00Z", "system": { "min_loglevel": 100 } }));
        for entry in raw_entries(&mut rig) {
            assert!(entry["timestamp"].as_str().unwrap() >= config.as_str(), "{entry}");
        }
    }
}

/// A timestamp from far away says nothing of our clock.
#[test]
fn a_config_of_another_year_does_not_stamp_entries() {
    for foreign in ["2099-01-01T00:00:00Z", "1999-01-01T00:00:00Z"] {
        let mut rig = configured(json!({ "min_loglevel": 100 }));
        rig.config(json!({ "timestamp": foreign, "system": { "min_loglevel": 100 } }));
        for entry in raw_entries(&mut rig) {
            assert!(entry["timestamp"].as_str().unwrap().starts_with("2026-03-01T"), "{entry}");
        }
    }
}

/// What a peer words is cut before it is kept: the status is in every state from then on.
#[test]
fn a_huge_wrong_value_does_not_make_the_state_huge() {
    let mut rig = configured(json!({}));
    rig.config(json!({ "system": { "metrics_rate_sec": "x".repeat(200_000) } }));
    let state = rig.state();
    assert_eq!(state["system"]["status"]["level"], 500);
    assert!(state.to_string().len() < 8_000);
}
