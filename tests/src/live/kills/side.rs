//! A broker with its registry, and what is heard there of the devices.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread;
use std::time::Instant;

use device_broker::{Config, Note, Qos, Server};
use serde_json::{Value, json};

/// Notes that may wait for us.
const NOTES: usize = 100_000;

/// A broker that lets everybody in.
#[derive(Debug)]
pub(super) struct Side {
    server: Server,
    registry: &'static str,
}

/// What was heard of a device.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) at: Instant,
    /// At which side.
    pub(super) side: usize,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// Its connection has ended.
    Left,
    State(State),
    /// The entries of a system event.
    Logged(Vec<Value>),
}

/// A state message.
#[derive(Debug)]
pub(super) struct State(Value);

/// A blob as a state shows it.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) is_final: bool,
    pub(super) generation: &'a str,
    /// Why it has failed.
    pub(super) failure: Option<&'a str>,
}

/// Where what is heard of each device goes.
pub(super) type Routes = BTreeMap<String, Sender<Heard>>;

/// Makes the ways from what is heard of devices to those who listen.
pub(super) fn routes(ids: &[String]) -> (Routes, BTreeMap<String, Receiver<Heard>>) {
    let mut routes = (Routes::new(), BTreeMap::new());
    for id in ids {
        let (sender, receiver) = channel();
        routes.0.insert(id.clone(), sender);
        routes.1.insert(id.clone(), receiver);
    }
    routes
}

impl Side {
    /// Starts the broker; `number` tells it from others.
    pub(super) fn start(number: usize, registry: &'static str, routes: &Routes) -> io::Result<Self> {
        let (tap, notes) = sync_channel(NOTES);
        let server = Server::start(Config { tap: Some(tap), ..Config::default() })?;
        let routes = routes.clone();
        thread::spawn(move || listen(number, &notes, &routes)); // ends with the broker
        Ok(Self { server, registry })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(super) fn registry(&self) -> &'static str {
        self.registry
    }

    /// The client id and topic prefix of a device here.
    pub(super) fn client(&self, id: &str) -> String {
        format!("/r/{}/d/{id}", self.registry)
    }

    /// Keeps a config for a device.
    pub(super) fn configure(&self, id: &str, config: &Value) -> io::Result<()> {
        let (topic, config) = (format!("{}/config", self.client(id)), config.to_string());
        let published =
            self.server.with(move |broker| broker.publish(&topic, config.as_bytes(), Qos::AtLeastOnce, true));
        match published {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(io::Error::other(error.to_string())),
            None => Err(io::Error::other("the broker has broken down")),
        }
    }
}

/// A time of the cloud's, later for each number, as a timestamp or a generation.
pub(super) fn time(number: u32) -> String {
    format!("2026-03-01T{:02}:{:02}:{:02}Z", 10 + number / 3600, number / 60 % 60, number % 60)
}

/// A config with a blob, or none.
pub(super) fn config(number: u32, blob: Option<(&str, &Value)>) -> Value {
    let mut config = json!({
        "timestamp": time(number),
        "version": "1.5.7",
        "system": { "min_loglevel": 100, "metrics_rate_sec": 600, "operation": { "mode": "active" } },
        "pointset": { "sample_rate_sec": 600, "points": {} },
    });
    if let Some((name, blob)) = blob {
        config["blobset"] = json!({ "blobs": { name: blob } });
    }
    config
}

impl State {
    /// Whether it answers a config.
    pub(super) fn answers(&self, number: u32) -> bool {
        self.0["system"]["last_config"] == time(number)
    }

    /// The process that tells it.
    pub(super) fn run(&self) -> &str {
        self.0["system"]["serial_no"].as_str().unwrap_or_default()
    }

    pub(super) fn mode(&self) -> &str {
        self.0["system"]["operation"]["mode"].as_str().unwrap_or_default()
    }

    pub(super) fn version(&self, module: &str) -> Option<&str> {
        self.0["system"]["software"][module].as_str()
    }

    pub(super) fn blob(&self, name: &str) -> Option<Shown<'_>> {
        let blob = self.0["blobset"]["blobs"].get(name)?;
        Some(Shown {
            is_final: blob["phase"] == "final",
            generation: blob["generation"].as_str().unwrap_or_default(),
            failure: blob.get("status").map(|status| status["message"].as_str().unwrap_or_default()),
        })
    }
}

fn listen(side: usize, notes: &Receiver<Note>, routes: &Routes) {
    for note in notes {
        let (client, what) = match note {
            Note::Connected { .. } => continue,
            Note::Disconnected { client, .. } => (client.to_string(), What::Left),
            Note::Published { topic, payload, .. } => {
                let said = || serde_json::from_slice::<Value>(&payload).unwrap_or_default();
                if let Some(client) = topic.strip_suffix("/state") {
                    (client.to_owned(), What::State(State(said())))
                } else if let Some(client) = topic.strip_suffix("/events/system") {
                    let entries = said()["logentries"].as_array().cloned().unwrap_or_default();
                    (client.to_owned(), What::Logged(entries))
                } else {
                    continue;
                }
            }
        };
        if let Some(route) = client.rsplit('/').next().and_then(|id| routes.get(id)) {
            let _ = route.send(Heard { at: Instant::now(), side, what }); // nobody may listen any more
        }
    }
}
