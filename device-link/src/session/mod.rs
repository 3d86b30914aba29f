//! The MQTT 3.1.1 client session: packets in and out, acknowledgements, subscriptions. No time, no link state.

mod incoming;
mod kept;
mod outbox;
mod output;
mod router;
mod window;

use alloc::string::String;

use bytes::{Bytes, BytesMut};

use crate::dialect::{ConnectSpec, Filter, Gate, Lost, Publish, Queue, Receipt, Slot, SubscribeRefused};
use crate::limits::Limits;
use crate::load::Tally;
use crate::map::{Map, Set};
use crate::port::{Outbound, Token};
use crate::secret::MASK;
use crate::wire::{self, ConnectCode, Oversized, Packet, PacketId, Qos, WireError};

use incoming::Skipped;
use outbox::{Outbox, Parcel, outbound_qos};
use output::Output;
use router::Router;

/// What the session has to tell after a packet.
#[derive(Debug)]
pub(crate) enum Incoming<T> {
    /// CONNACK, whatever it says.
    ConnAck { session_present: bool, code: ConnectCode },
    /// A message, acknowledged already where its quality of service wants that.
    Message { tag: T, message: wire::Publish },
    /// A message over the limit has gone by, acknowledged as others are.
    Oversized { tag: T, message: Oversized },
    /// A subscription was answered that is still wanted.
    Subscribed { tag: T, answer: Result<Qos, SubscribeRefused> },
    /// A subscription that is wanted no more, or the end of one, was answered.
    Unsubscribed,
    /// A publish was acknowledged.
    Acked { token: Token },
    /// The answer to PINGREQ.
    Pong,
    /// Nothing that concerns anybody else.
    Nothing,
}

/// Why the session cannot go on.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The peer broke the protocol.
    Protocol(String),
    /// The peer announced a packet over the limit that is no message.
    PacketTooLarge,
}

/// The most subscriptions that may be held or wait for an answer, and the most publishes that may be
/// unacknowledged: together they leave one of the 65535 packet identifiers free.
pub(crate) const EXCHANGES: usize = 32_767;

/// The client's half of an MQTT 3.1.1 session. It outlives connections.
#[derive(Debug)]
pub(crate) struct Session<T> {
    inbound: BytesMut,
    /// The message over the limit that is going by; `inbound` is empty meanwhile.
    skipped: Option<Skipped>,
    output: Output,
    /// Whether this connection's CONNACK has come.
    acknowledged: bool,
    last_id: PacketId,
    router: Router<T>,
    subscribing: Map<PacketId, Filter>,
    unsubscribing: Set<PacketId>,
    /// Identifiers of inbound QoS 2 messages that were handed on and not yet released.
    received: Set<PacketId>,
    outbox: Outbox,
    packet_bytes: usize,
    maximum_received: usize,
    maximum_subscriptions: usize,
    tally: Tally,
}

