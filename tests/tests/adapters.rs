//! Every adapter gives the same transcript for the same script: they hold no meaning.

use device_link::transcript::Transcript;
use serde_json::Value;
use udmi_proto::{Command, ExitReason, Json};
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::cloud::Cloud;
use udmi_tests::live::device::{self, Running, Runtime};
use udmi_tests::live::numbered::{self, answers};
use udmi_tests::live::{DEVICE, PATIENCE};

/// Characters of a payload that are compared: all of them.
const WIDTH: usize = 100_000;

#[test]
fn equal_scripts_give_equal_transcripts_on_all_adapters() {
    let transcripts = Runtime::ALL.map(transcript);
    let [threads, bare, smol] = &transcripts;
    for line in ["> CONNECT", "> SUBSCRIBE", "! WritePoint", "* StatePublished", "> DISCONNECT", "> exit"] {
        assert!(threads.iter().any(|shown| shown.starts_with(line)), "no {line} in {threads:#?}");
    }
    assert_eq!(threads, bare);
    assert_eq!(threads, smol);
}

/// What a device does in a life by this script, in order, without times.
fn transcript(runtime: Runtime) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let broker = Broker::start(Kind::Embedded, &Plan::default()).unwrap();
    let mut cloud = Script::new(&broker);
    cloud.configure(&config(1, None).to_string());
    let mut plan = device::Plan::plain(broker.device_address());
    (plan.seed, plan.trace) = (Some(7), Some(trace.clone()));
    plan.settings.options.minimum_updating_ms = 1500; // for a state that tells of it, whatever the runtime
    let device = Running::start(runtime, plan);
    cloud.wait("state", |state| answers(state, 1));
    cloud.configure(&config(2, Some(60.0)).to_string());
    let value_state = |state: &Value| state["pointset"]["points"]["setpoint"]["value_state"].clone();
    cloud.wait("state", |state| answers(state, 2) && value_state(state) == "updating");
    cloud.wait("state", |state| value_state(state) == "applied");
    cloud.configure("{ broken by a test");
    cloud.wait("state", |state| state["system"]["status"]["level"] == 500);
    cloud.configure(&config(3, Some(60.0)).to_string());
    cloud.wait("state", |state| answers(state, 3));
    for number in 1..=3 {
        let content = Json::object(&format!(r#"{{"number":{number}}}"#)).unwrap();
        device.command(Command::SendEvent { folder: "counted".into(), content });
        cloud.wait("events/counted", |event| event["number"] == number);
    }
    assert_eq!(device.stop(), ExitReason::Shutdown);
    let recorded = std::fs::read_to_string(trace).unwrap();
    let shown = Transcript::of_trace(&recorded, WIDTH).unwrap();
    let lines = shown.lines().filter_map(|line| line.split_once("ms  ")).map(|(_, line)| line);
    let done = lines.filter(|line| line.starts_with(['>', '!', '*'])).map(timeless);
    // Entries leave by a timer of their own, whose place among the states is an accident of milliseconds.
    let (entries, done): (Vec<_>, Vec<_>) = done.partition(|line| line.contains("/events/system"));
    [done, entries].concat()
}

/// The line without its moments, and without a packet identifier, which counts what has its place by a timer.
fn timeless(line: &str) -> String {
    let is_part = |c: char| c.is_ascii_digit() || ['T', 'Z', ':', '.', '-'].contains(&c);
    let mut rest = line.split_once(" (qos 1, id ").map_or(line, |(message, _)| message);
    let mut text = String::new();
    while let Some(start) = rest.find(is_part) {
        let length = rest[start..].find(|c| !is_part(c)).unwrap_or(rest.len() - start);
        let part = &rest[start..start + length];
        text += &rest[..start];
        text += if part.len() >= "1795177369000".len() { "TIME" } else { part };
        rest = &rest[start + length..];
    }
    text + rest
}

/// The cloud's part of the script.
struct Script(Cloud);

impl Script {
    fn new(broker: &Broker) -> Self {
        let filters = [format!("{DEVICE}/state"), format!("{DEVICE}/events/#")];
        let filters = filters.each_ref().map(String::as_str);
        Self(Cloud::connect(broker.plain_address(), "script", None, &filters).unwrap())
    }

    fn configure(&mut self, config: &str) {
        self.0.publish(&format!("{DEVICE}/config"), config.to_owned(), true).unwrap();
    }

    fn wait(&self, topic: &str, wanted: impl Fn(&Value) -> bool) {
        loop {
            let message = self.0.next(PATIENCE).unwrap_or_else(|| panic!("no such {topic}"));
            let content = serde_json::from_slice(&message.payload).unwrap();
            if message.topic == format!("{DEVICE}/{topic}") && wanted(&content) {
                return;
            }
        }
    }
}

/// Nothing happens by itself: no samples, no metrics, no entries below errors.
fn config(number: u32, set_value: Option<f64>) -> Value {
    let mut config = numbered::config(number, set_value);
    config["system"]["min_loglevel"] = 500.into();
    config["system"]["metrics_rate_sec"] = 0.into();
    config["pointset"]["sample_rate_sec"] = (-1).into();
    config
}
