//! The log: when entries go out, what keeps them, what cannot be logged (§3.3).

use serde_json::json;
use udmi_proto::{Category, Command, Level, Notice};

use super::support::{Rig, settings};
use super::{configured, entries, pairs, raw_entries};

fn log(level: Level, message: &str) -> Command {
    Command::Log { level, category: Category::device("test"), message: message.into(), detail: None }
}

/// §3.3: at most two seconds, whatever the metrics period.
#[test]
fn an_entry_is_on_the_wire_within_two_seconds_whatever_the_metrics_period() {
    for rate in [0, 1, 10, 600] {
        let mut rig = configured(json!({ "metrics_rate_sec": rate }));
        rig.advance(8000);
        rig.forget();
        rig.command(log(Level::WARNING, "one"));
        assert_eq!(entries(&mut rig), pairs(&[("device.test", 400)]), "rate {rate}");
    }
}

/// §3.3, §2.5: 1, 2, 3, without gaps, with metrics or without.
#[test]
fn events_are_numbered_from_one_without_gaps() {
    let mut rig = Rig::connected(&[]);
    rig.config(json!({ "system": { "metrics_rate_sec": 3 } }));
    for _ in 0..5 {
        rig.advance(2500);
        rig.command(log(Level::ERROR, "x"));
    }
    rig.advance(2000);
    let numbers: Vec<_> =
        rig.sent_on("events/system").iter().map(|sent| sent.payload["event_no"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

/// §10.1, §3.5: `last_config`, `timestamp` and `version` go with every event.
#[test]
fn an_event_has_timestamp_version_and_last_config() {
    let mut rig = configured(json!({}));
    rig.command(log(Level::ERROR, "x"));
    rig.advance(1000);
    let event = rig.sent_on("events/system").remove(0).payload;
    assert_eq!(event["version"], "1.5.7");
    assert_eq!(event["last_config"], "2026-03-01T10:00:00Z");
    assert_eq!(event["timestamp"], "2026-03-01T10:00:04Z");
}

/// §3.5 traps, §11 item 52.
#[test]
fn an_illegal_level_or_category_never_goes_out() {
    let mut rig = configured(json!({ "min_loglevel": 100 }));
    for (level, category) in [
        (Level::TRACE, Category::device("test")),
        (Level(0), Category::device("test")),
        (Level(801), Category::device("test")),
        (Level::ERROR, Category::Unknown),
        (Level::ERROR, Category::device("Not.Legal9")),
    ] {
        rig.command(Command::Log { level, category, message: "x".into(), detail: None });
    }
    assert_eq!(entries(&mut rig), pairs(&[]));
}

/// §1.9: what was logged without a link goes out with the next one.
#[test]
fn entries_made_without_a_link_are_kept_until_there_is_one() {
    let mut rig = configured(json!({}));
    rig.disconnect();
    rig.command(log(Level::ERROR, "meanwhile"));
    rig.advance(900);
    assert!(rig.sent().is_empty());
    rig.connect();
    assert_eq!(raw_entries(&mut rig)[0]["message"], "meanwhile");
}

/// The start of the process is logged before there is a link (§3.5).
#[test]
fn the_start_and_readiness_are_logged() {
    let mut rig = Rig::new(settings());
    rig.command(Command::Ready);
    rig.connect();
    assert_eq!(entries(&mut rig), pairs(&[("system.base.start", 300), ("system.base.ready", 300)]));
}

/// Logs::CAPACITY: the newest 500 are kept, and the log tells what was lost.
#[test]
fn beyond_the_capacity_the_oldest_entries_go_and_the_log_says_how_many() {
    let mut rig = configured(json!({}));
    rig.disconnect();
    for number in 0..510 {
        rig.command(log(Level::ERROR, &number.to_string()));
    }
    rig.connect();
    let entries = raw_entries(&mut rig);
    let messages: Vec<_> = entries.iter().map(|entry| entry["message"].as_str().unwrap()).collect();
    assert_eq!(messages.len(), 501);
    assert!(messages.contains(&"10 log entries were dropped"));
    assert!(!messages.contains(&"9") && messages.contains(&"10") && messages.contains(&"509"));
}

/// The level in force holds for the device's own entries about its log too.
#[test]
fn the_word_of_lost_entries_obeys_the_level_in_force() {
    let mut rig = configured(json!({ "min_loglevel": 500 }));
    rig.disconnect();
    for number in 0..510 {
        rig.command(log(Level::ERROR, &number.to_string()));
    }
    rig.connect();
    assert!(raw_entries(&mut rig).iter().all(|entry| entry["level"] == 500));
}

/// A control character takes six bytes on the wire: batches are cut by what they come to there.
#[test]
fn many_long_entries_are_split_into_messages_that_any_broker_takes() {
    let mut rig = configured(json!({}));
    let message = "\u{1}".repeat(5000);
    for _ in 0..200 {
        rig.command(Command::Log {
            level: Level::ERROR,
            category: Category::device("test"),
            message: message.clone(),
            detail: Some(message.clone()),
        });
    }
    rig.advance(2000);
    let sent = rig.sent_on("events/system");
    let count: usize = sent.iter().map(|sent| sent.payload["logentries"].as_array().unwrap().len()).sum();
    assert_eq!(count, 200);
    for sent in sent {
        assert!(sent.payload.to_string().len() < 256 * 1024);
    }
}

/// The outbox holds a thousand: its overflow is told once, not once a message, and does not feed itself.
#[test]
fn a_full_outbox_is_told_by_one_entry_and_one_notice() {
    let mut rig = configured(json!({ "metrics_rate_sec": 0 }));
    rig.acknowledge = false;
    for number in 0..2500 {
        let content = udmi_proto::Json::object(&format!("{{\"n\":{number}}}")).unwrap();
        rig.command(Command::SendEvent { folder: "own".into(), content });
    }
    let full = |notice: &Notice| matches!(notice, Notice::OutboxFull { .. });
    assert_eq!(rig.notices().iter().filter(|notice| full(notice)).count(), 1);
    rig.advance(20_000);
    assert!(rig.notices().iter().all(|notice| !full(notice)));
    let told = |entry: &&serde_json::Value| entry["category"] == "device.outbox";
    rig.acknowledge = true;
    rig.disconnect();
    rig.connect();
    rig.advance(20_000);
    assert_eq!(raw_entries(&mut rig).iter().filter(told).count(), 1);
}

/// What no packet can hold is lost; the device says so, once for a connection.
#[test]
fn a_message_over_the_packet_limit_is_told_by_one_entry() {
    let mut rig = configured(json!({ "metrics_rate_sec": 0 }));
    for _ in 0..3 {
        let content = format!("{{\"x\":\"{}\"}}", "x".repeat(2 << 20));
        let content = udmi_proto::Json::object(&content).unwrap();
        rig.command(Command::SendEvent { folder: "own".into(), content });
        rig.advance(3000);
    }
    assert_eq!(entries(&mut rig), pairs(&[("device.outbox", 500)]));
}
