//! Configs as data: good ones, and such as cannot be used.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use udmi_proto::model::common::Timestamp;

use super::site::{MODULES_URL, POINTS, module};
use crate::data_url;
use crate::world::World;

/// A good config. Times in it are relative to when it is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// `system.min_loglevel`.
    pub level: i64,
    /// `system.metrics_rate_sec`.
    pub metrics: i64,
    /// `system.operation.mode`.
    pub mode: Option<Cow<'static, str>>,
    /// `pointset.sample_rate_sec`, and which update the blob `system` is.
    pub rate: i64,
    /// `pointset.sample_limit_sec`.
    pub limit: Option<i64>,
    /// The points, each with its `set_value` and whether its reference is wrong; none without a pointset.
    pub points: Option<Vec<(usize, Option<Value>, bool)>>,
    /// `pointset.state_etag`.
    pub etag: Option<Cow<'static, str>>,
    /// `pointset.set_value_expiry`, in so many seconds.
    pub expiry: Option<i64>,
    /// The points' `cov_increment`.
    pub increment: Option<f64>,
    /// Names of further blocks; `update` is an update of the module `system`, and `download` one
    /// that comes from a server.
    pub blocks: Vec<Cow<'static, str>>,
    /// The age of its timestamp in seconds.
    pub seconds_back: i64,
}

/// A config that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// No JSON at all.
    Text,
    /// JSON whose end is missing.
    CutShort,
    /// No timestamp.
    NoTimestamp,
    /// JSON, but no object.
    Array,
    /// Bytes that are no text.
    NoUtf8,
}

impl Config {
    /// The config as it is published now.
    #[must_use]
    pub fn to_json(&self, world: &World) -> Value {
        let mut now = world.now().utc;
        now.0 -= self.seconds_back * 1000;
        let stamp = Timestamp::from_millis_whole_seconds(now.0);
        let mut config = json!({
            "timestamp": stamp.as_str(),
            "version": "1.5.7",
            "system": { "min_loglevel": self.level, "metrics_rate_sec": self.metrics, "operation": {} }
        });
        if let Some(mode) = &self.mode {
            config["system"]["operation"]["mode"] = json!(mode);
        }
        for block in self.blocks.iter().filter(|block| *block != "update" && *block != "download") {
            config[block.as_ref()] = match block.as_ref() {
                "localnet" => json!({ "families": { "ipv4": {}, "ether": {} } }),
                "blobset" => json!({ "blobs": {} }),
                "discovery" => self.discovery(world),
                _ => json!({}),
            };
        }
        if self.blocks.iter().any(|block| block == "update") {
            config["blobset"]["blobs"]["system"] = update(self.rate);
        }
        if self.blocks.iter().any(|block| block == "download") {
            config["blobset"]["blobs"]["system"] = download(self.rate, stamp.as_str());
        }
        if let Some(points) = &self.points {
            config["pointset"] = json!({ "sample_rate_sec": self.rate, "points": {} });
            if let Some(limit) = self.limit {
                config["pointset"]["sample_limit_sec"] = json!(limit);
            }
            if let Some(etag) = &self.etag {
                config["pointset"]["state_etag"] = json!(etag);
            }
            if let Some(seconds) = self.expiry {
                let at = Timestamp::from_millis_whole_seconds(world.now().utc.0 + seconds * 1000);
                config["pointset"]["set_value_expiry"] = json!(at.as_str());
            }
            for (point, set_value, wrong_reference) in points {
                let Some(point) = POINTS.get(*point).copied() else { continue };
                config["pointset"]["points"][point] = reference(point, *wrong_reference);
                if let Some(increment) = self.increment {
                    config["pointset"]["points"][point]["cov_increment"] = json!(increment);
                }
                if let Some(value) = set_value {
                    config["pointset"]["points"][point]["set_value"] = value.clone();
                }
            }
        }
        config
    }
}

impl Config {
    /// An enumeration of now, a scan of a family there is, and one of a family that nobody scans. What is drawn for the
    /// other blocks decides when and how.
    fn discovery(&self, world: &World) -> Value {
        let moment = |seconds: i64| {
            let at = Timestamp::from_millis_whole_seconds(world.now().utc.0 + seconds * 1000);
            at.as_str().to_owned()
        };
        let mut scan = json!({ "scan_duration_sec": if self.metrics == 0 { 5 } else { 12 } });
        if let Some(ahead) = self.expiry {
            scan["generation"] = json!(moment(ahead));
        }
        if let Some(limit) = self.limit {
            scan["scan_interval_sec"] = json!(if limit == 15 { 20 } else { limit * 3600 });
        }
        if self.increment.is_some() {
            scan["depth"] = json!("details");
        }
        if self.etag.is_some() {
            scan["addrs"] = json!(["4711", "0x41"]);
        }
        json!({
            "generation": moment(0),
            "enumerations": { "points": "entries", "features": "entries", "families": "entries" },
            "families": { "vendor": scan, "bacnet": { "generation": moment(-1) }, "modbus": { "scan_interval_sec": 9 } }
        })
    }
}

/// One of two updates, one of which fails; the generation is its own.
fn update(number: i64) -> Value {
    let module = if number == 10 { "no module" } else { r#"{"version":"v2"}"# };
    let generation = Timestamp::from_millis_whole_seconds(1_772_359_200_000 + number * 1000);
    json!({
        "phase": "final", "url": data_url::encode(module.as_bytes()),
        "sha256": data_url::sha256(module.as_bytes()), "generation": generation.as_str()
    })
}

/// One of some updates from a server, as new as the config.
fn download(number: i64, generation: &str) -> Value {
    let number = match number {
        2 => 1,
        10 => 2,
        60 => 0,
        _ => 3,
    };
    json!({
        "phase": "final", "url": format!("{MODULES_URL}{number}"), "generation": generation,
        "sha256": data_url::sha256(&module(number))
    })
}

fn reference(point: &str, wrong: bool) -> Value {
    let known = match point {
        "filter_alarm" => Some("BV/3"),
        "filter_pressure" => Some("AV/5"),
        "supply_temperature" => Some("AI/1"),
        _ => None,
    };
    match known {
        _ if wrong => json!({ "ref": "ref-1a2b" }),
        Some(reference) => json!({ "ref": reference }),
        None => json!({}),
    }
}

impl Broken {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Text, Self::CutShort, Self::NoTimestamp, Self::Array, Self::NoUtf8];

    /// What is published.
    #[must_use]
    pub fn payload(self) -> &'static [u8] {
        match self {
            Self::Text => b"{ broken by hand",
            Self::CutShort => br#"{"timestamp":"2026-03-01T10:00:00Z","system":{"min_log"#,
            Self::NoTimestamp => br#"{"version":"1.5.7","system":{}}"#,
            Self::Array => b"[{}]",
            Self::NoUtf8 => b"{\"timestamp\":\"2026-03-01T10:00:00Z\",\"\xff\xfe\":1}",
        }
    }
}
