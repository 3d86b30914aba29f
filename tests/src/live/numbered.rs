//! The configs of a device of two points, told apart by their numbers.

use serde_json::{Value, json};

/// The timestamp of the config with this number, below 60.
#[must_use]
pub fn timestamp(number: u32) -> String {
    format!("2026-11-20T05:00:{number:02}Z")
}

/// The config itself: everything is told, each second, and the setpoint perhaps set.
#[must_use]
pub fn config(number: u32, set_value: Option<f64>) -> Value {
    let mut setpoint = json!({});
    if let Some(value) = set_value {
        setpoint["set_value"] = value.into();
    }
    json!({
        "timestamp": timestamp(number),
        "version": "1.5.7",
        "system": { "min_loglevel": 100, "metrics_rate_sec": 1, "operation": {} },
        "pointset": { "sample_rate_sec": 1, "points": { "temperature": {}, "setpoint": setpoint } },
    })
}

/// Whether the state is of that config.
#[must_use]
pub fn answers(state: &Value, number: u32) -> bool {
    state["system"]["last_config"] == timestamp(number)
}
