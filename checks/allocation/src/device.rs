//! A device that is connected and configured, and a broker that acknowledges everything.

use bytes::{Bytes, BytesMut};
use device_link::wire::{self, ConnectCode, Packet, PacketId, Publish, Qos};
use udmi_proto::{
    Action, Boot, Command, ConnId, Endpoint, Event, Instant, Now, Outcome, PointModel, Settings, Transport,
    Udmi, UtcMillis, Value,
};

use crate::counting;

const PREFIX: &str = "/r/REG/d/AHU-1";
const EPOCH: i64 = 1_772_359_200_000;
/// Seconds between two samples.
const PERIOD: u64 = 600;

pub struct Device {
    device: udmi_proto::Device,
    now: Now,
    conn: Option<ConnId>,
    config: Bytes,
}

/// What a connected device takes for each of so many points.
pub fn bytes_per_point(points: usize) -> usize {
    let of = |points| {
        let before = counting::taken();
        let mut device = Device::new(points);
        device.settle();
        device.config = Bytes::new();
        counting::taken() - before
    };
    (of(points) - of(0)) / points
}

impl Device {
    pub fn new(points: usize) -> Self {
        let endpoint = Endpoint { host: "localhost".into(), port: 1883, transport: Transport::Tcp };
        let mut settings = Settings::new("AHU-1", endpoint, PREFIX, PREFIX);
        settings.options.keep_alive_seconds = 0;
        let model = |point| PointModel {
            units: Some("Degrees-Celsius".into()),
            reference: Some(format!("AV/{point}")),
            ..PointModel::default()
        };
        settings.points = (0..points).map(|point| (name(point), model(point))).collect();
        let now = Now { at: Instant(0), utc: UtcMillis(EPOCH) };
        let device = udmi_proto::Device::new(Boot::new(now, 1), Udmi::new(settings).expect("they are valid"));
        let mut device = Self { device, now, conn: None, config: config(points) };
        let conn = device.drain().0.expect("it connects");
        device.conn = Some(conn);
        device.handle(Event::Opened { conn });
        device.receive(&Packet::ConnAck { session_present: false, code: ConnectCode::Accepted });
        device.config();
        let values = (0..points).map(|point| (name(point), Value::Number(point as f64 / 4.0))).collect();
        device.handle(Event::Command(Command::SetPoints { values }));
        device
    }

    /// Lets everything happen that a config and values cause.
    pub fn settle(&mut self) {
        for _ in 0..100 {
            self.pass(100);
            self.handle(Event::Tick);
        }
    }

    /// Lets time pass in which nothing is due.
    pub fn tick(&mut self) {
        self.pass(1);
        let due = self.device.deadline();
        assert!(due.is_none_or(|due| due > self.now.at), "nothing is due");
        self.device.handle(self.now, Event::Tick);
        assert!(self.device.poll().is_none(), "nothing is to be done");
    }

    /// A config comes and is answered by a state.
    pub fn config(&mut self) {
        self.pass(5_000);
        let bytes = self.config.clone();
        let Some(conn) = self.conn else { return };
        self.handle(Event::Received { conn, bytes });
    }

    /// The next sample goes out.
    pub fn sample(&mut self) {
        self.pass(PERIOD * 1000);
        self.handle(Event::Tick);
    }

    pub fn turn(&mut self) {
        self.config();
        self.sample();
    }

    fn pass(&mut self, millis: u64) {
        self.now.at.0 += millis;
        self.now.utc.0 += millis as i64;
    }

    /// Hands it an event, and answers until it has nothing more to say.
    fn handle(&mut self, event: Event) {
        self.device.handle(self.now, event);
        loop {
            let (_, sent) = self.drain();
            if sent.is_empty() {
                return;
            }
            let answers = answers(sent);
            if let (Some(conn), false) = (self.conn, answers.is_empty()) {
                self.device.handle(self.now, Event::Received { conn, bytes: answers.freeze() });
            }
        }
    }

    fn receive(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        wire::encode(packet, &mut bytes).expect("the packet is valid");
        let Some(conn) = self.conn else { return };
        self.handle(Event::Received { conn, bytes: bytes.freeze() });
    }

    fn drain(&mut self) -> (Option<ConnId>, BytesMut) {
        let (mut opened, mut sent) = (None, BytesMut::new());
        while let Some(action) = self.device.poll() {
            match action {
                Action::Open { conn, .. } => opened = Some(conn),
                Action::Send { bytes, .. } => {
                    bytes.parts().for_each(|part| sent.extend_from_slice(part));
                }
                Action::InvokeHook { id, .. } => {
                    self.device.handle(self.now, Event::HookDone { id, outcome: Outcome::Done });
                }
                Action::Store { id, .. } => self.device.handle(self.now, Event::Stored { id, ok: true }),
                _ => {}
            }
        }
        (opened, sent)
    }
}

fn name(point: usize) -> String {
    format!("supply_air_temperature_sensor_{point}")
}

fn config(points: usize) -> Bytes {
    let points: Vec<_> = (0..points)
        .map(|point| format!(r#""{}":{{"ref":"AV/{point}","units":"Degrees-Celsius"}}"#, name(point)))
        .collect();
    let json = format!(
        r#"{{"timestamp":"2026-03-01T10:00:00Z","system":{{"min_loglevel":400,"metrics_rate_sec":0}},"pointset":{{"sample_rate_sec":{PERIOD},"points":{{{}}}}}}}"#,
        points.join(",")
    );
    let mut packet = BytesMut::new();
    let (topic, id) = (format!("{PREFIX}/config"), PacketId::new(7));
    wire::encode_publish(&topic, json.as_bytes(), Qos::AtLeastOnce, false, false, id, &mut packet)
        .expect("the packet is valid");
    packet.freeze()
}

/// What a broker answers.
fn answers(mut sent: BytesMut) -> BytesMut {
    let mut answers = BytesMut::new();
    while let Ok(Some(packet)) = wire::decode(&mut sent, 16 << 20) {
        let answer = match packet {
            Packet::Publish(Publish { id: Some(id), .. }) => Packet::PubAck(id),
            Packet::Subscribe { id, filters } => {
                Packet::SubAck { id, codes: vec![Some(Qos::AtLeastOnce); filters.len()] }
            }
            _ => continue,
        };
        wire::encode(&answer, &mut answers).expect("an answer fits");
    }
    answers
}
