//! When events go out (§4.1, §4.5).

use serde_json::json;
use udmi_proto::{Command, Notice, Outcome, PointNames, Reading, Value};

use crate::support::{Rig, computed, polled, pushed};

/// A device with a pushed point that has a value.
fn device() -> Rig {
    let mut rig = Rig::connected(&[("a", pushed())]);
    rig.set("a", 1);
    rig
}

fn differences(times: &[u64]) -> Vec<u64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn the_first_sample_comes_at_once_and_the_rest_every_period() {
    let mut rig = device();
    rig.pointset(json!({"sample_rate_sec": 10}));
    rig.advance(35_000);
    assert_eq!(rig.event_times(), [0, 10_000, 20_000, 30_000]);
}

#[test]
fn a_change_of_period_takes_effect_at_once_and_both_keep_their_bounds() {
    let mut rig = device();
    rig.pointset(json!({"sample_limit_sec": 5, "sample_rate_sec": 8}));
    rig.advance(26_000);
    assert_eq!(rig.event_times(), [0, 8000, 16_000, 24_000]);
    rig.pointset(json!({"sample_limit_sec": 15, "sample_rate_sec": 18}));
    rig.advance(70_000);
    assert_eq!(rig.event_times(), [39_000, 57_000, 75_000, 93_000]);
}

#[test]
fn a_limit_above_the_rate_is_the_period() {
    let mut rig = device();
    rig.pointset(json!({"sample_limit_sec": 20, "sample_rate_sec": 10}));
    rig.advance(50_000);
    assert_eq!(rig.event_times(), [0, 20_000, 40_000]);
}

#[test]
fn without_a_rate_or_with_zero_the_period_is_five_minutes() {
    for block in [json!({}), json!({"sample_rate_sec": 0})] {
        let mut rig = device();
        rig.pointset(block);
        rig.advance(650_000);
        assert_eq!(rig.event_times(), [0, 300_000, 600_000]);
    }
}

#[test]
fn a_negative_rate_switches_events_off() {
    let mut rig = device();
    rig.pointset(json!({"sample_rate_sec": 10}));
    rig.forget();
    rig.pointset(json!({"sample_rate_sec": -1}));
    rig.command(Command::SampleNow);
    rig.advance(100_000);
    assert!(rig.event_times().is_empty());
    rig.pointset(json!({"sample_rate_sec": 10}));
    assert_eq!(rig.event_times().len(), 1);
}

#[test]
fn an_absurd_rate_is_a_day() {
    let mut rig = device();
    rig.pointset(json!({"sample_rate_sec": i64::MAX, "sample_limit_sec": i64::MAX}));
    rig.advance(90_000_000);
    assert_eq!(rig.event_times(), [0, 86_400_000]);
}

#[test]
fn an_unchanged_period_does_not_restart_the_timer() {
    let mut rig = device();
    rig.pointset(json!({"sample_rate_sec": 10}));
    for _ in 0..5 {
        rig.advance(3000);
        rig.pointset(json!({"sample_rate_sec": 10, "points": {"a": {}}}));
    }
    rig.advance(6000);
    assert_eq!(rig.event_times(), [0, 10_000, 20_000]);
}

#[test]
fn samples_missed_in_a_stall_are_not_made_up_for() {
    let mut rig = device();
    rig.pointset(json!({"sample_rate_sec": 10}));
    rig.forget();
    rig.stall(95_000);
    rig.advance(10_000);
    assert_eq!(rig.event_times(), [95_000, 100_000]);
}

#[test]
fn the_first_sample_waits_a_moment_for_missing_values_but_not_longer() {
    let mut rig = Rig::connected(&[("a", pushed()), ("b", pushed())]);
    rig.pointset(json!({"sample_rate_sec": 10}));
    rig.set("a", 1);
    rig.advance(1000);
    assert!(rig.event_times().is_empty());
    rig.set("b", 2);
    assert_eq!(rig.event_times(), [1000], "the last value completes the set");

    let mut rig = Rig::connected(&[("a", pushed()), ("b", pushed())]);
    rig.pointset(json!({"sample_rate_sec": 10}));
    rig.set("a", 1);
    rig.advance(12_000);
    assert_eq!(rig.event_times(), [2000, 12_000]);
}

