//! Which points are in state and events (§4.3), and how their values look (§4.4, §4.6).

use serde_json::{Value as Json, json};
use udmi_proto::{Command, Notice, PointModel, Value, ValueKind};

use crate::support::{Rig, polled, pushed, writable};

fn names(object: &Json) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn without_a_pointset_block_there_is_neither_state_nor_event() {
    let mut rig = Rig::connected(&[("a", pushed())]);
    rig.set("a", 1);
    rig.config(json!({}));
    assert_eq!(rig.state().get("pointset"), None);
    rig.advance(700_000);
    assert_eq!(rig.events(), Vec::<Json>::new());
}

#[test]
fn a_block_without_points_leaves_the_choice_to_the_device() {
    let mut rig = Rig::connected(&[("a", pushed()), ("b", pushed())]);
    rig.set("a", 1);
    rig.set("b", true);
    rig.pointset(json!({}));
    assert_eq!(names(&rig.pointset_state()["points"]), ["a", "b"]);
    let event = rig.events().pop().unwrap();
    assert_eq!(event["points"], json!({"a": {"present_value": 1}, "b": {"present_value": true}}));
    assert_eq!(event.get("partial_update"), None);
    assert_eq!(event["version"], "1.5.7");
}

#[test]
fn an_empty_list_of_points_means_no_points() {
    let mut rig = Rig::connected(&[("a", pushed())]);
    rig.set("a", 1);
    rig.pointset(json!({"points": {}}));
    assert_eq!(rig.pointset_state(), json!({"points": {}}));
    assert_eq!(rig.events().pop().unwrap()["points"], json!({}));
}

#[test]
fn an_unknown_point_is_invalid_in_the_state_and_left_out_of_events() {
    let mut rig = Rig::connected(&[("a", pushed())]);
    rig.set("a", Value::Number(21.456));
    rig.pointset(json!({"points": {"a": {}, "extraneous_point": {}}}));
    let state = rig.pointset_state();
    assert_eq!(names(&state["points"]), ["a", "extraneous_point"]);
    let status = &state["points"]["extraneous_point"]["status"];
    assert_eq!(status["category"], "pointset.point.invalid");
    assert_eq!(status["level"], 500);
    assert!(status["message"].as_str().unwrap().starts_with("Point extraneous_point"));
    let event = rig.events().pop().unwrap();
    assert_eq!(event["points"], json!({"a": {"present_value": 21.46}}));
    assert_eq!(event.get("partial_update"), None, "the device can never report it");
    rig.pointset(json!({"points": {"a": {}}}));
    assert_eq!(names(&rig.pointset_state()["points"]), ["a"]);
}

#[test]
fn a_known_point_that_is_not_in_the_config_is_nowhere() {
    let mut rig = Rig::connected(&[("a", pushed()), ("b", pushed())]);
    rig.set("a", 1);
    rig.set("b", 2);
    rig.pointset(json!({"points": {"b": {}}, "sample_rate_sec": 10}));
    assert_eq!(names(&rig.pointset_state()["points"]), ["b"]);
    assert_eq!(names(&rig.events().pop().unwrap()["points"]), ["b"]);
    rig.pointset(json!({"points": {"a": {}}, "sample_rate_sec": 10}));
    rig.advance(10_000);
    assert_eq!(names(&rig.events().pop().unwrap()["points"]), ["a"]);
}

#[test]
fn points_can_be_defined_and_removed_at_run_time() {
    let mut rig = Rig::connected(&[]);
    rig.pointset(json!({"points": {"a": {}}, "sample_rate_sec": 10}));
    assert_eq!(rig.point_state("a")["status"]["category"], "pointset.point.invalid");
    let units = Some("Degrees-Celsius".to_owned());
    rig.command(Command::DefinePoint { point: "a".into(), model: PointModel { units, ..pushed() } });
    rig.set("a", 3);
    assert_eq!(rig.point_state("a"), json!({"units": "Degrees-Celsius"}));
    rig.advance(10_000);
    assert_eq!(rig.events().pop().unwrap()["points"]["a"]["present_value"], 3);
    rig.command(Command::RemovePoint { point: "a".into() });
    assert_eq!(rig.point_state("a")["status"]["category"], "pointset.point.invalid");
}

