//! The steps of the demo. Each returns what was seen, or what was not.

use std::cell::Cell;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use udmi_proto::model::common::Timestamp;

use super::bench::{Bench, PATIENCE, is_telemetry};
use super::table::Table;
use super::{gateway, orders};
use crate::cloud::{Heard, Kind, Seconds};
use crate::sample;

/// The point that the demo writes, and what to.
const SETPOINT: &str = "supply_air_temperature_setpoint";
const WANTED: i64 = 21;
/// A state that waited longer than this was held back by the device's own spacing of states.
const STATE_INTERVAL: Duration = Duration::from_secs(1);
/// What a device measured so long after its first message on a new connection, it measured on that connection.
const SETTLED_MS: i64 = 5_000;
/// What is no JSON.
const BROKEN: &str = "{ this is no config";

/// Something to be observed.
pub(super) struct Step {
    /// What it is about.
    pub(super) name: &'static str,
    /// Does it, and watches.
    pub(super) observe: fn(&mut Bench) -> Result<String, String>,
}

/// All of them, in order.
pub(super) const STEPS: &[Step] = &[
    Step { name: "Broker", observe: broker },
    Step { name: "Cloud", observe: cloud },
    Step { name: "Device", observe: device },
    Step { name: "First config", observe: first_config },
    Step { name: "Telemetry", observe: telemetry },
    Step { name: "Set-point", observe: set_point },
    Step { name: "Broken config", observe: broken_config },
    Step { name: "Repaired config", observe: repaired_config },
    Step { name: "Broker killed", observe: broker_killed },
    Step { name: "Broker restarted", observe: broker_restarted },
    Step { name: "Gateway", observe: gateway::gateway },
    Step { name: "Redirect", observe: orders::redirect },
    Step { name: "Software update", observe: orders::update },
    Step { name: "Farewell", observe: farewell },
];

fn broker(bench: &mut Bench) -> Result<String, String> {
    let process = bench.start_broker()?;
    Ok(format!("listens on mqtt://127.0.0.1:{} (process {process})", bench.port))
}

fn cloud(bench: &mut Bench) -> Result<String, String> {
    bench.connect_cloud()?;
    Ok("connected, and listens to the registry's devices".to_owned())
}

fn device(bench: &mut Bench) -> Result<String, String> {
    let since = Instant::now();
    let process = bench.start_device()?;
    let heard = bench.message("a first message of the device", |message| message.kind != Kind::Config);
    let event = heard.map_err(|error| format!("{error}; {}", bench.device_words()))?;
    let entry = event["logentries"][0]["message"].as_str().unwrap_or("its first message").to_owned();
    Ok(format!("{} (process {process}) says \"{entry}\" after {}", sample::DEVICE, Seconds(since.elapsed())))
}

fn first_config(bench: &mut Bench) -> Result<String, String> {
    let config = bench.first_config()?;
    let (latency, state) = bench.configure(config)?;
    let points = state["pointset"]["points"].as_object().map_or(0, serde_json::Map::len);
    Ok(format!("acknowledged in {} by a state with {points} points", Seconds(latency)))
}

fn telemetry(bench: &mut Bench) -> Result<String, String> {
    let mut table = Table::new(bench.units());
    let (output, deadline) = (bench.output, Instant::now() + bench.show);
    let (mut events, mut points) = (0_u32, 0);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let cloud = bench.cloud()?;
        match cloud.next(Some(left)).map_err(|error| error.to_string())? {
            None => break,
            Some(Heard::Message(message)) if is_telemetry(&message) => {
                let Some(event) = message.json() else { continue };
                points = points.max(table.take(&event));
                events += 1;
                table.refresh(&output).map_err(|error| error.to_string())?;
            }
            Some(Heard::Message(_) | Heard::Up | Heard::Down(_)) => {}
        }
    }
    table.finish(&output).map_err(|error| error.to_string())?;
    let all = bench.config["pointset"]["points"].as_object().map_or(0, serde_json::Map::len);
    if events == 0 || points < all {
        return Err(format!("{events} events with at most {points} of {all} points"));
    }
    Ok(format!("{events} events of {points} points in {}", Seconds(bench.show)))
}

