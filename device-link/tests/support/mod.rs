//! A virtual clock, a scripted broker, and a driver that watches the rules of the port as it goes.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses its own part")]

pub mod probe;
#[path = "../../../tests/src/toy.rs"]
pub mod toy;

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use device_link::trace::{self, Recorder};
use device_link::transcript::Transcript;
use device_link::wire::{self, ConnectCode, Packet, PacketId, Qos};
use device_link::{
    Action, Boot, Closed, ConnId, Dialect, Event, Instant, LinkTimer, Node, Now, Token, UtcMillis, WakeReason,
};

use probe::{Do, Got, Policy, Probe, Told};

/// Where both clocks of a world start.
pub const BIRTH: Now = Now { at: Instant(5_000), utc: UtcMillis(1_700_000_000_000) };

pub type EventOf<D> = Event<<D as Dialect>::Command, <D as Dialect>::Outcome>;
pub type ActionOf<D> = Action<<D as Dialect>::Hook, <D as Dialect>::Notice>;

/// A node, its driver and its broker.
#[derive(Debug)]
pub struct World<D: Dialect> {
    pub node: Node<D>,
    pub now: Now,
    /// What the last call asked for.
    pub last: Vec<ActionOf<D>>,
    /// Everything asked for since it was last taken.
    pub actions: Vec<ActionOf<D>>,
    /// Every packet sent since they were last taken.
    pub sent: Vec<Packet>,
    /// The connection asked for last.
    pub conn: Option<ConnId>,
    /// How many bytes the transport delivers at once.
    pub chunk: usize,
    /// The trace, without its header.
    pub trace: Vec<String>,
    recorder: Recorder<D>,
    pub transcript: Transcript,
    outbound: BytesMut,
    alive: BTreeSet<ConnId>,
    exited: bool,
}

impl<D: Dialect> World<D> {
    pub fn new(boot: Boot, dialect: D) -> Self {
        let now = boot.now;
        let mut recorder = Recorder::new(&boot.limits);
        recorder.construction(now);
        let mut world = Self {
            recorder,
            node: Node::new(boot, dialect),
            now,
            last: Vec::new(),
            actions: Vec::new(),
            sent: Vec::new(),
            conn: None,
            chunk: usize::MAX,
            trace: Vec::new(),
            transcript: Transcript::default(),
            outbound: BytesMut::new(),
            alive: BTreeSet::new(),
            exited: false,
        };
        world.perform(None);
        world
    }

    /// One call of `handle`, performed and checked.
    pub fn handle(&mut self, event: EventOf<D>) {
        self.recorder.event(self.now, &event);
        let seen = event.clone();
        self.node.handle(self.now, event);
        self.perform(Some(&seen));
    }

    fn perform(&mut self, event: Option<&EventOf<D>>) {
        let actions: Vec<_> = core::iter::from_fn(|| self.node.poll()).collect();
        let (deadline, wake) = (self.node.deadline(), self.node.wake_reason());
        self.transcript.call(self.now, event, &actions, deadline, wake.as_ref());
        self.recorder.finish(&actions, deadline, wake);
        self.trace.extend(core::iter::from_fn(|| self.recorder.poll()));
        assert!(deadline.is_none_or(|at| at > self.now.at), "a deadline in the past would spin");
        assert!(!self.exited || actions.is_empty(), "nothing comes after Exit: {actions:?}");
        if let Some(Event::Closed { conn, .. }) = event {
            self.alive.remove(conn);
        }
        let sends = actions.iter().filter(|action| matches!(action, Action::Send { .. })).count();
        assert!(sends <= 1, "at most one Send a call: {actions:?}");
        for action in &actions {
            assert!(!self.exited, "Exit is the last action: {actions:?}");
            match action {
                Action::Open { conn, .. } => {
                    assert!(self.alive.is_empty(), "one connection at a time");
                    assert!(self.conn.is_none_or(|older| older < *conn), "identifiers are never reused");
                    self.alive.insert(*conn);
                    self.conn = Some(*conn);
                    self.outbound.clear();
                }
                Action::Send { conn, bytes } => {
                    assert!(self.alive.contains(conn), "bytes for a connection that is not there");
                    self.outbound.extend_from_slice(&bytes.bytes());
                    while let Some(packet) = wire::decode(&mut self.outbound, 1 << 24).expect("valid MQTT") {
                        self.sent.push(packet);
                    }
                    assert!(self.outbound.is_empty(), "only whole packets");
                }
                Action::Close { conn } => assert!(self.alive.remove(conn), "closes what is open"),
                Action::Exit(_) => {
                    assert!(self.alive.is_empty(), "every connection is closed before Exit");
                    self.exited = true;
                }
                Action::Store { .. }
                | Action::Sign { .. }
                | Action::Fetch { .. }
                | Action::Release { .. }
                | Action::InvokeHook { .. }
                | Action::CancelHook { .. }
                | Action::Notify(_) => {}
            }
        }
        self.last.clone_from(&actions);
        self.actions.extend(actions);
    }

