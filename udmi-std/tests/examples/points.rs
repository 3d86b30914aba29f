//! Points: told, polled, computed, known in advance and found on the way.

use std::fs;

use serde_json::json;
use udmi_tests::live::shown::{DEVICE, Shown, sampling, status};
use udmi_tests::together;

together! {
    points_are_told_polled_and_computed:
    telemetry_publishes_what_is_told_as_often_as_the_config_wants,
    poll_is_asked_before_each_sample_and_a_failure_is_told,
    poll_all_reads_all_points_at_once,
    change_of_value_publishes_what_has_changed_enough_between_samples,
    virtual_points_are_computed_from_the_values_of_the_same_sample,
    point_model_refuses_what_the_model_does_not_allow,
    dynamic_points_come_and_go_with_their_sensors,
}

fn telemetry_publishes_what_is_told_as_often_as_the_config_wants() {
    Shown::start("telemetry").tells_load_and_uptime();
}

fn poll_is_asked_before_each_sample_and_a_failure_is_told() {
    let mut shown = Shown::start("poll");
    shown.desk.configure(DEVICE, &sampling(&json!({ "uptime": {}, "filter_pressure": {} })));
    shown.program.line("asked");
    shown.program.line("asked");
    let state = shown.desk.state(DEVICE, |state| status(state, "filter_pressure")["level"] == 500);
    assert!(status(&state, "filter_pressure")["message"].to_string().contains("No such file"), "{state}");
    assert_eq!(status(&state, "uptime"), &json!(null));
    fs::write(shown.folder.path().join("filter_pressure.txt"), "82.5\n").unwrap();
    assert_eq!(shown.sample("filter_pressure"), 82.5);
    shown.desk.state(DEVICE, |state| status(state, "filter_pressure").is_null());
}

fn poll_all_reads_all_points_at_once() {
    let mut shown = Shown::start("poll_all");
    shown.desk.configure(DEVICE, &json!({ "pointset": { "sample_rate_sec": 1 } }));
    let event = shown.desk.message(DEVICE, "events/pointset", |_| true);
    for point in ["load_1", "load_5", "load_15"] {
        assert!(event["points"][point]["present_value"].is_number(), "{event}");
    }
}

fn change_of_value_publishes_what_has_changed_enough_between_samples() {
    let mut shown = Shown::start("change_of_value");
    let mut config = sampling(&json!({ "temperature": { "cov_increment": 0.5 }, "humidity": {} }));
    config["pointset"]["sample_rate_sec"] = 600.into();
    config["pointset"]["sample_limit_sec"] = 1.into();
    shown.desk.configure(DEVICE, &config);
    let complete =
        shown.desk.message(DEVICE, "events/pointset", |event| event["points"].get("humidity").is_some());
    let mut last = complete["points"]["temperature"]["present_value"].as_f64();
    for _ in 0..2 {
        let partial = shown.desk.message(DEVICE, "events/pointset", |event| event["partial_update"] == true);
        assert!(partial["points"].get("humidity").is_none(), "{partial}");
        let temperature = partial["points"]["temperature"]["present_value"].as_f64().unwrap();
        if let Some(last) = last {
            assert!((temperature - last).abs() >= 0.5, "{temperature} after {last}");
        }
        last = Some(temperature);
    }
}

fn virtual_points_are_computed_from_the_values_of_the_same_sample() {
    let mut shown = Shown::start("virtual_points");
    shown.desk.configure(DEVICE, &json!({ "pointset": { "sample_rate_sec": 1 } }));
    for _ in 0..2 {
        let event = shown.desk.message(DEVICE, "events/pointset", |_| true);
        let value = |point: &str| event["points"][point]["present_value"].as_f64().unwrap();
        let difference = value("supply_temperature") - value("return_temperature");
        // Samples have two decimals; a value of another moment would be far off.
        assert!((value("temperature_difference") - difference).abs() < 0.02, "{event}");
    }
}

fn point_model_refuses_what_the_model_does_not_allow() {
    let mut shown = Shown::start("point_model");
    let setting = |value: i64| {
        let fan = json!({ "ref": "AO:2", "units": "Percent", "set_value": value });
        sampling(&json!({ "fan_speed": fan, "bearing_temperature": {} }))
    };
    shown.desk.configure(DEVICE, &setting(120));
    let fan = shown.value_state("fan_speed", "invalid");
    assert!(fan["status"]["message"].to_string().contains("at most 100"), "{fan}");
    shown.desk.configure(DEVICE, &setting(75));
    shown.value_state("fan_speed", "applied");
    assert_eq!(shown.sample("fan_speed"), 75);
    let bearing = shown.sample("bearing_temperature").as_i64().unwrap();
    assert!((60..=80).contains(&bearing), "{bearing}");
    let mut elsewhere = setting(75);
    elsewhere["pointset"]["points"]["fan_speed"]["ref"] = "AO:3".into();
    shown.desk.configure(DEVICE, &elsewhere);
    let state = shown.desk.state(DEVICE, |state| status(state, "fan_speed")["level"] == 500);
    assert_eq!(status(&state, "fan_speed")["category"], "pointset.point.failure");
}

fn dynamic_points_come_and_go_with_their_sensors() {
    let folder = tempfile::tempdir().unwrap();
    let attic = folder.path().join("sensors").join("attic");
    fs::create_dir(folder.path().join("sensors")).unwrap();
    let mut shown = Shown::start_in(folder, "dynamic_points", &["sensors"]);
    let state = shown.desk.ask(DEVICE, &sampling(&json!({ "attic": {} })));
    assert_eq!(status(&state, "attic")["category"], "pointset.point.invalid", "{state}");
    fs::write(&attic, "17.5\n").unwrap();
    shown.program.line("attic was plugged in");
    shown.desk.state(DEVICE, |state| status(state, "attic").is_null());
    assert_eq!(shown.sample("attic"), 17.5);
    fs::remove_file(&attic).unwrap();
    shown.program.line("attic was pulled out");
    shown.desk.state(DEVICE, |state| status(state, "attic")["level"] == 500);
}
