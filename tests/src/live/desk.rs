//! The cloud's desk: a broker in this process, and all that is said there.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use device_broker::{Config, Server, Users};
use serde_json::Value;

use super::PATIENCE;
use super::cloud::Cloud;

/// The cloud of one registry, with a broker of its own. Messages are taken in order: one that was passed over does not
/// come again.
#[derive(Debug)]
pub struct Desk {
    cloud: Cloud,
    server: Server,
    registry: String,
    configs: u32,
}

impl Desk {
    /// Everybody may connect.
    ///
    /// # Errors
    /// There is no port to be had.
    pub fn start(registry: &str) -> io::Result<Self> {
        Self::with(registry, Users::anyone(), None)
    }

    /// Only these may; `account` is the cloud's own.
    ///
    /// # Errors
    /// There is no port to be had, or the cloud has no access.
    pub fn with(registry: &str, users: Users, account: Option<(&str, &str)>) -> io::Result<Self> {
        let server = Server::start(Config { users, ..Config::default() })?;
        let cloud = Cloud::connect(server.address(), "cloud", account, &["#"])?;
        Ok(Self { cloud, server, registry: registry.to_owned(), configs: 0 })
    }

    /// Where devices connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Keeps a config for a device, with a time stamp of its own, which it returns.
    ///
    /// # Panics
    /// If the broker is gone.
    pub fn configure(&mut self, device: &str, config: &Value) -> String {
        self.configs += 1;
        let timestamp = format!("2020-01-01T00:{:02}:{:02}Z", self.configs / 60, self.configs % 60);
        let mut config = config.clone();
        config["timestamp"] = timestamp.clone().into();
        config["version"] = "1.5.7".into();
        self.publish(&self.topic(device, "config"), &config.to_string(), true);
        timestamp
    }

    /// Sends a device a command.
    ///
    /// # Panics
    /// If the broker is gone.
    pub fn command(&mut self, device: &str, name: &str, content: &Value) {
        self.publish(&self.topic(device, &format!("commands/{name}")), &content.to_string(), false);
    }

    /// Publishes anything anywhere.
    ///
    /// # Panics
    /// If the broker is gone.
    pub fn publish(&mut self, topic: &str, content: &str, retain: bool) {
        self.cloud.publish(topic, content.to_owned(), retain).expect("the broker is there");
    }

    /// The next message of a device on that topic of which `wanted` is true.
    ///
    /// # Panics
    /// If none comes in time.
    pub fn message(&mut self, device: &str, topic: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.message_on(&self.topic(device, topic), wanted)
    }

    /// The same of any topic.
    ///
    /// # Panics
    /// If none comes in time.
    pub fn message_on(&mut self, topic: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let (deadline, mut last) = (Instant::now() + PATIENCE, String::from("nothing"));
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(message) = self.cloud.next(left) else { panic!("not on {topic}; the last was {last}") };
            if message.topic != topic {
                continue;
            }
            let content = serde_json::from_slice(&message.payload).expect("devices send JSON");
            if wanted(&content) {
                return content;
            }
            last = content.to_string();
        }
    }

    /// The next state of a device of which `wanted` is true.
    ///
    /// # Panics
    /// If none comes in time.
    pub fn state(&mut self, device: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.message(device, "state", wanted)
    }

    /// Keeps a config for a device, and waits for the state that answers it.
    ///
    /// # Panics
    /// If none comes in time.
    pub fn ask(&mut self, device: &str, config: &Value) -> Value {
        let timestamp = self.configure(device, config);
        self.state(device, |state| state["system"]["last_config"] == timestamp)
    }

    fn topic(&self, device: &str, topic: &str) -> String {
        format!("/r/{}/d/{device}/{topic}", self.registry)
    }
}