#[test]
fn a_defined_point_is_reported_if_the_device_decides() {
    let mut rig = Rig::connected(&[]);
    rig.pointset(json!({}));
    rig.state();
    rig.command(Command::DefinePoint { point: "a".into(), model: pushed() });
    assert_eq!(names(&rig.pointset_state()["points"]), ["a"]);
    rig.command(Command::RemovePoint { point: "a".into() });
    assert_eq!(rig.pointset_state(), json!({"points": {}}));
}

#[test]
fn what_the_application_says_of_unknown_points_is_refused() {
    let mut rig = Rig::connected(&[]);
    rig.set("a", 1);
    rig.command(Command::DefinePoint { point: "Bad-Name".into(), model: pushed() });
    let refused: Vec<_> =
        rig.notices().into_iter().filter(|notice| matches!(notice, Notice::CommandRefused { .. })).collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
}

#[test]
fn an_illegal_name_in_the_config_is_logged_once_and_spoils_nothing() {
    let mut rig = Rig::connected(&[("a", pushed())]);
    rig.set("a", 1);
    rig.pointset(json!({"points": {"a": {}, "Bad": {}, "no good": {}, "": {}}}));
    assert_eq!(names(&rig.pointset_state()["points"]), ["a"]);
    let logs = rig.logs();
    let entries: Vec<_> = logs.iter().filter(|(category, _)| category == "pointset.point.invalid").collect();
    assert_eq!(entries.len(), 1, "{logs:?}");
}

#[test]
fn points_beyond_the_bound_are_left_out_and_the_block_says_so() {
    let mut rig = Rig::connected(&[]);
    let points: serde_json::Map<_, _> = (0..2005).map(|n| (format!("p{n:04}"), json!({}))).collect();
    rig.pointset(json!({ "points": points }));
    let state = rig.pointset_state();
    assert_eq!(state["points"].as_object().unwrap().len(), 2000);
    assert_eq!(state["status"]["category"], "pointset.point.invalid");
    rig.pointset(json!({"points": {}}));
    assert_eq!(rig.pointset_state(), json!({"points": {}}));
}

#[test]
fn thousands_of_unknown_points_leave_room_in_the_log() {
    let mut rig = Rig::connected(&[]);
    let points: serde_json::Map<_, _> = (0..2000).map(|n| (format!("p{n:04}"), json!({}))).collect();
    rig.pointset(json!({ "points": points }));
    let logs = rig.logs();
    assert!(logs.len() < 40, "{}", logs.len());
    assert!(logs.iter().any(|(category, _)| category == "system.config.apply"));
}

#[test]
fn a_bad_block_keeps_the_one_in_force() {
    let mut rig = Rig::connected(&[("a", pushed())]);
    rig.set("a", 1);
    rig.pointset(json!({"points": {"a": {}}, "sample_rate_sec": 10}));
    rig.pointset(json!({"points": 5}));
    let state = rig.pointset_state();
    assert_eq!(names(&state["points"]), ["a"]);
    assert_eq!(state["status"]["category"], "pointset.point.invalid");
    rig.forget();
    rig.advance(20_000);
    assert_eq!(rig.events().len(), 2);
}

#[test]
fn a_bad_block_before_any_good_one_counts_as_one_without_points() {
    let mut rig = Rig::connected(&[("a", pushed())]);
    rig.pointset(json!([]));
    assert_eq!(rig.pointset_state()["points"], json!({}));
}

#[test]
fn a_known_point_without_a_value_has_failed_and_makes_the_event_partial() {
    let mut rig = Rig::connected(&[("a", pushed()), ("b", pushed())]);
    rig.set("a", 1);
    rig.pointset(json!({"points": {"a": {}, "b": {}}, "sample_rate_sec": 10}));
    rig.advance(4000);
    let event = rig.events().pop().unwrap();
    assert_eq!(event["partial_update"], true);
    assert_eq!(event["points"], json!({"a": {"present_value": 1}}));
    let status = rig.point_state("b")["status"].clone();
    assert_eq!((&status["category"], &status["level"]), (&json!("pointset.point.failure"), &json!(500)));
    rig.set("b", 2);
    assert_eq!(rig.point_state("b"), json!({}));
    assert!(rig.logs().contains(&("pointset.point.nominal".into(), "Point b: read again".into())));
}