impl<T: Copy> Session<T> {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            inbound: BytesMut::new(),
            skipped: None,
            output: Output::default(),
            acknowledged: false,
            last_id: PacketId::FIRST,
            router: Router::new(),
            subscribing: Map::new(),
            unsubscribing: Set::new(),
            received: Set::new(),
            outbox: Outbox::new(limits),
            packet_bytes: limits.packet_bytes,
            maximum_received: limits.inbound_exactly_once,
            maximum_subscriptions: limits.subscriptions.min(EXCHANGES),
            tally: Tally::default(),
        }
    }

    /// Writes CONNECT, first of all on a new transport.
    pub(crate) fn connect(&mut self, spec: &ConnectSpec) -> Result<(), WireError> {
        self.inbound = BytesMut::new();
        self.skipped = None;
        self.acknowledged = false;
        let connect = |password| Packet::Connect(connect_packet(spec, password));
        let shown = (spec.username.is_some() && spec.password.is_some())
            .then(|| connect(Some(Bytes::from_static(MASK.as_bytes()))));
        let password =
            spec.password.as_ref().map(|secret| Bytes::copy_from_slice(secret.expose().as_bytes()));
        self.output.begin(&connect(password.filter(|_| spec.username.is_some())), shown.as_ref())
    }

    /// The broker has accepted the connection. Without its old session there is nothing to release
    /// any more, and every subscription is asked for again.
    pub(crate) fn up(&mut self, session_present: bool) {
        Tally::count(&mut self.tally.connections);
        if !session_present {
            self.received.clear();
        }
        let all: alloc::vec::Vec<_> =
            self.router.in_order().map(|(filter, qos)| (filter.clone(), qos)).collect();
        for (filter, qos) in all {
            self.write_subscribe(&filter, qos);
        }
    }

    /// Sends again what was not acknowledged, with DUP set [MQTT-4.4.0-1].
    pub(crate) fn resend(&mut self) {
        for inflight in self.outbox.inflight() {
            self.output.publish(&inflight.parcel.publish, true, Some(inflight.id));
            Tally::count(&mut self.tally.sent);
        }
    }

    /// The link is gone: half-done exchanges end with it.
    pub(crate) fn link_lost(&mut self, lost: &mut dyn FnMut(Token, Receipt)) {
        self.inbound = BytesMut::new();
        self.skipped = None;
        self.output.clear();
        self.subscribing.clear();
        self.unsubscribing.clear();
        self.outbox.link_lost(lost);
    }

    /// Adds a subscription; it is written at once if the link is up, else with the next one.
    pub(crate) fn subscribe(
        &mut self,
        filter: &Filter,
        qos: Qos,
        tag: T,
        up: bool,
    ) -> Result<(), SubscribeRefused> {
        if self.router.len() >= self.maximum_subscriptions && !self.router.contains(filter) {
            return Err(SubscribeRefused::Full);
        }
        if self.unanswered() >= EXCHANGES {
            return Err(SubscribeRefused::Full);
        }
        self.router.insert(filter, qos, tag);
        if up {
            self.write_subscribe(filter, qos);
        }
        Ok(())
    }

    pub(crate) fn unsubscribe(&mut self, filter: &Filter, up: bool) {
        if !self.router.remove(filter) || !up || self.unanswered() >= EXCHANGES {
            return;
        }
        let id = self.free_id();
        self.unsubscribing.insert(id);
        self.write(&Packet::Unsubscribe { id, filters: alloc::vec![filter.as_str().into()] });
    }

    /// Whether a SUBSCRIBE or UNSUBSCRIBE has not been answered yet.
    pub(crate) fn awaits_suback(&self) -> bool {
        self.unanswered() > 0
    }

    fn unanswered(&self) -> usize {
        self.subscribing.len() + self.unsubscribing.len()
    }

    /// Sends a publish or lets it wait by its policy.
    pub(crate) fn publish(
        &mut self,
        token: Token,
        publish: Publish,
        up: bool,
        receipt: &mut dyn FnMut(Token, Receipt),
    ) {
        let parcel = Parcel::new(token, publish);
        // A fixed header of 5 bytes, the topic's length and the packet identifier: 9 bytes at most.
        if parcel.size().saturating_add(9) > self.packet_bytes {
            return receipt(token, Receipt::Lost(Lost::TooLarge));
        }
        if !up && parcel.publish.queue == Queue::Drop {
            return receipt(token, Receipt::Lost(Lost::Offline));
        }
        if up && self.outbox.is_clear() && self.outbox.is_open(parcel.publish.queue) {
            return self.send(parcel, receipt);
        }
        self.outbox.push(parcel, receipt);
        if up {
            self.pump(receipt);
        }
    }

    /// Sends what waits, as far as the inflight window allows.
    pub(crate) fn pump(&mut self, sent: &mut dyn FnMut(Token, Receipt)) {
        while let Some(parcel) = self.outbox.next_ready() {
            self.send(parcel, sent);
        }
    }

    fn send(&mut self, parcel: Parcel, sent: &mut dyn FnMut(Token, Receipt)) {
        match outbound_qos(parcel.publish.qos) {
            Qos::AtMostOnce => {
                self.output.publish(&parcel.publish, false, None);
                sent(parcel.token, Receipt::Sent);
            }
            Qos::AtLeastOnce | Qos::ExactlyOnce => {
                let id = self.free_id();
                self.output.publish(&parcel.publish, parcel.again, Some(id));
                self.outbox.sent(id, parcel);
                Tally::count(&mut self.tally.sent);
            }
        }
    }

    pub(crate) fn is_waiting(&self, slot: Slot) -> bool {
        self.outbox.is_waiting(slot)
    }

    pub(crate) fn retract(&mut self, slot: Slot, lost: &mut dyn FnMut(Token, Receipt)) {
        self.outbox.retract(slot, lost);
    }

    pub(crate) fn open_gate(&mut self, gate: Gate, up: bool, sent: &mut dyn FnMut(Token, Receipt)) {
        if up {
            self.outbox.open_gate(gate);
            self.pump(sent);
        }
    }

    pub(crate) fn close_gate(&mut self, gate: Gate) {
        self.outbox.close_gate(gate);
    }

    pub(crate) fn discard(&mut self, gate: Gate, lost: &mut dyn FnMut(Token, Receipt)) {
        self.outbox.discard(gate, lost);
    }

    pub(crate) fn withdraw(&mut self, unwanted: &Set<Token>, lost: &mut dyn FnMut(Token, Receipt)) {
        self.outbox.withdraw(unwanted, lost);
    }

    pub(crate) fn rename_topics(
        &mut self,
        rename: &dyn Fn(&str) -> Option<String>,
        lost: &mut dyn FnMut(Token, Receipt),
    ) {
        self.outbox.rename_topics(rename, lost);
    }

    /// What is to be kept across a restart, within so many bytes.
    pub(crate) fn kept(&self, bound: usize) -> Option<Bytes> {
        kept::write(self.outbox.bounded().filter(|parcel| kept::is_kept(parcel)), bound)
    }

    /// Queues what was kept; false if it cannot be read.
    pub(crate) fn restore(&mut self, value: &[u8]) -> bool {
        let publishes = kept::read(value);
        for publish in publishes.iter().flatten() {
            let parcel = Parcel::new(Token::RESTORED, publish.clone());
            self.outbox.push(parcel, &mut |_, _| {});
        }
        publishes.is_some()
    }

    pub(crate) fn end(&mut self, lost: &mut dyn FnMut(Token, Receipt)) {
        self.outbox.end(lost);
    }

    /// Whether nothing of ours waits for the broker.
    pub(crate) fn is_quiet(&self) -> bool {
        self.outbox.is_quiet()
    }

    pub(crate) fn outbox_depth(&self) -> usize {
        self.outbox.depth()
    }

    pub(crate) fn subscriptions(&self) -> usize {
        self.router.len()
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A publish has lost its place for good.
    pub(crate) fn count_lost(&mut self) {
        Tally::count(&mut self.tally.lost);
    }

    pub(crate) fn is_half_full(&self) -> bool {
        self.outbox.is_half_full()
    }

    pub(crate) fn lost_full(&self) -> u64 {
        self.outbox.lost_full()
    }

    pub(crate) fn ping(&mut self) {
        self.write(&Packet::PingReq);
    }

    pub(crate) fn disconnect(&mut self) {
        self.write(&Packet::Disconnect);
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Gives the memory of empty buffers back.
    pub(crate) fn trim(&mut self) {
        if self.inbound.is_empty() {
            self.inbound = BytesMut::new();
        }
        self.output.trim();
        self.outbox.trim();
    }

    /// Everything written since the last call.
    pub(crate) fn take_output(&mut self) -> Option<Outbound> {
        self.output.take()
    }

    fn write_subscribe(&mut self, filter: &Filter, qos: Qos) {
        let id = self.free_id();
        self.subscribing.insert(id, filter.clone());
        self.write(&Packet::Subscribe { id, filters: alloc::vec![(filter.as_str().into(), qos)] });
    }

    fn write(&mut self, packet: &Packet) {
        self.output.write(packet);
    }

    /// The next identifier that no exchange of ours uses. There is always one: see [`EXCHANGES`].
    fn free_id(&mut self) -> PacketId {
        loop {
            self.last_id = self.last_id.next();
            let id = self.last_id;
            if !self.outbox.uses(id)
                && !self.subscribing.contains_key(&id)
                && !self.unsubscribing.contains(&id)
            {
                return id;
            }
        }
    }
}

fn connect_packet(spec: &ConnectSpec, password: Option<Bytes>) -> wire::Connect {
    wire::Connect {
        client_id: spec.client_id.clone(),
        clean_session: spec.clean_session,
        keep_alive: spec.keep_alive_seconds,
        will: spec.will.as_ref().map(|will| wire::Will {
            topic: will.topic.as_str().into(),
            payload: will.payload.clone(),
            qos: will.qos,
            retain: will.retain,
        }),
        username: spec.username.clone(),
        password,
    }
}