#[test]
fn the_limit_holds_between_any_two_events() {
    let mut rig = device();
    rig.pointset(
        json!({"sample_limit_sec": 4, "sample_rate_sec": 30, "points": {"a": {"cov_increment": 1}}}),
    );
    for n in 0..200 {
        rig.set("a", n * 10);
        if n % 7 == 0 {
            rig.command(Command::SampleNow);
        }
        rig.advance(333);
    }
    let times = rig.event_times();
    assert!(times.len() > 10, "{times:?}");
    assert!(differences(&times).iter().all(|gap| *gap >= 4000), "{times:?}");
}

#[test]
fn a_small_change_waits_for_the_sample_and_a_large_one_does_not() {
    let mut rig = device();
    rig.pointset(json!({"sample_rate_sec": 60, "points": {"a": {"cov_increment": 0.5}}}));
    rig.advance(10_000);
    rig.forget();
    rig.set("a", Value::Number(1.4));
    rig.advance(1000);
    assert!(rig.event_times().is_empty());
    rig.set("a", Value::Number(1.5));
    let event = rig.events().pop().unwrap();
    assert_eq!(event["partial_update"], true);
    assert_eq!(event["points"], json!({"a": {"present_value": 1.5}}));
    rig.advance(50_000);
    assert_eq!(rig.event_times(), [60_000], "complete ones still come at their rate");
}

#[test]
fn only_points_that_have_moved_are_in_a_partial_update() {
    let mut rig = Rig::connected(&[("a", pushed()), ("b", pushed()), ("c", pushed())]);
    for point in ["a", "b", "c"] {
        rig.set(point, true);
    }
    let on_change = json!({"cov_increment": 0});
    rig.pointset(json!({"sample_rate_sec": 60, "points": {"a": on_change, "b": on_change, "c": {}}}));
    rig.advance(10_000);
    rig.forget();
    rig.set("b", false);
    rig.set("c", false);
    rig.set("a", true);
    assert_eq!(rig.events().pop().unwrap()["points"], json!({"b": {"present_value": false}}));
}

#[test]
fn an_increment_that_comes_later_counts_from_the_value_there_is() {
    let mut rig = device();
    rig.pointset(json!({"sample_rate_sec": 60, "points": {"a": {}}}));
    rig.advance(1000);
    rig.pointset(json!({"sample_rate_sec": 60, "points": {"a": {"cov_increment": 1}}}));
    rig.forget();
    rig.set("a", 1);
    assert!(rig.event_times().is_empty());
    rig.set("a", 2);
    assert_eq!(rig.event_times(), [1000]);
}

#[test]
fn changes_within_the_limit_become_one_update() {
    let mut rig = device();
    rig.pointset(
        json!({"sample_limit_sec": 5, "sample_rate_sec": 60, "points": {"a": {"cov_increment": 1}}}),
    );
    for n in 2..20 {
        rig.advance(200);
        rig.set("a", n);
    }
    rig.advance(10_000);
    let events = rig.sent_on("events/pointset");
    assert_eq!(events.iter().map(|sent| sent.at).collect::<Vec<_>>(), [0, 5000]);
    assert_eq!(events[1].payload["points"]["a"]["present_value"], 19);
}

#[test]
fn a_change_that_would_delay_the_complete_sample_waits_for_it() {
    let mut rig = device();
    rig.pointset(
        json!({"sample_limit_sec": 5, "sample_rate_sec": 12, "points": {"a": {"cov_increment": 1}}}),
    );
    rig.advance(8000);
    rig.set("a", 9);
    rig.advance(5000);
    let events = rig.sent_on("events/pointset");
    assert_eq!(events.iter().map(|sent| sent.at).collect::<Vec<_>>(), [0, 12_000]);
    assert_eq!(events[1].payload.get("partial_update"), None);
}