    /// Lets time pass as a driver does: a tick at each deadline on the way.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now.at + duration;
        while let Some(at) = self.node.deadline().filter(|at| *at <= end) {
            self.set_time(at);
            self.handle(Event::Tick);
        }
        self.set_time(end);
    }

    /// Ticks up to the next deadline.
    pub fn advance_to_deadline(&mut self) {
        let at = self.node.deadline().expect("something is due");
        self.set_time(at);
        self.handle(Event::Tick);
    }

    fn set_time(&mut self, at: Instant) {
        self.now.utc = self.now.utc + at.since(self.now.at);
        self.now.at = at;
    }

    /// The connection in hand.
    pub fn conn(&self) -> ConnId {
        self.conn.expect("a connection was asked for")
    }

    pub fn opened(&mut self) {
        self.handle(Event::Opened { conn: self.conn() });
    }

    pub fn closed(&mut self, why: Closed) {
        self.handle(Event::Closed { conn: self.conn(), why });
    }

    /// Bytes from the peer, cut as `chunk` says.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let conn = self.conn();
        for piece in bytes.chunks(self.chunk.min(bytes.len().max(1))) {
            self.handle(Event::Received { conn, bytes: Bytes::copy_from_slice(piece) });
        }
    }

    /// Packets from the peer, in one piece or as `chunk` says.
    pub fn peer(&mut self, packets: &[Packet]) {
        self.bytes(&encoded(packets));
    }

    pub fn connack(&mut self, session_present: bool) {
        self.peer(&[Packet::ConnAck { session_present, code: ConnectCode::Accepted }]);
    }

    /// Opens the transport and accepts the connection; answers the subscriptions this causes.
    pub fn up(&mut self) {
        self.opened();
        self.connack(false);
        self.acknowledge();
    }

    /// Waits for the next attempt to connect and lets it succeed.
    pub fn reconnect(&mut self) {
        let before = self.conn;
        while self.conn == before {
            self.advance_to_deadline();
        }
        self.sent.clear();
        self.up();
    }

    /// Answers all that was sent as a broker does that accepts everything; the packets stay in `sent`.
    pub fn acknowledge(&mut self) {
        let mut seen = 0;
        while seen < self.sent.len() {
            let answers: Vec<_> = self.sent[seen..].iter().filter_map(answer).collect();
            seen = self.sent.len();
            if !answers.is_empty() {
                self.peer(&answers);
            }
        }
    }

    /// The packets sent since the last call.
    pub fn take_sent(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.sent)
    }

    pub fn take_actions(&mut self) -> Vec<ActionOf<D>> {
        std::mem::take(&mut self.actions)
    }

    /// What the application was told since actions were last taken.
    pub fn notices(&mut self) -> Vec<D::Notice> {
        self.take_actions()
            .into_iter()
            .filter_map(|action| if let Action::Notify(notice) = action { Some(notice) } else { None })
            .collect()
    }

    pub fn is_closing(&self) -> bool {
        self.last.iter().any(|action| matches!(action, Action::Close { .. }))
    }

    /// Whether a deadline of the link of that name is next.
    pub fn waits_for(&self, timer: LinkTimer) -> bool {
        matches!(self.node.wake_reason(), Some(WakeReason::Link(next)) if next == timer)
    }

    /// Lets the lines go that wait for the rest of a message; nothing may follow.
    pub fn end_trace(&mut self) {
        self.recorder.end();
        self.trace.extend(core::iter::from_fn(|| self.recorder.poll()));
    }

    /// Replays the world's own trace with a node born alike.
    pub fn assert_replays(&self, boot: Boot, dialect: D) {
        let replayed = trace::replay(boot, dialect, &self.trace);
        assert_eq!(replayed.as_ref().map(|count| count.lines), Ok(self.trace.len()), "{replayed:?}");
    }
}

