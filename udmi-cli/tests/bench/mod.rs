//! A broker, a device of the façade, and the command.
#![allow(dead_code)] // each test binary uses its part

pub(crate) mod place;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use device_broker::{Config, Ended, Note, Server, Users};
use serde_json::{Value, json};
use udmi_std::{Builder, Device, Endpoint, PointModel, Settings, Transport};

/// What ought to happen at once has happened by then, even on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Bench {
    server: Server,
    notes: Receiver<Note>,
}

impl Bench {
    pub(crate) fn start() -> Self {
        Self::with(Users::anyone())
    }

    /// Only these may connect.
    pub(crate) fn with(users: Users) -> Self {
        let (tap, notes) = sync_channel(100_000);
        let server = Server::start(Config { tap: Some(tap), users, ..Config::default() }).unwrap();
        Self { server, notes }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://{}", self.server.address())
    }

    /// AHU-1 with a point that can be set, `sat`, and one that cannot, `rat`.
    pub(crate) fn device(&self) -> Builder {
        let address = self.server.address();
        let (host, port) = (address.ip().to_string(), address.port());
        let endpoint = Endpoint { host, port, transport: Transport::Tcp };
        let prefix = "/r/REG/d/AHU-1";
        let mut settings = Settings::new("AHU-1", endpoint, prefix, prefix);
        settings.options.state_interval_ms = 1000;
        let point =
            |writable| PointModel { writable, units: Some("Degrees-Celsius".into()), ..Default::default() };
        Device::builder(settings).point("sat", point(true)).point("rat", point(false))
    }

    /// The command, with the flags that lead to this bench.
    pub(crate) fn udmi(&self, command: &str, arguments: &[&str]) -> Command {
        let mut udmi = udmi();
        udmi.arg(command).args(["--endpoint", &self.url(), "--registry", "REG"]).args(arguments);
        udmi
    }

    /// Keeps a config for the device.
    pub(crate) fn configure(&self, config: &Value) {
        self.configure_device("AHU-1", config);
    }

    /// Keeps a config for any device.
    pub(crate) fn configure_device(&self, device: &str, config: &Value) {
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), "config.json", config);
        let arguments = ["--device", device, "--no-wait", "--keep-timestamp", "--file", &file];
        let output = self.udmi("config", &arguments).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }

    /// Waits for the first message on a topic of the device.
    pub(crate) fn message(&self, topic: &str) -> Value {
        self.message_in("REG", topic)
    }

    /// Waits until the device connects, and gives its user name.
    pub(crate) fn connected(&self) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.notes.recv_timeout(left).expect("the device connects") {
                Note::Connected { client, user } if &*client == "/r/REG/d/AHU-1" => return user,
                Note::Published { .. } | Note::Connected { .. } | Note::Disconnected { .. } => {}
            }
        }
    }

    /// Waits for the first message on a topic of the device in a registry.
    pub(crate) fn message_in(&self, registry: &str, topic: &str) -> Value {
        self.next(&format!("/r/{registry}/d/AHU-1/{topic}"))
    }

    /// Waits for a message of any device that is as wanted.
    pub(crate) fn message_where(&self, device: &str, topic: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next(&format!("/r/REG/d/{device}/{topic}"));
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Waits for the next message of any device on a topic.
    pub(crate) fn any_message(&self, kind: &str) -> Value {
        self.next_where(|topic| topic.ends_with(&format!("/{kind}")))
    }

    /// Who has connected, of what is told so far.
    pub(crate) fn clients_connected(&self) -> Vec<String> {
        let connected = |note| match note {
            Note::Connected { client, .. } => Some(client.to_string()),
            Note::Published { .. } | Note::Disconnected { .. } => None,
        };
        self.notes.try_iter().filter_map(connected).collect()
    }

    /// How many clients have said that they leave, of what is told so far.
    pub(crate) fn clients_left_in_order(&self) -> usize {
        let left = |note: &Note| matches!(note, Note::Disconnected { why: Ended::Goodbye, .. });
        self.notes.try_iter().filter(left).count()
    }

    fn next(&self, wanted: &str) -> Value {
        self.next_where(|topic| topic == wanted)
    }

    fn next_where(&self, wanted: impl Fn(&str) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.notes.recv_timeout(left).expect("there is such a message") {
                Note::Published { topic, payload, .. } if wanted(&topic) => {
                    return serde_json::from_slice(&payload).unwrap();
                }
                Note::Published { .. } | Note::Connected { .. } | Note::Disconnected { .. } => {}
            }
        }
    }
}

/// A client that says what a test wants a device to say.
pub(crate) struct Speaker(TcpStream);

impl Speaker {
    pub(crate) fn new(bench: &Bench) -> Self {
        let mut socket = TcpStream::connect(bench.server.address()).unwrap();
        socket.write_all(b"\x10\x13\0\x04MQTT\x04\x02\0\0\0\x07speaker").unwrap();
        let mut answer = [0; 4];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x20, 2, 0, 0]);
        Self(socket)
    }

    /// Publishes below the device's topics of a registry.
    pub(crate) fn say(&mut self, registry: &str, topic: &str, message: &Value) {
        let topic = format!("/r/{registry}/d/AHU-1/{topic}");
        let payload = message.to_string();
        let mut packet = vec![0x30];
        let mut left = 2 + topic.len() + payload.len();
        while left > 0x7f {
            packet.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        packet.push(left as u8);
        packet.extend((topic.len() as u16).to_be_bytes());
        packet.extend([topic.as_bytes(), payload.as_bytes()].concat());
        self.0.write_all(&packet).unwrap();
    }
}

/// The command as it was built, without a terminal and without the user's settings.
pub(crate) fn udmi() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_udmi"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove("RUST_BACKTRACE");
    command
}

/// Runs the command to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    udmi().args(arguments).output().unwrap()
}

pub(crate) fn config() -> Value {
    json!({
        "timestamp": "2026-03-01T10:00:00Z",
        "version": "1.5.7",
        "system": { "min_loglevel": 200, "operation": {} },
        "pointset": { "sample_rate_sec": 1, "points": { "sat": { "units": "Degrees-Celsius" }, "rat": {} } },
    })
}

/// Writes a file and returns its name for a command line.
pub(crate) fn write(folder: &Path, name: &str, content: &Value) -> String {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Standard output as one JSON value a line.
pub(crate) fn ndjson(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
