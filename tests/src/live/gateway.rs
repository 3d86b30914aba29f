//! A gateway with devices behind it, and the eye of the cloud on all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use udmi_proto::model::common::Timestamp;
use udmi_proto::{Endpoint, GatewaySettings, Limits, PointModel, ProxySettings, Settings, Transport};

use super::cloud::Cloud;
use crate::upstream;

/// What the topics of the gateway begin with.
pub const GATEWAY: &str = "/r/REG/d/GAT-1";

/// The id of a device behind the gateway.
#[must_use]
pub fn id(number: usize) -> String {
    format!("SNS-{number}")
}

/// The name of one of its points.
#[must_use]
pub fn point(number: usize) -> String {
    format!("point_{number}")
}

/// A gateway that knows so many devices of so many points. Each has its number as its vendor address, and the last
/// point has a reference there.
#[must_use]
pub fn settings(broker: SocketAddr, devices: usize, points: usize) -> Settings {
    let endpoint = Endpoint { host: broker.ip().to_string(), port: broker.port(), transport: Transport::Tcp };
    let mut settings = Settings::new("GAT-1", endpoint, GATEWAY, GATEWAY);
    let proxies = (0..devices).map(|number| (id(number), known(number, points)));
    settings.gateway = Some(GatewaySettings { proxies: proxies.collect(), ..GatewaySettings::default() });
    settings
}

fn known(number: usize, points: usize) -> ProxySettings {
    let mut proxy = ProxySettings::default();
    proxy.identity.serial_no = id(number);
    proxy.points = (0..points).map(|point| (self::point(point), PointModel::default())).collect();
    if let Some(last) = proxy.points.values_mut().next_back() {
        last.reference = Some("R/1".to_owned());
    }
    proxy.families.insert("vendor".to_owned(), number.to_string());
    proxy
}

/// Bounds of a gateway that is quick to reconnect.
#[must_use]
pub fn limits() -> Limits {
    Limits {
        reconnect_minimum: Duration::from_millis(20),
        reconnect_maximum: Duration::from_millis(200),
        ..Limits::default()
    }
}

/// The moment of the config of that number, as it comes back in `last_config`.
#[must_use]
pub fn timestamp(number: i64) -> String {
    Timestamp::from_millis_whole_seconds(1_795_000_000_000 + number * 1000).as_str().to_owned()
}

/// The gateway's config: whom to act for.
#[must_use]
pub fn config(number: i64, devices: impl IntoIterator<Item = usize>) -> Value {
    let ids: Vec<_> = devices.into_iter().map(id).collect();
    json!({
        "timestamp": timestamp(number), "version": "1.5.7",
        "system": { "min_loglevel": 300, "metrics_rate_sec": 0, "operation": {} },
        "gateway": { "proxy_ids": ids }
    })
}

/// The config of a device behind it: all its points, every so many seconds.
#[must_use]
pub fn proxy_config(number: i64, device: usize, points: usize, rate_s: i64) -> Value {
    let names = (0..points).map(|number| {
        let config = if number + 1 == points { json!({ "ref": "R/1" }) } else { json!({}) };
        (point(number), config)
    });
    json!({
        "timestamp": timestamp(number), "version": "1.5.7",
        "system": { "min_loglevel": 300, "metrics_rate_sec": 0, "operation": {} },
        "gateway": { "target": { "family": "vendor", "addr": device.to_string() } },
        "pointset": { "sample_rate_sec": rate_s, "points": names.collect::<serde_json::Map<_, _>>() }
    })
}

/// A message of a device.
#[derive(Clone, Debug)]
pub struct Said {
    /// When it was here.
    pub at: Instant,
    /// What follows the device's prefix.
    pub topic: String,
    /// Its content; null if it is empty.
    pub content: Value,
}

impl Said {
    /// Its own timestamp in milliseconds.
    #[must_use]
    pub fn millis(&self) -> Option<i64> {
        let text = self.content["timestamp"].as_str()?;
        Timestamp::from(text.to_owned()).millis().ok()
    }
}

