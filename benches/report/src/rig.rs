//! A device core on a wire of its own: time goes by hand, and a broker answers when it is told to.

use bytes::{BufMut as _, Bytes, BytesMut};
use device_link::wire::{self, ConnectCode, Packet};
use udmi_proto::{
    Action, Boot, ConnId, Device, Event, Instant, Limits, Now, Outcome, Settings, Udmi, UtcMillis,
};

use crate::floor::puback;

pub(crate) const EPOCH: i64 = 1_772_359_200_000;

pub(crate) struct Rig {
    pub(crate) device: Device,
    pub(crate) now: Now,
    pub(crate) conn: ConnId,
    pub(crate) broker: Broker,
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
        let mut rig = Self { device, now, conn: first_conn(), broker: Broker::default() };
        rig.conn = rig.drain().expect("the device connects");
        rig.handle(Event::Opened { conn: rig.conn });
        rig.broker.sent.clear(); // the CONNECT
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
        let (count, answers) = self.broker.answer();
        if !answers.is_empty() {
            self.handle(Event::Received { conn: self.conn, bytes: answers });
        }
        count
    }

    /// Answers until the device has nothing more to send, and tells how many bytes that were.
    pub(crate) fn settle(&mut self) -> usize {
        let mut count = 0;
        while !self.broker.sent.is_empty() {
            count += self.answer();
        }
        count
    }

    /// Lets time pass, with everything that falls due, and tells how many bytes were sent.
    pub(crate) fn pass(&mut self, millis: u64) -> usize {
        let mut count = 0;
        let end = self.now.at.0 + millis;
        while let Some(due) = self.device.deadline().filter(|due| due.0 <= end) {
            self.advance(due.0.saturating_sub(self.now.at.0));
            self.handle(Event::Tick);
            count += self.settle();
        }
        self.advance(end.saturating_sub(self.now.at.0));
        count
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
                Action::Send { bytes, .. } => {
                    bytes.parts().for_each(|part| self.broker.sent.extend_from_slice(part));
                }
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

/// The broker's side. It looks at no more than it needs to answer, since it is measured along with the core.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    /// What was sent and is not answered.
    pub(crate) sent: BytesMut,
    /// What was sent and is answered, the last time there was anything.
    pub(crate) answered: BytesMut,
}

impl Broker {
    /// The acknowledgements of all that was sent, and how many bytes that was.
    pub(crate) fn answer(&mut self) -> (usize, Bytes) {
        if self.sent.is_empty() {
            return (0, Bytes::new());
        }
        let (mut packets, mut answers) = (&self.sent[..], BytesMut::new());
        while let Some((first, body, rest)) = split(packets) {
            acknowledge(first, body, &mut answers);
            packets = rest;
        }
        std::mem::swap(&mut self.sent, &mut self.answered);
        self.sent.clear();
        (self.answered.len(), answers.freeze())
    }
}

/// The first byte of a packet, what comes after its length, and the packets after it.
fn split(packets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, rest) = packets.split_first()?;
    let digits = 1 + rest.iter().position(|digit| digit & 0x80 == 0)?;
    let length = rest[..digits].iter().rev().fold(0, |length, digit| length << 7 | usize::from(digit & 0x7f));
    let (body, rest) = rest[digits..].split_at_checked(length)?;
    Some((*first, body, rest))
}

fn acknowledge(first: u8, body: &[u8], answers: &mut BytesMut) {
    let number = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    match first >> 4 {
        3 if first & 0b110 != 0 => answers.put_slice(&puback(number(2 + usize::from(number(0))))),
        // One filter each: granted at QoS 1.
        8 => answers.put_slice(&[0x90, 3, body[0], body[1], 1]),
        10 => answers.put_slice(&[0xb0, 2, body[0], body[1]]),
        _ => {}
    }
}

pub(crate) fn first_conn() -> ConnId {
    serde_json::from_str("0").expect("an id is a number")
}
