//! The step in which a gateway speaks for the two meters behind it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use udmi_host::site::GeneratedConfig;

use super::bench::{Bench, PATIENCE, is_telemetry, now};
use crate::cloud::{Cloud, Kind, Message, Seconds};

/// The gateway and the meters of the sample site.
const GATEWAY: &str = "GAT-1";
const METERS: [&str; 2] = ["EM-1", "EM-2"];
/// What a meter measures.
const POINT: &str = "voltage_sensor";

/// Starts the gateway, gives it and its meters their configs, and hears all of them.
pub(super) fn gateway(bench: &mut Bench) -> Result<String, String> {
    let since = Instant::now();
    let mut cloud = bench.join_all()?;
    let mut unanswered = BTreeMap::new();
    for device in METERS.into_iter().chain([GATEWAY]) {
        let config = config(bench, device)?;
        cloud.publish_config(device, &config).map_err(|error| error.to_string())?;
        unanswered.insert(device.to_owned(), config["timestamp"].clone());
    }
    let mut process = bench.start_other(GATEWAY)?;
    let told = hear(&mut cloud, unanswered).map_err(|error| format!("{error}; {}", process.last_words()))?;
    let took = Seconds(Duration::from_millis(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)));
    process.ask_to_stop();
    match process.wait(PATIENCE) {
        Some(status) if status.success() => Ok(format!("{GATEWAY} speaks for {told} after {took}")),
        _ => Err(format!("{GATEWAY} did not end in order; {}", process.last_words())),
    }
}

/// Waits until all have answered their configs, and then for a measured value of each meter.
fn hear(cloud: &mut Cloud, mut unanswered: BTreeMap<String, Value>) -> Result<String, String> {
    while !unanswered.is_empty() {
        let answers = |message: &Message| {
            let state = message.json().filter(|_| message.kind == Kind::State).unwrap_or_default();
            unanswered.get(&message.device).is_some_and(|of| state["system"]["last_config"] == *of)
        };
        let missing = || format!("an answer of {:?}", unanswered.keys());
        let message = cloud.wait_for(answers, PATIENCE).map_err(|error| format!("{}: {error}", missing()))?;
        unanswered.remove(&message.device);
    }
    let mut told = Vec::new();
    for meter in METERS {
        let is_told = |message: &Message| message.device == meter && value(message).is_some();
        let message = cloud.wait_for(is_told, PATIENCE).map_err(|error| format!("{meter}: {error}"))?;
        told.push(format!("{meter} ({:.1} V)", value(&message).unwrap_or_default()));
    }
    Ok(told.join(" and "))
}

fn value(message: &Message) -> Option<f64> {
    message.json().filter(|_| is_telemetry(message))?["points"][POINT]["present_value"].as_f64()
}

/// The config that the site model gives the device, of now, with telemetry every second.
fn config(bench: &Bench, device: &str) -> Result<Value, String> {
    let generated = bench.of_site(device)?.generated_config().map_err(|error| error.to_string())?;
    let GeneratedConfig::Document(mut config) = generated else {
        return Err("the sample site has a static config".to_owned());
    };
    config["timestamp"] = json!(now());
    if config["pointset"].is_object() {
        config["pointset"]["sample_rate_sec"] = json!(1);
    }
    Ok(config)
}