#[test]
fn a_failed_point_is_left_out_until_its_next_value() {
    let mut rig = Rig::connected(&[("a", pushed())]);
    rig.set("a", 1);
    rig.pointset(json!({"points": {"a": {}}, "sample_rate_sec": 10}));
    rig.state();
    rig.forget();
    rig.command(Command::FailPoint { point: "a".into(), message: "sensor broken".into() });
    assert_eq!(rig.point_state("a")["status"]["message"], "Point a: sensor broken");
    rig.advance(10_000);
    assert_eq!(rig.events().pop().unwrap()["points"], json!({}));
    assert_eq!(rig.states(), Vec::<Json>::new(), "nothing new to tell");
}

#[test]
fn numbers_are_never_sent_as_texts_and_never_infinite() {
    let text = PointModel { kind: Some(ValueKind::Text), ..pushed() };
    let number = PointModel { kind: Some(ValueKind::Number { minimum: None, maximum: None }), ..pushed() };
    let mut rig = Rig::connected(&[("n", number), ("t", text), ("x", pushed())]);
    rig.set("n", "0x1p3");
    rig.set("t", "5");
    rig.set("x", Value::Number(f64::INFINITY));
    rig.pointset(json!({"points": {"n": {}, "t": {}, "x": {}}}));
    let event = rig.events().pop().unwrap();
    assert_eq!(event["points"], json!({"n": {"present_value": 8.0}, "t": {"present_value": "5"}}));
    assert_eq!(rig.point_state("x")["status"]["category"], "pointset.point.failure");
}

#[test]
fn a_finer_increment_keeps_all_digits() {
    let mut rig = Rig::connected(&[("a", pushed())]);
    rig.set("a", Value::Number(0.123_456));
    rig.pointset(json!({"points": {"a": {"cov_increment": 0.001}}}));
    assert_eq!(rig.events().pop().unwrap()["points"]["a"]["present_value"], 0.123_456);
}

#[test]
fn a_config_with_another_reference_or_none_fails_the_point_and_writes_nothing() {
    let model = PointModel { reference: Some("AV/1".into()), ..writable(0.0, 100.0) };
    let mut rig = Rig::connected(&[("a", model)]);
    rig.set("a", 1);
    for point in [json!({"ref": "ref-1a2b", "set_value": 5}), json!({"set_value": 5})] {
        rig.pointset(json!({ "points": { "a": point } }));
        let state = rig.point_state("a");
        assert_eq!(state["status"]["category"], "pointset.point.failure");
        assert!(state["status"]["message"].as_str().unwrap().contains("Invalid point ref"));
        assert_eq!(state.get("value_state"), None);
        assert_eq!(rig.hooks(), []);
    }
    rig.pointset(json!({"points": {"a": {"ref": "AV/1"}}}));
    assert_eq!(rig.point_state("a"), json!({}));
}

#[test]
fn a_wrong_reference_keeps_the_value_state() {
    let model = PointModel { reference: Some("AV/1".into()), ..writable(0.0, 100.0) };
    let mut rig = Rig::connected(&[("a", model)]);
    rig.set("a", 1);
    rig.pointset(json!({"points": {"a": {"ref": "AV/1", "set_value": 5}}}));
    let write = rig.expect_write("a", 5);
    rig.answer(write, udmi_proto::Outcome::Done);
    rig.pointset(json!({"points": {"a": {"ref": "AV/2", "set_value": 6}}}));
    assert_eq!(rig.point_state("a")["value_state"], "applied");
    assert_eq!(rig.hooks(), []);
    rig.pointset(json!({"points": {"a": {"ref": "AV/1", "set_value": 5}}}));
    assert_eq!(rig.point_state("a"), json!({"value_state": "applied"}));
    assert_eq!(rig.hooks(), []);
}

#[test]
fn a_device_that_keeps_no_references_takes_any() {
    let mut rig = Rig::connected(&[("a", pushed())]);
    rig.set("a", 1);
    rig.pointset(json!({"points": {"a": {"ref": "AV/7"}}}));
    assert_eq!(rig.point_state("a"), json!({}));
}

#[test]
fn nothing_changes_in_the_state_while_values_do() {
    let mut rig = Rig::connected(&[("a", pushed()), ("b", polled())]);
    rig.set("a", 1);
    rig.pointset(json!({"points": {"a": {}}, "sample_rate_sec": 10}));
    rig.advance(2000);
    rig.forget();
    for n in 0..100 {
        rig.set("a", n);
        rig.advance(700);
    }
    assert_eq!(rig.states(), Vec::<Json>::new());
    assert_eq!(rig.events().len(), 7);
}
