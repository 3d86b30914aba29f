//! The world of one device: a broker, a host and an application that answer at once.

use alloc::vec;
use alloc::vec::Vec;
use core::hint::black_box;

use bytes::{Bytes, BytesMut};
use device_link::wire::{self, ConnectCode, Packet, PacketId, Publish, Qos};
use udmi_proto::{
    Action, Algorithm, BlobOutcome, Closed, Command, ConnId, Device, Endpoint, Event, ExitReason, FetchEvent,
    GatewaySettings, Hook, NewKey, Now, Outcome, PointModel, ProxySettings, Secret, Settings, Source,
    TokenSettings, Transport, Value,
};

/// A gateway with points, a token, a blob and a scan.
pub(crate) fn settings() -> Settings {
    let endpoint = Endpoint { host: black_box("localhost").into(), port: 8883, transport: Transport::Tls };
    let mut settings = Settings::new(black_box("GAT-1"), endpoint, "/r/REG/d/GAT-1", "/r/REG/d/GAT-1");
    settings.token = Some(TokenSettings {
        algorithm: Algorithm::Es256,
        audience: "project".into(),
        username: "unused".into(),
        lifetime_seconds: 3600,
    });
    let pressure = PointModel { units: Some("Bars".into()), writable: true, ..PointModel::default() };
    let flow = PointModel { source: Source::Polled, ..PointModel::default() };
    settings.points.insert("pressure".into(), pressure);
    settings.points.insert("flow".into(), flow);
    settings.families.insert("vendor".into(), "1".into());
    settings.scans = vec!["vendor".into()];
    settings.custom_blocks = vec!["local".into()];
    let mut proxy = ProxySettings::default();
    proxy.points.insert("speed".into(), PointModel::default());
    let mut gateway = GatewaySettings::default();
    gateway.proxies.insert("AHU-1".into(), proxy);
    settings.gateway = Some(gateway);
    let options = &mut settings.options;
    options.blobs = vec!["program".into()];
    (options.metrics_hook, options.lifecycle_hook, options.command_hook) = (true, true, true);
    settings
}

