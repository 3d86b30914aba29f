//! From the moment a config is written by the cloud to the moment the state that answers it is read there,
//! through a broker on this machine. Each device gets its configs further apart than its states have to be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use udmi_proto::{Command, Value};
use udmi_tests::live::PATIENCE;
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::cloud::Cloud;
use udmi_tests::live::device::{self, Running, Runtime};

use crate::Failure;
use crate::table::{Sample, Table, millis};
use crate::udmi::sleep_until;

const DEVICES: u32 = 30;
const ROUNDS: u32 = 8;
/// Between two configs, of one device after the other: a device's turn comes every 1.2 s.
const PAUSE: Duration = Duration::from_millis(40);
/// No state for so long means that every device has told all there is to tell.
const QUIET: Duration = Duration::from_secs(2);
const TARGET: Duration = Duration::from_millis(5);

pub(crate) fn measure(table: &mut Table) -> Result<(), Failure> {
    for kind in [Kind::Embedded, Kind::Mosquitto].into_iter().filter(|kind| kind.is_there_or_say("latency")) {
        for runtime in Runtime::ALL {
            let sample = Sample::new(latencies(kind, runtime)?);
            let [middle, high] = [50, 99].map(|percent| sample.percentile(percent));
            let figures = format!(
                "p50 {}, p99 {}, max {} (n = {})",
                millis(middle),
                millis(high),
                millis(sample.maximum()),
                sample.count()
            );
            table.row(
                &format!("config → state, {runtime:?}, {kind:?} broker"),
                figures,
                "p99 < 5 ms",
                high < TARGET,
            );
        }
    }
    Ok(())
}

fn latencies(kind: Kind, runtime: Runtime) -> Result<Vec<Duration>, Failure> {
    let broker = Broker::start(kind, &Plan::default())?;
    let mut cloud = Cloud::connect(broker.plain_address(), "measure", None, &["/r/REG/d/+/state"])?;
    let devices: Vec<_> = (0..DEVICES).map(|device| start(&broker, runtime, device)).collect();
    for device in 0..DEVICES {
        configure(&mut cloud, device, 0)?;
    }
    answers(&cloud, DEVICES)?;
    // A config soon after a state that tells of something else would wait for the least time between the two.
    while cloud.next(QUIET).is_some() {}
    let mut sent = BTreeMap::new();
    let mut next = Instant::now();
    for round in 1..=ROUNDS {
        for device in 0..DEVICES {
            sleep_until(next);
            next += PAUSE;
            let at = configure(&mut cloud, device, round)?;
            sent.insert(answer_name(device, round), at);
        }
    }
    let answered = answers(&cloud, DEVICES * ROUNDS)?;
    for device in devices {
        let _ = device.stop();
    }
    let latency = |(name, at): (&String, &Instant)| Some(answered.get(name)?.saturating_duration_since(*at));
    Ok(sent.iter().filter_map(latency).collect())
}

fn start(broker: &Broker, runtime: Runtime, number: u32) -> Running {
    let mut plan = device::Plan::plain(broker.device_address());
    let name = prefix(number);
    plan.settings.device_id = format!("DEV-{number}");
    plan.settings.client_id.clone_from(&name);
    plan.settings.topic_prefix = name;
    plan.settings.credentials = None;
    plan.turn = Duration::from_millis(250); // they get one command, at the beginning
    let device = Running::start(runtime, plan);
    let points = ["temperature", "setpoint"].map(|point| (point.to_owned(), Value::Number(21.5)));
    device.command(Command::SetPoints { values: points.into() });
    device
}

fn configure(cloud: &mut Cloud, device: u32, round: u32) -> Result<Instant, Failure> {
    let config = json!({
        "timestamp": timestamp(round),
        "version": "1.5.7",
        "system": { "min_loglevel": 300, "metrics_rate_sec": 0, "operation": {} },
        "pointset": { "sample_rate_sec": 60, "points": { "temperature": {}, "setpoint": {} } },
    });
    Ok(cloud.publish(&format!("{}/config", prefix(device)), config.to_string(), true)?)
}

/// When the first state that answers each config came, until there are so many.
fn answers(cloud: &Cloud, wanted: u32) -> Result<BTreeMap<String, Instant>, Failure> {
    let mut answered = BTreeMap::new();
    let deadline = Instant::now() + PATIENCE;
    while answered.len() < wanted as usize {
        let left = deadline.saturating_duration_since(Instant::now());
        let message = cloud.next(left).ok_or("a state does not come")?;
        let state: serde_json::Value = serde_json::from_slice(&message.payload)?;
        if let Some(last_config) = state["system"]["last_config"].as_str() {
            let prefix = message.topic.trim_end_matches("/state");
            answered.entry(format!("{prefix} {last_config}")).or_insert(message.at);
        }
    }
    Ok(answered)
}

fn answer_name(device: u32, round: u32) -> String {
    format!("{} {}", prefix(device), timestamp(round))
}

fn prefix(device: u32) -> String {
    format!("/r/REG/d/DEV-{device}")
}

fn timestamp(round: u32) -> String {
    format!("2026-11-20T05:00:{round:02}Z")
}
