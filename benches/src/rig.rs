//! A device core on a wire of its own: time goes by hand, and a broker answers when it is told to.

use bytes::BytesMut;
use device_link::wire::{self, ConnectCode, Packet, Qos};
use udmi_proto::{
    Action, Boot, ConnId, Device, Event, Instant, Limits, Now, Outcome, Settings, Udmi, UtcMillis,
};

use crate::PACKET_BYTES;

const EPOCH: i64 = 1_772_359_200_000;

pub(crate) struct Rig {
    pub(crate) device: Device,
    pub(crate) now: Now,
    pub(crate) conn: ConnId,
    /// What the device has sent and nobody has answered.
    pub(crate) sent: BytesMut,
}

impl Rig {
    /// Goes through CONNECT and the subscriptions of the beginning.
    ///
    /// # Panics
    /// If the core does not do what it has to.
    pub(crate) fn connected(limits: Limits, settings: Settings) -> Self {
        let now = Now { at: Instant(0), utc: UtcMillis(EPOCH) };
        let mut boot = Boot::new(now, 1);
        boot.limits = limits;
        let device = Device::new(boot, Udmi::new(settings).expect("the settings are valid"));
        let mut rig = Self { device, now, conn: first_conn(), sent: BytesMut::new() };
        rig.conn = rig.drain().expect("the device connects");
        rig.handle(Event::Opened { conn: rig.conn });
        rig.sent.clear(); // the CONNECT
        let mut accepted = BytesMut::new();
        let packet = Packet::ConnAck { session_present: false, code: ConnectCode::Accepted };
        wire::encode(&packet, &mut accepted).expect("the packet is valid");
        rig.handle(Event::Received { conn: rig.conn, bytes: accepted.freeze() });
        rig.answer();
        rig
    }

    /// Hands one event to the device and does what it wants done, but for what it sends.
    pub(crate) fn handle(&mut self, event: Event) {
        self.device.handle(self.now, event);
        self.drain();
    }

    /// Answers what was sent, as a broker would, and tells how many bytes that was.
    pub(crate) fn answer(&mut self) -> usize {
        let count = self.sent.len();
        let mut answers = BytesMut::new();
        while let Ok(Some(packet)) = wire::decode(&mut self.sent, PACKET_BYTES) {
            let answer = match packet {
                Packet::Publish(wire::Publish { id: Some(id), .. }) => Packet::PubAck(id),
                Packet::Subscribe { id, filters } => {
                    Packet::SubAck { id, codes: vec![Some(Qos::AtLeastOnce); filters.len()] }
                }
                Packet::Unsubscribe { id, .. } => Packet::UnsubAck(id),
                _ => continue,
            };
            wire::encode(&answer, &mut answers).expect("an answer fits");
        }
        self.sent.clear();
        if !answers.is_empty() {
            self.handle(Event::Received { conn: self.conn, bytes: answers.freeze() });
        }
        count
    }

    /// Answers until the device has nothing more to send, and tells how many bytes that were.
    pub(crate) fn settle(&mut self) -> usize {
        let mut count = 0;
        while !self.sent.is_empty() {
            count += self.answer();
        }
        count
    }

    /// Lets time pass, with everything that falls due.
    pub(crate) fn pass(&mut self, millis: u64) {
        let end = self.now.at.0 + millis;
        while let Some(due) = self.device.deadline().filter(|due| due.0 <= end) {
            self.advance(due.0.saturating_sub(self.now.at.0));
            self.handle(Event::Tick);
            self.settle();
        }
    }

    pub(crate) fn advance(&mut self, millis: u64) {
        self.now.at.0 += millis;
        self.now.utc.0 += i64::try_from(millis).unwrap_or(i64::MAX);
    }

    fn drain(&mut self) -> Option<ConnId> {
        let mut opened = None;
        while let Some(action) = self.device.poll() {
            match action {
                Action::Open { conn, .. } => opened = Some(conn),
                Action::Send { bytes, .. } => self.sent.extend_from_slice(bytes.bytes()),
                Action::InvokeHook { id, .. } => {
                    self.device.handle(self.now, Event::HookDone { id, outcome: Outcome::Done });
                }
                Action::Store { id, .. } => self.device.handle(self.now, Event::Stored { id, ok: true }),
                Action::Close { .. }
                | Action::Sign { .. }
                | Action::Fetch { .. }
                | Action::Release { .. }
                | Action::CancelHook { .. }
                | Action::Notify(_)
                | Action::Exit(_) => {}
            }
        }
        opened
    }
}

fn first_conn() -> ConnId {
    serde_json::from_str("0").expect("an id is a number")
}
