//! Whether a device ever freezes: each runtime with each of four round-trip delays to the broker, all at once, gets
//! configs faster than it may tell states. Every config has to be answered, by itself or by a later one.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use udmi_proto::{Command, Value};
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::cloud::Cloud;
use udmi_tests::live::detour;
use udmi_tests::live::device::{self, Running, Runtime};
use udmi_tests::sim::Random;
use udmi_tests::sim::delays::{ANSWERED_MS, BETWEEN_MS, ROUND_TRIPS_MS};

use crate::Failure;
use crate::table::{Sample, Table, millis};

/// How much longer than promised an answer may take here, where others want the processor too.
const SLACK: Duration = Duration::from_secs(10);

pub(crate) fn measure(minutes: u64, seed: u64, table: &mut Table) -> Result<(), Failure> {
    let kind = [Kind::Mosquitto, Kind::Embedded].into_iter().find(|kind| kind.is_there_or_say("delays"));
    let kind = kind.ok_or("there is no broker")?;
    let broker = Broker::start(kind, &Plan::default())?;
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let told = thread::scope(|scope| {
        let ways = ROUND_TRIPS_MS.into_iter().flat_map(|delay| Runtime::ALL.map(|runtime| (delay, runtime)));
        let watched: Vec<_> = ways
            .map(|(delay, runtime)| {
                let broker = &broker;
                let watch =
                    move || watch(broker, runtime, delay, seed, end).map_err(|error| error.to_string());
                (delay, runtime, scope.spawn(watch))
            })
            .collect();
        let ended = |(delay, runtime, watch): (u64, Runtime, thread::ScopedJoinHandle<'_, _>)| {
            (delay, runtime, watch.join().unwrap_or_else(|_| Err("the device panicked".to_owned())))
        };
        watched.into_iter().map(ended).collect::<Vec<_>>()
    });
    for (delay, runtime, outcome) in told {
        let what = format!("configs answered in {minutes} min, {runtime:?}, {delay} ms there and back");
        let promised = Duration::from_millis(ANSWERED_MS + delay);
        match outcome {
            Ok(sample) => {
                let [middle, high] = [50, 99].map(|percent| sample.percentile(percent));
                let figures = format!(
                    "all {}: p50 {}, p99 {}, max {}",
                    sample.count(),
                    millis(middle),
                    millis(high),
                    millis(sample.maximum())
                );
                table.row(&what, figures, "all, p99 < 2.6 s", high < promised);
            }
            Err(problem) => table.failures.push(format!("{what}: {problem}")),
        }
    }
    Ok(())
}

/// From each config to the state that answers it.
fn watch(broker: &Broker, runtime: Runtime, delay: u64, seed: u64, end: Instant) -> Result<Sample, Failure> {
    let prefix = format!("/r/REG/d/{runtime:?}-{delay}");
    let filter = format!("{prefix}/state");
    let mut cloud =
        Cloud::connect(broker.plain_address(), &format!("cloud-{runtime:?}-{delay}"), None, &[&filter])?;
    let device = start(broker, runtime, delay, &prefix)?;
    let (mut random, mut waiting, mut took) = (Random::new(seed), VecDeque::new(), Vec::new());
    let (topic, mut number) = (format!("{prefix}/config"), 0);
    while Instant::now() < end {
        let timestamp = timestamp(number);
        let at = cloud.publish(&topic, config(&timestamp).to_string(), true)?;
        waiting.push_back((timestamp, at));
        number += 1;
        let (least, most) = BETWEEN_MS;
        let next = Instant::now() + Duration::from_millis(least + random.below(most - least));
        hear(&cloud, next, &mut waiting, &mut took)?;
    }
    let last = Instant::now() + SLACK;
    while !waiting.is_empty() && Instant::now() < last {
        hear(&cloud, Instant::now() + Duration::from_millis(100), &mut waiting, &mut took)?;
    }
    let _ = device.stop();
    if waiting.is_empty() { Ok(Sample::new(took)) } else { Err("the last configs are not answered".into()) }
}

fn start(broker: &Broker, runtime: Runtime, delay: u64, prefix: &str) -> Result<Running, Failure> {
    let way = detour::to(broker.device_address(), Duration::from_micros(delay * 500))?;
    let mut plan = device::Plan::plain(way);
    plan.settings.device_id = format!("{runtime:?}-{delay}");
    plan.settings.client_id = prefix.to_owned();
    plan.settings.topic_prefix = prefix.to_owned();
    plan.settings.credentials = None;
    plan.settings.options.state_interval_ms = 2000;
    plan.turn = Duration::from_millis(250); // they get one command, at the beginning
    let device = Running::start(runtime, plan);
    let points = ["temperature", "setpoint"].map(|point| (point.to_owned(), Value::Number(21.5)));
    device.command(Command::SetPoints { values: points.into() });
    Ok(device)
}

fn config(timestamp: &str) -> Json {
    json!({
        "timestamp": timestamp,
        "version": "1.5.7",
        "system": { "min_loglevel": 300, "metrics_rate_sec": 0, "operation": {} },
        "pointset": { "sample_rate_sec": 10, "points": { "temperature": {}, "setpoint": {} } },
    })
}

/// A second later with each config, though they follow faster: each has a timestamp of its own.
fn timestamp(number: u64) -> String {
    let (hours, minutes, seconds) = (number / 3600, number / 60 % 60, number % 60);
    format!("2026-11-{:02}T{:02}:{minutes:02}:{seconds:02}Z", 1 + hours / 24, hours % 24)
}

/// Takes states up to that moment.
fn hear(
    cloud: &Cloud,
    until: Instant,
    waiting: &mut VecDeque<(String, Instant)>,
    took: &mut Vec<Duration>,
) -> Result<(), Failure> {
    while let Some(message) = cloud.next(until.saturating_duration_since(Instant::now())) {
        let state: Json = serde_json::from_slice(&message.payload)?;
        let told = state["system"]["last_config"].as_str();
        let last = waiting.iter().position(|(timestamp, _)| Some(timestamp.as_str()) == told);
        let answered = last.map_or(0, |last| last + 1);
        took.extend(waiting.drain(..answered).map(|(_, at)| message.at.saturating_duration_since(at)));
    }
    let patience = Duration::from_millis(ANSWERED_MS) + SLACK;
    match waiting.front() {
        Some((timestamp, at)) if at.elapsed() > patience => {
            Err(format!("the config of {timestamp} has no answer for {} s", at.elapsed().as_secs()).into())
        }
        _ => Ok(()),
    }
}