fn set_point(bench: &mut Bench) -> Result<String, String> {
    let mut config = bench.config.clone();
    config["pointset"]["points"][SETPOINT]["set_value"] = json!(WANTED);
    let since = Instant::now();
    let (_, state) = bench.configure(config)?;
    let now = value_state(&state);
    if now != "updating" {
        return Err(format!("the value state was '{now}', not 'updating'"));
    }
    bench.state("the value state 'applied'", |state| value_state(state) == "applied")?;
    let took = since.elapsed();
    let is_there = |event: &Value| event["points"][SETPOINT]["present_value"] == json!(WANTED);
    bench.telemetry("the new value in the telemetry", is_there)?;
    let took = Seconds(Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)));
    Ok(format!("{SETPOINT} = {WANTED} went from updating to applied in {took}, and is in the telemetry"))
}

fn value_state(state: &Value) -> String {
    state["pointset"]["points"][SETPOINT]["value_state"].as_str().unwrap_or("none").to_owned()
}

fn broken_config(bench: &mut Bench) -> Result<String, String> {
    let before = bench.config["timestamp"].clone();
    let cloud = bench.cloud()?;
    cloud.publish_text(sample::DEVICE, BROKEN).map_err(|error| error.to_string())?;
    let state =
        bench.state("a state with a status of 500", |state| state["system"]["status"]["level"] == 500)?;
    let status = &state["system"]["status"];
    if state["system"]["last_config"] != before {
        return Err(format!("last_config is {}, not {before}", state["system"]["last_config"]));
    }
    let category = status["category"].as_str().unwrap_or("no category");
    Ok(format!("refused with status 500 {category}; the config before stays in force"))
}

fn repaired_config(bench: &mut Bench) -> Result<String, String> {
    let config = bench.config.clone();
    let (latency, state) = bench.configure(config)?;
    match &state["system"]["status"] {
        Value::Null => {
            let why = if latency < STATE_INTERVAL { "" } else { " (two states are at least 2 s apart)" };
            Ok(format!("acknowledged in {}{why}, and the status is gone", Seconds(latency)))
        }
        status => Err(format!("the status is still there: {status}")),
    }
}

fn broker_killed(bench: &mut Bench) -> Result<String, String> {
    let Some(mut broker) = bench.broker.take() else { return Err("there is no broker".to_owned()) };
    let process = broker.id();
    broker.kill()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match bench.cloud()?.next(Some(left)).map_err(|error| error.to_string())? {
            None => return Err("the cloud did not notice".to_owned()),
            Some(Heard::Down(why)) => {
                return Ok(format!("process {process} ended by signal 9; link down: {why}"));
            }
            Some(Heard::Message(_) | Heard::Up) => {}
        }
    }
}

fn broker_restarted(bench: &mut Bench) -> Result<String, String> {
    let since = Instant::now();
    let process = bench.start_broker()?;
    bench.connect_cloud()?;
    let timestamp = bench.config["timestamp"].clone();
    let kept =
        bench.message("the config that the broker had kept", |message| message.kind == Kind::Config)?;
    if kept["timestamp"] != timestamp {
        return Err(format!("the broker had kept the config of {}, not {timestamp}", kept["timestamp"]));
    }
    // First comes what the device had measured meanwhile. It is at work again when it answers the kept config;
    // should that state have come before we listened, when it goes on measuring.
    let settled = Cell::new(None);
    let at_work = bench.message("the device at work again", |message| {
        let Some(said) = message.json() else { return false };
        match message.kind {
            Kind::State => said["system"]["last_config"] == timestamp,
            Kind::Events => {
                let measured = millis(&said["timestamp"]);
                let since = settled.get().unwrap_or(measured.saturating_add(SETTLED_MS));
                settled.set(Some(since));
                measured > since
            }
            Kind::Config => false,
        }
    });
    at_work.map_err(|error| format!("{error}; {}", bench.device_words()))?;
    bench.telemetry("telemetry with the written value", |event| {
        event["points"][SETPOINT]["present_value"] == json!(WANTED)
    })?;
    let took = Seconds(Duration::from_millis(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)));
    Ok(format!("process {process} has its data; the device is back and at work after {took}"))
}

/// A member of a message as a time, in milliseconds.
fn millis(member: &Value) -> i64 {
    member.as_str().and_then(|text| Timestamp::from(text.to_owned()).millis().ok()).unwrap_or(0)
}

fn farewell(bench: &mut Bench) -> Result<String, String> {
    let Some(mut device) = bench.device.take() else { return Err("there is no device".to_owned()) };
    device.ask_to_stop();
    bench.state("a state with mode shutdown", |state| state["system"]["operation"]["mode"] == "shutdown")?;
    match device.wait(PATIENCE) {
        Some(status) if status.success() => Ok("a last state with mode shutdown, exit code 0".to_owned()),
        Some(status) => Err(format!("the device ended with {status}; {}", device.last_words())),
        None => Err("the device did not end".to_owned()),
    }
}