impl World<Probe> {
    /// A probe that is connected, with nothing to report but that.
    pub fn connected(probe: Probe) -> Self {
        Self::connected_within(boot(), probe)
    }

    pub fn connected_within(boot: Boot, probe: Probe) -> Self {
        let mut world = Self::new(boot, probe);
        world.up();
        world.take_sent();
        world.take_actions();
        world
    }

    pub fn order(&mut self, order: Do) {
        self.handle(Event::Command(order));
    }

    /// The tokens of publishes among the notices since actions were last taken.
    pub fn published(&mut self) -> Vec<Token> {
        self.notices()
            .into_iter()
            .filter_map(|told| if let Told::Published(token) = told { Some(token) } else { None })
            .collect()
    }

    /// The receipts among the notices since actions were last taken.
    pub fn receipts(&mut self) -> Vec<Got> {
        self.notices()
            .into_iter()
            .filter_map(|told| if let Told::Receipt(_, got) = told { Some(got) } else { None })
            .collect()
    }
}

/// A boot at [`BIRTH`] with nothing stored.
pub fn boot() -> Boot {
    Boot::new(BIRTH, 7)
}

pub fn id(id: u16) -> PacketId {
    PacketId::new(id).expect("not 0")
}

pub fn encoded(packets: &[Packet]) -> Bytes {
    let mut bytes = BytesMut::new();
    for packet in packets {
        wire::encode(packet, &mut bytes).expect("a valid packet");
    }
    bytes.freeze()
}

/// A message from the broker; `number` is its packet identifier where it needs one.
pub fn message(topic: &str, payload: &str, qos: Qos, number: u16) -> Packet {
    Packet::Publish(wire::Publish {
        topic: topic.into(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        qos,
        retain: false,
        dup: false,
        id: if qos == Qos::AtMostOnce { None } else { Some(id(number)) },
    })
}

pub fn say(payload: &str, qos: Qos, policy: Policy) -> Do {
    Do::Publish { topic: "out".into(), payload: payload.into(), qos, policy }
}

pub fn listen(filter: &str, tag: u32) -> Do {
    Do::Subscribe { filter: filter.into(), qos: Qos::ExactlyOnce, tag }
}

/// Payload, packet identifier and DUP of each PUBLISH among packets.
pub fn publishes(packets: &[Packet]) -> Vec<(String, Option<u16>, bool)> {
    let publish = |packet: &Packet| match packet {
        Packet::Publish(publish) => Some((
            String::from_utf8_lossy(&publish.payload).into_owned(),
            publish.id.map(PacketId::get),
            publish.dup,
        )),
        _ => None,
    };
    packets.iter().filter_map(publish).collect()
}

fn answer(packet: &Packet) -> Option<Packet> {
    match packet {
        Packet::Publish(publish) => publish.id.map(Packet::PubAck),
        Packet::Subscribe { id, filters } => {
            Some(Packet::SubAck { id: *id, codes: filters.iter().map(|(_, qos)| Some(*qos)).collect() })
        }
        Packet::Unsubscribe { id, .. } => Some(Packet::UnsubAck(*id)),
        Packet::PingReq => Some(Packet::PingResp),
        _ => None,
    }
}
