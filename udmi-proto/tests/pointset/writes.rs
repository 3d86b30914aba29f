//! Write-back: every row of §4.7 but expiry and etag, and the traps of §9.6.

use serde_json::{Value as Json, json};
use udmi_proto::{Command, Hook, HookId, Options, Outcome, PointModel, Reading, Value, ValueKind};

use crate::support::{Rig, polled, pushed, settings_with, writable};

/// A device with a writable number `sp` that reads 20.
pub(crate) fn device() -> Rig {
    let mut rig = Rig::connected(&[("sp", writable(0.0, 196.0))]);
    rig.set("sp", 20);
    rig.pointset(json!({"sample_rate_sec": 10, "points": {"sp": {}}}));
    rig.advance(3000);
    rig.forget();
    rig
}

pub(crate) fn set_value(rig: &mut Rig, value: Json) {
    rig.pointset(json!({"sample_rate_sec": 10, "points": {"sp": {"set_value": value}}}));
}

pub(crate) fn remove_value(rig: &mut Rig) {
    rig.pointset(json!({"sample_rate_sec": 10, "points": {"sp": {}}}));
}

/// A device whose `sp` was set to 60.
fn applied() -> Rig {
    let mut rig = device();
    set_value(&mut rig, json!(60));
    let write = rig.expect_write("sp", 60);
    rig.answer(write, Outcome::Done);
    assert_eq!(rig.point_state("sp")["value_state"], "applied");
    rig.advance(3000);
    rig.forget();
    rig
}

pub(crate) fn value_state(rig: &mut Rig) -> Json {
    rig.point_state("sp")["value_state"].clone()
}

pub(crate) fn last_value(rig: &mut Rig) -> Json {
    rig.advance(10_000);
    rig.events().pop().expect("an event")["points"]["sp"]["present_value"].clone()
}

#[test]
fn without_a_set_value_there_is_no_value_state() {
    let mut rig = device();
    remove_value(&mut rig);
    assert_eq!(rig.point_state("sp"), json!({}));
    assert_eq!(last_value(&mut rig), 20);
}

#[test]
fn a_write_shows_updating_then_applied_and_its_event_follows_the_state() {
    let mut rig = device();
    set_value(&mut rig, json!(60));
    assert_eq!(value_state(&mut rig), "updating");
    let write = rig.expect_write("sp", 60);
    rig.advance(4000);
    rig.sent();
    rig.answer(write, Outcome::Done);
    rig.advance(2000);
    let sent = rig.sent();
    let order: Vec<_> =
        sent.iter().map(|sent| sent.topic.as_str()).filter(|topic| *topic != "events/system").collect();
    assert_eq!(order, ["state", "events/pointset"]);
    assert_eq!(sent[0].payload["pointset"]["points"]["sp"], json!({"value_state": "applied"}));
    let event = sent.iter().find(|sent| sent.topic == "events/pointset").unwrap();
    assert_eq!(event.payload["points"]["sp"]["present_value"].to_string(), "60");
    assert_eq!(event.payload.get("partial_update"), None);
}

/// §4.8, and when the driver looks late, too.
#[test]
fn a_write_that_is_done_at_once_still_has_its_state_first() {
    let waits: [fn(&mut Rig); 2] = [|rig| rig.advance(2100), |rig| rig.stall(2500)];
    for wait in waits {
        let mut rig = device();
        set_value(&mut rig, json!(60));
        let write = rig.expect_write("sp", 60);
        rig.answer(write, Outcome::Done);
        wait(&mut rig);
        let sent = rig.sent();
        let applied = sent.iter().position(|sent| {
            sent.topic == "state" && sent.payload["pointset"]["points"]["sp"]["value_state"] == "applied"
        });
        let shown = sent.iter().position(|sent| {
            sent.topic == "events/pointset" && sent.payload["points"]["sp"]["present_value"] == 60
        });
        assert!(applied.unwrap() < shown.unwrap(), "{sent:?}");
    }
}

#[test]
fn the_written_value_keeps_its_form() {
    for (value, text) in [(json!(60), "60"), (json!(60.0), "60.0"), (json!(60.125), "60.125")] {
        let mut rig = device();
        set_value(&mut rig, value);
        let (write, _) = rig.hooks().remove(0);
        rig.answer(write, Outcome::Done);
        assert_eq!(last_value(&mut rig).to_string(), text);
        rig.set("sp", Value::Number(value_of(text)));
        assert_eq!(last_value(&mut rig).to_string(), text, "a read-back of the same value");
        rig.set("sp", Value::Number(59.5));
        assert_eq!(last_value(&mut rig).to_string(), "59.5", "the next reading");
    }
}

