//! What the cloud sets.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use udmi_std::udmi_proto::model::common::Timestamp;
use udmi_tests::live::shown::{DEVICE, Shown, sampling, status};
use udmi_tests::together;

together! {
    what_the_cloud_sets:
    writeback_puts_values_in_force_once_and_tells_what_it_cannot,
    writeback_points_go_through_closures_of_their_own_or_become_values,
    writeback_expiry_gives_the_point_back_when_the_time_has_come,
}

fn setting(point: &str, value: impl Into<Value>) -> Value {
    sampling(&json!({ point: { "set_value": value.into() } }))
}

fn writeback_puts_values_in_force_once_and_tells_what_it_cannot() {
    let mut shown = Shown::start("writeback");
    for _ in 0..2 {
        shown.desk.ask(DEVICE, &setting("setpoint", 21.5));
    }
    shown.program.line("setpoint := 21.5");
    assert_eq!(shown.sample("setpoint"), 21.5);
    shown.desk.configure(DEVICE, &setting("setpoint", 99));
    let point = shown.value_state("setpoint", "invalid");
    assert!(point["status"]["message"].to_string().contains("10 to 30 degrees"), "{point}");
    shown.desk.configure(DEVICE, &setting("blinds", 1));
    let point = shown.value_state("blinds", "failure");
    assert!(point["status"]["message"].to_string().contains("the motor is stuck"), "{point}");
    shown.desk.configure(DEVICE, &setting("setpoint", 22));
    shown.program.line("setpoint := 22");
    let writes = shown.program.said().iter().filter(|line| line.contains(":=")).count();
    assert_eq!(writes, 2, "{:?}", shown.program.said());
}

fn writeback_points_go_through_closures_of_their_own_or_become_values() {
    let mut shown = Shown::start("writeback_points");
    let points = json!({
        "lamp": { "set_value": true }, "damper": { "set_value": 40 }, "mode": { "set_value": "night" },
    });
    shown.desk.configure(DEVICE, &sampling(&points));
    shown.value_state("damper", "updating");
    shown.program.line("the damper is at 40 %");
    shown.program.line("the lamp is on");
    shown.value_state("damper", "applied");
    let has = |event: &Value, point: &str, value: Value| event["points"][point]["present_value"] == value;
    shown.desk.message(DEVICE, "events/pointset", |event| {
        has(event, "lamp", true.into())
            && has(event, "mode", "night".into())
            && has(event, "damper", 40.into())
    });
    shown.desk.configure(DEVICE, &setting("mode", "never"));
    let point = shown.value_state("mode", "invalid");
    assert!(point["status"]["message"].to_string().contains("one of day, night"), "{point}");
}

fn writeback_expiry_gives_the_point_back_when_the_time_has_come() {
    let mut shown = Shown::start("writeback_expiry");
    shown.desk.ask(DEVICE, &json!({ "system": {} })); // it is at work, so that four seconds are enough
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let expiry = Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap() + 4000);
    let mut config = setting("setpoint", 18);
    config["pointset"]["set_value_expiry"] = expiry.as_str().into();
    shown.desk.configure(DEVICE, &config);
    shown.program.line("setpoint := 18 for the cloud");
    shown.value_state("setpoint", "applied");
    assert_eq!(shown.sample("setpoint"), 18);
    shown.program.line("setpoint := 21 by the thermostat");
    let point =
        shown.desk.state(DEVICE, |state| state["pointset"]["points"]["setpoint"]["value_state"].is_null());
    assert_eq!(status(&point, "setpoint"), &Value::Null);
    shown.desk.message(DEVICE, "events/pointset", |event| event["points"]["setpoint"]["present_value"] == 21);
}