/// The cloud: keeps configs for a registry, and hears what its devices say.
#[derive(Debug)]
pub struct Registry {
    cloud: Cloud,
    /// Whether each message is held against its schema, which takes its time.
    pub validates: bool,
    /// What each device has said, by id, oldest first.
    pub said: BTreeMap<String, Vec<Said>>,
}

impl Registry {
    /// Connects; when it returns, nothing is missed any more.
    ///
    /// # Errors
    /// As [`Cloud::connect`].
    pub fn connect(broker: SocketAddr) -> io::Result<Self> {
        let filters = ["state", "events/#", "attach"].map(|topic| format!("/r/REG/d/+/{topic}"));
        let filters = filters.each_ref().map(String::as_str);
        let cloud = Cloud::connect(broker, "registry", None, &filters)?;
        Ok(Self { cloud, validates: true, said: BTreeMap::new() })
    }

    /// Keeps a config for a device.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn keep(&mut self, device: &str, config: &Value) -> io::Result<()> {
        self.cloud.publish(&format!("/r/REG/d/{device}/config"), config.to_string(), true).map(drop)
    }

    /// Keeps the configs of a gateway and of so many devices, all of that number.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn keep_all(&mut self, number: i64, devices: usize, points: usize, rate_s: i64) -> io::Result<()> {
        for device in 0..devices {
            self.keep(&id(device), &proxy_config(number, device, points, rate_s))?;
        }
        self.keep("GAT-1", &config(number, 0..devices))
    }

    /// Listens until `done`, at most so long; tells whether it came to that.
    ///
    /// # Panics
    /// If a message does not fit its schema, and that is looked at.
    pub fn until(&mut self, patience: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            if done(self) {
                return true;
            }
            let Some(message) = self.cloud.next(deadline.saturating_duration_since(Instant::now())) else {
                return false;
            };
            let mut levels = message.topic.splitn(6, '/').skip(4);
            let (device, topic) = (levels.next().unwrap_or_default(), levels.next().unwrap_or_default());
            let content = serde_json::from_slice(&message.payload).unwrap_or(Value::Null);
            let said = Said { at: message.at, topic: topic.to_owned(), content };
            if self.validates {
                validate(&said);
            }
            self.said.entry(device.to_owned()).or_default().push(said);
        }
    }

    /// What a device has said on a topic.
    pub fn of<'a>(&'a self, device: &str, topic: &'a str) -> impl DoubleEndedIterator<Item = &'a Said> {
        let said = self.said.get(device).into_iter().flatten();
        said.filter(move |said| said.topic == topic)
    }

    /// The devices whose last state answers the config of that number.
    #[must_use]
    pub fn answered(&self, number: i64) -> BTreeSet<&str> {
        let stamp = timestamp(number);
        let answers = |said: &&Said| said.topic == "state";
        let last = |said: &'_ Vec<Said>| {
            let state = said.iter().rfind(answers);
            state.is_some_and(|state| state.content["system"]["last_config"] == stamp.as_str())
        };
        self.said.iter().filter(|(_, said)| last(said)).map(|(device, _)| device.as_str()).collect()
    }

    /// The shortest time between two states of any one device, by the timestamps they bear.
    #[must_use]
    pub fn shortest_pause(&self) -> Option<Duration> {
        let of_device = |device: &String| {
            let stamps: Vec<_> = self.of(device, "state").filter_map(Said::millis).collect();
            stamps.windows(2).map(|pair| pair[1].abs_diff(pair[0])).min()
        };
        self.said.keys().filter_map(of_device).min().map(Duration::from_millis)
    }
}

fn validate(said: &Said) {
    let schema = said.topic.replace('/', "_");
    if said.topic == "attach" {
        assert_eq!(said.content, Value::Null, "a message to attach is empty");
    } else if let Err(findings) = upstream::validate(&schema, &said.content) {
        let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
        panic!("{}: {}\n{}", said.topic, findings.join("; "), said.content);
    }
}