fn value_of(text: &str) -> f64 {
    text.parse().unwrap()
}

#[test]
fn a_polled_point_shows_the_set_value_until_its_next_reading() {
    let mut rig = Rig::connected(&[("sp", PointModel { writable: true, ..polled() })]);
    rig.pointset(json!({"sample_rate_sec": 10, "points": {"sp": {"set_value": 60}}}));
    let mut hooks = rig.hooks();
    assert!(matches!(hooks[0].1, Hook::WritePoint { .. }));
    let read = hooks.remove(1).0;
    rig.answer_values(read, &[("sp", Reading::Value(Value::Integer(20)))]);
    rig.answer(hooks.remove(0).0, Outcome::Done);
    rig.forget();
    rig.advance(2100);
    assert_eq!(rig.events().pop().unwrap()["points"]["sp"]["present_value"], 60);
    rig.advance(10_000);
    let (read, _) = rig.expect_read();
    rig.answer_values(read, &[("sp", Reading::Value(Value::Integer(61)))]);
    assert_eq!(rig.events().pop().unwrap()["points"]["sp"]["present_value"], 61);
}

#[test]
fn a_value_of_the_wrong_type_or_out_of_range_is_invalid() {
    for value in [json!(197), json!(-1), json!("hot"), json!(true), json!(null), json!([1]), json!({"a": 1})]
    {
        let mut rig = device();
        set_value(&mut rig, value.clone());
        let state = rig.point_state("sp");
        assert_eq!(state["value_state"], "invalid", "{value}");
        assert_eq!(state["status"]["category"], "pointset.point.invalid");
        assert_eq!(state["status"]["level"], 500);
        assert_eq!(rig.hooks(), []);
        assert_eq!(last_value(&mut rig), 20);
        let text = state["status"]["message"].as_str().unwrap();
        assert!(text.starts_with("Point sp"), "{text}");
    }
}

#[test]
fn a_value_that_is_not_in_the_enumeration_is_invalid() {
    let kind = Some(ValueKind::Enumeration(vec!["on".into(), "off".into()]));
    let mut rig = Rig::connected(&[("sp", PointModel { writable: true, kind, ..pushed() })]);
    set_value(&mut rig, json!("auto"));
    assert_eq!(value_state(&mut rig), "invalid");
    set_value(&mut rig, json!("on"));
    rig.expect_write("sp", "on");
}

#[test]
fn validity_comes_before_writability_and_a_point_that_is_not_writable_fails() {
    let mut rig = Rig::connected(&[("sp", PointModel { writable: false, ..writable(8.0, 12.0) })]);
    set_value(&mut rig, json!(15));
    assert_eq!(value_state(&mut rig), "invalid");
    set_value(&mut rig, json!(10));
    let state = rig.point_state("sp");
    assert_eq!(state["value_state"], "failure");
    assert_eq!(state["status"]["category"], "pointset.point.failure");
    assert_eq!(state["status"]["level"], 500);
    assert_eq!(rig.hooks(), []);
}

#[test]
fn what_the_application_refuses_is_invalid_and_what_it_cannot_do_is_a_failure() {
    for (outcome, expected, category) in [
        (Outcome::Invalid { message: "no".into() }, "invalid", "pointset.point.invalid"),
        (Outcome::Failed { message: "bus down".into() }, "failure", "pointset.point.failure"),
        (Outcome::Unhandled, "failure", "pointset.point.failure"),
    ] {
        let mut rig = device();
        set_value(&mut rig, json!(60));
        let write = rig.expect_write("sp", 60);
        rig.state();
        rig.answer(write, outcome);
        let state = rig.point_state("sp");
        assert_eq!(state["value_state"], expected);
        assert_eq!(state["status"]["category"], category);
        assert_eq!(last_value(&mut rig), 20);
        set_value(&mut rig, json!(60));
        assert_eq!(rig.hooks(), [], "the same value is not tried again");
        remove_value(&mut rig);
        assert_eq!(rig.point_state("sp"), json!({}));
        assert_eq!(rig.hooks(), [], "nothing was written, nothing is released");
    }
}

#[test]
fn a_write_is_logged_when_it_begins_and_when_it_is_in_force() {
    let mut rig = device();
    rig.config(json!({
        "system": {"min_loglevel": 200},
        "pointset": {"sample_rate_sec": 10, "points": {"sp": {"set_value": 60}}},
    }));
    let write = rig.expect_write("sp", 60);
    rig.answer(write, Outcome::Done);
    let logs = rig.logs();
    for (category, message) in [
        ("pointset.point.updating", "Point sp: writing"),
        ("pointset.point.applied", "Point sp: set value applied"),
    ] {
        assert!(logs.contains(&(category.into(), message.into())), "{logs:?}");
    }
}

