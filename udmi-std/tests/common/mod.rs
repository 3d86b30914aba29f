//! A broker to watch, a client to speak to it, and settings of a device for it.
#![allow(dead_code)] // each test binary uses its part

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use device_broker::{Config, Note, Server};
use device_link::wire::{Connect, Packet, PacketId, Publish, Qos, decode, encode};
use udmi_proto::{Endpoint, PointModel, Settings, Transport};

/// What ought to happen at once has happened by then, even on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const PREFIX: &str = "/r/REG/d/AHU-1";

pub(crate) struct Broker {
    server: Option<Server>,
    notes: Receiver<Note>,
    pub(crate) address: SocketAddr,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into())
    }

    pub(crate) fn start_at(address: SocketAddr) -> Self {
        let (tap, notes) = sync_channel(100_000);
        let server = Server::start(Config { address, tap: Some(tap), ..Config::default() }).unwrap();
        Self { address: server.address(), server: Some(server), notes }
    }

    /// Stops it, and says where it was.
    pub(crate) fn stop(mut self) -> SocketAddr {
        self.server.take().unwrap().stop().unwrap();
        self.address
    }

    /// The first note of which `wanted` makes something.
    pub(crate) fn note<T>(&self, what: &str, mut wanted: impl FnMut(&Note) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.notes.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(note) => {
                    if let Some(found) = wanted(&note) {
                        return found;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => panic!("no {what}"),
            }
        }
    }

    /// The next message of the device on that topic of which `wanted` is true.
    pub(crate) fn message(
        &self,
        topic: &str,
        wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        self.message_of("AHU-1", topic, wanted)
    }

    /// The same of any device.
    pub(crate) fn message_of(
        &self,
        device: &str,
        topic: &str,
        wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let full = format!("/r/REG/d/{device}/{topic}");
        self.note(topic, |note| match note {
            Note::Published { topic, payload, .. } if *topic == full => {
                Some(serde_json::from_slice(payload).unwrap()).filter(&wanted)
            }
            _ => None,
        })
    }

    /// The next state that answers the config of that timestamp.
    pub(crate) fn state_for(&self, timestamp: &str) -> serde_json::Value {
        self.message("state", |state| state["system"]["last_config"] == timestamp)
    }

    /// Keeps a config for the device.
    pub(crate) fn configure(&self, config: &serde_json::Value) {
        self.send_to("AHU-1", "config", config);
    }

    /// Keeps a message for any device.
    pub(crate) fn send_to(&self, device: &str, topic: &str, content: &serde_json::Value) {
        let mut socket = TcpStream::connect(self.address).unwrap();
        let mut send = |packet: &Packet| write_packet(&mut socket, packet);
        send(&connect("cloud"));
        let id = PacketId::new(1);
        send(&Packet::Publish(Publish {
            topic: format!("/r/REG/d/{device}/{topic}"),
            payload: Bytes::from(content.to_string()),
            qos: Qos::AtLeastOnce,
            retain: true,
            dup: false,
            id,
        }));
        let mut input = BytesMut::new();
        while !matches!(read_packet(&mut socket, &mut input), Packet::PubAck(_)) {}
    }
}

pub(crate) fn connect(client: &str) -> Packet {
    Packet::Connect(Connect {
        client_id: client.into(),
        clean_session: true,
        keep_alive: 0,
        will: None,
        username: None,
        password: None,
    })
}

pub(crate) fn write_packet(socket: &mut impl Write, packet: &Packet) {
    let mut bytes = BytesMut::new();
    encode(packet, &mut bytes).unwrap();
    socket.write_all(&bytes).unwrap();
    socket.flush().unwrap();
}

pub(crate) fn read_packet(socket: &mut impl Read, input: &mut BytesMut) -> Packet {
    let mut buffer = [0; 4096];
    loop {
        if let Some(packet) = decode(input, 1 << 20).unwrap() {
            return packet;
        }
        let count = socket.read(&mut buffer).unwrap();
        assert!(count > 0, "the connection has ended");
        input.extend_from_slice(&buffer[..count]);
    }
}

/// A device with the point `temperature` and the writable point `setpoint`.
pub(crate) fn settings(address: SocketAddr) -> Settings {
    let (host, transport) = (address.ip().to_string(), Transport::Tcp);
    let endpoint = Endpoint { host, port: address.port(), transport };
    let mut settings = Settings::new("AHU-1", endpoint, PREFIX, PREFIX);
    settings.options.state_interval_ms = 1000; // the least there is
    settings.points.insert("temperature".into(), PointModel::default());
    settings.points.insert("setpoint".into(), PointModel { writable: true, ..PointModel::default() });
    settings
}

/// A config of the second `second`, with both points; `setpoint` is set if there is a value.
pub(crate) fn config(second: u32, set_value: Option<f64>) -> serde_json::Value {
    let mut setpoint = serde_json::json!({});
    if let Some(value) = set_value {
        setpoint["set_value"] = value.into();
    }
    serde_json::json!({
        "timestamp": timestamp(second),
        "version": "1.5.2",
        "system": { "operation": { "mode": "active" } },
        "pointset": { "sample_rate_sec": 1, "points": { "temperature": {}, "setpoint": setpoint } },
    })
}

pub(crate) fn timestamp(second: u32) -> String {
    format!("2026-11-20T05:00:{second:02}Z")
}
