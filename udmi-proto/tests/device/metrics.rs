//! Metrics: their period, the application's part in them (§3.3).

use serde_json::json;
use udmi_proto::model::events::SystemMetrics;
use udmi_proto::{Hook, HookId, Outcome};

use super::configured;
use super::support::{Rig, settings};

fn asking(rate: u32) -> Rig {
    let mut settings = settings();
    settings.options.metrics_hook = true;
    let mut rig = Rig::new(settings);
    rig.connect();
    rig.config(json!({ "system": { "metrics_rate_sec": rate } }));
    rig.advance(2000);
    rig.forget();
    rig
}

fn asked(rig: &mut Rig) -> HookId {
    let hooks = rig.hooks();
    let [(id, Hook::Metrics)] = hooks[..] else { panic!("{hooks:?}") };
    id
}

fn times(rig: &mut Rig) -> Vec<u64> {
    rig.sent_on("events/system").iter().map(|sent| sent.at).collect()
}

/// §3.3: the first at most five seconds after a change of the period, then by the beat.
#[test]
fn the_first_metrics_come_within_five_seconds_of_a_change_and_then_by_the_period() {
    let mut rig = Rig::connected(&[]);
    rig.config(json!({ "system": { "metrics_rate_sec": 10, "min_loglevel": 400 } }));
    rig.advance(3000);
    rig.forget();
    rig.advance(23_000);
    assert_eq!(times(&mut rig), [5000, 15_000, 25_000]);
    // The same period again does not start anew.
    rig.config(json!({ "system": { "metrics_rate_sec": 10, "min_loglevel": 400 } }));
    rig.advance(10_000);
    assert_eq!(times(&mut rig), [35_000]);
    rig.config(json!({ "system": { "metrics_rate_sec": 2, "min_loglevel": 400 } }));
    rig.advance(4000);
    assert_eq!(times(&mut rig), [38_000, 40_000]);
}

/// §3.3, §11 item 51.
#[test]
fn a_period_of_zero_stops_the_periodic_events() {
    let mut rig = configured(json!({ "metrics_rate_sec": 0 }));
    rig.advance(100_000);
    assert!(times(&mut rig).is_empty());
}

#[test]
fn an_answer_goes_out_with_the_event_without_what_is_not_finite() {
    let mut rig = asking(10);
    rig.advance(3000);
    let id = asked(&mut rig);
    let metrics = SystemMetrics {
        mem_total_mb: Some(512.0),
        mem_free_mb: Some(f64::NAN),
        system_load: Some(f64::INFINITY),
        ..SystemMetrics::default()
    };
    rig.answer(id, Outcome::Metrics(metrics));
    let sent = rig.sent_on("events/system");
    assert_eq!(sent[0].payload["metrics"], json!({ "mem_total_mb": 512.0 }));
}

/// §3.1: the period is kept whether or not the application answers.
#[test]
fn an_application_that_never_answers_does_not_stop_the_periodic_events() {
    let mut rig = asking(10);
    rig.advance(60_000);
    let sent = rig.sent_on("events/system");
    assert!(sent.len() >= 5, "{}", sent.len());
    assert!(sent.iter().all(|sent| sent.payload.get("metrics").is_none()));
}

#[test]
fn a_late_and_a_second_answer_are_ignored() {
    let mut rig = asking(10);
    rig.advance(3000);
    let id = asked(&mut rig);
    rig.advance(10_000);
    rig.forget();
    rig.answer(id, Outcome::Metrics(SystemMetrics::default()));
    assert!(rig.sent().is_empty());
}

#[test]
fn an_answer_after_the_period_was_set_to_zero_sends_nothing() {
    let mut rig = asking(10);
    rig.advance(3000);
    let id = asked(&mut rig);
    rig.config(json!({ "system": { "metrics_rate_sec": 0, "min_loglevel": 400 } }));
    rig.advance(3000);
    rig.forget();
    rig.answer(id, Outcome::Metrics(SystemMetrics::default()));
    rig.advance(3000);
    assert!(rig.sent().is_empty());
}

/// Nobody wants to know later how busy the device was.
#[test]
fn an_answer_that_comes_without_a_link_is_not_kept() {
    let mut rig = asking(10);
    rig.advance(3000);
    let id = asked(&mut rig);
    rig.disconnect();
    rig.answer(id, Outcome::Metrics(SystemMetrics { system_load: Some(1.0), ..SystemMetrics::default() }));
    rig.forget();
    rig.connect();
    rig.advance(4000);
    assert!(rig.sent_on("events/system").iter().all(|sent| sent.payload.get("metrics").is_none()));
}

/// A stall, as of a suspended machine, is followed by one event, not by all that it swallowed.
#[test]
fn periods_that_a_stall_swallowed_are_not_made_up_for() {
    let mut rig = configured(json!({ "metrics_rate_sec": 10 }));
    rig.advance(3000);
    rig.forget();
    rig.stall(95_000);
    assert_eq!(times(&mut rig).len(), 1);
}
