//! The steps in which the cloud orders something of the device: another registry, and new software.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bench::Bench;
use crate::blob::order::{self, ENDPOINT, Order};
use crate::cloud::{Kind, Message, Seconds};
use crate::sample;

/// The registry that the device is sent to.
const OTHER: &str = "ZZ-DEM-SITE2";
/// The blob that is the device's software, and the version it is brought to.
const SOFTWARE: &str = "system";
const VERSION: &str = "v2";

/// Sends the device to the other registry, and goes there as well (§5.3).
pub(super) fn redirect(bench: &mut Bench) -> Result<String, String> {
    let since = Instant::now();
    let mut other = bench.join(OTHER)?;
    let client_id = format!("/r/{OTHER}/d/{}", sample::DEVICE);
    let document = json!({
        "protocol": "mqtt", "transport": "tcp", "hostname": "127.0.0.1", "port": bench.port,
        "client_id": client_id, "topic_prefix": client_id,
    });
    let config = ordered(bench, ENDPOINT, document.to_string().as_bytes())?;
    let (_, state) = bench.configure(config)?;
    if !shows(&state, ENDPOINT, "apply") {
        bench.state("the phase 'apply' of the redirect", |state| shows(state, ENDPOINT, "apply"))?;
    }
    // The device stays only where it finds a config (§5.3).
    let config = bench.renewed();
    other.publish_config(sample::DEVICE, &config).map_err(|error| error.to_string())?;
    bench.cloud = Some(other);
    let is_there = |message: &Message| {
        message.kind == Kind::State && message.json().is_some_and(|state| shows(&state, ENDPOINT, "final"))
    };
    let state = bench.message("the phase 'final' of the redirect", is_there);
    succeeded(&state.map_err(|error| format!("{error}; {}", bench.device_words()))?, ENDPOINT)?;
    Ok(format!("told apply, left, and told final in registry {OTHER} after {}", Seconds(passed(since))))
}

/// Brings the device new software, with which it starts again (§5.5).
pub(super) fn update(bench: &mut Bench) -> Result<String, String> {
    let since = Instant::now();
    let payload = json!({ "version": VERSION }).to_string();
    let config = ordered(bench, SOFTWARE, payload.as_bytes())?;
    let (_, state) = bench.configure(config)?;
    let state = if shows(&state, SOFTWARE, "final") {
        state
    } else {
        bench.state("the phase 'final' of the update", |state| shows(state, SOFTWARE, "final"))?
    };
    succeeded(&state, SOFTWARE)?;
    let count = restarts(&state);
    let again = bench.state("a state after the restart", |state| restarts(state) > count);
    let again = again.map_err(|error| format!("{error}; {}", bench.device_words()))?;
    let version = &again["system"]["software"][SOFTWARE];
    if version != VERSION {
        return Err(format!("the software {SOFTWARE} is {version}, not {VERSION}"));
    }
    let (count, took) = (restarts(&again), Seconds(passed(since)));
    Ok(format!(
        "software {SOFTWARE} is {VERSION}, and the device started again where it was sent (restart count \
         {count}), after {took}"
    ))
}

/// The config in force with an order in it.
fn ordered(bench: &Bench, name: &str, content: &[u8]) -> Result<Value, String> {
    let mut config = bench.config.clone();
    let members = config.as_object_mut().ok_or_else(|| "the config is no object".to_owned())?;
    let order = Order {
        name: name.to_owned(),
        url: order::data_url("application/json", content),
        sha256: order::hash(content),
        generation: order::generation(None, members, name),
    };
    order.put(members)?;
    Ok(config)
}

fn shows(state: &Value, name: &str, phase: &str) -> bool {
    state["blobset"]["blobs"][name]["phase"] == phase
}

fn succeeded(state: &Value, name: &str) -> Result<(), String> {
    match &state["blobset"]["blobs"][name]["status"] {
        Value::Null => Ok(()),
        status => Err(format!("it failed: {status}")),
    }
}

fn restarts(state: &Value) -> u64 {
    state["system"]["operation"]["restart_count"].as_u64().unwrap_or(0)
}

/// Since then, in whole milliseconds.
fn passed(since: Instant) -> Duration {
    Duration::from_millis(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX))
}