#[test]
fn a_burst_without_a_limit_is_still_coalesced() {
    let mut rig = device();
    rig.pointset(json!({"sample_rate_sec": 60, "points": {"a": {"cov_increment": 1}}}));
    rig.advance(1000);
    for n in 0..1000 {
        rig.set("a", n * 2);
    }
    rig.advance(1000);
    assert_eq!(rig.event_times(), [0, 1000, 1100]);
}

#[test]
fn a_sample_can_be_asked_for_and_restarts_the_period() {
    let mut rig = device();
    rig.pointset(json!({"sample_limit_sec": 2, "sample_rate_sec": 10}));
    rig.advance(1000);
    rig.command(Command::SampleNow);
    rig.advance(4000);
    rig.command(Command::SampleNow);
    rig.advance(11_000);
    assert_eq!(rig.event_times(), [0, 2000, 5000, 15_000]);
}

fn publish(values: &[(&str, i64)]) -> Command {
    let reading = |value| Some(Reading::Value(Value::Integer(value)));
    let names = PointNames::new(values.iter().map(|(name, _)| *name));
    Command::PublishPoints { readings: names.with(values.iter().map(|(_, value)| reading(*value))) }
}

/// §4.5: the least time between two updates is `sample_limit_sec`, so without it there is none.
#[test]
fn without_a_limit_every_sample_the_application_publishes_goes_out_at_once() {
    let mut rig = Rig::connected(&[("a", pushed()), ("b", pushed())]);
    rig.pointset(json!({"sample_rate_sec": 10}));
    rig.command(publish(&[("b", 0), ("a", 0)]));
    for n in 1..=3 {
        rig.command(publish(&[("b", n), ("a", 10 * n)]));
    }
    let seen = |point: &str, events: &[serde_json::Value]| -> Vec<_> {
        events.iter().map(|event| event["points"][point]["present_value"].as_i64().unwrap()).collect()
    };
    let events = rig.events();
    assert_eq!((seen("a", &events), seen("b", &events)), (vec![0, 10, 20, 30], vec![0, 1, 2, 3]));
    assert!(events.iter().all(|event| event.get("partial_update").is_none()));
    rig.forget();
    rig.command(Command::SampleNow);
    rig.command(Command::SampleNow);
    rig.advance(11_000);
    assert_eq!(rig.event_times(), [0, 0, 10_000], "each starts the period anew");
}

#[test]
fn with_a_limit_what_the_application_publishes_in_between_is_one_sample_with_the_last_values() {
    let mut rig = device();
    rig.pointset(json!({"sample_limit_sec": 2, "sample_rate_sec": 10}));
    rig.advance(500);
    for n in 1..=3 {
        rig.command(publish(&[("a", n)]));
    }
    rig.advance(5000);
    let events = rig.sent_on("events/pointset");
    assert_eq!(events.iter().map(|sent| sent.at).collect::<Vec<_>>(), [0, 2000]);
    assert_eq!(events[1].payload["points"]["a"]["present_value"], 3);
}

#[test]
fn what_is_published_of_unknown_points_is_refused_and_the_rest_goes_out() {
    let mut rig = device();
    rig.pointset(json!({"points": {"a": {}, "x": {}}}));
    rig.forget();
    rig.command(publish(&[("a", 7), ("b", 1), ("x", 2), ("", 3)]));
    assert_eq!(rig.events().pop().unwrap()["points"], json!({"a": {"present_value": 7}}));
    let refused = "Point  is not defined, nor are 2 others";
    let is_refusal =
        |notice: &Notice| matches!(notice, Notice::CommandRefused { reason } if reason == refused);
    assert!(rig.notices().iter().any(is_refusal));
}