#[test]
fn an_equal_set_value_is_not_written_again() {
    let mut rig = device();
    set_value(&mut rig, json!(60));
    let write = rig.expect_write("sp", 60);
    set_value(&mut rig, json!(60));
    assert_eq!(rig.hooks(), []);
    rig.answer(write, Outcome::Done);
    for _ in 0..5 {
        set_value(&mut rig, json!(60));
    }
    assert_eq!(rig.hooks(), []);
    assert_eq!(value_state(&mut rig), "applied");
}

#[test]
fn a_changed_set_value_supersedes_and_late_answers_are_ignored() {
    let mut rig = device();
    set_value(&mut rig, json!(60));
    let first = rig.expect_write("sp", 60);
    set_value(&mut rig, json!(70));
    assert_eq!(rig.cancelled(), [first]);
    let second = rig.expect_write("sp", 70);
    rig.answer(first, Outcome::Done);
    assert_eq!(value_state(&mut rig), "updating");
    rig.answer(second, Outcome::Done);
    assert_eq!(value_state(&mut rig), "applied");
    assert_eq!(last_value(&mut rig), 70);
}

#[test]
fn while_a_new_value_is_written_the_old_one_is_shown() {
    let mut rig = applied();
    set_value(&mut rig, json!(70));
    rig.expect_write("sp", 70);
    assert_eq!(last_value(&mut rig), 60);
}

#[test]
fn a_removed_set_value_is_released_at_once() {
    let mut rig = applied();
    remove_value(&mut rig);
    rig.expect_release("sp");
    assert_eq!(rig.point_state("sp"), json!({}));
    assert_eq!(last_value(&mut rig), 20);
    remove_value(&mut rig);
    assert_eq!(rig.hooks(), []);
}

#[test]
fn a_set_value_removed_while_it_is_written_is_cancelled_and_released() {
    let mut rig = device();
    set_value(&mut rig, json!(60));
    let write = rig.expect_write("sp", 60);
    remove_value(&mut rig);
    assert_eq!(rig.cancelled(), [write]);
    rig.expect_release("sp");
    rig.answer(write, Outcome::Done);
    assert_eq!(rig.point_state("sp"), json!({}));
}

#[test]
fn a_config_that_drops_the_block_releases_what_was_written() {
    let mut rig = applied();
    rig.config(json!({}));
    rig.expect_release("sp");
    assert_eq!(rig.state().get("pointset"), None);
    rig.advance(100_000);
    assert_eq!(rig.events(), Vec::<Json>::new());
}

#[test]
fn a_written_point_that_is_removed_and_put_back_has_its_value_state_again() {
    let mut rig = applied();
    rig.pointset(json!({"sample_rate_sec": 10, "points": {}}));
    rig.expect_release("sp");
    assert_eq!(rig.pointset_state(), json!({"points": {}}));
    set_value(&mut rig, json!(60));
    let write = rig.expect_write("sp", 60);
    rig.pointset(json!({"sample_rate_sec": 10, "points": {}}));
    rig.forget();
    set_value(&mut rig, json!(60));
    rig.answer(write, Outcome::Done);
    let write = rig.expect_write("sp", 60);
    rig.answer(write, Outcome::Done);
    assert_eq!(value_state(&mut rig), "applied");
    assert_eq!(last_value(&mut rig), 60);
}

#[test]
fn a_point_the_device_loses_while_it_is_written_leaves_nothing_behind() {
    let mut rig = device();
    set_value(&mut rig, json!(60));
    let write = rig.expect_write("sp", 60);
    rig.command(Command::RemovePoint { point: "sp".into() });
    assert_eq!(rig.cancelled(), [write]);
    rig.answer(write, Outcome::Done);
    rig.state();
    rig.command(Command::DefinePoint { point: "sp".into(), model: writable(0.0, 196.0) });
    rig.expect_write("sp", 60);
    assert_eq!(value_state(&mut rig), "updating");
}

#[test]
fn a_write_without_an_answer_fails_after_sixty_seconds_and_still_applies_later() {
    let mut rig = device();
    set_value(&mut rig, json!(60));
    let write = rig.expect_write("sp", 60);
    rig.advance(59_000);
    rig.states();
    rig.advance(1000);
    let state = rig.point_state("sp");
    assert_eq!(state["value_state"], "failure");
    assert_eq!(state["status"]["category"], "pointset.point.failure");
    assert_eq!(rig.cancelled(), []);
    rig.advance(3000);
    rig.answer(write, Outcome::Done);
    assert_eq!(rig.point_state("sp"), json!({"value_state": "applied"}));
}

