//! A device and a broker that answers at once.

use bytes::{Bytes, BytesMut};
use device_link::wire::{self, ConnectCode, Packet, PacketId, Publish, Qos};
use udmi_proto::{Action, Boot, ConnId, Device, Event, Instant, Now, Outcome, Settings, Udmi, UtcMillis};

pub(crate) struct Rig {
    device: Device,
    now: Now,
    conn: Option<ConnId>,
    sent: BytesMut,
}

impl Rig {
    pub(crate) fn new(settings: Settings) -> Self {
        let now = Now { at: Instant(0), utc: UtcMillis(1_772_359_200_000) };
        let boot = Boot::new(now, 1);
        let device = Device::new(boot, Udmi::new(settings).expect("the settings are valid"));
        Self { device, now, conn: None, sent: BytesMut::new() }
    }

    /// Does what the device wants, but for what it sends, until it wants no more.
    pub(crate) fn act(&mut self) {
        while let Some(action) = self.device.poll() {
            let answer = match action {
                Action::Open { conn, .. } => {
                    self.conn = Some(conn);
                    None
                }
                Action::Send { bytes, .. } => {
                    bytes.parts().for_each(|part| self.sent.extend_from_slice(part));
                    None
                }
                Action::Store { id, .. } => Some(Event::Stored { id, ok: true }),
                Action::InvokeHook { id, .. } => Some(Event::HookDone { id, outcome: Outcome::Done }),
                _ => None,
            };
            if let Some(answer) = answer {
                self.device.handle(self.now, answer);
            }
        }
    }

    /// The connection is open; the broker accepts it and what is subscribed.
    pub(crate) fn connect(&mut self) {
        let conn = self.conn.expect("the device connects");
        self.handle(Event::Opened { conn });
        self.serve();
    }

    pub(crate) fn handle(&mut self, event: Event) {
        self.device.handle(self.now, event);
        self.act();
    }

    /// A config comes, its state goes, and so many milliseconds pass.
    pub(crate) fn configure(&mut self, topic: &str, config: &str, millis: u64) {
        let publish = Publish {
            topic: topic.to_owned(),
            payload: Bytes::copy_from_slice(config.as_bytes()),
            qos: Qos::AtLeastOnce,
            retain: false,
            dup: false,
            id: Some(PacketId::FIRST),
        };
        self.answer(&[Packet::Publish(publish)]);
        self.rest(millis);
    }

    /// So many milliseconds pass, with all that falls due.
    pub(crate) fn rest(&mut self, millis: u64) {
        self.serve();
        let end = self.now.at.0 + millis;
        while let Some(due) = self.device.deadline().filter(|due| due.0 <= end) {
            let ahead = due.0.saturating_sub(self.now.at.0);
            self.now.at.0 += ahead;
            self.now.utc.0 += i64::try_from(ahead).unwrap_or(0);
            self.handle(Event::Tick);
            self.serve();
        }
        self.device.trim();
    }

    /// Answers what was sent until nothing more comes.
    pub(crate) fn serve(&mut self) {
        loop {
            let mut answers = Vec::new();
            while let Ok(Some(packet)) = wire::decode(&mut self.sent, 1 << 20) {
                answers.push(match packet {
                    Packet::Connect(_) => {
                        Packet::ConnAck { session_present: false, code: ConnectCode::Accepted }
                    }
                    Packet::Publish(Publish { id: Some(id), .. }) => Packet::PubAck(id),
                    Packet::Subscribe { id, filters } => {
                        Packet::SubAck { id, codes: filters.iter().map(|(_, qos)| Some(*qos)).collect() }
                    }
                    Packet::PingReq => Packet::PingResp,
                    _ => continue,
                });
            }
            self.sent = BytesMut::new();
            if answers.is_empty() {
                return;
            }
            self.answer(&answers);
        }
    }

    fn answer(&mut self, packets: &[Packet]) {
        let conn = self.conn.expect("the device connects");
        let mut bytes = BytesMut::new();
        for packet in packets {
            wire::encode(packet, &mut bytes).expect("the packet is valid");
        }
        self.handle(Event::Received { conn, bytes: bytes.freeze() });
    }
}