#[test]
fn polled_and_computed_points_are_read_once_for_each_sample() {
    let mut rig = Rig::connected(&[("a", pushed()), ("p", polled()), ("v", computed())]);
    rig.set("a", 1);
    rig.pointset(json!({"sample_rate_sec": 10}));
    for n in 0..3 {
        let (id, wanted) = rig.expect_read();
        assert_eq!((wanted.polled, wanted.computed), (vec!["p".to_owned()], vec!["v".to_owned()]));
        assert_eq!(wanted.known["a"], Value::Integer(1));
        assert!(rig.event_times().is_empty());
        let reading = |n: i64| Reading::Value(Value::Integer(n));
        rig.answer_values(id, &[("p", reading(n)), ("v", reading(n + 100))]);
        let event = rig.events().pop().unwrap();
        assert_eq!(event["points"]["p"]["present_value"], n);
        assert_eq!(event["points"]["v"]["present_value"], n + 100);
        assert_eq!(event.get("partial_update"), None);
        rig.advance(10_000);
    }
}

#[test]
fn without_an_answer_the_sample_goes_out_and_the_point_has_failed() {
    let mut rig = Rig::connected(&[("a", pushed()), ("p", polled())]);
    rig.set("a", 1);
    rig.pointset(json!({"sample_rate_sec": 20}));
    let (id, _) = rig.expect_read();
    rig.advance(5000);
    let events = rig.sent_on("events/pointset");
    assert_eq!(events.iter().map(|sent| sent.at).collect::<Vec<_>>(), [5000]);
    assert_eq!(events[0].payload["partial_update"], true);
    assert_eq!(rig.cancelled(), [id]);
    assert_eq!(rig.point_state("p")["status"]["category"], "pointset.point.failure");
    rig.answer_values(id, &[("p", Reading::Value(Value::Integer(1)))]);
    rig.advance(20_000);
    let (id, _) = rig.expect_read();
    rig.answer_values(id, &[("p", Reading::Value(Value::Integer(2)))]);
    assert_eq!(rig.point_state("p"), json!({}));
    assert_eq!(rig.events().pop().unwrap()["points"]["p"]["present_value"], 2);
}

#[test]
fn a_point_left_out_of_an_answer_keeps_its_value_and_a_failed_one_does_not() {
    let mut rig = Rig::connected(&[("p", polled()), ("q", polled())]);
    rig.pointset(json!({"sample_rate_sec": 10}));
    let (id, _) = rig.expect_read();
    let one = Reading::Value(Value::Integer(1));
    rig.answer_values(id, &[("p", one.clone()), ("q", one)]);
    rig.advance(10_000);
    let (id, _) = rig.expect_read();
    rig.answer_values(id, &[("q", Reading::Failed("no reply on the bus".into()))]);
    assert_eq!(rig.events().pop().unwrap()["points"], json!({"p": {"present_value": 1}}));
    assert_eq!(rig.point_state("q")["status"]["message"], "Point q: no reply on the bus");
}

#[test]
fn a_read_that_nobody_takes_care_of_fails_the_points() {
    let mut rig = Rig::connected(&[("p", polled())]);
    rig.pointset(json!({"sample_rate_sec": 10}));
    let (id, _) = rig.expect_read();
    rig.answer(id, Outcome::Unhandled);
    assert_eq!(rig.point_state("p")["status"]["level"], 500);
}

#[test]
fn points_that_answer_late_do_not_shift_the_period() {
    let mut rig = Rig::connected(&[("p", polled())]);
    rig.pointset(json!({"sample_rate_sec": 10}));
    let mut times = Vec::new();
    for delay in [0, 3000, 100, 2000] {
        let (id, _) = rig.expect_read();
        rig.advance(delay);
        rig.answer_values(id, &[("p", Reading::Value(Value::Integer(1)))]);
        times.extend(rig.event_times());
        rig.advance(10_000 - delay);
    }
    assert_eq!(times, [0, 13_000, 20_100, 32_000]);
}

#[test]
fn samples_are_taken_while_the_link_is_down_and_sent_after_it() {
    let mut rig = device();
    rig.pointset(json!({"sample_rate_sec": 10}));
    rig.advance(1000);
    rig.forget();
    rig.disconnect();
    rig.advance(40_000);
    assert_eq!(rig.events().len(), 0);
    rig.connect();
    let events = rig.events();
    assert_eq!(events.len(), 4);
    assert_eq!(events[0]["timestamp"], crate::support::time(10_000));
}