const CONFIGS: [&str; 5] = [
    r#"{ "timestamp": "2026-03-01T10:00:00Z", "version": "1.5.7",
        "system": { "min_loglevel": 100, "metrics_rate_sec": 10, "operation": { "mode": "active" } },
        "localnet": { "families": { "vendor": {} } }, "gateway": { "proxy_ids": ["AHU-1"] }, "local": { "on": true },
        "discovery": { "generation": "2026-03-01T10:00:00Z", "enumerations": { "points": "entries" },
            "families": { "vendor": { "generation": "2026-03-01T10:00:20Z", "scan_interval_sec": 30 } } },
        "pointset": { "sample_rate_sec": 2, "set_value_expiry": "2026-03-01T10:01:00Z",
            "points": { "pressure": { "set_value": 4.5, "cov_increment": 0.1 }, "flow": { "units": "Litres" } } },
        "blobset": { "blobs": { "program": { "phase": "final", "generation": "2026-03-01T09:00:00Z",
            "url": "https://example.com/program",
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" } } } }"#,
    r#"{ "timestamp": "2026-03-01T10:00:30Z", "pointset": { "points": { "pressure": { "set_value": "x" } } } }"#,
    r#"{ "timestamp": "yesterday" }"#,
    "{",
    "",
];

const PROXY_CONFIG: &str =
    r#"{ "timestamp": "2026-03-01T10:00:00Z", "pointset": { "points": { "speed": { "set_value": 1 } } } }"#;

pub(crate) struct World {
    device: Device,
    now: Now,
    conn: Option<ConnId>,
    /// What the device has sent and nobody has answered.
    sent: BytesMut,
    states: usize,
    samples: usize,
    hooks: usize,
    proxied: usize,
    over: bool,
}

impl World {
    pub(crate) fn new(device: Device, now: Now) -> Self {
        let sent = BytesMut::new();
        Self { device, now, conn: None, sent, states: 0, samples: 0, hooks: 0, proxied: 0, over: false }
    }

    /// A run from its first action to its last.
    pub(crate) fn live(&mut self) {
        self.act();
        for config in CONFIGS {
            self.pass(40_000);
            self.deliver("/r/REG/d/GAT-1/config", config);
            self.deliver("/r/REG/d/AHU-1/config", PROXY_CONFIG);
            self.command();
        }
        self.deliver("/r/REG/d/GAT-1/commands/system/rotate_key", "{}");
        self.deliver("/r/REG/d/GAT-1/errors", r#"{ "device_id": "AHU-1", "error_type": "x" }"#);
        self.pass(40_000);
        if let Some(conn) = self.conn {
            self.handle(Event::Closed { conn, why: Closed::Reset });
        }
        self.pass(200_000);
        self.handle(Event::Command(Command::Stop { reason: ExitReason::Shutdown }));
        self.pass(40_000);
    }

    /// Whether it was a run worth measuring.
    pub(crate) fn has_done_all(&self) -> bool {
        self.over && self.states > 5 && self.samples > 20 && self.hooks > 5 && self.proxied > 0
    }

    fn command(&mut self) {
        let values = [("pressure".into(), Value::Number(black_box(4.25)))].into();
        self.handle(Event::Command(Command::SetPoints { values }));
        self.handle(Event::Command(Command::SampleNow));
    }

    /// Lets time pass, with everything that falls due.
    fn pass(&mut self, millis: u64) {
        let end = self.now.at.0 + millis;
        while let Some(due) = self.device.deadline().filter(|due| due.0 <= end) {
            let ahead = due.0.saturating_sub(self.now.at.0);
            self.now.at.0 += ahead;
            self.now.utc.0 += ahead as i64;
            self.handle(Event::Tick);
        }
    }

    fn deliver(&mut self, topic: &str, payload: &str) {
        let publish = Publish {
            topic: topic.into(),
            payload: Bytes::copy_from_slice(black_box(payload).as_bytes()),
            qos: Qos::AtLeastOnce,
            retain: false,
            dup: false,
            id: Some(PacketId::FIRST),
        };
        self.answer(&Packet::Publish(publish));
    }

    fn handle(&mut self, event: Event) {
        self.device.handle(self.now, event);
        self.act();
    }

    fn act(&mut self) {
        while let Some(action) = self.device.poll() {
            let Some(answer) = self.perform(action) else { continue };
            self.device.handle(self.now, answer);
        }
        self.serve();
    }

    fn perform(&mut self, action: Action) -> Option<Event> {
        Some(match action {
            Action::Open { conn, .. } => {
                self.conn = Some(conn);
                self.sent.clear();
                Event::Opened { conn }
            }
            Action::Send { bytes, .. } => {
                bytes.parts().for_each(|part| self.sent.extend_from_slice(part));
                return None;
            }
            Action::Store { id, .. } => Event::Stored { id, ok: true },
            Action::Sign { id, .. } => Event::Signed { id, result: Ok(Secret::new("c2lnbmF0dXJl".into())) },
            Action::Fetch { id, .. } => {
                let chunk = FetchEvent::Chunk(Bytes::from_static(b"abc"));
                self.device.handle(self.now, Event::Fetched { id, event: chunk });
                Event::Fetched { id, event: FetchEvent::Done }
            }
            Action::InvokeHook { id, hook } => {
                self.hooks += 1;
                Event::HookDone { id, outcome: outcome(&hook) }
            }
            Action::Exit(_) => {
                self.over = true;
                return None;
            }
            Action::Close { .. } | Action::Release { .. } | Action::CancelHook { .. } | Action::Notify(_) => {
                return None;
            }
        })
    }

    /// Answers what was sent, as a broker would.
    fn serve(&mut self) {
        let mut answers = Vec::new();
        while let Ok(Some(packet)) = wire::decode(&mut self.sent, 1 << 20) {
            answers.push(match packet {
                Packet::Connect(_) => Packet::ConnAck { session_present: false, code: ConnectCode::Accepted },
                Packet::Publish(publish) => {
                    self.states += usize::from(publish.topic.ends_with("GAT-1/state"));
                    self.samples += usize::from(publish.topic.ends_with("/events/pointset"));
                    self.proxied += usize::from(publish.topic.ends_with("AHU-1/state"));
                    let Some(id) = publish.id else { continue };
                    Packet::PubAck(id)
                }
                Packet::Subscribe { id, filters } => {
                    Packet::SubAck { id, codes: filters.iter().map(|(_, qos)| Some(*qos)).collect() }
                }
                Packet::Unsubscribe { id, .. } => Packet::UnsubAck(id),
                Packet::PingReq => Packet::PingResp,
                _ => continue,
            });
        }
        for answer in &answers {
            self.answer(answer);
        }
    }

    fn answer(&mut self, packet: &Packet) {
        let (Some(conn), mut bytes) = (self.conn, BytesMut::new()) else { return };
        if wire::encode(packet, &mut bytes).is_ok() {
            self.handle(Event::Received { conn, bytes: bytes.freeze() });
        }
    }
}

fn outcome(hook: &Hook) -> Outcome {
    match hook {
        // A version that is taken ends the run.
        Hook::ProcessBlob { .. } => Outcome::Blob(BlobOutcome::Aborted { message: "not now".into() }),
        Hook::ActivateBlob { .. } | Hook::CheckActivation { .. } => Outcome::Blob(BlobOutcome::Activated),
        Hook::MakeKey => Outcome::KeyMade(NewKey {
            public_key: "key".into(),
            backup: "backup".into(),
            password: Secret::new("password".into()),
        }),
        _ => Outcome::Done,
    }
}