#[test]
fn updating_is_held_for_the_minimum_time() {
    let mut settings = settings_with(&[("sp", writable(0.0, 196.0))]);
    settings.options = Options { minimum_updating_ms: 4000, ..Options::default() };
    let mut rig = Rig::new(settings);
    rig.connect();
    rig.set("sp", 20);
    set_value(&mut rig, json!(60));
    let write = rig.expect_write("sp", 60);
    rig.answer(write, Outcome::Done);
    assert_eq!(value_state(&mut rig), "updating");
    rig.advance(1900);
    assert!(rig.states().iter().all(|state| state["pointset"]["points"]["sp"]["value_state"] == "updating"));
    rig.advance(100);
    assert_eq!(value_state(&mut rig), "applied");
    assert_eq!(last_value(&mut rig), 60);
}

#[test]
fn too_many_writes_at_once_fail_and_are_tried_again_when_there_is_room() {
    let names: Vec<String> = (0..300).map(|n| format!("p{n:03}")).collect();
    let points: Vec<_> = names.iter().map(|name| (name.as_str(), writable(0.0, 100.0))).collect();
    let mut rig = Rig::connected(&points);
    let wanted: serde_json::Map<_, _> = names.iter().map(|n| (n.clone(), json!({"set_value": 5}))).collect();
    rig.pointset(json!({ "points": wanted }));
    let mut hooks = rig.hooks();
    assert_eq!(hooks.len(), 256, "the bound on pending hooks");
    let status = rig.pointset_state()["points"]["p299"]["status"]["message"].clone();
    assert_eq!(status, "Point p299: too many pending writes");
    while let Some((id, _)) = hooks.pop() {
        rig.answer(id, Outcome::Done);
        hooks.extend(rig.hooks());
    }
    let state = rig.pointset_state();
    assert!(names.iter().all(|name| state["points"][name] == json!({"value_state": "applied"})));
    rig.pointset(json!({"points": {}}));
    let mut releases = rig.hooks();
    let mut released = 0;
    while let Some((id, hook)) = releases.pop() {
        assert!(matches!(hook, Hook::ReleasePoint { .. }));
        released += 1;
        rig.answer(id, Outcome::Done);
        releases.extend(rig.hooks());
    }
    assert_eq!(released, 300);
}

#[test]
fn a_local_override_is_told_and_ends_with_another_write() {
    let mut rig = applied();
    rig.command(Command::OverridePoint { point: "sp".into(), overridden: true });
    let state = rig.point_state("sp");
    assert_eq!(state["value_state"], "overridden");
    assert_eq!(state["status"]["category"], "pointset.point.overridden");
    assert_eq!(state["status"]["level"], 400);
    assert_eq!(last_value(&mut rig), 20, "the live value");
    set_value(&mut rig, json!(61));
    assert_eq!(value_state(&mut rig), "overridden");
    assert_eq!(rig.hooks(), []);
    rig.command(Command::OverridePoint { point: "sp".into(), overridden: false });
    let write = rig.expect_write("sp", 61);
    rig.answer(write, Outcome::Done);
    assert_eq!(value_state(&mut rig), "applied");
}

#[test]
fn an_override_without_a_set_value_changes_nothing() {
    let mut rig = device();
    rig.command(Command::OverridePoint { point: "sp".into(), overridden: true });
    rig.advance(5000);
    assert_eq!(rig.states(), Vec::<Json>::new());
    remove_value(&mut rig);
    assert_eq!(rig.point_state("sp"), json!({}));
}

#[test]
fn a_stop_time_is_read_and_ignored() {
    let mut rig = device();
    rig.pointset(json!({"points": {"sp": {"set_value": 60, "stop_time": "2026-03-01T10:00:05Z"}}}));
    rig.expect_write("sp", 60);
}

#[test]
fn the_system_status_stays_clear_of_points() {
    let mut rig = device();
    set_value(&mut rig, json!("hot"));
    assert_eq!(rig.state()["system"].get("status"), None);
}

#[test]
fn an_answer_nobody_waits_for_is_harmless() {
    let mut rig = device();
    let id: HookId = serde_json::from_value(json!(4711)).unwrap();
    rig.answer(id, Outcome::Done);
    rig.advance(3000);
    assert_eq!(rig.states(), Vec::<Json>::new());
}
