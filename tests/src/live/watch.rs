//! Watches a device, and judges every message it sends.

use std::time::Instant;

use super::broker::Broker;
use super::cloud::{Cloud, Message};
use super::{CLOUD, CLOUD_PASSWORD, DEVICE, PATIENCE};
use crate::upstream;
use serde_json::Value;

/// A cloud that keeps configs and believes nothing unseen.
#[derive(Debug)]
pub struct Watch {
    cloud: Cloud,
}

impl Watch {
    /// Connects to the broker, as the cloud.
    ///
    /// # Panics
    /// If it cannot.
    #[must_use]
    pub fn new(broker: &Broker) -> Self {
        let filters = [format!("{DEVICE}/state"), format!("{DEVICE}/events/#")];
        let filters = filters.each_ref().map(String::as_str);
        let account = Some((CLOUD, CLOUD_PASSWORD));
        Self { cloud: Cloud::connect(broker.plain_address(), "watch", account, &filters).unwrap() }
    }

    /// Keeps a config for the device; says when it was sent.
    ///
    /// # Panics
    /// If the connection is lost.
    pub fn configure(&mut self, config: &str) -> Instant {
        self.cloud.publish(&format!("{DEVICE}/config"), config.to_owned(), true).unwrap()
    }

    /// Sends many configs at once, of which the last is kept.
    ///
    /// # Panics
    /// If the connection is lost.
    pub fn configure_all(&mut self, configs: impl Iterator<Item = String>) {
        self.cloud.publish_all(&format!("{DEVICE}/config"), configs, true).unwrap();
    }

    /// The next message on that topic of which `wanted` is true, and when it came.
    ///
    /// # Panics
    /// If none comes, or a message is not as its schema wants it.
    pub fn wait(&self, topic: &str, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> (Value, Instant) {
        let deadline = Instant::now() + PATIENCE;
        let mut last = Value::Null;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.cloud.next(left).unwrap_or_else(|| panic!("no {topic}: {what}; last {last}"));
            let json = judged(&message);
            if message.topic != format!("{DEVICE}/{topic}") {
                continue;
            }
            if wanted(&json) {
                return (json, message.at);
            }
            last = json;
        }
    }

    /// The next state of which `wanted` is true, and when it came.
    pub fn state(&self, what: &str, wanted: impl FnMut(&Value) -> bool) -> (Value, Instant) {
        self.wait("state", what, wanted)
    }

    /// The next sample of which `wanted` is true.
    pub fn sample(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait("events/pointset", what, wanted).0
    }

    /// Judges what still comes until the broker ends the connection.
    pub fn judge_rest(self) {
        for message in self.cloud.rest() {
            let _ = judged(&message);
        }
    }
}

/// The content of a message that is as its schema wants it.
///
/// # Panics
/// If it is not.
#[must_use]
pub fn judged(message: &Message) -> Value {
    let kind = message.topic.strip_prefix(DEVICE).and_then(|rest| rest.strip_prefix('/'));
    let json: Value = serde_json::from_slice(&message.payload).unwrap();
    let verdict = match kind {
        Some("state") => upstream::validate("state", &json),
        Some("events/pointset") => upstream::validate("events_pointset", &json),
        Some("events/system") => upstream::validate("events_system", &json),
        Some("events/counted") => {
            // No schema knows it; what the core adds to it is to be there.
            assert!(json["timestamp"].is_string() && json["version"].is_string(), "{json}");
            Ok(())
        }
        _ => panic!("a device has nothing to say on {}", message.topic),
    };
    if let Err(findings) = verdict {
        let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
        panic!("{}: {}\n{json}", message.topic, findings.join("; "));
    }
    json
}
