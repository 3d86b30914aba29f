//! What the benchmarks share: a device that is connected, and the bare cost of the same bytes.

pub mod gateway;
mod rig;

use bytes::{Bytes, BytesMut};
use device_link::wire::{self, Packet, PacketId, Qos};
use udmi_proto::model::{config, events, state};
use udmi_proto::{Command, Endpoint, Event, Limits, PointModel, Settings, Transport, Value, ValueKind};

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
        self.rig.sent.clear();
        self.rig.handle(Event::Received { conn: self.rig.conn, bytes: packet.clone() });
        self.rig.answer()
    }

    /// Lets the next sample happen and returns how many bytes the device sent.
    pub fn sample(&mut self) -> usize {
        self.rig.sent.clear();
        while self.rig.sent.len() < self.points.saturating_mul(8) {
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
        reference: Some(format!("AV/{point}")),
        kind: Some(ValueKind::Number { minimum: None, maximum: None }),
        ..PointModel::default()
    };
    settings.options.keep_alive_seconds = 0; // nobody here answers a ping
    settings.points = (0..points).map(|point| (name(point), model(point))).collect();
    settings
}

fn name(point: usize) -> String {
    format!("supply_air_temperature_sensor_{point}")
}

fn value(point: usize) -> Value {
    Value::Number(f64::from(u32::try_from(point % 1000).unwrap_or(0)) / 4.0)
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
        .map(|point| format!(r#""{}":{{"ref":"AV/{point}","units":"Degrees-Celsius"}}"#, name(point)))
        .collect();
    format!(
        r#"{{"timestamp":"2026-03-01T10:{:02}:{:02}Z","version":"1.5.7","system":{{"min_loglevel":400,"metrics_rate_sec":0}},"pointset":{{"sample_rate_sec":60,"points":{{{}}}}}}}"#,
        second / 60 % 60,
        second % 60,
        points.join(",")
    )
}

/// What the bytes of a config and its state cost at the very least: decode the packet, parse the
/// document, write the acknowledgement, write a state of the same content, encode it.
#[derive(Debug)]
pub struct ConfigFloor {
    packet: Bytes,
    state: state::State,
    topic: String,
}

impl ConfigFloor {
    /// For so many points.
    #[must_use]
    pub fn new(points: usize) -> Self {
        let one = || state::PointsetPoint { units: Some("Degrees-Celsius".into()), ..Default::default() };
        let pointset = state::Pointset {
            points: (0..points).map(|point| (name(point), one())).collect(),
            ..Default::default()
        };
        let state = state::State { pointset: Some(pointset), ..Default::default() };
        Self { packet: config_packet(points, 1), state, topic: format!("{PREFIX}/state") }
    }

    /// Does it once and returns how many bytes there were to send.
    ///
    /// # Panics
    /// If the bytes are no config.
    pub fn run(&self) -> usize {
        let mut inbound = BytesMut::from(&self.packet[..]);
        let packet = wire::decode(&mut inbound, PACKET_BYTES).expect("the packet is valid");
        let Some(Packet::Publish(publish)) = packet else { return 0 };
        let config: config::Config = serde_json::from_slice(&publish.payload).expect("the config is valid");
        std::hint::black_box(&config);
        let mut out = BytesMut::new();
        if let Some(id) = publish.id {
            wire::encode(&Packet::PubAck(id), &mut out).expect("an acknowledgement fits");
        }
        let state = serde_json::to_vec(&self.state).expect("a state is valid");
        let id = PacketId::new(9);
        wire::encode_publish(&self.topic, &state, Qos::AtLeastOnce, false, false, id, &mut out)
            .expect("the packet is valid");
        out.len()
    }
}

/// What the bytes of a sample cost at the very least: write the document, encode the packet.
#[derive(Debug)]
pub struct SampleFloor {
    event: events::Pointset,
    topic: String,
}

impl SampleFloor {
    /// For so many points.
    #[must_use]
    pub fn new(points: usize) -> Self {
        let one = |point| (name(point), events::PointsetPoint { present_value: value(point) });
        let event = events::Pointset { points: (0..points).map(one).collect(), ..Default::default() };
        Self { event, topic: format!("{PREFIX}/events/pointset") }
    }

    /// Does it once and returns how many bytes there were to send.
    ///
    /// # Panics
    /// Never for the sizes used here.
    #[must_use]
    pub fn run(&self) -> usize {
        let json = serde_json::to_vec(&self.event).expect("an event is valid");
        let mut out = BytesMut::with_capacity(json.len() + 64);
        let id = PacketId::new(9);
        wire::encode_publish(&self.topic, &json, Qos::AtLeastOnce, false, false, id, &mut out)
            .expect("the packet is valid");
        let mut answer = BytesMut::new();
        wire::encode(&Packet::PubAck(id.unwrap_or(PacketId::FIRST)), &mut answer).expect("it fits");
        let acknowledged = wire::decode(&mut answer, PACKET_BYTES).expect("it is valid");
        std::hint::black_box(acknowledged);
        out.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_config_is_answered_by_a_state_and_every_sample_carries_the_points() {
        for points in [10, 100] {
            let mut device = Connected::new(points);
            let floor = ConfigFloor::new(points).run();
            for second in 1..5 {
                let sent = device.config(&config_packet(points, second));
                assert!(
                    sent + 400 > floor && sent < floor + 400,
                    "{points} points: {sent} bytes, floor {floor}"
                );
            }
            let floor = SampleFloor::new(points).run();
            for _ in 0..3 {
                let sent = device.sample();
                assert!(
                    sent + 100 > floor && sent < floor + 100,
                    "{points} points: {sent} bytes, floor {floor}"
                );
            }
        }
    }
}
