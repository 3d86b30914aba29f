//! Configs no device can want: gigantic ones, and thousands at once.

use std::time::Duration;

use serde_json::Value;
use udmi_proto::ExitReason;
use udmi_tests::live::DEVICE;
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::device::{self, Running};
use udmi_tests::live::numbered::{answers, config, timestamp};
use udmi_tests::live::watch::Watch;

use crate::subject::Subject;
use crate::{assert_kept_link, on_all};

/// What a device may take of memory, in KiB, whatever comes: a build for debugging with all runtimes in it has about
/// a third of that from the start.
const MEMORY: u64 = 32 << 10;
const MEBIBYTE: usize = 1 << 20;

/// A config with so many bytes, whose number is unlike those of others.
fn of_size(bytes: usize) -> String {
    let rest = format!(r#"{{"timestamp":"{}","version":"1.5.7","filler":""}}"#, timestamp(59));
    let filler = "x".repeat(bytes - rest.len());
    rest.replace(r#""filler":"""#, &format!(r#""filler":"{filler}""#))
}

fn is_refused(state: &Value) -> bool {
    state["system"]["status"]["level"] == 500
}

fn plan() -> Plan {
    Plan { packet_bytes: Some(11 * MEBIBYTE), ..Plan::default() }
}

#[test]
fn regression_a_gigantic_config_kept_by_our_broker_is_refused_and_the_link_stays() {
    gigantic(Kind::Embedded);
}

#[test]
fn regression_a_gigantic_config_kept_by_mosquitto_is_refused_and_the_link_stays() {
    gigantic(Kind::Mosquitto);
}

fn gigantic(kind: Kind) {
    if !kind.is_there_or_say("gigantic configs") {
        return;
    }
    on_all(|runtime| {
        let broker = Broker::start(kind, &plan()).unwrap();
        let mut watch = Watch::new(&broker);
        let device = Running::start(runtime, device::Plan::plain(broker.device_address()));
        watch.configure(&config(1, None).to_string());
        watch.state("the config is answered", |state| answers(state, 1));
        for bytes in [MEBIBYTE, 10 * MEBIBYTE] {
            watch.configure(&of_size(bytes));
            let (state, _) = watch.state("the gigantic config is refused", is_refused);
            let message = state["system"]["status"]["message"].as_str().unwrap();
            assert!(message.contains(&bytes.to_string()), "{message}");
            assert!(answers(&state, 1), "what was in force stays so: {state}");
            watch.configure(&config(1, None).to_string());
            watch.state("the next config mends it", |state| !is_refused(state));
        }
        assert_kept_link(&device);
        assert_eq!(device.stop(), ExitReason::Shutdown);
        // It waits for the device at its next start.
        watch.configure(&of_size(10 * MEBIBYTE));
        let device = Running::start(runtime, device::Plan::plain(broker.device_address()));
        watch.state("the kept config is refused", is_refused);
        watch.configure(&config(2, None).to_string());
        watch.state("the config is answered", |state| answers(state, 2) && !is_refused(state));
        assert_kept_link(&device);
        assert_eq!(device.stop(), ExitReason::Shutdown);
    });
}

#[test]
fn the_largest_config_that_may_be_is_taken() {
    on_all(|runtime| {
        let broker = Broker::start(Kind::Embedded, &plan()).unwrap();
        let mut watch = Watch::new(&broker);
        let device = Running::start(runtime, device::Plan::plain(broker.device_address()));
        // A fixed header of 4 bytes, the topic with its length, the packet identifier.
        let head = 4 + 2 + format!("{DEVICE}/config").len() + 2;
        watch.configure(&of_size(MEBIBYTE - head));
        watch.state("the config is answered", |state| answers(state, 59) && !is_refused(state));
        watch.configure(&of_size(MEBIBYTE - head + 1));
        watch.state("a byte more is refused", is_refused);
        assert_eq!(device.stop(), ExitReason::Shutdown);
    });
}

#[test]
fn a_hundred_mebibytes_take_no_memory() {
    if !Kind::Mosquitto.is_there_or_say("a config of 100 MiB") {
        return;
    }
    let broker = Broker::start(Kind::Mosquitto, &Plan::default()).unwrap();
    let mut watch = Watch::new(&broker);
    watch.configure(&of_size(100 * MEBIBYTE));
    for runtime in udmi_tests::live::device::Runtime::ALL {
        let mut subject = Subject::new(runtime, broker.plain_address());
        subject.order("start");
        watch.state("the gigantic config is refused", is_refused);
        let peak = subject.peak();
        println!("{runtime:?}: {peak} KiB");
        assert!(peak < MEMORY, "{runtime:?}: {peak} KiB");
        subject.order("stop");
        assert!(!subject.has_said("disconnected"));
        watch.state("the last state", |state| state["system"]["operation"]["mode"] == "shutdown");
    }
}

#[test]
fn of_ten_thousand_configs_of_our_broker_the_last_is_answered() {
    burst(Kind::Embedded);
}

#[test]
fn of_ten_thousand_configs_of_mosquitto_the_last_is_answered() {
    burst(Kind::Mosquitto);
}

const BURST: u32 = 10_000;

fn in_burst(number: u32) -> String {
    format!("2026-11-20T{:02}:{:02}:{:02}Z", 6 + number / 3600, number / 60 % 60, number % 60)
}

/// When a state was made, since midnight.
fn moment(state: &Value) -> Duration {
    let time = state["timestamp"].as_str().and_then(|text| text.split(['T', 'Z']).nth(1)).unwrap();
    let parts = time.split(':').map(|part| part.parse::<f64>().unwrap());
    Duration::from_secs_f64(parts.fold(0.0, |sum, part| sum * 60.0 + part))
}

fn burst(kind: Kind) {
    if !kind.is_there_or_say("ten thousand configs at once") {
        return;
    }
    on_all(|runtime| {
        let broker = Broker::start(kind, &Plan::default()).unwrap();
        let mut watch = Watch::new(&broker);
        let mut subject = Subject::new(runtime, broker.plain_address());
        watch.configure(&config(1, None).to_string());
        subject.order("start");
        watch.state("the config is answered", |state| answers(state, 1));
        let configs = (1..=BURST).map(|number| {
            let mut config = config(1, Some(f64::from(number)));
            config["timestamp"] = in_burst(number).into();
            config["pointset"]["sample_rate_sec"] = 600.into();
            config.to_string()
        });
        watch.configure_all(configs);
        let mut moments = Vec::new();
        let (state, _) = watch.state("the last config is answered", |state| {
            moments.push(moment(state));
            let value_state = &state["pointset"]["points"]["setpoint"]["value_state"];
            state["system"]["last_config"] == in_burst(BURST) && value_state == "applied"
        });
        assert_eq!(state["system"].get("status"), None);
        for pair in moments.windows(2) {
            assert!(pair[1] - pair[0] >= Duration::from_millis(995), "states at {moments:?}");
        }
        let peak = subject.peak();
        println!("{kind:?}, {runtime:?}: {peak} KiB, {} states", moments.len());
        assert!(peak < MEMORY, "{runtime:?}: {peak} KiB");
        subject.order("stop");
        assert!(!subject.has_said("disconnected"));
    });
}
