//! What the config as a whole says of its set values: expiry (§4.7) and etag (§11 item 12).

use serde_json::{Value as Json, json};
use udmi_proto::{Options, Outcome};

use crate::support::{BIRTH, Rig, settings_with, time, writable};
use crate::writes::{device, last_value, remove_value, set_value, value_state};

fn with_expiry(rig: &mut Rig, timestamp: i64, expiry: &str) {
    rig.config(json!({
        "timestamp": time(timestamp),
        "pointset": {
            "sample_rate_sec": 10, "set_value_expiry": expiry, "points": {"sp": {"set_value": 60}},
        },
    }));
}

#[test]
fn set_values_lapse_at_their_expiry() {
    let mut rig = device();
    with_expiry(&mut rig, 3000, &time(20_000));
    let write = rig.expect_write("sp", 60);
    rig.answer(write, Outcome::Done);
    rig.advance(16_000);
    assert_eq!(rig.states().pop().unwrap()["pointset"]["points"]["sp"]["value_state"], "applied");
    rig.advance(1000);
    assert_eq!(rig.now.utc.0 - BIRTH, 20_000);
    rig.expect_release("sp");
    let states = rig.states();
    assert_eq!(states.len(), 1, "the state is sent");
    assert_eq!(states[0]["pointset"]["points"]["sp"], json!({}));
    assert_eq!(last_value(&mut rig), 20);
    with_expiry(&mut rig, 3000, &time(20_000));
    assert_eq!(rig.hooks(), []);
    assert_eq!(rig.point_state("sp"), json!({}));
}

#[test]
fn an_expiry_not_after_the_config_makes_set_values_invalid() {
    for expiry in [time(3000), time(1000), "soon".into()] {
        let mut rig = device();
        with_expiry(&mut rig, 3000, &expiry);
        assert_eq!(value_state(&mut rig), "invalid", "{expiry}");
        assert_eq!(rig.hooks(), []);
    }
}

#[test]
fn an_expiry_that_has_passed_on_the_way_is_no_set_value() {
    let mut rig = device();
    with_expiry(&mut rig, 0, &time(2000));
    assert_eq!(rig.point_state("sp"), json!({}));
    assert_eq!(rig.hooks(), []);
}

#[test]
fn a_config_without_an_expiry_disarms_the_one_before() {
    let mut rig = device();
    with_expiry(&mut rig, 3000, &time(20_000));
    let write = rig.expect_write("sp", 60);
    rig.answer(write, Outcome::Done);
    set_value(&mut rig, json!(60));
    rig.advance(60_000);
    assert_eq!(rig.hooks(), []);
    assert_eq!(rig.states().pop().unwrap()["pointset"]["points"]["sp"]["value_state"], "applied");
}

fn with_etag(rig: &mut Rig, etag: &str, value: Json) -> Json {
    rig.pointset(json!({"sample_rate_sec": 10, "state_etag": etag, "points": {"sp": {"set_value": value}}}));
    rig.pointset_state()
}

#[test]
fn no_etag_is_reported_unless_the_config_has_one() {
    let mut rig = device();
    remove_value(&mut rig);
    assert_eq!(rig.pointset_state().get("state_etag"), None);
    rig.pointset(json!({"state_etag": "", "points": {"sp": {}}}));
    assert_eq!(rig.pointset_state().get("state_etag"), None);
}

#[test]
fn a_stale_etag_is_invalid_before_any_actuation_and_a_reported_one_is_not() {
    let mut rig = device();
    let state = with_etag(&mut rig, "stale", json!(60));
    assert_eq!(state["points"]["sp"]["value_state"], "invalid");
    assert_eq!(state["points"]["sp"]["status"]["category"], "pointset.point.invalid");
    assert_eq!(rig.hooks(), []);
    let etag = state["state_etag"].as_str().unwrap().to_owned();
    assert_eq!(etag.len(), 32);
    assert!(etag.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()));

    let state = with_etag(&mut rig, &etag, json!(60));
    assert_eq!(state["points"]["sp"], json!({"value_state": "updating"}));
    assert_ne!(state["state_etag"], etag.as_str(), "the state has changed");
    let write = rig.expect_write("sp", 60);
    rig.answer(write, Outcome::Done);
    let applied = rig.pointset_state();

    let state = with_etag(&mut rig, "stale", json!(70));
    assert_eq!(state["points"]["sp"]["value_state"], "invalid");
    assert_eq!(rig.hooks(), [], "neither a write nor a release");
    let state = with_etag(&mut rig, applied["state_etag"].as_str().unwrap(), json!(70));
    assert_eq!(state["points"]["sp"]["value_state"], "updating", "the one before the last is good too");
}

#[test]
fn a_config_that_repeats_an_old_etag_with_the_same_values_changes_nothing() {
    let mut rig = device();
    let etag = with_etag(&mut rig, "stale", json!(60))["state_etag"].as_str().unwrap().to_owned();
    with_etag(&mut rig, &etag, json!(60));
    let write = rig.expect_write("sp", 60);
    rig.answer(write, Outcome::Done);
    rig.state();
    let state = with_etag(&mut rig, &etag, json!(60));
    let again = with_etag(&mut rig, &etag, json!(60));
    assert_eq!(state["points"]["sp"], json!({"value_state": "applied"}));
    assert_eq!(state, again);
}

#[test]
fn an_echoed_etag_is_reported_as_it_came_and_not_checked() {
    let mut settings = settings_with(&[("sp", writable(0.0, 196.0))]);
    settings.options = Options { echo_etag: true, ..Options::default() };
    let mut rig = Rig::new(settings);
    rig.connect();
    assert_eq!(with_etag(&mut rig, "whatever", json!(60))["state_etag"], "whatever");
    rig.expect_write("sp", 60);
    let long = with_etag(&mut rig, &"x".repeat(33), json!(60));
    assert_eq!(long.get("state_etag"), None);
    assert_eq!(long["status"]["category"], "pointset.point.invalid");
}

#[test]
fn an_etag_of_long_ago_is_stale_even_if_none_was_asked_for_since() {
    let mut rig = device();
    rig.pointset(json!({"sample_rate_sec": 10, "state_etag": "x", "points": {"sp": {}}}));
    let etag = rig.pointset_state()["state_etag"].as_str().unwrap().to_owned();
    set_value(&mut rig, json!(60));
    let write = rig.expect_write("sp", 60);
    rig.answer(write, Outcome::Done);
    let state = with_etag(&mut rig, &etag, json!(70));
    assert_eq!(state["points"]["sp"]["value_state"], "invalid");
    assert_eq!(rig.hooks(), []);
}
