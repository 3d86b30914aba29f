//! What the benchmarks share: a device that is connected, and the bare cost of the same bytes.

pub mod cases;
mod floor;
pub mod gateway;
pub mod plain;
mod rig;

pub use floor::{ConfigFloor, PublishFloor, ReceiveFloor, SampleFloor};

use bytes::{Bytes, BytesMut};
use device_link::wire::{self, PacketId, Qos};
use udmi_proto::{
    Command, Endpoint, Event, Instant, Limits, PointModel, Settings, Transport, Value, ValueKind,
};

use rig::Rig;

const PREFIX: &str = "/r/REG/d/AHU-1";
/// Far over every limit used here.
const PACKET_BYTES: usize = 16 << 20;

/// A device core with `points` points, connected, configured and idle.
pub struct Connected {
    rig: Rig,
    points: usize,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connected").field("points", &self.points).finish_non_exhaustive()
    }
}

impl Connected {
    /// Goes through CONNECT, SUBSCRIBE, the first config and a value for each point.
    ///
    /// # Panics
    /// If the core does not do what it has to.
    #[must_use]
    pub fn new(points: usize) -> Self {
        let mut rig = Rig::connected(Limits::default(), settings(points));
        rig.handle(Event::Received { conn: rig.conn, bytes: config_packet(points, 0) });
        let values = (0..points).map(|point| (name(point), value(point))).collect();
        rig.handle(Event::Command(Command::SetPoints { values }));
        rig.pass(10_000);
        rig.settle();
        Self { rig, points }
    }

    /// Hands one event to the device and drops what it wants done, but for what it sends.
    pub fn handle(&mut self, event: Event) {
        self.rig.handle(event);
    }

    /// Delivers one config and returns how many bytes the device sent.
    pub fn config(&mut self, packet: &Bytes) -> usize {
        self.rig.advance(2_500);
        self.rig.broker.sent.clear();
        self.rig.handle(Event::Received { conn: self.rig.conn, bytes: packet.clone() });
        self.rig.answer()
    }

    /// What the device has sent last.
    #[must_use]
    pub fn last_sent(&self) -> &[u8] {
        &self.rig.broker.answered
    }

    /// Lets time pass in which nothing is due, and returns how many actions came of it.
    pub fn tick(&mut self) -> usize {
        self.rig.advance(1);
        self.rig.handle(Event::Tick);
        self.rig.broker.sent.len()
    }

    /// When the device wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.rig.device.deadline()
    }

    /// Lets the next sample happen and returns how many bytes the device sent.
    pub fn sample(&mut self) -> usize {
        self.rig.broker.sent.clear();
        while self.rig.broker.sent.len() < self.points.saturating_mul(8) {
            let Some(due) = self.rig.device.deadline() else { break };
            self.rig.advance(due.0.saturating_sub(self.rig.now.at.0));
            self.rig.handle(Event::Tick);
        }
        self.rig.answer()
    }
}

fn settings(points: usize) -> Settings {
    let endpoint = Endpoint { host: "localhost".into(), port: 1883, transport: Transport::Tcp };
    let mut settings = Settings::new("AHU-1", endpoint, PREFIX, PREFIX);
    let model = |point| PointModel {
        units: Some("Degrees-Celsius".into()),
        reference: Some(format!("AV/{point:04}")),
        kind: Some(ValueKind::Number { minimum: None, maximum: None }),
        ..PointModel::default()
    };
    settings.options.keep_alive_seconds = 0; // nobody here answers a ping
    settings.points = (0..points).map(|point| (name(point), model(point))).collect();
    settings
}

/// Each is as long as any other, or more points would have larger ones.
fn name(point: usize) -> String {
    format!("supply_air_temperature_sensor_{point:04}")
}

fn value(point: usize) -> Value {
    Value::Number(f64::from(u32::try_from(point % 10).unwrap_or(0)) + 20.25)
}

/// A PUBLISH with a config of `points` points; `second` makes its timestamp.
///
/// # Panics
/// Never for the sizes used here.
#[must_use]
pub fn config_packet(points: usize, second: u32) -> Bytes {
    let config = config_json(points, second);
    let mut packet = BytesMut::new();
    let topic = format!("{PREFIX}/config");
    let id = PacketId::new(7);
    wire::encode_publish(&topic, config.as_bytes(), Qos::AtLeastOnce, false, false, id, &mut packet)
        .expect("the packet is valid");
    packet.freeze()
}

fn config_json(points: usize, second: u32) -> String {
    let points: Vec<_> = (0..points)
        .map(|point| format!(r#""{}":{{"ref":"AV/{point:04}","units":"Degrees-Celsius"}}"#, name(point)))
        .collect();
    format!(
        r#"{{"timestamp":"2026-03-01T10:{:02}:{:02}Z","version":"1.5.7","system":{{"min_loglevel":400,"metrics_rate_sec":0}},"pointset":{{"sample_rate_sec":86400,"points":{{{}}}}}}}"#,
        second / 60 % 60,
        second % 60,
        points.join(",")
    )
}
